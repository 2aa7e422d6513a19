"""Region splitting and merging: quadrants (octants in 3D) until each is homogeneous, then neighbours that fit together.

Written on arrays, level by level: a pyramid holds sums and squares (or smallest and largest value) of all blocks of side
1, 2, 4 …, so a level is judged in one expression, and a union of regions exactly. Blocks end where the image ends, nothing
is padded; an axis of length 1 is never split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_segplugin.classical.regions.homogeneity import Homogeneity, homogeneity
from napari_segplugin.classical.regions.region_merging import RegionTable, Rule, merge_regions
from napari_segplugin.classical.shared.blocks import enlarge, grid_shape, halve, voxel_counts

STRIP = 1 << 17
"""Voxels that are lifted to statistics at a time, so that they stay in the processor's cache."""


@dataclass(eq=False)
class _Leaves:
    """The blocks that are not split any further, largest first.

    Parameters
    ----------
    grid : ndarray of int32
        Number of the leaf in each smallest block.
    count : (R,) ndarray
        Voxels of each leaf.
    stats : (S, R) ndarray
    i, j : (E,) ndarray
        Leaves that share a face, each pair once.
    level : (R,) ndarray
        A leaf has at most 2**level voxels along each axis.
    place : (R,) ndarray
        Index of the leaf among all blocks of its level.
    """

    grid: np.ndarray
    count: np.ndarray
    stats: np.ndarray
    i: np.ndarray
    j: np.ndarray
    level: np.ndarray
    place: np.ndarray


def split_merge(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...] = (),
    test: str = "std",
    threshold: float = 0.03,
    significance: float = 0.001,
    smallest_block: int = 2,
    smallest_region: int = 16,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Split into homogeneous blocks and merge neighbours that are homogeneous together.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
        Not used: blocks are counted in voxels.
    test : str
        What "homogeneous" means. "std": the standard deviation of every channel is at most `threshold`. "range": the
        largest less the smallest value of every channel is. "colour": the root of the mean squared distance from the mean
        colour is, in CIELAB for three channels. "statistical": a likelihood ratio test does not tell apart the means and
        variances of the parts: of the children, on each level, when splitting; of the two neighbours when merging.
    threshold : float
        As a share of the image's range (1 is 100 units of CIELAB for colours). With "statistical" it is the least standard
        deviation that a part is taken to have, so that slow shading and rounding are not taken for structure.
    significance : float
        Of the statistical test: chance of splitting what is one, if pixels were independent and normally distributed.
    smallest_block : int
        Side of the smallest blocks in voxels (rounded down to a power of two). They are kept, homogeneous or not.
    smallest_region : int
        At the end, regions of fewer voxels join the neighbour that they differ least from; 1 leaves them as they are.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        Regions 1, 2 …; there is no background.

    References
    ----------
    Horowitz and Pavlidis, Picture segmentation by a tree traversal algorithm, J. ACM 23(2), 1976.

    Examples
    --------
    >>> image = np.zeros((1, 4, 6), np.float32)
    >>> image[0, :, 2:4] = 9
    >>> split_merge(image, smallest_region=1)[0].tolist()
    [2, 2, 3, 3, 1, 1]
    """
    smallest = _power(smallest_block, test)
    measure = homogeneity(image, test, threshold, significance, known)
    leaves = _split(measure, smallest)
    regions = RegionTable(leaves.count, leaves.stats, measure.combine, measure.cost, measure.monotone)
    i, j = merge_regions(regions, leaves.i, leaves.j, Rule(measure.limit))
    if smallest_region > 1:
        merge_regions(regions, i, j, Rule(-np.inf, smallest_region))
    root = regions.compress()
    number = np.cumsum(root == np.arange(root.size), dtype=np.int32)
    labels: np.ndarray = number[root][leaves.grid]
    for level in reversed(range(smallest)):
        labels = enlarge(labels, grid_shape(image.shape[1:], 1 << level))
    return labels


def split_tree(
    image: np.ndarray,
    *,
    test: str = "std",
    threshold: float = 0.03,
    significance: float = 0.001,
    smallest_block: int = 2,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """The blocks into which :func:`split_merge` splits the image before it merges, to be drawn over it.

    Parameters as :func:`split_merge`.

    Returns
    -------
    (N,) structured ndarray
        "origin" and "size" of each block in voxels along (Z,) Y, X, and its "level": how often the image was split to get
        it. The largest blocks come first.

    Examples
    --------
    >>> image = np.zeros((1, 4, 4), np.float32)
    >>> image[0, :2, :2] = 9
    >>> tree = split_tree(image)
    >>> tree["origin"].tolist(), tree["level"].tolist()
    ([[0, 0], [0, 2], [2, 0], [2, 2]], [1, 1, 1, 1])
    """
    shape = image.shape[1:]
    leaves = _split(homogeneity(image, test, threshold, significance, known), _power(smallest_block, test))
    top = (max(shape) - 1).bit_length()
    whole = np.int64
    kind = np.dtype([("origin", whole, (len(shape),)), ("size", whole, (len(shape),)), ("level", whole)])
    blocks = np.empty(leaves.level.size, kind)
    for level in np.unique(leaves.level):
        here = np.flatnonzero(leaves.level == level)
        side = 1 << int(level)
        place = np.unravel_index(leaves.place[here], grid_shape(shape, side))
        origin = np.stack(place, axis=-1) * side
        blocks["origin"][here] = origin
        blocks["size"][here] = np.minimum(origin + side, shape) - origin
        blocks["level"][here] = max(top - int(level), 0)
    return blocks


def tree_lines(blocks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The borders of blocks, to be laid over the image.

    Parameters
    ----------
    blocks : (N,) structured ndarray
        Of :func:`split_tree`.
    shape : tuple of int
        The image, (Z,) Y, X.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        How often the image was split to get the block that begins there, and one more; 0 off the borders. The border is
        the first row and the first column of a block, in every plane.

    Examples
    --------
    >>> image = np.zeros((1, 4, 4), np.float32)
    >>> image[0, :2, :2] = 9
    >>> tree_lines(split_tree(image), (4, 4)).tolist()
    [[2, 2, 2, 2], [2, 0, 2, 0], [2, 2, 2, 2], [2, 0, 2, 0]]
    """
    lines = np.zeros(shape, np.int32)
    ends = (blocks["origin"] + blocks["size"]).tolist()
    for start, stop, level in zip(blocks["origin"].tolist(), ends, (blocks["level"] + 1).tolist(), strict=True):
        whole = [slice(a, b) for a, b in zip(start, stop, strict=True)]
        for axis in (-2, -1):
            side = list(whole)
            side[axis] = slice(start[axis], start[axis] + 1)
            lines[tuple(side)] = level
    return lines


def _power(smallest_block: int, test: str) -> int:
    """The exponent of the smallest block's side; parts of a statistical test need a variance of their own."""
    return max(int(smallest_block).bit_length() - 1, 1 if test == "statistical" else 0)


def _split(measure: Homogeneity, smallest: int) -> _Leaves:
    """Go down from the block that holds the whole image, to blocks of side ``2**smallest``."""
    shape = measure.channels.shape[1:]
    pyramid, axes = [_smallest_blocks(measure, 1 << smallest)], range(1, len(shape) + 1)
    while max(pyramid[-1].shape[1:]) > 1:
        pyramid.append(halve(pyramid[-1], measure.combine, axes))
    counts = [voxel_counts(shape, 1 << (smallest + k)) for k in range(len(pyramid))]
    even = [np.ones(pyramid[0].shape[1:], bool)]
    for k in range(1, len(pyramid)):
        even.append(measure.one((counts[k], pyramid[k]), (counts[k - 1], pyramid[k - 1])))
        if measure.of_parts:
            even[k] &= halve(even[k - 1], np.logical_and)
    open_ = np.ones((1,) * len(shape), bool)
    grid = np.full(open_.shape, -1, np.int32)
    number, found, faces = 0, [], []
    for k in reversed(range(len(pyramid))):
        leaf = open_ & even[k]
        at = np.flatnonzero(leaf)
        if at.size:
            grid.reshape(-1)[at] = np.arange(number, number + at.size, dtype=np.int32)
            number += at.size
            stats = pyramid[k].reshape(len(pyramid[k]), -1)[:, at]
            found.append((counts[k].reshape(-1)[at], stats, np.full(at.size, k + smallest), at))
            faces += _faces(grid, leaf)
        if k:
            below = pyramid[k - 1].shape[1:]
            open_, grid = enlarge(open_ & ~leaf, below), enlarge(grid, below)
    count, stats, level, place = (np.concatenate(part, axis=-1) for part in zip(*found, strict=True))
    i, j = (np.concatenate(part) for part in zip(*faces, strict=True))
    return _Leaves(grid, count, stats, i, j, level, place)


def _smallest_blocks(measure: Homogeneity, side: int) -> np.ndarray:
    """Statistics of the blocks of this side, (S, …), lifted from the voxels strip by strip."""
    channels = measure.channels
    rows = max(STRIP // channels[:, 0].size, 1)
    rows = -(-rows // side) * side
    strips = []
    for start in range(0, channels.shape[1], rows):
        stats = measure.lift(channels[:, start : start + rows])
        for _ in range(side.bit_length() - 1):
            stats = halve(stats, measure.combine, range(1, stats.ndim))
        strips.append(stats)
    return np.concatenate(strips, axis=1)


def _faces(grid: np.ndarray, leaf: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Neighbours of the leaves of a level, among themselves and with the larger leaves.

    Two blocks share at most one face, and it is seen on the level of the smaller one: every pair is found once.
    """
    pairs = []
    for axis in range(grid.ndim):
        low = (*(slice(None),) * axis, slice(0, -1))
        high = (*(slice(None),) * axis, slice(1, None))
        i, j = grid[low].reshape(-1), grid[high].reshape(-1)
        at = np.flatnonzero((leaf[low].reshape(-1) & (j >= 0)) | (leaf[high].reshape(-1) & (i >= 0)))
        pairs.append((i[at], j[at]))
    return pairs


__all__ = ["split_merge", "split_tree", "tree_lines"]
