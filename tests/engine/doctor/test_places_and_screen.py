"""Room, permission, the screen, triton, and what ships."""

import errno
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import napari_segplugin as seg
from napari_segplugin.core import InputError
from napari_segplugin.engine import torch_import
from napari_segplugin.engine.doctor import examine, places, screen
from napari_segplugin.engine.doctor.report import Level
from napari_segplugin.engine.doctor.screen import Screen

MESA = Screen("xcb", "Mesa/X.org", "llvmpipe (LLVM 15.0.6, 256 bits)", "4.5 (Compatibility Profile) Mesa 22.3.6")
CARD = Screen("xcb", "NVIDIA Corporation", "NVIDIA RTX A4000/PCIe/SSE2", "4.6.0 NVIDIA 550.54")


@pytest.mark.parametrize(("free", "level"), [(10**10, Level.GOOD), (10**9, Level.WARNING)])
def test_memory(monkeypatch, free, level):
    monkeypatch.setattr(places, "free_host_memory", lambda: free)
    found = places.memory()
    assert found.level is level
    assert found.value == f"{free / 1e9:.1f} GB free"


def test_folders_that_are_fine_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5e9))
    found = places.folders(tmp_path / "not" / "there" / "yet")
    assert [(f.name, f.level) for f in found] == [
        (f"{n} folder", Level.GOOD) for n in ("session", "temporary", "cache")
    ]
    assert found[0].value == "can be written, 5.0 GB free"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1e8))
    found = places.folders(tmp_path)[0]
    assert found.level is Level.WARNING
    assert "nearly full (0.1 GB free). Free some space" in found.problem


@pytest.mark.parametrize(
    ("at", "level", "words"),
    [(0, Level.WARNING, "another session folder"), (1, Level.STOP, "Set TMPDIR"), (2, Level.WARNING, "XDG_CACHE_HOME")],
)
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, at, level, words):
    def refuse(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    found = places.folders(tmp_path)[at]
    assert (found.level, found.value) == (level, "cannot be written")
    assert "(Read-only file system)" in found.problem
    assert words in found.problem
    assert str(tmp_path) not in found.problem


def test_a_session_folder_that_is_a_file(tmp_path):
    (tmp_path / "sessions").write_text("")
    assert places.folders(tmp_path / "sessions")[0].level is Level.WARNING


def test_no_temporary_folder_at_all_and_a_disk_that_is_not_known(monkeypatch, tmp_path):
    def fail(*_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setenv("TMPDIR", str(tmp_path / "file" / "inside"))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "gettempdir", fail)
    monkeypatch.setattr(shutil, "disk_usage", fail)
    found = places.folders(tmp_path)
    assert found[1].level is Level.STOP
    assert found[0].value == "can be written"


@pytest.mark.parametrize(
    ("system", "variable", "usual"),
    [("linux", "XDG_CACHE_HOME", ".cache"), ("darwin", "XDG_CACHE_HOME", "Library/Caches"), ("win32", "LOCALAPPDATA", ".cache")],
)  # fmt: skip
def test_where_the_cache_is(monkeypatch, tmp_path, system, variable, usual):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.delenv(variable, raising=False)
    assert places.cache_folder() == Path.home() / usual
    monkeypatch.setenv(variable, str(tmp_path))
    assert places.cache_folder() == tmp_path


@pytest.mark.parametrize(
    ("seen", "level", "words"),
    [
        (CARD, Level.GOOD, ""),
        (MESA, Level.NOTE, "The processor draws the window"),
        (Screen("windows", "Microsoft", "GDI Generic", "1.1.0"), Level.WARNING, "OpenGL 1.1 is too old"),
        (Screen("offscreen"), Level.WARNING, "There is no OpenGL"),
    ],
)
def test_opengl(seen, level, words):
    platform, opengl = screen.drawing(seen)
    assert platform.value == seen.platform
    assert opengl.level is level
    assert words in opengl.problem


@pytest.mark.parametrize(
    ("loader", "seen", "level", "state"),
    [
        ("apart", MESA, Level.GOOD, "loaded apart"),
        ("usual", MESA, Level.WARNING, "loaded as usual beside Mesa"),
        ("usual", CARD, Level.GOOD, "loaded as usual"),
        ("usual", None, Level.GOOD, "loaded as usual"),
        ("", MESA, Level.GOOD, "not loaded yet"),
    ],
)
def test_triton_beside_mesa(monkeypatch, loader, seen, level, state):
    monkeypatch.setattr(screen, "installed", lambda _: "3.8.0")
    monkeypatch.delitem(sys.modules, torch_import.TRITON, raising=False)
    if loader:
        kind = torch_import._BoundApart(None) if loader == "apart" else object()
        module = SimpleNamespace(__spec__=SimpleNamespace(loader=kind))
        monkeypatch.setitem(sys.modules, torch_import.TRITON, module)
    found = screen.triton(seen)
    assert (found.level, found.value) == (level, f"3.8.0, {state}")


def test_no_triton(monkeypatch):
    monkeypatch.setattr(screen, "installed", lambda _: "")
    monkeypatch.delitem(sys.modules, torch_import.TRITON, raising=False)
    assert screen.triton(MESA).value == "not installed"


@pytest.mark.parametrize(
    ("look", "names", "load", "first"),
    [("models", "shipped_bundles", "load_bundle", {}), ("samples", "sample_names", "load_sample", ())],
)
def test_what_ships_is_missing_or_damaged(monkeypatch, look, names, load, first):
    asked = getattr(examine, look)
    count = len(getattr(examine, names)())
    assert (asked().level, asked().value) == (Level.GOOD, f"{count} readable")

    def damaged(_):
        raise InputError("A file is damaged.")

    monkeypatch.setattr(examine, load, damaged)
    assert asked().value == f"{count} of {count} cannot be read"
    assert "A file is damaged." in asked().problem
    monkeypatch.setattr(examine, names, lambda: first)
    assert (asked().level, asked().value) == (Level.WARNING, "missing")


def test_what_other_packages_offer_and_cannot_be_used(monkeypatch):
    monkeypatch.setattr(examine, "part_problems", lambda: ("'Big net' of the package 'x' cannot be loaded.",))
    found = examine.others()
    assert [(f.level, f.problem) for f in found] == [(Level.WARNING, "'Big net' of the package 'x' cannot be loaded.")]
    monkeypatch.setattr(examine, "part_problems", lambda: ())
    assert [f.level for f in examine.others()] == [Level.GOOD]


def test_the_whole_examination_for_real(tmp_path):
    report = seg.doctor(tmp_path / "sessions", window=MESA)
    values = {f.name: f.value for f in report.findings}
    assert report.works, report.problems
    assert values["napari-segplugin"] == seg.__version__
    assert values["OpenGL"].startswith("llvmpipe")
    assert {"python", "torch", "numpy", "triton", "memory", "session folder", "models", "samples"} <= set(values)
    text = report.text()
    assert str(Path.home()) not in text or len(str(Path.home())) < 4
    assert str(tmp_path) not in text
    assert all("\n" not in sentence for sentence in report.problems)


def test_a_torch_that_ends_the_program_is_not_imported_here(monkeypatch):
    monkeypatch.setattr(
        examine.packages, "try_imports", lambda names: {"torch": "Importing it ends the program (code -4)"}
    )
    monkeypatch.setattr(examine.card, "torch_facts", lambda: pytest.fail("torch was asked"))
    report = examine.examine()
    assert not report.works
    assert "(Importing it ends the program (code -4))" in report.problems[0]
