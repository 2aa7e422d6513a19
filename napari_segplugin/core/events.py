"""Long work is a generator of these events; its return value is the result."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from napari_segplugin.core.words import Setting

T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """A new part of the work begins, for example "Reading tiles"."""

    text: str


@dataclass(frozen=True)
class Step:
    """`done` of `total` units of the current stage are finished."""

    done: int
    total: int


@dataclass(frozen=True)
class Metric:
    """A number worth plotting: the loss, or a quality on held-out strokes, at a training step."""

    step: int
    name: str
    value: float


@dataclass(frozen=True, eq=False)
class Preview:
    """Labels of a part of the image, as they stand now.

    Parameters
    ----------
    origin : tuple of int
        Index of the first voxel of `labels` in the image's spatial axes.
    labels : (Z, Y, X) or (Y, X) ndarray of int
    """

    origin: tuple[int, ...]
    labels: np.ndarray


@dataclass(frozen=True)
class Note:
    """A sentence that the person should read (a fallback was taken, a class has no strokes).

    Parameters
    ----------
    text : str
        Names neither a step of the dock nor an option of the command line.
    setting : str, optional
        The setting that it is about; the dock and the command line add where theirs is.
    """

    text: str
    setting: Setting | None = None


FileWord: TypeAlias = Literal["waits", "running", "done", "none", "unreadable", "failed"]
"""How far a file of a batch is; "none" is done, and nothing was found."""


@dataclass(frozen=True)
class FileState:
    """Where one file of a batch stands. What comes between "running" and its next state is about this file.

    Parameters
    ----------
    number : int
        Of the file in the batch, from 0.
    path : str
    state : str
        "waits", "running", "done", "none" (done, and nothing was found), "unreadable" or "failed".
    share : float
        How much of it is done, 0 to 1.
    objects : int, optional
        How many objects, or classes, were found; None before that is known.
    reason : str
        Why it is unreadable or failed, or what else a person should know of it.
    setting : str, optional
        The setting that helps, if there is one.
    files : tuple of str
        What was written, the labels first.
    seconds : float
        What it took.
    earlier : bool
        Whether it was done before this batch, with the same settings.
    notes : tuple of Note
        What was said of it.

    Examples
    --------
    >>> FileState(0, "a.tif", "done", 1.0, 12).ended, FileState(1, "b.tif", "running").ended
    (True, False)
    """

    number: int
    path: str
    state: FileWord
    share: float = 0.0
    objects: int | None = None
    reason: str = ""
    files: tuple[str, ...] = ()
    seconds: float = 0.0
    earlier: bool = False
    notes: tuple[Note, ...] = ()
    setting: Setting | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state not in ("waits", "running")

    @property
    def problem(self) -> bool:
        """Whether a person should look at it: nothing was found, or it could not be segmented."""
        return self.state in ("none", "unreadable", "failed")


Event: TypeAlias = Stage | Step | Metric | Preview | Note | FileState
Job: TypeAlias = Generator[Event, None, T]


def drain(job: Job[T], on_event: Callable[[Event], None] | None = None) -> T:
    """Run a job to its end and return its result.

    Parameters
    ----------
    job : generator of Event
    on_event : callable, optional
        Is called with every event. Whatever it raises ends the job and is passed on.

    Returns
    -------
    object
        What the job returns.

    Examples
    --------
    >>> def count():
    ...     yield Step(1, 1)
    ...     return "ready"
    >>> drain(count())
    'ready'
    """
    try:
        while True:
            event = next(job)
            if on_event is not None:
                on_event(event)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        job.close()
