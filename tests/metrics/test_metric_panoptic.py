import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_segplugin.core import InputError
from napari_segplugin.metrics import PanopticCounts, panoptic_counts
from napari_segplugin.metrics.panoptic import pq, rq, sq

labels = arrays(np.int64, (5, 6), elements=st.integers(0, 4))


def slow_counts(truth, prediction, truth_classes, prediction_classes, void):
    """As the panopticapi counts, one pair after the other."""
    truth = np.where(void, 0, truth)
    counts, used = {}, set()
    t_ids, p_ids = ([int(i) for i in np.unique(a) if i] for a in (truth, prediction))

    def add(c, *amounts):
        counts[c] = [a + b for a, b in zip(counts.get(c, [0, 0, 0, 0]), amounts, strict=True)]

    for t in t_ids:
        hit = False
        for p in p_ids:
            a, b = truth == t, (prediction == p)
            iou = (a & b).sum() / (a | (b & ~void)).sum()
            if truth_classes[t] == prediction_classes[p] and iou > 0.5:
                add(truth_classes[t], iou, 1, 0, 0)
                used.add(p)
                hit = True
        if not hit:
            add(truth_classes[t], 0, 0, 0, 1)
    for p in p_ids:
        if p not in used and ((prediction == p) & void).sum() / (prediction == p).sum() <= 0.5:
            add(prediction_classes[p], 0, 0, 1, 0)
    return counts


@settings(max_examples=60, deadline=None)
@given(labels, labels, arrays(bool, (5, 6)))
def test_counts_equal_a_loop_over_segments(truth, prediction, void):
    classes = {1: 1, 2: 2, 3: 1, 4: 3}, {1: 1, 2: 2, 3: 2, 4: 3}
    ours = panoptic_counts(truth, prediction, *classes, void)
    slow = slow_counts(truth, prediction, *classes, void)
    assert set(ours) == set(slow)
    for c, (iou, tp, fp, fn) in slow.items():
        assert (ours[c].tp, ours[c].fp, ours[c].fn) == (tp, fp, fn)
        assert ours[c].iou == pytest.approx(iou)


def test_quality_by_hand():
    truth = np.array([1, 1, 1, 1, 2, 2, 3, 3, 3])
    prediction = np.array([7, 7, 7, 0, 8, 0, 9, 9, 9])
    counts = panoptic_counts(truth, prediction)[1]
    # 1-7 has IoU 3/4, 3-9 has 1; 2-8 has exactly 1/2 and is no match.
    assert (counts.tp, counts.fp, counts.fn) == (2, 1, 1)
    assert counts.pq.value == pytest.approx(1.75 / 3)
    assert counts.sq.value == pytest.approx(1.75 / 2)
    assert counts.rq.value == pytest.approx(2 / 3)
    assert counts.pq.value == pytest.approx(counts.sq.value * counts.rq.value)


def test_another_class_is_no_match_and_the_mean_is_over_classes_that_occur():
    truth, prediction = np.array([1, 1, 2, 2]), np.array([1, 1, 2, 2])
    classes = {1: 1, 2: 2}, {1: 1, 2: 5}
    assert pq(truth, prediction, *classes) == sq(truth, prediction, *classes) == pytest.approx((1 + 0 + 0) / 3)
    assert rq(truth, prediction, *classes) == pytest.approx(1 / 3)


def test_pooling_adds_counts_and_an_absent_class_has_no_quality():
    total = PanopticCounts(0.75, 1, 0, 0) + PanopticCounts(0, 0, 1, 2)
    assert total == PanopticCounts(0.75, 1, 1, 2)
    assert total.pq.value == pytest.approx(0.75 / 2.5)
    assert np.isnan([PanopticCounts().pq.value, PanopticCounts().sq.value, PanopticCounts().rq.value]).all()
    assert PanopticCounts(fn=1).sq.value == 0
    pooled_sq = PanopticCounts(fn=1).sq + PanopticCounts(0.75, 1).sq
    assert pooled_sq.value == 0.75
    assert (PanopticCounts(fn=1).sq + PanopticCounts().sq).value == 0


def test_a_segment_without_class_is_an_error():
    with pytest.raises(InputError, match=r"truth have no class.*1 without, such as label 2"):
        panoptic_counts([1, 2], [1, 1], {1: 1}, {1: 1})
    with pytest.raises(InputError, match=r"prediction has class 0.*Got class 0"):
        panoptic_counts([1, 1], [1, 1], {1: 1}, {1: 0})
