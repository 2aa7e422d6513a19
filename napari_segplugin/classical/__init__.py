"""Classical techniques: one function each, one call shape. Listing them imports no scikit-image.

Every technique is ``f(image, *, spacing, [seeds,] [box,] [measured,] **settings) -> labels`` with an image (C, [Z,] Y, X)
of float32 and labels ([Z,] Y, X) of int32, 0 for background. :func:`run_technique` checks and calls it.
"""

from __future__ import annotations

from napari_segplugin.classical.base import (
    CLEANUPS,
    TECHNIQUES,
    NothingToSegment,
    apply,
    check_dimensions,
    complete,
    finite,
    halo_of,
    measure,
    reduce_channels,
    run_cleanup,
    run_technique,
    sees_whole,
)
from napari_segplugin.classical.filling import REACH
from napari_segplugin.classical.marks import check_marks, seeds_from_points
from napari_segplugin.classical.row import CleanupRow, TechniqueRow
from napari_segplugin.classical.rows import CLEANUP_ROWS, TECHNIQUE_ROWS

for _row in TECHNIQUE_ROWS:
    TECHNIQUES.add(_row)
for _step in CLEANUP_ROWS:
    CLEANUPS.add(_step)

__all__ = [
    "CLEANUPS",
    "REACH",
    "TECHNIQUES",
    "CleanupRow",
    "NothingToSegment",
    "TechniqueRow",
    "apply",
    "check_dimensions",
    "check_marks",
    "complete",
    "finite",
    "halo_of",
    "measure",
    "reduce_channels",
    "run_cleanup",
    "run_technique",
    "seeds_from_points",
    "sees_whole",
]
