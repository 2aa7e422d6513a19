"""How much main memory is free, and whether what a file says that it holds fits: asked before it is taken."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from napari_segplugin.core import InputError, OutOfMemoryError

_GROUPS = Path("/sys/fs/cgroup")
ALLOW_LARGE = "SEGPLUGIN_ALLOW_LARGE"
"""Environment variable; "1" opens files of any size that small files say they have."""
_LARGE = 2**30
"""Bytes from which on it is looked at how much larger the contents are than the file."""
_RATIO = 200
"""An image that is packed 200 times smaller is hardly one: nothing but zeros comes to about 1000, labels to 20 to 100."""


def free_host_memory() -> int:
    """Bytes of main memory that can still be allocated: what the system has, or what a container still allows.

    Returns
    -------
    int
        Never below 0.

    Examples
    --------
    >>> free_host_memory() >= 0
    True
    """
    return max(0, min([int(psutil.virtual_memory().available), *_control_group_room(_GROUPS)]))


def allowed_large() -> bool:
    """Whether the person trusts their files, however large they say they are."""
    return os.environ.get(ALLOW_LARGE, "") == "1"


def check_size(path: Path, shape: Sequence[int], dtype: np.dtype | str, *, stored: int | None = None) -> None:
    """Refuse an array that is to be read whole where there is no room for it, before anything is allocated.

    Parameters
    ----------
    path : Path
        For the sentence.
    shape : sequence of int
        As the file says.
    dtype : dtype
    stored : int, optional
        Bytes of the file that it is unpacked from; nothing is said of how well it is packed without it.

    Raises
    ------
    InputError
        If a small file says that it holds very much, and nobody allowed it.
    OutOfMemoryError
        If it is larger than the memory that is free.

    Examples
    --------
    >>> check_size(Path("a.nii.gz"), (2048, 1024, 1024), "u1", stored=10**6)
    Traceback (most recent call last):
    napari_segplugin.core.errors.InputError: 'a.nii.gz' says that it has very much data; a small file like that can fill the
    memory. Got 2.15 GB in a file of 1 MB. If you trust it, set the environment variable SEGPLUGIN_ALLOW_LARGE=1 and restart,
    or save it again in the program that made it.
    """
    size = math.prod(int(n) for n in shape) * np.dtype(dtype).itemsize
    if stored is not None and size > max(_LARGE, _RATIO * stored) and not allowed_large():
        raise too_large(path, f"{gigabytes(size)} in a file of {gigabytes(stored)}")
    free = free_host_memory()
    if size > free:
        raise OutOfMemoryError(
            f"'{path.name}' does not fit into memory. It needs {gigabytes(size)}, and {gigabytes(free)} are free. Close other "
            "images, or save it as OME-Zarr or TIFF, which are read piece by piece."
        )


def too_large(path: Path, got: str, what: str = "very much data") -> InputError:
    """What is said of a small file that says that it holds very much."""
    return InputError(
        f"'{path.name}' says that it has {what}; a small file like that can fill the memory.",
        got=got,
        hint=f"If you trust it, set the environment variable {ALLOW_LARGE}=1 and restart, or save it again in the program that made it.",
    )


def gigabytes(size: float) -> str:
    """Bytes for a person.

    Examples
    --------
    >>> gigabytes(2.5e9), gigabytes(3e6)
    ('2.5 GB', '3 MB')
    """
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{math.ceil(size / 1e6)} MB"


def _control_group_room(groups: Path) -> list[int]:
    """What a container still allows, where there is a limit: in the second version of control groups, then the first.

    Files that the system keeps in memory count as used there, although it lets go of them when somebody needs the room.
    """
    rows = [
        (groups, "memory.max", "memory.current", "inactive_file"),
        (groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ]
    for folder, most, used, word in rows:
        try:
            room = int((folder / most).read_text()) - int((folder / used).read_text())
        except (OSError, ValueError):  # no such group, or the limit is the word "max"
            continue
        return [room + _kept_files(folder, word)]
    return []


def _kept_files(folder: Path, word: str) -> int:
    """Bytes of files kept in memory that nobody used lately."""
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
        return next(int(value) for name, value in (line.split() for line in lines) if name == word)
    except (OSError, ValueError, StopIteration):
        return 0


__all__ = ["ALLOW_LARGE", "allowed_large", "check_size", "free_host_memory", "gigabytes", "too_large"]
