"""Which task and which model are chosen on each image, and which are chosen where nobody has chosen yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from napari_segplugin.core import Image, ModelSpec, Task
from napari_segplugin.viewer.work import ImageWork, ModelKey

SCRATCH: ModelKey = ("scratch", "")
Offer: TypeAlias = "tuple[ModelKey, str, ModelSpec]"
"""A model: its key, its title, and what it is."""


class ModelMemory:
    """What was chosen on each image.

    A model chosen by hand is chosen on the next images of the same kind, too; a network without training never is.

    Parameters
    ----------
    models : callable
        Every model there is, the newest first.
    reads : callable
        Whether a model of so many channels can read the image that is chosen.
    """

    def __init__(self, models: Callable[[], Sequence[Offer]], reads: Callable[[int], bool]) -> None:
        self._models, self._reads = models, reads
        self._image: Image | None = None
        self.work = ImageWork()
        self._tasks: dict[tuple[int, int], Task] = {}
        self._keys: dict[tuple[int, int, Task], ModelKey] = {}

    @property
    def _kind(self) -> tuple[int, int]:
        return (0, 0) if self._image is None else (self._image.ndim, self._image.n_channels)

    def begin(self, image: Image | None, work: ImageWork) -> None:
        """Another image is chosen, or the same one is read in another way."""
        self._image, self.work = image, work

    def fitting(self, task: Task) -> list[Offer]:
        """The models of a task that can be run on the image, the best fitting first."""
        image = self._image
        if image is None:
            return []
        found = [o for o in self._models() if o[2].task is task and o[2].ndim <= image.ndim]
        found = [o for o in found if self._reads(o[2].in_channels)]
        return sorted(found, key=lambda o: (o[2].ndim != image.ndim, o[2].in_channels != image.n_channels))

    def task(self, now: Task, order: Sequence[Task]) -> Task:
        """What to look for: as before on this image, else as chosen by hand on one of its kind, else what a model finds.

        Parameters
        ----------
        now : Task
            What is looked for so far.
        order : sequence of Task
            Those that there are.
        """
        if self.work.task is not None:
            return self.work.task
        if self._kind in self._tasks:
            return self._tasks[self._kind]
        return next((t for t in (now, *order) if self.fitting(t)), now)

    def model(self, task: Task) -> ModelKey:
        """The model of a task: as before on this image, else as chosen by hand on one of its kind, else the best fitting."""
        there, by_hand = [key for key, _, _ in self.fitting(task)], task in self.work.by_hand
        for key in (self.work.models.get(task), self._keys.get((*self._kind, task))):
            if key is not None and (key in there or (key == SCRATCH and by_hand)):
                return key
        return there[0] if there else SCRATCH

    def shown(self, task: Task, key: ModelKey) -> None:
        """Something is chosen, by whomever."""
        if self._image is not None:
            self.work.task, self.work.models[task] = task, key

    def took_task(self, task: Task) -> None:
        """A person chose what to look for."""
        if self._image is not None:
            self.work.task = self._tasks[self._kind] = task

    def took_model(self, task: Task, key: ModelKey) -> None:
        """A person chose a model."""
        self.shown(task, key)
        self.work.by_hand.add(task)
        if key != SCRATCH and self._image is not None:
            self._keys[(*self._kind, task)] = key


__all__ = ["SCRATCH", "ModelMemory", "Offer"]
