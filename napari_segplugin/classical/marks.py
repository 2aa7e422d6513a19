"""Where a technique starts from: seeds and a box, and the checks that are the same for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_segplugin.classical.row import TechniqueRow
from napari_segplugin.core import Box, InputError


def check_marks(row: TechniqueRow, shape: Sequence[int], seeds: np.ndarray | None, box: Box | None) -> None:
    """Whether seeds and box are there where they are needed, and lie in the image.

    Raises
    ------
    InputError
        If not.
    """
    needs = row.needs
    if seeds is not None:
        if tuple(seeds.shape) != tuple(shape):
            raise InputError(
                "The seeds do not fit the image.", got=f"shape {seeds.shape} for an image of {tuple(shape)}"
            )
        if np.asarray(seeds).dtype.kind not in "iub":
            raise InputError("Seeds must be whole numbers.", got=f"dtype {seeds.dtype}")
    if needs in ("points", "strokes") and (seeds is None or not (np.asarray(seeds) > 0).any()):
        word = "click on at least one object" if needs == "points" else "paint at least one stroke in each class"
        raise InputError(f"{row.title} needs {needs}, and there are none.", hint=f"In the image, {word}")
    if needs == "box" and box is None:
        raise InputError(f"{row.title} needs a box, and there is none.", hint="Draw a box around the object")
    if box is not None:
        _check_box(box, shape)


def _check_box(box: Box, shape: Sequence[int]) -> None:
    inside = len(box) == len(shape) and all(
        0 <= (s.start or 0) < (n if s.stop is None else s.stop) <= n for s, n in zip(box, shape, strict=True)
    )
    if not inside:
        text = ", ".join(f"{s.start}:{s.stop}" for s in box)
        raise InputError("The box lies outside the image.", got=f"{text} in an image of {tuple(shape)}")


def seeds_from_points(points: np.ndarray, shape: Sequence[int], values: np.ndarray | None = None) -> np.ndarray:
    """Seeds of clicked points.

    Parameters
    ----------
    points : (N, 2) or (N, 3) ndarray
        Positions in voxels, (Z,) Y, X.
    shape : sequence of int
        The image, (Z,) Y, X.
    values : (N,) ndarray of int, optional
        Class or object of each point; 1, 2 … by default.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    Raises
    ------
    InputError
        If a point lies outside of the image, or their dimension is another.

    Examples
    --------
    >>> seeds_from_points(np.array([[0.2, 1.6]]), (2, 3)).tolist()
    [[0, 0, 1], [0, 0, 0]]
    """
    points = np.atleast_2d(np.asarray(points, float))
    if points.shape[-1] != len(shape):
        raise InputError(
            "The points do not fit the image.", got=f"points in {points.shape[-1]}D for an image in {len(shape)}D"
        )
    at = np.floor(points + 0.5)
    outside = ~np.isfinite(at).all(1) | (at < 0).any(1) | (at >= np.asarray(shape)).any(1)
    if outside.any():
        first = ", ".join(f"{v:g}" for v in points[np.flatnonzero(outside)[0]])
        raise InputError(
            f"{int(outside.sum())} of {len(points)} seeds lie outside the image.",
            got=f"a point at ({first}) for an image of {tuple(shape)}",
            hint="Remove it, or click inside the image.",
        )
    seeds = np.zeros(tuple(shape), np.int32)
    seeds[tuple(at.astype(int).T)] = np.arange(1, len(points) + 1) if values is None else values
    return seeds


__all__ = ["check_marks", "seeds_from_points"]
