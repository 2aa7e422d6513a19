"""An array on disk that speaks in sentences when a piece of it is damaged, or no longer the one that was opened."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_segplugin.core.types import Index
from napari_segplugin.io.boundary import Stamps, reading
from napari_segplugin.io.memory import check_size

if TYPE_CHECKING:
    import zarr
    from numpy.typing import DTypeLike


class Closes(Protocol):
    """Something that is open."""

    def close(self) -> object:
        """Close it."""


class Pieces(Protocol):
    """Something like an array that gives pieces of itself."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""

    def __getitem__(self, index: Index | EllipsisType, /) -> Any:
        """A piece."""


class LazyArray:
    """A zarr array, a dask array over one, a film or a memory map whose pieces are read when they are asked for.

    Damage inside a chunk shows only when that chunk is read, long after :func:`read_image` returned; this wrapper
    turns it into the same sentence there. It also looks whether the files are those that were opened: another program may
    cut, replace or remove them during a run, which would mix two images, and end the process where a map is cut.

    Parameters
    ----------
    array : zarr array, dask array, memory map or what gives pieces like them
    path : Path
        For the sentence.
    kind : str
        Name of the format, for the sentence.
    keep : sequence of object
        What must stay open as long as the array is used; it is closed with it.
    files : sequence of Path
        Where a change shows; `path` by default.
    levels : sequence of LazyArray
        The same at coarser resolutions, each smaller than the one before.

    Raises
    ------
    OutOfMemoryError
        If a chunk, the least that is read at once, is larger than memory.
    """

    def __init__(
        self,
        array: zarr.Array | np.memmap | Pieces,
        path: Path,
        kind: str,
        keep: Sequence[Closes] = (),
        files: Sequence[Path] = (),
        levels: Sequence[LazyArray] = (),
    ) -> None:
        self.levels = tuple(levels)
        self._array = array
        self._path = path
        self._kind = kind
        for thing in keep:  # they refer to each other, and would stay open until somebody looks for such rings
            weakref.finalize(self, thing.close)
        self.shape: tuple[int, ...] = tuple(int(n) for n in array.shape)
        self.dtype: np.dtype = np.dtype(array.dtype)
        chunks = getattr(
            array, "chunksize" if hasattr(array, "chunksize") else "chunks", self.shape
        )  # dask, zarr, a map
        self.chunks: tuple[int, ...] = tuple(int(n) for n in chunks)
        if not isinstance(array, np.memmap):
            check_size(path, self.chunks, self.dtype)
        self._stamps = Stamps(files or (path,))

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes that the whole array takes in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        # without it Python would go on until an IndexError, which is a sentence here
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Index | EllipsisType) -> np.ndarray:
        self._stamps.check(self._path)
        try:
            with reading(self._path, self._kind):
                part = np.asarray(self._array[index])
                # what is taken of a map would otherwise be read later, when nobody looks any more
                part = np.array(part) if isinstance(self._array, np.memmap) else part
        finally:
            self._stamps.check(self._path)
        return part

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        check_size(self._path, self.shape, self.dtype)
        whole = self[...]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __repr__(self) -> str:
        return f"LazyArray({self._path.name}, shape={self.shape}, dtype={self.dtype}, chunks={self.chunks})"
