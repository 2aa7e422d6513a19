"""Where labels and maps are kept: in memory, in a zarr of the person's, or in scratch zarrs that vanish."""

from __future__ import annotations

import errno
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import zarr
from zarr.codecs import BloscCodec
from zarr.storage import LocalStore

from napari_segplugin.core import InputError, Region
from napari_segplugin.core.disk import commit
from napari_segplugin.core.disk.leftovers import sweep_sometimes
from napari_segplugin.core.disk.unfinished import Ledger, long_job
from napari_segplugin.core.types import Json
from napari_segplugin.io.files import writing
from napari_segplugin.io.memory import free_host_memory

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer

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


class _Noted(LocalStore):
    """A zarr's folder that tells which of its files were written."""

    def __init__(self, root: Path, *, read_only: bool = False, touched: set[Path] | None = None) -> None:
        super().__init__(root, read_only=read_only)
        self._touched = touched if touched is not None else set[Path]()

    async def set(self, key: str, value: Buffer) -> None:
        """Write a file."""
        await super().set(key, value)
        self._touched.add(self.root / key)


def _made(path: Path, ledger: Ledger | None, make: Callable[[_Noted | str], zarr.Array]) -> zarr.Array:
    """An array that is made, or opened where a ledger says that it was made before a kill."""
    if ledger is None:
        return make(str(path))
    store, key = _Noted(path, touched=ledger.touched), f"array {path.relative_to(ledger.folder).as_posix()}"
    if key in ledger.done:
        if not path.exists():
            raise InputError(
                "The work that was interrupted cannot be continued: a part of it is missing.",
                got=f"no '{path.name}' in '{ledger.folder.name}'",
                hint=f"Delete the hidden folder '{ledger.folder.name}', and start again",
            )
        return zarr.open_array(store, mode="r+")
    commit.remove(path)
    array = make(store)
    ledger.record(key, now=True)
    return array


@contextmanager
def lasting(path: Path, about: Mapping[str, Json], stem: str = "") -> Iterator[Ledger]:
    """A job of hours that goes on after a kill, with what the disk says as sentences.

    Parameters
    ----------
    path, about, stem
        As for :func:`~napari_segplugin.core.disk.unfinished.long_job`; the files count where the block ends.

    Raises
    ------
    InputError
        If the disk refuses, is full, or holds other work on these files.
    """
    with ExitStack() as rooms:
        with writing(path):
            ledger = rooms.enter_context(long_job(path, about, stem))
        try:
            yield ledger
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG):
                raise
            with writing(path):
                raise
        with writing(path):
            ledger.finish()


@contextmanager
def label_array(
    path: Path | None, shape: tuple[int, ...], spatial: int, dtype: str, axes: str, ledger: Ledger | None = None
) -> Iterator[Stored]:
    """A label array for the time of a job; where the job fails or is cancelled, nothing is left on disk.

    A zarr says of itself that it is not complete until its recipe is written into it.

    Parameters
    ----------
    path : Path, optional
        Where the zarr is made; None for an array in memory.
    shape : tuple of int
    spatial : int
        How many of the last axes are spatial.
    dtype : str
    axes : str
    ledger : Ledger, optional
        What is done of the job; a zarr that it began before a kill is opened again.
    """
    if path is None:
        yield np.zeros(shape, dtype)
        return
    try:
        chunks = (*(1,) * (len(shape) - spatial), *_chunks(shape[-spatial:]))
        about: dict[str, Any] = {
            "shape": shape,
            "chunks": chunks,
            "dtype": dtype,
            "dimension_names": list(axes.lower()),
            "attributes": {"segplugin": {"complete": False}},
        }
        yield _made(path, ledger, lambda store: zarr.create_array(store, **about))
    except BaseException:
        if ledger is None:
            commit.remove(path)
        raise


def check_labels(shape: tuple[int, ...], kind: str) -> None:
    """Raise where the labels do not fit into memory."""
    if math.prod(shape) * np.dtype(kind).itemsize > free_host_memory() * 0.8:
        raise InputError(
            "The result is larger than the free memory.",
            got=f"labels of shape {shape}",
            hint="Write it straight into a file, or choose a part of the image",
            setting="file",
        )


@contextmanager
def scratch(beside: Path | None) -> Iterator[Path]:
    """A folder that is removed at the end, beside a path or among the temporary files; swept where a kill came first."""
    parent = beside.absolute().parent if beside else Path(tempfile.gettempdir())
    sweep_sometimes(parent)
    with commit.scratch(parent) as folder:
        yield folder


def scratch_array(
    path: Path,
    shape: tuple[int, ...],
    block: tuple[int, ...],
    dtype: str,
    *,
    together: bool = True,
    ledger: Ledger | None = None,
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
    ledger : Ledger, optional
        As for :func:`label_array`.
    """
    lead = shape[: -len(block)] if together else (1,) * (len(shape) - len(block))
    sides = (min(most, max(16, b)) for b, most in zip(block, _chunks(shape[-len(block) :]), strict=True))
    chunks = (*lead, *(min(s, n) for s, n in zip(sides, shape[-len(block) :], strict=True)))
    codec = BloscCodec(cname="lz4", clevel=1, shuffle="shuffle")
    about: dict[str, Any] = {"shape": shape, "chunks": chunks, "dtype": dtype, "compressors": codec, "overwrite": True}
    return _made(path, ledger, lambda store: zarr.create_array(store, **about))


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    side = 512 if len(shape) == 2 else 64
    return tuple(min(side, n) for n in shape)


__all__ = [
    "Shifted",
    "Stored",
    "View",
    "check_labels",
    "check_output",
    "label_array",
    "lasting",
    "scratch",
    "scratch_array",
]
