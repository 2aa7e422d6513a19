"""From links to tracks: which objects are one, which number it has, and what is known of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from napari_segplugin.core import ObjectTable
from napari_segplugin.engine.track.linking import Pair

_SAID = ("corrected", "accepted")
"""What a person made of an object; it wins over what was predicted."""


def as_tracks(n: int, links: Sequence[Pair]) -> tuple[np.ndarray, dict[int, int]]:
    """The track of each object.

    Parameters
    ----------
    n : int
        Objects, in the order of time.
    links : sequence of (int, int)
        At most one into an object; two out of one are a division, where its track ends.

    Returns
    -------
    of : (N,) ndarray of int64
        Track of each object, counted from 0.
    parent : dict of int to int
        Mother track of each daughter track.

    Examples
    --------
    >>> of, parent = as_tracks(4, [(0, 1), (1, 2), (1, 3)])
    >>> of.tolist(), parent
    ([0, 0, 1, 2], {1: 0, 2: 0})
    """
    before = {b: a for a, b in links}
    children = Counter(a for a, _ in links)
    of, parent, count = np.zeros(n, np.int64), {}, 0
    for at in range(n):
        earlier = before.get(at, -1)
        if earlier >= 0 and children[earlier] == 1:
            of[at] = of[earlier]
            continue
        if earlier >= 0:
            parent[count] = int(of[earlier])
        of[at], count = count, count + 1
    return of, parent


def number_tracks(
    label: np.ndarray, of: np.ndarray, parent: Mapping[int, int], *, keep: bool, above: int = 0
) -> np.ndarray:
    """A number for each track, one that its objects have already where that can be.

    Parameters
    ----------
    label : (N,) ndarray of int
        Number that each object has, in the order of time.
    of : (N,) ndarray of int
        Track of each object.
    parent : mapping of int to int
        Mother track of each daughter track.
    keep : bool
        True: the numbers are those of tracks, and the track that has most of a number keeps it (a mother before her
        daughters). False: a track has the number of its first object, if that is free.
    above : int
        New numbers are larger than this and than all that there are.

    Returns
    -------
    (M,) ndarray of int64

    Examples
    --------
    >>> number_tracks(np.array([7, 4, 7, 9]), np.array([0, 1, 0, 1]), {}, keep=True).tolist()
    [7, 4]
    """
    first: dict[int, int] = {}
    for at, track in enumerate(of.tolist()):
        first.setdefault(track, at)
    counts = Counter(zip(of.tolist(), label.tolist(), strict=True))
    if not keep:
        counts = Counter({(t, int(label[at])): 1 for t, at in first.items()})

    def rank(claim: tuple[int, int]) -> tuple[bool, int, int, int]:
        track, number = claim
        return (parent.get(track, -1), number) in counts, -counts[claim], first[track], number

    out, given = np.zeros(len(first), np.int64), set[int]()
    for track, number in sorted(counts, key=rank):
        if not out[track] and number not in given:
            out[track] = number
            given.add(number)
    missing = np.flatnonzero(out == 0)
    out[missing] = max(above, int(label.max(initial=0))) + 1 + np.arange(len(missing))
    return out


def table_of_tracks(objects: ObjectTable, label: np.ndarray, numbers: np.ndarray, usual: int) -> ObjectTable:
    """What is known of each track: what a person said of one of its objects, else what most of them are.

    Parameters
    ----------
    objects : ObjectTable
        Of the objects before they were linked.
    label, numbers : (N,) ndarray of int
        Number of each object in that table, and of its track.
    usual : int
        Class of objects that the table does not know.
    """
    columns = (objects.label.tolist(), objects.class_id.tolist(), objects.score.tolist(), objects.status)
    known = {n: row for n, *row in zip(*columns, strict=True)}
    rows: dict[int, list[tuple[int, float, str]]] = {}
    for old, new in zip(label.tolist(), numbers.tolist(), strict=True):
        class_id, score, status = known.get(old, (usual, float("nan"), "corrected"))
        rows.setdefault(new, []).append((int(class_id), float(score), str(status)))
    found = sorted(rows)
    merged = [_merged(rows[n]) for n in found]
    return ObjectTable(
        np.array(found, np.int64),
        np.array([c for c, _, _ in merged], np.int64),
        np.array([s for _, s, _ in merged], np.float32),
        tuple(t for _, _, t in merged),
    )


def _merged(rows: Sequence[tuple[int, float, str]]) -> tuple[int, float, str]:
    said = [r for r in rows if r[2] in _SAID]
    class_id = Counter(c for c, _, _ in said or rows).most_common(1)[0][0]
    scores = [s for _, s, _ in rows if s == s]
    statuses = {t for _, _, t in rows}
    status = next((t for t in reversed(_SAID) if t in statuses), rows[0][2])
    return class_id, sum(scores) / len(scores) if scores else float("nan"), status


def with_rows(table: ObjectTable, other: ObjectTable, which: np.ndarray) -> ObjectTable:
    """A table with some rows of another one, sorted by label."""
    at = np.flatnonzero(which)
    label = np.concatenate([table.label, other.label[at]])
    order = np.argsort(label, kind="stable")
    status = (*table.status, *(other.status[i] for i in at))
    return ObjectTable(
        label[order],
        np.concatenate([table.class_id, other.class_id[at]])[order],
        np.concatenate([table.score, other.score[at]])[order],
        tuple(status[i] for i in order),
    )


__all__ = ["as_tracks", "number_tracks", "table_of_tracks", "with_rows"]
