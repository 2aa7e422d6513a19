"""Where labels and maps are kept: in memory, in a zarr of the person's, or in scratch zarrs that vanish."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from napari_segplugin.core import InputError, Region

Stored: TypeAlias = np.ndarray | zarr.Array
"""An array in memory or on disk."""


class View:
    """A part of a larger array with fixed leading indices, addressed by region.

    Parameters
    ----------
    array : array-like
        NumPy or zarr.
    index : tuple
        Leading indices: a frame, a plane, or ``slice(None)`` to keep an axis.
    """

    def __init__(self, array: Stored, index: tuple[int | slice, ...] = ()) -> None:
        self.array, self.index = array, index

    def __getitem__(self, region: Region) -> np.ndarray:
        part: np.ndarray = np.asarray(self.array[(*self.index, *region)])
        return part

    def __setitem__(self, region: Region, values: np.ndarray) -> None:
        self.array[(*self.index, *region)] = values


class Shifted(View):
    """The part of an array that stands for a region of the image; addressed in the coordinates of the image."""

    def __init__(self, array: Stored, region: Region, index: tuple[int | slice, ...] = ()) -> None:
        super().__init__(array, index)
        self.region = region

    def _inside(self, region: Region) -> Region:
        return tuple(slice(w.start - r.start, w.stop - r.start) for w, r in zip(region, self.region, strict=True))

    def __getitem__(self, region: Region) -> np.ndarray:
        return super().__getitem__(self._inside(region))

    def __setitem__(self, region: Region, values: np.ndarray) -> None:
        super().__setitem__(self._inside(region), values)


def check_output(output: str | Path | None) -> Path | None:
    """The path of the result's zarr.

    Raises
    ------
    InputError
        If it exists already, or its folder does not.
    """
    if output is None:
        return None
    path = Path(output)
    if path.exists():
        raise InputError("The output already exists.", got=path, hint="Choose another name, or remove it first")
    if not path.absolute().parent.is_dir():
        raise InputError("The folder of the output does not exist.", got=path, hint="Create the folder first")
    return path


@contextmanager
def label_array(path: Path | None, shape: tuple[int, ...], spatial: int, dtype: str, axes: str) -> Iterator[Stored]:
    """A label array for the time of a job; where the job fails or is cancelled, nothing is left on disk.

    Parameters
    ----------
    path : Path, optional
        Where the zarr is made; None for an array in memory.
    shape : tuple of int
    spatial : int
        How many of the last axes are spatial.
    dtype : str
    axes : str
    """
    if path is None:
        yield np.zeros(shape, dtype)
        return
    try:
        chunks = (*(1,) * (len(shape) - spatial), *_chunks(shape[-spatial:]))
        yield zarr.create_array(str(path), shape=shape, chunks=chunks, dtype=dtype, dimension_names=list(axes.lower()))
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


@contextmanager
def scratch(beside: Path | None) -> Iterator[Path]:
    """A folder that is removed at the end, beside a path or among the temporary files."""
    folder = Path(tempfile.mkdtemp(prefix=".segplugin-", dir=beside.absolute().parent if beside else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scratch_array(
    path: Path, shape: tuple[int, ...], block: tuple[int, ...], dtype: str, *, together: bool = True
) -> zarr.Array:
    """A zarr that is fast to write: light compression, chunks that suit blocks.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        Any leading axes, then the spatial ones.
    block : tuple of int
        Spatial size of what is written and read at once.
    dtype : str
    together : bool
        Whether the leading axes are read together; they share a chunk then.
    """
    lead = shape[: -len(block)] if together else (1,) * (len(shape) - len(block))
    sides = (min(most, max(16, b)) for b, most in zip(block, _chunks(shape[-len(block) :]), strict=True))
    chunks = (*lead, *(min(s, n) for s, n in zip(sides, shape[-len(block) :], strict=True)))
    codec = BloscCodec(cname="lz4", clevel=1, shuffle="shuffle")
    return zarr.create_array(str(path), shape=shape, chunks=chunks, dtype=dtype, compressors=codec)


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    side = 512 if len(shape) == 2 else 64
    return tuple(min(side, n) for n in shape)


__all__ = ["Shifted", "Stored", "View", "check_output", "label_array", "scratch", "scratch_array"]
