"""Images of one scene as the channels of one image, such as two weightings of an MRI: those of other grids are resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_segplugin.core import Image, InputError, Place
from napari_segplugin.core.types import Array, Index, JsonDict
from napari_segplugin.data.channels import channel_names
from napari_segplugin.io.regrid import same_grid
from napari_segplugin.io.units import in_metres


class Joined:
    """Arrays of the same spatial shape as the channels of one, read when they are asked for; axes C, [T,] [Z,] Y, X.

    Examples
    --------
    >>> Joined([np.zeros((2, 3)), np.ones((2, 3))])[:, 0, 0].tolist()
    [0.0, 1.0]
    """

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._arrays = list(arrays)
        self.shape = (len(arrays), *(int(n) for n in arrays[0].shape))
        self.dtype, self.ndim = np.result_type(*(a.dtype for a in arrays)), len(self.shape)

    def __getitem__(self, index: Index) -> np.ndarray:
        given = index if isinstance(index, tuple) else (index,)
        first, rest = (given[0], given[1:]) if given else (slice(None), ())
        if not isinstance(first, slice):
            return np.asarray(self._arrays[first][rest], self.dtype)
        return np.stack([np.asarray(a[rest], self.dtype) for a in self._arrays[first]])


def join(images: Sequence[Image]) -> Image:
    """Images as the channels of one, on the grid of the first.

    Where the files say where an image lies, the others are put in place by that, and resampled by linear interpolation where
    their voxels are others; NaN where they do not reach. Where nothing is said, they must be of the same shape.

    Parameters
    ----------
    images : sequence of Image
        With one channel each, or several.

    Returns
    -------
    Image
        Axes C, [T,] [Z,] Y, X. Its metadata name the channels, and say under "notes" what was resampled.

    Raises
    ------
    InputError
        If fewer than two images come, or they cannot be brought together.

    Examples
    --------
    >>> one, other = Image(np.zeros((8, 9)), "YX", name="T1"), Image(np.ones((8, 9)), "YX", name="T2")
    >>> joined = join([one, other])
    >>> joined.axes, joined.metadata["channel_names"]
    ('CYX', ['T1', 'T2'])
    """
    if len(images) < 2:
        raise InputError("Joining needs at least two images.", got=str(len(images)))
    first = images[0]
    notes: list[str] = []
    arrays: list[Array] = []
    names: list[str] = []
    for image in images:
        moved, note = (image, "") if image is first else onto_grid(image, first)
        notes += [note] if note else []
        own = channel_names(image)
        for c in range(moved.n_channels):
            arrays.append(_Ordered(moved, c))
            names.append(image.name if moved.n_channels == 1 else f"{image.name}, {own[c]}")
    axes = "C" + ("T" if "T" in first.axes else "") + "ZYX"[3 - first.ndim :]
    meta: JsonDict = {
        k: v for k, v in first.metadata.items() if k not in ("bands", "band_colors", "grey_as_colours", "nodata")
    }
    meta |= {"channel_names": names, "joined": [i.name for i in images], "notes": notes}
    name = " + ".join(i.name for i in images)
    spacing, unit, source = first.canonical_spacing, first.unit, first.source
    return Image(Joined(arrays), axes, spacing, unit, name, source, meta, place=first.place)


class _Ordered:
    """One channel of an image with the axes [T,] [Z,] Y, X."""

    def __init__(self, image: Image, channel: int) -> None:
        self._image, self._channel = image, channel
        self._time = "T" in image.axes
        self.shape = ((image.n_frames,) if self._time else ()) + image.spatial_shape
        self.dtype = np.dtype(image.array.dtype) if image.nodata is None else np.dtype(np.float64)
        self.ndim = len(self.shape)

    def __getitem__(self, index: Index) -> np.ndarray:
        given = index if isinstance(index, tuple) else (index,)
        given += (slice(None),) * (self.ndim - len(given))
        image, spatial = self._image, given[self._time :]
        region = tuple(i if isinstance(i, slice) else slice(i, i + 1) for i in spatial)
        drop = tuple(slice(None) if isinstance(i, slice) else 0 for i in spatial)

        def frame(t: int) -> np.ndarray:
            return np.asarray(image.read(region, t)[self._channel][drop])

        first = given[0] if self._time else 0
        if isinstance(first, slice):
            return np.stack([frame(t) for t in range(*first.indices(image.n_frames))])
        return frame(first)


def onto_grid(image: Image, like: Image) -> tuple[Image, str]:
    """An image on the grid of another one, and a sentence where its voxels were others.

    Raises
    ------
    InputError
        If they cannot be brought together.
    """
    if image.n_frames != like.n_frames or image.ndim != like.ndim:
        raise InputError(
            "The images cannot be joined: they have other axes.",
            got=f"'{image.name}' with {image.describe()}, '{like.name}' with {like.describe()}",
            accepted="images of the same dimensions and as many time points",
        )
    one, other = image.place, like.place
    if one is None or other is None or not one.frame or one.frame != other.frame:
        if image.spatial_shape != like.spatial_shape:
            raise InputError(
                "The images cannot be joined: their shapes differ, and the files do not say where they lie.",
                got=f"{image.spatial_shape} and {like.spatial_shape}",
                hint="Use images of the same size, or files that say where they lie (NIfTI, DICOM)",
            )
        return image, ""
    if one.reference and other.reference and one.reference != other.reference:
        raise InputError(
            "The images cannot be joined: their files say that they do not lie in the same frame of reference.",
            got=f"'{image.name}' and '{like.name}'",
            hint="Register them first",
        )
    factor = (in_metres(image.unit) or 1.0) / (in_metres(like.unit) or 1.0)
    source = Place(np.diag([factor, factor, factor, 1.0]) @ one.matrix, one.frame)
    shape = like.spatial_shape
    if image.spatial_shape == shape and same_grid(source, other, shape):
        return image, ""
    if image.n_frames > 1:
        raise InputError("A series of volumes is not resampled.", got=f"'{image.name}'", accepted="single volumes")
    back = np.linalg.solve(source.matrix, other.matrix)
    size = (1,) * (3 - len(shape)) + shape
    moved = [
        _resampled(channel.reshape((1,) * (3 - len(shape)) + channel.shape), back, size) for channel in image.read()
    ]
    if not any(np.isfinite(m).any() for m in moved):
        raise InputError(
            "The images cannot be joined: they do not overlap.",
            got=f"'{image.name}' and '{like.name}'",
            hint="Check that both are of the same patient and examination",
        )
    array = np.stack(moved).reshape(len(moved), *shape)
    axes = "C" + "ZYX"[3 - len(shape) :]
    meta: JsonDict = {k: v for k, v in image.metadata.items() if k != "nodata"}
    found = Image(array, axes, like.canonical_spacing, like.unit, image.name, image.source, meta, place=like.place)
    return replace(found, name=image.name), f"'{image.name}' was resampled onto the voxels of '{like.name}'."


def _resampled(volume: np.ndarray, back: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A volume at the voxels of another grid, float32: averaged first along axes that become coarser, then linear."""
    values = volume.astype(np.float32)
    step = np.linalg.norm(
        back[:3, :3], axis=1
    )  # voxels of the volume that a voxel of the grid goes on, along each axis
    fine = np.isfinite(values)
    blur = [max(0.0, s - 1) / 2 if n > 1 else 0.0 for s, n in zip(step, values.shape, strict=True)]
    if any(blur):
        weight = ndimage.gaussian_filter(fine.astype(np.float32), blur)
        values = ndimage.gaussian_filter(np.where(fine, values, 0), blur) / np.where(weight > 1e-3, weight, np.nan)
    else:
        values = np.where(fine, values, np.nan)
    # half a voxel around the grid of a single plane belongs to it
    found: np.ndarray = ndimage.affine_transform(
        values, back[:3, :3], back[:3, 3], size, order=1, mode="constant", cval=np.nan, prefilter=False
    )
    return found


__all__ = ["Joined", "join", "onto_grid"]
