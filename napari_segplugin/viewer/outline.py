"""Outlines of the chosen objects, drawn on the canvas over everything and not in a layer. No Qt, no torch.

White with a dark rim at both sides, so that they are seen on any picture; as thick at every zoom. In planes they follow the
edges of the pixels, in 3D they are the box around the objects.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from napari_segplugin.core import Box
from napari_segplugin.core.types import Array
from napari_segplugin.viewer.focus import camera_of
from napari_segplugin.viewer.on_screen import Shown, shown_of
from napari_segplugin.viewer.pictures import edge_runs

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels
    from napari.utils.events import Event, EventEmitter
    from vispy.scene import Node
    from vispy.scene.visuals import Line, Mesh

WHITE, RIM = 2.0, 2.0
"""Thickness of the white line and of each of its dark rims, in pixels of the screen."""
_COLORS = ((0.07, 0.07, 0.07, 1.0), (1.0, 1.0, 1.0, 1.0))
_HALVES = (WHITE / 2 + RIM, WHITE / 2)
_ON_TOP = 10**6
_MOST = 2**28
"""Voxels of a volume in which the box around objects is looked for while it is shown in 3D."""
_TRANSFORMS = ("scale", "translate", "rotate", "shear", "affine", "units")
_CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))
_EDGES = [(i, j) for i, j in itertools.combinations(range(8), 2) if np.abs(_CORNERS[i] - _CORNERS[j]).sum() == 1]


class LayerPicture(Protocol):
    """What is known of the picture of a layer: napari's own, of which these two names are used."""

    node: Node
    _world_to_layer_units_scale: tuple[float, ...]


class Canvas(Protocol):
    """What is known of a canvas: napari has no public way to it, and this one name is used."""

    layer_to_visual: dict[Labels, LayerPicture]


class ObjectOutline:
    """Outlines the chosen objects of a labels layer in a viewer.

    They follow edits, slices, the place of the layer and the zoom, and go with the layer. Where a version of napari draws in
    another way nothing is drawn, and :meth:`show` says so.

    Parameters
    ----------
    viewer : napari.Viewer
    canvas : Canvas, optional
        Where to draw; the main canvas of the viewer by default. Each of several linked planes needs an outline of its own, with
        its own viewer model and canvas.

    Examples
    --------
    >>> from napari.components import ViewerModel
    >>> viewer = ViewerModel()  # without a window there is nothing to draw on
    >>> ObjectOutline(viewer).show(viewer.add_labels(np.ones((4, 4), int)), [1])
    False
    """

    def __init__(self, viewer: ViewerModel, canvas: Canvas | None = None) -> None:
        self._viewer, self._canvas = viewer, canvas
        self._layer: Labels | None = None
        self._labels: tuple[int, ...] = ()
        self._shown: Shown | None = None
        self._box: Box | None = None
        self._lines = np.zeros((0, 2, 2))
        self._width = 0.0
        self._mesh: Mesh | None = None
        self._frames: tuple[Line, ...] = ()
        viewer.layers.events.removed.connect(self._on_removed)
        camera_of(viewer).events.zoom.connect(self._on_zoom)

    @property
    def labels(self) -> tuple[int, ...]:
        """The objects that are outlined."""
        return self._labels

    @property
    def layer(self) -> Labels | None:
        """The layer whose objects are outlined."""
        return self._layer

    def show(self, layer: Labels, labels: Iterable[int]) -> bool:
        """Outline these objects, and no others.

        Parameters
        ----------
        layer : napari.layers.Labels
        labels : iterable of int
            Their numbers; 0 is left out.

        Returns
        -------
        bool
            Whether they can be drawn here; also where none of them is on the slice that is shown.
        """
        if layer is not self._layer:
            self.clear()
            self._layer = layer
            for emitter, slot in self._followed(layer):
                emitter.connect(slot)
        self._labels = tuple(sorted({int(n) for n in labels} - {0}))
        self.refresh()
        return self._drawn() is not None

    def clear(self) -> None:
        """Take the outlines away and follow nothing."""
        layer, self._layer = self._layer, None
        if layer is not None:
            for emitter, slot in self._followed(layer):
                with suppress(ValueError, RuntimeError):
                    emitter.disconnect(slot)
        self._labels, self._box, self._shown = (), None, None
        self._hide()
        for node in (self._mesh, *self._frames):
            if node is not None:
                node.parent = None
        self._mesh, self._frames = None, ()

    def let_go(self) -> None:
        """As :meth:`clear`, for good: the viewer is followed no more."""
        self.clear()
        for emitter, slot in (
            (self._viewer.layers.events.removed, self._on_removed),
            (camera_of(self._viewer).events.zoom, self._on_zoom),
        ):
            with suppress(ValueError, RuntimeError):
                emitter.disconnect(slot)

    def refresh(self, event: Event | None = None) -> None:
        """Look for the objects anew."""
        layer = self._layer
        shown = None if layer is None or not layer.visible or not self._labels else shown_of(self._viewer, layer)
        self._shown, self._box = shown, None
        if layer is None or shown is None:
            self._hide()
            return
        self._find(layer, shown, tuple(slice(0, int(layer.data.shape[a])) for a in sorted(shown.axes)))

    # --- what is followed -----------------------------------------------------------------------------------------

    def _followed(self, layer: Labels) -> list[tuple[EventEmitter, Callable[[Event], None]]]:
        dims = self._viewer.dims.events
        found = [(e, self.refresh) for e in (layer.events.set_data, layer.events.visible, dims.order, dims.ndisplay)]
        found += [(getattr(layer.events, name), self.refresh) for name in _TRANSFORMS if hasattr(layer.events, name)]
        return [*found, (layer.events.labels_update, self._on_paint)]

    def _on_removed(self, event: Event) -> None:
        if event.value is self._layer:
            self.clear()

    def _on_zoom(self, event: Event | None = None) -> None:
        if self._layer is None or not len(self._lines):
            return
        width = 1 / max(1e-12, float(camera_of(self._viewer).zoom))
        if abs(width - self._width) > 0.02 * width:
            self._stroke()

    def _on_paint(self, event: Event) -> None:
        """A part was painted: only that and what was there before is looked at."""
        layer, shown = self._layer, self._shown
        if layer is None or shown is None or len(shown.axes) != 2:
            self.refresh()
            return
        order = np.argsort(shown.axes)
        first = np.asarray(event.offset)[order]
        last = first + np.asarray(np.shape(event.data)[:2])[order]
        part = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        if self._box is not None:
            part = tuple(
                slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(part, self._box, strict=True)
            )
        self._find(layer, shown, part)

    # --- where the objects are ------------------------------------------------------------------------------------

    def _find(self, layer: Labels, shown: Shown, part: Box) -> None:
        """Find the objects in a part of what is shown, and draw them."""
        sizes = [s.stop - s.start for s in part]
        if len(shown.axes) == 3 and np.prod(sizes) > _MOST:
            self._hide()
            return
        values = np.asarray(cast("Array", layer.data)[shown.at(part)]).reshape(sizes)
        chosen = values == self._labels[0] if len(self._labels) == 1 else np.isin(values, self._labels)
        sides = []
        for axis in range(chosen.ndim):
            along = np.flatnonzero(chosen.any(tuple(a for a in range(chosen.ndim) if a != axis)))
            if not len(along):
                self._box = None
                self._hide()
                return
            sides.append(slice(int(along[0]), int(along[-1]) + 1))
        self._box = tuple(slice(p.start + s.start, p.start + s.stop) for p, s in zip(part, sides, strict=True))
        first = np.array([s.start for s in self._box], float)
        if chosen.ndim == 2:
            inside = tuple(sides)
            self._lines = self._in_world(layer, shown, edge_runs(values[inside] * chosen[inside]) + first)
            self._stroke()
        else:
            corners = first - 0.5 + _CORNERS * [s.stop - s.start for s in self._box]
            self._frame(self._in_world(layer, shown, corners[_EDGES]))

    def _in_world(self, layer: Labels, shown: Shown, points: np.ndarray) -> np.ndarray:
        """Points along the shown axes in the order of the array to those of the screen in the order of the screen."""
        axes = sorted(shown.axes)
        begin = np.array(shown.index, float)
        begin[axes] = 0
        origin = np.asarray(layer.data_to_world(begin), float)
        steps = [np.asarray(layer.data_to_world(begin + np.eye(layer.ndim)[a]), float) - origin for a in axes]
        drawn = self._drawn()
        units = np.ones(layer.ndim) if drawn is None else np.asarray(drawn[1], float)
        world = (points @ np.array(steps) + origin) * units
        found: np.ndarray = world[..., list(shown.axes)]
        return found

    # --- drawing --------------------------------------------------------------------------------------------------

    def _drawn(self) -> tuple[Node, tuple[float, ...]] | None:
        """The scene in which the layer is drawn, and the factors from its units to those of the scene."""
        layer = self._layer
        if layer is None:
            return None
        try:
            canvas = self._canvas
            if canvas is None:
                canvas = cast("Canvas", self._viewer.window._qt_viewer.canvas)  # type: ignore[attr-defined]
            picture = canvas.layer_to_visual[layer]
            scene = picture.node.parent
        except (AttributeError, KeyError, RuntimeError):
            return None
        units = getattr(picture, "_world_to_layer_units_scale", ())
        return None if scene is None else (scene, units if len(units) == layer.ndim else (1.0,) * layer.ndim)

    def _stroke(self) -> None:
        """Draw the lines of a plane as bars, as thick as they shall be at this zoom."""
        drawn = self._drawn()
        self._hide(keep=True)
        if drawn is None:
            return
        from vispy.scene.visuals import Mesh
        from vispy.visuals.transforms import STTransform

        if self._mesh is None:
            self._mesh = Mesh(vertices=np.zeros((3, 3), np.float32), faces=np.array([[0, 1, 2]], np.uint32))
            self._mesh.set_gl_state("translucent", depth_test=False, cull_face=False)
            self._mesh.order = _ON_TOP
        self._width = 1 / max(1e-12, float(camera_of(self._viewer).zoom))
        begin = self._lines[0, 0]  # single precision is enough for what is near
        bars = [_bars(self._lines - begin, half * self._width) for half in _HALVES]
        vertices = np.concatenate(bars).reshape(-1, 2)[:, ::-1]
        first = 4 * np.arange(len(vertices) // 4)[:, None]
        faces = (first + np.array([0, 1, 2, 0, 2, 3])).reshape(-1, 3)
        colors = np.repeat(np.array(_COLORS, np.float32), len(vertices) // 2, 0)
        flat = np.zeros((len(vertices), 3), np.float32)
        flat[:, :2] = vertices
        self._mesh.set_data(vertices=flat, faces=faces.astype(np.uint32), vertex_colors=colors)
        self._mesh.transform = STTransform(translate=(begin[1], begin[0], 0))
        self._mesh.parent, self._mesh.visible = drawn[0], True

    def _frame(self, lines: np.ndarray) -> None:
        """Draw the box of a volume."""
        drawn = self._drawn()
        self._hide()
        if drawn is None:
            return
        from vispy.scene.visuals import Line

        if not self._frames:
            self._frames = tuple(
                Line(width=2 * half, color=color, connect="segments", method="gl", antialias=False)
                for half, color in zip(_HALVES, _COLORS, strict=True)
            )
            for i, line in enumerate(self._frames):
                line.set_gl_state("translucent", depth_test=False)
                line.order = _ON_TOP + i
        for line in self._frames:
            line.set_data(pos=lines.reshape(-1, 3)[:, ::-1].astype(np.float32))
            line.parent, line.visible = drawn[0], True

    def _hide(self, keep: bool = False) -> None:
        if not keep:
            self._lines = np.zeros((0, 2, 2))
        for node in (self._mesh, *self._frames):
            if node is not None:
                node.visible = False


def _bars(lines: np.ndarray, half: float) -> np.ndarray:
    """Lines as bars (N, 4, 2) that are `half` thick to each side and that much longer at each end."""
    along = lines[:, 1] - lines[:, 0]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12) * half
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    first, last = lines[:, 0] - along, lines[:, 1] + along
    return np.stack([first - across, first + across, last + across, last - across], 1)


__all__ = ["Canvas", "ObjectOutline"]
