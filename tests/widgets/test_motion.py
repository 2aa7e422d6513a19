"""The setting of the system for reduced motion, as each kind of system tells it."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_segplugin.viewer.focus import camera_of
from napari_segplugin.widgets import _flyer, _motion


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, qapp: Any) -> Any:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(_motion.shutil, "which", lambda name: None)
    _motion._system.cache_clear()
    yield
    _motion._system.cache_clear()


def programs_say(monkeypatch: pytest.MonkeyPatch, answer: str) -> list[list[str]]:
    asked: list[list[str]] = []

    def run(command: list[str], **how: Any) -> SimpleNamespace:
        asked.append(command)
        return SimpleNamespace(stdout=answer + "\n")

    monkeypatch.setattr(_motion.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(_motion.subprocess, "run", run)
    return asked


@pytest.mark.parametrize(
    ("platform", "answer", "quiet"),
    [("linux", "false", True), ("linux", "true", False), ("darwin", "1", True), ("darwin", "0", False)],
)
def test_gnome_and_macos(monkeypatch: pytest.MonkeyPatch, platform: str, answer: str, quiet: bool) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    asked = programs_say(monkeypatch, answer)
    assert _motion.reduced_motion() is quiet
    assert _motion.reduced_motion() is quiet
    assert len(asked) == 1


@pytest.mark.parametrize(("factor", "quiet"), [("0", True), ("0.5", False), ("much", False)])
def test_kde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, factor: str, quiet: bool) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "kdeglobals").write_text(f"[KDE]\nAnimationDurationFactor={factor}\n")
    assert _motion.reduced_motion() is quiet


@pytest.mark.parametrize("animates", [0, 1])
def test_windows(monkeypatch: pytest.MonkeyPatch, animates: int) -> None:
    def answer(what: int, _: int, where: Any, __: int) -> int:
        assert what == 0x1042
        where._obj.value = animates
        return 1

    monkeypatch.setattr(sys, "platform", "win32")
    dll = SimpleNamespace(user32=SimpleNamespace(SystemParametersInfoW=answer))
    monkeypatch.setattr(ctypes, "windll", dll, raising=False)
    assert _motion.reduced_motion() is (not animates)


def test_a_style_without_animation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert not _motion.reduced_motion()
    monkeypatch.setattr(_motion.QApplication, "style", lambda: SimpleNamespace(styleHint=lambda hint: 0))
    assert _motion.reduced_motion()


@pytest.mark.parametrize("quiet", [True, False])
def test_the_camera_is_there_at_once_or_in_less_than_a_third_of_a_second(
    make_napari_viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    monkeypatch.setattr(_flyer, "reduced_motion", lambda: quiet)
    viewer = make_napari_viewer()
    layer = viewer.add_labels(np.zeros((3000, 3000), np.uint8))
    camera_of(viewer).zoom = 1
    flyer = _flyer.Flyer(viewer, viewer.window._qt_window)
    flyer.go(layer, np.array([[2000, 2000], [2050, 2050]]))
    there = tuple(camera_of(viewer).center)[-2:] == pytest.approx((2024.5, 2024.5))
    assert there is quiet
    assert _flyer.SECONDS <= 0.25
    qtbot.waitUntil(lambda: flyer._flight is None, timeout=3000)
    assert tuple(camera_of(viewer).center)[-2:] == pytest.approx((2024.5, 2024.5))
