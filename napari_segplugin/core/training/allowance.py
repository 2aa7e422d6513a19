"""The time that a training may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(eq=False)
class Allowance:
    """The time that a training may take, all included: preparing, learning, judging, and what follows.

    Parameters
    ----------
    seconds : float
        Wall time from `start`; 0 means no limit.
    now : callable
        The clock, in seconds.
    start : float, optional
        When it began; now where left out.
    reserve : float
        Seconds of it that are needed after the last step.

    Examples
    --------
    >>> allowed = Allowance(60, now=lambda: 107.0, start=100.0, reserve=5.0)
    >>> allowed.used, allowed.to_learn
    (7.0, 48.0)
    """

    seconds: float
    now: Callable[[], float] = time.monotonic
    start: float | None = None
    reserve: float = 0.0

    def __post_init__(self) -> None:
        if self.start is None:
            self.start = self.now()

    @property
    def used(self) -> float:
        """Seconds since the start."""
        return self.now() - (self.start or 0.0)

    @property
    def to_learn(self) -> float:
        """Seconds that are left for learning: at least a quarter of all, and no limit (infinite) where there is none."""
        if self.seconds <= 0:
            return float("inf")
        return max(self.seconds - self.used - self.reserve, self.seconds / 4)


__all__ = ["Allowance"]
