"""Layers that are on the canvas and not in napari's layer list."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Shapes
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_segplugin.viewer.technical import add_hidden, hide_from_list, is_technical, listed


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Any:
    found = make_napari_viewer(show=True)
    for name in "abc":
        found.add_image(np.zeros((8, 8)), name=name)
    return found


def in_sight(viewer: Any) -> list[str]:
    """Names of the rows of the list, from the bottom."""
    QApplication.processEvents()
    rows = viewer.window._qt_viewer.layers
    model = rows.model()
    return [model.index(i, 0).data() for i in range(model.rowCount()) if not rows.isRowHidden(i)][::-1]


def names(layers: Any) -> list[str]:
    return sorted(layer.name for layer in layers)


def line(name: str = "edit line") -> Shapes:
    return Shapes([np.array([[1, 1], [5, 5]])], shape_type="path", name=name)


def test_it_is_in_the_viewer_and_not_in_the_list_and_nothing_else_is_selected(viewer: Any) -> None:
    viewer.layers.selection.active = viewer.layers["b"]
    assert add_hidden(viewer, line())
    assert "edit line" in viewer.layers
    assert in_sight(viewer) == ["a", "b", "c"]
    assert viewer.layers.selection.active is viewer.layers["b"]
    assert is_technical(viewer.layers["edit line"])
    assert names(listed(viewer.layers)) == ["a", "b", "c"]
    viewer.layers.selection.update([viewer.layers["a"]])
    add_hidden(viewer, line("another"))
    assert names(viewer.layers.selection) == ["a", "b"]


def test_it_stays_hidden_while_others_come_go_and_move(viewer: Any) -> None:
    add_hidden(viewer, line())
    viewer.add_image(np.zeros((8, 8)), name="d")
    assert in_sight(viewer) == ["a", "b", "c", "d"]
    viewer.layers.move(3, 0)  # the line goes down
    viewer.layers.move(1, 5)
    assert in_sight(viewer) == ["b", "c", "d", "a"]
    viewer.layers.remove("c")
    viewer.layers["edit line"].name = "renamed"
    assert in_sight(viewer) == ["b", "d", "a"]
    viewer.layers.remove("renamed")
    assert in_sight(viewer) == ["b", "d", "a"]
    viewer.add_layer(line())  # another of the same name is no technical one
    assert in_sight(viewer) == ["b", "d", "a", "edit line"]


def test_one_that_is_there_already_and_one_that_is_to_come(viewer: Any) -> None:
    first, second = line("first"), line("second")
    viewer.add_layer(first)
    assert hide_from_list(viewer, first)
    assert not hide_from_list(viewer, second)
    viewer.layers.selection.active = viewer.layers["a"]
    viewer.add_layer(second)
    assert in_sight(viewer) == ["a", "b", "c"]
    assert viewer.layers.selection.active is viewer.layers["a"]


def test_select_all_and_delete_leave_it(viewer: Any, qtbot: Any) -> None:
    add_hidden(viewer, line())
    rows = viewer.window._qt_viewer.layers
    viewer.layers.select_all()
    assert names(viewer.layers.selection) == ["a", "b", "c"]
    viewer.layers.selection.clear()
    rows.selectAll()
    assert names(viewer.layers.selection) == ["a", "b", "c"]
    rows.setFocus()
    qtbot.keyClick(rows, Qt.Key.Key_Delete)
    assert names(viewer.layers) == ["edit line"]
    assert not viewer.layers.selection


def test_arrows_go_past_it(viewer: Any) -> None:
    add_hidden(viewer, line())
    viewer.layers.move(3, 1)  # a, edit line, b, c
    viewer.layers.selection.active = viewer.layers["a"]
    viewer.layers.select_next()
    assert viewer.layers.selection.active is viewer.layers["b"]
    viewer.layers.select_previous()
    assert viewer.layers.selection.active is viewer.layers["a"]
    viewer.layers.move(1, 4)  # on top
    viewer.layers.selection.active = viewer.layers["c"]
    viewer.layers.select_next()
    assert viewer.layers.selection.active is viewer.layers["c"]


def test_the_controls_of_napari_are_those_of_what_is_selected(viewer: Any) -> None:
    viewer.layers.selection.active = viewer.layers["b"]
    seen = []
    viewer.layers.selection.events.active.connect(lambda e: seen.append(e.value))
    shapes = line()
    add_hidden(viewer, shapes)
    assert seen[-1] is viewer.layers["b"]
    viewer.layers.selection.active = shapes
    assert seen[-1] is viewer.layers["b"]
    assert viewer.layers.selection.active is viewer.layers["b"]


def test_save_all_saves_what_is_in_the_list(viewer: Any, tmp_path: Path) -> None:
    add_hidden(viewer, Labels(np.ones((8, 8), int), name="proposal"))
    viewer.layers.save(str(tmp_path / "all"))
    written = " ".join(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert "proposal" not in written
    assert all(f"{name}.tif" in written for name in "abc")
    viewer.layers.selection.active = viewer.layers["a"]
    viewer.layers.save(str(tmp_path / "one.tif"), selected=True)
    assert (tmp_path / "one.tif").is_file()


def test_another_list_of_napari_leaves_it_in_sight() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 4)), name="a")
    assert not add_hidden(viewer, line())
    assert viewer.layers.selection.active is viewer.layers["a"]
    hidden: list[int] = []
    model = SimpleNamespace(rowCount=lambda: 2, index=lambda row, column: SimpleNamespace(data=lambda: "?"))
    rows = SimpleNamespace(model=lambda: model, setRowHidden=lambda row, hide: hidden.append(row))
    object.__setattr__(viewer, "window", SimpleNamespace(_qt_viewer=SimpleNamespace(layers=rows)))
    assert not hide_from_list(viewer, viewer.layers["edit line"])  # the rows are in another order
    assert not hidden
