"""How large the objects of a result are, and which of them stand out. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BARS = 16
"""Bars of the histogram."""
_FEW = 8
"""With fewer objects none stands out."""
_TWICE, _QUARTER = 2.0, 0.25
_RARE = 0.2
"""Where a larger share stands out, sizes simply differ."""


@dataclass(frozen=True, eq=False)
class ObjectSizes:
    """ObjectSizes of objects.

    Parameters
    ----------
    numbers : (N,) ndarray of int
    values : (N,) ndarray of float
        Area or volume of each.
    kind : str
        "area" or "volume".
    unit : str
        As a person reads it, "px".

    Examples
    --------
    >>> sizes = ObjectSizes(np.arange(1, 11), np.array([10.0] * 8 + [11.0, 30.0]), "area", "px")
    >>> sizes.median, sizes.large.tolist(), sizes.small.tolist()
    (10.0, [10], [])
    """

    numbers: np.ndarray
    values: np.ndarray
    kind: str = "area"
    unit: str = "px"

    @property
    def median(self) -> float:
        """The size in the middle; 0 where there is no object."""
        return float(np.median(self.values)) if len(self.values) else 0.0

    @property
    def large(self) -> np.ndarray:
        """Numbers of the objects of more than twice the median, if these are few."""
        return self._rare(self.values > _TWICE * self.median)

    @property
    def small(self) -> np.ndarray:
        """Numbers of the objects of less than a quarter of the median, if these are few."""
        return self._rare(self.values < _QUARTER * self.median)

    def _rare(self, which: np.ndarray) -> np.ndarray:
        rare = len(self.values) >= _FEW and which.mean() <= _RARE
        return self.numbers[which] if rare else self.numbers[:0]

    def bars(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A histogram of bars of equal width.

        Returns
        -------
        counts : (B,) ndarray of int
        edges : (B + 1,) ndarray of float
        out : (B,) ndarray of bool
            Bars in which every object stands out.
        """
        counts, edges = np.histogram(self.values, BARS)
        odd = np.isin(self.numbers, np.concatenate([self.large, self.small]))
        usual = np.histogram(self.values[~odd], edges)[0]
        return counts, edges, (counts > 0) & (usual == 0)

    def within(self, low: float, high: float) -> list[int]:
        """Numbers of the objects from one size to below another, the smallest first; the upper end belongs to the last bar."""
        which = (self.values >= low) & ((self.values < high) | (high >= self.values.max()) & (self.values <= high))
        order = np.argsort(self.values[which], kind="stable")
        return [int(n) for n in self.numbers[which][order]]

    def text(self, value: float) -> str:
        """A size as a person reads it.

        Examples
        --------
        >>> ObjectSizes(np.array([1]), np.array([412.0])).text(412)
        '412 px'
        """
        return f"{float(f'{value:.3g}'):,.7g} {self.unit}".strip()


@dataclass(frozen=True)
class Advice:
    """What may be wrong with a result, and the button that helps.

    Parameters
    ----------
    title, text : str
    button : str
    numbers : tuple of int
        The objects that it is about; none where it is about all of them.
    """

    title: str
    text: str
    button: str
    numbers: tuple[int, ...] = ()


def advise(sizes: ObjectSizes, share: float, thing: str, *, invert: bool) -> Advice | None:
    """The one thing about a result that is most worth a look.

    Parameters
    ----------
    sizes : ObjectSizes
    share : float
        Of the image that the objects cover.
    thing : str
        What they are, in the plural.
    invert : bool
        Whether the image can be inverted for what was run.

    Examples
    --------
    >>> sizes = ObjectSizes(np.arange(1, 11), np.array([10.0] * 8 + [11.0, 30.0]), "area", "px")
    >>> advise(sizes, 0.2, "nuclei", invert=True).title
    '1 is more than twice the median:'
    """
    if invert and share > 0.7:
        return Advice("Most of the image was found.", "Is it dark on bright?", "Invert and run")
    for numbers, than, perhaps in (
        (sizes.large, "more than twice", f"perhaps {thing} that touch."),
        (sizes.small, "less than a quarter of", "perhaps specks."),
    ):
        n = len(numbers)
        if n:
            title = f"{n} {'is' if n == 1 else 'are'} {than} the median:"
            order = np.argsort(-sizes.values[np.isin(sizes.numbers, numbers)], kind="stable")
            listed = tuple(int(m) for m in sizes.numbers[np.isin(sizes.numbers, numbers)][order])
            return Advice(title, perhaps, "Show it" if n == 1 else f"Show the {n}", listed)
    return None


__all__ = ["BARS", "Advice", "ObjectSizes", "advise"]
