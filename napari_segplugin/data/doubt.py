"""Which objects to look at first: those that are most likely wrong, each with the strongest reason in a sentence.

Each sign that speaks against an object adds to the odds that it is wrong; the weights were found on public images with ground
truth by `tests/benchmarks/doubt_queue.py`, so that the doubt is about the share of such objects that are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_segplugin.core import Box
from napari_segplugin.core.words import plural
from napari_segplugin.data.signs import ENOUGH, ObjectSigns

DOUBTFUL = 0.35
"""Doubt from which an object counts as doubtful."""

WEIGHTS: dict[str, float] = {
    "dent": 9.7,
    "small": 1.0,
    "large": 0.9,
    "long": 0.3,
    "faint": 1.5,
    "contact": 1.25,
    "spill": 8.1,
    "hollow": 2.6,
    "unsure": 2.7,
}
BEGIN = -3.1
"""The logarithmic odds of an object against which nothing speaks."""


@dataclass(frozen=True, eq=False)
class QueueEntry:
    """Something to look at, and why.

    Parameters
    ----------
    label : int
        The object; of an area its class or number; 0 for a place where one may have been missed.
    place : tuple of slice
        Where it is, along the axes of the labels.
    reason : str
        A sentence.
    doubt : float
        About the share of such entries that are wrong, 0 to 1.
    kind : {"object", "missed", "plane"}
        "missed": a place, no object. "plane": the outline of an area on one plane of a volume.
    cut : bool
        Cut off by the border of the image: such objects come last.
    """

    label: int
    place: Box
    reason: str
    doubt: float
    kind: Literal["object", "missed", "plane"] = "object"
    cut: bool = False


@dataclass(frozen=True, eq=False)
class Queue:
    """Everything to look at, the most doubtful first; what the border cuts comes last.

    Parameters
    ----------
    entries : tuple of QueueEntry
    threshold : float
        Doubt from which an entry counts as doubtful.
    """

    entries: tuple[QueueEntry, ...]
    threshold: float = DOUBTFUL

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[QueueEntry]:
        return iter(self.entries)

    @property
    def doubtful(self) -> int:
        """How many look doubtful: so many stand at the front."""
        return sum(e.doubt >= self.threshold and not e.cut for e in self.entries)

    def of(self, label: int) -> QueueEntry | None:
        """The first entry of an object; None where there is none."""
        return next((e for e in self.entries if e.label == label and e.kind != "missed"), None)

    @classmethod
    def ordered(cls, entries: Sequence[QueueEntry], threshold: float = DOUBTFUL) -> Queue:
        """Entries in the order of the queue."""
        return cls(tuple(sorted(entries, key=lambda e: (e.cut, -e.doubt))), threshold)


def signs(
    found: ObjectSigns,
    groups: np.ndarray,
    scores: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """What speaks against each object, 0 where nothing does.

    Parameters
    ----------
    found : ObjectSigns
        N objects.
    groups : (N,) ndarray of int
        Class of each: what is usual is asked within a class, and only of :data:`~napari_segplugin.data.signs.ENOUGH`.
    scores : (N,) ndarray of float, optional
        Certainty of the network; NaN where there is none.

    Returns
    -------
    dict of str to (N,) ndarray of float
    """
    size, length = np.log(found.size), np.log(found.length)
    larger = size - usual(size, groups)
    fainter = usual(np.log(np.maximum(found.contrast, 1e-9)), groups) - np.log(np.maximum(found.contrast, 1e-9))
    out = {
        "dent": _over(1 - found.fill, 0.03, 0.5),
        "small": _over(-larger, 0.3, 3),
        "large": _over(larger, 0.4, 2),
        "long": _over(robust_z(length, groups), 1.5, 5),
        "faint": _over(fainter, 0.1, 1.5),
        "contact": _over(found.contact, 0.2, 1.3),
        "spill": _over(found.spill - usual(found.spill, groups), 0.05, 0.25),
        "hollow": _over(found.hollow - usual(found.hollow, groups), 0.05, 0.5),
    }
    if scores is not None:
        out["unsure"] = _over(1 - scores, 0.05, 1)
    return out


def _over(values: np.ndarray, limit: float, most: float) -> np.ndarray:
    """How far values are above a limit; 0 where they are not known."""
    return np.nan_to_num(np.clip(values - limit, 0, most))


def usual(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The median of each value's group; NaN in groups of a few.

    Examples
    --------
    >>> usual(np.arange(10.0), np.zeros(10))[:2].tolist()
    [4.5, 4.5]
    """
    out = np.full(len(values), np.nan)
    for group in np.unique(groups):
        mine = groups == group
        known = values[mine][np.isfinite(values[mine])]
        if len(known) >= ENOUGH:
            out[mine] = np.median(known)
    return out


def robust_z(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Distance of each value from the median of its group, in robust standard deviations (1.4826 times the median
    absolute deviation); NaN in small groups and where the value is not known.

    Examples
    --------
    >>> robust_z(np.array([1.0, 2, 2, 3, 2, 1, 3, 2, 90]), np.zeros(9)).round(1).tolist()[-1]
    59.4
    """
    off = values - usual(values, groups)
    away = 1.4826 * usual(np.abs(off), groups)
    # where most are equal the deviation is 0: then a percent counts as usual
    z: np.ndarray = off / np.maximum(away, 0.01 * np.maximum(1.0, np.abs(values - off)))
    return z


def odds(found: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The doubt about each object, and how much each sign adds to its logarithmic odds."""
    parts = {name: WEIGHTS[name] * value for name, value in found.items()}
    return 1 / (1 + np.exp(-BEGIN - sum(parts.values()))), parts


def reasons(
    parts: Mapping[str, np.ndarray],
    found: ObjectSigns,
    groups: np.ndarray,
    names: Mapping[Hashable, str],
    scores: np.ndarray | None = None,
) -> list[str]:
    """The strongest reason for each object as a sentence.

    Parameters
    ----------
    parts : dict of str to (N,) ndarray of float
        From :func:`odds`.
    found : ObjectSigns
    groups : (N,) ndarray of int
    names : mapping of int to str
        The name of each class, in the singular.
    scores : (N,) ndarray of float, optional
        As of :func:`signs`.
    """
    kinds = list(parts)
    table = np.stack([parts[k] for k in kinds]) if kinds else np.zeros((0, len(groups)))
    best = table.argmax(0)
    times = np.exp(np.log(found.size) - usual(np.log(found.size), groups))
    out = []
    for i, at in enumerate(best):
        if table[at, i] < LEAST:
            out.append(CUT if found.cut[i] else NOTHING)
            continue
        name = names.get(int(groups[i]), "object")
        kind = "large" if times[i] >= _TWO and kinds[at] in ("dent", "long") else kinds[at]
        score = float(scores[i]) if scores is not None else float("nan")
        out.append(SENTENCES[kind](Spoken(name, plural(name), float(times[i]), int(found.partner[i]), score)))
    return out


LEAST = 0.15
"""What a sign must add to the logarithmic odds to be told."""
_TWO = 1.75
"""Times the usual size, from which a strange shape is most likely that of several."""
CUT = "Cut off by the edge of the image."
NOTHING = "Nothing speaks against it."


@dataclass(frozen=True)
class Spoken:
    """What a sentence may speak of: the class in the singular and in the plural, the size as a multiple of the usual one,
    the object that it touches, the certainty of the network.
    """

    one: str
    many: str
    times: float
    partner: int
    score: float


def _large(s: Spoken) -> str:
    if s.times < _TWO:
        return f"Larger than most {s.many}."
    if s.times < 2.5:
        return f"Twice as large as the other {s.many}: perhaps two that touch."
    return f"{s.times:.0f} times as large as the other {s.many}: perhaps several that touch."


def _small(s: Spoken) -> str:
    if s.times > 0.6:
        return f"Smaller than most {s.many}."
    if s.times > 0.4:
        return f"Half as large as the other {s.many}: perhaps only a part of one."
    share = "A third" if s.times > 0.29 else "A quarter" if s.times > 0.225 else "Less than a quarter"
    return f"{share} of the size of the other {s.many}: perhaps debris, or a part of one."


SENTENCES: dict[str, Callable[[Spoken], str]] = {
    "dent": lambda s: f"An irregular outline: perhaps two {s.many} that touch, or a part is missing.",
    "small": _small,
    "large": _large,
    "long": lambda s: f"Much longer than the other {s.many}.",
    "faint": lambda s: f"Stands out less than the other {s.many}: perhaps it is none.",
    "contact": lambda s: f"A long border with {s.one} {s.partner}: perhaps one that was cut in two.",
    "spill": lambda s: "No edge along a part of its outline: perhaps it goes on beyond.",
    "hollow": lambda s: "A part of it looks like the background: perhaps the outline is too wide.",
    "unsure": lambda s: f"The model is only {s.score:.0%} certain of it.",
}


__all__ = ["DOUBTFUL", "WEIGHTS", "Queue", "QueueEntry", "odds", "reasons", "robust_z", "signs", "usual"]
