"""The edges that a network sees, as an image layer, where the network learns edges beside classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image as ImageLayer

from napari_segplugin.core import Event, Image, Note, SegPluginError, TileSpec
from napari_segplugin.core.types import json_integers
from napari_segplugin.viewer.geometry import label_axes, placement, to_layer_order
from napari_segplugin.widgets._parts import button
from napari_segplugin.widgets._places import current_frame, region_of
from napari_segplugin.widgets.where import told


class EdgeControl:
    """Edge maps for the dock; the button shows for networks that have edges.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self._target: tuple[ImageLayer, str, int | None] | None = None
        self.button = button(
            "Edge map",
            "edge_button",
            "Adds an image layer with the probability of an outline, from 0 to 1.",
            self.start,
        )
        self.button.hide()
        dock.result_step.rows.addWidget(self.button)

    def refresh(self) -> None:
        """Show the button where the chosen model is trained and learns edges."""
        dock = self._dock
        networks = dock.engine.networks()
        choice = None if dock.method_step.is_classical else dock.method_step.choice()
        can = (
            choice is not None
            and not choice.scratch
            and choice.spec.network in networks
            and networks[choice.spec.network].edges
        )
        self.button.setVisible(can)
        self.button.setEnabled(can and dock.image_step.ready and not dock.job.busy)

    def start(self) -> None:
        """Find the edges of the image, or of the part that is chosen above."""
        dock, choice = self._dock, self._dock.method_step.choice()
        layer, axes = dock.image_step.layer, dock.image_step.axes
        if choice is None:
            return
        try:
            image = dock.image_step.image()
            region = region_of(dock.viewer, layer, axes, dock.result_step.scope)
        except SegPluginError as error:
            dock.fail(error)
            return
        frame = current_frame(dock.viewer, layer, axes) if region is not None else None
        part = image if frame is None else image.frame(frame)
        tiles: TileSpec = dock.method_step.tiles(choice.spec.ndim)
        device, engine = dock.method_step.device, dock.engine
        self._target = (layer, axes, frame)
        dock.result_step.progress.begin("Preparing")
        dock.start_job(
            "edges",
            lambda: engine.edge_map(part, choice.load(), tiles=tiles, device=device, region=region),
            f"Finding edges of {layer.name}",
        )

    @property
    def works_on(self) -> tuple[ImageLayer, ...]:
        """Layers without which the running job makes no sense."""
        return () if self._target is None else (self._target[0],)

    def take(self, event: Event) -> None:
        """Show an event of the running job."""
        if isinstance(event, Note):
            self._dock.say(told(event))
        else:
            self._dock.result_step.progress.take(event)

    def finish(self, edges: Image) -> None:
        """Put the map into the viewer, above the image."""
        if self._target is None:
            return
        layer, axes, frame = self._target
        viewer, rgb = self._dock.viewer, bool(getattr(layer, "rgb", False))
        origin = json_integers(edges.metadata["origin"])
        array = np.asarray(edges.array)
        wanted = len(label_axes(axes))
        if "T" in label_axes(axes):
            origin = (frame or 0, *origin)
        array = array.reshape((1,) * (wanted - array.ndim) + array.shape)
        viewer.add_layer(
            ImageLayer(
                to_layer_order(array, axes, rgb),
                name=f"{layer.name} · edges",
                colormap="magenta",
                blending="additive",
                contrast_limits=(0.0, 1.0),
                metadata={"segplugin": {"role": "edges"}},
                **placement(layer, axes, origin),
            )
        )


__all__ = ["EdgeControl"]
