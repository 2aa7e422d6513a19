"""How much main memory is free. Imports no torch."""

from __future__ import annotations

from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")


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


__all__ = ["free_host_memory"]
