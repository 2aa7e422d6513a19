"""Objects that are linked through time, as layers: labels with lineage in their table, and napari's Tracks. No Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Tracks

from napari_segplugin.core import InputError, Segmentation
from napari_segplugin.core.types import Cell
from napari_segplugin.data.edits import Change
from napari_segplugin.viewer.geometry import layer_axes, to_layer_order
from napari_segplugin.viewer.layers import features_of
from napari_segplugin.viewer.table import Features, ObjectRows, TableRow

if TYPE_CHECKING:
    from napari_segplugin.engine.track.track import Tracking

ROLE = "tracks"


def is_linked(segmentation: Segmentation) -> bool:
    """Whether one number is one object through time."""
    return "tracks" in segmentation.recipe


def track_features(tracking: Tracking) -> Features:
    """The features table of objects that are linked through time.

    Parameters
    ----------
    tracking : Tracking

    Returns
    -------
    dict of str to list
        As :func:`~napari_segplugin.viewer.layers.features_of`, without a size (an object has one at each time point) and
        with the columns "track", "parent" (0 where there is none), "first frame" and "last frame".
    """
    table = {k: v for k, v in features_of(tracking.segmentation).items() if not k.startswith(("area (", "volume ("))}
    times: dict[int, list[int]] = {}
    for number, t in tracking.tracks[:, :2].astype(int).tolist():
        times.setdefault(number, []).append(t)
    labels = [int(n) for n in table["label"]]
    table["track"] = [n if n in times else 0 for n in labels]
    table["parent"] = [tracking.graph.get(n, [0])[0] for n in labels]
    table["first frame"] = [min(times.get(n, [0])) for n in labels]
    table["last frame"] = [max(times.get(n, [0])) for n in labels]
    return table


def tracks_layer(tracking: Tracking, labels: Labels, axes: str, rgb: bool = False) -> Tracks:
    """The Tracks layer that lies over a label layer: its transform, its units, its colours.

    Parameters
    ----------
    tracking : Tracking
    labels : napari.layers.Labels
        Shows the objects that are linked.
    axes : str
        Axes of the array of the image layer.
    rgb : bool
        Whether the last axis of the image is colour.

    Returns
    -------
    napari.layers.Tracks

    Raises
    ------
    InputError
        If time is not the first axis of the layer.
    """
    data, features = _vertices(tracking, axes, rgb)
    names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    return Tracks(
        data,
        name=f"{labels.name} · tracks",
        graph=tracking.graph,
        features=features,
        color_by="label",
        colormaps_dict={"label": labels.colormap},
        blending="translucent",
        tail_width=3,
        metadata={"segplugin": {"role": ROLE}},
        **{name: getattr(labels, name) for name in names},
    )


def update_tracks(layer: Tracks, tracking: Tracking, axes: str, rgb: bool = False) -> None:
    """Show other tracks in a layer that is there."""
    data, features = _vertices(tracking, axes, rgb)
    # napari warns where it is coloured by a column that new data do not have yet
    layer.color_by = "track_id"
    layer.graph = {}
    layer.data = data
    layer.features = features
    layer.graph = dict(tracking.graph)
    layer.color_by = "label"


def _vertices(tracking: Tracking, axes: str, rgb: bool) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Tracks in the axes of the layer, and the columns that go with them."""
    want = layer_axes(axes, rgb)
    if not want.startswith("T"):
        raise InputError(
            "Tracks can only be shown where time is the first axis.", got=f"axes {want}", hint="Transpose the image"
        )
    have = tracking.segmentation.axes
    found = tracking.tracks
    columns = [np.zeros(len(found)) if a == "C" else found[:, 1 + have.index(a)] for a in want]
    number = found[:, 0].astype(int)
    parent = np.array([tracking.graph.get(n, [0])[0] for n in number.tolist()], int)
    return np.column_stack([found[:, 0], *columns]), {"label": number, "parent": parent}


def relabel_change(before: np.ndarray, tracking: Tracking, axes: str, rgb: bool = False) -> Change:
    """The voxels of a label layer that get another number, as one change.

    Parameters
    ----------
    before : array of int
        The array of the layer.
    tracking : Tracking
    axes, rgb
        Of the image.
    """
    after = to_layer_order(np.asarray(tracking.segmentation.labels), axes, rgb)
    found = np.nonzero(np.asarray(before) != after)
    return Change(tuple(i.astype(np.int32) for i in found), after[found])


def changed_rows(table: Features, rows: ObjectRows) -> dict[int, TableRow]:
    """The cells of a features table that differ from the rows of a layer, by label.

    Parameters
    ----------
    table : dict of str to list
        What :func:`track_features` returned.
    rows : ObjectRows
    """
    out: dict[int, TableRow] = {}
    for i, number in enumerate(int(n) for n in table["label"]):
        row = {column: values[i] for column, values in table.items()}
        old = rows.get(number) if number else row
        if old is None or any(_differs(old.get(k), v) for k, v in row.items()):
            out[number] = row
    return out


def _differs(old: Cell | None, new: Cell) -> bool:
    if isinstance(new, float) and new != new:
        return old is not None and old == old
    if isinstance(new, float) and isinstance(old, float):
        return abs(old - new) > 1e-6
    return bool(old != new)


def with_lineage(segmentation: Segmentation, tracking: Tracking) -> Segmentation:
    """A segmentation whose recipe says how it is linked now."""
    return replace(segmentation, recipe=dict(segmentation.recipe) | {"tracks": tracking.segmentation.recipe["tracks"]})


__all__ = [
    "ROLE",
    "changed_rows",
    "is_linked",
    "relabel_change",
    "track_features",
    "tracks_layer",
    "update_tracks",
    "with_lineage",
]
