"""How much main memory is free, and what is said when there is none. Imports no torch."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil

from napari_segplugin.core import MEMORY_ERRORS, Job, OutOfMemoryError, SegPluginError, is_out_of_memory

P = ParamSpec("P")
T = TypeVar("T")

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
LEAST = 128 * 2**20
"""Bytes without which nothing is begun: libraries that load or start threads without memory end the program at times."""
LEAST_ADDRESSES = 512 * 2**20
"""The same of addresses, where those are limited: each thread reserves far more of them than it uses."""


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
    rooms = [int(psutil.virtual_memory().available), *_control_group_rooms(), *_address_room()]
    return max(0, min(rooms))


def within_memory(verb: Callable[P, Job[T]]) -> Callable[P, Job[T]]:
    """A job that begins only where there is some memory, and says in one sentence that it ran out.

    Whatever the job itself can do about that, a smaller batch or smaller tiles, it has done by then.

    Raises
    ------
    OutOfMemoryError
        In place of what numpy, torch, oneDNN, CUDA, the loader of libraries or the system raised.

    Examples
    --------
    >>> @within_memory
    ... def greedy():
    ...     yield
    ...     raise RuntimeError("could not create a primitive")
    >>> list(greedy())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    napari_segplugin.core.errors.OutOfMemoryError: The memory is full. ...
    """

    @functools.wraps(verb)
    def careful(*args: P.args, **kwargs: P.kwargs) -> Job[T]:
        _require_memory()
        try:
            return (yield from verb(*args, **kwargs))
        except MEMORY_ERRORS as error:
            let_go(error)
            raise OutOfMemoryError from error

    return careful


def let_go(error: Exception) -> None:
    """After memory ran out: drop what the frames of the error hold. Any other error is raised again.

    Parameters
    ----------
    error : Exception
        That is being handled.
    """
    if isinstance(error, SegPluginError) or not is_out_of_memory(error):
        raise error
    traceback.clear_frames(error.__traceback__)  # those that still run are left alone


def _require_memory() -> None:
    free = free_host_memory()
    if free < LEAST or min(_address_room(), default=LEAST_ADDRESSES) < LEAST_ADDRESSES:
        raise OutOfMemoryError(
            f"There is too little free memory to begin: {free // 2**20} MB. Close other programs, or raise the limit of "
            f"memory that is set for this one."
        )


def _address_room() -> list[int]:
    """What a limit of the address space (``ulimit -v``) still allows, where there is one."""
    if sys.platform == "win32":
        return []
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    return [] if most == resource.RLIM_INFINITY else [int(most - psutil.Process().memory_info().vms)]


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


__all__ = ["free_host_memory", "let_go", "within_memory"]
