"""Bring torch into memory without holding up the window.

Two things make a window on another thread stand still for a quarter of a second and more. ``import torch`` links a library
of several hundred megabytes while Python's own loader holds the interpreter lock: the system's loader called through ctypes
gives the lock away, and the import then finds the library in place. And the import makes half a million objects that live
for ever: each full garbage collection walks over all of them, on whatever thread it falls: so none runs while importing,
and afterwards what is there is taken out of the collector's sight.

And torch brings triton, whose compiled part holds a copy of LLVM and shows all of its symbols. Where the window is drawn by
Mesa, Mesa's own LLVM is in memory already, and triton would call into that one: the program ends with a segmentation fault.
So triton's part is loaded with its own symbols first, whoever imports it and for whatever reason (decision 18).
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Literal

TRITON = "triton._C.libtriton"
"""The compiled part of triton, with LLVM in it."""
_LARGE = ("libc10.so", "libtorch_cpu.so", "libtorch.so", "libtorch_python.so")


class _OwnSymbols(importlib.abc.MetaPathFinder):
    """Finds triton's compiled part, to be loaded with its own symbols first."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The usual spec of that module, with a loader that binds it apart; None for any other module."""
        if fullname != TRITON:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _BoundApart(spec.loader)
        return spec


class _BoundApart(importlib.abc.Loader):
    """Loads an extension module so that what it calls is looked for in itself before anywhere else."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Link the library; every symbol at once, so that none is looked up later among those of others."""
        usual = sys.getdlopenflags()
        sys.setdlopenflags(os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
        try:
            return self._loader.create_module(spec)
        finally:
            sys.setdlopenflags(usual)

    def exec_module(self, module: ModuleType) -> None:
        """As usual."""
        self._loader.exec_module(module)


def keep_triton_apart() -> bool:
    """From now on load triton's compiled part with its own symbols first, whoever imports it.

    Returns
    -------
    bool
        Whether that holds: False where the system has no such way to load (only Linux has, and only it needs it), or
        triton is loaded already.

    Examples
    --------
    >>> keep_triton_apart() in (True, False)
    True
    """
    if not hasattr(os, "RTLD_DEEPBIND") or TRITON in sys.modules:
        return False
    if not any(isinstance(finder, _OwnSymbols) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OwnSymbols())
    return True


def triton_state() -> Literal["absent", "apart", "loose"]:
    """Whether triton's compiled part is loaded, and if so, whether with its own symbols first or as usual ("loose").

    Examples
    --------
    >>> triton_state() in ("absent", "apart", "loose")
    True
    """
    module = sys.modules.get(TRITON)
    if module is None:
        return "absent"
    return "apart" if isinstance(getattr(module.__spec__, "loader", None), _BoundApart) else "loose"


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

    Whatever else is alive is frozen with the rest, layers and their arrays too; what of it dies later is freed by
    :func:`collect_frozen` if it is part of a cycle, and by nothing else.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if running:
            gc.enable()


def collect_frozen() -> bool:
    """Free what has died since it was taken out of the collector's sight. One full collection: a quarter of a second.

    Call it in the thread that made the objects, after something large has gone.

    Returns
    -------
    bool
        Whether anything was out of sight; if not, nothing is done.

    Examples
    --------
    >>> collect_frozen() in (True, False)
    True
    """
    if not gc.get_freeze_count():
        return False
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    return True


def bring_torch() -> None:
    """Import torch, once, before anything that needs it: without holding up the window, and without collections."""
    keep_triton_apart()  # torch may be here already and triton not yet: its optimizers and compilers bring it later
    if "torch" not in sys.modules:
        preload_torch()
        with quiet_import():
            importlib.import_module("torch")
            # what every verb needs; as many objects again as torch itself
            importlib.import_module("napari_segplugin.engine.network")


__all__ = ["bring_torch", "collect_frozen", "keep_triton_apart", "preload_torch", "quiet_import", "triton_state"]
