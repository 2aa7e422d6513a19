"""The order of doubt, with numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.data.doubt import WEIGHTS, doubts, overlap, robust_z, solidity


def discs(count: int = 12, radius: int = 5) -> np.ndarray:
    """A row of equal discs, away from the border."""
    labels = np.zeros((30, 20 * count + 10), np.int32)
    y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
    for i in range(count):
        labels[(y - 15) ** 2 + (x - 15 - 20 * i) ** 2 <= radius**2] = i + 1
    return labels


def test_nothing_speaks_against_equal_objects() -> None:
    labels = discs()
    found = doubts(labels, dict.fromkeys(range(1, 13), 1.0))
    assert [d.score for d in found] == [0.0] * 12
    assert {d.reason for d in found} == {""}


def test_each_reason_by_itself() -> None:
    labels = discs(12)
    scores = dict.fromkeys(range(1, 13), 1.0)
    scores[3] = 0.3
    labels[labels == 5] = 0
    labels[14:16, 94:96] = 5  # a speck
    labels[10:21, 129:142] = np.where(labels[10:21, 129:142] == 7, 7, 0)
    labels[15, 135:147] = 7  # a tail
    labels[15:30, 195][labels[15:30, 195] == 0] = 10  # down to the border
    other = labels.copy()
    other[labels == 12] = 0
    found = {d.number: d for d in doubts(labels, scores, other=other)}
    assert found[3].reason == "the model is only 30% certain"
    assert found[3].score == pytest.approx(0.7 * WEIGHTS["score"])
    assert found[5].reason == "much smaller than the others"
    assert found[7].reason == "irregular outline"
    assert found[12].reason == "two results disagree (overlap 0%)"
    assert found[12].score == pytest.approx(WEIGHTS["passes"])
    assert found[1].score == 0
    first = [d.number for d in doubts(labels, scores, other=other)][:4]
    assert set(first) >= {12, 3}


def test_the_border_counts_only_along_axes_of_space() -> None:
    labels = np.zeros((3, 10, 10), np.int32)
    labels[0, 4:7, 4:7] = 1
    labels[1, 0:3, 4:7] = 2
    scores = {1: np.nan, 2: np.nan}
    space = {d.number: d for d in doubts(labels, scores, border_axes=(1, 2))}
    assert space[1].score == 0
    assert space[2].reason == "cut off by the image border"
    assert space[2].score == pytest.approx(WEIGHTS["border"])
    everything = {d.number: d for d in doubts(labels, scores)}
    assert everything[1].score == pytest.approx(WEIGHTS["border"])
    flat = doubts(labels[:1], {1: 1.0})
    assert flat[0].score == 0


def test_sizes_are_compared_within_a_class() -> None:
    labels = discs(20)
    big = discs(20, 8)
    labels = np.where(np.isin(big, range(11, 21)), big, np.where(labels <= 10, labels, 0))
    scores = dict.fromkeys(range(1, 21), 1.0)
    groups = {n: "small" if n <= 10 else "large" for n in scores}
    assert all(d.score == 0 for d in doubts(labels, scores, groups=groups))
    assert all(d.score == 0 for d in doubts(discs(3), {1: 1.0, 2: 1.0, 3: 1.0}))


def test_objects_that_are_gone_are_left_out() -> None:
    assert doubts(discs(2), {7: 0.1}) == []
    assert [d.number for d in doubts(discs(2), {7: 0.1, 2: 0.5})] == [2]


def test_outlines_of_a_few_only() -> None:
    labels = discs()
    labels[15, 230:245] = 12
    seen = {d.number: d.score for d in doubts(labels, dict.fromkeys(range(1, 13), 1.0), shapes=1)}
    assert seen[12] == 0  # only one outline was looked at, and not this one


def test_robust_z_of_a_small_group_and_of_equal_values() -> None:
    assert robust_z(np.arange(7.0), np.zeros(7)).tolist() == [0] * 7
    values = np.array([2.0] * 9 + [2.1])
    assert robust_z(values, np.zeros(10))[-1] == pytest.approx(5, rel=1e-6)
    # median 4.5, median absolute deviation 2.5
    z = robust_z(np.arange(10.0), np.zeros(10))
    assert z[9] == pytest.approx(4.5 / (1.4826 * 2.5))
    assert robust_z(np.array([np.nan, *range(9)], float), np.zeros(10))[0] == 0


def test_solidity_by_hand() -> None:
    plus = np.zeros((3, 3), bool)
    plus[1], plus[:, 1] = True, True
    # a plus of five squares in an octagon of 9 - 4 * 1/2 = 7
    assert solidity(plus) == pytest.approx(5 / 7)
    assert solidity(np.ones((1, 4, 5), bool)) == 1
    assert solidity(np.ones((3, 4, 5), bool)) == 1
    shell = np.ones((5, 5, 5), bool)
    shell[1:4, 1:4, 1:4] = False
    assert solidity(shell) == pytest.approx(98 / 125)
    assert solidity(np.ones((1, 6), bool)) == 1


def test_overlap_with_the_best_of_another_pass() -> None:
    labels, other = np.zeros((4, 10), int), np.zeros((4, 10), int)
    labels[1:3, 2:8] = 1
    other[1:3, 2:6] = 5
    other[1:3, 6:7] = 6
    assert overlap(labels, other, 1, ObjectBoxes(labels)) == pytest.approx(8 / 12)
    assert overlap(labels, np.zeros_like(labels), 1, ObjectBoxes(labels)) == 0
