"""Linking the objects of a time series: one number and one colour an object, with its path and lineage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QSpinBox

from napari_segplugin.core import Job, SegPluginError, Task, drain
from napari_segplugin.core.types import json_object
from napari_segplugin.data.edits import Change
from napari_segplugin.door.window import TrackSpec, track_spec_from_json
from napari_segplugin.viewer.geometry import label_axes
from napari_segplugin.viewer.light import drawn
from napari_segplugin.viewer.results import Result, show_result
from napari_segplugin.viewer.table import Features
from napari_segplugin.viewer.tracks import (
    changed_rows,
    is_linked,
    relabel_change,
    track_features,
    tracks_layer,
    update_tracks,
    with_lineage,
)
from napari_segplugin.widgets._parts import Fold, button, describe, labelled

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_segplugin.core import Event
    from napari_segplugin.door.window import Tracking
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.history import EditStep
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.journal_control import JournalControl
    from napari_segplugin.widgets.step_result import ResultStep

LINK, AGAIN = "Link through time", "Link again"


@dataclass(frozen=True, eq=False)
class _Linked:
    """What a worker brings back."""

    tracking: Tracking
    features: Features
    before: np.ndarray | None
    change: Change | None


class TrackControl:
    """Linking through time for the dock; shown where the result has a time axis.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    step : ResultStep
    journal : JournalControl
    """

    keeps = False

    def __init__(self, desk: Desk, jobs: Jobs, engine: Engine, step: ResultStep, journal: JournalControl) -> None:
        self._desk, self._jobs, self._engine, self._step, self._journal = desk, jobs, engine, step, journal
        self._target: tuple[Result, int] | None = None
        self.fold = Fold(
            LINK, "track_fold", "Follow each object from one time point to the next, with its path and its daughters."
        )
        self.distance = QDoubleSpinBox()
        self.distance.setRange(0, 1e6)
        self.distance.setSpecialValueText("width of the objects")
        describe(
            self.distance,
            "track_distance",
            "Moves up to",
            "Largest distance an object moves from one time point to the next. Lowest value: the width of the median "
            "object.",
        )
        self.gap = QSpinBox()
        self.gap.setRange(0, 20)
        self.gap.setValue(1)
        self.gap.setSpecialValueText("never missing")
        describe(self.gap, "track_gap", "Missing up to", "Time points during which an object may be missing.")
        self.split = QCheckBox("Objects divide")
        self.split.setChecked(True)
        describe(self.split, "track_split", "Objects divide", "Find divisions: daughters get their own numbers.")
        self.button = button(
            LINK,
            "track_button",
            "Give each object one number and one colour through time, and show its path. After edits, link again: "
            "objects that were not edited keep their numbers.",
            self.start,
        )
        for widget in (
            labelled("Moves ≤", self.distance),
            labelled("Missing ≤", self.gap),
            self.split,
            self.button,
        ):
            self.fold.rows.addWidget(widget)
        self.fold.hide()
        step.rows.addWidget(self.fold)

    @property
    def can_link(self) -> bool:
        """Whether there are single objects at several time points."""
        result = self._desk.result
        return result is not None and result.segmentation.task is not Task.SEMANTIC and "T" in label_axes(result.axes)

    def refresh(self) -> None:
        """Show what can be linked."""
        result, can = self._desk.result, self.can_link
        self.fold.setVisible(can)
        if result is None or not can:
            return
        unit = result.segmentation.unit
        self.distance.setSuffix(f" {'µm' if unit == 'um' else unit}")
        self.gap.setSuffix(" time point" if self.gap.value() == 1 else " time points")
        linked = is_linked(result.segmentation)
        self.button.setText(AGAIN if linked else LINK)
        self.button.setAccessibleName(self.button.text())
        self.button.setEnabled(not self._jobs.busy)

    # --- the job --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Link the objects of the chosen image's result."""
        result, engine = self._desk.result, self._engine
        if result is None:
            return
        current, before = result.current(), result.segmentation.labels
        linked = is_linked(result.segmentation)
        spec = TrackSpec(self.distance.value(), self.gap.value(), self.split.isChecked())
        axes, rgb = result.axes, bool(getattr(result.image_layer, "rgb", False))
        now = np.array(result.layer.data) if linked else None

        def work() -> Job[_Linked]:
            tracking = yield from engine.track(current, spec, before=np.asarray(before) if linked else None)
            features = track_features(tracking)
            if now is None:
                return _Linked(tracking, features, tracking.relabelled(before), None)
            return _Linked(tracking, features, None, relabel_change(now, tracking, axes, rgb))

        self._target = (result, self._version(result))
        self._step.progress.begin("Preparing")
        self._jobs.start(self, work, f"Linking {result.layer.name}")

    def _version(self, result: Result) -> int:
        target = self._desk.about(result).target
        return 0 if target is None else int(target.editor.version)

    @property
    def works_on(self) -> tuple[Layer, ...]:
        """Layers without which the running job makes no sense."""
        return () if self._target is None else (self._target[0].layer, self._target[0].image_layer)

    def take(self, event: Event) -> None:
        """Show an event of the running job."""
        self._step.progress.take(event)

    def ended(self) -> None:
        """The job has ended: nothing is in progress any more."""
        self._step.progress.stop()

    def finish(self, found: _Linked) -> None:
        """Show what was linked: in a layer of its own the first time, as one step of undo after that.

        Raises
        ------
        SegPluginError
            If the objects were edited meanwhile.
        """
        if self._target is None:
            return
        result, version = self._target
        if found.before is not None:
            result = self._show_first(result, found, found.before)
            self._show(result, found.tracking)
        elif version != self._version(result):
            raise SegPluginError("The objects were edited in the meantime, so nothing is changed. Link again.")
        else:
            self._apply(result, found)
        tracks, divisions = len(found.tracking.track), len({p[0] for p in found.tracking.graph.values()})
        self._step.show_summary(
            f"{tracks} object{'s' * (tracks != 1)} through time, {divisions} division{'s' * (divisions != 1)}."
        )

    def _show_first(self, old: Result, found: _Linked, before: np.ndarray) -> Result:
        """Labels with the numbers of the tracks, in a layer of their own; the others are hidden."""
        desk, name = self._desk, f"{old.layer.name} · linked"
        base = replace(found.tracking.segmentation, labels=before)
        labels = found.tracking.segmentation.labels
        shown = drawn(np.asarray(labels), base.task)
        made = show_result(desk.viewer, base, old.image_layer, old.axes, features=found.features, labels=shown)
        made.layer.name, made.model, made.adopted = name, old.model, old.adopted
        old.layer.visible = False
        desk.add(made)
        desk.refresh()
        return made

    def _apply(self, result: Result, found: _Linked) -> None:
        """Change the numbers that changed, as one step."""
        work, change = self._desk.about(result), found.change or Change((), 0)
        if work.target is None:
            return  # the layer was removed
        editor = work.target.editor
        rows = changed_rows(found.features, editor.rows)
        if len(change) or rows:
            editor.apply(change, "link", rows=rows)
            editor.history.past[-1].note["tracking"] = (work.tracking, found.tracking)
        self._show(result, found.tracking)

    def restore(self, result: Result) -> None:
        """Show the paths of a result that was linked before the program ended; its numbers stay as they are."""
        if not is_linked(result.segmentation):
            return
        current, engine = result.current(), self._engine
        spec = track_spec_from_json(json_object(current.recipe["tracks"])["settings"])

        def work() -> Tracking:
            return drain(engine.track(current, spec))

        def done(tracking: Tracking) -> None:
            self._show(result, tracking)

        self._jobs.beside(("tracks", result), work, done)

    # --- the layer ------------------------------------------------------------------------------------------------

    def _show(self, result: Result, tracking: Tracking) -> None:
        """Show the paths, and note the lineage in the recipe."""
        viewer, rgb = self._desk.viewer, bool(getattr(result.image_layer, "rgb", False))
        work = self._desk.about(result)
        layer = self._desk.living(work.tracks)
        if layer is not None:
            update_tracks(layer, tracking, result.axes, rgb)
        else:
            layer = tracks_layer(tracking, result.layer, result.axes, rgb)
            viewer.add_layer(layer)
            viewer.layers.selection.active = result.layer
        work.tracks, work.tracking = layer, tracking
        result.segmentation = with_lineage(result.segmentation, tracking)
        result.layer.metadata = {**result.layer.metadata, "recipe": dict(result.segmentation.recipe)}
        self._journal.recipe(result)
        target = work.target
        if target is not None and not target.paths_follow:
            target.paths_follow = True
            target.editor.stepped.connect(lambda step, back: self._on_step(result, step, back))

    def _on_step(self, result: Result, step: EditStep, back: bool) -> None:
        """A linking was taken back, or done again: its paths go along."""
        old, new = step.note.get("tracking", (None, None))
        wanted = old if back else new
        if wanted is not None:
            self._show(result, wanted)


__all__ = ["TrackControl"]
