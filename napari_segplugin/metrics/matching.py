"""Objects of two label images: who overlaps whom, and who is matched with whom.

Labels are object numbers, 0 is background. Numbers may be large and have gaps: everything is sparse, so 100 000 objects
take about a second. Voxels under `void` (truth unknown) are handled as in panopticapi: they belong to no object of the
truth, they are taken out of the predicted object's area, and an unmatched prediction that lies in void by more than
half is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from napari_segplugin.core import InputError
from napari_segplugin.metrics.checks import known_mask, label_pair


@dataclass(frozen=True, eq=False)
class Contingency:
    """Areas of the objects and of their overlaps, in voxels.

    Parameters
    ----------
    truth_ids, prediction_ids : (N,), (M,) ndarray of int
        Object numbers, sorted, without 0.
    truth_areas, prediction_areas : (N,), (M,) ndarray of int64
        Outside void.
    prediction_void : (M,) ndarray of int64
        Area of each predicted object inside void.
    truth_index, prediction_index : (E,) ndarray of int64
        Overlapping pairs, as positions in the lists above, sorted.
    intersection : (E,) ndarray of int64
    """

    truth_ids: np.ndarray
    truth_areas: np.ndarray
    prediction_ids: np.ndarray
    prediction_areas: np.ndarray
    prediction_void: np.ndarray
    truth_index: np.ndarray
    prediction_index: np.ndarray
    intersection: np.ndarray

    @cached_property
    def union(self) -> np.ndarray:
        """(E,) ndarray of int64: voxels in either object of a pair."""
        areas = self.truth_areas[self.truth_index] + self.prediction_areas[self.prediction_index]
        return np.asarray(areas - self.intersection)

    @cached_property
    def iou(self) -> np.ndarray:
        """(E,) ndarray of float64: intersection over union of each pair."""
        return np.asarray(self.intersection / self.union)

    @cached_property
    def counted(self) -> np.ndarray:
        """(M,) ndarray of bool: predicted objects that are a false positive when nothing matches them."""
        return np.asarray(self.prediction_void <= self.prediction_areas)


def contingency(truth: ArrayLike, prediction: ArrayLike, void: ArrayLike | None = None) -> Contingency:
    """Count overlaps of the objects of two label images.

    Parameters
    ----------
    truth, prediction : (Z, Y, X) or (Y, X) array of int
        Object numbers, 0 is background.
    void : (Z, Y, X) or (Y, X) array of bool, optional
        Where the truth is unknown.

    Raises
    ------
    InputError
        If the shapes differ or labels are not whole numbers >= 0.

    Examples
    --------
    >>> table = contingency([0, 7, 7, 9], [0, 0, 4, 4])
    >>> table.truth_ids.tolist(), table.intersection.tolist(), table.iou.round(2).tolist()
    ([7, 9], [1, 1], [0.33, 0.5])
    """
    pair = label_pair(truth, prediction)
    hidden = known_mask(void, pair[0].shape, "void")
    t, p, v, length = _runs(pair[0].ravel(), pair[1].ravel(), None if hidden is None else hidden.ravel())
    inside_t, inside_p = (t > 0) & ~v, p > 0
    truth_ids, t_at = np.unique(t[inside_t], return_inverse=True)
    prediction_ids, p_at = np.unique(p[inside_p], return_inverse=True)
    position_t, position_p = np.full(len(t), -1), np.full(len(p), -1)
    position_t[inside_t], position_p[inside_p] = t_at, p_at
    both = inside_t & inside_p
    code = position_t[both] * max(len(prediction_ids), 1) + position_p[both]
    pairs, at = np.unique(code, return_inverse=True)
    t_index, p_index = np.divmod(pairs, max(len(prediction_ids), 1))
    return Contingency(
        truth_ids,
        _add_up(t_at, length[inside_t], len(truth_ids)),
        prediction_ids,
        _add_up(p_at, (length * ~v)[inside_p], len(prediction_ids)),
        _add_up(p_at, (length * v)[inside_p], len(prediction_ids)),
        t_index,
        p_index,
        _add_up(at, length[both], len(pairs)),
    )


def _runs(t: np.ndarray, p: np.ndarray, v: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Runs of equal (truth, prediction, void) along the flat array: far fewer values to sort than voxels."""
    change = (t[1:] != t[:-1]) | (p[1:] != p[:-1])
    if v is not None:
        change |= v[1:] != v[:-1]
    starts = np.append(np.zeros(min(1, t.size), np.int64), np.flatnonzero(change) + 1)
    length = np.diff(starts, append=t.size)
    return t[starts], p[starts], np.zeros(len(starts), bool) if v is None else v[starts], length


def _add_up(at: np.ndarray, amount: np.ndarray, n: int) -> np.ndarray:
    # Float64 sums of voxel counts are exact up to 2**53.
    return np.bincount(at, weights=amount, minlength=n).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Matching:
    """One-to-one matches between true and predicted objects.

    Parameters
    ----------
    threshold : float
        Smallest IoU of a match.
    truth_ids, prediction_ids : (TP,) ndarray of int
        The matched objects, pair by pair.
    iou : (TP,) ndarray of float64
    fp, fn : int
        Predicted objects, true objects without partner.
    """

    threshold: float
    truth_ids: np.ndarray
    prediction_ids: np.ndarray
    iou: np.ndarray
    fp: int
    fn: int

    @property
    def tp(self) -> int:
        """Number of matched pairs."""
        return len(self.iou)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Matched (true object, predicted object)."""
        return [(int(a), int(b)) for a, b in zip(self.truth_ids, self.prediction_ids, strict=True)]


def match(table: Contingency, threshold: float = 0.5, *, strict: bool = False) -> Matching:
    """Match objects one to one: as many pairs as possible, among those the highest sum of IoU.

    Parameters
    ----------
    table : Contingency
    threshold : float
        IoU of a match, above 0 and at most 1. Above 0.5 an object has at most one partner, so nothing is assigned.
    strict : bool
        True asks for IoU > threshold (panoptic quality), False for IoU >= threshold (StarDist, Cellpose).

    Raises
    ------
    InputError
        If the threshold is not in (0, 1].

    Examples
    --------
    >>> found = match(contingency([7, 7, 9, 0], [4, 4, 0, 5]), 0.5)
    >>> found.pairs, found.tp, found.fp, found.fn
    ([(7, 4)], 1, 1, 1)
    """
    if not 0 < threshold <= 1:
        raise InputError("An IoU threshold must be above 0 and at most 1.", got=threshold)
    edges = np.flatnonzero(table.iou > threshold if strict else table.iou >= threshold)
    if threshold < 0.5 or (threshold == 0.5 and not strict):
        t, p = table.truth_index[edges], table.prediction_index[edges]
        # The IoU can decide between equal numbers of pairs, never buy one: its sum stays below one half.
        gain = 1 + table.iou[edges] / (2 * max(len(edges), 1))
        edges = edges[assign(t, p, gain)]
    t, p = table.truth_index[edges], table.prediction_index[edges]
    alone = table.counted.copy()
    alone[p] = False
    return Matching(
        float(threshold),
        table.truth_ids[t],
        table.prediction_ids[p],
        table.iou[edges],
        fp=int(alone.sum()),
        fn=len(table.truth_ids) - len(edges),
    )


def assign(rows: np.ndarray, columns: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Choose edges of a sparse bipartite graph, one a node, with the highest sum of gains.

    Parameters
    ----------
    rows, columns : (E,) ndarray of int
        Ends of each edge; an edge occurs once.
    gain : (E,) ndarray of float64
        Positive.

    Returns
    -------
    (E,) ndarray of bool
        The chosen edges.
    """
    chosen = np.zeros(len(rows), bool)
    left = np.arange(len(rows))
    while len(left):
        sure = _dominant(rows[left], columns[left], gain[left])
        if not sure.any():
            break
        chosen[left[sure]] = True
        taken = np.isin(rows[left], rows[left[sure]]) | np.isin(columns[left], columns[left[sure]])
        left = left[~taken]
    if len(left):
        chosen[left] = _full_matching(rows[left], columns[left], gain[left])
    return chosen


def _dominant(rows: np.ndarray, columns: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Edges worth more than the best other edges of both ends together: they are in every optimum.

    Among good segmentations that is nearly all of them, and the general solver is slow.
    """
    return np.asarray(gain > _best_other(rows, gain) + _best_other(columns, gain))


def _best_other(node: np.ndarray, gain: np.ndarray) -> np.ndarray:
    order = np.lexsort((gain, node))
    node, gain = node[order], gain[order]
    last = np.append(node[1:] != node[:-1], True)
    group = np.cumsum(last) - last
    best = gain[last][group]
    before = np.where(np.append(True, node[1:] != node[:-1]), 0.0, np.roll(gain, 1))
    other = np.empty(len(gain))
    other[order] = np.where(last, before, best)
    return other


def _full_matching(rows: np.ndarray, columns: np.ndarray, gain: np.ndarray) -> np.ndarray:
    row_ids, row = np.unique(rows, return_inverse=True)
    column_ids, column = np.unique(columns, return_inverse=True)
    n, width = len(row_ids), len(column_ids) + len(row_ids)
    # Every row gets a private spare column, so that a full matching exists. The 1 that is added to every edge of
    # a row changes no comparison; without it the spare edges would be zeros, which a sparse matrix drops.
    spare = np.arange(n)
    weight = np.concatenate([1 + gain, np.ones(n)])
    ends = np.concatenate([row, spare]), np.concatenate([column, len(column_ids) + spare])
    graph = csr_array((weight, ends), shape=(n, width))
    best_row, best_column = min_weight_full_bipartite_matching(graph, maximize=True)
    return np.isin(row * width + column, best_row.astype(np.int64) * width + best_column)
