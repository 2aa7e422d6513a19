"""Which way a picture of a patient is seen: letters at its edges that follow the view, and heads at the top.

The letters are R, L (the patient's right and left), A, P (front and back), S, I (head and feet). They are there as soon as
the viewer has a volume of a patient, and go with the last one.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np
from napari.components._viewer_constants import CanvasPosition
from napari.components.overlays import TextOverlay
from napari.utils.camera_orientations import HorizontalAxisOrientation, VerticalAxisOrientation
from napari.utils.color import ColorValue

from napari_segplugin.core import Place
from napari_segplugin.viewer.focus import camera_of
from napari_segplugin.viewer.space import (
    View,
    about_layer,
    as_stored,
    letters,
    look,
    place_of_layer,
    scene_of,
    straight,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_EDGES = ("middle_left", "middle_right", "top_center", "bottom_center")
_NAMES = tuple(f"segplugin {edge}" for edge in _EDGES)
_YELLOW, _SHADE = ColorValue("#ffd43b"), ColorValue("#00000099")
_known: weakref.WeakKeyDictionary[ViewerModel, Compass] = weakref.WeakKeyDictionary()


def layer_letters(layer: Layer) -> str:
    """The axes of a layer as letters, without colour; empty where they have no names."""
    named = "".join(str(a).upper() for a in layer.axis_labels)
    return named if len(named) == layer.ndim and set("ZYX") <= set(named) <= set("TCZYX") else ""


class Compass:
    """The letters of a viewer, and the way in which its layers are seen; :func:`compass_of` gives it.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._view: View = "patient"
        self._lead: Compass | None = None
        self._followers: weakref.WeakSet[Compass] = weakref.WeakSet()
        self._turned = False
        dims, layers = viewer.dims.events, viewer.layers
        for event in (dims.order, dims.ndisplay, dims.ndim, layers.events.removed, layers.selection.events.active):
            event.connect(self.refresh)
        layers.events.inserted.connect(self._on_new)
        for layer in viewer.layers:
            layer.events.affine.connect(self.refresh)
        self._on_new()

    @property
    def view(self) -> View:
        """How the layers of the patient are seen: along his axes, the planes of an image, or in the order of its file."""
        return self._view if self._lead is None else self._lead.view

    def follow(self, lead: Compass) -> None:
        """See the layers as another viewer does, which shows the same ones."""
        self._lead = lead
        lead._followers.add(self)
        self.refresh()

    def _on_new(self, event: object = None) -> None:
        layer = getattr(event, "value", None)
        if layer is not None:
            layer.events.affine.connect(self.refresh)
        viewer = self._viewer()
        scenes = [s for s in map(scene_of, viewer.layers) if s is not None] if viewer is not None else []
        if viewer is not None and scenes:
            look(viewer, scenes[0])  # one that was made for another viewer joins those that are here
        self.refresh()

    def _volumes(self) -> Iterator[Layer]:
        """Volumes of a patient, the one that is worked on first."""
        viewer = self._viewer()
        if viewer is None:
            return
        active = viewer.layers.selection.active
        for layer in (*((active,) if active is not None else ()), *reversed(viewer.layers)):
            if scene_of(layer) is not None and layer.ndim >= 3:
                yield layer

    def refresh(self, event: object = None) -> None:
        """Show the letters of the view, and put the head to the top where it is not axial."""
        viewer = self._viewer()
        if viewer is None:
            return
        layer = next(self._volumes(), None)
        lead = viewer.dims.ndim - 3
        shown = tuple(d - lead for d in viewer.dims.displayed)
        plane = layer is not None and len(shown) == 2 and min(shown) >= 0
        camera = camera_of(viewer)
        if plane:
            # z runs up in a patient, and what lies along it is the height of a person
            want = "up" if self.view != "file" and shown[0] == 0 else "down"
            if str(camera.orientation2d[0]) != want:
                camera.orientation2d = (VerticalAxisOrientation(want), HorizontalAxisOrientation.RIGHT)
            self._turned = want == "up"
        elif self._turned:
            camera.orientation2d = (VerticalAxisOrientation.DOWN, HorizontalAxisOrientation.RIGHT)
            self._turned = False
        found: tuple[str, ...] = ("",) * 4
        if plane and layer is not None:
            place = Place.from_json(about_layer(layer)["place"]) if "place" in about_layer(layer) else None
            ups = (str(camera.orientation2d[0]) == "up", str(camera.orientation2d[1]) == "left")
            found = letters(place, scene_of(layer), shown, ups)
        self._show(viewer, found)

    def _show(self, viewer: ViewerModel, found: tuple[str, ...]) -> None:
        canvas = getattr(viewer, "canvas", None)
        if canvas is None:  # napari before 0.9 has one text for all
            left, right, top, bottom = found
            text = f"{left} ← → {right}    {top} ↑ ↓ {bottom}" if any(found) else ""
            if any(found) or viewer.text_overlay.text.endswith("\u200b"):
                viewer.text_overlay.text, viewer.text_overlay.visible = text + "\u200b", bool(text)
            return
        overlays = canvas.overlays
        for name, edge, text in zip(_NAMES, _EDGES, found, strict=True):
            if name not in overlays:
                if not text:
                    continue
                # on a box of its own: a picture, or a light window, may be as bright as any letter
                overlays[name] = TextOverlay(
                    position=CanvasPosition(edge), font_size=14, color=_YELLOW, box=True, box_color=_SHADE, text=text
                )
            overlay = cast("TextOverlay", overlays[name])
            overlay.text, overlay.visible = text, bool(text)

    @property
    def letters(self) -> tuple[str, ...]:
        """What stands at the left, right, top and bottom."""
        viewer = self._viewer()
        overlays = {} if viewer is None else viewer.canvas.overlays
        found = (cast("TextOverlay | None", overlays.get(name)) for name in _NAMES)
        return tuple(overlay.text if overlay is not None and overlay.visible else "" for overlay in found)

    def see(self, layer: Layer, view: View) -> None:
        """Look at all layers of the patient as a layer is seen best: along his axes, its planes, or in the order of its file.

        Every layer keeps its place.

        Parameters
        ----------
        layer : napari.layers.Layer
            A volume of a patient; nothing happens with another one.
        view : {"patient", "planes", "file"}
            "patient" shows a tilted volume along its planes, because napari cannot cut it otherwise.
        """
        viewer, axes, before = self._viewer(), layer_letters(layer), scene_of(layer)
        place = place_of_layer(layer, axes) if axes and before is not None else None
        if viewer is None or place is None or before is None:
            return
        self._view = view
        scene = np.eye(4)
        if view == "file":
            scene = as_stored(place)
        elif view == "planes" or place.oblique:
            scene = straight(place)
        lead = viewer.dims.ndim - 3
        order = [axes[-3:].index(a) for a in "ZYX"] if view == "file" else [0, 1, 2]
        if not np.array_equal(scene, before):
            point = np.array(viewer.dims.point, float)
            point[lead:] = (scene @ np.linalg.solve(before, [*point[lead:], 1]))[:3]
            look(viewer, scene)
            viewer.dims.order = (*range(lead), *(lead + i for i in order))
            viewer.dims.set_point(range(viewer.dims.ndim), point.tolist())
            viewer.reset_view()
        self.refresh()
        for follower in self._followers:
            follower.refresh()


def compass_of(viewer: ViewerModel) -> Compass:
    """The compass of a viewer; it is made when it is first asked for."""
    if viewer not in _known:
        _known[viewer] = Compass(viewer)
    return _known[viewer]


__all__ = ["Compass", "compass_of", "layer_letters"]
