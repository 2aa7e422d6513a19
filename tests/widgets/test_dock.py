"""The dock from the first click to the last, with a fake engine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, restore, run
from fake_engine import FakeEngine, blobs
from scipy import ndimage

from napari_segplugin.core import BACKGROUND_PAINT, InputError, Task
from napari_segplugin.core.training import Checked, Compared, ModelVerdict
from napari_segplugin.engine.session import Session
from napari_segplugin.viewer.technical import is_technical
from napari_segplugin.widgets.step_method import SCRATCH
from napari_segplugin.widgets.step_result import PLANE

pytestmark = pytest.mark.qt


def show(dock: Any, task: Task) -> None:
    at = dock.method_step.task_choice.findData(task)
    dock.method_step.task_choice.setCurrentIndex(at)


def message(dock: Any) -> str:
    return str(dock.messages.text.text())


# --- image ------------------------------------------------------------------------------------------------------------


def test_an_empty_viewer_says_what_to_do(dock: Any) -> None:
    assert dock.messages.text.text() == "Open an image, or drop a file on the window."
    assert dock.guide.buttons["open"].property("primary")
    assert not dock.result_step.run_button.isEnabled()
    assert not dock.improve_step.train_button.isEnabled()


def test_a_stack_asks_what_its_first_axis_is(dock: Any, qtbot: Any) -> None:
    layer = add_image(dock, qtbot, blobs((6, 30, 40)))
    assert "depth Z" in dock.image_step.question.text()
    assert not dock.result_step.run_button.isEnabled()
    assert "depth Z" in message(dock)
    answers = [dock.image_step.answers.layout().itemAt(i).widget() for i in range(3)]
    assert [a.text() for a in answers] == ["Depth Z", "Channels C", "Time T"]
    answers[0].click()
    assert layer.axis_labels == ("z", "y", "x")
    assert dock.image_step.question.text() == ""
    assert dock.result_step.run_button.isEnabled()


def test_a_renamed_layer_is_renamed_in_the_list(with_image: Any, qtbot: Any) -> None:
    with_image.image_step.layer.name = "patient 7"
    qtbot.waitUntil(lambda: with_image.image_step.choice.currentText() == "patient 7", timeout=2000)


def test_a_removed_layer_leaves_the_list(with_image: Any, qtbot: Any) -> None:
    with_image.viewer.layers.clear()
    qtbot.waitUntil(lambda: with_image.image_step.layer is None, timeout=2000)
    assert not with_image.result_step.run_button.isEnabled()


def test_voxel_size_is_shown_and_written_to_the_layer(with_image: Any) -> None:
    step = with_image.image_step
    assert step.spins["Y"].value() == 0.5
    assert step.unit_choice.currentData() == "um"
    step.spins["Y"].setValue(0.25)
    np.testing.assert_allclose(step.layer.scale, (0.25, 0.5))


def test_voxel_size_moves_the_layers_over_the_image_too(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    with_image.paint.pick(BACKGROUND_PAINT)
    with_image.image_step.spins["X"].setValue(0.75)
    for layer in (with_image.desk.results[-1].layer, with_image.paint.layer):
        np.testing.assert_allclose(layer.scale, (0.5, 0.75))


def test_too_many_dimensions_are_explained(dock: Any, qtbot: Any) -> None:
    add_image(dock, qtbot, np.zeros((2, 2, 2, 2, 8, 8), np.uint8))
    assert "two to five dimensions" in dock.image_step.hint.text()
    assert not dock.result_step.run_button.isEnabled()


def test_open_reads_in_the_background(dock: Any, qtbot: Any) -> None:
    dock.files.open_image("/data/scan.tif")
    qtbot.waitUntil(lambda: dock.image_step.layer is not None, timeout=3000)
    layer = dock.image_step.layer
    assert layer.name == "scan"
    np.testing.assert_allclose(layer.scale, (0.5, 0.5))
    assert layer.axis_labels == ("y", "x")
    assert str(layer.units[0]) == "micrometer"


def test_a_file_that_cannot_be_read_is_a_sentence(dock: Any, qtbot: Any) -> None:
    dock.files.open_image("/data/missing.tif")
    qtbot.waitUntil(lambda: "cannot be read" in message(dock), timeout=3000)
    assert not dock.messages.report


def test_a_sample_comes_with_its_truth_hidden(dock: Any, qtbot: Any) -> None:
    dock.files.open_sample("nuclei2d")
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 2, timeout=3000)
    truth = next(a for a in dock.viewer.layers if "truth" in a.name)
    assert not truth.visible
    assert dock.image_step.layer.name == "nuclei2d"


# --- look for ---------------------------------------------------------------------------------------------------------


def test_only_models_that_fit_are_offered(dock: Any, qtbot: Any) -> None:
    add_image(dock, qtbot, blobs((30, 40)), axis_labels=("y", "x"))
    names = [dock.method_step.weights_choice.itemData(i) for i in range(dock.method_step.weights_choice.count())]
    assert names == [("shipped", "nuclei_2d"), SCRATCH]


def test_a_volume_prefers_a_3d_model_and_offers_plane_by_plane(dock: Any, qtbot: Any) -> None:
    add_image(dock, qtbot, blobs((6, 30, 40)), axis_labels=("z", "y", "x"))
    texts = [dock.method_step.weights_choice.itemText(i) for i in range(dock.method_step.weights_choice.count())]
    assert texts[:2] == ["nuclei 3d", "nuclei 2d (plane by plane)"]


def test_colour_images_get_colour_models(dock: Any, qtbot: Any) -> None:
    add_image(dock, qtbot, np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8), rgb=True)
    assert dock.method_step.weights_choice.currentData() == ("shipped", "histology")


def test_an_estimate_appears_before_run(with_image: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: "4 tiles" in with_image.method_step.estimate.text(), timeout=4000)


def test_devices_come_after_the_first_job_only(with_image: Any, qtbot: Any) -> None:
    assert with_image.method_step.device_choice.count() == 2
    run(with_image, qtbot)
    qtbot.waitUntil(lambda: with_image.method_step.device_choice.findData("cuda:0") > 0, timeout=3000)


def test_classes_from_scratch_can_be_added_renamed_and_removed(with_image: Any) -> None:
    show(with_image, Task.SEMANTIC)
    method = with_image.method_step
    method.weights_choice.setCurrentIndex(method.weights_choice.findData(SCRATCH))
    method.classes.add_class()
    method.classes.grid.item(0, 1).setText("bone")
    assert [c.name for c in method.choice().spec.classes] == ["background", "bone", "class 2"]
    method.classes.grid.item(1, 1).setText("bone")
    assert "name of its own" in message(with_image)
    assert [c.name for c in method.choice().spec.classes][2] == "class 2"
    method.classes.grid.setCurrentCell(0, 1)
    method.classes.remove_class()
    assert [(c.id, c.name) for c in method.choice().spec.classes] == [(0, "background"), (1, "class 2")]


def test_an_untrained_network_cannot_run_and_says_why(with_image: Any) -> None:
    method = with_image.method_step
    method.weights_choice.setCurrentIndex(method.weights_choice.findData(SCRATCH))
    assert not with_image.result_step.run_button.isEnabled()
    assert "paint examples, then train it" in message(with_image)
    assert with_image.guide.buttons["paint"].property("primary")
    with_image.runs.start("whole")
    assert "untrained" in message(with_image)
    assert not with_image.job.busy


def test_tile_settings_reach_the_engine(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    with_image.method_step.tile_options.form.set_values({"tile_size": 256, "mirror": True})
    run(with_image, qtbot)
    tiles = next(v for k, v in engine.calls if k == "predict")[2]
    assert tiles.size == (256, 256)
    assert tiles.mirror


# --- find -------------------------------------------------------------------------------------------------------------


def test_run_makes_a_layer_over_the_image(with_image: Any, qtbot: Any) -> None:
    dock = with_image
    assert dock.result_step.run_button.property("primary")
    run(dock, qtbot)
    result = dock.desk.results[-1].layer
    image = dock.image_step.layer
    assert result in dock.viewer.layers
    np.testing.assert_allclose(result.scale, image.scale)
    assert result.units == image.units
    assert result.axis_labels == image.axis_labels
    assert "area (µm²)" in result.features
    assert set(result.features["label"]) == set(np.unique(result.data))
    assert result.metadata["recipe"]["model"]["name"] == "nuclei_2d"
    assert "nucle" in dock.result_step.summary.text()
    assert dock.result_step.save_button.isEnabled()


def test_semantic_results_have_the_class_colours(with_image: Any, qtbot: Any) -> None:
    show(with_image, Task.SEMANTIC)
    run(with_image, qtbot)
    layer = with_image.desk.results[-1].layer
    np.testing.assert_allclose(layer.get_color(1)[:3], np.array([0xE6, 0x9F, 0x00]) / 255, atol=0.01)


def test_a_second_run_replaces_an_untouched_result(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    first = with_image.desk.results[-1].layer
    run(with_image, qtbot)
    assert with_image.desk.results[-1].layer is first
    assert len(with_image.desk.results) == 1


def test_edits_survive_a_second_run(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    first = with_image.desk.results[-1].layer
    first.data_setitem((np.array([0, 0]), np.array([0, 1])), 77)
    run(with_image, qtbot)
    assert [r.layer for r in with_image.desk.results] == [first]
    assert first.data[0, :2].tolist() == [77, 77]
    assert (first.data == 77).sum() == 2
    assert "your 1 kept" in message(with_image)


def test_undo_after_a_replaced_result_writes_nothing_stale(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    layer = with_image.desk.results[-1].layer
    layer.data_setitem((np.array([0]), np.array([0])), 77)
    layer.undo()
    run(with_image, qtbot)
    assert with_image.desk.results[-1].layer is layer
    new = layer.data.copy()
    layer.redo()
    np.testing.assert_array_equal(layer.data, new)


def test_a_visible_plane_fills_only_its_plane(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    add_image(dock, qtbot, blobs((6, 30, 40)), axis_labels=("z", "y", "x"))
    dock.viewer.dims.set_current_step(0, 4)
    dock.result_step.scope_choice.setCurrentIndex(dock.result_step.scope_choice.findData(PLANE))
    run(dock, qtbot)
    labels = dock.desk.results[-1].layer.data
    assert labels.shape == (6, 30, 40)
    assert labels[4].any()
    assert not labels[[0, 1, 2, 3, 5]].any()
    dock.viewer.dims.set_current_step(0, 2)
    run(dock, qtbot)
    labels = dock.desk.results[-1].layer.data
    assert labels[4].any()
    assert labels[2].any()
    assert not set(np.unique(labels[4])) & set(np.unique(labels[2])) - {0}


def test_cancel_acts_at_the_next_tile_and_changes_nothing(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    engine.tiles, engine.pause = 1000, 0.01
    before = list(with_image.viewer.layers)
    with_image.result_step.run_button.click()
    qtbot.waitUntil(lambda: with_image.result_step.progress.bar.value() > 2, timeout=4000)
    assert "tiles" in with_image.result_step.progress.text.text()
    pressed = time.perf_counter()
    with_image.result_step.cancel_button.click()
    qtbot.waitUntil(lambda: not with_image.job.busy, timeout=2000)
    assert time.perf_counter() - pressed < 1.0
    assert engine.closed == ["predict"]
    assert list(with_image.viewer.layers) == before
    assert with_image.result_step.run_button.isEnabled()
    assert "Cancelled" in message(with_image)


@pytest.mark.parametrize(
    ("trouble", "words", "details"),
    [
        (InputError("The tile is too small.", hint="Choose 64."), "The tile is too small. Choose 64.", False),
        (RuntimeError("CUDA error: out of memory"), "The memory is full", True),
        (RuntimeError("CUDA error: an illegal instruction"), "Something unexpected went wrong (CUDA error", True),
        (MemoryError(), "The memory is full", True),
        (RuntimeError("could not create a primitive"), "The memory is full", True),
    ],
)
def test_a_failing_job_is_a_sentence_and_the_buttons_come_back(
    with_image: Any, engine: FakeEngine, qtbot: Any, trouble: BaseException, words: str, details: bool
) -> None:
    engine.trouble = trouble
    run(with_image, qtbot)
    assert words in message(with_image)
    assert bool(with_image.messages.report) is details
    assert with_image.result_step.run_button.isEnabled()
    assert engine.closed == ["predict"]
    run(with_image, qtbot)
    assert with_image.desk.results


def test_nothing_found_is_said(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    engine.nothing = True
    run(with_image, qtbot)
    assert "Nothing was found" in with_image.result_step.summary.text()


def test_an_image_deleted_during_the_job_cancels_it(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    engine.pause = 0.05
    run(with_image, qtbot, lambda: (with_image.result_step.run_button.click(), with_image.viewer.layers.clear()))
    assert with_image.desk.results == []
    assert len(with_image.viewer.layers) == 0
    assert "was removed" in message(with_image)


def test_save_writes_the_result_as_edited(with_image: Any, engine: FakeEngine, qtbot: Any, tmp_path: Path) -> None:
    run(with_image, qtbot)
    with_image.desk.results[-1].layer.data_setitem((np.array([0]), np.array([0])), 99)
    with_image.saving.save(str(tmp_path / "out.tif"))
    qtbot.waitUntil(lambda: bool(engine.saved), timeout=3000)
    segmentation, _ = engine.saved[0]
    assert segmentation.labels[0, 0] == 99
    assert segmentation.objects.status[-1] == "corrected"
    qtbot.waitUntil(lambda: "Saved out.tif" in message(with_image), timeout=3000)


@pytest.mark.parametrize(
    "array",
    [
        blobs((30, 40)) > 100,
        blobs((30, 40)).astype(np.float64) / 255,
        blobs((30, 40)).astype(np.int64) - 50,
        np.where(blobs((30, 40)) > 120, np.nan, blobs((30, 40)).astype(np.float32)),
    ],
    ids=["bool", "float64", "int64", "NaN"],
)
def test_every_kind_of_number_runs(dock: Any, qtbot: Any, array: np.ndarray) -> None:
    add_image(dock, qtbot, array, axis_labels=("y", "x"))
    run(dock, qtbot)
    assert dock.desk.results[-1].layer.data.shape == (30, 40)


def test_five_dimensions_run_and_the_labels_cover_every_channel(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    engine.shelf["two_channels"] = engine.shelf["nuclei_3d"].__class__(
        "unet", 3, 2, Task.INSTANCE, engine.shelf["nuclei_3d"].classes
    )
    layer = add_image(dock, qtbot, blobs((3, 2, 4, 20, 24)), axis_labels=tuple("tczyx"), scale=(1, 1, 2, 1, 1))
    run(dock, qtbot)
    labels = dock.desk.results[-1].layer
    assert labels.data.shape == (3, 1, 4, 20, 24)
    for channel in (0, 1):
        index = labels.world_to_data(layer.data_to_world((1, channel, 2, 5, 6)))
        assert np.round(index).astype(int).tolist() == [1, 0, 2, 5, 6]


# --- train ------------------------------------------------------------------------------------------------------------


def test_the_corrections_layer_comes_with_the_brush_in_hand(with_image: Any, qtbot: Any) -> None:
    with_image.improve_step.layer_button.click()
    layer, image = with_image.paint.layer, with_image.image_step.layer
    assert layer.data.dtype == np.uint16
    assert layer.mode == "paint"
    assert with_image.viewer.layers.selection.active is layer
    np.testing.assert_allclose(layer.scale, image.scale)
    assert layer.units == image.units


def test_paint_buttons_pick_what_they_say(with_image: Any, qtbot: Any) -> None:
    show(with_image, Task.SEMANTIC)
    run(with_image, qtbot)
    with_image.improve_step.layer_button.click()
    layer = with_image.paint.layer
    with_image.paint.pick(2)
    assert layer.selected_label == 2
    with_image.paint.pick(BACKGROUND_PAINT)
    assert layer.selected_label == BACKGROUND_PAINT
    np.testing.assert_allclose(layer.get_color(2)[:3], np.array([0x56, 0xB4, 0xE9]) / 255, atol=0.01)
    with_image.paint.pick(0)
    assert layer.mode == "erase"


def test_undo_is_counted_too(with_image: Any, qtbot: Any) -> None:
    with_image.improve_step.layer_button.click()
    paint(with_image.paint.layer, 1)
    qtbot.waitUntil(lambda: bool(with_image.paint.counts), timeout=3000)
    with_image.paint.layer.undo()
    qtbot.waitUntil(lambda: not with_image.paint.counts, timeout=3000)
    assert not with_image.paint.layer.data.any()


def test_new_object_takes_the_next_free_number(with_image: Any, qtbot: Any) -> None:
    with_image.improve_step.layer_button.click()
    layer = with_image.paint.layer
    paint(layer, 3)
    with_image.paint.pick(-1)
    assert layer.selected_label == 4


def paint(layer: Any, value: int, rows: slice = slice(5, 9)) -> None:
    layer.selected_label = value
    with layer.block_history():
        layer.paint((rows.start + 2,) * layer.ndim, value)


def test_strokes_are_counted_and_fine_tuning_shows_what_it_did(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    with_image.improve_step.layer_button.click()
    paint(with_image.paint.layer, 1)
    qtbot.waitUntil(lambda: "1 painted object" in with_image.improve_step.counts.text(), timeout=3000)
    assert with_image.improve_step.train_button.isEnabled()
    run(with_image, qtbot, with_image.improve_step.train_button.click)
    step = with_image.improve_step
    assert step.loss_plot.values("loss") == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert step.verdict.table.item(0, 1).text() == "0.500"
    assert step.verdict.table.item(0, 2).text() == "0.750"
    assert "2 of 10 strokes" in step.verdict.heldout.text()
    assert with_image.method_step.choice().title == "nuclei_2d, tuned 1"
    assert with_image.result_step.run_button.property("primary")
    assert not any(a.name == "preview" for a in with_image.viewer.layers)
    models = with_image.session.folder / "models"
    qtbot.waitUntil(lambda: any(models.glob("*/spec.json")), timeout=3000)


@pytest.mark.parametrize("outcome", ["better", "no better", "not enough"])
def test_only_a_better_model_is_chosen_and_the_other_is_a_click_away(
    with_image: Any, engine: FakeEngine, qtbot: Any, outcome: str
) -> None:
    engine.judged = ModelVerdict(outcome, f"Said: {outcome}.", "For a reason.")
    run(with_image, qtbot)
    shown = [layer.name for layer in with_image.viewer.layers if layer.name != "corrections"]
    with_image.paint.pick(BACKGROUND_PAINT)
    paint(with_image.paint.layer, BACKGROUND_PAINT)
    run(with_image, qtbot, with_image.train.start)
    step, better = with_image.improve_step, outcome == "better"
    assert with_image.method_step.choice().load().name == ("nuclei_2d, tuned 1" if better else "nuclei_2d")
    assert with_image.messages.text.text().startswith(f"Said: {outcome}. For a reason.")
    sign = "✓" if better else "⚠"
    assert step.verdict.text.text() == f"{sign} <b>Said: {outcome}.</b> For a reason."
    assert step.verdict.card.property("good") is better
    assert (step.verdict.back_button.isEnabled(), step.verdict.use_button.isEnabled()) == (better, not better)
    assert set(shown) <= {layer.name for layer in with_image.viewer.layers}
    (step.verdict.back_button if better else step.verdict.use_button).click()
    assert with_image.method_step.choice().load().name == ("nuclei_2d" if better else "nuclei_2d, tuned 1")


def test_go_back_and_use_new(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    with_image.paint.pick(BACKGROUND_PAINT)
    paint(with_image.paint.layer, BACKGROUND_PAINT)
    run(with_image, qtbot, with_image.train.start)
    step = with_image.improve_step
    before, after = (part.pixmap.toImage() for part in step.verdict.pictures.parts)
    assert not step.verdict.pictures.isHidden()
    assert before.size() == after.size()
    assert before != after  # only the new model sees an object
    step.verdict.back_button.click()
    assert with_image.method_step.choice().load().name == "nuclei_2d"
    assert step.verdict.use_button.isEnabled()
    assert not step.verdict.back_button.isEnabled()
    # the result on the screen is of the model that is in use again; of the other one it would be said
    assert with_image.messages.text.text() == "“nuclei_2d” is in use."
    step.verdict.use_button.click()
    assert with_image.method_step.choice().load().name == "nuclei_2d, tuned 1"


def test_the_strokes_are_copied_before_the_job(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    with_image.improve_step.layer_button.click()
    layer = with_image.paint.layer
    paint(layer, 1)
    with_image.train.start()
    layer.data[:] = 9
    qtbot.waitUntil(lambda: with_image.jobs.owner is None, timeout=5000)
    copied = next(v for k, v in engine.calls if k == "finetune")[1].paint
    assert set(np.unique(copied)) == {0, 1}


def test_a_training_that_fails_leaves_paint_and_buttons(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    with_image.improve_step.layer_button.click()
    paint(with_image.paint.layer, 1)
    strokes = with_image.paint.layer.data.copy()
    engine.trouble = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    run(with_image, qtbot, with_image.train.start)
    assert "shapes cannot be multiplied" in message(with_image)
    np.testing.assert_array_equal(with_image.paint.layer.data, strokes)
    qtbot.waitUntil(with_image.improve_step.train_button.isEnabled, timeout=4000)
    assert not with_image.improve_step.stop_button.isVisibleTo(with_image.messages)


def test_fine_tuning_without_paint_is_a_sentence(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    with_image.train.start()
    assert "Nothing is painted yet" in message(with_image)
    assert not with_image.job.busy


def test_stop_keeps_the_best_and_cancel_keeps_nothing(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    engine.pause = 0.01
    with_image.improve_step.layer_button.click()
    paint(with_image.paint.layer, 1)
    with_image.train.start()
    qtbot.waitUntil(lambda: bool(with_image.improve_step.loss_plot.values("loss")), timeout=4000)
    with_image.improve_step.stop_button.click()
    qtbot.waitUntil(lambda: with_image.jobs.owner is None, timeout=4000)
    assert len(with_image.session.bundles) == 2
    with_image.train.start()
    qtbot.waitUntil(lambda: bool(with_image.improve_step.loss_plot.values("loss")), timeout=4000)
    with_image.improve_step.abort_button.click()
    qtbot.waitUntil(lambda: with_image.jobs.owner is None, timeout=4000)
    assert len(with_image.session.bundles) == 2
    assert engine.closed == ["finetune", "finetune"]
    assert not any(a.name == "preview" for a in with_image.viewer.layers)


def test_the_reviewed_area_reaches_the_engine(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    run(with_image, qtbot)
    with_image.improve_step.reviewed_button.click()
    area = with_image.paint.reviewed
    assert area.mode == "add_rectangle"
    area.add_rectangles(np.array([[5, 5], [5, 15], [12, 15], [12, 5]]))
    run(with_image, qtbot, with_image.train.start)
    copied = next(v for k, v in engine.calls if k == "finetune")[1]
    assert copied.reviewed[8, 10]
    assert not copied.reviewed[20, 20]
    with_image.refresh()
    assert "reviewed: 1 area, with your edits" in with_image.improve_step.counts.text()
    assert copied.edited.shape == (40, 50)


def test_losses_and_budget_reach_the_engine(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    with_image.improve_step.layer_button.click()
    paint(with_image.paint.layer, 1)
    step = with_image.improve_step
    step.losses.add(step.losses.spec().terms[0].__class__("focal", 0.5))
    step.budget_unit.setCurrentIndex(step.budget_unit.findData("min"))
    step.budget_spin.setValue(2)
    run(with_image, qtbot, with_image.train.start)
    spec = next(v for k, v in engine.calls if k == "finetune")[3]
    assert spec.seconds == 120
    assert [(t.name, t.weight) for t in spec.loss.terms] == [("cross_entropy", 1.0), ("dice", 1.0), ("focal", 0.5)]


# --- kept safe --------------------------------------------------------------------------------------------------------


def test_corrections_are_kept_and_offered_again(
    with_image: Any, make_napari_viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    with_image.improve_step.layer_button.click()
    paint(with_image.paint.layer, 1)
    strokes = with_image.paint.layer.data.copy()
    qtbot.waitUntil(lambda: any((tmp_path / "session" / "journals").glob("*.journal")), timeout=3000)
    with_image.viewer.layers.clear()
    add_image(with_image, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="the same again")
    qtbot.waitUntil(lambda: "were kept" in message(with_image), timeout=3000)
    restore(with_image, qtbot)
    np.testing.assert_array_equal(with_image.paint.layer.data, strokes)


def test_a_session_folder_that_cannot_be_written_is_said_once(dock: Any, qtbot: Any, tmp_path: Path) -> None:
    # A file where the folder should be fails for every user, also for root, who may write anywhere.
    (tmp_path / "blocked").write_text("")
    dock.session.folder = tmp_path / "blocked"
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    dock.improve_step.layer_button.click()
    paint(dock.paint.layer, 1)
    qtbot.waitUntil(lambda: "could not be saved in the session folder" in message(dock), timeout=3000)
    dock.messages.clear()
    paint(dock.paint.layer, 2)
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=3000)
    assert dock.messages.message == ""
    assert dock.paint.layer.data.any()


# --- closing ----------------------------------------------------------------------------------------------------------


def test_what_another_package_offers_in_vain_is_a_sentence(make_napari_viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    from napari_segplugin.widgets.dock import SegmentationDock

    engine = FakeEngine(problems=("The network 'mine' of the package 'mine-extra' cannot be used: it gives nothing.",))
    dock = SegmentationDock(make_napari_viewer(), engine=engine, session=Session(tmp_path))
    qtbot.addWidget(dock)
    assert "mine-extra" in dock.messages.text.text()


@pytest.mark.parametrize("kind", ["run", "train"])
def test_closing_the_window_while_a_job_runs(make_napari_viewer: Any, qtbot: Any, tmp_path: Path, kind: str) -> None:
    from napari_segplugin.widgets.dock import SegmentationDock

    engine = FakeEngine(pause=0.01, tiles=10000)
    viewer = make_napari_viewer()
    dock = SegmentationDock(viewer, engine=engine, session=Session(tmp_path))
    viewer.window.add_dock_widget(dock)
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"))
    if kind == "train":
        dock.paint.add_layer()
        paint(dock.paint.layer, 1)
        dock.train.start()
    else:
        dock.runs.start("whole")
    qtbot.waitUntil(lambda: any(k in ("predict", "finetune") for k, _ in engine.calls), timeout=4000)
    assert viewer.window._task_status_manager.is_busy()
    viewer.close()
    qtbot.waitUntil(lambda: bool(engine.closed), timeout=4000)


def test_a_result_shows_as_objects_classes_and_both(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    step, layer = with_image.result_step, with_image.desk.results[-1].layer
    assert step.view_buttons["instance"].isChecked()
    count, data = len(with_image.viewer.layers), layer.data
    colors = {}
    for kind in ("semantic", "panoptic", "instance"):
        step.view_buttons[kind].click()
        shown = {k for k, push in step.view_buttons.items() if push.isChecked()}
        assert shown == {kind}
        assert len(with_image.viewer.layers) == count
        assert layer.data is data
        colors[kind] = np.asarray(layer.colormap.map(np.arange(1, data.max() + 1))).round(3).tolist()
    assert colors["semantic"] != colors["instance"] != colors["panoptic"]
    assert all(c == colors["semantic"][0] for c in colors["semantic"])  # all are of one class
    step.view_buttons["panoptic"].click()
    step.view_buttons["panoptic"].click()  # switched off: as the result is by itself
    assert step.view_buttons["instance"].isChecked()
    run(with_image, qtbot)  # a new run takes the place of the old result, and its view is not in the way
    assert with_image.desk.result_of(with_image.image_step.layer) is not None


def test_classes_alone_show_as_objects_too(with_image: Any, qtbot: Any) -> None:
    show(with_image, Task.SEMANTIC)
    run(with_image, qtbot)
    step, layer = with_image.result_step, with_image.desk.results[-1].layer
    assert step.view_buttons["semantic"].isChecked()
    data = layer.data
    step.view_buttons["instance"].click()
    objects = with_image.views.objects_of(with_image.desk.results[-1])
    assert is_technical(objects)
    assert layer.data is data
    pieces = ndimage.label(layer.data, np.ones((3, 3)))[1]
    qtbot.waitUntil(lambda: int(objects.data.max()) == pieces, timeout=4000)
    with_image.views.refresh()
    assert with_image.method_step.classes.grid.item(0, 3).text() == f"{pieces}"
    corner = (np.array([0]), np.array([0]))
    layer.data_setitem(corner, 0 if layer.data[0, 0] else 1)
    qtbot.waitUntil(lambda: bool(objects.data[0, 0]) == bool(layer.data[0, 0]), timeout=4000)
    assert with_image.views.objects_of(with_image.desk.results[-1]) is objects
    assert layer.visible
    step.view_buttons["semantic"].click()
    assert with_image.views.objects_of(with_image.desk.results[-1]) is layer
    assert all(a is not objects for a in with_image.viewer.layers)


def test_going_back_says_that_the_result_is_still_the_other_models(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    with_image.paint.pick(BACKGROUND_PAINT)
    paint(with_image.paint.layer, BACKGROUND_PAINT)
    run(with_image, qtbot, with_image.train.start)
    run(with_image, qtbot)
    with_image.improve_step.verdict.back_button.click()
    text = with_image.messages.text.text()
    assert text.startswith("“nuclei_2d” is in use. The result shown was made with “nuclei_2d, tuned 1”: press Run")
    assert with_image.result_step.run_button.property("primary")


def test_the_result_is_outlined_while_somebody_paints(with_image: Any, qtbot: Any) -> None:
    """Filled objects would hide the paint; a width that a person chose stays."""
    run(with_image, qtbot)
    newest = lambda: with_image.desk.result_of(with_image.image_step.layer).layer  # noqa: E731
    assert newest().contour == 0
    with_image.paint.pick(BACKGROUND_PAINT)
    assert newest().contour == 1
    newest().contour = 3
    run(with_image, qtbot)
    assert newest().contour == 3


def test_the_verdict_counts_found_and_missed_and_shows_the_other_model(
    with_image: Any, engine: FakeEngine, qtbot: Any
) -> None:
    aside = Compared(Checked((0.9, 0.8, 0.7, 0.2, 0.9), false=1), Checked((0.9, 0.8, 0.7, 0.1, 0.9)))
    engine.judged = ModelVerdict("no better", "No better: the old model stays.", "Because.", aside, "nucleus")
    run(with_image, qtbot)
    with_image.paint.pick(BACKGROUND_PAINT)
    paint(with_image.paint.layer, BACKGROUND_PAINT)
    under = np.asarray(with_image.paint.layer.data) > 0  # what lies under it goes
    qtbot.waitUntil(lambda: not with_image.desk.result.layer.data[under].any(), timeout=3000)
    with_image.improve_step.plan.name.setText("mine")
    run(with_image, qtbot, with_image.train.start)
    assert with_image.train.new.name == "mine"
    assert with_image.improve_step.plan.name.text() == ""
    verdict = with_image.improve_step.verdict
    assert verdict.counts.accessibleName() == (
        "Found: 4 before, 4 after. Missed: 1 before, 1 after. False: 1 before, 0 after. Overlap: 0.58 before, 0.68 after"
    )
    data = with_image.desk.result.layer.data.copy()
    verdict.look_button.click()
    shown = lambda: [a for a in with_image.viewer.layers if a.name == "preview"]  # noqa: E731
    qtbot.waitUntil(lambda: len(shown()) == 1, timeout=4000)
    assert engine.calls[-1][1][1].name == "mine" or "mine" in with_image.messages.message
    assert np.array_equal(with_image.desk.result.layer.data, data)
    verdict.look_button.click()
    assert not shown()
