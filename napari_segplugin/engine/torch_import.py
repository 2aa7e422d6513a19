"""Bring torch into memory without holding up the window.

Two things make a window on another thread stand still for a quarter of a second and more. ``import torch`` links a library
of several hundred megabytes while Python's own loader holds the interpreter lock: the system's loader called through ctypes
gives the lock away, and the import then finds the library in place. And the import makes half a million objects that live
for ever: each full garbage collection walks over all of them, on whatever thread it falls: so none runs while importing,
and afterwards what is there is taken out of the collector's sight.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LARGE = ("libc10.so", "libtorch_cpu.so", "libtorch.so", "libtorch_python.so")


def preload_torch() -> bool:
    """Load torch's libraries before the import of torch.

    Returns
    -------
    bool
        Whether anything was loaded: False where torch is imported already, is not installed, or the system is not Linux
        (other systems link lazily or name their libraries otherwise; the import does all by itself there).
    """
    if not sys.platform.startswith("linux") or "torch" in sys.modules:
        return False
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent / "lib"
    load = ctypes.CDLL(None).dlopen
    load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    loaded = [load(bytes(folder / name), os.RTLD_NOW) for name in _LARGE if (folder / name).exists()]
    return any(loaded)


@contextmanager
def quiet_import() -> Iterator[None]:
    """Import large packages without garbage collections, now and for what they leave behind.

    Objects that are garbage already but part of a cycle are frozen with the rest: a few, once.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if running:
            gc.enable()


def bring_torch() -> None:
    """Import torch, once, before anything that needs it: without holding up the window, and without collections."""
    if "torch" not in sys.modules:
        preload_torch()
        with quiet_import():
            importlib.import_module("torch")
            # what every verb needs; as many objects again as torch itself
            importlib.import_module("napari_segplugin.engine.network")


__all__ = ["bring_torch", "preload_torch", "quiet_import"]
