"""A number with its definition, and a ratio that can be pooled over images."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

NAN = float("nan")


@dataclass(frozen=True)
class Value:
    """A measured number that says what it is.

    Parameters
    ----------
    name : str
        Such as "Dice".
    value : float
        NaN where the metric is not defined (see the definition).
    definition : str
        One sentence, to be printed beside the number.
    unit : str
        Unit of the number, empty for a share.
    """

    name: str
    value: float
    definition: str
    unit: str = ""


@dataclass(frozen=True)
class Ratio:
    """A numerator and a denominator; the sum of two ratios pools them.

    Parameters
    ----------
    numerator, denominator : float
    fallback : float
        The value where the denominator is 0: NaN means "not defined, left out of every mean".

    Examples
    --------
    >>> one, other = Ratio(1, 1), Ratio(1, 3)
    >>> (one + other).value, mean([one.value, other.value])
    (0.5, 0.6666666666666666)
    """

    numerator: float
    denominator: float
    fallback: float = NAN

    @property
    def value(self) -> float:
        """The quotient, or the fallback where the denominator is 0."""
        return float(self.numerator / self.denominator) if self.denominator else self.fallback

    def __add__(self, other: Ratio) -> Ratio:
        fallback = other.fallback if math.isnan(self.fallback) else self.fallback
        return Ratio(self.numerator + other.numerator, self.denominator + other.denominator, fallback)


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean without the NaNs; NaN where nothing is left, and never a warning.

    An infinite distance (one mask empty) stays in and makes the mean infinite: a missed object must not look like
    a good result.
    """
    defined = [float(v) for v in values if not math.isnan(v)]
    return sum(defined) / len(defined) if defined else NAN
