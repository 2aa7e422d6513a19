"""How much main memory is free. Imports no torch."""

from __future__ import annotations

import os

_BYTES = 2**30


def free_host_memory() -> int:
    """Bytes of main memory that can still be allocated; a careful guess where the system does not say."""
    found = [4 * _BYTES]
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
        found = [int(lines["MemAvailable"].split()[0]) * 1024]
    except (OSError, KeyError, ValueError):
        total = _physical_memory()
        found = [total // 2] if total else found
    return min([*found, *_control_group_room()])


def _physical_memory() -> int:
    """Bytes of main memory built in, 0 where not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _control_group_room() -> list[int]:
    """What a container still allows, where there is a limit."""
    try:
        with open("/sys/fs/cgroup/memory.max") as most, open("/sys/fs/cgroup/memory.current") as now:
            return [int(most.read()) - int(now.read())]
    except (OSError, ValueError):
        return []


__all__ = ["free_host_memory"]
