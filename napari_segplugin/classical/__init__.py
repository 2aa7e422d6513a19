"""Classical techniques: one function each, one call shape. Listing them imports no scikit-image.

Every technique is ``f(image, *, spacing, [seeds,] [box,] [measured,] **settings) -> labels`` with an image (C, [Z,] Y, X)
of float32 and labels ([Z,] Y, X) of int32, 0 for background. :func:`run_technique` checks and calls it.
"""

from __future__ import annotations

from napari_segplugin.classical.base import (
    CLEANUPS,
    TECHNIQUES,
    apply,
    check_dimensions,
    check_marks,
    complete,
    halo_of,
    measure,
    reduce_channels,
    run_cleanup,
    run_technique,
    seeds_from_points,
    sees_whole,
    technique_row,
)
from napari_segplugin.classical.rows import CLEANUP_ROWS, TECHNIQUE_ROWS

for _row in TECHNIQUE_ROWS:
    TECHNIQUES.add(_row)
for _row in CLEANUP_ROWS:
    CLEANUPS.add(_row)

__all__ = [
    "CLEANUPS",
    "TECHNIQUES",
    "apply",
    "check_dimensions",
    "check_marks",
    "complete",
    "halo_of",
    "measure",
    "reduce_channels",
    "run_cleanup",
    "run_technique",
    "seeds_from_points",
    "sees_whole",
    "technique_row",
]
