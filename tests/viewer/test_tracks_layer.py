"""Linked objects as layers: where the tracks lie, their colours, their lineage, and what an edit changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_segplugin.core import ClassTable, InputError, ObjectTable, Segmentation, Task, drain
from napari_segplugin.data.edits import Change
from napari_segplugin.engine.track.track import track
from napari_segplugin.viewer import tracks
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.layers import segmentation_to_layer
from napari_segplugin.viewer.panels import tracks_of


def film() -> np.ndarray:
    """One object that moves, and one that divides."""
    labels = np.zeros((4, 40, 40), np.int32)
    for t in range(4):
        labels[t, 2 + t : 8 + t, 2:8] = 10 * t + 1
    labels[:2, 20:32, 20:30] = np.array([2, 12])[:, None, None]
    labels[2, 18:24, 20:29], labels[2, 28:34, 20:29] = 22, 23
    labels[3, 17:23, 20:29], labels[3, 29:35, 20:29] = 32, 33
    return labels


def segmentation(labels: np.ndarray, axes: str = "TYX") -> Segmentation:
    table = ObjectTable.of(labels)
    return Segmentation(Task.INSTANCE, labels, table, ClassTable.named(["cell"]), axes, (0.5, 0.5), "um")


def film_as_linked(found: Any) -> np.ndarray:
    return np.asarray(found.relabelled(film()))


@pytest.fixture
def shown() -> tuple[Any, Labels]:
    found = drain(track(segmentation(film())))
    image = Image(
        np.zeros((4, 40, 40)),
        scale=(1, 0.5, 0.5),
        translate=(0, 3, 4),
        units=("pixel", "um", "um"),
        axis_labels=("t", "y", "x"),
    )
    features = tracks.track_features(found)
    return found, segmentation_to_layer(found.segmentation, image, "TYX", features=features, name="cells")


def test_tracks_lie_where_the_objects_are_in_their_colours(shown: Any) -> None:
    found, labels = shown
    layer = tracks.tracks_layer(found, labels, "TYX")
    assert layer.name == "cells · tracks"
    assert (layer.scale.tolist(), layer.translate.tolist()) == ([1, 0.5, 0.5], [0, 3, 4])
    assert [str(u) for u in layer.units] == [str(u) for u in labels.units]
    assert tuple(layer.axis_labels) == ("t", "y", "x")
    for number, t, y, x in layer.data.tolist():
        assert labels.data[int(t), round(y), round(x)] == number
        own = layer.track_colors[(layer.data[:, 0] == number) & (layer.data[:, 1] == t)][0]
        assert own == pytest.approx(labels.get_color(int(number)), abs=1e-3)
    viewer = ViewerModel()
    viewer.add_layer(labels)
    viewer.add_layer(layer)
    assert viewer.dims.ndim == 3


def test_lineage_stands_in_the_graph_and_in_the_table(shown: Any) -> None:
    found, labels = shown
    layer = tracks.tracks_layer(found, labels, "TYX")
    mother = int(labels.data[0, 25, 25])
    assert {int(k): [int(p) for p in v] for k, v in layer.graph.items()} == {22: [mother], 23: [mother]}
    rows = labels.features.set_index("label")
    assert rows.loc[22, "parent"] == mother
    assert rows.loc[mother, "parent"] == 0
    assert (rows.loc[22, "first frame"], rows.loc[22, "last frame"]) == (2, 3)
    assert not [c for c in labels.features if c.startswith("area")]
    assert tracks_of(labels.features) == {0: 0, **{n: n for n in found.track}}
    assert tracks.is_linked(found.segmentation)
    assert not tracks.is_linked(segmentation(film()))


def test_a_channel_axis_that_stays_is_a_column_of_zeros() -> None:
    found = drain(track(segmentation(film())))
    labels = Labels(found.segmentation.labels[:, None], scale=(1, 1, 0.5, 0.5))
    layer = tracks.tracks_layer(found, labels, "TCYX")
    assert layer.data.shape[1] == 5
    assert set(layer.data[:, 2].tolist()) == {0.0}


def test_time_has_to_be_the_first_axis() -> None:
    found = drain(track(segmentation(film())))
    with pytest.raises(InputError, match="first axis"):
        tracks.tracks_layer(found, Labels(np.moveaxis(film(), 0, 1)), "YTX")


def test_linking_again_is_one_step_that_undo_takes_back(shown: Any) -> None:
    found, labels = shown
    editor = Editor(labels, "TYX")
    first = int(labels.data[0, 4, 4])
    part = np.nonzero(labels.data == first)
    part = tuple(i[part[0] == 2] for i in part)
    editor.apply(Change(part, 77), "")  # painted anew in one frame
    before = labels.data.copy()
    old = found.segmentation
    again = drain(track(replace(old, labels=labels.data.copy()), before=film_as_linked(found)))
    change = tracks.relabel_change(labels.data, again, "TYX")
    assert set(np.unique(labels.data[change.indices])) == {77}
    table = tracks.track_features(again)
    editor.apply(change, "link", rows=tracks.changed_rows(table, editor.rows))
    assert 77 not in labels.data
    assert labels.data[2, 6, 4] == first
    labels.undo()
    np.testing.assert_array_equal(labels.data, before)
    assert 77 in editor.rows
    labels.redo()
    assert 77 not in editor.rows
    layer = tracks.tracks_layer(found, labels, "TYX")
    tracks.update_tracks(layer, again, "TYX")
    assert len(layer.data) == len(again.tracks)
    assert {int(k) for k in layer.graph} == {22, 23}
