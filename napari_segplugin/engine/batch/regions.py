"""A result in regions that were drawn: each is looked at with its surroundings, and what lies outside is left away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from napari_segplugin.core import Image, Job, Note, ObjectTable, Region, Segmentation, Stage, Task, labels_in
from napari_segplugin.core.types import Json, JsonDict, json_integers
from napari_segplugin.data.drawn import Outline, around, boxes_around, centres_inside, inside, through_planes
from napari_segplugin.engine.stores import Shifted, check_labels

Run = Callable[[Region], Job[Segmentation]]
"""Segments a box of the image."""


def in_regions(
    image: Image, outlines: Sequence[Outline], run: Run, margin: Sequence[int] = (0, 0)
) -> Job[Segmentation]:
    """Segment the inside of drawn regions.

    Objects (instances, and things of a panoptic result) belong to a region where their centre of mass lies inside, and are kept
    whole then, also where they reach out of it: every object counts once, and none is measured as a part of itself. Areas
    (classes, and stuff) end at the outline.

    Parameters
    ----------
    image : Image
    outlines : sequence of Outline
        Those that lie over each other on several planes of a volume go through all planes between.
    run : callable
        Segments a box; it is called for each box around outlines, those that overlap together.
    margin : (int, int)
        How many pixels around an outline are looked at along Y and X, so that objects at its edge are whole.

    Returns
    -------
    Segmentation
        Of the box around all regions; its recipe names the first voxel as "origin" and the outlines as "regions".
        :func:`known_of` says which voxels lie inside.

    Raises
    ------
    InputError
        If no region lies in the image, or the result is larger than the free memory; and as `run`.
    """
    outlines = through_planes(outlines) if image.ndim == 3 else [Outline(o.points) for o in outlines]
    boxes = boxes_around(outlines, image.spatial_shape, margin)
    said: set[str] = set()
    parts: list[Segmentation] = []
    for number, box in enumerate(boxes, 1):
        if len(boxes) > 1:
            yield Stage(f"Region {number} of {len(boxes)}")
        parts.append((yield from _once(run(box), said)))
    merger = _Merger(parts[0], around(boxes))
    for found, box in zip(parts, boxes, strict=True):
        merger.add(found, box, inside(outlines, box), image.spatial_shape)
    if merger.cut:
        several = merger.cut != 1
        yield Note(
            f"{merger.cut} object{'s' * several} at the edge of a region {'are' if several else 'is'} cut off where the "
            f"surroundings end that were read with it. Draw the region larger to have {'them' if several else 'it'} whole."
        )
    return merger.result(outlines, boxes)


def _once(job: Job[Segmentation], said: set[str]) -> Job[Segmentation]:
    """A job without the notes that were said already."""
    try:
        while True:
            event = next(job)
            if not isinstance(event, Note) or event.text not in said:
                yield event
            said |= {event.text} if isinstance(event, Note) else set()
    except StopIteration as stop:
        return cast("Segmentation", stop.value)
    finally:
        job.close()


class _Merger:
    """Labels of several boxes in one array, with numbers that none has twice."""

    def __init__(self, like: Segmentation, hull: Region) -> None:
        self.like, self.hull, self.cut = like, hull, 0
        lead = like.labels.shape[: len(like.labels.shape) - len(hull)]
        shape = (*lead, *(s.stop - s.start for s in hull))
        self.things = set(like.classes.thing_ids) if like.task is not Task.SEMANTIC else set()
        check_labels(shape, str(like.labels.dtype))
        self.labels = np.zeros(shape, like.labels.dtype)
        self.rows: dict[int, tuple[int, float, str, int]] = {}
        self.stuff: dict[int, int] = {}
        self.next = 1

    def add(self, found: Segmentation, box: Region, mask: np.ndarray, shape: Sequence[int]) -> None:
        """The objects of a box whose centre lies in the mask, and its areas inside of it."""
        labels, table = np.asarray(found.labels), found.objects
        if not len(table):
            return
        is_thing = np.isin(table.class_id, sorted(self.things))
        keep = ~is_thing
        keep[is_thing] = centres_inside(labels, table.label[is_thing], mask)
        self.cut += len(np.intersect1d(table.label[keep & is_thing], _at_edge(labels, box, shape)))
        at = np.searchsorted(table.label, labels).clip(max=len(table) - 1)
        there = (table.label[at] == labels) & keep[at] & (is_thing[at] | mask)
        sizes = np.bincount(at[there], minlength=len(table))
        fresh = np.zeros(len(table), labels.dtype)
        for i in np.flatnonzero(sizes).tolist():
            class_id, thing = int(table.class_id[i]), bool(is_thing[i])
            fresh[i] = self._number(int(table.label[i]), class_id, thing)
            self._row(int(fresh[i]), class_id, float(table.score[i]), table.status[i], int(sizes[i]))
        Shifted(self.labels, self.hull, (slice(None),) * (labels.ndim - len(box)))[box] = np.where(there, fresh[at], 0)

    def _number(self, number: int, class_id: int, thing: bool) -> int:
        if self.like.task is Task.SEMANTIC:
            return number
        if not thing and class_id in self.stuff:
            return self.stuff[class_id]
        self.next += 1
        if not thing:
            self.stuff[class_id] = self.next - 1
        return self.next - 1

    def _row(self, number: int, class_id: int, score: float, status: str, size: int) -> None:
        """A row of the table; an area that lies in several boxes has the mean score of its voxels."""
        before = self.rows.get(number)
        if before is not None:
            score = (before[1] * before[3] + score * size) / (before[3] + size)
            size += before[3]
        self.rows[number] = class_id, score, status, size

    def result(self, outlines: Sequence[Outline], boxes: Sequence[Region]) -> Segmentation:
        """All of it."""
        numbers = sorted(self.rows)
        rows = [self.rows[n] for n in numbers]
        table = ObjectTable(
            np.array(numbers, np.int64),
            np.array([r[0] for r in rows], np.int64),
            np.array([r[1] for r in rows], np.float32),
            tuple(r[2] for r in rows),
        )
        origin: list[Json] = [s.start for s in self.hull]
        places: list[Json] = [[[s.start, s.stop] for s in box] for box in boxes]
        about: JsonDict = {
            "origin": origin,
            "region": None,
            "regions": [o.to_json() for o in outlines],
            "boxes": places,
        }
        return replace(self.like, labels=self.labels, objects=table, recipe={**self.like.recipe, **about})


def _at_edge(labels: np.ndarray, box: Region, shape: Sequence[int]) -> np.ndarray:
    """Labels at the edges of a box along Y and X that are not edges of the image."""
    found = []
    for axis in (-2, -1):
        if box[axis].start > 0:
            found.append(labels_in(np.take(labels, 0, axis)))
        if box[axis].stop < shape[axis]:
            found.append(labels_in(np.take(labels, -1, axis)))
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)


def known_of(found: Segmentation) -> np.ndarray:
    """Which voxels of a result lie inside the regions that were drawn for it; all of them where none were.

    Parameters
    ----------
    found : Segmentation

    Returns
    -------
    ([Z,] Y, X) ndarray of bool
        Without T: regions are drawn for all time points. An object that reaches out of its region has voxels that are not
        known.
    """
    shape = tuple(int(n) for n, a in zip(found.labels.shape, found.axes, strict=True) if a != "T")
    outlines = regions_in(found.recipe.get("regions"))
    if not outlines:
        return np.ones(shape, bool)
    start = json_integers(found.recipe.get("origin")) or (0,) * len(shape)
    return inside(outlines, tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True)))


def regions_in(said: Json) -> tuple[Outline, ...]:
    """The outlines that a recipe names; none where it names none."""
    return tuple(Outline.from_json(o) for o in said) if isinstance(said, list | tuple) else ()


__all__ = ["in_regions", "known_of", "regions_in"]
