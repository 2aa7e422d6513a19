"""Correcting objects in the window: queue, tools, mouse, keys, proposals, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, assert_in_view, restore, run, wait_idle
from fake_engine import FakeEngine, blobs, spec
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from napari.utils.key_bindings import KeymapHandler, coerce_keybinding
from wrapt import ObjectProxy

from napari_segplugin.core import ClassInfo, ClassTable, InputError, Kind, Task
from napari_segplugin.engine.session import Session
from napari_segplugin.viewer.pointer import DRAWING
from napari_segplugin.widgets._edit_keys import KEYS, PROPOSAL_KEYS

pytestmark = pytest.mark.qt


def squares(shape: tuple[int, ...] = (40, 50)) -> np.ndarray:
    """Bright squares that the fake engine finds: two touching ones are one object."""
    image = np.zeros(shape, np.uint8)
    image[..., 4:12, 4:12] = 200
    image[..., 4:12, 16:24] = 200
    image[..., 20:32, 6:30] = 200
    image[..., 6:10, 40:44] = 200
    return image


@pytest.fixture
def dock(qapp: Any, engine: FakeEngine, tmp_path: Path, qtbot: Any) -> Iterator[Any]:
    """A dock on a viewer without a window, which is quick to make; nothing here needs the canvas."""
    made = new_dock(engine, tmp_path)
    yield made
    wait_idle(qtbot, made)


def new_dock(engine: FakeEngine, tmp_path: Path) -> Any:
    from napari_segplugin.widgets.dock import SegmentationDock

    return SegmentationDock(ViewerModel(), engine=engine, session=Session(tmp_path / "session"))


@pytest.fixture
def corrected(dock: Any, qtbot: Any) -> Any:
    """A dock with a result."""
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), scale=(0.5, 0.5), units=("um", "um"), name="cells")
    run(dock, qtbot)
    return ready(dock, qtbot)


def choose_model(dock: Any, name: str) -> None:
    choice = dock.method_step.weights_choice
    at = next(i for i in range(choice.count()) if choice.itemData(i) == ("shipped", name))
    choice.setCurrentIndex(at)


def ready(dock: Any, qtbot: Any) -> Any:
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    return dock


def stack(dock: Any, qtbot: Any, axes: tuple[str, ...]) -> Any:
    add_image(dock, qtbot, squares((4, 40, 50)), axis_labels=axes, name="stack")
    if "z" in axes:
        choose_model(dock, "nuclei_3d")
    run(dock, qtbot)
    return ready(dock, qtbot)


def message(dock: Any) -> str:
    return str(dock.messages.text.text())


def number_at(dock: Any, *voxel: int) -> int:
    return int(dock.edits.target.layer.data[voxel])


def mouse(
    dock: Any, points: Sequence[Sequence[float]], *, shift: bool = False, more: bool = False, button: int = 1
) -> None:
    """Press at the first voxel, move over the others, release."""
    layer = dock.edits.target.layer
    for i, (kind, voxel) in enumerate(
        [("press", points[0]), *(("move", p) for p in points[1:]), ("release", points[-1])]
    ):
        event = SimpleNamespace(
            type=f"mouse_{kind}",
            button=button,
            pos=np.array([8.0 * voxel[-1], 8.0 * voxel[-2]]),
            position=tuple(layer.data_to_world(voxel)),
            modifiers=("Shift",) * shift + ("Control",) * more,
            is_dragging=i > 0,
            view_direction=None,
            up_direction=None,
            dims_displayed=list(dock.viewer.dims.displayed),
            dims_point=list(dock.viewer.dims.point),
        )
        call = {"press": mouse_press_callbacks, "move": mouse_move_callbacks, "release": mouse_release_callbacks}[kind]
        # napari puts each later event into the one that began the drag
        call(layer, ObjectProxy(event) if kind == "press" else event)


def press(dock: Any, key: str) -> None:
    """Press a key as the canvas does, with the result layer selected."""
    handler = KeymapHandler()
    handler.keymap_providers = [dock.edits.target.layer, dock.viewer]
    handler.press_key(coerce_keybinding(key))


def line(*ends: Sequence[float]) -> list[Sequence[float]]:
    return [p for a, b in pairwise(ends) for p in np.linspace(a, b, 12).tolist()]


# --- keys -------------------------------------------------------------------------------------------------------------


def test_no_key_is_one_of_naparis_own(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer()
    layer = viewer.add_labels(np.zeros((4, 4), int))
    handler = KeymapHandler()
    handler.keymap_providers = [layer, viewer]
    taken = {str(k) for k in handler.active_keymap}
    assert "M" in taken  # napari's own keys are looked at indeed
    for action, key in KEYS.items():
        assert str(coerce_keybinding(key)) not in taken, action
    assert len(set(KEYS.values())) == len(KEYS)


def test_keys_are_on_the_layer_and_go_with_it(corrected: Any, qtbot: Any) -> None:
    target = corrected.edits.target
    assert {str(coerce_keybinding(k)) for k in KEYS.values()} <= {str(k) for k in target.layer.keymap}
    corrected.edits.let_go()
    assert not target.layer.keymap


def test_tooltips_name_the_key(corrected: Any) -> None:
    buttons = corrected.edits.panel.buttons
    assert set(KEYS) <= set(buttons)
    for action in KEYS:
        push, key = buttons[action], KEYS[action].replace("-", "+").replace("Delete", "Del")
        assert f"Key: {key}." in push.toolTip()


# --- the queue --------------------------------------------------------------------------------------------------------


def test_next_leads_to_the_most_doubtful(corrected: Any, qtbot: Any) -> None:
    edits = corrected.edits
    small = number_at(corrected, 8, 42)
    edits.target.layer.features.loc[edits.target.layer.features["index"] == small, "score"] = 0.2
    edits.target.order = None  # worked out as soon as the result was there
    press(corrected, "N")
    qtbot.waitUntil(lambda: edits.chosen == small, timeout=4000)
    qtbot.waitUntil(lambda: "nly 20% certain" in edits.panel.reason.text(), timeout=2000)
    assert edits.panel.done.value() == 0
    qtbot.waitUntil(lambda: not edits.queue._flyer._timer.isActive(), timeout=3000)
    assert_in_view(corrected.viewer, [0.5 * 7.5, 0.5 * 41.5])
    press(corrected, "A")
    assert edits.target.editor.with_status("accepted") == (small,)
    qtbot.waitUntil(lambda: edits.chosen != small, timeout=2000)
    press(corrected, "R")
    assert len(edits.target.editor.with_status("rejected")) == 1
    qtbot.waitUntil(lambda: edits.panel.done.value() == 2, timeout=2000)
    assert edits.panel.done.maximum() == 4
    qtbot.waitUntil(lambda: not edits.target.layer.show_selected_label, timeout=2000)


def test_fix_takes_the_brush_and_next_goes_on(corrected: Any, qtbot: Any) -> None:
    edits = corrected.edits
    corrected.viewer.layers.selection.active = corrected.image_step.layer
    edits.choose(edits.target, number_at(corrected, 8, 8))
    edits.act("fix")
    layer = edits.target.layer
    assert (layer.mode, corrected.viewer.layers.selection.active) == ("paint", layer)
    layer.paint((14, 8), layer.selected_label)
    qtbot.waitUntil(lambda: edits.panel.done.value() == 1, timeout=2000)
    edits.act("next")
    qtbot.waitUntil(lambda: edits.chosen not in (0, 1), timeout=4000)
    assert layer.mode == "pan_zoom"


def test_all_looked_at_is_said(corrected: Any, qtbot: Any) -> None:
    edits = corrected.edits
    edits.act("next")
    qtbot.waitUntil(lambda: bool(edits.chosen) and not corrected.background.busy, timeout=4000)
    seen = set()
    for _ in range(4):
        seen.add(edits.chosen)
        edits.act("accept")
    assert len(seen) == 4
    assert "Every object is checked" in message(corrected)


def test_going_round_without_a_decision(corrected: Any, qtbot: Any) -> None:
    edits = corrected.edits
    edits.act("next")
    qtbot.waitUntil(lambda: bool(edits.chosen) and not corrected.background.busy, timeout=4000)
    order = [edits.chosen]
    for _ in range(4):
        edits.act("next")
        order.append(edits.chosen)
    assert len(set(order[:4])) == 4
    assert order[4] == order[0]


def test_accepted_objects_reach_the_training(corrected: Any, engine: FakeEngine, qtbot: Any) -> None:
    edits = corrected.edits
    number = number_at(corrected, 8, 8)
    edits.choose(edits.target, number)
    edits.act("accept")
    run(corrected, qtbot, corrected.train.start)
    copied = next(v for k, v in engine.calls if k == "finetune")[1]
    assert copied.accepted == (number,)
    assert not copied.empty
    before = corrected.edits.target.layer.data == number
    run(corrected, qtbot)
    assert len(corrected.desk.results) == 1
    assert np.array_equal(corrected.edits.target.layer.data == number, before)  # what was looked at is kept


def test_the_status_is_saved(corrected: Any, engine: FakeEngine, qtbot: Any) -> None:
    edits = corrected.edits
    number = number_at(corrected, 8, 8)
    edits.choose(edits.target, number)
    edits.act("accept")
    corrected.saving.save("/somewhere/a.tif")
    qtbot.waitUntil(lambda: bool(engine.saved), timeout=3000)
    table = engine.saved[-1][0].objects
    assert dict(zip(table.label.tolist(), table.status, strict=True))[number] == "accepted"


# --- the mouse --------------------------------------------------------------------------------------------------------


def test_a_click_chooses_and_a_drag_does_not(corrected: Any) -> None:
    layer = corrected.edits.target.layer
    layer.mode = "pan_zoom"
    mouse(corrected, [(8, 18)])
    assert layer.selected_label == number_at(corrected, 8, 18)
    before = layer.selected_label
    mouse(corrected, line((8, 8), (30, 8)))
    mouse(corrected, [(8, 8)], button=2)
    assert layer.selected_label == before
    layer.mode = "paint"
    data = layer.data.copy()
    layer.mode = "pan_zoom"
    mouse(corrected, [(0, 0)])
    np.testing.assert_array_equal(layer.data, data)
    assert layer.selected_label == before


def test_merge_by_clicks_and_by_a_line(corrected: Any) -> None:
    layer = corrected.edits.target.layer
    first, second, third = number_at(corrected, 8, 8), number_at(corrected, 8, 18), number_at(corrected, 25, 8)
    press(corrected, "U")
    assert not layer.mouse_pan
    assert any(a.name == DRAWING for a in corrected.viewer.layers)
    assert corrected.viewer.layers.selection.active is layer
    mouse(corrected, [(8, 8)])
    mouse(corrected, [(8, 18)])
    assert number_at(corrected, 8, 18) == first
    mouse(corrected, [(8, 42)])
    assert number_at(corrected, 8, 42) == first
    layer.undo()
    mouse(corrected, line((25, 8), (8, 8)))
    assert number_at(corrected, 8, 8) == number_at(corrected, 8, 18) == third
    press(corrected, "Escape")
    assert layer.mouse_pan
    assert not any(a.name == DRAWING for a in corrected.viewer.layers)
    for _ in range(2):
        layer.undo()
    assert (number_at(corrected, 8, 8), number_at(corrected, 8, 18), number_at(corrected, 25, 8)) == (
        first,
        second,
        third,
    )


def test_split_by_a_line_and_by_points(corrected: Any, qtbot: Any) -> None:
    layer = corrected.edits.target.layer
    number = number_at(corrected, 25, 8)
    press(corrected, "S")
    mouse(corrected, line((16, 17), (36, 17)))
    parts = {number_at(corrected, 25, 8), number_at(corrected, 25, 28)}
    assert len(parts) == 2
    assert number in parts
    layer.undo()
    mouse(corrected, [(25, 8)])
    assert len(np.unique(layer.data)) == 5
    mouse(corrected, [(25, 28)])
    assert len({number_at(corrected, 25, 8), number_at(corrected, 25, 28)}) == 2
    layer.undo()
    for x in (7, 17):
        mouse(corrected, [(25, x)], shift=True)
    mouse(corrected, [(25, 28)])
    assert len({number_at(corrected, 25, x) for x in (7, 17, 28)}) == 3
    corrected.edits.panel.along.setCurrentIndex(1)
    layer.undo()
    mouse(corrected, [(25, 8)])
    mouse(corrected, [(25, 28)])
    assert len({number_at(corrected, 25, 8), number_at(corrected, 25, 28)}) == 2


def test_what_a_tool_cannot_do_is_said(corrected: Any, engine: FakeEngine, qtbot: Any) -> None:
    edits = corrected.edits
    edits.target.layer.selected_label = 99
    edits.act("delete")
    assert "No object is selected" in message(corrected)
    edits.act("accept")
    assert "No object is selected" in message(corrected)
    edits.act("merge")
    mouse(corrected, [(0, 0)])
    assert "no object here" in message(corrected)
    edits.act("split")
    mouse(corrected, line((0, 0), (0, 40)))
    assert "no object under the line" in message(corrected)
    edits.act("add")
    mouse(corrected, [(-5, -5)])
    assert "outside the image" in message(corrected)
    engine.trouble = InputError("The model finds nothing here.")
    mouse(corrected, [(36, 44)])
    qtbot.waitUntil(lambda: "finds nothing" in message(corrected), timeout=3000)


def test_another_mode_of_the_layer_puts_the_tool_away(corrected: Any) -> None:
    edits = corrected.edits
    edits.act("split")
    assert edits.panel.buttons["split"].isChecked()
    edits.target.layer.mode = "paint"
    assert edits.tool == ""
    assert not edits.panel.buttons["split"].isChecked()
    edits.act("split")
    edits.act("split")
    assert edits.tool == ""


def test_tools_of_the_chosen_object(corrected: Any) -> None:
    edits, layer = corrected.edits, corrected.edits.target.layer
    number = number_at(corrected, 8, 8)
    edits.choose(edits.target, number)

    def size() -> int:
        return int((layer.data == number).sum())

    assert size() == 64
    press(corrected, "G")
    assert size() == 64 + 4 * 8
    press(corrected, "Shift-G")
    assert size() == 64
    edits.panel.amount.setValue(2)
    press(corrected, "Shift-G")
    assert size() == 16
    layer.undo()
    layer.data_setitem((np.array([7]), np.array([7])), 0)
    press(corrected, "Shift-H")
    assert size() == 64
    layer.data_setitem((np.array([7]), np.array([7])), 0)
    press(corrected, "H")
    assert layer.data[7, 7] == number  # the hole is filled, and the corners are rounded
    assert size() < 64
    press(corrected, "Delete")
    assert size() == 0
    for _ in range(8):
        layer.undo()
    assert size() == 64


def test_one_plane_or_all(dock: Any, qtbot: Any) -> None:
    stack(dock, qtbot, ("z", "y", "x"))
    edits = dock.edits
    dock.viewer.dims.set_point(0, 2)
    panel = edits.panel
    assert panel.buttons["interpolate"].isHidden()
    edits.act("paint")
    assert not panel.buttons["interpolate"].isHidden()
    panel.scope_choice.setCurrentIndex(panel.scope_choice.findData("plane"))
    edits.choose(edits.target, number_at(dock, 2, 8, 8))
    edits.act("delete")
    assert [bool(p[8, 8]) for p in edits.target.layer.data] == [True, True, False, True]
    panel.scope_choice.setCurrentIndex(panel.scope_choice.findData("object"))
    edits.act("interpolate")
    assert all(p[8, 8] for p in edits.target.layer.data)
    edits.act("delete")
    assert not any(p[8, 8] for p in edits.target.layer.data)


def test_one_time_point_or_all(dock: Any, qtbot: Any) -> None:
    stack(dock, qtbot, ("t", "y", "x"))
    edits, layer = dock.edits, dock.edits.target.layer
    layer.data[:, 4:12, 4:12] = 1
    edits.target.editor.forget_boxes()
    dock.viewer.dims.set_point(0, 1)
    edits.choose(edits.target, 1)
    edits.act("delete")
    assert [bool(p[8, 8]) for p in layer.data] == [True, False, True, True]
    panel = edits.panel
    panel.scope_choice.setCurrentIndex(panel.scope_choice.findData("always"))
    edits.act("delete")
    assert not layer.data[:, 8, 8].any()
    edits.act("next")
    qtbot.waitUntil(lambda: bool(edits.chosen), timeout=4000)


def test_class_of_an_object(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    from fake_engine import spec

    from napari_segplugin.core import ClassTable

    engine.shelf["nuclei_2d"] = spec(2, classes=ClassTable.named(["nucleus", "mitosis"]))
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    run(dock, qtbot)
    ready(dock, qtbot)
    edits, panel = dock.edits, dock.edits.panel
    number = number_at(dock, 8, 8)
    edits.choose(edits.target, number)
    edits.show()
    assert not panel.classes.isHidden()
    panel.classes.setCurrentIndex(1)
    panel.classes.activated.emit(1)
    edits.show()
    assert "Mitosis" in panel.about.text()
    current = edits.target.result.current().objects
    assert dict(zip(current.label.tolist(), current.class_id.tolist(), strict=True))[number] == 2
    edits.target.layer.undo()
    edits.show()
    assert "Nucleus" in panel.about.text()


# --- the class of new objects -----------------------------------------------------------------------------------------


@pytest.fixture
def panoptic(dock: Any, engine: FakeEngine, qtbot: Any) -> Any:
    """A dock with a panoptic result: cells (1), vessels (2) and tissue, which is an area."""
    classes = ClassTable((*ClassTable.named(["cell", "vessel"]), ClassInfo(3, "tissue", "#009e73", Kind.STUFF)))
    engine.shelf = {"tissue_2d": spec(2, task=Task.PANOPTIC, classes=classes)}
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    dock.method_step.task_choice.setCurrentIndex(dock.method_step.task_choice.findData(Task.PANOPTIC))
    choose_model(dock, "tissue_2d")
    run(dock, qtbot)
    return ready(dock, qtbot)


def take_class(dock: Any, name: str) -> None:
    box = dock.edits.panel.new_classes
    dock.edits.show()
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex())
    dock.edits.show()


def class_at(dock: Any, *voxel: int) -> str:
    return str(dock.edits.target.editor.rows.get(number_at(dock, *voxel))["class"])


def test_what_is_painted_is_of_the_class_that_was_chosen(panoptic: Any, qtbot: Any) -> None:
    panel, layer = panoptic.edits.panel, panoptic.edits.target.layer
    panoptic.edits.show()
    assert [panel.new_classes.itemData(i) for i in range(panel.new_classes.count())] == ["", "cell", "vessel", "tissue"]
    assert panel._new_row.isHidden()
    panoptic.edits.act("paint")
    assert not panel._new_row.isHidden()
    grid = panoptic.method_step.classes.grid

    def found() -> list[str]:
        return [grid.item(i, 3).text() for i in range(3)]

    assert found() == ["4", "0", "no"]
    assert not grid.isColumnHidden(3)
    take_class(panoptic, "vessel")
    layer.paint((35, 40), layer.selected_label)
    assert class_at(panoptic, 35, 40) == "vessel"
    take_class(panoptic, "tissue")
    layer.paint((35, 5), layer.selected_label)
    tissue = number_at(panoptic, 35, 5)
    assert class_at(panoptic, 35, 5) == "tissue"
    qtbot.waitUntil(lambda: found() == ["4", "1", "yes"], timeout=2000)
    take_class(panoptic, "")
    layer.paint((36, 20), layer.selected_label)
    assert class_at(panoptic, 36, 20) == "cell"
    take_class(panoptic, "tissue")  # an area goes on where it is
    assert layer.selected_label == tissue
    layer.undo()
    layer.undo()
    assert number_at(panoptic, 35, 5) == 0
    layer.redo()
    assert class_at(panoptic, 35, 5) == "tissue"


def test_proposals_are_of_the_class_that_was_chosen_and_parts_of_that_of_the_whole(panoptic: Any, qtbot: Any) -> None:
    edits = panoptic.edits
    take_class(panoptic, "vessel")
    edits.act("add")
    mouse(panoptic, [(36, 40)])
    qtbot.waitUntil(lambda: edits.panel.proposal.isVisibleTo(edits.panel), timeout=4000)
    assert "vessel" in edits.panel.proposal_text.text()
    press(panoptic, "Enter")
    assert class_at(panoptic, 36, 40) == "vessel"
    edits.act("split")
    mouse(panoptic, line((18, 18), (34, 18)))
    assert class_at(panoptic, 26, 10) == class_at(panoptic, 26, 26) == "cell"


# --- proposals --------------------------------------------------------------------------------------------------------


def test_a_click_is_answered_by_proposals(corrected: Any, engine: FakeEngine, qtbot: Any) -> None:
    edits, layer = corrected.edits, corrected.edits.target.layer
    press(corrected, "T")
    mouse(corrected, [(34, 40)])
    qtbot.waitUntil(lambda: any(a.name == "proposal" for a in corrected.viewer.layers), timeout=4000)
    assert corrected.viewer.layers.selection.active is layer
    assert "Proposal 1 of 2" in edits.panel.proposal_text.text()
    shown = next(a for a in corrected.viewer.layers if a.name == "proposal")
    small = int(shown.data.sum())
    press(corrected, "Tab")
    assert int(shown.data.sum()) > small
    top = edits.target.editor.boxes.next_number()
    steps = len(edits.target.editor.history.past)
    press(corrected, "Enter")
    assert number_at(corrected, 34, 40) == top == edits.chosen
    assert len(edits.target.editor.history.past) == steps + 1
    assert not any(a.name == "proposal" for a in corrected.viewer.layers)
    assert not {str(coerce_keybinding(k)) for k in ("Enter", "Tab")} & {str(k) for k in layer.keymap}
    layer.undo()
    assert number_at(corrected, 34, 40) == 0
    # the tool is still in hand
    mouse(corrected, line((30, 36), (38, 46)))
    qtbot.waitUntil(lambda: edits.panel.proposal.isVisibleTo(edits.panel), timeout=4000)
    assert [v for k, v in engine.calls if k == "propose"][-1][3] == (slice(30, 39), slice(36, 47))
    press(corrected, "Escape")
    assert not edits.panel.proposal.isVisibleTo(edits.panel)
    press(corrected, "Escape")
    assert edits.tool == ""
    assert PROPOSAL_KEYS["no"] == "Escape"


def test_a_proposal_in_a_plane_of_a_stack(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    add_image(dock, qtbot, squares((4, 40, 50)), axis_labels=("z", "y", "x"), name="stack")
    choose_model(dock, "nuclei_2d")
    run(dock, qtbot)
    ready(dock, qtbot)
    dock.viewer.dims.set_point(0, 2)
    dock.edits.act("add")
    mouse(dock, [(2, 34, 40)])
    qtbot.waitUntil(lambda: dock.edits.panel.proposal.isVisibleTo(dock.edits.panel), timeout=4000)
    dock.edits.prompt.answer("take")
    assert [bool(p[34, 40]) for p in dock.edits.target.layer.data] == [False, False, True, False]


def test_a_proposal_at_a_time_point_over_channels(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    data = np.stack([squares((3, 40, 50))] * 3, axis=1)
    add_image(dock, qtbot, data, axis_labels=("t", "c", "y", "x"), name="film")
    choose_model(dock, "histology")
    run(dock, qtbot)
    ready(dock, qtbot)
    dock.viewer.dims.set_point(0, 1)
    dock.edits.act("add")
    mouse(dock, [(1, 0, 34, 40)])
    qtbot.waitUntil(lambda: dock.edits.panel.proposal.isVisibleTo(dock.edits.panel), timeout=4000)
    image, _region, point, _, free = next(v for k, v in engine.calls if k == "propose")
    assert (image.axes, point, free.shape) == ("CYX", (34, 40), (40, 50))
    assert free.sum() == (dock.edits.target.layer.data[1, 0] == 0).sum()
    dock.edits.prompt.answer("take")
    assert [bool(f[0, 34, 40]) for f in dock.edits.target.layer.data] == [False, True, False]


def test_no_model_to_ask(corrected: Any) -> None:
    corrected.edits.act("add")
    corrected.method_step.choice = lambda: None
    mouse(corrected, [(34, 40)])
    assert "proposal needs a model" in message(corrected)


# --- other layers -----------------------------------------------------------------------------------------------------


def test_classes_have_no_objects_to_correct(dock: Any, qtbot: Any) -> None:
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    at = dock.method_step.task_choice.findData(Task.SEMANTIC)
    dock.method_step.task_choice.setCurrentIndex(at)
    run(dock, qtbot)
    dock.edits.show()
    assert dock.edits.target is None
    assert dock.edits.panel.isHidden()
    dock.edits.act("next")


def test_labels_from_elsewhere_can_be_corrected(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    labels = with_image.viewer.add_labels((squares() > 0).astype(np.uint16), name="from a file", scale=(0.5, 0.5))
    edits = with_image.edits
    edits.show()
    assert not edits.panel.adopt.isHidden()
    edits.panel.adopt.click()
    ready(with_image, qtbot)
    assert edits.target.layer is labels
    edits.choose(edits.target, 1)
    edits.act("accept")
    assert edits.target.editor.with_status("accepted") == (1,)
    run(with_image, qtbot)
    assert labels in with_image.viewer.layers
    assert (labels.data > 0).sum() == (squares() > 0).sum()


def test_paint_on_another_view_of_the_result_is_known(corrected: Any, qtbot: Any) -> None:
    target = corrected.edits.target
    view = corrected.viewer.add_labels(target.layer.data, name="view", scale=target.layer.scale)
    assert view.data is target.layer.data
    corrected.edits.refresh()
    view.brush_size = 2
    view.paint((36, 44), 30)
    assert 30 in target.editor.boxes
    assert 30 in target.editor.rows
    view.undo()
    assert 30 not in target.editor.rows


def test_a_run_in_the_same_layer_begins_anew(corrected: Any, qtbot: Any) -> None:
    first = corrected.edits.target
    run(corrected, qtbot)
    ready(corrected, qtbot)
    assert corrected.edits.target is not first
    assert corrected.edits.target.layer is first.layer
    assert len(corrected.desk.targets) == 1
    corrected.edits.choose(corrected.edits.target, number_at(corrected, 8, 8))
    corrected.edits.act("accept")
    assert len(corrected.edits.target.editor.history.past) == 1
    assert first.editor.history.past == ()


# --- kept safe --------------------------------------------------------------------------------------------------------


def work(dock: Any, qtbot: Any) -> tuple[np.ndarray, Any]:
    edits = dock.edits
    first, second = number_at(dock, 8, 8), number_at(dock, 8, 18)
    edits.target.editor.merge([first, second])
    edits.choose(edits.target, number_at(dock, 25, 8))
    edits.act("accept")
    edits.target.layer.paint((36, 44), 50)
    dock.improve_step.layer_button.click()
    dock.paint.layer.paint((2, 2), 1)
    dock.paint.add_reviewed()
    dock.paint.reviewed.add_rectangles(np.array([[5, 5], [5, 15], [12, 15], [12, 5]]))
    for kind in ("points", "boxes"):
        dock.paint.weak.add(kind)
    dock.paint.weak.layer("points").add(np.array([[30.0, 30.0], [8.0, 9.0]]))
    dock.paint.weak.layer("boxes").add_rectangles(np.array([[20, 20], [20, 28], [29, 28], [29, 20]]))
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    return dock.paint.layer.data.copy(), edits.target.layer


def another_day(qtbot: Any, tmp_path: Path, yesterday: Any) -> Any:
    yesterday.journal.close()
    dock = new_dock(FakeEngine(), tmp_path)
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="the same image")
    qtbot.waitUntil(lambda: "were kept" in message(dock), timeout=5000)
    return dock


def same(dock: Any, paint: np.ndarray, result: Labels) -> None:
    np.testing.assert_array_equal(dock.paint.layer.data, paint)
    np.testing.assert_array_equal(dock.edits.target.layer.data, result.data)
    for name in ("index", "class", "status"):
        assert sorted(dock.edits.target.layer.features[name].astype(str)) == sorted(result.features[name].astype(str))
    assert len(dock.paint.reviewed.data) == 1
    np.testing.assert_allclose(dock.paint.weak.layer("points").data, [[30, 30], [8, 9]])
    assert dock.paint.weak.layer("boxes").shape_type == ["rectangle"]
    np.testing.assert_allclose(dock.paint.weak.layer("boxes").data[0].max(0), [29, 28])


def test_the_next_start_offers_the_work_as_it_was(corrected: Any, qtbot: Any, tmp_path: Path) -> None:
    paint, result = work(corrected, qtbot)
    dock = another_day(qtbot, tmp_path, corrected)
    restore(dock, qtbot)
    ready(dock, qtbot)
    same(dock, paint, result)
    assert dock.desk.result_of(dock.image_step.layer).edited
    # and it goes on in the same file
    dock.paint.layer.paint((30, 45), 2)
    dock.edits.target.editor.delete([50])
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    third = another_day(qtbot, tmp_path, dock)
    restore(third, qtbot)
    ready(third, qtbot)
    same(third, dock.paint.layer.data, dock.edits.target.layer)
    for d in (dock, third):
        wait_idle(qtbot, d)


def test_work_that_began_before_the_answer_is_kept_too(corrected: Any, qtbot: Any, tmp_path: Path) -> None:
    paint, result = work(corrected, qtbot)
    dock = another_day(qtbot, tmp_path, corrected)
    offer = dock.messages.findChild(object, "restore_yes")
    dock.paint.add_layer()
    dock.paint.layer.paint((30, 45), 2)
    fresh = dock.paint.layer.data.copy()
    offer.click()
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    ready(dock, qtbot)
    both = np.where(fresh, fresh, paint)
    same(dock, both, result)
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    third = another_day(qtbot, tmp_path, dock)
    restore(third, qtbot)
    ready(third, qtbot)
    same(third, both, result)
    for d in (dock, third):
        wait_idle(qtbot, d)


def test_not_now_leaves_the_old_work_beside_the_new(corrected: Any, qtbot: Any, tmp_path: Path) -> None:
    paint, result = work(corrected, qtbot)
    corrected.journal.close()
    (first,) = (tmp_path / "session" / "journals").iterdir()
    before = first.read_bytes()
    docks = []
    for _ in range(2):
        dock = another_day(qtbot, tmp_path, corrected)
        dock.messages.findChild(object, "restore_no").click()
        dock.paint.add_layer()
        dock.paint.layer.paint((30, 45), 2)
        dock.journal.close()
        docks.append(dock)
    files = sorted((tmp_path / "session" / "journals").iterdir())
    assert len(files) == 3
    assert first.read_bytes() == before
    last = another_day(qtbot, tmp_path, dock)
    last.restore.open(first, last.image_step.layer)
    qtbot.waitUntil(lambda: not last.background.busy, timeout=5000)
    ready(last, qtbot)
    same(last, paint, result)
    for d in (*docks, last):
        wait_idle(qtbot, d)


def test_the_same_image_twice_has_two_files(corrected: Any, qtbot: Any, tmp_path: Path) -> None:
    dock = corrected
    dock.paint.add_layer()
    dock.paint.layer.paint((2, 2), 1)
    copy = dock.viewer.add_image(squares(), axis_labels=("y", "x"), name="copy")
    qtbot.waitUntil(lambda: dock.image_step.choice.count() == 2, timeout=3000)
    dock.image_step.choice.setCurrentIndex(dock.image_step.choice.findText("copy"))
    qtbot.waitUntil(lambda: dock.image_step.layer is copy, timeout=3000)
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    dock.paint.add_layer()
    dock.paint.layer.paint((30, 45), 2)
    assert len(set(dock.journal.own)) == 2
    assert {p.name[20:] for p in dock.journal.own} == {".journal", "-2.journal"}
    assert dock.messages.message == "", "it is no other window"


def test_an_unreadable_journal_is_said(dock: Any, qtbot: Any) -> None:
    from napari_segplugin.core import Image
    from napari_segplugin.engine.session import image_key

    data = blobs((20, 20))
    path = dock.journal.path(image_key(Image(data, "YX")))
    path.mkdir(parents=True)
    add_image(dock, qtbot, data, axis_labels=("y", "x"), name="cells")
    qtbot.waitUntil(lambda: "cannot be read" in message(dock), timeout=4000)


def test_several_objects_are_chosen_and_edited_in_one_step(corrected: Any, qtbot: Any) -> None:
    dock, target = corrected, corrected.edits.target
    first, second, third = number_at(dock, 8, 8), number_at(dock, 8, 20), number_at(dock, 8, 42)
    before = target.layer.data.copy()
    mouse(dock, [(8, 8)])
    mouse(dock, [(8, 20)], more=True)
    mouse(dock, [(8, 42)], more=True)
    assert set(target.chosen) == {first, second, third}
    mouse(dock, [(8, 42)], more=True)  # once more: it is chosen no longer
    assert set(target.chosen) == {first, second}
    dock.edits.act("grow")
    grown = [n for n in (first, second, third) if (target.layer.data == n).sum() > (before == n).sum()]
    assert grown == [first, second]
    target.layer.undo()
    assert np.array_equal(target.layer.data, before)
    dock.edits.act("accept")
    status = target.editor.rows.column("status")
    assert [status[n] for n in (first, second, third)] == ["accepted", "accepted", "predicted"]
    dock.edits.choose(target, first, second)
    dock.edits.act("merge")
    assert number_at(dock, 8, 8) == number_at(dock, 8, 20) != 0
    assert dock.edits.tool == ""  # it was done at once
    target.layer.undo()
    dock.edits.choose(target, first, second)
    dock.edits.act("delete")
    assert [number_at(dock, 8, x) for x in (8, 20, 42)] == [0, 0, third]
    target.layer.undo()
    assert np.array_equal(target.layer.data, before)


def test_a_choice_of_one_ends_that_of_several(corrected: Any) -> None:
    dock, target = corrected, corrected.edits.target
    first, second, third = number_at(dock, 8, 8), number_at(dock, 8, 20), number_at(dock, 8, 42)
    dock.edits.choose(target, first, second)
    target.layer.selected_label = third  # by a tool of napari's own
    assert target.chosen == (third,)
    dock.edits.choose(target, first, second)
    mouse(dock, [(8, 42)])
    assert target.chosen == (third,)
