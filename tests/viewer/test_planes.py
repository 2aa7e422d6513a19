"""Three linked planes without a window: what the layers of the other canvases have in common with those of the viewer."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes, Surface, Tracks, Vectors

from napari_segplugin.core import InputError, Place
from napari_segplugin.viewer import planes as planes_module
from napari_segplugin.viewer.compass import compass_of
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.focus import aim_at, flight
from napari_segplugin.viewer.looks import canvas_size, plane_orders
from napari_segplugin.viewer.planes import LinkedPlanes, unsupported
from napari_segplugin.viewer.space import remembered, shown_at
from napari_segplugin.viewer.twins import Twins, copy_of, linked_names

SHAPE = (6, 10, 14)
SCALE = (3.0, 1.0, 0.5)


def volume() -> np.ndarray:
    return np.random.default_rng(0).random(SHAPE).astype(np.float32)


def opened(**more: Any) -> tuple[ViewerModel, Image, Labels]:
    viewer = ViewerModel()
    image = viewer.add_image(volume(), scale=SCALE, name="ct")
    labels = viewer.add_labels(np.zeros(SHAPE, np.uint16), scale=SCALE, name="result", **more)
    return viewer, image, labels


def linked(**more: Any) -> tuple[LinkedPlanes, Image, Labels]:
    viewer, image, labels = opened(**more)
    planes = LinkedPlanes(viewer)
    planes.link()
    return planes, image, labels


def copies(planes: LinkedPlanes, layer: Any) -> tuple[Any, Any]:
    twins = planes.twins_of(layer)
    assert twins is not None
    first, second = twins.copies
    return first, second


# --- planes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (2, 1, 0), (0, 1, 2, 3), (3, 0, 2, 1)])
def test_three_canvases_cut_three_axes(order: tuple[int, ...]) -> None:
    orders = (order, *plane_orders(order))
    assert {o[-3] for o in orders} == set(order[-3:])
    assert all(o[:-3] == order[:-3] and sorted(o) == sorted(order) for o in orders)
    assert all(o[-2] < o[-1] for o in orders[1:])


def test_each_canvas_shows_its_plane_and_voxels_keep_their_size() -> None:
    planes, image, labels = linked()
    assert [v.dims.order for v in planes.viewers] == [(0, 1, 2), (1, 0, 2), (2, 0, 1)]
    planes.go_to((9, 4, 2.5))
    shown = [np.asarray(layer._slice.image.raw) for layer in (image, *copies(planes, image))]
    for got, right in zip(shown, (image.data[3], image.data[:, 4], image.data[:, :, 5]), strict=True):
        np.testing.assert_array_equal(got, right)
    for layer in (image, labels):
        for copy in copies(planes, layer):
            assert copy.data is layer.data
            np.testing.assert_array_equal(copy.scale, SCALE)


def test_the_viewer_stays_where_it_is_when_planes_come_and_go() -> None:
    viewer, _, _ = opened()
    viewer.dims.current_step = (2, 7, 3)
    planes = LinkedPlanes(viewer)
    for _ in range(2):
        planes.link()
        assert [v.dims.current_step for v in planes.viewers] == [(2, 7, 3)] * 3
        planes.unlink()
        assert viewer.dims.current_step == (2, 7, 3)


def test_planes_meet_in_a_voxel_and_inside_the_volume() -> None:
    planes, _, _ = linked()
    planes.go_to((9.9, 4.4, 2.6))
    assert planes.viewer.dims.point == (9.0, 4.0, 2.5)
    planes.go_to((-50, 5, 1000))
    assert planes.viewer.dims.current_step == (0, 5, 13)
    assert all(v.dims.point == planes.viewer.dims.point for v in planes.viewers)


def test_a_slider_of_one_canvas_moves_all() -> None:
    planes, image, _ = linked()
    planes.others[0].dims.set_current_step(1, 7)
    planes.others[1].dims.set_current_step(2, 3)
    planes.viewer.dims.set_current_step(0, 1)
    assert [v.dims.current_step for v in planes.viewers] == [(1, 7, 3)] * 3
    np.testing.assert_array_equal(copies(planes, image)[0]._slice.image.raw, image.data[:, 7])


def test_axes_that_are_rolled_are_rolled_everywhere_and_time_goes_along() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.random.default_rng(1).random((2, *SHAPE)))
    planes = LinkedPlanes(viewer)
    planes.link()
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step((1, 3), (2, 7))
    np.testing.assert_array_equal(copies(planes, image)[1]._slice.image.raw, image.data[1, :, :, 7])
    viewer.dims.order = (0, 2, 1, 3)
    assert [v.dims.order for v in planes.viewers] == [(0, 2, 1, 3), (0, 1, 2, 3), (0, 3, 1, 2)]
    np.testing.assert_array_equal(copies(planes, image)[0]._slice.image.raw, image.data[1, 2])


def test_an_image_of_two_axes_is_no_volume() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 5)))
    with pytest.raises(InputError, match="need a volume"):
        LinkedPlanes(viewer).link()


def test_a_point_that_leaves_a_canvas_is_panned_into_it() -> None:
    planes, _, _ = linked()
    other = planes.others[0]
    camera = planes_module.camera_of(other)
    camera.zoom, camera.center = 200, (0, 0, 0)
    before = camera.center
    planes.go_to((0, 5, 0))
    assert camera.center == before
    planes.go_to((15, 5, 6.5))
    assert camera.center[-2:] == (15, 6.5)


def test_who_looks_at_an_object_sees_it_in_all_planes() -> None:
    planes, _, labels = linked()
    list(flight(planes.viewer, aim_at(planes.viewer, labels, np.array([[1, 6, 2], [4, 9, 5]])), 2))
    assert [v.dims.current_step for v in planes.viewers] == [(2, 7, 3)] * 3


# --- what is seen -----------------------------------------------------------------------------------------------------


def test_what_is_seen_is_one_plane_of_voxels() -> None:
    planes, image, labels = linked()
    planes.go_to((9, 4, 2.5))
    full = [slice(0, n) for n in SHAPE]
    for canvas, (axis, index) in enumerate(((0, 3), (1, 4), (2, 5))):
        look = planes.look(canvas)
        wanted = tuple(slice(index, index + 1) if a == axis else s for a, s in enumerate(full))
        assert look.axis == axis
        assert look.region(image) == look.region(labels) == wanted


def test_what_is_seen_of_a_canvas_that_is_zoomed() -> None:
    planes, image, _ = linked()
    planes.go_to((9, 4, 2.5))
    other = planes.others[0]
    height, width = canvas_size(other)
    camera = planes_module.camera_of(other)
    camera.zoom = 100  # pixels for a unit
    camera.center = (0, 9, 2.5)
    rows, columns = height / 100, width / 100
    first = [round((9 - rows / 2) / 3), 4, round((2.5 - columns / 2) / 0.5)]
    region = planes.look(1).region(image)
    assert region[1] == slice(4, 5)
    assert [region[0].start, region[2].start] == [max(0, first[0]), max(0, first[2])]
    assert region[0].stop - region[0].start < SHAPE[0]


def test_what_is_seen_of_a_volume_that_is_turned_and_shifted() -> None:
    viewer = ViewerModel()
    affine = np.array([[-2.0, 0, 0, 10], [0, 0, 1, 0], [0, -1, 0, 5], [0, 0, 0, 1]])
    image = viewer.add_image(volume(), affine=affine)
    planes = LinkedPlanes(viewer)
    planes.link()
    planes.go_to(tuple(image.data_to_world((2, 3, 4))))
    cut = [
        {a for a, s in enumerate(planes.look(c).region(image)) if s == slice((2, 3, 4)[a], (2, 3, 4)[a] + 1)}
        for c in range(3)
    ]
    assert cut == [{0}, {2}, {1}]


# --- painting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("canvas", [0, 1])
def test_what_is_painted_on_a_copy_is_in_the_layer_and_told_by_it(canvas: int) -> None:
    planes, _, labels = linked()
    editor = Editor(labels)
    steps: list[Any] = []
    editor.stepped.connect(lambda step, back: steps.append((step.voxels, back)))
    copy = copies(planes, labels)[canvas]
    labels.selected_label, labels.brush_size = 4, 3
    with copy.block_history():
        copy.paint((3, 5, 6), 4)
    # what napari itself paints in a viewer with these axes and nothing else
    alone = ViewerModel()
    alone.add_labels(np.zeros(SHAPE, np.uint16), scale=SCALE)
    alone.dims.order = planes.others[canvas].dims.order
    alone.layers[0].brush_size = 3
    alone.layers[0].paint((3, 5, 6), 4)
    np.testing.assert_array_equal(labels.data, alone.layers[0].data)
    axis = planes.look(canvas + 1).axis
    assert set(np.nonzero(labels.data)[axis]) == {(3, 5, 6)[axis]}
    voxels = int((labels.data == 4).sum())
    assert steps == [(voxels, False)]
    assert 4 in editor.boxes
    labels.undo()
    assert not labels.data.any()
    assert steps[-1] == (voxels, True)
    copies(planes, labels)[1 - canvas].redo()
    assert (labels.data == 4).sum() == voxels
    assert len(editor.history.past) == 1


def test_steps_of_all_canvases_are_taken_back_in_their_order() -> None:
    planes, _, labels = linked()
    first, second = copies(planes, labels)
    for number, layer in enumerate((first, labels, second, first), 1):
        layer.brush_size = 1
        layer.paint((1, number, 2), number)
    assert sorted(np.unique(labels.data)) == [0, 1, 2, 3, 4]
    for left, layer in zip((3, 2, 1), (second, first, labels), strict=True):
        layer.undo()
        assert labels.data.max() == left
    second.paint((4, 4, 4), 9)
    first.redo()  # what was taken back is gone with a new step, wherever it was done
    assert sorted(np.unique(labels.data)) == [0, 1, 9]


def test_every_canvas_is_drawn_anew_when_one_is_painted_or_data_are_replaced() -> None:
    planes, _, labels = linked()
    planes.go_to((9, 4, 2.5))
    members = (labels, *copies(planes, labels))

    def drawn() -> list[int]:
        return [int(np.asarray(m._slice.image.raw).max()) for m in members]

    drawings: list[Any] = []
    for member in members:
        member.events.set_data.connect(lambda e: drawings.append(e.source))
    members[1].brush_size = 1
    members[1].paint((3, 4, 5), 2)  # where all three planes meet
    assert {id(d) for d in drawings} >= {id(labels), id(members[2])}
    assert drawn() == [2, 2, 2]
    labels.undo()
    assert drawn() == [0, 0, 0]
    labels.data = np.full(SHAPE, 7, np.uint16)
    assert drawn() == [7, 7, 7]
    assert all(m.data is labels.data for m in members)
    labels.data[:] = 8
    drawings.clear()
    labels.refresh()
    assert {id(d) for d in drawings} == {id(m) for m in members}


def test_a_move_draws_each_copy_once() -> None:
    planes, image, labels = linked()
    drawings: list[Any] = []
    for layer in (image, labels):
        for member in (layer, *copies(planes, layer)):
            member.events.set_data.connect(lambda e: drawings.append(e.source))
    planes.go_to((3, 2, 1))
    assert len(drawings) == 6
    drawings.clear()
    planes.go_to((3, 6, 1))
    labels.refresh()  # right after a move it is a change again
    assert sum(d.name == "result" for d in drawings) == 3 + 3


def test_wider_numbers_are_taken_over_and_the_steps_stay() -> None:
    planes, _, labels = linked()
    editor = Editor(labels)
    copy = copies(planes, labels)[0]
    with copy.block_history():
        copy.paint((2, 2, 2), 65_500)
    editor.make_room()
    assert labels.data.dtype == np.int32
    assert copy.data is labels.data
    copy.undo()
    assert not labels.data.any()


def test_a_locked_layer_is_locked_on_all_canvases_and_has_one_undo_list_after() -> None:
    planes, _, labels = linked()
    copy = copies(planes, labels)[0]
    labels.editable = False
    assert not copy.editable
    labels.editable = True
    copy.paint((1, 1, 1), 3)
    labels.undo()
    assert not labels.data.any()


# --- attributes and layers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "paint"),
        ("brush_size", 7),
        ("selected_label", 5),
        ("preserve_labels", True),
        ("n_edit_dimensions", 3),
        ("contiguous", False),
        ("contour", 1),
        ("show_selected_label", True),
        ("opacity", 0.25),
        ("visible", False),
        ("blending", "additive"),
    ],
)
def test_labels_look_and_work_alike(name: str, value: Any) -> None:
    planes, _, labels = linked()
    usual = getattr(labels, name)
    members = (labels, *copies(planes, labels))
    setattr(labels, name, value)
    assert [getattr(m, name) for m in members] == [value] * 3
    setattr(members[2], name, usual)
    assert [getattr(m, name) for m in members] == [usual] * 3


def test_images_look_alike() -> None:
    planes, image, _ = linked()
    first, second = copies(planes, image)
    image.contrast_limits = (0.2, 0.6)
    first.gamma = 0.5
    second.colormap = "magma"
    image.interpolation2d = "linear"
    for member in (image, first, second):
        assert list(member.contrast_limits) == [0.2, 0.6]
        assert member.gamma == 0.5
        assert member.colormap.name == "magma"
        assert member.interpolation2d == "linear"


def test_layers_come_go_and_change_places_and_names_on_all_canvases() -> None:
    planes, _, labels = linked()
    viewer = planes.viewer

    def names() -> list[list[str]]:
        return [[a.name for a in v.layers] for v in planes.viewers]

    viewer.layers.insert(1, Image(volume(), name="pet", scale=SCALE))
    assert names() == [["ct", "pet", "result"]] * 3
    viewer.layers.move(2, 0)
    assert names() == [["result", "ct", "pet"]] * 3
    labels.name = "organs"
    viewer.layers.remove("ct")
    assert names() == [["organs", "pet"]] * 3
    viewer.layers.selection.active = viewer.layers["pet"]
    assert [v.layers.selection.active.name for v in planes.viewers] == ["pet"] * 3
    planes.others[1].layers.selection.active = planes.others[1].layers["organs"]
    assert [v.layers.selection.active.name for v in planes.viewers] == ["organs"] * 3
    viewer.layers.selection.clear()
    assert [v.layers.selection.active for v in planes.viewers] == [None] * 3
    viewer.layers.clear()
    assert names() == [[]] * 3


def test_a_layer_that_cannot_be_copied_is_said_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(planes_module, "show_info", said.append)

    class Strange(Image):
        def as_layer_data_tuple(self) -> Any:
            return self.data, {}, "strange"

    viewer, _, _ = opened()
    viewer.add_layer(Strange(volume(), name="odd", scale=SCALE))
    planes = LinkedPlanes(viewer)
    planes.link()
    assert len(said) == 1
    assert said[0].startswith("'odd' is not shown on the other planes")
    assert [len(v.layers) for v in planes.viewers] == [3, 2, 2]
    viewer.layers.move(2, 0)
    viewer.layers.selection.active = viewer.layers["odd"]
    assert planes.keys_of(1)
    viewer.layers.remove("odd")
    assert [[a.name for a in v.layers] for v in planes.viewers] == [["ct", "result"]] * 3


def test_points_and_shapes_that_are_put_on_one_canvas_are_on_all() -> None:
    planes, _, _ = linked()
    points = Points(np.empty((0, 3)), scale=SCALE, size=2, name="marks")
    planes.viewer.add_layer(points)
    first, second = copies(planes, points)
    first.current_face_color = "red"
    first.add((1, 2, 3))
    points.add((4, 5, 6))
    for member in (points, first, second):
        np.testing.assert_array_equal(member.data, [[1, 2, 3], [4, 5, 6]])
        np.testing.assert_array_equal(member.face_color[0], [1, 0, 0, 1])
    second.selected_data = {0}
    second.remove_selected()
    np.testing.assert_array_equal(points.data, [[4, 5, 6]])

    shapes = Shapes(ndim=3, scale=SCALE, name="regions")
    planes.viewer.add_layer(shapes)
    first, second = copies(planes, shapes)
    corners = np.array([[1, 2, 3], [1, 2, 9], [4, 2, 9], [4, 2, 3]], float)
    first.add(corners, shape_type="polygon", edge_color="lime", edge_width=2)
    for member in (shapes, first, second):
        assert member.shape_type == ["polygon"]
        np.testing.assert_array_equal(member.data[0], corners)
        np.testing.assert_array_equal(member.edge_color[0], [0, 1, 0, 1])
    shapes.add([corners[0], corners[2]], shape_type="line")
    assert second.shape_type == ["polygon", "line"]
    shapes.data = []
    assert first.nshapes == second.nshapes == 0


def test_nothing_is_linked_any_more_after_unlinking() -> None:
    planes, _, labels = linked()
    first, _ = copies(planes, labels)
    planes.unlink()
    assert [len(v.layers) for v in planes.others] == [0, 0]
    labels.mode = "paint"
    labels.data = np.ones(SHAPE, np.uint16)
    assert first.mode == "pan_zoom"
    assert not first.data.any()
    planes.viewer.dims.set_current_step(0, 1)
    planes.viewer.add_image(volume())
    assert [len(v.layers) for v in planes.others] == [0, 0]
    assert all(len(v.mouse_drag_callbacks) == len(ViewerModel().mouse_drag_callbacks) for v in planes.viewers)
    planes.link()
    planes.link()
    assert [len(v.layers) for v in planes.others] == [3, 3]


def test_planes_that_are_let_go_of_leave_nothing_behind() -> None:
    planes, _, labels = linked()
    known = [weakref.ref(planes), *map(weakref.ref, copies(planes, labels))]
    planes.unlink()
    del planes
    gc.collect()
    assert [k() for k in known] == [None] * 3
    labels.paint((1, 1, 1), 2)
    labels.undo()
    assert not labels.data.any()


@pytest.mark.parametrize(
    "layer",
    [
        Image(volume(), rgb=False),
        Image(np.zeros((4, 5, 6, 3), np.uint8), rgb=True),
        Image([volume(), volume()[::2, ::2, ::2]], multiscale=True),
        Labels([np.zeros(SHAPE, int), np.zeros((3, 5, 7), int)], multiscale=True),
        Points(np.eye(3)),
        Shapes(np.array([[[0, 1, 2], [0, 4, 5]]]), shape_type="line"),
        Vectors(np.ones((2, 2, 3))),
        Tracks(np.array([[1, 0, 0, 0, 0], [1, 1, 2, 2, 2]])),
        Surface((np.eye(3), np.array([[0, 1, 2]]))),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_of_all_kinds_have_copies(layer: Any) -> None:
    viewer = ViewerModel()
    viewer.add_image(volume())
    viewer.add_layer(layer)
    planes = LinkedPlanes(viewer)
    planes.link()
    layer.opacity = 0.4
    layer.translate = (1,) * layer.ndim
    for copy in copies(planes, layer):
        assert type(copy) is type(layer)
        assert copy.opacity == 0.4
        np.testing.assert_array_equal(copy.translate, layer.translate)
    viewer.dims.set_current_step(viewer.dims.ndim - 1, 2)
    viewer.layers.remove(layer)
    assert [len(v.layers) for v in planes.viewers] == [1] * 3


def test_what_a_copy_has_for_itself() -> None:
    labels = Labels(np.zeros(SHAPE, bool), features={"index": [0, 1], "class": ["background", "cell"]})
    copy = copy_of(labels)
    assert copy.data is labels.data
    assert copy.features.empty
    assert not {"data", "features", "cursor_size", "thumbnail"} & set(linked_names(labels))
    twins = Twins(labels, 1, lambda canvas: 0)
    twins.let_go()
    labels.opacity = 0.1
    assert twins.copies[0].opacity != 0.1


# --- patients ---------------------------------------------------------------------------------------------------------


def test_letters_and_heads_are_on_all_planes_and_follow_the_view() -> None:
    place = Place.from_ras(np.array([[0, 0, -1.0, 0], [0, -1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]]))
    viewer = ViewerModel()
    scene = np.eye(4)
    metadata = {"segplugin": remembered(place, scene)}
    viewer.add_image(volume(), axis_labels=("z", "y", "x"), metadata=metadata, **shown_at(place, "ZYX", scene))
    planes = LinkedPlanes(viewer)
    planes.link()
    compasses = [compass_of(v) for v in planes.viewers]
    if hasattr(viewer, "canvas"):
        assert [c.letters for c in compasses] == [("R", "L", "A", "P"), ("R", "L", "S", "I"), ("A", "P", "S", "I")]
    else:  # before 0.9 napari has one text for all
        assert ["R ← → L" in v.text_overlay.text for v in planes.viewers] == [True, True, False]
    ups = [str(planes_module.camera_of(v).orientation2d[0]) for v in planes.viewers]
    assert ups == ["down", "up", "up"]
    compass_of(viewer).see(viewer.layers[0], "file")
    assert [c.view for c in compasses] == ["file"] * 3
    ups = [str(planes_module.camera_of(v).orientation2d[0]) for v in planes.viewers]
    assert ups == ["down"] * 3


# --- napari -----------------------------------------------------------------------------------------------------------


def test_this_napari_can() -> None:
    assert unsupported() == ""


def test_a_napari_without_an_undo_list_to_share_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes_module, "HISTORY", ("_gone",))
    sentence = unsupported()
    assert sentence.startswith("napari ")
    assert "_gone" in sentence
    assert "One plane works." in sentence
