"""One result, three layers: each object in its own colour, each class in its own, or both (panoptic). No Qt, no torch.

The layers share one array, so what is corrected in one is corrected in all, at no cost in memory; only the colours differ.
"""

from __future__ import annotations

import colorsys
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import ClassTable
from napari_segplugin.core.types import Array, JsonDict
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.table import Features

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event, EventEmitter
    from pandas import DataFrame

VIEWS = ("instance", "semantic", "panoptic")
_SHADES = (0.0, 0.28, -0.22, 0.14, -0.1, 0.4, -0.32)


def classes_of_labels(features: DataFrame | None, classes: ClassTable) -> dict[int, int]:
    """Class number of each label of a features table; labels of unknown classes count as the first thing."""
    if features is None or not {"label", "class"} <= set(features.columns):
        return {}
    number = {c.name: c.id for c in classes}
    first = (classes.thing_ids or (1,))[0]
    rows = zip(features["label"].tolist(), features["class"].tolist(), strict=True)
    return {int(label): number.get(str(name), first) for label, name in rows if int(label)}


def found_of_classes(
    features: DataFrame | None, classes: ClassTable, counted: Collection[int] | None = None
) -> dict[int, str]:
    """What a features table has of each class: how many members, "yes" or "no" where they are not counted.

    Parameters
    ----------
    features : DataFrame
    classes : ClassTable
    counted : collection of int, optional
        Numbers of the classes whose rows are members; the things by default.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"label": [0, 1, 2], "class": ["background", "cell", "cell"], "status": ["", "", "rejected"]})
    >>> found_of_classes(table, ClassTable.named(["cell", "vessel"]))
    {1: '1', 2: '0'}
    """
    if features is None or not {"label", "class"} <= set(features.columns):
        return {}
    names = features["class"]
    counts = (names[features["status"] != "rejected"] if "status" in features.columns else names).value_counts()
    found = {c.id: int(counts.get(c.name, 0)) for c in classes if c.id}
    counted = classes.thing_ids if counted is None else counted
    return {n: f"{k:,}" if n in counted else ("yes" if k else "no") for n, k in found.items()}


def view_colors(class_of: Mapping[int, int], classes: ClassTable, kind: str) -> dict[int, str]:
    """The colour of each label.

    Parameters
    ----------
    class_of : mapping of label to class number
    classes : ClassTable
    kind : str
        "semantic": the colour of the class. "panoptic": the hue of the class, things in shades of it. "instance":
        all in shades.

    Returns
    -------
    dict of int to str

    Examples
    --------
    >>> table = ClassTable.named(["cell"])
    >>> view_colors({1: 1, 2: 1}, table, "semantic")
    {1: '#e69f00', 2: '#e69f00'}
    >>> len(set(view_colors({1: 1, 2: 1}, table, "panoptic").values()))
    2
    """
    colors = {c.id: c.color for c in classes}
    things = set(classes.thing_ids)
    out: dict[int, str] = {}
    for label, class_id in class_of.items():
        base = colors.get(class_id, "#9a9a9a")
        shaded = kind == "instance" or (kind == "panoptic" and class_id in things)
        out[label] = _shade(base, _SHADES[label % len(_SHADES)]) if shaded else base
    return out


def _shade(color: str, change: float) -> str:
    """The same hue, lighter or darker."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    light = light + (1 - light) * change if change > 0 else light * (1 + change)
    return "#" + "".join(f"{round(255 * v):02x}" for v in colorsys.hls_to_rgb(hue, light, saturation))


class LinkedViews:
    """Further layers over a result layer that show the same labels in other colours.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Labels
        The result; its features table knows the class of each label.
    classes : ClassTable

    Attributes
    ----------
    own : str
        The view that the result layer itself is.
    """

    own = "instance"

    def __init__(self, viewer: ViewerModel, layer: Labels, classes: ClassTable) -> None:
        self.viewer, self.classes = viewer, classes
        self.layer = layer
        self.views: dict[str, Labels] = {}
        self._busy = False
        self._known: dict[int, int] = {}
        for emitter in self._emitters(layer):
            emitter.connect(self._follow)
        layer.events.features.connect(self.recolor)

    def _emitters(self, layer: Labels) -> tuple[EventEmitter, ...]:
        return layer.events.paint, layer.events.set_data, layer.events.labels_update

    def show(self, kind: str, on: bool = True) -> Labels | None:
        """Add or take away a view: "instance", "semantic" or "panoptic"; one of them is the result itself."""
        view = self.views.get(kind)
        if kind == self.own:
            self.layer.visible = on
            return self.layer
        if view is not None and not any(a is view for a in self.viewer.layers):
            view = None
        if not on:
            if view is not None:
                self.viewer.layers.remove(view)
            self.views.pop(kind, None)
            return None
        if view is not None:
            return view
        view = self.views[kind] = self._make(kind)
        active = self.viewer.layers.selection.active
        self.viewer.add_layer(view)
        self.viewer.layers.selection.active = active
        return view

    def _make(self, kind: str) -> Labels:
        like = self.layer
        view = Labels(
            self._data(),
            name=f"{like.name} · {kind}",
            features=self._features(),
            scale=like.scale,
            translate=like.translate,
            rotate=like.rotate,
            shear=like.shear,
            units=like.units,
            axis_labels=like.axis_labels,
            opacity=like.opacity,
            metadata={"segplugin": {"role": f"{kind} view", "of": like.name, **self._about()}},
        )
        self._known = self._class_numbers()
        view.colormap = label_colormap_of(view_colors(self._known, self.classes, kind))
        for emitter in self._emitters(view):
            emitter.connect(self._follow)
        return view

    def _data(self) -> Array:
        """What the views show: the very array of the result, one truth in three layers."""
        return cast("Array", self.layer.data)

    def _features(self) -> DataFrame | Features:
        """The table of what the views show."""
        return self.layer.features

    def _class_numbers(self) -> dict[int, int]:
        """Class of each label that the views show."""
        return classes_of_labels(self.layer.features, self.classes)

    def _about(self) -> JsonDict:
        """What else the metadata of a view say."""
        return {}

    def _follow(self, event: Event | None = None) -> None:
        """One layer was painted or undone: draw the others anew."""
        if self._busy:
            return
        self._busy = True
        try:
            source = getattr(event, "source", None)
            stale = [v for v in self.views.values() if v.data is not self.layer.data] if source is self.layer else []
            for view in stale:
                view.data = self.layer.data
            fresh = {int(n) for n in (self.layer.selected_label, *(v.selected_label for v in self.views.values()))}
            if self.views and fresh - set(self._known) - {0}:
                self._recolor(fresh)
            for layer in (self.layer, *self.views.values()):
                if layer is not source:
                    layer.refresh()
        finally:
            self._busy = False

    def recolor(self, event: Event | None = None) -> None:
        """The table has changed: a class may be another."""
        if not self._busy and self.views:
            self._recolor(set())

    def _recolor(self, fresh: set[int]) -> None:
        first = (self.classes.thing_ids or (1,))[0]
        self._known = {**dict.fromkeys(fresh - {0}, first), **self._class_numbers()}
        for kind, view in self.views.items():
            view.colormap = label_colormap_of(view_colors(self._known, self.classes, kind))

    def let_go(self) -> None:
        """Take the views away and follow nothing any more."""
        for kind in list(self.views):
            self.show(kind, False)
        for emitter in self._emitters(self.layer):
            with suppress(ValueError, RuntimeError):
                emitter.disconnect(self._follow)
        with suppress(ValueError, RuntimeError):
            self.layer.events.features.disconnect(self.recolor)


def semantic_map(labels: np.ndarray, class_of: Mapping[int, int]) -> np.ndarray:
    """Labels as class numbers, for export; labels without a class are 0.

    Examples
    --------
    >>> semantic_map(np.array([0, 7, 9]), {7: 1, 9: 2}).tolist()
    [0, 1, 2]
    """
    numbers = np.array([0, *sorted(class_of)])
    classes = np.array([0, *(class_of[n] for n in sorted(class_of))])
    at = np.searchsorted(numbers, labels).clip(0, len(numbers) - 1)
    out: np.ndarray = np.where(numbers[at] == labels, classes[at], 0).astype(np.uint16)
    return out


__all__ = ["VIEWS", "LinkedViews", "classes_of_labels", "found_of_classes", "semantic_map", "view_colors"]
