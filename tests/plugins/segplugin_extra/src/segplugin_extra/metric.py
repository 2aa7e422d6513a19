"""A metric of a handful of lines."""

from __future__ import annotations

import math

import numpy as np


def ochiai(truth, prediction):
    """Cosine of the angle between two masks."""
    a, b = np.asarray(truth) != 0, np.asarray(prediction) != 0
    both = int((a & b).sum())
    if not a.any() and not b.any():
        return math.nan
    return both / math.sqrt(max(1, int(a.sum()) * int(b.sum())))
