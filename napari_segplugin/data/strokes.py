"""Strokes and painted objects: which are held out, how many there are, and what they say of a result near them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, InputError, Sample
from napari_segplugin.core.training import ENOUGH
from napari_segplugin.core.words import counted


def touched_pieces(labels: np.ndarray, paint: np.ndarray) -> np.ndarray:
    """Keep the pieces of each class that a stroke of the class touches.

    Strokes on one thing say little of what lies far away; where that thing is all that is looked for, pieces that nobody
    touched are most likely false.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int
        Class of each voxel, 0 background.
    paint : ([Z,] Y, X) ndarray of int
        Strokes: 0 not painted, otherwise a class number (values that no voxel of `labels` has do not matter).

    Returns
    -------
    ([Z,] Y, X) ndarray of int

    Raises
    ------
    InputError
        If the shapes differ.

    Examples
    --------
    >>> touched_pieces(np.array([[1, 1, 0, 1, 0, 2]]), np.array([[0, 1, 0, 0, 0, 1]])).tolist()
    [[1, 1, 0, 0, 0, 0]]
    """
    if labels.shape != paint.shape:
        raise InputError("The strokes and the result differ in shape.", got=f"{paint.shape} and {labels.shape}")
    out = np.zeros_like(labels)
    for number in np.unique(labels[labels > 0]):
        pieces, _ = ndi.label(labels == number, np.ones((3,) * labels.ndim))
        found = np.unique(pieces[(paint == number) & (pieces > 0)])
        out[np.isin(pieces, found) & (pieces > 0)] = number
    return out


def near_strokes(
    maps: np.ndarray, paint: np.ndarray, spacing: Sequence[float], *, strength: float = 2.0, reach: float = 3.0
) -> np.ndarray:
    r"""Make a class less likely the farther its nearest stroke lies, for images in which one thing is looked for.

    .. math:: p'_k(x) \propto p_k(x) \, (d_k(x) + r)^{-s}

    with the distance `d_k` to the nearest stroke of class `k` in the finest voxel side. A class without strokes is out.

    Parameters
    ----------
    maps : (K, [Z,] Y, X) ndarray
        Class probabilities.
    paint : ([Z,] Y, X) ndarray of int
        Strokes: 0 not painted, BACKGROUND_PAINT background, otherwise a class number.
    spacing : sequence of float
        Voxel size along each axis.
    strength : float
        `s`; 0 changes nothing but classes without strokes.
    reach : float
        `r`: distance within which strokes are equally near.

    Returns
    -------
    (K, [Z,] Y, X) ndarray of float32
        Sums to 1 over the classes.

    Raises
    ------
    InputError
        If the shapes differ, or nothing is painted.

    Examples
    --------
    >>> even = np.full((2, 1, 5), 0.5)
    >>> near_strokes(even, np.array([[1, 0, 0, 0, 65535]]), (1, 1))[1].astype(float).round(2).tolist()
    [[0.84, 0.69, 0.5, 0.31, 0.16]]
    """
    if maps.shape[1:] != paint.shape:
        raise InputError(
            "The strokes and the probabilities differ in shape.", got=f"{paint.shape} and {maps.shape[1:]}"
        )
    if not paint.any():
        raise InputError("There are no strokes yet.", hint="Paint a stroke of each class.")
    size = np.asarray(spacing, float) / min(spacing)
    out = np.zeros(maps.shape, np.float32)
    for number in range(len(maps)):
        mine = paint == (number or BACKGROUND_PAINT)
        if mine.any():
            far = ndi.distance_transform_edt(~mine, sampling=size)
            out[number] = np.clip(maps[number], 1e-2, 1) * (far + reach) ** -strength
    shares: np.ndarray = out / out.sum(0)
    return shares


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
    """Hold out whole strokes (semantic) or whole objects (instance), never parts of one; see :func:`split_together`.

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
    return split_together([sample], classes, share=share, seed=seed)[0]


def split_together(
    samples: Sequence[Sample], classes: ClassTable, *, share: float = 0.25, seed: int = 0
) -> list[Split]:
    """Hold out whole strokes (semantic) or whole objects (instance) of several samples, never parts of one.

    Neighbouring voxels of one stroke look alike; a quality measured on them would flatter. Of each class with at least
    three strokes about `share` of the strokes are held out, at least one; of ten and more of these at least five, without
    which two models cannot be told apart. They may all lie in one sample.

    Parameters
    ----------
    samples : sequence of Sample
        With `known`.
    classes : ClassTable
    share : float
    seed : int

    Returns
    -------
    list of Split
        One a sample; the sentence, the same in all, speaks of them together.
    """
    areas = [np.ones(s.classes.shape, bool) if s.known is None else s.known for s in samples]
    found = [_pieces(s, known) for s, known in zip(samples, areas, strict=True)]
    # pieces are numbered on from sample to sample; 0 of each sample is "none", and of no class
    starts = np.cumsum([0, *(len(owner) for _, owner in found)])
    owner = np.concatenate([[-1, *owner[1:]] for _, owner in found]).astype(np.int64)
    heldout = _chosen(owner, share, np.random.default_rng(seed))
    if not heldout.any():
        sentence = (
            "No strokes were kept aside for checking (that needs at least three of a class), so the quality cannot "
            "be measured yet."
        )
        return [Split(s, None, sentence) for s in samples]
    word = "objects" if samples[0].instances is not None else "strokes"
    each = [(int((owner[heldout] == c).sum()), classes[int(c)].name) for c in np.unique(owner[heldout])]
    counts = ", ".join(counted(n, name) if word == "objects" else f"{n} {name}" for n, name in each)
    sentence = f"Checked on {word} that were kept aside: {counts}."
    splits = []
    for sample, known, (pieces, _), a, b in zip(samples, areas, found, starts[:-1], starts[1:], strict=True):
        mask = heldout[a:b][pieces] & known
        # a box whose object is held out says nothing in the training
        boxes = tuple(box for box in sample.boxes if not mask[box].any())
        learn = replace(sample, known=known & ~mask, boxes=boxes) if mask.any() else sample
        splits.append(Split(learn, replace(sample, known=mask) if mask.any() else None, sentence))
    return splits


def _chosen(owner: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which pieces are held out, by the class of each; -1 is no piece."""
    heldout = np.zeros(len(owner), bool)
    orders = [rng.permutation(np.flatnonzero(owner == c)) for c in np.unique(owner[owner >= 0])]
    orders = [order for order in orders if len(order) >= 3]
    counts = [max(1, round(share * len(order))) for order in orders]
    while orders and sum(counts) < ENOUGH and sum(map(len, orders)) >= 2 * ENOUGH:
        # of the class of which most are left to learn from
        counts[int(np.argmax([len(o) - n for o, n in zip(orders, counts, strict=True)]))] += 1
    for order, n in zip(orders, counts, strict=True):
        heldout[order[:n]] = True
    return heldout


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
    # strokes of an area count like objects; a strip of an object whose shape is not known does not
    objects, areas = np.where(known, sample.instances, 0), known & (sample.instances == 0) & (sample.classes > 0)
    areas = areas if sample.shape_known is None else areas & sample.shape_known
    for c in np.unique(sample.classes[areas]):
        found, _ = ndi.label(areas & (sample.classes == c), structure)
        objects = np.where(found > 0, found + objects.max(initial=0), objects)
    numbers, inverse = np.unique(objects, return_inverse=True)
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


__all__ = ["Split", "count_strokes", "near_strokes", "split_strokes", "split_together", "touched_pieces"]
