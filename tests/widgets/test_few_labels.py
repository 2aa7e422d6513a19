"""Few labels in the dock: instant answers, suggested losses, options of the training, examples of augmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dock_helpers import run
from fake_engine import FakeEngine

from napari_segplugin.core import BACKGROUND_PAINT, AugmentSpec, InputError, LossSpec, LossTerm
from napari_segplugin.widgets.instant_control import INSTANT, TITLE

pytestmark = pytest.mark.qt


def paint(dock: Any, *values: int) -> None:
    dock.improve_step.layer_button.click()
    layer = dock.paint.layer
    for i, value in enumerate(values):
        rows = np.repeat(np.arange(3 * i, 3 * i + 2), 12)
        layer.data_setitem((rows, np.tile(np.arange(12), 2)), value)


def settled(dock: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: bool(dock.paint.counts) and not dock.background.busy, timeout=5000)


def test_the_options_of_the_training_reach_the_engine(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    paint(with_image, 1, BACKGROUND_PAINT)
    options = with_image.improve_step.options
    options.learning.set_values({"balance": True, "regulariser": 0.5, "freeze": 1.0})
    assert options.settings()["intensities"] == "auto"
    options.learning.set_values({"intensities": "ct"})
    options.automatic.setChecked(False)
    options.strengths.set_values({"elastic": 4, "rotate": False})
    run(with_image, qtbot, with_image.train.start)
    spec = next(args for name, args in engine.calls if name == "finetune")[3]
    assert (spec.balance, spec.regulariser, spec.teacher, spec.freeze, spec.layer_decay) == (True, 0.5, 0.0, 1.0, 1.0)
    assert spec.augmentation == AugmentSpec(rotate=False, elastic=4.0)
    assert spec.intensities == "ct"


def test_strengths_are_hidden_while_they_are_chosen_for_the_person(with_image: Any) -> None:
    options = with_image.improve_step.options
    assert options.strengths.isHidden()
    assert options.augmentation() is None
    options.automatic.setChecked(False)
    assert not options.strengths.isHidden()


def test_examples_of_augmentation_are_shown(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    options = with_image.improve_step.options
    options.look.click()
    qtbot.waitUntil(lambda: options.picture.pixmap is not None, timeout=5000)
    assert (options.picture.pixmap.width(), options.picture.pixmap.height()) == (30, 20)
    assert [args[1] for name, args in engine.calls if name == "examples"] == [AugmentSpec()]


def test_a_loss_is_suggested_from_the_strokes_and_used_on_a_click(with_image: Any, qtbot: Any) -> None:
    losses = with_image.improve_step.losses
    assert losses.reason.isHidden()
    losses.set_spec(LossSpec((LossTerm("dice"),)))
    paint(with_image, 1, BACKGROUND_PAINT)
    settled(with_image, qtbot)
    assert losses.reason.text().startswith("Suggested: ")
    assert not losses.use_button.isHidden()
    losses.use_button.click()
    assert losses.spec() == LossSpec()
    assert losses.use_button.isHidden()


def test_options_of_a_suggested_loss_survive_the_table(with_image: Any) -> None:
    losses = with_image.improve_step.losses
    spec = LossSpec((LossTerm("cross_entropy", 1.0, {"class_weights": "inverse"}), LossTerm("dice")))
    losses.set_spec(spec)
    assert losses.spec() == spec


def test_the_instant_answer_becomes_a_result(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    paint(with_image, 1, BACKGROUND_PAINT)
    run(with_image, qtbot, with_image.improve_step.instant_button.click)
    result = with_image.desk.result_of(with_image.image_step.layer)
    assert result.model == TITLE
    assert np.asarray(result.layer.data).all()
    assert next(args for name, args in engine.calls if name == "instant")[1].paint.any()


def test_strokes_are_answered_while_painting_and_features_are_kept(
    with_image: Any, engine: FakeEngine, qtbot: Any
) -> None:
    paint(with_image, 1, BACKGROUND_PAINT)
    settled(with_image, qtbot)
    with_image.improve_step.instant_box.setChecked(True)
    qtbot.waitUntil(lambda: INSTANT in with_image.viewer.layers, timeout=5000)
    assert "Dice 0.800" in with_image.improve_step.instant_text.text()
    names = [layer.name for layer in with_image.viewer.layers]
    assert names.index(INSTANT) < names.index(with_image.paint.layer.name)
    paint(with_image, 1, BACKGROUND_PAINT, 2)
    qtbot.waitUntil(lambda: sum(n == "instant" for n, _ in engine.calls) >= 2, timeout=5000)
    assert engine.nearby is False
    first, second = [args[-1] for name, args in engine.calls if name == "instant"][:2]
    assert first is second is not None
    with_image.improve_step.nearby_box.setChecked(True)
    qtbot.waitUntil(lambda: engine.nearby, timeout=5000)
    assert not any(name == "warm" for name, _ in engine.calls)
    with_image.improve_step.instant_box.setChecked(False)
    assert INSTANT not in with_image.viewer.layers


def test_features_are_computed_ahead_while_a_class_is_still_missing(
    with_image: Any, engine: FakeEngine, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*asked: Any, **more: Any) -> Any:
        raise InputError("The instant answer needs strokes of at least two classes.")

    paint(with_image, 1)
    settled(with_image, qtbot)
    monkeypatch.setattr(engine, "instant_now", missing)
    with_image.improve_step.instant_box.setChecked(True)
    qtbot.waitUntil(lambda: any(name == "warm" for name, _ in engine.calls), timeout=5000)
    assert "two classes" in with_image.improve_step.instant_text.text()
