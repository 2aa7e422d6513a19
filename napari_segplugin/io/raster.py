"""PNG and JPEG, through imageio and Pillow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from PIL import Image as pillow

from napari_segplugin.core import InputError
from napari_segplugin.core.types import JsonDict
from napari_segplugin.io.files import Format, Found, LabelsToWrite, first_line, native
from napari_segplugin.io.memory import allowed_large, too_large

# Colour models other than red, green, blue are converted: their channels are not intensities of anything.
_TO_RGB = {"CMYK", "YCbCr", "LAB", "HSV"}


@contextlib.contextmanager
def bounded(path: Path) -> Iterator[None]:
    """Say in a sentence that a picture is too large to be unpacked; Pillow looks at its size before it takes memory.

    Raises
    ------
    InputError
        If it has more than twice ``PIL.Image.MAX_IMAGE_PIXELS`` pixels.
    """
    if allowed_large():
        pillow.MAX_IMAGE_PIXELS = None
    try:
        yield
    except (pillow.DecompressionBombError, OSError) as error:
        # imageio hides it behind an error of its own
        bomb = next((e for e in (error, error.__cause__) if isinstance(e, pillow.DecompressionBombError)), None)
        if bomb is None:
            raise
        raise too_large(path, first_line(bomb), "very many pixels") from error


def read(path: Path) -> Found:
    """Read a picture as (Y, X) or (Y, X, C); an alpha channel is dropped and named in the metadata."""
    array, mode = _load(path)
    metadata: JsonDict = {"color_mode": mode}
    if array.ndim == 3 and array.shape[-1] in (2, 4):
        array = array[..., :-1]
        metadata["alpha"] = "dropped"
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return Found(native(np.ascontiguousarray(array)), "YXC" if array.ndim == 3 else "YX", metadata=metadata)


def read_labels(path: Path) -> Found:
    """As :func:`read`, but a palette's indices are kept instead of its colours: they are the labels."""
    with bounded(path), pillow.open(path) as picture:
        if picture.mode == "P":
            return Found(np.array(picture), "YX", metadata={"color_mode": "P"})
    return read(path)


def _load(path: Path) -> tuple[np.ndarray, str]:
    with bounded(path):
        file = imageio.imopen(path, "r", plugin="pillow")
        with file:
            mode = str(file.metadata(index=0).get("mode", ""))
            array = np.asarray(file.read(index=0, mode="RGB") if mode in _TO_RGB else file.read(index=0))
    return array, mode


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write a label plane as PNG of 8 or 16 bits.

    Raises
    ------
    InputError
        If the labels are not a plane, do not fit in 16 bits, or the name ends in .jpg (it would change labels).
    """
    if path.suffix.lower() != ".png":
        raise InputError("JPEG changes the values, so labels cannot be saved as JPEG.", accepted=".png, .tif")
    if len(labels.axes) != 2:
        raise InputError(
            "A PNG holds only one plane.",
            got=f"labels with the axes '{labels.axes}'",
            hint="Choose .tif, .zarr or .nii.gz.",
        )
    if labels.dtype.itemsize > 2:
        raise InputError(
            "A PNG holds only labels up to 65535.",
            got=f"labels of {labels.dtype}",
            hint="Choose .tif, .zarr or .nii.gz.",
        )
    imageio.imwrite(path, np.asarray(labels.array).astype(labels.dtype), plugin="pillow", extension=".png")


FORMAT = Format(read=read, write=write, read_labels=read_labels)
