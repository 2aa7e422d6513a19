"""A disk that fails at the k-th thing that is asked of it: full, forbidden, or the program is killed there."""

from __future__ import annotations

import builtins
import errno
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from napari_segplugin.core import ClassTable, ObjectTable, Place, Segmentation, Task

FAULTS = ("full", "forbidden", "killed")
_CODES = {"full": errno.ENOSPC, "forbidden": errno.EACCES}
_CHANGES = ("mkdir", "replace", "rename", "link", "unlink", "remove", "rmdir", "fsync")


class Killed(BaseException):
    """What follows a kill: nothing that the program does reaches the disk any more."""


@dataclass
class Disk:
    """Counts what is asked of the disk, and fails once, or from then on where the program is killed.

    Parameters
    ----------
    fault : str
        One of FAULTS.
    at : int
        The call that fails, from 1; 0 for none.
    """

    fault: str = "full"
    at: int = 0
    calls: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, name: str) -> None:
        """Count a call; raises where it is the one that fails."""
        with self._lock:
            self.calls.append(name)
            n = len(self.calls)
        if self.fault == "killed" and 0 < self.at <= n:
            raise Killed(name)
        if n == self.at:
            raise OSError(_CODES[self.fault], "the disk fails here", name)


@contextmanager
def failing(fault: str, at: int) -> Iterator[Disk]:
    """Everything that Python code writes goes through a failing disk for the time of the block."""
    disk = Disk(fault, at)
    kept = {name: getattr(os, name) for name in (*_CHANGES, "open")}
    plain = io.open

    def change(name):
        def call(*args, **kwargs):
            disk.ask(name)
            return None if name == "fsync" else kept[name](*args, **kwargs)

        return call

    def open_number(path, flags, *args, **kwargs):
        if flags & os.O_CREAT:
            disk.ask("open")
        return kept["open"](path, flags, *args, **kwargs)

    class Raw(io.FileIO):
        def write(self, data):
            try:
                disk.ask("write")
            except Killed:
                if disk.at == len(disk.calls):
                    super().write(memoryview(data).cast("B")[: memoryview(data).nbytes // 2])
                raise
            return super().write(data)

    def open_file(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        if not set(mode) & set("wax+"):
            return plain(file, mode, buffering, encoding, errors, newline, closefd, opener)
        disk.ask("open")
        raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        stream = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return stream
        return io.TextIOWrapper(stream, encoding, errors, newline)

    try:
        for name in _CHANGES:
            setattr(os, name, change(name))
        os.open = open_number
        io.open = builtins.open = open_file
        yield disk
    finally:
        for name, call in kept.items():
            setattr(os, name, call)
        io.open = builtins.open = plain


def segmentation(value: int, volume: bool = False) -> Segmentation:
    """A result that differs from others in every file of it."""
    labels = np.zeros((2, 9, 11) if volume else (9, 11), np.uint16)
    labels[..., 2:7, 2:8] = value
    axes = "ZYX"[-labels.ndim :]
    table = ObjectTable.of(labels)
    classes = ClassTable.named(["cell"])
    place = Place(np.eye(4), "patient") if volume else None  # surfaces are refused without
    return Segmentation(
        Task.INSTANCE, labels, table, classes, axes, (1.0,) * labels.ndim, "um", "cells", {"value": value}, place
    )
