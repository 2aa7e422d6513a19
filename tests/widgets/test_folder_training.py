"""Training on a folder from the dock: the real engine with a small network, the real window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from dock_helpers import add_image, run, small_bundle
from qtpy.QtWidgets import QFileDialog

pytest.importorskip("torch")

from napari_segplugin.io import load_sample

pytestmark = pytest.mark.qt


@pytest.fixture
def real(real: Any, qtbot: Any) -> Any:
    real.session.add(small_bundle())
    add_image(real, qtbot, nuclei()[0], axis_labels=("y", "x"), name="nuclei")
    step = real.improve_step
    step.budget_spin.setValue(8)
    step.budget_unit.setCurrentIndex(step.budget_unit.findData("steps"))
    return real


def nuclei() -> tuple[np.ndarray, np.ndarray]:
    sample = load_sample("nuclei2d")
    return sample.image.read()[0], np.asarray(sample.truth)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    image, truth = nuclei()
    place = tmp_path / "a folder with a long name that somebody gave it on a long day"
    for name in ("images", "masks"):
        (place / name).mkdir(parents=True)
    for i in range(4):
        piece = (slice(32 * i + 64, 32 * i + 160), slice(96, 192))
        tifffile.imwrite(place / "images" / f"p{i}.tif", image[piece], metadata={"axes": "YX"})
        tifffile.imwrite(place / "masks" / f"p{i}.tif", truth[piece].astype(np.uint16), metadata={"axes": "YX"})
    return place


def press(dock: Any, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: path)
    dock.improve_step.folder.button.click()


def test_a_folder_teaches_and_the_verdict_speaks_of_the_images_held_out(
    real: Any, qtbot: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, old = real.improve_step, real.session.bundle
    run(real, qtbot, lambda: press(real, monkeypatch, str(folder)))
    new = real.session.bundle
    assert new is not old
    assert len(new.history[-1]["images"]) == 3
    assert "1 of 4 images" in step.verdict.heldout.text()
    shown = {step.verdict.table.item(i, 0).text(): step.verdict.table.item(i, 2).text() for i in range(2)}
    assert set(shown) == {"object IoU", "Dice"}
    assert all(0 <= float(v) <= 1 for v in shown.values())
    assert step.loss_plot.values("loss")
    assert not step.folder.button.isHidden()
    step.verdict.back_button.click()
    assert real.session.bundle is old
    run(real, qtbot)
    assert any("cell" in layer.name or "nuclei" in layer.name for layer in real.viewer.layers)


@pytest.mark.parametrize("what", ["empty", "lonely", "missing"])
def test_a_folder_that_cannot_be_used_is_said_and_nothing_changes(
    real: Any, qtbot: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if what == "empty":
        place = folder.parent / "empty"
        place.mkdir()
    elif what == "lonely":
        (folder / "masks" / "p2.tif").unlink()
        place = folder
    else:
        place = folder / "nowhere"
    old = real.session.bundle
    run(real, qtbot, lambda: press(real, monkeypatch, str(place)))
    words = {"empty": "no images with labels", "lonely": "'p2'", "missing": "no such folder"}[what]
    assert words in real.messages.text.text()
    assert real.session.bundle is old
    assert not real.improve_step.loss_plot.isVisible()


def test_no_folder_no_training(real: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    press(real, monkeypatch, "")
    assert not real.job.busy


def test_cancel_keeps_the_old_model(real: Any, qtbot: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, old = real.improve_step, real.session.bundle
    step.budget_spin.setValue(100000)
    press(real, monkeypatch, str(folder))
    assert not step.folder.button.isEnabled()
    qtbot.waitUntil(lambda: bool(step.loss_plot.values("loss")), timeout=60_000)
    step.abort_button.click()
    qtbot.waitUntil(lambda: not real.job.busy, timeout=20_000)
    assert real.session.bundle is old
    assert "Cancelled" in real.messages.text.text()


def test_stop_keeps_what_was_learnt(real: Any, qtbot: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, old = real.improve_step, real.session.bundle
    step.budget_spin.setValue(100000)
    press(real, monkeypatch, str(folder))
    qtbot.waitUntil(lambda: bool(step.loss_plot.values("loss")), timeout=60_000)
    step.stop_button.click()
    qtbot.waitUntil(lambda: not real.job.busy, timeout=20_000)
    assert real.session.bundle is not old
    assert real.session.bundle.history


def test_without_an_image_the_button_waits(real: Any, qtbot: Any) -> None:
    real.viewer.layers.clear()
    qtbot.waitUntil(lambda: not real.improve_step.folder.button.isEnabled(), timeout=5000)
