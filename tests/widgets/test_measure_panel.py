"""The table of objects in a viewer: measured live, linked both ways, filtered, plotted, saved."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dock_helpers import assert_in_view, run
from napari.components import ViewerModel
from qtpy.QtCore import QPointF, Qt

from napari_segplugin.core import InputError
from napari_segplugin.viewer import panels

pytestmark = pytest.mark.qt


def squares() -> np.ndarray:
    """Objects 2, 5 and 9 with 4, 16 and 100 pixels."""
    labels = np.zeros((40, 60), np.int32)
    labels[2:4, 2:4], labels[10:14, 30:34], labels[25:35, 5:15] = 2, 5, 9
    return labels


@pytest.fixture
def viewer() -> Any:
    viewer = ViewerModel()
    image = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60)
    viewer.add_image(image, name="dapi", scale=(0.5, 0.5), units=("um", "um"))
    viewer.add_labels(squares(), name="cells", scale=(0.5, 0.5), units=("um", "um"))
    return viewer


@pytest.fixture
def panel(viewer: Any, qtbot: Any) -> Iterator[Any]:
    from napari_segplugin.widgets.measure_panel import MeasurePanel

    made = MeasurePanel(viewer)
    qtbot.addWidget(made)
    qtbot.waitUntil(lambda: made.view is not None, timeout=8000)
    yield made
    qtbot.waitUntil(lambda: not made.background.busy, timeout=8000)
    made._let_go()
    for timer in (made._layers_timer, made._kept_timer, made.flyer._timer):
        timer.stop()


def column(panel: Any, name: str) -> list[Any]:
    return panel.view.table[name].values.tolist()


def keep_area(panel: Any, low: float, high: float) -> None:
    panel.filter.column_choice.setCurrentIndex(panel.filter.column_choice.findData("area"))
    panel.filter.slider.setValue((low, high))


def test_objects_are_measured_in_the_unit_of_the_layer(panel: Any) -> None:
    assert column(panel, "label") == [2, 5, 9]
    assert column(panel, "area") == [1.0, 4.0, 25.0]
    model = panel.table.model()
    titles = [model.headerData(i, Qt.Orientation.Horizontal) for i in range(model.columnCount())]
    assert "area (µm²)" in titles
    assert "mean dapi" in titles
    tip = model.headerData(titles.index("area (µm²)"), Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
    assert "Number of pixels times the area of one" in tip
    assert panel.count.text() == "3 objects"


def test_a_row_selects_its_object_and_the_camera_flies_there(panel: Any, viewer: Any, qtbot: Any) -> None:
    panel.table.selectRow(2)
    assert panel.layer.selected_label == 9
    qtbot.waitUntil(lambda: panel.flyer._flight is None, timeout=4000)
    assert_in_view(viewer, (29.5 * 0.5, 9.5 * 0.5))


def test_an_object_selected_in_the_viewer_finds_its_row(panel: Any) -> None:
    panel.table.model().sort(panel.table.model().columns.index(panel.view.table["area"]), Qt.SortOrder.DescendingOrder)
    panel.layer.selected_label = 2
    assert panel.table.currentIndex().row() == 2
    panel.layer.selected_label = 77
    assert not panel.table.currentIndex().isValid()


def test_a_click_in_the_viewer_finds_the_row(panel: Any, viewer: Any) -> None:
    event = SimpleNamespace(
        type="mouse_press", position=(6.0, 16.0), view_direction=None, dims_displayed=[0, 1], is_dragging=False
    )
    click = panel._on_click(viewer, event)
    next(click)
    event.type = "mouse_release"
    with pytest.raises(StopIteration):
        next(click)
    assert panel.layer.selected_label == 5
    assert panel.table.currentIndex().row() == 1


def test_sorting_keeps_titles_and_values_together(panel: Any) -> None:
    model = panel.table.model()
    at = [c.name for c in model.columns].index("area")
    model.sort(at, Qt.SortOrder.DescendingOrder)
    assert [model.data(model.index(i, 0)) for i in range(3)] == ["9", "5", "2"]
    assert [model.data(model.index(i, at)) for i in range(3)] == ["25", "4", "1"]


def test_a_range_leaves_rows_out_and_show_all_brings_them_back(panel: Any) -> None:
    keep_area(panel, 3, 25)
    assert panel.count.text() == "2 of 3 objects"
    assert panel.filter.told.text() == "area (µm²): from 3"
    assert panel.filter.delete_button.isEnabled()
    panel.filter.clear_button.click()
    assert panel.count.text() == "3 objects"
    assert not panel.filter.delete_button.isEnabled()


def test_numbers_can_be_typed(panel: Any) -> None:
    panel.filter.column_choice.setCurrentIndex(panel.filter.column_choice.findData("area"))
    panel.filter.high.setValue(10)
    assert panel.count.text() == "2 of 3 objects"
    panel.filter.low.setValue(30)
    assert [panel.filter.low.value(), panel.filter.high.value()] == [10, 30], "ends in the wrong order are turned round"


def test_hide_shows_a_copy_without_the_rest(panel: Any, viewer: Any, qtbot: Any) -> None:
    keep_area(panel, 3, 25)
    panel.filter.hide_button.setChecked(True)
    qtbot.waitUntil(lambda: panel.kept.layer is not None, timeout=4000)
    assert np.unique(panel.kept.layer.data).tolist() == [0, 5, 9]
    assert np.array_equal(panel.layer.data, squares()), "nothing is changed"
    assert not panel.layer.visible
    np.testing.assert_allclose(panel.kept.layer.scale, panel.layer.scale)
    assert panel.layer in panels.labels_layers(viewer)
    assert panel.kept.layer not in panels.labels_layers(viewer)
    keep_area(panel, 10, 25)
    qtbot.waitUntil(lambda: np.unique(panel.kept.layer.data).tolist() == [0, 9], timeout=4000)
    panel.filter.hide_button.setChecked(False)
    qtbot.waitUntil(lambda: panel.kept.layer is None, timeout=4000)
    assert panel.layer.visible
    assert len(viewer.layers) == 2


def test_delete_is_one_step_that_can_be_undone(panel: Any, qtbot: Any) -> None:
    keep_area(panel, 0, 20)
    panel.filter.delete_button.click()
    qtbot.waitUntil(lambda: np.unique(panel.layer.data).tolist() == [0, 2, 5], timeout=4000)
    assert "Deleted 1 object." in panel.messages.text.text()
    qtbot.waitUntil(lambda: column(panel, "label") == [2, 5], timeout=6000)
    panel.layer.undo()
    assert np.array_equal(panel.layer.data, squares())
    qtbot.waitUntil(lambda: column(panel, "label") == [2, 5, 9], timeout=6000)


def test_a_locked_layer_is_not_deleted_from(panel: Any, qtbot: Any) -> None:
    panel.layer.editable = False
    keep_area(panel, 0, 20)
    panel.filter.delete_button.click()
    qtbot.waitUntil(lambda: "cannot be edited" in panel.messages.text.text(), timeout=4000)
    with pytest.raises(InputError, match="cannot be edited"):
        panels.make_background(panel.layer, ())


def test_painting_is_followed(panel: Any, qtbot: Any) -> None:
    keep_area(panel, 3, 25)
    panel.layer.data_setitem((np.array([38, 38]), np.array([1, 2])), 40)
    qtbot.waitUntil(lambda: column(panel, "label") == [2, 5, 9, 40], timeout=6000)
    assert panel.count.text() == "2 of 4 objects", "the range stays"
    panel.layer.data = squares() * (squares() == 9)
    qtbot.waitUntil(lambda: column(panel, "label") == [9], timeout=6000)


def mouse(point: Any) -> Any:
    """A mouse event; the window of a test is not on the screen, so Qt sends none."""
    return SimpleNamespace(button=lambda: Qt.MouseButton.LeftButton, position=lambda: QPointF(point))


def test_brushing_the_histogram_chooses_objects(panel: Any) -> None:
    chart = panel.plot.histogram
    chart.resize(240, 150)
    middle, right = chart.area.center(), chart.area.bottomRight()
    chart.mousePressEvent(mouse(middle))
    chart.mouseMoveEvent(mouse(right))
    chart.mouseReleaseEvent(mouse(right))
    assert panel.view.table["label"].values[panel.view.rows].tolist() == [9]
    chart.mousePressEvent(mouse(middle))
    chart.mouseReleaseEvent(mouse(middle))
    assert len(panel.view.rows) == 3


def test_brushing_the_scatter_plot_uses_both_columns(panel: Any) -> None:
    plot = panel.plot
    plot.x_choice.setCurrentIndex(plot.x_choice.findData("area"))
    plot.y_choice.setCurrentIndex(plot.y_choice.findData("mean dapi"))
    plot.scatter.brushed.emit(((0, 10), (500, 1000)))
    assert panel.view.table["label"].values[panel.view.rows].tolist() == [5]
    plot.y_choice.setCurrentIndex(0)
    assert len(panel.view.rows) == 3, "another plot has another brush"


def test_charts_draw_few_many_and_no_points(qtbot: Any) -> None:
    from napari_segplugin.widgets._charts import Scatter

    scatter, rng = Scatter("Scatter plot", "scatter"), np.random.default_rng(0)
    qtbot.addWidget(scatter)
    scatter.resize(240, 150)
    for n in (0, 5, 4000):
        x = rng.random(n)
        scatter.set_values(x, x, ("a", "b"), ((0, 1), (0, 1)))
        scatter.mark(0.5, 0.5)
        picture = scatter.grab().toImage()
        middle = scatter.to_pixel(0.5, 0.5).toPoint()
        ring = picture.pixelColor(middle.x() + 5, middle.y())
        assert ring.red() > ring.blue(), "the chosen object has an orange ring"


def test_shown_rows_are_saved_in_their_order(panel: Any, qtbot: Any, tmp_path: Any) -> None:
    keep_area(panel, 3, 25)
    panel.table.model().sort(0, Qt.SortOrder.DescendingOrder)
    panel.save(str(tmp_path / "t.csv"))
    qtbot.waitUntil(lambda: "Saved 2 rows" in panel.messages.text.text(), timeout=4000)
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Objects of cells"
    assert [line.split(",")[0] for line in lines if not line.startswith("#")] == ["label", "9", "5"]
    panel.save(str(tmp_path / "no" / "t.csv"))
    qtbot.waitUntil(lambda: "folder does not exist" in panel.messages.text.text(), timeout=4000)


def test_another_layer_and_no_layer(panel: Any, viewer: Any, qtbot: Any) -> None:
    other = viewer.add_labels(squares() // 9, name="other")
    qtbot.waitUntil(lambda: panel.layer_choice.findText("other") >= 0, timeout=3000)
    panel.choose_layer(other)
    qtbot.waitUntil(lambda: panel.view is not None and column(panel, "label") == [1], timeout=6000)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: panel.layer is None, timeout=3000)
    assert panel.count.text() == "Add or choose a labels layer."
    assert not panel.save_button.isEnabled()


def test_closing_shows_what_was_hidden(panel: Any, viewer: Any, qtbot: Any) -> None:
    keep_area(panel, 3, 25)
    panel.filter.hide_button.setChecked(True)
    qtbot.waitUntil(lambda: panel.kept.layer is not None, timeout=4000)
    assert panel._on_click in viewer.mouse_drag_callbacks
    panel.close()
    assert [a.name for a in viewer.layers] == ["dapi", "cells"]
    assert viewer.layers["cells"].visible
    assert panel._on_click not in viewer.mouse_drag_callbacks


def test_a_film_has_a_row_a_time_point(panel: Any, viewer: Any, qtbot: Any) -> None:
    film = viewer.add_labels(np.stack([squares(), squares() * (squares() != 5)]), axis_labels=("t", "y", "x"))
    panel.choose_layer(film)
    qtbot.waitUntil(lambda: panel.view is not None and "frame" in panel.view.table, timeout=6000)
    assert column(panel, "frame") == [0, 0, 0, 1, 1]
    panel.table.selectRow(4)
    assert viewer.dims.current_step[0] == 1
    assert film.selected_label == 9


def test_the_dock_opens_both_panels_once(with_image: Any, qtbot: Any) -> None:
    step = with_image.result_step
    assert not step.measure_button.isEnabled()
    run(with_image, qtbot)
    for button, name in (
        (step.measure_button, "Measure objects"),
        (step.judge_button, "Evaluate against ground truth"),
    ):
        button.click()
        button.click()
        assert list(with_image.panels._open).count(name) == 1
    measure, _ = with_image.panels._open["Measure objects"]
    assert measure.layer is with_image.desk.results[-1].layer
    qtbot.waitUntil(lambda: measure.view is not None, timeout=8000)
    assert {"class", "score", "status"} <= {c.name for c in measure.view.table}
    judge, _ = with_image.panels._open["Evaluate against ground truth"]
    assert judge.result_choice.currentData() is measure.layer
    for panel in (measure, judge):
        qtbot.waitUntil(lambda p=panel: not p.background.busy, timeout=8000)
        panel._let_go()
    for timer in (measure._layers_timer, measure._kept_timer, judge._layers_timer):
        timer.stop()
