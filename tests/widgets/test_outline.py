"""The outline of a chosen object, as it is seen on a real canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hands import Hands
from qtpy.QtWidgets import QApplication
from skimage.measure import find_contours

from napari_segplugin.viewer.focus import camera_of
from napari_segplugin.viewer.outline import ObjectOutline
from napari_segplugin.viewer.pictures import edge_runs


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Any:
    found = make_napari_viewer(show=True)
    found.window._qt_window.resize(1200, 800)
    QApplication.processEvents()
    return found


def disk(shape: tuple[int, int], middle: tuple[float, float], radius: float) -> np.ndarray:
    rows, columns = np.indices(shape)
    return (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 <= radius**2


def picture(viewer: Any) -> np.ndarray:
    QApplication.processEvents()
    return viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)


def on_screen(viewer: Any, layer: Any, points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels of a picture at which points of a layer are."""
    hands = Hands(viewer, None)
    found = [hands._pixel(layer, p) for p in points]
    factor = shape[0] / hands.canvas.height()
    return np.array([[p.y(), p.x()] for p in found]) * factor


def share(image: np.ndarray, at: np.ndarray, white: bool) -> float:
    """The share of points with a white, or a dark, pixel no further than one away."""
    found = []
    for row, column in np.floor(at).astype(int):
        part = image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].reshape(-1, 3)
        found.append((part > 220).all(1).any() if white else (part < 60).all(1).any())
    return float(np.mean(found))


def edge_points(mask: np.ndarray) -> np.ndarray:
    """Points on the edge between the pixels of a mask, told by scikit-image: halfway between in and out."""
    return np.concatenate(find_contours(np.pad(mask, 1).astype(float), 0.5)) - 1


@pytest.mark.parametrize("where", [{}, {"scale": (3, 1.5)}, {"rotate": 30, "translate": (40, -20)}, {"shear": [0.4]}])
@pytest.mark.parametrize("background", [0.0, 1.0])
def test_it_is_seen_on_dark_and_bright_pictures_where_the_object_ends(
    viewer: Any, where: Any, background: float
) -> None:
    viewer.add_image(np.full((80, 90), background), contrast_limits=(0, 1), **where)
    labels = disk((80, 90), (30, 40), 14).astype(np.uint16) * 5
    layer = viewer.add_labels(labels, **where)
    count, before = len(viewer.layers), picture(viewer)
    at = on_screen(viewer, layer, edge_points(labels > 0), before.shape)
    outline = ObjectOutline(viewer)
    assert outline.show(layer, [5])
    after = picture(viewer)
    assert share(after, at, white=True) > 0.97
    changed = np.argwhere((np.abs(after - before) > 40).any(-1))
    away = np.sqrt(((changed[:, None] + 0.5 - at[None]) ** 2).sum(-1)).min(1)
    pixel = before.shape[0] / viewer.window._qt_viewer.canvas.native.height()
    assert (
        away.max() < 10 * pixel
    )  # 3 pixels of the screen, the corners of the bars, and what corners of pixels stand out
    assert (after[tuple(changed.T)] < 60).all(-1).mean() > 0.2
    assert len(viewer.layers) == count
    outline.clear()
    assert (picture(viewer) == before).all()


def test_it_is_as_thick_at_every_zoom(viewer: Any) -> None:
    labels = np.zeros((400, 400), np.uint16)
    labels[100:300, 100:300] = 1
    layer = viewer.add_labels(labels)
    outline = ObjectOutline(viewer)
    outline.show(layer, [1])
    white = {}
    for zoom in (1.0, 4.0):
        camera_of(viewer).center, camera_of(viewer).zoom = (0, 200, 100), zoom
        image = picture(viewer)
        white[zoom] = int((image[image.shape[0] // 2] > 220).all(-1).sum())
    assert 3 <= white[1.0] <= 5  # two lines of two pixels
    assert 1 <= white[4.0] <= 3  # one


def test_it_follows_edits_slices_undo_and_the_layer(viewer: Any) -> None:
    labels = np.zeros((5, 60, 60), np.uint16)
    labels[2, 20:30, 20:30] = 1
    labels[3, 20:30, 20:30] = 2
    layer = viewer.add_labels(labels)
    viewer.dims.set_current_step(0, 2)
    outline = ObjectOutline(viewer)
    outline.show(layer, [1])
    assert box_of(outline) == [19.5, 19.5, 29.5, 29.5]
    layer.selected_label, layer.brush_size = 1, 3
    layer.paint((2, 40, 45), 1)
    assert box_of(outline) == [19.5, 19.5, 41.5, 46.5]
    layer.undo()
    assert box_of(outline) == [19.5, 19.5, 29.5, 29.5]
    viewer.dims.set_current_step(0, 3)
    assert not outline._mesh.visible
    outline.show(layer, [1, 2])
    assert outline._mesh.visible
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 25)
    assert box_of(outline) == [1.5, 19.5, 3.5, 29.5]
    layer.scale = (3, 1, 1)
    assert box_of(outline) == [4.5, 19.5, 10.5, 29.5]
    layer.visible = False
    assert not outline._mesh.visible
    layer.visible = True
    assert outline._mesh.visible
    viewer.layers.remove(layer)
    assert outline._mesh is None
    assert outline.labels == ()


def box_of(outline: ObjectOutline) -> list[float]:
    lines = outline._lines.reshape(-1, 2)
    return [*lines.min(0).tolist(), *lines.max(0).tolist()]


def test_a_time_point_and_axes_of_the_viewer_that_the_layer_does_not_have(viewer: Any) -> None:
    viewer.add_image(np.zeros((3, 2, 40, 40)))
    labels = np.zeros((2, 40, 40), np.uint8)
    labels[1, 5:9, 6:12] = 4
    layer = viewer.add_labels(labels)
    viewer.dims.set_current_step(1, 1)
    outline = ObjectOutline(viewer)
    assert outline.show(layer, [4])
    assert box_of(outline) == [4.5, 5.5, 8.5, 11.5]
    viewer.dims.order = (1, 2, 0, 3)  # a row of labels and one that they do not have
    assert not outline._mesh.visible


def test_in_3d_it_is_the_box_around_the_objects(viewer: Any) -> None:
    labels = np.zeros((20, 30, 40), np.uint16)
    labels[4:9, 10:20, 8:30] = 7
    layer = viewer.add_labels(labels, scale=(2, 1, 1))
    viewer.dims.set_current_step(0, 5)
    outline = ObjectOutline(viewer)
    outline.show(layer, [7])
    viewer.dims.ndisplay = 3
    assert not outline._mesh.visible
    assert all(line.visible for line in outline._frames)
    points = np.asarray(outline._frames[0].pos)
    assert points.min(0).tolist() == [7.5, 9.5, 7]  # x, y, z of the scene
    assert points.max(0).tolist() == [29.5, 19.5, 17]
    with_box = picture(viewer)
    assert (with_box > 250).all(-1).sum() > 100
    labels[15, 5, 5] = 7
    layer.refresh()
    assert np.asarray(outline._frames[0].pos).max(0).tolist() == [29.5, 19.5, 31]
    viewer.dims.ndisplay = 2
    assert not any(line.visible for line in outline._frames)


def test_units_of_the_layer_that_are_not_those_of_the_viewer(viewer: Any) -> None:
    viewer.add_image(np.zeros((50, 50)), units=("um", "um"))
    layer = viewer.add_labels(np.pad(np.ones((10, 10), np.uint8), 20), scale=(1000, 1000), units=("nm", "nm"))
    outline = ObjectOutline(viewer)
    picture(viewer)
    drawn = viewer.window._qt_viewer.canvas.layer_to_visual[layer].node.transform.map([20, 20])[:2]
    outline.show(layer, [1])
    assert outline._lines.reshape(-1, 2).min(0) == pytest.approx(drawn)


def test_a_large_plane_is_quick(viewer: Any) -> None:
    from time import perf_counter

    labels = np.zeros((4096, 4096), np.uint16)
    labels[1000:1100, 2000:2100] = 3
    layer = viewer.add_labels(labels)
    outline = ObjectOutline(viewer)
    outline.show(layer, [3])
    took = []
    for i in range(5):
        begin = perf_counter()
        layer.events.labels_update(data=labels[1090 + i : 1110 + i, 2090:2110], offset=[1090 + i, 2090])
        took.append(perf_counter() - begin)
    assert min(took) < 0.02
    begin = perf_counter()
    outline.refresh()
    assert perf_counter() - begin < 0.5


def test_lines_are_told_as_pixels_end() -> None:
    rng = np.random.default_rng(0)
    plane = rng.integers(0, 3, (12, 15))
    wide = np.pad(plane, 1)
    wanted = {(r - 0.5, c) for r in range(13) for c in range(15) if wide[r, c + 1] != wide[r + 1, c + 1]}
    standing = {(r, c - 0.5) for r in range(12) for c in range(16) if wide[r + 1, c] != wide[r + 1, c + 1]}
    lying: set[tuple[float, float]] = set()
    upright: set[tuple[float, float]] = set()
    for (r0, c0), (r1, c1) in edge_runs(plane).tolist():
        if r0 == r1:
            lying |= {(r0, c0 + 0.5 + i) for i in range(int(c1 - c0))}
        else:
            assert c0 == c1
            upright |= {(r0 + 0.5 + i, c0) for i in range(int(r1 - r0))}
    assert (lying, upright) == (wanted, standing)
