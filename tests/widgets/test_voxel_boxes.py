"""The boxes with the voxel size: what is written is what was typed, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtGui import QValidator

pytestmark = pytest.mark.qt
SIZES = (0.00212, 0.000162, 0.00016212345678)


@pytest.fixture
def step(qtbot: Any) -> Any:
    from napari_segplugin.widgets.step_image import ImageStep

    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 8, 8), np.uint8), scale=SIZES, units=("mm",) * 3, axis_labels=("z", "y", "x"))
    made = ImageStep(viewer)
    qtbot.addWidget(made)
    return made


def test_only_the_axis_that_was_typed_is_written(step: Any) -> None:
    assert [step.spins[a].text() for a in "ZYX"] == ["Z 0.00212", "Y 0.000162", "X 0.000162123"]
    step.spins["Z"].setValue(0.003)
    assert step.layer.scale.tolist() == [0.003, *SIZES[1:]]


def test_looking_at_a_box_changes_nothing(step: Any, qtbot: Any) -> None:
    step.show()
    moved = []
    step.moved.connect(lambda: moved.append(1))
    for axis in "ZYX":
        step.spins[axis].setFocus()
        qtbot.keyClick(step.spins[axis], Qt.Key.Key_Return)
        step.spins[axis].interpretText()
    step.unit_choice.setCurrentIndex(step.unit_choice.findData("um"))
    assert step.layer.scale.tolist() == list(SIZES)
    assert len(moved) == 1, "the unit"
    assert {str(u) for u in step.layer.units} == {"micrometer"}


@pytest.mark.parametrize(("typed", "size"), [("2.5e-7", 2.5e-7), ("0,5", 0.5), ("0.123456789", 0.123456789)])
def test_any_number_that_is_typed_is_kept_with_all_its_digits(step: Any, typed: str, size: float) -> None:
    spin = step.spins["Y"]
    assert spin.validate(f"Y {typed}", 0)[0] == QValidator.State.Acceptable
    spin.lineEdit().setText(f"Y {typed}")
    spin.interpretText()
    assert step.layer.scale.tolist() == [SIZES[0], size, SIZES[2]]
    assert spin.text() == f"Y {size:g}"


@pytest.mark.parametrize("typed", ["0", "-1", "nan", "two", ""])
def test_what_is_no_size_is_not_taken(step: Any, typed: str) -> None:
    spin = step.spins["X"]
    assert spin.validate(f"X {typed}", 0)[0] == QValidator.State.Intermediate
    spin.lineEdit().setText(f"X {typed}")
    spin.interpretText()
    assert step.layer.scale.tolist() == list(SIZES)


def test_a_size_of_nanometres_in_metres(step: Any) -> None:
    step.layer.scale = (1e-6, 2.5e-7, 2.5e-7)
    step._show()
    assert step.spins["Y"].text() == "Y 2.5e-07"
    step.spins["Z"].setValue(2e-6)
    assert step.layer.scale.tolist() == [2e-6, 2.5e-7, 2.5e-7]
