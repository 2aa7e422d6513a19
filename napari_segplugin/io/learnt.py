"""What a model knows of the images that it learnt from, and how it reads intensities, in the files of its folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NotRequired, TypedDict

from napari_segplugin.core import InputError, Learnt, Normalisation, to_json
from napari_segplugin.core.schema import Between
from napari_segplugin.core.types import JsonDict
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


class NormalisationJson(TypedDict):
    """How intensities become network input: the fields of :class:`~napari_segplugin.core.Normalisation`."""

    low: NotRequired[float]
    high: NotRequired[float]
    clip: NotRequired[float]
    rule: NotRequired[Literal["robust", "percentiles", "values"]]
    values: NotRequired[list[Annotated[list[float], Between(2, 2)]]]


def normalisation_json(norm: Normalisation) -> JsonDict:
    """As JSON; fields that say nothing new are left out, so that versions that do not know them read it too."""
    data: JsonDict = to_json(norm)
    return {k: v for k, v in data.items() if not (k == "values" and not v) and (k, v) != ("rule", "robust")}


def read_normalisation(data: NormalisationJson) -> Normalisation:
    """From JSON.

    Raises
    ------
    InputError
        If a field is not known, or out of range.
    """
    known = {f.name for f in dataclasses.fields(Normalisation)}
    fields: Mapping[str, object] = data
    if set(fields) - known:
        raise InputError(
            "Unknown fields in the normalisation.",
            got=", ".join(sorted(set(fields) - known)),
            accepted=", ".join(known),
        )
    usual = Normalisation()
    return Normalisation(
        float(data.get("low", usual.low)),
        float(data.get("high", usual.high)),
        float(data.get("clip", usual.clip)),
        data.get("rule", usual.rule),
        tuple((float(low), float(high)) for low, high in data.get("values", [])),
    )


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


__all__ = ["NAME", "LearntJson", "NormalisationJson", "normalisation_json", "read_learnt", "read_normalisation"]
