"""Edits of a layer: voxels and table on one undo list, whatever mix of tools and painting."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari.layers import Labels

from napari_segplugin.core import InputError
from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.history import LayerHistory
from napari_segplugin.viewer.pictures import GreyView
from napari_segplugin.viewer.table import ObjectRows


def scene() -> np.ndarray:
    labels = np.zeros((24, 30), np.int32)
    labels[2:9, 2:9] = 1
    labels[2:9, 9:14] = 2
    labels[12:20, 4:16] = 3
    labels[15, 8] = 0
    labels[3:20, 20:27] = 4
    return labels


def layer_of(data: Any, **kwargs: Any) -> Labels:
    numbers = [n for n in np.unique(np.asarray(data)).tolist() if n]
    features = {
        "index": [0, *numbers],
        "label": [0, *numbers],
        "class": ["background", *("nucleus" for _ in numbers)],
        "area (µm²)": [np.nan, *(0.25 * float((np.asarray(data) == n).sum()) for n in numbers)],
        "score": [np.nan, *(0.5 + n / 100 for n in numbers)],
        "status": ["", *("predicted" for _ in numbers)],
        "intensity": [np.nan, *(10.0 * n for n in numbers)],
    }
    layer = Labels(data, features=features, scale=(1.0,) * (data.ndim - 2) + (0.5, 0.5), **kwargs)
    layer.brush_size = 2
    return layer


def as_zarr(data: np.ndarray) -> Any:
    import zarr

    return zarr.array(data, chunks=(8,) * data.ndim)


def table(layer: Labels) -> Any:
    return layer.features.sort_values("index").reset_index(drop=True)


def row(layer: Labels, number: int) -> dict[str, Any]:
    features = layer.features
    return dict(features[features["index"] == number].iloc[0])


EVERY_EDIT: list[tuple[str, Any]] = [
    ("merge", lambda e: e.merge([1, 2])),
    ("fill holes", lambda e: e.fill_holes(3)),
    ("accept", lambda e: e.accept([3])),
    ("cut", lambda e: e.split_cut(4, np.array([[11, 18], [11, 29]]), (0, 1))),
    ("class", lambda e: e.set_class([5], "mitosis")),
    ("brush", lambda e: e.layer.paint((22, 4), 7)),
    ("grow", lambda e: e.grow(1, distance=0.5)),
    ("fill tool", lambda e: e.layer.fill((0, 0), 9)),
    ("reject", lambda e: e.reject([3])),
    ("shrink", lambda e: e.shrink(1, distance=0.5)),
    ("tidy", lambda e: e.tidy(1, width=1.0)),
    ("eraser", lambda e: e.layer.paint((5, 5), 0)),
    ("seeds", lambda e: e.split_seeds(1, np.array([[6, 4], [6, 12]]))),
    ("delete", lambda e: e.delete([1])),
    ("add", lambda e: e.add(np.ones((3, 3), bool), (slice(4, 7), slice(4, 7)), "mitosis")),
]


@pytest.mark.parametrize("make", [lambda a: a, as_zarr], ids=["numpy", "zarr"])
def test_every_edit_is_one_step_and_comes_back_with_its_table(make: Any) -> None:
    layer = layer_of(make(scene()))
    editor = Editor(layer, usual_class="nucleus")
    states = [(np.array(layer.data), table(layer))]
    for name, edit in EVERY_EDIT:
        if name == "seeds":
            layer.undo()  # the eraser, which made a hole between the seeds
            states.pop()
        edit(editor)
        states.append((np.array(layer.data), table(layer)))
        assert not states[-1][1].equals(states[-2][1]), name
        assert len(editor.history.past) == len(states) - 1
        _same_sizes(editor)
    for direction in (layer.undo, layer.redo, layer.undo):
        order = states[:-1][::-1] if direction == layer.undo else states[1:]
        for data, features in order:
            direction()
            np.testing.assert_array_equal(np.array(layer.data), data)
            assert table(layer).equals(features)
            _same_sizes(editor)


def _same_sizes(editor: Editor) -> None:
    fresh = ObjectBoxes(np.asarray(editor.layer.data))
    assert {n: editor.boxes.size(n) for n in editor.boxes} == {n: fresh.size(n) for n in fresh}
    for number in fresh:
        mine, tight = editor.boxes.box(number), fresh.box(number)
        assert mine is not None
        assert tight is not None
        assert all(a.start <= b.start and a.stop >= b.stop for a, b in zip(mine, tight, strict=True))
    area = editor.rows.column("area (µm²)")
    for number, value in area.items():
        assert value == pytest.approx(0.25 * fresh.size(number))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 16), min_size=4, max_size=14))
def test_any_mix_of_edits_undo_and_redo(moves: list[int]) -> None:
    layer = layer_of(scene())
    editor = Editor(layer, usual_class="nucleus")
    past, future = [(np.array(layer.data), table(layer))], []
    for move in moves:
        if move == 15:
            layer.undo()
            if len(past) > 1:
                future.append(past.pop())
        elif move == 16:
            layer.redo()
            if future:
                past.append(future.pop())
        else:
            before = len(editor.history.past)
            with suppress(InputError):  # an earlier edit left nothing to do
                EVERY_EDIT[move][1](editor)
            if len(editor.history.past) > before:
                past.append((np.array(layer.data), table(layer)))
                future.clear()
        np.testing.assert_array_equal(layer.data, past[-1][0])
        assert table(layer).equals(past[-1][1])


def test_the_table_tells_what_was_done() -> None:
    layer = layer_of(scene())
    editor = Editor(layer, usual_class="nucleus")
    editor.set_class([4], "mitosis")
    editor.split_cut(4, np.array([[11, 18], [11, 29]]), (0, 1))
    assert row(layer, 5)["class"] == "mitosis"
    assert row(layer, 5)["status"] == row(layer, 4)["status"] == "corrected"
    assert np.isnan(row(layer, 5)["score"])
    assert np.isnan(row(layer, 5)["intensity"])
    assert row(layer, 4)["intensity"] == 40.0
    editor.accept([4])
    assert editor.with_status("accepted") == (4,)
    editor.reject([1])
    assert row(layer, 1)["status"] == "rejected"
    assert not (layer.data == 1).any()
    editor.delete([2])
    assert 2 not in editor.rows
    layer.paint((22, 2), 40)
    assert row(layer, 40)["class"] == "nucleus"


def test_a_step_is_kept_as_its_voxels_only() -> None:
    data = np.zeros((40, 200, 200), np.int32)
    data[5:10, 5:10, 5:10] = 1
    data[5:10, 10:15, 5:10] = 2
    layer = layer_of(data)
    editor = Editor(layer)
    editor.merge([1, 2])
    (step,) = editor.history.past
    kept = sum(a.nbytes for d in step.deltas() for a in (*d.indices, d.old))
    assert kept <= 125 * (3 * 4 + 4)


def test_a_layer_without_a_table_gets_one() -> None:
    layer = Labels(scene())
    editor = Editor(layer, usual_class="cell")
    editor.accept([3])
    assert row(layer, 3)["class"] == "cell"
    assert row(layer, 3)["status"] == "accepted"
    layer.undo()
    assert 3 not in editor.rows
    assert editor.with_status("accepted") == ()


def test_columns_of_others_stay() -> None:
    import pandas as pd

    features = pd.DataFrame(
        {"label": [1, 2, 3, 4], "class": pd.Categorical(["a", "a", "b", "b"]), "mine": [1, 2, 3, 4]}
    )
    layer = Labels(scene(), features=features)
    rows = ObjectRows(layer, "a")
    assert rows.get(3) == {"index": 3, "label": 3, "class": "b", "mine": 3, "status": "predicted"} | {
        "score": pytest.approx(np.nan, nan_ok=True)
    }
    rows.write({3: {"class": "new"}, 9: rows.fresh(9)})
    assert rows.column("class") == {1: "a", 2: "a", 3: "new", 4: "b", 9: "a"}
    layer.features = features.iloc[:2]
    assert sorted(rows.column("mine")) == [1, 2]


def test_the_whole_object_or_one_plane() -> None:
    data = np.zeros((4, 10, 10), np.int32)
    data[:, 2:8, 2:8] = 1
    layer = layer_of(data)
    editor = Editor(layer)
    editor.delete([1], (slice(2, 3), slice(None), slice(None)))
    assert [(p > 0).any() for p in layer.data] == [True, True, False, True]
    editor.interpolate(1, 0)
    assert all((p > 0).sum() == 36 for p in layer.data)


def test_planes_painted_by_hand_are_the_ones_between_which_is_redrawn() -> None:
    data = np.zeros((7, 20, 20), np.int32)
    data[:, 5:15, 5:15] = 1
    layer = layer_of(data)
    editor = Editor(layer)
    editor.accept([1])
    box = np.ix_([1, 5], range(5, 15), range(5, 10))
    for z in (1, 5):
        with layer.block_history():
            for y in range(5, 15):
                layer.data_setitem((np.full(5, z), np.full(5, y), np.arange(5, 10)), 0)
    assert editor.painted_planes(1, 0) == (1, 5)
    editor.interpolate(1, 0)
    assert not data[box].any()
    assert [int((p == 1).sum()) for p in layer.data] == [100, 50, 50, 50, 50, 50, 100]
    assert editor.painted_planes(1, 0) == ()
    layer.undo()
    assert [int((p == 1).sum()) for p in layer.data] == [100, 50, 100, 100, 100, 50, 100]
    assert editor.painted_planes(1, 0) == (1, 5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Labels(__import__("dask.array").array.from_array(scene(), chunks=10)),
            "computed lazily",
        ),
        (lambda: Labels([scene(), scene()[::2, ::2]], multiscale=True), "pyramid"),
    ],
)
def test_layers_that_cannot_be_edited_say_so(make: Any, words: str) -> None:
    editor = Editor(make())
    with pytest.raises(InputError, match=words):
        editor.merge([1, 2])


def test_a_locked_layer_says_so() -> None:
    layer = layer_of(scene())
    layer.editable = False
    with pytest.raises(InputError, match="locked"):
        Editor(layer).delete([1])


def test_nothing_chosen_and_no_number_left() -> None:
    editor = Editor(layer_of(scene()))
    with pytest.raises(InputError, match="No object is selected"):
        editor.accept([0, 99])
    full = scene().astype(np.uint8)
    full[full == 4] = 255
    with pytest.raises(InputError, match="no free object number"):
        Editor(layer_of(full)).add(np.ones((1, 1), bool), (slice(0, 1), slice(0, 1)))


def test_another_array_is_looked_through_anew() -> None:
    layer = layer_of(scene())
    editor = Editor(layer)
    assert 4 in editor.boxes
    stale = ObjectBoxes(layer.data), editor.version
    layer.data = np.where(scene() == 4, 8, scene())
    assert not editor.take_boxes(*stale)
    assert 4 not in editor.boxes
    assert 8 in editor.boxes


def test_boxes_made_elsewhere_are_taken_while_nothing_changed() -> None:
    layer = layer_of(scene())
    editor = Editor(layer)
    boxes = ObjectBoxes(layer.data)
    assert editor.take_boxes(boxes, editor.version)
    assert editor.boxes is boxes


# --- following napari's undo list -------------------------------------------------------------------------------------


def test_a_stroke_of_many_dabs_is_one_step() -> None:
    layer = layer_of(scene())
    history = LayerHistory(layer)
    with layer.block_history():
        for x in range(3, 20):
            layer.paint((22, x), 6)
    assert len(history.past) == 1
    touched = np.zeros(layer.data.shape, bool)
    for delta in history.past[0].deltas():
        touched[delta.indices] = True
    np.testing.assert_array_equal(touched, layer.data == 6)


def test_steps_back_are_told_in_order_and_a_new_step_ends_redo() -> None:
    layer = layer_of(scene())
    history = LayerHistory(layer)
    told: list[tuple[str, int]] = []
    for word, signal in (("done", history.done), ("undone", history.undone), ("redone", history.redone)):
        signal.connect(lambda step, w=word: told.append((w, step.item[0] is not None)))
    layer.undo()
    layer.paint((22, 3), 6)
    layer.paint((22, 9), 6)
    layer.undo()
    layer.redo()
    layer.undo()
    layer.paint((22, 12), 7)
    layer.redo()
    assert [w for w, _ in told] == ["done", "done", "undone", "redone", "undone", "done"]
    assert len(history.past) == 2
    assert history.future == ()


def test_a_hidden_layer_is_followed_too() -> None:
    layer = layer_of(scene())
    editor = Editor(layer)
    editor.accept([1])
    layer.visible = False
    layer.undo()
    assert row(layer, 1)["status"] == "predicted"


def test_more_steps_than_napari_keeps() -> None:
    layer = layer_of(scene())
    history = LayerHistory(layer)
    for i in range(105):
        layer.data_setitem((np.array([0]), np.array([i % 7])), 10 + i)
    for _ in range(120):
        layer.undo()
    assert history.past == ()
    assert len(history.future) == 100
    assert layer.data[0, :7].tolist() == [10, 11, 12, 13, 14, 0, 0]


def test_a_list_that_was_emptied_is_forgotten() -> None:
    layer = layer_of(scene())
    editor = Editor(layer)
    editor.accept([1])
    layer.editable = False
    layer.editable = True
    layer.undo()
    assert editor.history.past == ()
    assert row(layer, 1)["status"] == "accepted"


def test_letting_go_leaves_the_layer_as_it_was() -> None:
    layer = layer_of(scene())
    editor = Editor(layer)
    editor.detach()
    assert "undo" not in vars(layer)
    assert "redo" not in vars(layer)
    layer.paint((22, 3), 6)
    assert editor.history.past == ()
    assert 6 not in editor.rows


def test_grey_view_reads_like_the_labels() -> None:
    rng = np.random.default_rng(0)
    array = rng.random((4, 3, 8, 9))  # Z C Y X
    view = GreyView(array, "ZCYX", "ZCYX")
    part = view[(slice(1, 3), slice(0, 1), slice(2, 5), slice(0, 9))]
    np.testing.assert_allclose(part, array[1:3, :, 2:5].mean(1, keepdims=True), rtol=1e-6)
    rgb = GreyView(array[0].transpose(1, 2, 0), "YXC", "YX")
    np.testing.assert_allclose(rgb[(slice(0, 4), slice(1, 2))], array[0].mean(0)[:4, 1:2], rtol=1e-6)


def test_who_stops_following_an_undo_list_leaves_the_others_to_it() -> None:
    layer = Labels(np.zeros((4, 5), np.uint8))
    heard: list[str] = []
    follow = {name: LayerHistory(layer) for name in "abc"}
    for name, history in follow.items():
        history.undone.connect(lambda _, name=name: heard.append(name))
    for _ in range(3):
        layer.data_setitem((np.array([0, 1]), np.array([0, 0])), 1)
        layer.data_setitem((np.array([0, 1]), np.array([0, 0])), 2)
    follow["b"].detach()
    layer.undo()
    assert heard == ["a", "c"]
    follow["c"].detach()
    layer.undo()
    assert heard == ["a", "c", "a"]
    follow["a"].detach()
    layer.undo()
    assert heard == ["a", "c", "a"]
    assert not {"undo", "redo"} & set(vars(layer))
