"""The queue of doubt of a result: its objects, places where one may have been missed, and planes whose outline does not fit."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import Box, Image, InputError, Kind, Segmentation, Task
from napari_segplugin.core.types import json_integers
from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.data.components import components
from napari_segplugin.data.doubt import DOUBTFUL, Queue, QueueEntry, odds, reasons, signs
from napari_segplugin.data.missed import missed
from napari_segplugin.data.outline_jumps import outline_planes
from napari_segplugin.data.signs import ObjectSigns, Scene, measured
from napari_segplugin.data.signs import joined as all_measured

LARGEST = 300_000_000
"""Voxels of a frame up to which shape and light are looked at; above, sizes and certainties only."""
MISSED = 0.85
"""The share of the places that :func:`~napari_segplugin.data.missed.missed` finds that are missed objects."""
_FEW = 3
"""Objects of a volume up to which each is looked at plane by plane, as areas are."""
_SPECK = 10
"""Pixels below which a piece of a class is not listed."""
ODD, JUMP, BEGIN = 18.1, 3.4, -3.9
"""What a plane whose outline does not fit adds to the logarithmic odds; found on outlines by people of which single planes were spoiled."""


def queue_of(found: Segmentation, image: Image | None = None, *, threshold: float = DOUBTFUL) -> Queue:
    """Order everything in a result by doubt.

    Objects are compared with the others of their class. The pieces of a class in a plane count as objects. Areas of a volume, and
    objects of which there are up to three, are looked at plane by plane.

    Parameters
    ----------
    found : Segmentation
        Its labels are read frame by frame.
    image : Image, optional
        What it was made from, of the same voxels (or of more, where the recipe of the result names its "origin"); without it only
        shapes and sizes speak.
    threshold : float
        Doubt from which an entry counts as doubtful.

    Returns
    -------
    Queue
        Places along the axes of the labels.

    Raises
    ------
    InputError
        If the image has other voxels than the labels.

    Examples
    --------
    >>> from napari_segplugin.core import ClassTable, ObjectTable
    >>> labels = np.zeros((24, 124), int)
    >>> for i in range(12):
    ...     labels[8:14, 4 + 10 * i : 10 + 10 * i] = i + 1
    >>> labels[8:20, 54:60] = 6
    >>> nuclei = ClassTable.named(["nucleus"])
    >>> result = Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), nuclei, "YX", (1.0, 1.0))
    >>> first = next(iter(queue_of(result)))
    >>> first.label, first.reason
    (6, 'Twice as large as the other nuclei: perhaps two that touch.')
    """
    _check(found, image)
    parts = [_Looked.of(found, image, index) for index in _frames(found)]
    objects = [p for p in parts if len(p.measured.number)]
    entries = _objects(found, objects) if objects else []
    for part in parts:
        entries += part.more
    return Queue.ordered(entries, threshold)


def _check(found: Segmentation, image: Image | None) -> None:
    if image is None:
        return
    shape = tuple(n for n, a in zip(found.labels.shape, found.axes, strict=True) if a in "ZYX")
    start = _origin(found)
    fits = len(shape) == len(image.spatial_shape) and all(
        o + n <= m if start else n == m for o, n, m in zip(start or shape, shape, image.spatial_shape, strict=False)
    )
    frames = found.labels.shape[0] if found.axes.startswith("T") else 1
    if not fits or (frames != image.n_frames and frames != 1):
        raise InputError(
            "The image has other voxels than the labels.",
            got=f"image {image.spatial_shape}, labels {tuple(found.labels.shape)}",
            hint="Give the image that the result was made from.",
        )


def _origin(found: Segmentation) -> tuple[int, ...]:
    return tuple(json_integers(found.recipe.get("origin")))


def _frames(found: Segmentation) -> Iterator[tuple[int, ...]]:
    """The first indices of each frame."""
    if not found.axes.startswith("T"):
        yield ()
        return
    for t in range(int(found.labels.shape[0])):
        yield (t,)


@dataclass(frozen=True, eq=False)
class _Looked:
    """A frame, or a plane of one whose planes have nothing to do with each other: its objects, and what else to look at."""

    measured: ObjectSigns
    label: np.ndarray
    groups: np.ndarray
    places: list[Box]
    more: list[QueueEntry]

    @classmethod
    def of(cls, found: Segmentation, image: Image | None, index: tuple[int, ...]) -> _Looked:
        labels = found.labels[index] if index else found.labels
        if int(np.prod([int(n) for n in labels.shape], dtype=np.int64)) > LARGEST:
            return cls._by_size(found, labels, index)
        array = np.asarray(labels)
        picture = None if image is None else _picture(found, image, index)
        if array.ndim == 3 and len(array) > 1 and not _deep(array):
            planes = [
                cls._made(found, array[z], None if picture is None else picture[z], (*index, z))
                for z in range(len(array))
            ]
            return cls.joined(planes)
        return cls._made(found, array, picture, index)

    @classmethod
    def _made(
        cls, found: Segmentation, array: np.ndarray, picture: np.ndarray | None, index: tuple[int, ...]
    ) -> _Looked:
        things, areas, class_of = _split(found, array)
        spacing = tuple(found.spacing[-array.ndim :])
        scene = Scene.of(things, picture, spacing)
        known = measured(scene)
        boxes = ndi.find_objects(scene.lab)
        groups = class_of[np.searchsorted(class_of[:, 0], known.number), 1] if len(known.number) else known.number
        label = groups if found.task is Task.SEMANTIC else known.number
        more = [_missed(found, groups, _placed(box, index)) for box in missed(scene, known)]
        for number in areas:
            more += _planes(found, array, number, index)
        return cls(known, label, groups, [_placed(b, index) for b in boxes], more)

    @classmethod
    def _by_size(cls, found: Segmentation, labels: object, index: tuple[int, ...]) -> _Looked:
        """Of a frame that is too large to hold: sizes, and what lies at the border."""
        boxes = ObjectBoxes(labels)  # type: ignore[arg-type]
        class_of = dict(zip(found.objects.label.tolist(), found.objects.class_id.tolist(), strict=True))
        things = set(found.classes.thing_ids)
        number = np.array([n for n in sorted(boxes) if class_of.get(n, 1) in things], np.int64)
        places = [boxes.box(n) or () for n in number.tolist()]
        cut = [any(s.start == 0 or s.stop == n for s, n in zip(b, boxes.shape, strict=True) if n > 1) for b in places]
        size = np.array([boxes.size(n) for n in number.tolist()], float)
        one, none, unknown = np.ones(len(number)), np.zeros(len(number)), np.full(len(number), np.nan)
        known = ObjectSigns(number, size, one, one, none, number * 0, np.array(cut, bool), unknown, unknown, unknown)
        groups = np.array([class_of.get(n, 1) for n in number.tolist()], np.int64)
        return cls(known, number, groups, [_placed(b, index) for b in places], [])

    @classmethod
    def joined(cls, parts: Sequence[_Looked]) -> _Looked:
        return cls(
            all_measured([p.measured for p in parts]),
            np.concatenate([p.label for p in parts]),
            np.concatenate([p.groups for p in parts]),
            [place for p in parts for place in p.places],
            [entry for p in parts for entry in p.more],
        )


def _picture(found: Segmentation, image: Image, index: tuple[int, ...]) -> np.ndarray:
    """The mean of the channels where the labels are."""
    shape = found.labels.shape[len(index) :]
    start = _origin(found) or (0,) * len(shape)
    region = tuple(slice(o, o + int(n)) for o, n in zip(start, shape, strict=True))
    array = image.read(region, index[0] if index and image.n_frames > 1 else 0)
    return array[0] if len(array) == 1 else np.asarray(array.mean(axis=0, dtype=np.float32))


def _deep(array: np.ndarray) -> bool:
    """Whether anything goes on from plane to plane."""
    return any(bool(((a == b) & (a > 0)).any()) for a, b in pairwise(array))


def _split(found: Segmentation, array: np.ndarray) -> tuple[np.ndarray, list[int], np.ndarray]:
    """The objects of a frame as labels, the areas that are looked at plane by plane, and number and class of each object."""
    deep = array.ndim == 3 and len(array) > 1
    if found.task is Task.SEMANTIC:
        if deep:
            return np.zeros_like(array), [c.id for c in found.classes if c.id], np.zeros((0, 2), np.int64)
        pieces, class_of = components(array)
        size = np.bincount(pieces.ravel(), minlength=len(class_of))
        pieces[size[pieces] < _SPECK] = 0
        return pieces, [], np.stack([np.arange(len(class_of)), class_of], 1)[1:]
    numbers, classes = found.objects.label, found.objects.class_id
    stuff = [c.id for c in found.classes if c.kind is Kind.STUFF]
    area = np.isin(classes, stuff)
    things = np.where(np.isin(array, numbers[area]), 0, array) if area.any() else array
    present = np.unique(things[things > 0])
    known = dict(zip(numbers.tolist(), classes.tolist(), strict=True))
    usual = (found.classes.thing_ids or (1,))[0]
    class_of = np.array([(n, known.get(n, usual)) for n in present.tolist()], np.int64).reshape(-1, 2)
    if not deep:
        return things, [], class_of
    areas = [int(n) for n in numbers[area]]
    if 0 < len(present) <= _FEW:
        return np.zeros_like(things), [*present.tolist(), *areas], class_of
    return things, areas, class_of


def _placed(box: Box, index: tuple[int, ...]) -> Box:
    return (*(slice(i, i + 1) for i in index), *box)


def _missed(found: Segmentation, groups: np.ndarray, place: Box) -> QueueEntry:
    values, counts = np.unique(groups, return_counts=True)
    name = _names(found).get(int(values[counts.argmax()]), "object")
    article = "an" if name[0].lower() in "aeiou" else "a"
    return QueueEntry(0, place, f"Perhaps {article} {name} that was missed.", MISSED, "missed")


def _names(found: Segmentation) -> dict[Hashable, str]:
    return {c.id: c.name for c in found.classes}


def _planes(found: Segmentation, array: np.ndarray, number: int, index: tuple[int, ...]) -> list[QueueEntry]:
    area = array == number
    rows, columns = (np.flatnonzero(area.any((0, a))) for a in (2, 1))
    if not len(rows):
        return []
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    planes = outline_planes(area[(slice(None), *window)])
    empty = planes.size == 0
    doubt = 1 / (1 + np.exp(-BEGIN - ODD * planes.odd - JUMP * planes.jump))
    out = []
    for i, z in enumerate(planes.z.tolist()):
        if empty[i]:
            text = f"Nothing on plane {z}, but on planes before and after it."
        elif planes.odd[i] > 0.02 or planes.jump[i] > 0.05:
            first, second = sorted((z, int(planes.other[i])))
            text = f"The outline jumps from plane {first} to {second}."
        else:
            text = "Nothing speaks against it."
        out.append(QueueEntry(number, _placed((slice(z, z + 1), *window), index), text, float(doubt[i]), "plane"))
    return out


def _objects(found: Segmentation, parts: Sequence[_Looked]) -> list[QueueEntry]:
    """Entries of the objects of all frames; of one that is on several, the most doubtful."""
    whole = _Looked.joined(parts)
    score = dict(zip(found.objects.label.tolist(), found.objects.score.tolist(), strict=True))
    pieces = found.task is Task.SEMANTIC
    scores = np.array([np.nan if pieces else score.get(n, np.nan) for n in whole.label.tolist()])
    doubt, added = odds(signs(whole.measured, whole.groups, scores))
    texts = reasons(added, whole.measured, whole.groups, _names(found), scores)
    best: dict[int, QueueEntry] = {}
    for i, number in enumerate(whole.label.tolist()):
        entry = QueueEntry(number, whole.places[i], texts[i], float(doubt[i]), "object", bool(whole.measured.cut[i]))
        key = i if pieces else number
        if key not in best or best[key].doubt < entry.doubt:
            best[key] = entry
    return list(best.values())


__all__ = ["LARGEST", "queue_of"]
