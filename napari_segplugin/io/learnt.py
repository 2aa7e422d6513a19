"""What a model knows of the images that it learnt from, as the file learnt.json of its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypedDict

from napari_segplugin.core import Learnt
from napari_segplugin.core.schema import Between
from napari_segplugin.io.boundary import read_json, reading

NAME = "learnt.json"
_List = Annotated[list[float], Between(0, 4096)]


class LearntJson(TypedDict):
    """The file: the fields of :class:`~napari_segplugin.core.Learnt`."""

    images: Annotated[int, Between(0, 2**53)]
    modality: str
    channels: list[str]
    widths: _List
    cover: _List
    values: list[_List]
    typical: dict[str, _List]


def read_learnt(folder: Path) -> Learnt:
    """What the folder of a model says; nothing where it has no such file, as those of older versions.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = folder / NAME
    with reading(path, "what a model learnt from"):
        if not path.is_file():
            return Learnt()
    found = read_json(path, LearntJson)
    return Learnt(
        found["images"],
        found["modality"],
        tuple(found["channels"]),
        tuple(found["widths"]),
        tuple(found["cover"]),
        tuple(tuple(v) for v in found["values"]),
        {k: tuple(v) for k, v in found["typical"].items()},
    )


__all__ = ["NAME", "LearntJson", "read_learnt"]
