"""The camera moves as little as is needed to show an object, and never past the edge of the image."""

from itertools import count

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_segplugin.viewer.focus import aim_at, camera_of, canvas_size, flight


def viewed(shape: tuple[int, ...], zoom: float | None = None, **where: object) -> tuple[ViewerModel, object]:
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros(shape, np.uint16), **where)
    if zoom is not None:
        camera_of(viewer).zoom = zoom
    return viewer, layer


def seen(viewer: ViewerModel, aim: object) -> np.ndarray:
    """The part of the world that is on the canvas: its first and last corner."""
    half = canvas_size(viewer) / aim.zoom / 2
    return np.array([np.array(aim.center[1:]) - half, np.array(aim.center[1:]) + half])


def sure_box(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    low = np.array([rng.integers(0, n - 2) for n in shape])
    return np.array([low, [rng.integers(a + 1, min(n, a + 300)) for a, n in zip(low, shape, strict=True)]])


@pytest.mark.parametrize("seed", range(20))
def test_the_view_shows_the_object_and_stays_in_the_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(200, 3000)), int(rng.integers(200, 3000)))
    scale = (float(rng.uniform(0.2, 3)),) * 2
    viewer, layer = viewed(shape, scale=scale)
    camera_of(viewer).zoom *= float(rng.uniform(0.5, 30))
    box = sure_box(rng, shape)
    aim = aim_at(viewer, layer, box)
    part, edge = seen(viewer, aim), np.array([[-0.5, -0.5], np.array(shape) - 0.5]) * scale
    for axis in range(2):
        if edge[1, axis] - edge[0, axis] > part[1, axis] - part[0, axis]:
            assert part[0, axis] >= edge[0, axis] - 1e-6
            assert part[1, axis] <= edge[1, axis] + 1e-6
        else:
            assert part[:, axis].mean() == pytest.approx(edge[:, axis].mean())
    world = (np.array([box[0], box[1]]) - 0.5) * scale
    assert (world[0] >= part[0] - 1e-6).all()
    assert (world[1] <= part[1] + 1e-6).all()
    before = float((world[1] - world[0]).max() * camera_of(viewer).zoom)
    assert (aim.zoom == camera_of(viewer).zoom) == (30 <= before <= 400) or before > 400


@pytest.mark.parametrize(("side", "zoom"), [(29, "more"), (30, "same"), (400, "same"), (401, "less")])
def test_the_zoom_changes_only_for_specks_and_giants(side: int, zoom: str) -> None:
    viewer, layer = viewed((4000, 4000), 1.0)
    aim = aim_at(viewer, layer, np.array([[1000, 1000], [1000 + side, 1010]]))
    assert {"more": 30 <= side * aim.zoom <= 120, "same": aim.zoom == 1, "less": 250 <= side * aim.zoom <= 400}[zoom]


def test_an_object_as_large_as_the_image_does_not_make_it_smaller_than_the_canvas() -> None:
    viewer, layer = viewed((1000, 1000), 0.6)  # all of it is seen
    assert aim_at(viewer, layer, np.array([[0, 0], [1000, 1000]])).zoom == pytest.approx(0.6)
    camera_of(viewer).zoom = 5
    aim = aim_at(viewer, layer, np.array([[0, 0], [1000, 1000]]))
    assert aim.zoom == pytest.approx(0.6)
    assert aim.center[1:] == pytest.approx((499.5, 499.5))


def test_the_slice_is_the_one_in_which_the_object_is_largest() -> None:
    viewer, layer = viewed((12, 500, 500), 1.0)
    layer.data[2:11, 100:104, 100:104] = 7
    layer.data[8, 100:160, 90:140] = 7
    box = np.array([[2, 100, 90], [11, 160, 140]])
    assert aim_at(viewer, layer, box, number=7).point == (8, 129.5, 114.5)
    assert aim_at(viewer, layer, box).point == (6, 129.5, 114.5)
    viewer.dims.order = (1, 0, 2)  # rows are hidden: the fullest of them
    layer.data[2:11, 130, 90:140] = 7
    assert aim_at(viewer, layer, box, number=7).point == (6, 130, 114.5)


def test_the_largest_slice_of_a_time_point() -> None:
    viewer, layer = viewed((3, 6, 300, 300), 1.0)
    layer.data[1, 1:5, 10:12, 10:12] = 3
    layer.data[1, 4, 10:50, 10:50] = 3
    layer.data[2, 2, 10:90, 10:90] = 3
    aim = aim_at(viewer, layer, np.array([[1, 10, 10], [5, 50, 50]]), frame=1, number=3)
    assert aim.point == (1, 4, 29.5, 29.5)


def test_in_3d_the_camera_turns_around_the_middle_of_the_object() -> None:
    viewer, layer = viewed((20, 300, 300), scale=(3, 1, 1))
    viewer.dims.ndisplay = 3
    camera_of(viewer).zoom = 2
    aim = aim_at(viewer, layer, np.array([[4, 10, 10], [9, 60, 30]]), number=1)
    assert aim.center == pytest.approx((18, 34.5, 19.5))
    assert aim.zoom == 2


def test_a_flight_takes_its_time_and_no_more_on_a_slow_machine() -> None:
    viewer, layer = viewed((3000, 3000), 1.0)
    aim = aim_at(viewer, layer, np.array([[2000, 2000], [2050, 2050]]))
    ticks = count()
    assert len(list(flight(viewer, aim, 0.2, lambda: next(ticks) * 0.09))) == 3
    assert tuple(camera_of(viewer).center) == pytest.approx(aim.center)
    assert list(flight(viewer, aim, 0.2, lambda: next(ticks) * 0.09)) == []  # it is there
    camera_of(viewer).center = (0, 500, 500)
    assert len(list(flight(viewer, aim, 0.0))) == 1
    assert tuple(camera_of(viewer).center) == pytest.approx(aim.center)
