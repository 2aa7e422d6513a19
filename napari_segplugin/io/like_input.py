"""In which format a result is written where nobody says it: in that of its image, as far as labels fit in there."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass

from napari_segplugin.core import InputError
from napari_segplugin.io.files import as_path
from napari_segplugin.io.formats import extension_of, format_of

_USUAL = ".tif"
_FULL = {"nifti": ".nii.gz", "omezarr": ".ome.zarr", "npy": ".npy"}
"""Formats that hold labels as well as images, whatever these are."""
_IMAGES = (".nii", ".nii.gz", ".seg.dcm", ".tif", ".tiff", ".ome.tif", ".ome.tiff", ".ome.zarr", ".npy", ".png")
"""Endings of results whose images can be written."""


@dataclass(frozen=True)
class Ending:
    """How the file of a result ends.

    Parameters
    ----------
    extension : str
        With the dot.
    otherwise : str
        What is written where that cannot hold the labels; empty where it always can.
    note : str
        A sentence for the person, where the format is not that of the image.
    """

    extension: str
    otherwise: str = ""
    note: str = ""


def ending_like(path: str | os.PathLike[str]) -> Ending:
    """How the result of an image ends: as the image, where labels can be written so, else .tif.

    Parameters
    ----------
    path : path
        The image, a file or a folder. What cannot be read is .tif: whoever reads it says why.

    Examples
    --------
    >>> ending_like("brain.nii").extension, ending_like("cells.ome.tif").extension
    ('.nii', '.ome.tif')
    >>> ending_like("photo.jpg")
    Ending(extension='.png', otherwise='.tif', note='')
    """
    place = as_path(path)
    try:
        row = format_of(place)
    except (InputError, OSError, ValueError):
        return Ending(_USUAL)
    if row.name == "raster":
        return Ending(".png", otherwise=_USUAL)
    if row.name == "dicom":
        if importlib.util.find_spec("highdicom") is not None:
            return Ending(".seg.dcm", otherwise=".nii.gz")
        text = 'To write a DICOM segmentation, run: pip install "napari-segplugin[dicomseg]". The result is NIfTI.'
        return Ending(".nii.gz", note=text)
    own, name = extension_of(place), place.name.lower()
    if row.name == "tiff":
        return Ending(f".ome{own}" if name.endswith(f".ome{own}") else _USUAL)
    if row.name in _FULL:
        return Ending(own if own in (".nii", ".nii.gz") else _FULL[row.name])
    return Ending(own if row.writes and own in row.extensions and not row.needs else _USUAL)


def image_ending(path: str | os.PathLike[str]) -> str:
    """The extension of a piece of an image: that of the image where images are written so, else that of a format that fits.

    Examples
    --------
    >>> image_ending("brain.nii.gz"), image_ending("photo.jpg"), image_ending("cells.ome.tif")
    ('.nii.gz', '.png', '.ome.tif')
    """
    found = ending_like(path).extension
    return {".seg.dcm": ".nii.gz"}.get(found, found) if found in _IMAGES else _USUAL


def labels_beside(extension: str, axes: str) -> str:
    """The extension of labels beside an image with one; a PNG holds a plane of them.

    Examples
    --------
    >>> labels_beside(".zarr", "ZYX"), labels_beside(".png", "YX"), labels_beside(".nii.gz", "ZYX")
    ('.ome.zarr', '.png', '.nii.gz')
    """
    if extension == ".zarr":
        return ".ome.zarr"
    return extension if extension != ".png" or axes == "YX" else _USUAL


def first_sentence(error: InputError) -> str:
    """What is wrong, without what could be done about it.

    Examples
    --------
    >>> first_sentence(InputError("A PNG holds one plane.", hint="Choose TIFF."))
    'A PNG holds one plane.'
    """
    return f"{str(error).partition('. ')[0].rstrip('.')}."


__all__ = ["Ending", "ending_like", "first_sentence", "image_ending", "labels_beside"]
