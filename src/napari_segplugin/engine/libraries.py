"""Bring torch's large libraries into memory without holding up the window.

``import torch`` links a library of several hundred megabytes, and Python's own loader holds the interpreter lock
meanwhile: a window on another thread stands still for a quarter of a second. The system's loader called through ctypes
gives the lock away; the import then finds the library in place.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
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


__all__ = ["preload_torch"]
