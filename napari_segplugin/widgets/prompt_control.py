"""An object that was missed: a click or a box, the model's proposal, and the answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import Box, InputError, SegPluginError
from napari_segplugin.core.words import voxels
from napari_segplugin.data.prompt import window
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.geometry import label_axes, placement, to_canonical, to_layer_order
from napari_segplugin.viewer.pointer import COLOR
from napari_segplugin.viewer.technical import add_hidden
from napari_segplugin.widgets._edit_keys import PROPOSAL_KEYS, bind, unbind

if TYPE_CHECKING:
    from napari_segplugin.door.window import Proposed
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.target import Target
    from napari_segplugin.widgets.edit_control import EditControl
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs

PROPOSAL = "proposal"


class PromptControl:
    """Proposals for the dock.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    edits : EditControl
    """

    def __init__(self, desk: Desk, jobs: Jobs, engine: Engine, edits: EditControl) -> None:
        self._desk, self._jobs, self._engine, self._edits = desk, jobs, engine, edits
        self._target: Target | None = None
        self._found: list[Proposed] = []
        self._at = 0
        self._frame: int | None = None
        self._layer: Labels | None = None

    def ask(self, target: Target, point: np.ndarray | None = None, box: np.ndarray | None = None) -> None:
        """Ask the model what lies at a voxel, or in a box that was drawn; it answers in a worker.

        Parameters
        ----------
        target : Target
        point : (D,) ndarray, optional
            In the axes of the layer.
        box : (P, D) ndarray, optional
            Points of the drawn box.

        Raises
        ------
        InputError
            If there is no trained model, or the click lies outside the image.
        """
        desk = self._desk
        choice = desk.choice()
        if choice is None or choice.scratch:
            raise InputError(
                "A proposal needs a model.", hint="Choose a trained model under Look for, or paint the object."
            )
        self._put_away()
        image, axes = desk.image(), target.axes
        shape = image.spatial_shape
        planes = len(shape) > choice.spec.ndim
        voxel = None if point is None else self._spatial(np.round(point).astype(int), axes)
        if voxel is not None and any(not 0 <= p < n for p, n in zip(voxel, shape, strict=True)):
            raise InputError("The click lies outside the image.", hint="Click on the image")
        drawn = None if box is None else self._region(box, axes, shape, planes)
        region = window(shape, voxel, drawn, planes)
        frame = self._frame = self._frame_of(target, point if point is not None else box)
        part = image if frame is None else image.frame(frame)
        taken = np.asarray(target.layer.data[self._box(region, target)])
        free = to_canonical(taken, target.result.axes, target.rgb)[0 if frame is not None else ...] == 0
        engine, device, tiles = self._engine, desk.device, desk.tiles(len(shape))

        def failed(error: BaseException) -> None:
            self._edits.panel.show_proposal("")
            desk.fail(error)

        self._edits.panel.show_tool("add", "Finding the object …")
        self._jobs.beside(
            "proposal",
            lambda: engine.propose(
                part,
                choice.load(),
                region,
                point=voxel,
                box=drawn,
                free=free,
                device=device,
                rescale=tiles.rescale,
                invert=tiles.invert,
            ),
            lambda found: self._show(target, found),
            failed,
        )

    @staticmethod
    def _spatial(point: np.ndarray, axes: str) -> tuple[int, ...]:
        """The voxel in the axes Z, Y, X."""
        return tuple(int(point[axes.index(a)]) for a in "ZYX" if a in axes)

    def _region(self, points: np.ndarray, axes: str, shape: tuple[int, ...], planes: bool) -> Box:
        """The box between points; along an axis that is not on the screen it reaches as far as it is high."""
        low = self._spatial(np.floor(points.min(0) + 0.5).astype(int), axes)
        high = self._spatial(np.floor(points.max(0) + 0.5).astype(int), axes)
        out = []
        for i, (a, b) in enumerate(zip(low, high, strict=True)):
            room = 0 if planes or b > a else max(q - p for p, q in zip(low, high, strict=True)) // 2
            out.append(slice(max(0, a - room), min(shape[i], b + room + 1)))
        return tuple(out)

    @staticmethod
    def _frame_of(target: Target, points: np.ndarray | None) -> int | None:
        if "T" not in target.axes or points is None:
            return None
        return round(float(np.atleast_2d(points)[0, target.axes.index("T")]))

    def _box(self, region: Box, target: Target) -> Box:
        """A region in the axes Z, Y, X as a box of the layer."""
        sides = dict(zip([a for a in "ZYX" if a in target.axes], region, strict=True))
        if self._frame is not None:
            sides["T"] = slice(self._frame, self._frame + 1)
        return tuple(sides.get(a, slice(0, 1)) for a in target.axes)

    def _mask(self, target: Target) -> np.ndarray:
        """The proposal in the order of the layer."""
        mask = self._found[self._at].mask
        mask = mask[None] if self._frame is not None else mask
        return to_layer_order(mask, target.result.axes, target.rgb)

    # --- the proposal ---------------------------------------------------------------------------------------------

    def _show(self, target: Target, found: list[Proposed]) -> None:
        if self._edits.tool != "add" or self._edits.target is not target:
            return  # the person went on to something else
        self._put_away()
        self._target, self._found, self._at = target, list(found), 0
        region = found[0].region
        origin = tuple(s.start for s in region)
        origin = origin if self._frame is None else (self._frame, *origin)
        axes = target.result.axes
        self._layer = Labels(
            self._mask(target).astype(np.uint8),
            name=PROPOSAL,
            colormap=label_colormap_of({1: COLOR}),
            metadata={"segplugin": {"role": "proposal"}},
            **placement(target.result.image_layer, axes, origin if len(origin) == len(label_axes(axes)) else ()),
        )
        viewer = self._desk.viewer
        add_hidden(viewer, self._layer)
        viewer.layers.selection.active = target.layer
        bind(target.layer, PROPOSAL_KEYS, self.answer)
        self._tell(target)

    def _tell(self, target: Target) -> None:
        found = self._found[self._at]
        more = f"Proposal {self._at + 1} of {len(self._found)}"
        size = voxels(int(found.mask.sum()), 3 if "Z" in target.result.axes else 2)
        name = self._edits.panel.new_class or target.classes[found.class_id].name
        self._edits.panel.show_tool("add", "Enter: use it. Tab: show another. Esc: discard it.")
        self._edits.panel.show_proposal(f"{more} · {name} · {size}")

    def answer(self, word: str) -> None:
        """ "take", "other" or "no"."""
        target = self._target
        if not self._found or self._layer is None or target is None:
            return
        if word == "other":
            self._at = (self._at + 1) % len(self._found)
            self._layer.data = self._mask(target).astype(np.uint8)
            self._tell(target)
            return
        found = self._found[self._at]
        mask, box = self._mask(target), self._box(found.region, target)
        self._put_away()
        self._edits.ready_again(target)
        if word == "take":
            try:
                name = self._edits.panel.new_class or target.classes[found.class_id].name
                number = target.editor.add(mask, box, name, target.area(name) or 0)
                self._edits.choose(target, number)
            except SegPluginError as error:
                self._desk.fail(error)

    def clear(self) -> None:
        """Put a proposal away without an answer."""
        self._put_away()

    def _put_away(self) -> None:
        if self._target is not None:
            unbind(self._target.layer, PROPOSAL_KEYS)
        layer, self._layer = self._layer, None
        self._target, self._found, self._at = None, [], 0
        self._edits.panel.show_proposal("")
        if layer is not None and self._desk.there(layer):
            active = self._desk.viewer.layers.selection.active
            self._desk.viewer.layers.remove(layer)
            if active is not layer:
                self._desk.viewer.layers.selection.active = active


__all__ = ["PromptControl"]
