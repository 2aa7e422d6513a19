"""An open table of measurements follows every edit of the result, in 2D and 3D."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run
from qtpy.QtCore import Qt

from napari_segplugin import measure
from napari_segplugin.widgets.measure_panel import UPDATED

pytestmark = pytest.mark.qt

SOON = 4000
"""Milliseconds that an edit may take to be in the table here, where nothing else is asked of the window."""


def blocks(ndim: int) -> np.ndarray:
    """Nine bright squares, in 3D four planes deep."""
    image = np.zeros((60, 80), np.uint8)
    for row in (5, 25, 45):
        for column in (5, 30, 55):
            image[row : row + 10, column : column + 10 + row // 20] = 200
    return image if ndim == 2 else np.stack([image * (2 <= z < 6) for z in range(8)])


@pytest.fixture(params=[2, 3], ids=["2d", "3d"])
def corrected(request: Any, dock: Any, qtbot: Any) -> Any:
    """A dock with a result that can be corrected, and an open table with a chosen row."""
    ndim = request.param
    names = ("z", "y", "x")[-ndim:]
    scale = (2.0, 0.5, 0.5)[-ndim:]
    add_image(dock, qtbot, blocks(ndim), axis_labels=names, scale=scale, units=("um",) * ndim, name="cells")
    if ndim == 3:
        dock.viewer.dims.set_point(0, 3 * 2.0)
    run(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    dock.result_step.measure_button.click()
    panel = table_of(dock)
    qtbot.waitUntil(lambda: panel.view is not None and not panel.background.busy, timeout=SOON)
    yield dock
    qtbot.waitUntil(lambda: not panel.background.busy, timeout=8000)


def table_of(dock: Any) -> Any:
    return dock.panels._open["Measure objects"][0]


def right(dock: Any, panel: Any) -> bool:
    """Whether the table says what a new measurement of the layer says."""
    if panel.view is None or panel.background.busy:
        return False
    result = dock.desk.result
    truth = measure(result.current(), dock.desk.image())
    if panel.view.table["label"].values.tolist() != truth["label"].values.tolist():
        return False
    for column in truth:
        shown = panel.view.table[column.name].values
        if column.numeric:
            np.testing.assert_allclose(shown, column.values, rtol=1e-9, atol=1e-9, err_msg=column.name)
        elif shown.tolist() != column.values.tolist():
            return False
    return True


def at(dock: Any, row: int, column: int) -> int:
    data = dock.desk.result.layer.data
    return int(data[row, column] if data.ndim == 2 else data[3, row, column])


def spot(dock: Any, row: int, column: int) -> tuple[float, ...]:
    return (row, column) if dock.desk.result.layer.ndim == 2 else (3, row, column)


def _stroke(dock: Any) -> None:
    layer = dock.desk.result.layer
    layer.brush_size = 6
    layer.paint(spot(dock, 37, 12), at(dock, 30, 10))


def _fresh(dock: Any) -> None:
    layer = dock.desk.result.layer
    layer.paint(spot(dock, 20, 72), int(layer.data.max()) + 1)


def _erase(dock: Any) -> None:
    layer = dock.desk.result.layer
    layer.brush_size = 8
    layer.paint(spot(dock, 30, 14), 0)


def _split(dock: Any) -> None:
    ndim = dock.desk.ndim
    dock.edits.target.editor.split_cut(at(dock, 30, 33), np.array([[22.0, 35], [42, 35]]), (ndim - 2, ndim - 1))


def _merge(dock: Any) -> None:
    dock.edits.target.editor.merge([at(dock, 10, 10), at(dock, 10, 35)])


def _undo(dock: Any) -> None:
    dock.edits.target.editor.delete([at(dock, 10, 10)])
    dock.desk.result.layer.undo()


def _script(dock: Any) -> None:
    data = dock.desk.result.layer.data
    data[data == at(dock, 50, 10)] = 0
    dock.desk.result.layer.refresh()


EDITS = {
    "stroke": _stroke,
    "new object": _fresh,
    "erase": _erase,
    "split": _split,
    "merge": _merge,
    "delete": lambda dock: dock.edits.target.editor.delete([at(dock, 50, 60)]),
    "grow": lambda dock: dock.edits.target.editor.grow(at(dock, 50, 35), distance=1.0),
    "accept": lambda dock: dock.edits.target.editor.accept([at(dock, 50, 35)]),
    "reject": lambda dock: dock.edits.target.editor.reject([at(dock, 50, 35)]),
    "undo": _undo,
    "a script": _script,
}


def sorted_and_chosen(dock: Any, panel: Any) -> int:
    """Sort by size and choose a row, as a person does; its object."""
    panel.table.model().sort(4, Qt.SortOrder.DescendingOrder)
    chosen = at(dock, 10, 60)
    panel.table.selectRow(panel.view.find(chosen))
    return chosen


def assert_chosen(panel: Any, chosen: int, after: str = "") -> None:
    row = panel.table.currentIndex().row()
    assert row >= 0, after
    assert panel.view.table["label"].values[panel.view.rows[row]] == chosen, after


def test_the_table_follows_every_kind_of_edit(corrected: Any, qtbot: Any) -> None:
    dock, panel = corrected, table_of(corrected)
    assert right(dock, panel)
    chosen = sorted_and_chosen(dock, panel)
    for name, edit in EDITS.items():
        edit(dock)
        assert panel.stale, name
        assert UPDATED in panel.count.text(), name
        assert not panel.save_button.isEnabled(), name
        qtbot.waitUntil(lambda: not panel.stale, timeout=SOON)
        assert right(dock, panel), name
        assert UPDATED not in panel.count.text(), name
        assert panel.save_button.isEnabled(), name
        assert_chosen(panel, chosen, name)
        assert panel.measuring._last.measured < len(panel.view.table), name


def test_the_table_follows_a_second_run(corrected: Any, qtbot: Any) -> None:
    dock, panel = corrected, table_of(corrected)
    chosen = sorted_and_chosen(dock, panel)
    dock.edits.target.editor.accept([chosen])
    run(dock, qtbot)
    qtbot.waitUntil(lambda: not panel.stale and right(dock, panel), timeout=SOON)
    assert panel.view.table["status"].values.tolist().count("accepted") == 1
    assert_chosen(panel, chosen)
    dock.desk.result.layer.undo()
    qtbot.waitUntil(lambda: not panel.stale and right(dock, panel), timeout=SOON)
    assert_chosen(panel, chosen)


def test_what_is_brushed_in_the_plot_stays(corrected: Any, qtbot: Any) -> None:
    dock, panel = corrected, table_of(corrected)
    size = panel.plot.x_choice.currentData()
    ends = (0.0, float(np.median(panel.view.table[size].values)))
    panel.plot.histogram.brush = (ends, (0.0, 1.0))
    panel.plot.histogram.brushed.emit(panel.plot.histogram.brush)
    before = len(panel.view.rows)
    assert 0 < before < len(panel.view.table)
    row = int(panel.view.rows[0])
    dock.edits.target.editor.delete([int(panel.view.table["label"].values[row])])
    qtbot.waitUntil(lambda: not panel.stale, timeout=SOON)
    assert len(panel.view.rows) == before - 1
    assert panel.plot.histogram.brush[0] == ends
    assert sum(panel.plot.histogram._counts) == len(panel.view.table)


@pytest.mark.parametrize("corrected", [3], ids=["3d"], indirect=True)
def test_a_stroke_on_a_linked_plane_is_followed(corrected: Any, qtbot: Any) -> None:
    dock, panel = corrected, table_of(corrected)
    choice = dock.view_row.choice
    choice.setCurrentIndex(choice.findData("three"))
    planes = dock.view_row.planes.planes
    qtbot.waitUntil(lambda: not panel.stale, timeout=SOON)
    layer = dock.desk.result.layer
    twins = planes.twins_of(layer)
    for copy in twins.copies:
        copy.brush_size = 6
        before = layer.data.copy()
        copy.paint(spot(dock, 37, 12), at(dock, 30, 10))
        assert (layer.data != before).any()
        assert panel.stale
        qtbot.waitUntil(lambda: not panel.stale, timeout=SOON)
        assert right(dock, panel)
        copy.undo()
        qtbot.waitUntil(lambda: not panel.stale and right(dock, panel), timeout=SOON)
    dock.view_row.planes.hide()


def test_the_table_goes_on_to_another_image_unless_another_layer_was_chosen(corrected: Any, qtbot: Any) -> None:
    dock, panel = corrected, table_of(corrected)
    first = dock.desk.result
    other = dock.viewer.add_image(blocks(2)[:, ::-1], name="others", axis_labels=("y", "x"))
    dock.image_step.refresh()
    dock.image_step.choose(other)
    qtbot.waitUntil(lambda: dock.image_step.layer is other, timeout=3000)
    run(dock, qtbot)
    qtbot.waitUntil(lambda: panel.layer is dock.desk.result.layer, timeout=SOON)
    qtbot.waitUntil(lambda: not panel.stale and right(dock, panel), timeout=SOON)
    dock.image_step.choose(first.image_layer)
    qtbot.waitUntil(lambda: panel.layer is first.layer and not panel.stale, timeout=SOON)
    assert right(dock, panel)
    plain = dock.viewer.add_labels(np.ones((60, 80), int), name="plain")
    qtbot.waitUntil(lambda: panel.layer_choice.findText("plain") >= 0, timeout=SOON)
    panel.layer_choice.setCurrentIndex(panel.layer_choice.findText("plain"))
    dock.image_step.choose(other)
    qtbot.wait(200)
    assert panel.layer is plain
