"""The dock from the first click to the last, with a fake engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import run

pytestmark = pytest.mark.qt


def test_an_empty_viewer_says_what_to_do(dock: Any) -> None:
    assert dock.image_step.hint.text() == "Open an image to begin."
    assert dock.image_step.open_button.property("primary")
    assert not dock.result_step.run_button.isEnabled()
    assert not dock.improve_step.train_button.isEnabled()


def test_run_makes_a_layer_over_the_image(with_image: Any, qtbot: Any) -> None:
    dock = with_image
    assert dock.result_step.run_button.isEnabled()
    assert dock.result_step.run_button.property("primary")
    run(dock, qtbot)
    result = dock.runs.results[-1].layer
    image = dock.image_step.layer
    assert result in dock.viewer.layers
    np.testing.assert_allclose(result.scale, image.scale)
    assert result.units == image.units
    assert "area (µm²)" in result.features
    assert set(result.features["label"]) == set(np.unique(result.data))
    assert result.metadata["recipe"]["model"] == "nuclei_2d"
    assert "objects" in dock.result_step.summary.text()
    assert dock.result_step.save_button.isEnabled()
