"""Segmenting straight into a file from the dock: the real engine with a small network, the real window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run, small_bundle
from fake_engine import blobs
from qtpy.QtWidgets import QFileDialog

pytest.importorskip("torch")

from napari_segplugin.io import read_segmentation

pytestmark = pytest.mark.qt


@pytest.fixture
def real(real: Any) -> Any:
    real.session.add(small_bundle())
    return real


def choose(dock: Any, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    step = dock.result_step
    step.scope_choice.setCurrentIndex(step.scope_choice.findData("file"))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (path, ""))


@pytest.mark.parametrize(("axes", "shape"), [("yx", (40, 50)), ("zyx", (3, 40, 50)), ("tyx", (2, 40, 50))])
def test_the_file_is_written_and_shown_over_the_image(
    real: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axes: str, shape: tuple[int, ...]
) -> None:
    scale = (2.0, 0.5, 0.5)[-len(axes) :]
    add_image(real, qtbot, blobs(shape), axis_labels=tuple(axes), scale=scale, name="a cell image of a long name")
    choose(real, monkeypatch, str(tmp_path / "cells"))
    run(real, qtbot)
    back = read_segmentation(tmp_path / "cells.ome.zarr")
    assert back.labels.shape == shape
    # the scene is of no model's kind, which is said; nothing else is
    assert real.messages.message in ("", "Nothing was found.") or "another kind" in real.messages.message
    layer = real.viewer.layers["cells.ome.zarr"]
    np.testing.assert_array_equal(np.asarray(layer.data), np.asarray(back.labels))
    np.testing.assert_allclose(layer.scale, scale)
    assert not layer.editable
    assert layer.features["label"].tolist()[1:] == back.objects.label.tolist()
    assert "cells.recipe.json" in real.result_step.summary.text()


def test_nothing_happens_when_no_file_is_named(
    real: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(real, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    choose(real, monkeypatch, "")
    real.result_step.run_button.click()
    assert not real.job.busy
    assert len(real.viewer.layers) == 1


def test_a_folder_that_is_not_there_is_said(
    real: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(real, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    choose(real, monkeypatch, str(tmp_path / "missing" / "cells.tif"))
    run(real, qtbot)
    assert "folder" in real.messages.text.text()
    assert len(real.viewer.layers) == 1


def test_a_technique_says_that_it_cannot(
    real: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(real, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    monkeypatch.setattr(type(real.method_step), "is_classical", property(lambda _: True))
    choose(real, monkeypatch, str(tmp_path / "cells.tif"))
    real.result_step.run_button.click()
    assert "Classical" in real.messages.text.text()
    assert not real.job.busy
