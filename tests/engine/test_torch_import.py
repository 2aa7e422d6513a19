"""Torch comes in quietly, and triton's compiled part is linked apart from whatever else has LLVM."""

import gc
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import types
import weakref

import pytest

from napari_segplugin.engine import torch_import as module

linux = pytest.mark.skipif(not hasattr(os, "RTLD_DEEPBIND"), reason="only Linux links this way")


class Recorder:
    """Stands for the loader of an extension: notes with which flags it was asked."""

    def __init__(self, error=None):
        self.flags, self.executed, self.error = [], [], error

    def create_module(self, spec):
        self.flags.append(sys.getdlopenflags())
        if self.error:
            raise self.error
        return types.ModuleType(spec.name)

    def exec_module(self, loaded):
        self.executed.append(loaded.__name__)


@pytest.fixture
def apart(monkeypatch):
    """The finder in place, and a loader behind it that only notes."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, module.TRITON, raising=False)
    recorder = Recorder()

    def find(name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, recorder)

    monkeypatch.setattr(importlib.machinery.PathFinder, "find_spec", find)
    assert module.keep_triton_apart()
    return recorder


@linux
def test_triton_is_linked_with_its_own_symbols_first_and_nothing_else_is(apart):
    usual = sys.getdlopenflags()
    spec = sys.meta_path[0].find_spec(module.TRITON, None)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert apart.flags == [os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND]
    assert apart.executed == [module.TRITON]
    assert sys.getdlopenflags() == usual
    assert sys.meta_path[0].find_spec("triton._C.libproton", None) is None
    assert sys.meta_path[0].find_spec("numpy", None) is None


@linux
def test_the_usual_flags_come_back_where_linking_fails(apart):
    usual = sys.getdlopenflags()
    apart.error = ImportError("no such library")
    with pytest.raises(ImportError, match="no such library"):
        importlib.util.module_from_spec(sys.meta_path[0].find_spec(module.TRITON, None))
    assert sys.getdlopenflags() == usual


@linux
def test_asking_twice_adds_one_finder_and_a_triton_that_is_there_is_left_alone(apart, monkeypatch):
    before = list(sys.meta_path)
    assert module.keep_triton_apart()
    assert sys.meta_path == before
    monkeypatch.setitem(sys.modules, module.TRITON, types.ModuleType(module.TRITON))
    assert not module.keep_triton_apart()


def test_a_system_without_such_linking_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", before := list(sys.meta_path))
    monkeypatch.delattr(os, "RTLD_DEEPBIND", raising=False)
    assert not module.keep_triton_apart()
    assert sys.meta_path == before


@linux
@pytest.mark.parametrize("first", ["", "import torch; "])
def test_everything_that_brings_torch_sees_to_triton(first):
    """Also where another plugin has brought torch already: optimizers and compilers bring triton later."""
    pytest.importorskip("torch")
    code = f"""
import sys
{first}
from napari_segplugin.engine.torch_import import bring_torch
bring_torch()
sys.exit(not any(type(f).__name__ == "_OwnSymbols" for f in sys.meta_path))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Cycle:
    def __init__(self):
        self.own = self


def test_what_dies_out_of_the_collectors_sight_is_freed_when_asked():
    dead = Cycle()
    there = weakref.ref(dead)
    try:
        with module.quiet_import():
            pass
        del dead
        gc.collect()
        assert there() is not None  # what makes the next call needed
        assert module.collect_frozen()
        assert there() is None
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
    assert not module.collect_frozen()
