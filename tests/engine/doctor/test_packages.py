"""Packages: there, missing, broken, and such that end the program."""

import subprocess

import pytest

from napari_segplugin.engine.doctor import packages, trial
from napari_segplugin.engine.doctor.packages import NEEDED, OPTIONAL
from napari_segplugin.engine.doctor.report import Level
from napari_segplugin.engine.doctor.trial import try_imports


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Puts a package of one file where Python finds it, for this process and those that it starts."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda name, text: (tmp_path / f"{name}.py").write_text(text)


def test_each_package_is_tried_and_none_harms_the_next(shelf):
    shelf("good_one", "print('hello')")
    shelf("loud_one", "raise RuntimeError('operator torchvision::nms does not exist\\nand more')")
    shelf("leaving_one", "raise SystemExit(3)")
    shelf("deadly_one", "import os; os.abort()")
    shelf("half_one", "import no_such_package_either")
    names = ["deadly_one", "good_one", "loud_one", "leaving_one", "half_one", "no_such_package"]
    found = try_imports(names)
    assert list(found) == names
    assert found["good_one"] == ""
    assert found["loud_one"] == "RuntimeError: operator torchvision::nms does not exist"
    assert found["leaving_one"] == "SystemExit: 3"
    assert found["half_one"].startswith("ModuleNotFoundError: No module named 'no_such_package_either'")
    assert found["deadly_one"].startswith("Importing it ends the program (code")
    assert found["no_such_package"] == "missing"


def test_one_that_never_ends_is_given_up(shelf, monkeypatch):
    monkeypatch.setattr(trial, "PATIENCE", 3)
    shelf("slow_one", "import time; time.sleep(60)")
    assert try_imports(["json", "slow_one"]) == {"json": "", "slow_one": "Importing it takes more than 3 s"}


def test_where_no_process_can_be_started_it_says_so(monkeypatch):
    def refuse(*_, **__):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert try_imports(["json"]) == {"json": "It could not be tried (Permission denied)"}


def by_name(said):
    return {f.name: f for f in packages.packages(said)}


def test_a_needed_package_that_is_missing_or_broken_stops():
    found = by_name({"torch": "missing", "scipy": "ImportError: a symbol"})
    assert (found["torch"].level, found["scipy"].level, found["numpy"].level) == (Level.STOP, Level.STOP, Level.GOOD)
    assert found["torch"].problem.endswith("Run: pip install torch")
    assert "(ImportError: a symbol). Run: pip install --force-reinstall scipy" in found["scipy"].problem
    assert len(found) == len(NEEDED) + len(OPTIONAL)


@pytest.fixture
def asked(monkeypatch):
    """Says what this project asks for."""
    packages._allowed.cache_clear()
    yield lambda *lines: monkeypatch.setattr(packages, "requires", lambda _: list(lines))
    packages._allowed.cache_clear()


def test_a_version_that_is_not_allowed_is_told_with_what_to_do(asked):
    have = packages.installed("scikit-image")
    asked("scikit_image>=999", "numpy<1", "scipy>=1", 'roifile>=9999; extra == "rois"', "roifile>=1; extra == 'all'")
    found = by_name({"roifile": "", **dict.fromkeys(NEEDED, "")})
    assert found["scikit-image"].level is Level.WARNING
    assert found["scikit-image"].problem == (
        f"The package 'scikit-image' is there in version {have}, but >=999 is needed. "
        'Run: pip install "scikit-image>=999"'
    )
    assert "but <1 is needed" in found["numpy"].problem
    assert (found["scipy"].level, found["torch"].level) == (Level.GOOD, Level.GOOD)
    if packages.installed("roifile"):
        assert "but >=9999 is needed" in found["roifile"].problem


@pytest.mark.parametrize(
    ("version", "fits"), [("2.14.0.dev20260101+cu128", True), ("2.3.1", False), ("", True), ("own build", True)]
)
def test_builds_before_a_release_and_of_somebodys_own_are_taken(asked, monkeypatch, version, fits):
    asked("torch>=2.4")
    monkeypatch.setattr(packages, "installed", lambda _: version)
    assert (packages.unfit("torch") == "") is fits


def test_what_is_installed_here_is_allowed():
    assert [name for name in NEEDED.values() if packages.unfit(name)] == []


def test_a_library_of_windows_that_is_missing_has_its_own_advice():
    found = by_name({"torch": "OSError: [WinError 126] The specified module could not be found"})["torch"]
    assert "Install the Visual C++ Redistributable of Microsoft." in found.problem
    assert found.problem.endswith("run: pip install --force-reinstall torch")


def test_an_optional_package_that_is_missing_is_no_problem_and_a_broken_one_is():
    found = by_name({"laptrack": "missing", "timm": "ValueError: x"})
    assert (found["laptrack"].level, found["laptrack"].problem) == (Level.GOOD, "")
    assert '"napari-segplugin[tracks]"' in found["laptrack"].value
    assert found["timm"].level is Level.WARNING
    assert found["timm"].problem.endswith("(ValueError: x). Run: pip install --force-reinstall timm")


def test_torchvision_of_another_build_is_told_with_torch():
    found = by_name({"torchvision": "RuntimeError: operator torchvision::nms does not exist"})["torchvision"]
    assert found.level is Level.WARNING
    assert "Install both from one place: pip install --force-reinstall torch torchvision" in found.problem


@pytest.mark.parametrize(
    ("there", "name", "level", "words"),
    [
        ({"napari": "0.9"}, "napari", Level.GOOD, ""),
        ({}, "napari", Level.NOTE, "napari is not installed"),
        ({"PyQt6": "6.9"}, "Qt", Level.GOOD, ""),
        ({}, "Qt", Level.NOTE, "There is no Qt"),
        ({"PyQt6": "6.9", "PySide6": "6.10"}, "Qt", Level.WARNING, "(PyQt6 6.9, PySide6 6.10)"),
    ],
)
def test_napari_and_qt(monkeypatch, there, name, level, words):
    monkeypatch.setattr(packages, "installed", lambda package: there.get(package, ""))
    found = {f.name: f for f in packages.programs()}[name]
    assert found.level is level
    assert words in found.problem
