"""PNG, JPEG and other pictures, through imageio, Pillow and imagecodecs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import imageio.v3 as imageio
import numpy as np
from PIL import Image as pillow

from napari_segplugin.core import InputError
from napari_segplugin.core.types import JsonDict
from napari_segplugin.io.colours import alpha_like, grey_in_colours, grey_note, turned_note, upright
from napari_segplugin.io.files import Format, Found, LabelsToWrite, first_line, native
from napari_segplugin.io.memory import allowed_large, check_size, too_large

# Colour models other than red, green, blue are converted: their channels are not intensities of anything.
_TO_RGB = {"CMYK", "YCbCr", "LAB", "HSV"}
_ANIMATED = {"GIF", "WEBP", "PNG"}
_JPEG2000 = (".jp2", ".j2k", ".jpx")
_ORIENTATION = 0x0112  # EXIF's tag


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
    """Read a picture as (Y, X) or (Y, X, C), an animated one as (T, Y, X) or (T, Y, X, C).

    16 bits stay 16 bits, the orientation that a camera wrote is applied, transparency is dropped, and grey that is stored as
    red, green and blue is one channel; ``metadata["notes"]`` says so. Dots per inch are of a print, not of a pixel.
    """
    with bounded(path):
        array, metadata, notes = _load(path)
    film = array.ndim == 4
    colour = array.ndim - film == 3
    if colour and array.shape[-1] in (2, 4):
        array = _without_alpha(array, metadata, notes, path)
    if colour and array.shape[-1] == 3 and grey_in_colours(array, array.ndim - 1):
        array = array[..., :1]
        metadata["grey_as_colours"] = True
        notes.append(grey_note(path.name))
    if colour and array.shape[-1] == 1:
        array, colour = array[..., 0], False
    if colour and array.shape[-1] >= 3:
        metadata["channel_names"] = [*("red", "green", "blue"), "band 4"][: array.shape[-1]]
    if notes:
        metadata["notes"] = list(notes)
    axes = "T" * film + "YX" + "C" * colour
    return Found(native(np.ascontiguousarray(array)), axes, metadata=metadata)


def read_labels(path: Path) -> Found:
    """As :func:`read`, but a palette's indices are kept instead of its colours: they are the labels."""
    with bounded(path), pillow.open(path) as picture:
        if picture.mode == "P":
            return Found(np.array(picture), "YX", metadata={"color_mode": "P"})
    return read(path)


def _without_alpha(array: np.ndarray, metadata: JsonDict, notes: list[str], path: Path) -> np.ndarray:
    """Without transparency; JPEG 2000 has four bands of any kind, so there it is looked at."""
    band, colours = array[..., -1], array[..., :-1]
    if path.suffix.lower() in _JPEG2000 and not alpha_like(band, colours, array.ndim - 1, associated=False):
        notes.append(
            f"The last band of '{path.name}' looks like data and not like transparency, so it is kept as a channel."
        )
        return array
    metadata["alpha"] = "dropped"
    if (band != band.flat[0]).any():
        notes.append(f"'{path.name}' has transparency, which is not used.")
    return colours


def _load(path: Path) -> tuple[np.ndarray, JsonDict, list[str]]:
    """Numbers of a picture or an animation, upright; what is known of it; and notes."""
    notes: list[str] = []
    with pillow.open(path) as picture:
        mode, count, kind = picture.mode, int(getattr(picture, "n_frames", 1)), picture.format
        orientation = int(picture.getexif().get(_ORIENTATION, 1) or 1)
        metadata: JsonDict = {"color_mode": mode}
        if count > 1 and kind in _ANIMATED:
            return _animation(picture, path, count), {**metadata, **_interval(picture, count, path, notes)}, notes
        if count > 1:
            notes.append(f"'{path.name}' contains {count} pictures; the first is opened.")
        depth = _deep(path, mode)
    if depth is not None:
        array = depth
    else:
        file = imageio.imopen(path, "r", plugin="pillow")
        with file:
            array = np.asarray(file.read(index=0, mode="RGB") if mode in _TO_RGB else file.read(index=0))
    if orientation in range(2, 9):
        array = upright(array, orientation, 0, 1)
        notes.append(turned_note(path.name, orientation))
    return array, metadata, notes


def _deep(path: Path, mode: str) -> np.ndarray | None:
    """Colours of 16 bits, which Pillow cuts to 8; None for everything else."""
    suffix = path.suffix.lower()
    if suffix not in (".png", *_JPEG2000) or mode not in ("RGB", "RGBA", "LA"):
        return None
    data = path.read_bytes()
    if suffix in _JPEG2000:
        return np.asarray(imagecodecs.jpeg2k_decode(data))
    return np.asarray(imagecodecs.png_decode(data)) if data[24:25] == b"\x10" else None  # bits, in the header


def _animation(picture: pillow.Image, path: Path, count: int) -> np.ndarray:
    """(T, Y, X, C) frames of an animation, as they are shown one over the other."""
    check_size(path, (count, picture.height, picture.width, 4), "u1")
    frames = []
    for number in range(count):
        picture.seek(number)
        frames.append(np.asarray(picture.convert("RGB")))
    return np.stack(frames)


def _interval(picture: pillow.Image, count: int, path: Path, notes: list[str]) -> JsonDict:
    """Seconds between two frames, where the animation names them."""
    shown = []
    for number in range(count):
        picture.seek(number)
        picture.load()
        shown.append(float(picture.info.get("duration", 0)) / 1000)
    usual = sorted(shown[:-1])[(count - 1) // 2]
    if usual and any(abs(s - usual) > 0.1 * usual for s in shown[:-1]):
        notes.append(f"The frames of '{path.name}' do not follow each other evenly; most do after {usual:g} s.")
    return {"frame_interval": usual} if usual else {}


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
PHOTOS = Format(read=read, read_labels=read_labels)
"""The same for kinds that are read only."""
