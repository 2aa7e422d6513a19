"""Three linked planes in the window: painted, picked, clicked and typed on through the events of a mouse and a keyboard."""

from __future__ import annotations

import gc
from typing import Any

import napari
import numpy as np
import pytest
from hands import PlaneHands
from napari.components import ViewerModel
from napari.qt import QtViewer
from qtpy.QtCore import Qt

from napari_segplugin.core import InputError
from napari_segplugin.viewer import planes as planes_module
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.focus import camera_of, in_hand
from napari_segplugin.viewer.pointer import Pointer
from napari_segplugin.widgets import _edit_keys
from napari_segplugin.widgets.planes_view import GAP, PlaneCanvas, ThreePlanes, cross_points

pytestmark = pytest.mark.qt

SHAPE, SCALE = (10, 24, 30), (3.0, 1.0, 1.0)
MIDDLE = (5, 12, 15)
CTRL, SHIFT, NONE = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.NoModifier,
)
BOTH = pytest.mark.parametrize("canvas", [1, 2])


@pytest.fixture
def three(make_napari_viewer: Any, qtbot: Any) -> Any:
    """Three planes of a volume that is dark but for its middle, with an empty result over it."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    array = np.full(SHAPE, 40, np.uint8)
    viewer.add_image(array, scale=SCALE, name="ct", contrast_limits=(0, 255))
    viewer.add_labels(np.zeros(SHAPE, np.uint16), scale=SCALE, name="result")
    planes = ThreePlanes(viewer)
    assert planes.missing == ""
    planes.show()
    qtbot.waitUntil(lambda: all(c.canvas.native.isValid() for c in planes.canvases), timeout=20_000)
    qtbot.wait(100)
    assert planes.planes is not None
    planes.planes.go_to([m * s for m, s in zip(MIDDLE, SCALE, strict=True)])
    yield planes
    planes.hide()


def result_of(three: ThreePlanes) -> Any:
    return three.viewer.layers["result"]


def near(canvas: int, *voxel: int) -> tuple[int, ...]:
    """A voxel in the plane of a canvas, beside the middle along the two axes that it shows."""
    shown = [a for a in range(3) if a != canvas]
    at = list(MIDDLE)
    for axis, shift in zip(shown, voxel, strict=True):
        at[axis] += shift
    return tuple(at)


# --- painting ---------------------------------------------------------------------------------------------------------


@BOTH
def test_the_brush_paints_voxels_of_the_plane_and_one_undo_takes_them_back(three: Any, canvas: int, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, canvas, qtbot)
    editor = Editor(layer)
    layer.mode, layer.selected_label, layer.brush_size = "paint", 3, 1
    dark = hands.color(layer, near(canvas, 1, 4))
    hands.drag(layer, [near(canvas, 1, k) for k in range(2, 7)])
    wanted = np.zeros(SHAPE, np.uint16)
    for k in range(2, 7):
        wanted[near(canvas, 1, k)] = 3
    np.testing.assert_array_equal(layer.data, wanted)
    assert len(editor.history.past) == 1
    assert 3 in editor.boxes
    assert np.abs(hands.color(layer, near(canvas, 1, 4)) - dark).max() > 40
    hands.key(Qt.Key.Key_Z, CTRL)
    assert not layer.data.any()
    assert len(editor.history.future) == 1
    assert np.abs(hands.color(layer, near(canvas, 1, 4)) - dark).max() < 20
    hands.key(Qt.Key.Key_Z, CTRL | SHIFT)
    np.testing.assert_array_equal(layer.data, wanted)


@BOTH
def test_a_thick_brush_is_round_in_the_world_as_on_a_canvas_of_its_own(three: Any, canvas: int, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, canvas, qtbot)
    layer.mode, layer.selected_label, layer.brush_size = "paint", 2, 9
    hands.click(layer, near(canvas, 0, 2))
    alone = ViewerModel()
    other = alone.add_labels(np.zeros(SHAPE, np.uint16), scale=SCALE)
    alone.dims.order = hands.viewer.dims.order
    other.brush_size = 9
    other.paint(near(canvas, 0, 2), 2)
    np.testing.assert_array_equal(layer.data, other.data)
    extent = [int(np.ptp(n)) + 1 for n in np.nonzero(layer.data)]
    assert extent[canvas] == 1
    assert extent[0] == 3  # planes of 3: a third of the other way
    assert extent[3 - canvas] == 9


def test_what_is_painted_on_one_canvas_is_seen_on_the_others(three: Any, qtbot: Any) -> None:
    layer = result_of(three)
    all_hands = [PlaneHands(three, i, qtbot) for i in range(3)]
    layer.mode, layer.selected_label, layer.brush_size = "paint", 4, 5
    aside = [(5, 13, 16), (6, 12, 16), (6, 13, 15)]  # of the cross, in each plane
    before = [hands.color(layer, at) for hands, at in zip(all_hands, aside, strict=True)]
    layer.n_edit_dimensions = 3
    layer.brush_size = 9
    all_hands[2].click(layer, MIDDLE)
    assert all(layer.data[at] == 4 for at in aside)
    for hands, at, was in zip(all_hands, aside, before, strict=True):
        assert np.abs(hands.color(layer, at) - was).max() > 40


@BOTH
def test_the_eraser_and_the_bucket(three: Any, canvas: int, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, canvas, qtbot)
    layer.data[2:8, 6:18, 8:22] = 1
    layer.refresh()
    layer.mode, layer.brush_size = "erase", 1
    hands.click(layer, near(canvas, 1, 1))
    assert (layer.data == 0).sum() == layer.data.size - 6 * 12 * 14 + 1
    layer.mode, layer.selected_label = "fill", 7
    hands.click(layer, near(canvas, 2, 2))
    plane = np.take(layer.data, MIDDLE[canvas], canvas)
    assert (layer.data == 7).sum() == (plane == 7).sum() == {1: 6 * 14 - 1, 2: 6 * 12 - 1}[canvas]


@BOTH
def test_picking_takes_the_label_for_all_canvases(three: Any, canvas: int, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, canvas, qtbot)
    layer.data[near(canvas, 2, 3)] = 9
    layer.refresh()
    layer.mode = "pick"
    hands.click(layer, near(canvas, 2, 3))
    assert layer.selected_label == 9
    hands.click(layer, near(canvas, -2, 3))
    assert layer.selected_label == 0


@pytest.mark.parametrize(("canvas", "end"), [(1, "enter"), (2, "double click"), (2, "escape")])
def test_a_polygon_fills_the_plane_on_which_it_is_drawn(three: Any, canvas: int, end: str, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, canvas, qtbot)
    layer.mode, layer.selected_label = "polygon", 6
    corners = [near(canvas, -2, -4), near(canvas, -2, 4), near(canvas, 2, 4), near(canvas, 2, -4)]
    for corner in corners:
        hands.click(layer, corner)
    if end == "double click":
        hands.double_click(layer, near(canvas, 2, -4))
    else:
        hands.key(Qt.Key.Key_Enter if end == "enter" else Qt.Key.Key_Escape)
        hands.key(Qt.Key.Key_Enter)
    if end == "escape":
        assert not layer.data.any()
        return
    found = np.argwhere(layer.data == 6)
    shown = [a for a in range(3) if a != canvas]
    assert set(found[:, canvas]) == {MIDDLE[canvas]}
    low, high = found.min(0)[shown], found.max(0)[shown]
    np.testing.assert_allclose(low, [MIDDLE[shown[0]] - 2, MIDDLE[shown[1]] - 4], atol=1)
    np.testing.assert_allclose(high, [MIDDLE[shown[0]] + 2, MIDDLE[shown[1]] + 4], atol=1)
    assert len(found) == np.prod(high - low + 1)
    hands.key(Qt.Key.Key_Z, CTRL)
    assert not layer.data.any()


# --- keys -------------------------------------------------------------------------------------------------------------


@BOTH
def test_keys_of_napari_and_of_the_plugin_are_heard(three: Any, canvas: int, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, canvas, qtbot)
    pressed: list[str] = []
    _edit_keys.bind(layer, _edit_keys.KEYS, pressed.append)
    for key in (Qt.Key.Key_N, Qt.Key.Key_A, Qt.Key.Key_Delete):
        hands.key(key)
    hands.key(Qt.Key.Key_G, SHIFT)
    assert pressed == ["next", "accept", "delete", "shrink"]
    hands.key(Qt.Key.Key_2)
    assert layer.mode == "paint"
    size = layer.brush_size
    hands.key(Qt.Key.Key_BracketRight)
    assert layer.brush_size == size + 1
    layer.data[0, 0, 0] = 11
    hands.key(Qt.Key.Key_M)
    assert layer.selected_label == 12
    hands.key(Qt.Key.Key_X)
    assert layer.selected_label == 0
    hands.key(Qt.Key.Key_X)
    assert layer.selected_label == 12
    _edit_keys.bind(layer, _edit_keys.PROPOSAL_KEYS, pressed.append)
    hands.key(Qt.Key.Key_Escape)
    _edit_keys.unbind(layer, _edit_keys.PROPOSAL_KEYS)
    hands.key(Qt.Key.Key_Escape)
    assert pressed[4:] == ["no"]


@BOTH
def test_arrows_move_the_plane_under_the_mouse_and_other_keys_mean_the_viewer(
    three: Any, canvas: int, qtbot: Any
) -> None:
    hands, viewer = PlaneHands(three, canvas, qtbot), three.viewer
    hands.key(Qt.Key.Key_Right)
    assert viewer.dims.current_step[canvas] == MIDDLE[canvas] + 1
    hands.key(Qt.Key.Key_Left)
    assert viewer.dims.current_step == MIDDLE
    PlaneHands(three, 0, qtbot).key(Qt.Key.Key_Right)
    assert viewer.dims.current_step == (MIDDLE[0] + 1, *MIDDLE[1:])
    heard: list[Any] = []
    viewer.bind_key("J", heard.append, overwrite=True)
    hands.key(Qt.Key.Key_J)
    assert heard == [viewer]
    hands.key(Qt.Key.Key_V)
    assert not result_of(three).visible
    hands.key(Qt.Key.Key_V)
    viewer.layers.selection = {result_of(three)}
    hands.key(Qt.Key.Key_Delete, CTRL)
    assert [[a.name for a in v.layers] for v in three.planes.viewers] == [["ct"]] * 3


def test_held_keys_are_let_go_of(three: Any, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, 1, qtbot)
    layer.mode = "paint"
    heard: list[str] = []

    def hold(found: Any) -> Any:
        heard.append(found.name)
        yield
        heard.append("released")

    layer.bind_key("K", hold, overwrite=True)
    hands.canvas.setFocus()
    qtbot.keyPress(hands.canvas, Qt.Key.Key_K)
    assert heard == ["result"]
    qtbot.keyRelease(hands.canvas, Qt.Key.Key_K)
    assert heard == ["result", "released"]
    qtbot.keyPress(hands.canvas, Qt.Key.Key_Space)
    assert layer.mode == "pan_zoom"
    qtbot.keyRelease(hands.canvas, Qt.Key.Key_Space)
    assert layer.mode == "paint"


# --- the mouse --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("canvas", [0, 1, 2])
def test_a_click_moves_the_planes_and_a_drag_does_not(three: Any, canvas: int, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, canvas, qtbot)
    there = near(canvas, -2, 3)
    hands.click(layer, there)
    assert [v.dims.current_step for v in three.planes.viewers] == [there] * 3
    hands.drag(layer, [near(canvas, 0, 0), near(canvas, 2, 5)])
    assert three.viewer.dims.current_step == there


@pytest.mark.parametrize("canvas", [0, 1, 2])
def test_painting_leaves_the_planes_and_shift_moves_them_with_any_tool(three: Any, canvas: int, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, canvas, qtbot)
    layer.mode, layer.brush_size = "paint", 1
    hands.click(layer, near(canvas, -2, 3))
    assert three.viewer.dims.current_step == MIDDLE
    assert layer.data.any()
    hands.hover(layer, near(canvas, 2, -3))
    assert three.viewer.dims.current_step == MIDDLE
    hands.hover(layer, near(canvas, 2, -3), shift=True)
    assert three.viewer.dims.current_step == near(canvas, 2, -3)


@BOTH
def test_tools_of_the_plugin_get_clicks_and_lines_of_each_canvas(three: Any, canvas: int, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, canvas, qtbot)
    pointer = Pointer(three.viewer, layer)
    picked: list[Any] = []
    clicked: list[Any] = []
    drawn: list[Any] = []
    pointer.picked.connect(picked.append)
    pointer.clicked.connect(lambda voxel, shift: clicked.append((voxel, shift)))
    pointer.drawn.connect(drawn.append)
    hands.click(layer, near(canvas, 1, 2))
    np.testing.assert_allclose(picked, [near(canvas, 1, 2)], atol=0.5)
    three.planes.go_to([m * s for m, s in zip(MIDDLE, SCALE, strict=True)])
    pointer.take("path")
    hands.click(layer, near(canvas, -1, 2), shift=True)
    np.testing.assert_allclose(clicked[0][0], near(canvas, -1, 2), atol=0.5)
    assert clicked[0][1]
    three.planes.go_to([m * s for m, s in zip(MIDDLE, SCALE, strict=True)])
    line = [near(canvas, 0, k) for k in range(-6, 7, 3)]
    shown: list[np.ndarray] = []
    hands.viewer.layers[-1].events.data.connect(lambda e: shown.extend(np.array(d) for d in e.source.data))
    hands.drag(layer, line)
    np.testing.assert_allclose(drawn[0], line, atol=0.5)
    assert pointer.shown_axes() == tuple(a for a in range(3) if a != canvas)
    assert in_hand(three.viewer) is hands.viewer
    np.testing.assert_allclose(shown[-1], line, atol=0.5)
    PlaneHands(three, 0, qtbot).click(layer, near(0, 1, 1))
    assert pointer.shown_axes() == (1, 2)
    pointer.detach()
    assert [len(v.layers) for v in three.planes.viewers] == [2] * 3


@BOTH
def test_a_box_is_drawn_in_its_plane(three: Any, canvas: int, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, canvas, qtbot)
    pointer = Pointer(three.viewer, layer)
    drawings: list[np.ndarray] = []
    pointer.take("rectangle")
    hands.viewer.layers[-1].events.data.connect(lambda e: drawings.extend(np.array(d) for d in e.source.data))
    hands.drag(layer, [near(canvas, -2, -4), near(canvas, 0, 0), near(canvas, 2, 4)])
    box = drawings[-1]
    assert np.ptp(box[:, canvas]) == 0
    np.testing.assert_allclose(box.min(0), near(canvas, -2, -4), atol=0.5)
    np.testing.assert_allclose(box.max(0), near(canvas, 2, 4), atol=0.5)
    pointer.detach()


@BOTH
def test_who_listens_to_the_mouse_of_the_viewer_hears_each_canvas(three: Any, canvas: int, qtbot: Any) -> None:
    layer, hands, viewer = result_of(three), PlaneHands(three, canvas, qtbot), three.viewer
    heard: list[tuple[str, Any, Any]] = []

    def press(found: Any, event: Any) -> Any:
        heard.append(("press", found, event.position))
        yield
        while event.type == "mouse_move":
            yield
        heard.append(("release", found, event.position))

    layer.mouse_pan = False  # the picture would go with the mouse
    viewer.mouse_drag_callbacks.append(press)
    viewer.mouse_move_callbacks.append(lambda found, event: heard.append(("move", found, event.position)))
    viewer.mouse_double_click_callbacks.append(lambda found, event: heard.append(("double", found, event.position)))
    hands.drag(layer, [near(canvas, 0, 1), near(canvas, 1, 3), near(canvas, 2, 5)])
    assert {h[0] for h in heard} == {"press", "move", "release"}
    assert {id(h[1]) for h in heard} == {id(viewer)}
    at = {name: layer.world_to_data(position) for name, _, position in heard}
    np.testing.assert_allclose(at["press"], near(canvas, 0, 1), atol=0.5)
    np.testing.assert_allclose(at["release"], near(canvas, 2, 5), atol=0.5)
    hands.double_click(layer, near(canvas, 0, 1))
    assert "double" in {h[0] for h in heard}


def test_what_is_under_the_mouse_is_told_in_the_status_bar(three: Any, qtbot: Any) -> None:
    layer, hands = result_of(three), PlaneHands(three, 2, qtbot)
    layer.data[near(2, 2, 3)] = 77
    layer.refresh()
    hands.viewer.mouse_over_canvas = True
    hands.hover(layer, near(2, 2, 3))
    status = three.viewer.status
    assert "77" in str(status.get("value", "") if isinstance(status, dict) else status)


# --- what is seen -----------------------------------------------------------------------------------------------------


def test_what_is_seen_is_told_for_each_canvas_and_only_what_changed(three: Any, qtbot: Any) -> None:
    layer, looks = result_of(three), list[Any]()
    qtbot.wait(400)
    three.looked.connect(looks.append)
    three.planes.go_to((9, 4, 20))
    assert looks == []
    qtbot.waitUntil(lambda: len(looks) >= 3, timeout=5000)
    cut = {look.canvas: look.region(layer)[look.axis] for look in looks}
    assert cut == {0: slice(3, 4), 1: slice(4, 5), 2: slice(20, 21)}
    looks.clear()
    camera = camera_of(three.canvases[0].viewer)
    camera.zoom = camera.zoom * 4
    qtbot.waitUntil(lambda: len(looks) > 0, timeout=5000)
    qtbot.wait(300)
    assert {look.canvas for look in looks} == {1}
    region = looks[-1].region(layer)
    assert region[1] == slice(4, 5)
    assert region[0].stop - region[0].start < SHAPE[0]
    corners = three.planes.twins_of(layer).copies[0].corner_pixels
    assert all(
        abs(region[a].start - corners[0][a]) <= 1 and abs(region[a].stop - 1 - corners[1][a]) <= 1 for a in (0, 2)
    )


def test_the_cross_is_where_the_planes_are_and_no_layer(three: Any, qtbot: Any) -> None:
    three.planes.go_to((9, 4, 20))
    assert [len(v.layers) for v in three.planes.viewers] == [2] * 3
    for number, (down, across) in enumerate(((4, 20), (9, 20), (9, 4))):
        zoom = camera_of(three.planes.viewers[number]).zoom
        points = cross_points(three.planes.look(number), three.viewer.dims.range, zoom)
        assert set(points[:4, 1]) == {down}
        assert set(points[4:, 0]) == {across}
        assert points[1, 0] == pytest.approx(across - GAP / zoom)
        np.testing.assert_allclose(three._crosses[number].line.pos, points)
    three.viewer.dims.ndisplay = 3
    three.planes.go_to((6, 5, 20))
    assert [c.line.visible for c in three._crosses] == [False, True, True]
    three.hide()
    assert three._crosses == []


# --- the window -------------------------------------------------------------------------------------------------------


def test_shown_hidden_and_shown_again(three: Any, qtbot: Any) -> None:
    told: list[bool] = []
    three.toggled.connect(told.append)
    three.show()
    assert three.shown
    main, side = three.viewer.window._qt_viewer.canvas.native, three.canvases[0].canvas.native
    assert side.isVisible()
    three.hide()
    three.hide()
    qtbot.wait(50)
    assert not three.shown
    assert not side.isVisible()
    whole = main.width(), main.height()
    three.show()
    qtbot.wait(50)
    assert told == [False, True]
    assert side.isVisible()
    assert (main.width(), main.height()) < whole
    assert [len(c.viewer.layers) for c in three.canvases] == [2, 2]
    layer = result_of(three)
    layer.mode, layer.brush_size = "paint", 1
    PlaneHands(three, 1, qtbot).click(layer, (5, three.viewer.dims.current_step[1], 9))
    assert layer.data.sum() == 1


def test_the_theme_goes_to_all_canvases(three: Any) -> None:
    three.viewer.theme = "light"
    assert [v.theme for v in three.planes.viewers] == ["light"] * 3


def test_a_volume_that_goes_takes_the_planes_with_it(three: Any, qtbot: Any) -> None:
    three.viewer.layers.clear()
    qtbot.waitUntil(lambda: not three.shown, timeout=5000)
    assert three.missing == "Three planes need a volume: this image is flat."
    with pytest.raises(InputError, match="need a volume"):
        three.show()


def test_a_napari_that_cannot_says_why_and_one_plane_stays(
    make_napari_viewer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros(SHAPE, np.uint8))
    three = ThreePlanes(viewer)
    monkeypatch.setattr(planes_module, "HISTORY", ("_gone",))
    assert "cannot show three linked planes" in three.missing
    with pytest.raises(InputError, match="cannot show three linked planes"):
        three.show()
    assert not three.shown


@pytest.mark.parametrize("way", ["viewer", "window", "planes"])
def test_the_window_closes_with_three_planes_shown(way: str, qtbot: Any) -> None:
    viewer = napari.Viewer(show=False)
    window = viewer.window._qt_window
    window._save_current_window_settings = lambda: None  # nothing of a test is remembered
    viewer.add_labels(np.zeros(SHAPE, np.uint8), name="result")
    window.show()
    three = ThreePlanes(viewer)
    three.show()
    qtbot.wait(100)
    layer = result_of(three)
    {"viewer": viewer.close, "window": window.close, "planes": three.close}[way]()
    qtbot.wait(100)
    assert not three.shown
    layer.mode = "paint"
    layer.paint((1, 1, 1), 1)
    layer.undo()
    assert not layer.data.any()
    if way == "planes":
        three.show()  # after that there is no window to show them in
        assert not three.shown
        viewer.close()
    del three, window, viewer, layer

    def gone() -> bool:
        gc.collect()
        return not any(isinstance(v, PlaneCanvas) for v in QtViewer._instances)

    qtbot.waitUntil(gone, timeout=10_000)
    if way == "window":  # napari itself keeps the main canvas of a window that Qt closes, with and without three planes
        assert {type(v) for v in QtViewer._instances} <= {QtViewer}
        QtViewer._instances.clear()
