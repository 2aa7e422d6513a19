"""Labels into the zarr of their image: under "labels", where other programs look for them."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import zarr
from zarr.storage import LocalStore

from napari_segplugin.core import InputError
from napari_segplugin.core.disk.commit import commit
from napari_segplugin.core.types import JsonDict
from napari_segplugin.io.files import IN_ZARR, LabelsToWrite, writing
from napari_segplugin.io.omezarr_about import about_group
from napari_segplugin.io.omezarr_parts import image_label, labels_in
from napari_segplugin.io.omezarr_store import opened, summed_up
from napari_segplugin.io.omezarr_write import ZarrFormat, write_group


def check_place(path: Path) -> zarr.Group:
    """The image to which labels of this path belong.

    Raises
    ------
    InputError
        If it is no OME-Zarr image, the name is not allowed there, or something else than labels has it already.
    """
    root = path.parent.parent
    image = opened(root)
    if isinstance(image, zarr.Array) or "multiscales" not in about_group(image, root.name):
        raise InputError(
            f"'{root.name}' is no OME-Zarr image, so it cannot take labels.",
            accepted="a zarr with 'multiscales'",
            hint="Write the labels beside it, into a zarr of their own.",
        )
    if path.name.startswith((".", "__")) or path.name in ("zarr.json", IN_ZARR):
        raise InputError("Labels in a zarr cannot have this name.", got=f"'{path.name}'", hint="Choose another name.")
    if path.exists() and image_label(path) is None:
        raise InputError(f"'{path.name}' in '{root.name}' is something else than labels.", hint="Choose another name.")
    return image


def write_into(labels: LabelsToWrite, path: Path) -> None:
    """Write labels into the zarr of their image, and list them there: both, or nothing.

    Parameters
    ----------
    labels : LabelsToWrite
    path : Path
        ``<image>.zarr/labels/<name>``; labels of this name are replaced.

    Raises
    ------
    InputError
        As of :func:`check_place`, if the labels are larger than the image, or they cannot be written.
    """
    image = check_place(path)
    _check_size(labels, image, path)
    kind = image.metadata.zarr_format
    folder = path.parent
    names = list(dict.fromkeys([*labels_in(folder.parent), path.name]))
    with writing(path):
        if folder.is_dir():
            with commit(path) as stage:
                write_group(labels, stage.path(path), kind, "../../")
                listing = stage.path(folder / (".zattrs" if kind == 2 else "zarr.json"))
                before = opened(folder)
                _list(listing.parent, kind, names, dict(before.attrs))
                if kind == 2:
                    stage.path(folder / ".zgroup")
        else:
            with commit(folder) as stage:
                made = stage.path(folder)
                _list(made, kind, names, {})
                write_group(labels, made / path.name, kind, "../../")
        if summed_up(folder.parent):
            zarr.consolidate_metadata(
                LocalStore(folder.parent), zarr_format=kind
            )  # else the summary hides the new labels


def _list(folder: Path, kind: ZarrFormat, names: list[str], before: JsonDict) -> None:
    """Make the group of all labels, which names them."""
    group = zarr.open_group(LocalStore(folder), mode="a", zarr_format=kind)
    if kind == 2:
        group.attrs.update({**before, "labels": list(names)})
    else:
        ome = before.get("ome")
        inner = {"version": "0.5", **(ome if isinstance(ome, dict) else {})}
        group.attrs.update({**before, "ome": {**inner, "labels": list(names)}})


def _check_size(labels: LabelsToWrite, image: zarr.Group, path: Path) -> None:
    scales = about_group(image, path.parent.parent.name)["multiscales"][0]
    finest = cast("zarr.Array", image[scales["datasets"][0]["path"]])
    have = tuple(int(n) for n in labels.array.shape)[-2:]
    room = tuple(int(n) for n in finest.shape)[-2:]
    if any(a > b for a, b in zip(have, room, strict=True)):
        raise InputError(
            f"The labels do not fit '{path.parent.parent.name}'.",
            got=f"{have[0]} × {have[1]} pixels for an image of {room[0]} × {room[1]}",
            hint="Choose the image that they were made from.",
        )


__all__ = ["check_place", "write_into"]
