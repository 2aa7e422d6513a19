"""What keeps the window light: kinds of numbers, outlines, colors, steps that are counted without looking for voxels."""

from __future__ import annotations

import gc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.layers.labels._labels_utils import get_contours
from napari.utils.colormaps import DirectLabelColormap

from napari_segplugin.core import ClassTable, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.viewer import history, light
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.edits import ROOM, Editor
from napari_segplugin.viewer.geometry import placement
from napari_segplugin.viewer.journal import Journal
from napari_segplugin.viewer.kept import read_kept
from napari_segplugin.viewer.light import MOST_DRAWN, drawn, quick_outlines
from napari_segplugin.viewer.pictures import outlines_of
from napari_segplugin.viewer.recorder import AT_ONCE, Recorder
from napari_segplugin.viewer.results import show_result


def cells(side: int = 40, cell: int = 8, kind: Any = np.int32) -> np.ndarray:
    y, x = np.mgrid[0:side, 0:side]
    labels = ((y // cell) * (side // cell) + x // cell + 1).astype(kind)
    labels[(y % cell < 2) | (x % cell < 2)] = 0
    return labels


def result(labels: np.ndarray, task: Task = Task.INSTANCE) -> Segmentation:
    kind = Kind.STUFF if task is Task.SEMANTIC else Kind.THING
    table = ObjectTable.of(labels)
    return Segmentation(task, labels, table, ClassTable.named(["cell"], kind), "YX", (1.0, 1.0), name="cells")


# --- kinds of numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "top", "kind"),
    [
        (Task.SEMANTIC, 255, np.uint8),
        (Task.SEMANTIC, 256, np.uint16),
        (Task.INSTANCE, 3, np.uint16),
        (Task.PANOPTIC, MOST_DRAWN, np.uint16),
        (Task.INSTANCE, MOST_DRAWN + 1, np.int32),
    ],
)
def test_shown_labels_are_of_the_smallest_kind_that_the_graphics_card_takes(task: Task, top: int, kind: Any) -> None:
    labels = np.array([[0, 1], [2, top]], np.int32)
    shown = drawn(labels, task)
    assert shown.dtype == kind
    assert np.array_equal(shown, labels)
    assert not np.shares_memory(shown, labels)


def test_a_result_is_shown_light_and_handed_out_as_it_was_predicted() -> None:
    from napari.components import ViewerModel

    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((40, 40)))
    shown = show_result(viewer, result(cells()), image, "YX")
    assert shown.layer.data.dtype == np.uint16
    assert shown.segmentation.labels.dtype == np.int32
    assert not shown.edited
    assert shown.current().labels.dtype == np.int32
    assert np.array_equal(shown.current().labels, cells())


def test_numbers_become_wider_before_they_end_and_undo_still_works() -> None:
    labels = cells(kind=np.uint16)
    labels[labels == 1] = np.iinfo(np.uint16).max - ROOM - 1
    layer = Labels(labels.copy())
    editor = Editor(layer)
    editor.merge([2, 3])
    assert layer.data.dtype == np.uint16  # ROOM numbers are left
    editor.add(np.ones((1, 1), bool), (slice(0, 1), slice(0, 1)))
    editor.delete([4])
    assert layer.data.dtype == np.int32
    fresh = editor.boxes.next_number() + 70_000
    editor.add(np.ones((1, 1), bool), (slice(0, 1), slice(1, 2)), number=fresh)
    assert layer.data[0, 1] == fresh
    for _ in range(4):
        layer.undo()
    assert np.array_equal(layer.data, labels)
    fresh_boxes = ObjectBoxes(layer.data)
    assert {n: editor.boxes.size(n) for n in editor.boxes} == {n: fresh_boxes.size(n) for n in fresh_boxes}


def test_one_number_beyond_the_kind_widens_it_at_once() -> None:
    layer = Labels(cells(kind=np.uint16))
    Editor(layer).add(np.ones((1, 1), bool), (slice(0, 1), slice(0, 1)), number=70_000)
    assert layer.data[0, 0] == 70_000


# --- outlines and colors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (130, 40), (257, 33)])
def test_outlines_are_those_of_napari(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.repeat(rng.integers(0, 4, shape), 3, 0), 3, 1).astype(np.uint16)
    assert np.array_equal(outlines_of(labels), get_contours(labels, 1, 0))


@pytest.mark.parametrize("thickness", [1, 2])
def test_a_stroke_on_outlines_draws_what_the_whole_would(thickness: int) -> None:
    mine, usual = Labels(cells(kind=np.uint16)), Labels(cells(kind=np.uint16))
    quick_outlines(mine)
    for layer in (mine, usual):
        layer.contour = thickness
        layer.brush_size = 7
        layer.paint((14, 15), 9)
        layer.paint((0, 39), 3)
    assert np.array_equal(mine._slice.image.view, usual._slice.image.view)
    mine.undo()
    usual.undo()
    assert np.array_equal(mine._slice.image.view, usual._slice.image.view)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("alone", [0, 2])
def test_colors_are_those_of_napari(kind: Any, alone: int) -> None:
    colors = {1: "#ff0000", 2: "#00ff00", 250: "#0000ff"}
    mine = label_colormap_of(colors)
    usual = DirectLabelColormap(color_dict={None: "#9a9a9a", 0: "transparent", **colors})
    for one in (mine, usual):
        one.use_selection, one.selection = bool(alone), alone
    values = np.array([[0, 1, 2], [3, 250, 7]], kind)
    np.testing.assert_allclose(mine.map(values), usual.map(values))


def test_pooled_labels_lie_over_the_squares_that_they_stand_for() -> None:
    image = Image(np.zeros((40, 50)), scale=(0.5, 2.0), translate=(3.0, -4.0), rotate=30.0)
    labels = Labels(np.zeros((4, 4), np.uint8), **placement(image, "YX", (2, 3), pooled=5))
    for row, column in ((0, 0), (3, 1)):
        middle = (5 * (2 + row) + 2, 5 * (3 + column) + 2)
        np.testing.assert_allclose(labels.data_to_world((row, column)), image.data_to_world(middle))


@pytest.mark.parametrize("painted", [False, True])
def test_outlines_made_in_a_worker_are_those_of_the_layer_as_it_is(
    monkeypatch: pytest.MonkeyPatch, painted: bool
) -> None:
    monkeypatch.setattr(light, "LARGE", 100)
    layer, usual, waiting = Labels(cells(kind=np.uint16)), Labels(cells(kind=np.uint16)), list[Any]()
    quick_outlines(layer)
    light.outline(layer, lambda work, done: waiting.append((work, done)))
    work, done = waiting.pop()
    found = work()
    assert layer.contour == 0
    if painted:
        for one in (layer, usual):
            one.paint((20, 20), 3)
    monkeypatch.setattr(light, "outlines_of", outlines_of if painted else None)  # nothing is worked out again
    done(found)
    usual.contour = 1
    assert layer.contour == 1
    assert np.array_equal(layer._slice.image.view, usual._slice.image.view)
    monkeypatch.setattr(light, "outlines_of", outlines_of)
    for one in (layer, usual):
        one.paint((5, 30), 4)
    assert np.array_equal(layer._slice.image.view, usual._slice.image.view)


def test_rows_are_made_without_a_collection_of_garbage_and_it_goes_on_afterwards() -> None:
    assert gc.isenabled()
    with suppress(ValueError), light.uncollected():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled()


# --- steps ------------------------------------------------------------------------------------------------------------


def test_a_fill_and_its_undo_are_counted_without_looking_for_voxels(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Labels(cells(kind=np.uint16))
    editor = Editor(layer)
    found = editor.boxes.size(5)

    def never(self: Any) -> None:
        raise AssertionError("the voxels of a step were looked for")

    monkeypatch.setattr(history.Delta, "indices", property(never))
    layer.fill((0, 0), 5)
    background = int((cells() == 0).sum())
    assert editor.boxes.size(5) == found + background
    assert editor.boxes.box(5) == (slice(0, 40), slice(0, 40))
    layer.undo()
    assert editor.boxes.size(5) == found
    layer.redo()
    assert editor.boxes.size(5) == found + background


def test_thousands_of_rows_are_written_as_one_by_one() -> None:
    labels = cells(200, 4, np.uint16)
    numbers = list(range(1, 2001))
    one, many = Labels(labels.copy()), Labels(labels.copy())
    editor, other = Editor(one), Editor(many)
    other.accept(numbers)
    for n in numbers[:3]:
        editor.accept([n])
    a, b = one.features.set_index("index"), many.features.set_index("index")
    assert a.loc[[1, 2, 3]].equals(b.loc[[1, 2, 3]])
    assert (b.loc[numbers, "status"] == "accepted").all()
    many.undo()
    assert not (many.features["status"] == "accepted").any()


def test_a_large_step_and_what_follows_are_kept_in_order(tmp_path: Path) -> None:
    side = int(np.sqrt(AT_ONCE)) + 2
    recorder = Recorder(Journal())
    recorder.journal.open(tmp_path / "a.journal")
    layer = Labels(np.zeros((side, side), np.uint16))
    recorder.paint(layer, empty=True)
    layer.fill((0, 0), 3)
    layer.paint((5, 5), 4)
    layer.fill((100, 100), 7)
    recorder.detach()
    recorder.journal.close()
    kept = read_kept(tmp_path / "a.journal")
    assert np.array_equal(kept.paint, layer.data)
    assert kept.steps == 3
