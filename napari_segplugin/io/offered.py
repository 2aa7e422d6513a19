"""In which formats a result can be written: those that hold it, that of its image first."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from napari_segplugin.core import InputError
from napari_segplugin.io.formats import FORMATS, extension_of, format_of, stem_of, title_in_zarr
from napari_segplugin.io.like_input import ending_like
from napari_segplugin.io.row import FormatRow
from napari_segplugin.io.samples import is_sample


@dataclass(frozen=True)
class Offer:
    """A format that a result can be written in.

    Parameters
    ----------
    title : str
        For a list.
    extension : str
        With the dot.
    """

    title: str
    extension: str


def offers(axes: str, largest: int, source: str = "") -> tuple[Offer, ...]:
    """The formats that hold a result, in the order of a list: that of its image, those of labels, then the others.

    Parameters
    ----------
    axes : str
        Of the labels, from "TZYX".
    largest : int
        The largest number in them.
    source : str
        Path of the image; empty where it came from no file.

    Examples
    --------
    >>> [offer.extension for offer in offers("YX", 40, "cells.png")][:2], ".stl" in {o.extension for o in offers("YX", 40)}
    (['.png', '.tif'], False)
    """
    found = [
        Offer(title, extension)
        for row in FORMATS
        if row.writes and _holds(row, axes, largest, source)
        for title, extension in row.choices
    ]
    known = {offer.extension: offer for offer in found}
    own = ending_like(source) if source else None
    for extension in (own.extension, own.otherwise) if own else ():
        row = next((r for r in FORMATS if r.writes and extension_of(Path(f"a{extension}")) in r.extensions), None)
        if extension and row is not None and _holds(row, axes, largest, source):
            first = known.get(extension, Offer(row.title, extension))
            return first, *(offer for offer in found if offer != first)
    return tuple(found)


def _holds(row: FormatRow, axes: str, largest: int, source: str) -> bool:
    """Whether labels can be written in a format here."""
    if row.module and importlib.util.find_spec(row.module) is None:
        return False
    if (row.most and largest > row.most) or (row.objects and not largest):
        return False
    if row.needs == "plane":
        return axes == "YX"
    if row.needs == "volume":
        return axes == "ZYX"
    return row.needs != "dicom" or ("T" not in axes and _is_dicom(source))


def _is_dicom(source: str) -> bool:
    try:
        return bool(source) and Path(source).exists() and format_of(Path(source)).name == "dicom"
    except (InputError, OSError, ValueError):
        return False


def place_for(source: str, extension: str, name: str = "", word: str = "labels") -> Path:
    """Where a result is put unless a person says otherwise: beside its image, called like it with "_labels".

    Parameters
    ----------
    source : str
        Path of the image; empty where it came from no file.
    extension : str
        Of the result, with the dot.
    name : str
        What the image is called where it has no file.
    word : str
        What is said behind the name of the image.

    Returns
    -------
    Path
        In the home folder where the image has none that can be written to.

    Examples
    --------
    >>> place_for("/no/such/folder/cells.ome.tif", ".ome.tif").name, place_for("", ".tif", "a/b").name
    ('cells_labels.ome.tif', 'a_b_labels.tif')
    """
    path = Path(source) if source else None
    zarr = None if path is None else next((p for p in (path, *path.parents) if p.suffix.lower() == ".zarr"), None)
    stem = (
        name
        if path is None
        else title_in_zarr(path) or (path.name if path.is_dir() and zarr is None else stem_of(path))
    )
    stem = "".join("_" if c in '<>:"/\\|?*' or ord(c) < 32 else c for c in stem).strip(" .") or "result"
    folder = Path.home() if path is None else (zarr or path).parent
    if is_sample(folder) or not (folder.is_dir() and os.access(folder, os.W_OK)):
        folder = Path.home()
    return folder / f"{stem}_{word}{extension}"


__all__ = ["Offer", "offers", "place_for"]
