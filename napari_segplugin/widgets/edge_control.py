"""The edges that a network sees, as an image layer, where the network learns edges beside classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image as ImageLayer

from napari_segplugin.core import Event, Image, Note, SegPluginError
from napari_segplugin.core.types import json_integers
from napari_segplugin.viewer.geometry import label_axes, placement, to_layer_order
from napari_segplugin.viewer.selected import still_selected
from napari_segplugin.widgets._parts import button
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.step_result import ResultStep


class EdgeControl:
    """Edge maps for the dock; the button shows for networks that have edges.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    step : ResultStep
    """

    keeps = False

    def __init__(self, desk: Desk, jobs: Jobs, engine: Engine, step: ResultStep) -> None:
        self._desk, self._jobs, self._engine, self._step = desk, jobs, engine, step
        self._target: tuple[ImageLayer, str, int | None] | None = None
        self.button = button(
            "Edge map",
            "edge_button",
            "Adds an image layer with the probability of an outline, from 0 to 1.",
            self.start,
        )
        self.button.hide()
        step.rows.addWidget(self.button)

    def refresh(self) -> None:
        """Show the button where the chosen model is trained and learns edges."""
        desk = self._desk
        networks = self._engine.networks()
        choice = None if desk.is_classical else desk.choice()
        can = (
            choice is not None
            and not choice.scratch
            and choice.spec.network in networks
            and networks[choice.spec.network].edges
        )
        self.button.setVisible(can)
        self.button.setEnabled(can and desk.ready and not self._jobs.busy)

    def start(self) -> None:
        """Find the edges of the image, or of the part that is chosen above."""
        desk, choice = self._desk, self._desk.choice()
        if choice is None:
            return
        try:
            chosen, region = desk.chosen(), desk.region()
        except SegPluginError as error:
            desk.fail(error)
            return
        part, frame = (chosen.image, None) if region is None else (chosen.part, chosen.frame)
        tiles, device, engine = desk.tiles(choice.spec.ndim), desk.device, self._engine
        self._target = (chosen.layer, chosen.axes, frame)
        self._step.progress.begin("Preparing")
        self._jobs.start(
            self,
            lambda: engine.edge_map(part, choice.load(), tiles=tiles, device=device, region=region),
            f"Finding edges of {chosen.layer.name}",
        )

    @property
    def works_on(self) -> tuple[ImageLayer, ...]:
        """Layers without which the running job makes no sense."""
        return () if self._target is None else (self._target[0],)

    def take(self, event: Event) -> None:
        """Show an event of the running job."""
        if isinstance(event, Note):
            self._desk.say(told(event))
        else:
            self._step.progress.take(event)

    def ended(self) -> None:
        """The job has ended: nothing is in progress any more."""
        self._step.progress.stop()

    def finish(self, edges: Image) -> None:
        """Put the map into the viewer, above the image."""
        if self._target is None:
            return
        layer, axes, frame = self._target
        viewer, rgb = self._desk.viewer, bool(getattr(layer, "rgb", False))
        origin = json_integers(edges.metadata["origin"])
        array = np.asarray(edges.array)
        wanted = len(label_axes(axes))
        if "T" in label_axes(axes):
            origin = (frame or 0, *origin)
        array = array.reshape((1,) * (wanted - array.ndim) + array.shape)
        made = ImageLayer(
            to_layer_order(array, axes, rgb),
            name=f"{layer.name} · edges",
            colormap="magenta",
            blending="additive",
            contrast_limits=(0.0, 1.0),
            metadata={"segplugin": {"role": "edges"}},
            **placement(layer, axes, origin),
        )
        with still_selected(viewer.layers):
            viewer.add_layer(made)


__all__ = ["EdgeControl"]
