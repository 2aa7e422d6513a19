"""Where each voxel lies in the box that somebody drew around an object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ALONE = 0.5
"""Position along an axis on which the box is one voxel thick."""


def box_positions(boxes: Sequence[tuple[slice, ...]], shape: Sequence[int]) -> np.ndarray:
    """The number of the box of each voxel, and where in it the voxel lies.

    The positions move with a patch that is turned and scaled, so that the lines across a box are found again in it.

    Parameters
    ----------
    boxes : sequence of tuple of slice
        Within the image. Where two overlap, the smaller one counts.
    shape : sequence of int
        ([Z,] Y, X).

    Returns
    -------
    (1 + ndim, [Z,] Y, X) ndarray of float32
        The number from 1 (0: no box), then the position along each axis, from 0 at the first voxel of the box to 1 at the
        last.

    Examples
    --------
    >>> found = box_positions([(slice(1, 4), slice(0, 2))], (5, 3))
    >>> found[0, 2].tolist(), found[1, :, 0].tolist()
    ([1.0, 1.0, 0.0], [0.0, 0.0, 0.5, 1.0, 0.0])
    """
    out = np.zeros((1 + len(shape), *shape), np.float32)
    sizes = [np.prod([s.stop - s.start for s in box]) for box in boxes]
    for index in sorted(range(len(boxes)), key=lambda i: -sizes[i]):
        box = boxes[index]
        out[0][box] = index + 1
        for axis, span in enumerate(box):
            n = span.stop - span.start
            share = np.linspace(0, 1, n) if n > 1 else np.full(1, ALONE)
            out[1 + axis][box] = share.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return out


__all__ = ["ALONE", "box_positions"]
