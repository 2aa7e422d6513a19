"""Classical techniques in the dock: the form, the live picture, marks, the run, recipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dock_helpers import run
from fake_engine import FakeEngine

from napari_segplugin.classical import CLEANUPS, TECHNIQUES, complete
from napari_segplugin.core import BACKGROUND_PAINT, Parameter, Task
from napari_segplugin.widgets.classical_control import LIVE
from napari_segplugin.widgets.parameter_form import ParameterForm
from napari_segplugin.widgets.step_method import CLASSICAL, NETWORK

pytestmark = pytest.mark.qt


def choose(dock: Any, technique: str, *, live: bool = False) -> Any:
    method = dock.method_step
    method.classical.live.setChecked(live)
    method.way_choice.setCurrentIndex(method.way_choice.findData(CLASSICAL))
    box = method.classical.technique_choice
    box.setCurrentIndex(box.findData(technique))
    return method.classical


def result(dock: Any) -> Any:
    return dock.desk.result_of(dock.image_step.layer)


@pytest.mark.parametrize("name", [*TECHNIQUES.names(), *CLEANUPS.names()])
def test_a_form_gives_back_the_defaults_and_what_was_set(qtbot: Any, name: str) -> None:
    row = TECHNIQUES[name] if name in TECHNIQUES else CLEANUPS[name]
    form = ParameterForm(row.parameters)
    qtbot.addWidget(form)
    assert form.values() == {p.name: p.default for p in row.parameters}
    other = {p.name: _other(p) for p in row.parameters}
    with qtbot.waitSignal(form.changed, timeout=1000):
        form.set_values(other)
    assert form.values() == pytest.approx(other) if other else True


def _other(p: Parameter) -> Any:
    if p.kind == "bool":
        return not p.default
    if p.kind == "choice":
        return p.choices[-1]
    return p.high if p.high is not None else p.default + 1


def test_a_slider_moves_its_number_and_the_other_way(qtbot: Any) -> None:
    form = ParameterForm([Parameter("a", 1.0, low=0, high=10), Parameter("b", 3, low=1, high=1000)])
    qtbot.addWidget(form)
    slider = form.findChild(object, "slide_a")
    slider.setValue(slider.maximum())
    assert form.values()["a"] == 10
    form.fields["a"].value = 0
    assert slider.value() == 0
    far = form.findChild(object, "slide_b")
    far.setValue(far.maximum() // 2)
    assert 20 <= form.values()["b"] <= 50  # the middle of 1 to 1000 on a logarithmic way


def test_a_technique_runs_and_its_recipe_is_in_the_result(with_image: Any, qtbot: Any) -> None:
    page = choose(with_image, "threshold")
    page.add_step("label_components" if "label_components" in CLEANUPS else CLEANUPS.names()[0])
    assert with_image.result_step.run_button.isEnabled()
    run(with_image, qtbot, with_image.result_step.run_button.click)
    found = result(with_image)
    assert np.asarray(found.layer.data).any()
    assert found.segmentation.recipe["classical"]["technique"] == "threshold"
    assert found.segmentation.task is with_image.classical.task


def test_the_live_picture_follows_the_settings_and_goes_with_the_way(with_image: Any, qtbot: Any) -> None:
    page = choose(with_image, "threshold", live=True)
    qtbot.waitUntil(lambda: LIVE in with_image.viewer.layers, timeout=5000)
    first = np.asarray(with_image.viewer.layers[LIVE].data).sum()
    page.form.set_values({"factor": 1.3})
    qtbot.waitUntil(lambda: np.asarray(with_image.viewer.layers[LIVE].data).sum() < first, timeout=5000)
    assert not page.histogram.empty
    way = with_image.method_step.way_choice
    way.setCurrentIndex(way.findData(NETWORK))
    qtbot.waitUntil(lambda: LIVE not in with_image.viewer.layers, timeout=5000)


def test_dragging_the_line_sets_the_threshold_by_hand(with_image: Any, qtbot: Any) -> None:
    page = choose(with_image, "threshold", live=True)
    qtbot.waitUntil(lambda: not page.histogram.empty, timeout=5000)
    page.histogram.dragged.emit(77.0)
    assert page.form.values()["method"] == "manual"
    assert page.form.values()["value"] == pytest.approx(77, abs=0.01)


def test_points_start_a_region_and_their_lack_is_a_sentence(with_image: Any, qtbot: Any) -> None:
    needing = [r.name for r in TECHNIQUES if r.needs == "points"]
    if not needing:
        pytest.skip("no technique starts from points yet")
    page = choose(with_image, needing[0])
    with_image._run("whole")
    assert "no points yet" in with_image.messages.text.text()
    page.marks_button.click()
    layer = with_image.classical.marks("points")
    layer.add(np.array([[10.0, 10.0], [30.0, 30.0]]))
    run(with_image, qtbot, lambda: with_image._run("whole"))
    assert result(with_image).layer.data[10, 10] != 0


def test_strokes_start_a_random_walk_and_background_stays_background(with_image: Any, qtbot: Any) -> None:
    needing = [r.name for r in TECHNIQUES if r.needs == "strokes"]
    if not needing:
        pytest.skip("no technique starts from strokes yet")
    choose(with_image, needing[0])
    with_image._run("whole")
    assert "needs strokes" in with_image.messages.text.text()
    with_image.method_step.task_choice.setCurrentIndex(with_image.method_step.task_choice.findData(Task.SEMANTIC))
    with_image.paint.add_layer()
    layer = with_image.paint.layer
    layer.data_setitem((np.full(10, 5), np.arange(10)), 1)
    layer.data_setitem((np.full(10, 30), np.arange(10)), BACKGROUND_PAINT)
    run(with_image, qtbot, lambda: with_image._run("whole"))
    grown = result(with_image).layer.data.copy()
    assert set(np.unique(grown)) == {0, 1}
    # the strokes were where it began, not what it should find: they stay strokes
    with_image.method_step.way_choice.setCurrentIndex(0)
    with_image.refresh()
    assert np.array_equal(result(with_image).layer.data, grown)
    assert set(np.unique(layer.data)) == {0, 1, BACKGROUND_PAINT}


def test_a_recipe_goes_to_a_file_and_back(with_image: Any, tmp_path: Path) -> None:
    page = choose(with_image, "threshold")
    page.form.set_values({"method": "li"})
    page.add_step(CLEANUPS.names()[0])
    kept = page.recipe()
    with_image.classical.save_recipe(str(tmp_path / "mine"))
    assert json.loads((tmp_path / "mine.json").read_text())["technique"] == "threshold"
    choose(with_image, TECHNIQUES.names()[1])
    with_image.classical.open_recipe(str(tmp_path / "mine.json"))
    assert page.recipe() == kept


def test_shipped_recipes_are_in_the_menu_and_replace_every_setting(with_image: Any) -> None:
    page = choose(with_image, "local_threshold")
    page.form.set_values({"smooth": 3.0})
    shipped = with_image.engine.recipes()
    entries = {a.text(): a for a in page.recipe_menu.actions()}
    assert {r.name for r in shipped.values()} <= set(entries)
    entries["Nuclei"].trigger()
    assert page.recipe() == complete(shipped["nuclei2d"])
    assert "Fluorescent nuclei" in page.recipe_text.text()
    page.technique_choice.setCurrentIndex(page.technique_choice.findData("threshold"))
    assert page.recipe().name == page.recipe_text.text() == ""


def test_a_recipe_for_other_dimensions_is_refused(with_image: Any, tmp_path: Path) -> None:
    page = choose(with_image, "threshold")
    page.technique_choice.removeItem(page.technique_choice.findData("local_threshold"))
    kept = page.recipe()
    with_image.classical.open_recipe("nuclei2d")
    assert "does not work on this image" in with_image.messages.text.text()
    assert page.recipe() == kept


@pytest.mark.parametrize("content", ["", "{", '{"format": "other"}', '{"a": [1]}'])
def test_a_broken_recipe_is_a_sentence(with_image: Any, tmp_path: Path, content: str) -> None:
    choose(with_image, "threshold")
    (tmp_path / "broken.json").write_text(content)
    with_image.classical.open_recipe(str(tmp_path / "broken.json"))
    assert "recipe" in with_image.messages.text.text()


def test_steps_move_up_and_go(with_image: Any, qtbot: Any) -> None:
    page = choose(with_image, "threshold")
    names = CLEANUPS.names()[:3]
    for name in names:
        page.add_step(name)
    page._up(page.steps[2][2])
    assert [s[0] for s in page.steps] == [names[0], names[2], names[1]]
    page._remove(page.steps[0][2])
    assert [s.name for s in page.recipe().cleanup] == [names[2], names[1]]


def test_a_failing_preview_is_a_sentence_in_the_page(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    with_image.image_step.layer.data = np.zeros_like(with_image.image_step.layer.data)
    page = choose(with_image, "threshold", live=True)
    qtbot.waitUntil(lambda: bool(page.live_text.text()), timeout=5000)
    assert "same value" in page.live_text.text()
    assert LIVE not in with_image.viewer.layers
