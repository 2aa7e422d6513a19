"""What a person painted, and what can be concluded from it: painted is known, unpainted is unknown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, Image, InputError, Sample, Task
from napari_segplugin.data import normalise
from napari_segplugin.data.nodata import only_known
from napari_segplugin.data.weak import WeakLabels, checked_box, objects_from_boxes, objects_from_points, places_of

RIM = 2
"""Voxels around a corrected object that are taken as seen by the person: its outline is part of the correction."""


@dataclass(frozen=True, eq=False)
class Corrections:
    """The corrections of one image, arrays in canonical order.

    Parameters
    ----------
    paint : ([T,] [Z,] Y, X) ndarray of uint16 or wider
        Strokes: 0 = not painted, BACKGROUND_PAINT = background, otherwise a class number (SEMANTIC) or the number of
        an object that is painted whole (INSTANCE, PANOPTIC).
    reviewed : ([T,] [Z,] Y, X) ndarray of bool, optional
        Area in which `edited` is right at every voxel.
    edited : ([T,] [Z,] Y, X) ndarray of int, optional
        The result as the person left it.
    before : ([T,] [Z,] Y, X) ndarray of int, optional
        The result as the network gave it. Where it differs from `edited` the person corrected.
    object_class : mapping of int to int
        Class of each object of `edited`. May be left out where there is one class.
    painted_class : mapping of int to int
        Class of each number of `paint` (INSTANCE, PANOPTIC). May be left out where there is one class. A number whose
        class is an area (stuff) is a stroke of it, not a whole object.
    accepted : collection of int
        Objects of `edited` that the person looked at and found right: they are known whole, as corrected ones are.
    points : (N, ndim) ndarray of float, optional
        A click in each of some objects, in voxels.
    boxes : sequence of tuple of slice
        A box around each of some objects, in voxels; one voxel thick in a volume, it speaks of that plane alone.
    nothing : ([T,] [Z,] Y, X) ndarray of bool, optional
        Area without any object or class: background, except where paint says otherwise.
    point_class, box_class : sequence of int
        Class of each click and box. May be left out where there is one class.
    axes : str
        Of the arrays; the last of "TZYX" where it is left out.

    Raises
    ------
    InputError
        If an array holds fractions, the arrays differ in shape, the axes do not fit them, or a reviewed area comes without a
        result.

    Examples
    --------
    >>> paint = np.zeros((8, 9), np.uint16)
    >>> paint[1:3, 1:3], paint[5:7, 5:7] = 1, 2
    >>> marks = Corrections(paint, painted_class={1: 1, 2: 2})
    >>> marks.axes, marks.empty
    ('YX', False)
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
    axes: str = ""

    def __post_init__(self) -> None:
        for word in ("paint", "edited", "before"):
            array = getattr(self, word)
            if array is not None and array.dtype.kind not in "uib":
                raise InputError(
                    "Corrections hold whole numbers.",
                    got=f"{word} of {array.dtype}",
                    accepted="numbers of classes or objects",
                )
        for word in ("reviewed", "nothing"):
            array = getattr(self, word)
            if array is not None:
                object.__setattr__(self, word, np.asarray(array).astype(bool))
        if not self.axes:
            object.__setattr__(self, "axes", "TZYX"[-self.paint.ndim :])
        if len(self.axes) != self.paint.ndim:
            raise InputError("The axes do not fit the corrections.", got=f"'{self.axes}' for shape {self.paint.shape}")
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
            raise InputError("A reviewed area needs a result that it marks as right.", hint="Segment the image first.")

    @property
    def changed(self) -> np.ndarray:
        """Where the person changed the result, bool."""
        if self.edited is None or self.before is None:
            return np.zeros(self.paint.shape, bool)
        different: np.ndarray = np.asarray(self.edited) != np.asarray(self.before)
        return different

    @property
    def empty(self) -> bool:
        """Whether nothing was painted, reviewed, marked, accepted or edited."""
        areas = (self.paint, self.reviewed, self.nothing)
        if any(a is not None and a.any() for a in areas) or self.boxes:
            return False
        if self.points is not None and len(self.points):
            return False
        if self.accepted and self.edited is not None and np.isin(self.edited, list(self.accepted)).any():
            return False
        return not self.changed.any()

    def copied(self) -> Corrections:
        """With copies of what somebody may still paint on: `paint` and `edited`."""
        return replace(self, paint=np.array(self.paint), edited=None if self.edited is None else np.array(self.edited))

    def frame(self, index: int | None) -> Corrections:
        """The corrections of one time point, without T; None gives everything.

        Examples
        --------
        >>> film = Corrections(np.zeros((3, 8, 9), np.uint16), axes="TYX", painted_class={4: 2})
        >>> film.frame(1).axes, film.frame(1).painted_class
        ('YX', {4: 2})
        """
        if index is None or "T" not in self.axes:
            return self
        here = [] if self.points is None else [i for i, p in enumerate(self.points) if round(float(p[0])) == index]
        boxed = [i for i, b in enumerate(self.boxes) if b[0].start <= index < b[0].stop]
        arrays = {w: None if getattr(self, w) is None else getattr(self, w)[index] for w in _ARRAYS}
        return replace(
            self,
            **arrays,  # type: ignore[arg-type]
            axes=self.axes[1:],
            points=None if self.points is None else self.points[here, 1:],
            boxes=tuple(self.boxes[i][1:] for i in boxed),
            point_class=tuple(self.point_class[i] for i in here if len(self.point_class)),
            box_class=tuple(self.box_class[i] for i in boxed if len(self.box_class)),
        )

    def copy(self) -> Corrections:
        """A copy whose arrays nobody else paints into."""
        arrays = {w: None if getattr(self, w) is None else np.array(getattr(self, w)) for w in _ARRAYS}
        return replace(self, **arrays)  # type: ignore[arg-type]


_ARRAYS = ("paint", "reviewed", "edited", "before", "nothing")


def usual_class(classes: ClassTable) -> int | None:
    """The class of an object of which none is said: the only one there is; None where that would be a guess.

    Examples
    --------
    >>> usual_class(ClassTable.named(["cell"])), usual_class(ClassTable.named(["cell", "debris"]))
    (1, None)
    """
    things = classes.thing_ids or tuple(range(1, len(classes)))
    return things[0] if len(things) == 1 else None


def to_sample(image: Image, corrections: Corrections, task: Task, classes: ClassTable) -> Sample:
    """Write corrections as a training sample.

    Semantic: a painted voxel, a changed voxel and a reviewed voxel are known. Instance: an object that was painted or
    changed is known whole, with a rim of 2 voxels around it; erased voxels are known background. Of an object beside it
    that nobody corrected the rim shows a strip, of which only the class is known, not the shape. Panoptic: an area is
    known where it was painted or changed, and where there is no result the rim of an object is unknown, since it may
    lie in an area. Points, boxes and empty areas add what :mod:`napari_segplugin.data.weak` concludes from them, where
    nothing was painted.

    Raises
    ------
    InputError
        If the shapes differ, a class number is not in the table, nothing is known, or there are several classes and
        nobody said which one something is of.
    """
    if corrections.paint.shape != image.spatial_shape:
        raise InputError(
            "The corrections do not fit the image.",
            got=f"{corrections.paint.shape} for an image of {image.spatial_shape}",
            hint="Use one time point of them."
            if "T" in corrections.axes
            else "Make a new corrections layer for this image.",
        )
    make = _semantic if task is Task.SEMANTIC else _instance
    sample = only_known(with_marks(make(image, corrections, classes), corrections, classes))
    if sample.known is None or not sample.known.any():
        raise InputError(
            "Nothing is painted yet.",
            hint="Paint some strokes of each class, correct some objects, or mark some with points or boxes; then fine-tune.",
        )
    return sample


def _semantic(image: Image, c: Corrections, classes: ClassTable) -> Sample:
    painted = c.paint != 0
    target = _class_of(_without_background(c.paint), c.painted_class, own=True)
    wrong = np.unique(c.paint[painted & ((target >= len(classes)) | (target < 0))])
    if wrong.size:
        raise InputError(
            "There are strokes of a class that does not exist.",
            got=f"painted value {', '.join(map(str, wrong[:5]))}",
            accepted=f"1 to {len(classes) - 1} for {', '.join(k.name for k in classes.classes[1:])}, {BACKGROUND_PAINT} for background",
        )
    known = painted
    if c.edited is not None:
        certain = (c.changed if c.reviewed is None else c.changed | c.reviewed) & ~painted
        edited = np.where(certain, c.edited, 0)
        kinds = _class_of(edited, c.object_class, own=True)
        _check(kinds, edited, certain, classes, "objects of the result")
        target = np.where(certain, kinds, target)
        known = painted | certain
    return Sample(image, target, None, known)


def _instance(image: Image, c: Corrections, classes: ClassTable) -> Sample:
    kinds, objects = _objects(c, classes)
    painted = (c.paint != 0) & (c.paint != BACKGROUND_PAINT)
    corrected = (painted | c.changed) & (objects > 0)
    seen = (c.paint != 0) | c.changed
    if c.accepted and c.edited is not None:
        accepted = np.isin(np.asarray(c.edited), list(c.accepted)) & ~painted & (c.paint != BACKGROUND_PAINT)
        corrected |= accepted & (objects > 0)
        seen |= accepted
    if c.reviewed is not None:
        seen |= c.reviewed
    certain = np.isin(objects, np.unique(objects[corrected])) & (objects > 0)
    doubtful, leftover = _neighbours(c, objects, certain)
    _check(kinds, c.paint, painted, classes, "painted objects")
    _check(kinds, objects, (certain | seen) & ~doubtful & ~painted, classes, "objects of the result")
    unsaid = (kinds < 0) | (kinds >= len(classes))
    # where nobody has looked, what lies around an object may be an area as well as background
    rim = _grow(certain, RIM) if c.edited is not None or not _areas(classes) else certain
    known = (seen | rim) & ~leftover & ~unsaid
    kinds = np.where(unsaid, 0, kinds)
    return Sample(image, kinds, np.where(doubtful, 0, objects), known, ~doubtful if doubtful.any() else None)


def _objects(c: Corrections, classes: ClassTable) -> tuple[np.ndarray, np.ndarray]:
    """Class of each voxel, -1 in an object of which none is said; and the objects, painted ones on top, without areas."""
    edited = np.zeros(c.paint.shape, np.int64) if c.edited is None else np.asarray(c.edited).astype(np.int64)
    painted = (c.paint != 0) & (c.paint != BACKGROUND_PAINT)
    usual = usual_class(classes)
    kinds = _class_of(edited, c.object_class, usual)
    kinds = np.where(c.paint != 0, _class_of(_without_background(c.paint), c.painted_class, usual), kinds)
    objects = np.where(painted, c.paint.astype(np.int64) + edited.max(initial=0), edited)
    return kinds, np.where(np.isin(kinds, (0, *_areas(classes))), 0, objects)


def _areas(classes: ClassTable) -> tuple[int, ...]:
    """The classes beside the background that are not counted, where others are."""
    things = classes.thing_ids
    return tuple(c.id for c in classes if c.id and c.id not in things) if things else ()


def _without_background(paint: np.ndarray) -> np.ndarray:
    """Paint with 0 where background was painted."""
    return np.where(paint == BACKGROUND_PAINT, 0, paint).astype(np.int64)


def _class_of(
    numbers: np.ndarray, said: Mapping[int, int], usual: int | None = None, *, own: bool = False
) -> np.ndarray:
    """Class of each voxel by its number: what is said of it, else the usual one, else -1; 0 for 0.

    With `own` numbers are classes as long as nothing else is said of any.
    """
    top = int(numbers.max(initial=0))
    table = np.full(top + 1, -1 if usual is None else usual, np.int64)
    if own and not said:
        table = np.arange(top + 1)
    for number, class_id in said.items():
        if 0 < number <= top:
            table[number] = class_id
    table[0] = 0
    kinds: np.ndarray = table[numbers]
    return kinds


def _check(kinds: np.ndarray, numbers: np.ndarray, where: np.ndarray, classes: ClassTable, word: str) -> None:
    """Refuse objects of which no class is said, or one that does not exist."""
    named = ", ".join(f"{c.id} ({c.name})" for c in classes.classes[1:])
    for wrong, problem in ((kinds < 0, "have no class"), (kinds >= len(classes), "have a class that does not exist")):
        found = np.unique(numbers[wrong & where]).tolist()
        if found:
            shown = ", ".join(map(str, found[:5])) + (" …" if len(found) > 5 else "")
            raise InputError(
                f"{len(found)} of the {word} {problem if len(found) > 1 else problem.replace('have', 'has', 1)}.",
                got=f"number {shown}",
                accepted=named,
                hint="Give each object its class.",
            )


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
    # around a guess there is background only where nothing else could be
    around = not _areas(classes) if sample.instances is not None else len(classes) == 2
    for guess in guesses:
        told = guess.known if around else guess.known & (guess.instances > 0)
        free = ~known & (told | (guess.instances > 0))
        number = guess.instances[free]
        kinds[free], shape_known[free] = guess.classes[free], guess.shape_known[free]
        objects[free] = np.where(number > 0, number + objects.max(initial=0), 0)
        known |= told
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
    for word, count, said in (("points", len(clicks), c.point_class), ("boxes", len(c.boxes), c.box_class)):
        if count and not len(said) and len(allowed) > 1:
            raise InputError(
                f"The {word} have no class.",
                got=f"{count} {word}",
                accepted=", ".join(f"{i} ({classes[i].name})" for i in allowed),
                hint="Give each one its class.",
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


def _grow(mask: np.ndarray, voxels: int) -> np.ndarray:
    """Dilation by a number of voxels (full neighbourhood)."""
    if not mask.any():
        return mask
    structure = ndi.generate_binary_structure(mask.ndim, mask.ndim)
    grown: np.ndarray = ndi.binary_dilation(mask, structure, iterations=voxels)
    return grown
