"""Which objects to look at first: those that are most likely wrong."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_segplugin.core.types import Array
from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.data.edits import crop

ENOUGH = 8
"""Objects of a class below which nothing can be said about their usual size and shape."""
WEIGHTS = {"score": 1.0, "passes": 0.9, "size": 0.7, "shape": 0.6, "border": 0.2}


@dataclass(frozen=True)
class Doubt:
    """An object and why it should be looked at.

    Parameters
    ----------
    number : int
    score : float
        Between 0 (nothing speaks against it) and 1.
    reason : str
        The strongest reason, in a few words; empty where nothing speaks against it.
    """

    number: int
    score: float
    reason: str


def doubts(
    labels: Array,
    scores: Mapping[int, float],
    *,
    groups: Mapping[int, Hashable] | None = None,
    border_axes: Sequence[int] | None = None,
    other: Array | None = None,
    boxes: ObjectBoxes | None = None,
    shapes: int = 5000,
) -> list[Doubt]:
    """Order objects by doubt, the most doubtful first.

    Five things speak against an object: the network is not sure, another pass sees it differently, it is much smaller or
    larger than the others of its class, its outline is irregular, it is cut by the border. Each gives a number between 0
    and 1 and a weight; the doubt is 1 minus the product of what is left.

    Parameters
    ----------
    labels : array of int
    scores : mapping of int to float
        Confidence of each object that is asked about, NaN where there is none.
    groups : mapping of int to object, optional
        Class of each object; sizes and shapes are compared within a class.
    border_axes : sequence of int, optional
        Axes whose ends are a border; all by default. Time has none.
    other : array of int, optional
        Labels of a second pass over the same image.
    boxes : ObjectBoxes, optional
    shapes : int
        The outline is looked at for at most this many objects, those in doubt for other reasons first.

    Returns
    -------
    list of Doubt
    """
    boxes = boxes or ObjectBoxes(labels)
    numbers = [int(n) for n in scores if int(n) in boxes]
    if not numbers:
        return []
    owner = np.array([hash((groups or {}).get(n)) for n in numbers])
    size_z = robust_z(np.log([boxes.size(n) for n in numbers]), owner)
    found: dict[str, np.ndarray] = {
        "score": np.array([1 - s if (s := float(scores[n])) == s else 0.0 for n in numbers]),
        "size": _excess(np.abs(size_z)),
        "border": np.array([float(_at_border(boxes, n, border_axes)) for n in numbers]),
    }
    if other is not None:
        found["passes"] = np.array([1 - overlap(labels, other, n, boxes) for n in numbers])
    first = np.argsort(-_joined(found), kind="stable")[:shapes]
    solid = np.full(len(numbers), np.nan)
    solid[first] = [solidity(crop(labels, numbers[i], boxes=boxes).mask) for i in first]
    found["shape"] = _excess(-robust_z(solid, owner))
    total = _joined(found)
    words = {"size": size_z, "score": 1 - found["score"], "passes": 1 - found.get("passes", found["score"])}
    order = np.argsort(-total, kind="stable")
    return [Doubt(numbers[i], float(total[i]), _reason(found, words, int(i))) for i in order]


def robust_z(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Distance of each value from the median of its group, in robust standard deviations (1.4826 times the median
    absolute deviation); 0 in small groups and where the value is not known.

    Examples
    --------
    >>> robust_z(np.array([1.0, 2, 2, 3, 2, 1, 3, 2, 90]), np.zeros(9)).round(1).tolist()[-1]
    59.4
    """
    out = np.zeros(len(values))
    for group in np.unique(groups):
        mine = (groups == group) & np.isfinite(values)
        if mine.sum() < ENOUGH:
            continue
        middle = np.median(values[mine])
        away = np.median(np.abs(values[mine] - middle))
        # where most are equal the deviation is 0: then a percent counts as usual
        out[mine] = (values[mine] - middle) / max(1.4826 * away, 0.01 * max(1.0, abs(float(middle))))
    return out


def solidity(mask: np.ndarray) -> float:
    """Volume of a mask over the volume of its convex hull, from 0 to 1.

    Axes of length one are left out: a plane is measured as a plane.

    Examples
    --------
    >>> solidity(np.ones((4, 5), bool)), solidity(np.array([[1, 1], [1, 0]], bool)) < 0.9
    (1.0, True)
    """
    from scipy.spatial import ConvexHull, QhullError

    thin = mask.reshape([n for n in mask.shape if n > 1])
    if thin.ndim < 2 or not thin.any():
        return 1.0
    rows = np.nonzero(thin.any(axis=-1))
    used = thin[rows]
    low = used.argmax(axis=-1)
    high = used.shape[-1] - used[:, ::-1].argmax(axis=-1)
    ends = np.concatenate([np.stack([*rows, low], 1), np.stack([*rows, high], 1)])
    corners = np.array(np.meshgrid(*[(0, 1)] * (thin.ndim - 1), indexing="ij")).reshape(thin.ndim - 1, -1).T
    points = np.concatenate([ends + np.append(c, 0) for c in corners])
    try:
        hull = ConvexHull(np.unique(points, axis=0))
    except QhullError:
        return 1.0
    return float(min(1.0, thin.sum() / hull.volume))


def overlap(labels: Array, other: Array, number: int, boxes: ObjectBoxes) -> float:
    """Intersection over union of an object and the object of another pass that shares most with it."""
    found = crop(labels, number, boxes=boxes)
    there = np.asarray(other[found.box])
    shared, counts = np.unique(there[found.mask], return_counts=True)
    counts = np.where(shared == 0, 0, counts)
    if not counts.any():
        return 0.0
    best = int(np.argmax(counts))
    # what lies outside the box is not seen: the union is a little too small for an object that sticks out
    union = int(found.mask.sum()) + int((there == shared[best]).sum()) - int(counts[best])
    return float(counts[best] / union)


def _at_border(boxes: ObjectBoxes, number: int, axes: Sequence[int] | None) -> bool:
    box = boxes.box(number)
    if box is None:
        return False
    # an axis of length one has two borders everywhere, which says nothing
    looked = [a for a in (range(len(box)) if axes is None else axes) if boxes.shape[a] > 1]
    return any(box[a].start <= 0 or box[a].stop >= boxes.shape[a] for a in looked)


def _excess(z: np.ndarray) -> np.ndarray:
    """0 up to two standard deviations, 1 from six."""
    return np.clip((z - 2) / 4, 0, 1)


def _joined(found: Mapping[str, np.ndarray]) -> np.ndarray:
    left = np.ones(len(found["score"]))
    for name, value in found.items():
        left *= 1 - WEIGHTS[name] * np.clip(value, 0, 1)
    return 1 - left


def _reason(found: Mapping[str, np.ndarray], words: Mapping[str, np.ndarray], i: int) -> str:
    name = max(found, key=lambda k: WEIGHTS[k] * float(found[k][i]))
    if WEIGHTS[name] * found[name][i] < 0.05:
        return ""
    return {
        "score": f"the model is only {words['score'][i]:.0%} certain",
        "passes": f"two results disagree (overlap {words['passes'][i]:.0%})",
        "size": "much smaller than the others" if words["size"][i] < 0 else "much larger than the others",
        "shape": "irregular outline",
        "border": "cut off by the image border",
    }[name]


__all__ = ["Doubt", "doubts", "overlap", "robust_z", "solidity"]
