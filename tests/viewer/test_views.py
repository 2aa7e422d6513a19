"""One result layer, shown in three ways; neighbors never look alike."""

from __future__ import annotations

from itertools import product

import dask.array
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.utils.colormaps import label_colormap
from scipy import ndimage
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.segmentation import watershed

from napari_segplugin.core import ClassInfo, ClassTable, InputError, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.viewer import views
from napari_segplugin.viewer.layers import segmentation_to_layer
from napari_segplugin.viewer.views import VIEWS, ResultView, classes_of_labels, found_of_classes, semantic_map

CLASSES = ClassTable(
    (
        ClassInfo(0, "background", "#00000000", Kind.STUFF),
        ClassInfo(1, "cell", "#e69f00"),
        ClassInfo(2, "vessel", "#56b4e9"),
        ClassInfo(3, "tissue", "#009e73", Kind.STUFF),
    )
)
ORANGE, BLUE, GREEN = (0.9, 0.62, 0.0), (0.34, 0.71, 0.91), (0.0, 0.62, 0.45)


def cells(shape: tuple[int, ...], count: int, seed: int = 0) -> np.ndarray:
    """Cells without gaps in a picture with some background."""
    rng = np.random.default_rng(seed)
    seeds = np.zeros(shape, np.int32)
    seeds[tuple(rng.integers(0, n, count) for n in shape)] = rng.permutation(count) + 1
    found = watershed(ndimage.gaussian_filter(rng.random(shape), 1), seeds)
    return np.where(ndimage.gaussian_filter(rng.random(shape), 3) > 0.45, found, 0)


def shown(
    labels: np.ndarray, class_of: np.ndarray | None = None, task: Task = Task.PANOPTIC, **how: object
) -> ResultView:
    axes = "ZYX"[3 - labels.ndim :]
    numbers = np.unique(labels[labels > 0])
    of = np.ones(len(numbers), int) if class_of is None else class_of[numbers]
    table = ObjectTable(numbers, of, np.ones(len(numbers), np.float32), ("predicted",) * len(numbers))
    found = Segmentation(task, labels, table, CLASSES, axes, (1.0,) * labels.ndim, "pixel", "x", {})
    viewer = ViewerModel()
    image = viewer.add_layer(ImageLayer(np.zeros(labels.shape), scale=(0.5,) * labels.ndim))
    layer = viewer.add_layer(segmentation_to_layer(found, image, axes))
    return ResultView(viewer, layer, CLASSES, task, axes, **how)


def least(view: ResultView) -> float:
    """The least difference of colors of two labels that touch, pixel against pixel."""
    labels, apart = np.asarray(view.layer.data), [100.0]
    colors = view.layer.colormap.map(np.arange(labels.max() + 1))[:, :3]
    lab = rgb2lab(colors.astype(float))
    for step in product((-1, 0, 1), repeat=labels.ndim):
        one = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, labels.shape, strict=True))
        other = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, labels.shape, strict=True))
        a, b = labels[one], labels[other]
        pairs = np.unique(np.stack([a, b], -1)[(a != b) & (a > 0) & (b > 0)], axis=0)
        if len(pairs):
            apart.append(float(deltaE_ciede2000(lab[pairs[:, 0]], lab[pairs[:, 1]]).min()))
    return min(apart)


def color(view: ResultView, label: int) -> tuple[float, ...]:
    return tuple(np.asarray(view.layer.get_color(label), float).round(2)[:3])


@pytest.mark.parametrize("shape", [(200, 200), (24, 50, 50)])
@pytest.mark.parametrize(("kind", "limit"), [("instance", 20), ("panoptic", 16)])
def test_objects_that_touch_never_look_alike_before_and_after_edits(
    shape: tuple[int, ...], kind: str, limit: float
) -> None:
    labels = cells(shape, 250).astype(np.uint16)
    class_of = np.random.default_rng(1).integers(1, 3, labels.max() + 1)
    view = shown(labels, class_of)
    view.show(kind)
    assert least(view) >= limit
    layer, rng = view.layer, np.random.default_rng(2)
    before = [color(view, n) for n in range(1, 251)]
    for _ in range(30):  # objects grow over others, new ones are painted
        at = [int(rng.integers(0, n)) for n in shape]
        box = tuple(np.arange(max(0, a - 6), min(n, a + 6)) for a, n in zip(at, shape, strict=True))
        where = tuple(i.ravel() for i in np.meshgrid(*box, indexing="ij"))
        layer.data_setitem(where, int(rng.integers(1, 270)))
    assert least(view) >= limit
    assert np.mean([a == b for a, b in zip(before, [color(view, n) for n in range(1, 251)], strict=True)]) > 0.7
    for _ in range(30):
        layer.undo()
    assert least(view) >= limit


def test_most_objects_keep_the_color_that_napari_gives_them() -> None:
    view = shown(cells((200, 200), 250).astype(np.uint16))
    mine = np.array([color(view, n) for n in range(1, 251)])
    theirs = label_colormap(49, 0.5)
    same = [(np.abs(mine[n - 1] - theirs.map(n)[:3]) < 0.02).all() for n in range(1, 251)]
    assert np.mean(same) > 0.6
    single = shown(np.pad([[7]], ((0, 9), (0, 29))).astype(np.uint16))
    assert color(single, 7) == tuple(np.asarray(theirs.map(7), float).round(2)[:3])


def test_the_array_is_never_touched_and_no_layer_is_added() -> None:
    view = shown(cells((60, 60), 30).astype(np.uint16))
    data, count = view.layer.data, len(view.viewer.layers)
    for kind in (*VIEWS, "instance"):
        view.show(kind)
        assert view.kind == kind
        assert view.layer.data is data
        assert len(view.viewer.layers) == count


def test_classes_are_in_their_very_color_and_both_in_its_shades() -> None:
    labels = np.zeros((20, 20), np.uint16)
    labels[2:6, 2:6], labels[8:12, 2:6], labels[2:6, 12:16], labels[15:] = 1, 2, 3, 4
    view = shown(labels, np.array([0, 1, 1, 2, 3]))
    view.show("semantic")
    assert [color(view, n) for n in (1, 2, 3, 4)] == [ORANGE, ORANGE, BLUE, GREEN]
    view.show("panoptic")
    assert color(view, 1) != color(view, 2)
    assert color(view, 4) == GREEN  # areas have one shade


def test_another_class_in_the_table_is_another_color() -> None:
    labels = np.zeros((20, 20), np.uint16)
    labels[2:6, 2:6], labels[2:6, 12:16] = 1, 2
    view = shown(labels, np.array([0, 1, 2]))
    view.show("semantic")
    features = view.layer.features.copy()
    features.loc[features["label"] == 1, "class"] = "vessel"
    view.layer.features = features
    assert color(view, 1) == BLUE


@pytest.mark.parametrize("number", [77, 1000])
def test_a_new_object_has_the_color_of_the_first_thing(number: int) -> None:
    labels = np.zeros((20, 20), np.uint16)
    labels[2:6, 2:6] = 3
    view = shown(labels, np.array([0, 1, 2, 3]))
    view.show("semantic")
    view.layer.data_setitem((np.array([19]), np.array([0])), number)
    assert color(view, number) == ORANGE
    assert color(view, 3) == GREEN


def test_two_objects_without_a_class_side_by_side_are_not_both_gray() -> None:
    labels = cells((16, 40, 40), 60).astype(np.uint16)
    view = shown(labels)
    view.layer.features = view.layer.features.iloc[:3]  # the table does not know the others
    view.show("panoptic")
    assert least(view) >= 12


def test_colors_that_somebody_chose_stay_until_a_view_is_asked_for() -> None:
    view = shown(cells((60, 60), 30).astype(np.uint16))
    view.layer.new_colormap(3)
    theirs = view.layer.colormap
    view.layer.data_setitem((np.array([1, 1]), np.array([1, 2])), 5)
    assert view.layer.colormap is theirs
    view.show("instance")
    assert view.layer.colormap is not theirs
    assert least(view) >= 20


def test_other_data_is_looked_at_anew() -> None:
    view = shown(cells((80, 80), 40).astype(np.uint16))
    view.layer.data = cells((90, 70), 300, seed=4).astype(np.uint16)
    assert least(view) >= 20


def test_numbers_above_those_of_the_table_and_int32() -> None:
    labels = cells((80, 80), 60)
    view = shown(np.where(labels, labels * 20_011, 0))  # up to 1.2 million
    pairs = np.unique(labels)
    assert len(pairs) > 20
    colors = {n: color(view, int(n) * 20_011) for n in pairs if n}
    assert least_of(labels, colors) >= 20


def least_of(labels: np.ndarray, colors: dict[int, tuple[float, ...]]) -> float:
    found = [100.0]
    for axis in range(labels.ndim):
        a, b = np.take(labels, range(labels.shape[axis] - 1), axis), np.take(labels, range(1, labels.shape[axis]), axis)
        for x, y in np.unique(np.stack([a, b], -1)[(a != b) & (a > 0) & (b > 0)], axis=0).tolist():
            found.append(float(deltaE_ciede2000(*(rgb2lab(np.array([[colors[n]]], float)) for n in (x, y))).item()))
    return min(found)


def test_of_a_lazy_layer_what_is_seen_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = cells((4, 200, 200), 250).astype(np.uint16)
    view = shown(labels)
    view.layer.data = dask.array.from_array(labels, chunks=(1, 100, 100))
    view.layer.corner_pixels = np.array([[0, 0, 0], [3, 199, 199]])
    for step in range(4):
        view.viewer.dims.set_current_step(0, step)
        colors = {int(n): color(view, int(n)) for n in np.unique(labels[step]) if n}
        assert least_of(labels[step], colors) >= 20
    monkeypatch.setattr(views, "WHOLE", 100)  # as a large array in memory
    view.layer.data = labels
    view.layer.refresh()
    assert least_of(labels[3], {int(n): color(view, int(n)) for n in np.unique(labels[3]) if n}) >= 20


def test_work_that_comes_late_does_no_harm() -> None:
    waiting: list[tuple[object, object]] = []
    view = shown(cells((80, 80), 60).astype(np.uint16), later=lambda work, done: waiting.append((work, done)))
    view.show("panoptic")
    view.layer.data_setitem((np.arange(10), np.arange(10)), 200)
    for _ in range(20):
        if not waiting:
            break
        work, done = waiting.pop(0)
        done(work())
    assert not waiting
    assert least(view) >= 12
    view.show("instance")
    work, done = waiting.pop(0)
    view.let_go()
    done(work())
    view.layer.data_setitem((np.arange(10), np.arange(10)), 7)
    assert not waiting


def test_a_view_that_is_not_there_is_refused() -> None:
    view = shown(np.ones((4, 4), np.uint16))
    with pytest.raises(InputError, match="no such view"):
        view.show("all")


def test_a_table_without_classes_says_nothing() -> None:
    assert classes_of_labels(None, CLASSES) == {}
    assert found_of_classes(None, CLASSES) == {}


def test_labels_as_classes() -> None:
    labels = np.array([[0, 1, 9], [4, 3, 2]])
    assert semantic_map(labels, {1: 1, 2: 1, 3: 2, 4: 3}).tolist() == [[0, 1, 0], [3, 2, 1]]
