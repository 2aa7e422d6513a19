"""When a region is one: tests for region splitting and merging, from statistics that add up over regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.special import chdtri

from napari_segplugin.classical.shared.blocks import halve
from napari_segplugin.classical.shared.colour import to_lab, value_range

Block: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Voxel counts (…) and statistics (S, …) of blocks or regions."""
TESTS = ("std", "range", "colour", "statistical")


@dataclass(frozen=True, eq=False)
class Homogeneity:
    """A test of homogeneity, and what it has to know of a region.

    Parameters
    ----------
    channels : (C, [Z,] Y, X) ndarray of float32
        The values that are tested.
    lift : callable
        ``(C, …) values -> (S, …) statistics`` of single voxels.
    combine : numpy.ufunc
        Makes the statistics of a union from those of its parts.
    cost : callable
        ``(count, stats, other count, other stats)`` -> how little two regions are one; to be compared with `limit`.
    limit : float
        The largest cost of two regions that are one.
    one : callable
        ``(blocks, children) -> bool``: which blocks of a level are homogeneous.
    of_parts : bool
        Whether the test compares the children only, so that a block with children that are not one is not one either.
    monotone : bool
        Whether the cost of a union is never less than that of its parts.
    """

    channels: np.ndarray
    lift: Callable[[np.ndarray], np.ndarray]
    combine: np.ufunc
    cost: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    limit: float
    one: Callable[[Block, Block], np.ndarray]
    of_parts: bool = False
    monotone: bool = False


def homogeneity(
    image: np.ndarray, test: str, threshold: float, significance: float, known: np.ndarray | None = None
) -> Homogeneity:
    """The test of this name for an image; parameters as :func:`~napari_segplugin.classical.regions.split_merge.split_merge`."""
    if test == "colour" and image.shape[0] == 3:
        image, limit = to_lab(image), threshold
    else:
        limit = threshold * value_range(image, known)
    if test == "range":
        return _spread_test(image, _extremes, np.maximum, _range, limit)
    # sums about the middle of the values, because squares of large numbers would swallow small variances
    axes = tuple(range(1, image.ndim))
    middle = (image.max(axes, keepdims=True) + image.min(axes, keepdims=True)).astype(np.float64) / 2

    def lift(values: np.ndarray) -> np.ndarray:
        values = values - middle
        return np.concatenate([values, values * values])

    if test == "statistical":
        return _likelihood_test(image, lift, max(limit, value_range(image, known) / 1024) ** 2, significance)
    return _spread_test(image, lift, np.add, _colour_deviation if test == "colour" else _deviation, limit)


def _spread_test(
    image: np.ndarray,
    lift: Callable[[np.ndarray], np.ndarray],
    combine: np.ufunc,
    spread: Callable[[np.ndarray, np.ndarray], np.ndarray],
    limit: float,
) -> Homogeneity:
    """A region is one where a number of its own is small; two regions are where that of their union is."""

    def cost(count: np.ndarray, stats: np.ndarray, other_count: np.ndarray, other: np.ndarray) -> np.ndarray:
        return spread(count + other_count, combine(stats, other))

    def one(blocks: Block, _: Block) -> np.ndarray:
        small: np.ndarray = spread(*blocks) <= limit
        return small

    return Homogeneity(image, lift, combine, cost, limit, one, monotone=combine is np.maximum)


def _likelihood_test(
    image: np.ndarray, lift: Callable[[np.ndarray], np.ndarray], floor: float, significance: float
) -> Homogeneity:
    """Whether k parts are samples of one normal distribution: -2 ln of the likelihood ratio is chi-squared.

    It is N ln s² - sum of n_i ln s_i² with the variances s² of all N voxels and s_i² of the parts; equal means and equal
    variances of C channels are 2 C (k - 1) degrees of freedom (Wilks 1938; Kendall and Stuart vol. 2, § 24).
    """
    channels = image.shape[0]

    def entropy(count: np.ndarray, stats: np.ndarray) -> np.ndarray:
        logs: np.ndarray = np.log(_variances(count, stats) + floor).sum(0)
        return np.asarray(count * logs)

    def cost(count: np.ndarray, stats: np.ndarray, other_count: np.ndarray, other: np.ndarray) -> np.ndarray:
        union = entropy(count + other_count, stats + other)
        return np.asarray(np.maximum(union - entropy(count, stats) - entropy(other_count, other), 0))

    def one(blocks: Block, children: Block) -> np.ndarray:
        parts = halve(np.ones(children[0].shape), np.add)
        ratio = entropy(*blocks) - halve(entropy(*children), np.add)
        small: np.ndarray = ratio <= chdtri(2 * channels * np.maximum(parts - 1, 1), significance)
        return small

    return Homogeneity(image, lift, np.add, cost, float(chdtri(2 * channels, significance)), one, True)


def _extremes(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    return np.concatenate([-values, values])


def _range(_: np.ndarray, stats: np.ndarray) -> np.ndarray:
    half = len(stats) // 2
    spread: np.ndarray = (stats[half:] + stats[:half]).max(0)
    return spread


def _variances(count: np.ndarray, stats: np.ndarray) -> np.ndarray:
    half = len(stats) // 2
    mean = stats[:half] / count
    return np.asarray(np.maximum(stats[half:] / count - mean * mean, 0))


def _deviation(count: np.ndarray, stats: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(_variances(count, stats).max(0)))


def _colour_deviation(count: np.ndarray, stats: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(_variances(count, stats).sum(0)))


__all__ = ["TESTS", "Homogeneity", "homogeneity"]
