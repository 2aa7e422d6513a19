"""NumPy's own files. Nothing is unpickled."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_segplugin.core import guess_axes
from napari_segplugin.core.types import Array
from napari_segplugin.io.files import IN_MEMORY, Format, Found, LabelsToWrite, native
from napari_segplugin.io.lazy import LazyArray


def read(path: Path) -> Found:
    """Read an array of numbers; above about 256 MB it stays on disk as a memory map."""
    # The map checks the length of the file against the header before anything is allocated.
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    axes, doubt = guess_axes(mapped.shape)
    array: Array = native(np.array(mapped)) if mapped.nbytes <= IN_MEMORY else LazyArray(mapped, path, "NumPy array")
    return Found(array, axes, doubt)


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write the labels; axes and voxel size are in the recipe beside the file."""
    header = {"descr": labels.dtype.str, "fortran_order": False, "shape": tuple(labels.array.shape)}
    # Not a memory map: on a full disk, writing to one kills the process instead of raising.
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for index in range(labels.array.shape[0]):
            stream.write(np.ascontiguousarray(labels.array[index], dtype=labels.dtype).tobytes())


FORMAT = Format(read=read, write=write)
