"""The work on an image, on its strokes, and on a result: what the desk keeps of each. No Qt, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from napari.layers import Labels, Points, Shapes, Tracks

    from napari_segplugin.core import ClassTable, Task
    from napari_segplugin.engine.instant import PixelForest
    from napari_segplugin.engine.track.track import Tracking
    from napari_segplugin.viewer.class_renewal import ClassSteps
    from napari_segplugin.viewer.recorder import Recorder
    from napari_segplugin.viewer.replay import History
    from napari_segplugin.viewer.results import Result
    from napari_segplugin.viewer.target import Target
    from napari_segplugin.viewer.views import ResultView


ModelKey: TypeAlias = "tuple[str, str | int]"
"""Where a model is from, and its name or number there."""


@dataclass(eq=False)
class ImageWork:
    """The work on one image layer.

    Parameters
    ----------
    paints : dict of str to Labels
        What was painted: strokes of classes, and objects ("classes", "objects").
    reviewed : Shapes, optional
        The area that was looked through.
    marks, starts : dict of str to layers
        Points, boxes and empty areas to learn from; points and boxes that a classical technique starts from.
    classes : dict of str to ClassTable
        As they were when they were last looked at, by task and model.
    forest : (int or None, PixelForest), optional
        The forest that answers strokes, and its time point.
    regions : Shapes, optional
        Where regions to look at are drawn.
    results : list of Result
        Oldest first.
    shown : Result, optional
        The one that is worked on: the last that was made or selected.
    recorder : Recorder, optional
        Writes what is done into the journal.
    key : str
        The key of the image in the folder of journals; empty while it is not known.
    looked, read : bool
        Whether earlier work was looked for, and whether the file of the layer was looked into.
    task : Task, optional
        What was looked for last.
    models : dict of Task to tuple
        The model that was chosen last for each task, and in `by_hand` the tasks for which a person chose it.
    """

    paints: dict[str, Labels] = field(default_factory=dict)
    reviewed: Shapes | None = None
    marks: dict[str, Points | Shapes] = field(default_factory=dict)
    starts: dict[str, Points | Shapes] = field(default_factory=dict)
    classes: dict[str, ClassTable] = field(default_factory=dict)
    forest: tuple[int | None, PixelForest] | None = None
    regions: Shapes | None = None
    results: list[Result] = field(default_factory=list)
    shown: Result | None = None
    recorder: Recorder | None = None
    key: str = ""
    looked: bool = False
    read: bool = False
    task: Task | None = None
    models: dict[Task, ModelKey] = field(default_factory=dict)
    by_hand: set[Task] = field(default_factory=set)


@dataclass(eq=False)
class PaintWork:
    """What is known of one corrections layer.

    Parameters
    ----------
    colors : dict of int to str, optional
        The colors that it shows now.
    counts : dict of int to (int, int)
        Strokes and voxels of each paint value.
    highest : int
        The highest number that an object has or had.
    aside : bool
        Whether it is hidden because something else is looked for.
    """

    colors: dict[int, str] | None = None
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    highest: int = 0
    aside: bool = False


@dataclass(eq=False)
class ResultWork:
    """The work on one result.

    Parameters
    ----------
    target : Target, optional
        What the tools work on, while its layer is in the viewer and has objects.
    views : ResultView, optional
        How it is shown.
    tracks, tracking : optional
        The layer that shows the paths of linked objects, and what it shows.
    number : int, optional
        Its number in the journal.
    known : int, optional
        The number under which the journal knows it already.
    history : History, optional
        Edits that it came with.
    restored : bool
        Whether it came back with edits that are to be recorded anew.
    classes : ClassSteps, optional
        Runs on its undo list, where it is a map of classes that was run again.
    scope : str
        Which part of the image the last run looked at; empty where that is not known.
    """

    target: Target | None = None
    views: ResultView | None = None
    tracks: Tracks | None = None
    tracking: Tracking | None = None
    number: int | None = None
    known: int | None = None
    history: History | None = None
    restored: bool = False
    classes: ClassSteps | None = None
    scope: str = ""


__all__ = ["ImageWork", "ModelKey", "PaintWork", "ResultWork"]
