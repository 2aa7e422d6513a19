"""What a person painted, and what can be concluded from it: painted is known, unpainted is unknown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, Image, InputError, Sample, Task
from napari_segplugin.data import normalise
from napari_segplugin.data.weak import WeakLabels, checked_box, objects_from_boxes, objects_from_points, places_of

RIM = 2
"""Voxels around a corrected object that are taken as seen by the person: its outline is part of the correction."""


@dataclass(frozen=True, eq=False)
class Corrections:
    """The corrections of one image (one time point), arrays in canonical order.

    Parameters
    ----------
    paint : ([Z,] Y, X) ndarray of uint16 or wider
        Strokes: 0 = not painted, BACKGROUND_PAINT = background, otherwise a class number (SEMANTIC) or the number of
        an object that is painted whole (INSTANCE, PANOPTIC).
    reviewed : ([Z,] Y, X) ndarray of bool, optional
        Area in which `edited` is right at every voxel.
    edited : ([Z,] Y, X) ndarray of int, optional
        The result as the person left it.
    before : ([Z,] Y, X) ndarray of int, optional
        The result as the network gave it. Where it differs from `edited` the person corrected.
    object_class : mapping of int to int
        Class of each object of `edited`, where it is not the first thing class.
    painted_class : mapping of int to int
        Class of each object of `paint`, where it is not the first thing class.
    accepted : collection of int
        Objects of `edited` that the person looked at and found right: they are known whole, as corrected ones are.
    points : (N, ndim) ndarray of float, optional
        A click in each of some objects, in voxels.
    boxes : sequence of tuple of slice
        A box around each of some objects, in voxels; one voxel thick in a volume, it speaks of that plane alone.
    nothing : ([Z,] Y, X) ndarray of bool, optional
        Area without any object or class: background, except where paint says otherwise.
    point_class, box_class : sequence of int
        Class of each click and box; empty means the first (thing) class.

    Raises
    ------
    InputError
        If the arrays differ in shape, or a reviewed area comes without a result.
    """

    paint: np.ndarray
    reviewed: np.ndarray | None = None
    edited: np.ndarray | None = None
    before: np.ndarray | None = None
    object_class: Mapping[int, int] = field(default_factory=dict)
    painted_class: Mapping[int, int] = field(default_factory=dict)
    accepted: Collection[int] = ()
    points: np.ndarray | None = None
    boxes: Sequence[tuple[slice, ...]] = ()
    nothing: np.ndarray | None = None
    point_class: Sequence[int] = ()
    box_class: Sequence[int] = ()

    def __post_init__(self) -> None:
        for word in ("reviewed", "edited", "before", "nothing"):
            array = getattr(self, word)
            if array is not None and array.shape != self.paint.shape:
                raise InputError(
                    f"The corrections and the {word} area differ in shape."
                    if word in ("reviewed", "nothing")
                    else f"The corrections and the {word} result differ in shape.",
                    got=f"{self.paint.shape} and {array.shape}",
                    hint="Make a new corrections layer for this image.",
                )
        if self.reviewed is not None and self.reviewed.any() and self.edited is None:
            raise InputError("A reviewed area needs a result to be right about.", hint="Run a prediction first.")

    @property
    def changed(self) -> np.ndarray:
        """Where the person changed the result, bool."""
        if self.edited is None or self.before is None:
            return np.zeros(self.paint.shape, bool)
        different: np.ndarray = np.asarray(self.edited) != np.asarray(self.before)
        return different

    def copy(self) -> Corrections:
        """A copy whose arrays nobody else paints into."""
        arrays = {
            w: None if getattr(self, w) is None else np.array(getattr(self, w))
            for w in ("paint", "reviewed", "edited", "before", "nothing")
        }
        return replace(self, **arrays)  # type: ignore[arg-type]


def to_sample(image: Image, corrections: Corrections, task: Task, classes: ClassTable) -> Sample:
    """Write corrections as a training sample.

    Semantic: a painted voxel, a changed voxel and a reviewed voxel are known. Instance: an object that was painted or
    changed is known whole, with a rim of 2 voxels around it; erased voxels are known background. Of an object beside it
    that nobody corrected the rim shows a strip, of which only the class is known, not the shape. Points, boxes and empty
    areas add what :mod:`napari_segplugin.data.weak` concludes from them, where nothing was painted.

    Raises
    ------
    InputError
        If the shapes differ, a class number is not in the table, or nothing is known.
    """
    if corrections.paint.shape != image.spatial_shape:
        raise InputError(
            "The corrections do not fit the image.",
            got=f"{corrections.paint.shape} for an image of {image.spatial_shape}",
            hint="Make a new corrections layer for this image.",
        )
    make = _semantic if task is Task.SEMANTIC else _instance
    sample = with_marks(make(image, corrections, classes), corrections, classes)
    if sample.known is None or not sample.known.any():
        raise InputError(
            "Nothing is painted yet.",
            hint="Paint some strokes of each class, correct some objects, or mark some by points or boxes, then fine-tune.",
        )
    return sample


def _semantic(image: Image, c: Corrections, classes: ClassTable) -> Sample:
    painted = c.paint != 0
    target = np.where(c.paint == BACKGROUND_PAINT, 0, c.paint).astype(np.int64)
    wrong = np.unique(target[painted & (target >= len(classes))])
    if wrong.size:
        raise InputError(
            "There are strokes of a class that does not exist.",
            got=f"painted value {', '.join(map(str, wrong[:5]))}",
            accepted=f"1 to {len(classes) - 1} for {', '.join(k.name for k in classes.classes[1:])}, {BACKGROUND_PAINT} for background",
        )
    known = painted
    if c.edited is not None:
        certain = c.changed if c.reviewed is None else c.changed | c.reviewed
        target = np.where(certain & ~painted, c.edited, target).astype(np.int64)
        known = painted | certain
    return Sample(image, target, None, known)


def _instance(image: Image, c: Corrections, classes: ClassTable) -> Sample:
    objects = np.zeros(c.paint.shape, np.int64) if c.edited is None else np.asarray(c.edited).astype(np.int64)
    first_thing = (classes.thing_ids or (1,))[0]
    offset = int(objects.max(initial=0))
    painted_object = (c.paint != 0) & (c.paint != BACKGROUND_PAINT)
    objects = np.where(painted_object, c.paint.astype(np.int64) + offset, objects)
    objects[c.paint == BACKGROUND_PAINT] = 0

    corrected = painted_object | (c.changed & (objects > 0))
    if c.accepted and c.edited is not None:
        corrected |= np.isin(np.asarray(c.edited), list(c.accepted)) & (objects > 0)
    certain = np.isin(objects, np.unique(objects[corrected])) & (objects > 0)
    seen = _grow(certain, RIM) | (c.paint != 0) | c.changed
    if c.reviewed is not None:
        seen = seen | c.reviewed
    kinds = _class_lookup(objects, offset, c, first_thing)[objects]
    doubtful, leftover = _neighbours(c, objects, certain)
    return Sample(image, kinds, np.where(doubtful, 0, objects), seen & ~leftover, ~doubtful if doubtful.any() else None)


def with_marks(sample: Sample, c: Corrections, classes: ClassTable) -> Sample:
    """A sample with what points, boxes and empty areas say, where it is not known yet.

    Raises
    ------
    InputError
        If one lies outside of the image, or has a class that cannot be.
    """
    guesses = _guesses(sample, c, classes)
    if not guesses and c.nothing is None:
        return sample
    painted = np.ones(sample.classes.shape, bool) if sample.known is None else sample.known
    known, kinds = painted.copy(), sample.classes.copy()
    shape_known = known.copy() if sample.shape_known is None else sample.shape_known.copy()
    objects = np.zeros(kinds.shape, np.int64) if sample.instances is None else sample.instances.copy()
    for guess in guesses:
        free = ~known & (guess.known | (guess.instances > 0))
        number = guess.instances[free]
        kinds[free], shape_known[free] = guess.classes[free], guess.shape_known[free]
        objects[free] = np.where(number > 0, number + objects.max(initial=0), 0)
        known |= guess.known
    if c.nothing is not None:
        empty = c.nothing & ~painted
        kinds[empty], objects[empty], known[empty], shape_known[empty] = 0, 0, True, True
    instances = None if sample.instances is None else objects
    boxes = tuple(checked_box(box, kinds.shape) for box in c.boxes)
    return replace(sample, classes=kinds, instances=instances, known=known, shape_known=shape_known, boxes=boxes)


def _guesses(sample: Sample, c: Corrections, classes: ClassTable) -> list[WeakLabels]:
    """The objects in boxes and at clicks, the surer first. A click in a box or on paint tells nothing more."""
    clicks = np.zeros((0, sample.image.ndim)) if c.points is None else np.asarray(c.points, float)
    if not len(clicks) and not c.boxes:
        return []
    allowed = classes.thing_ids if sample.instances is not None and classes.thing_ids else tuple(range(1, len(classes)))
    wrong = sorted({*c.point_class, *c.box_class} - set(allowed))
    if wrong:
        raise InputError(
            "A point or box has a class that it cannot have.", got=wrong[0], accepted=", ".join(map(str, allowed))
        )
    array = normalise.apply(sample.image.read(), normalise.statistics(sample.image, None))
    spacing, first = sample.image.canonical_spacing, allowed[0]
    boxed = objects_from_boxes(array, c.boxes, spacing, class_ids=c.box_class, default_class=first)
    taken = np.zeros(sample.classes.shape, bool) if sample.known is None else sample.known.copy()
    for box in c.boxes:
        taken[box] = True
    places = places_of(clicks, taken.shape)
    new = ~taken[tuple(places.T)]
    kinds = [k for k, n in zip(c.point_class, new, strict=False) if n]
    clicked = objects_from_points(array, places[new], spacing, class_ids=kinds, default_class=first)
    return [boxed, clicked]


def _neighbours(c: Corrections, objects: np.ndarray, certain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Objects of the result that nobody corrected, as masks: all of them, and those of which paint took a part.

    A rim shows a strip of them. That it is foreground may be learnt from an object that was left as it is, but a strip is
    no object: it has no distance to an outline, and does not count as one when objects are held out. What is left of an
    object that was painted over is neither: it was wrong.
    """
    doubtful = (objects > 0) & ~certain
    if c.edited is None:
        return doubtful, np.zeros(objects.shape, bool)
    if c.reviewed is not None and c.reviewed.any():
        doubtful &= ~np.isin(objects, np.unique(objects[c.reviewed]))
    return doubtful, doubtful & np.isin(objects, np.unique(np.asarray(c.edited)[c.paint != 0]))


def _class_lookup(objects: np.ndarray, offset: int, c: Corrections, first_thing: int) -> np.ndarray:
    """Class by object number, 0 for 0."""
    table = np.full(int(objects.max(initial=0)) + 1, first_thing, np.int64)
    table[0] = 0
    for number, class_id in c.object_class.items():
        if 0 < number <= offset and number < len(table):
            table[number] = class_id
    for number, class_id in c.painted_class.items():
        if number + offset < len(table):
            table[number + offset] = class_id
    return table


def _grow(mask: np.ndarray, voxels: int) -> np.ndarray:
    """Dilation by a number of voxels (full neighbourhood)."""
    if not mask.any():
        return mask
    structure = ndi.generate_binary_structure(mask.ndim, mask.ndim)
    grown: np.ndarray = ndi.binary_dilation(mask, structure, iterations=voxels)
    return grown


@dataclass(frozen=True, eq=False)
class Split:
    """A sample parted into strokes to learn from and strokes held out.

    Parameters
    ----------
    train, heldout : Sample
        The same image; `known` differs.
    sentence : str
        What was held out, for the person; says so when nothing could be.
    """

    train: Sample
    heldout: Sample | None
    sentence: str


def split_strokes(sample: Sample, classes: ClassTable, *, share: float = 0.25, seed: int = 0) -> Split:
    """Hold out whole strokes (semantic) or whole objects (instance), never parts of one.

    Neighbouring voxels of one stroke look alike; a quality measured on them would flatter. Of each class with at least
    three strokes about `share` of the strokes are held out, at least one.

    Parameters
    ----------
    sample : Sample
        With `known`.
    classes : ClassTable
    share : float
    seed : int

    Returns
    -------
    Split
    """
    known = np.ones(sample.classes.shape, bool) if sample.known is None else sample.known
    rng = np.random.default_rng(seed)
    pieces, owner = _pieces(sample, known)
    heldout = np.zeros(len(owner), bool)
    for c in np.unique(owner[1:]):
        mine = np.flatnonzero(owner == c)
        mine = mine[mine > 0]
        if len(mine) >= 3:
            heldout[rng.permutation(mine)[: max(1, round(share * len(mine)))]] = True
    if not heldout.any():
        return Split(
            sample,
            None,
            "No stroke was held out (that needs three strokes of a class), so quality cannot be judged yet.",
        )
    mask = heldout[pieces] & known
    word = "objects" if sample.instances is not None else "strokes"
    counts = ", ".join(
        f"{int(heldout[owner == c].sum())} {classes[int(c)].name}"
        for c in np.unique(owner[1:])
        if heldout[owner == c].any()
    )
    # a box whose object is held out says nothing in the training
    boxes = tuple(box for box in sample.boxes if not mask[box].any())
    return Split(
        replace(sample, known=known & ~mask, boxes=boxes),
        replace(sample, known=mask),
        f"Judged on held-out {word}: {counts}.",
    )


def _pieces(sample: Sample, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the strokes or objects; `owner` gives the class of each number (index 0 is "none")."""
    structure = ndi.generate_binary_structure(known.ndim, known.ndim)
    if sample.instances is None:
        pieces = np.zeros(known.shape, np.int64)
        owner = [0]
        for c in np.unique(sample.classes[known]):
            found, n = ndi.label(known & (sample.classes == c), structure)
            pieces[found > 0] = found[found > 0] + len(owner) - 1
            owner += [int(c)] * n
        return pieces, np.array(owner)
    numbers, inverse = np.unique(np.where(known, sample.instances, 0), return_inverse=True)
    pieces = inverse.reshape(known.shape) + (0 if numbers[0] == 0 else 1)
    n = int(pieces.max(initial=0))
    owner_of = np.zeros(n + 1, np.int64)
    inside = pieces > 0
    owner_of[pieces[inside]] = sample.classes[inside]
    # the known background goes with the nearest object, so that a held-out object takes its rim along
    if n and (known & ~inside).any():
        nearest = ndi.distance_transform_edt(~inside, return_distances=False, return_indices=True)
        pieces = np.where(known & ~inside, pieces[tuple(nearest)], pieces)
    return pieces, owner_of


def count_strokes(sample: Sample, classes: ClassTable) -> dict[str, tuple[int, int]]:
    """Strokes (or objects) and voxels of each class: name -> (strokes, voxels)."""
    known = np.ones(sample.classes.shape, bool) if sample.known is None else sample.known
    _, owner = _pieces(sample, known)
    counts: dict[str, tuple[int, int]] = {}
    for info in classes:
        voxels = int((known & (sample.classes == info.id)).sum())
        strokes = int((owner[1:] == info.id).sum()) if sample.instances is None or info.id else int(voxels > 0)
        counts[info.name] = (strokes, voxels)
    return counts
