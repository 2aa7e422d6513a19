import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_segplugin.core import InputError
from napari_segplugin.metrics import contingency, match
from napari_segplugin.metrics.matching import assign

labels = arrays(np.int64, (4, 6), elements=st.integers(0, 4))


def overlaps(truth, prediction):
    """{(t, p): (intersection, union)} by sets of voxels."""
    found = {}
    for t in set(truth.ravel().tolist()) - {0}:
        for p in set(prediction.ravel().tolist()) - {0}:
            both = int(((truth == t) & (prediction == p)).sum())
            if both:
                found[t, p] = both, int(((truth == t) | (prediction == p)).sum())
    return found


def best_pairs(iou, allowed):
    """Most pairs, then the highest sum of IoU, over every one-to-one choice."""
    best = (0, 0.0)
    for n in range(len(allowed) + 1):
        for choice in itertools.combinations(allowed, n):
            if len({t for t, _ in choice}) == n == len({p for _, p in choice}):
                best = max(best, (n, sum(iou[e] for e in choice)))
    return best


@settings(max_examples=40, deadline=None)
@given(labels, labels)
def test_contingency_equals_a_loop_over_pairs(truth, prediction):
    table = contingency(truth, prediction)
    ours = {
        (int(table.truth_ids[t]), int(table.prediction_ids[p])): (int(n), int(u))
        for t, p, n, u in zip(table.truth_index, table.prediction_index, table.intersection, table.union, strict=True)
    }
    assert ours == overlaps(truth, prediction)
    assert table.truth_areas.tolist() == [int((truth == i).sum()) for i in table.truth_ids]
    assert table.prediction_areas.tolist() == [int((prediction == i).sum()) for i in table.prediction_ids]


@settings(max_examples=40, deadline=None)
@given(arrays(np.int64, (3, 4), elements=st.integers(0, 3)), arrays(np.int64, (3, 4), elements=st.integers(0, 3)))
def test_matching_is_the_best_of_all_choices(truth, prediction):
    table = contingency(truth, prediction)
    iou = {e: n / u for e, (n, u) in overlaps(truth, prediction).items()}
    for threshold, strict in ((0.1, False), (0.25, True), (0.5, False), (0.5, True), (0.75, False)):
        allowed = [e for e, v in iou.items() if (v > threshold if strict else v >= threshold)]
        found = match(table, threshold, strict=strict)
        count, total = best_pairs(iou, allowed)
        assert found.tp == count
        assert found.iou.sum() == pytest.approx(total)
        assert set(found.pairs) <= set(allowed)
        assert found.tp + found.fn == len(table.truth_ids)
        assert found.tp + found.fp == len(table.prediction_ids)


def test_more_pairs_win_over_a_better_pair():
    # 1-5 is the best pair (IoU 3/6), but 1-6 and 2-5 are two.
    truth = np.array([1, 1, 1, 1, 2, 2])
    prediction = np.array([6, 5, 5, 5, 5, 5])
    assert sorted(match(contingency(truth, prediction), 0.2).pairs) == [(1, 6), (2, 5)]


def test_two_halves_at_exactly_one_half_give_one_match():
    truth, prediction = np.array([1, 1, 2, 2]), np.array([7, 7, 7, 7])
    at, above = (match(contingency(truth, prediction), 0.5, strict=s) for s in (False, True))
    assert (at.tp, at.fp, at.fn) == (1, 0, 1)
    assert (above.tp, above.fp, above.fn) == (0, 1, 2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), unique=True, min_size=1, max_size=9), st.data())
def test_assignment_is_the_best_of_all_choices(edges, data):
    gain = np.array(
        data.draw(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.5, 1.0]), min_size=len(edges), max_size=len(edges)))
    )
    rows, columns = (np.array(side) for side in zip(*edges, strict=True))
    chosen = assign(rows, columns, gain)
    assert len(set(rows[chosen].tolist())) == chosen.sum() == len(set(columns[chosen].tolist()))
    best = max(
        sum(gain[list(choice)])
        for n in range(len(edges) + 1)
        for choice in itertools.combinations(range(len(edges)), n)
        if len({edges[i][0] for i in choice}) == n == len({edges[i][1] for i in choice})
    )
    assert gain[chosen].sum() == pytest.approx(best)


def test_large_numbers_with_gaps_and_unsigned_dtypes():
    truth = np.array([2**63 + 5, 2**63 + 5, 0, 9], np.uint64)
    found = match(contingency(truth, np.array([1, 1, 0, 2**40])), 0.5)
    assert found.pairs == [(9, 2**40), (2**63 + 5, 1)]


def test_void_is_taken_out_of_areas_and_ignores_predictions_that_lie_in_it():
    truth = np.array([1, 1, 0, 0, 0, 0, 2, 2])
    prediction = np.array([5, 5, 5, 5, 6, 6, 7, 0])
    void = np.array([0, 0, 1, 1, 0, 1, 1, 1], bool)
    table = contingency(truth, prediction, void)
    assert table.truth_ids.tolist() == [1]
    assert table.prediction_areas.tolist() == [2, 1, 0]
    assert table.prediction_void.tolist() == [2, 1, 1]
    found = match(table, 0.9)
    # 6 lies in void by exactly half and counts, 7 lies in it entirely and does not.
    assert (found.pairs, found.fp, found.fn) == ([(1, 5)], 1, 0)


def test_hundred_thousand_objects_take_seconds():
    tile = np.arange(1, 320 * 320 + 1).reshape(320, 320) * 977
    truth = np.kron(tile, np.ones((6, 6), np.int64))
    start = time.perf_counter()
    found = match(contingency(truth, np.roll(truth, 1, axis=1)), 0.5)
    assert time.perf_counter() - start < 10
    assert (found.tp, found.fp, found.fn) == (320 * 320, 0, 0)
    assert found.iou == pytest.approx(np.full(320 * 320, 5 / 7))


def test_a_long_chain_of_ties_is_assigned():
    # Each true object overlaps two predictions by the same amount, so nothing can be decided one by one.
    n = 3000
    truth = np.repeat(np.arange(1, n + 1), 2)
    found = match(contingency(truth, np.roll(truth, 1)), 0.3)
    assert found.tp == n


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, float("nan")])
def test_a_threshold_outside_its_range_is_an_error(threshold):
    with pytest.raises(InputError, match="above 0 and at most 1"):
        match(contingency([1], [1]), threshold)


def test_shapes_must_agree():
    with pytest.raises(InputError, match=r"\(2,\).*\(3,\)"):
        contingency([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="mask 'void'"):
        contingency([1, 2], [1, 2], [True])
