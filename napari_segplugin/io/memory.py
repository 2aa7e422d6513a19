"""How much main memory is free, and whether what a file says that it holds fits: asked before it is taken."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil

from napari_segplugin.core import InputError, OutOfMemoryError

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
ALLOW_LARGE = "SEGPLUGIN_ALLOW_LARGE"
"""Environment variable; "1" opens files of any size that small files say they have."""
_LARGE = 2**30
"""Bytes from which on it is looked at how much larger the contents are than the file."""
_RATIO = 200
"""An image that is packed 200 times smaller is hardly one: nothing but zeros comes to about 1000, labels to 20 to 100."""


def free_host_memory() -> int:
    """Bytes of main memory that can still be allocated: what the system has, or what a container or a limit still allows.

    Returns
    -------
    int
        Never below 0.

    Examples
    --------
    >>> free_host_memory() >= 0
    True
    """
    rooms = [int(psutil.virtual_memory().available), *_control_group_rooms(), *address_room()]
    return max(0, min(rooms))


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


def address_room() -> list[int]:
    """What a limit of the address space (``ulimit -v``) still allows, where there is one."""
    if sys.platform == "win32":
        return []
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    return [] if most == resource.RLIM_INFINITY else [int(most - psutil.Process().memory_info().vms)]


def give_back_memory() -> bool:
    """Give the system what the C library keeps of freed memory, where it can: glibc keeps some for each thread that ever ran.

    Jobs run in threads; without this a window grows by what each of them held, although nothing of it is in use.

    Returns
    -------
    bool
        Whether there was such a way.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):  # another C library, such as musl
        return False
    return True


def _control_group_rooms() -> list[int]:
    """What containers and groups of processes still allow, where there is a limit: control groups of both versions.

    Files that the system keeps in memory count as used there, although it lets go of them when somebody needs the room.
    """
    second = ("memory.max", "memory.current", "inactive_file")
    first = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    mounts = [(_GROUPS, "", second), (_GROUPS / "unified", "", second), (_GROUPS / "memory", "memory", first)]
    rooms = []
    for mount, controller, (most, used, word) in mounts:
        for folder in _own_folders(mount, controller):
            try:
                room = int((folder / most).read_text()) - int((folder / used).read_text())
            except (OSError, ValueError):  # no such group, or the limit is the word "max"
                continue
            rooms.append(room + _kept_files(folder, word))
    return rooms


def _own_folders(mount: Path, controller: str) -> Iterator[Path]:
    """The group of this process below a mount, and those that it is part of; in a container its own is the uppermost."""
    try:
        lines = [line.split(":", 2) for line in _OWN_GROUPS.read_text().splitlines()]
    except OSError:
        lines = []
    own = next((path for _, names, path in lines if controller in names.split(",")), "/")
    folder = mount / own.lstrip("/")
    yield from (f for f in (folder, *folder.parents) if f.is_relative_to(mount))


def _kept_files(folder: Path, word: str) -> int:
    """Bytes of files kept in memory that nobody used lately."""
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
        return next(int(value) for name, value in (line.split() for line in lines) if name == word)
    except (OSError, ValueError, StopIteration):
        return 0


__all__ = [
    "ALLOW_LARGE",
    "address_room",
    "allowed_large",
    "check_size",
    "free_host_memory",
    "gigabytes",
    "give_back_memory",
    "too_large",
]
