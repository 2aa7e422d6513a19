import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from napari_segplugin.core import InputError
from napari_segplugin.metrics import AP_THRESHOLDS, aji, aji_plus, average_precision, average_precision_of_dataset
from napari_segplugin.metrics.instance import mean_ap, object_f1, precision, recall

labels = arrays(np.int64, (5, 6), elements=st.integers(0, 4))
TRUTH = np.array([[1, 1, 1, 0, 2, 2], [1, 1, 1, 0, 2, 2], [0, 0, 0, 0, 3, 3]])
PREDICTION = np.array([[4, 4, 4, 0, 5, 5], [4, 4, 0, 0, 5, 0], [6, 0, 0, 0, 0, 0]])
# IoU: 1-4 5/6, 2-5 3/4; 3 is missed, 6 is invented.


def test_average_precision_by_hand():
    found = average_precision(TRUTH, PREDICTION, [0.5, 0.75, 0.8, 0.9])
    assert found == pytest.approx([2 / 4, 2 / 4, 1 / 5, 0])
    assert precision(TRUTH, PREDICTION) == recall(TRUTH, PREDICTION) == pytest.approx(2 / 3)
    assert object_f1(TRUTH, PREDICTION) == pytest.approx(4 / 6)
    assert mean_ap(TRUTH, PREDICTION, [0.5, 0.8]) == pytest.approx((0.5 + 0.2) / 2)


def test_an_iou_of_exactly_the_default_threshold_matches():
    for threshold in AP_THRESHOLDS:
        share = round(threshold * 20)
        truth, prediction = np.ones(20, int), (np.arange(20) < share).astype(int)
        assert average_precision(truth, prediction, [threshold])[0] == 1


def test_data_set_mean_over_images_and_pooled_are_both_right():
    perfect, poor, empty = np.array([1, 0]), np.array([1, 0, 2, 0, 3, 0]), np.zeros(4, int)
    pairs = [(perfect, perfect), (poor, np.zeros_like(poor)), (empty, empty)]
    found = average_precision_of_dataset(pairs, [0.5])
    assert found.mean_over_images == pytest.approx([0.5])
    assert found.pooled == pytest.approx([1 / 4])
    with pytest.raises(InputError, match="no image"):
        average_precision_of_dataset([])


def test_aji_by_hand():
    assert aji(TRUTH, PREDICTION) == pytest.approx((5 + 3) / (6 + 4 + 2 + 1))
    assert aji_plus(TRUTH, PREDICTION) == pytest.approx((5 + 3) / (6 + 4 + 2 + 1))


def test_aji_reuses_a_prediction_and_aji_plus_does_not():
    truth, prediction = np.array([1, 1, 1, 2, 2]), np.array([7, 7, 7, 7, 7])
    assert aji(truth, prediction) == pytest.approx((3 + 2) / (5 + 5))
    assert aji_plus(truth, prediction) == pytest.approx(3 / (5 + 2))


def slow_aji(truth, prediction, reuse):
    t_ids, p_ids = ([i for i in np.unique(a) if i] for a in (truth, prediction))
    inter = np.array([[((truth == t) & (prediction == p)).sum() for p in p_ids] for t in t_ids]).reshape(
        len(t_ids), len(p_ids)
    )
    union = np.array([[((truth == t) | (prediction == p)).sum() for p in p_ids] for t in t_ids]).reshape(inter.shape)
    if not len(t_ids) and not len(p_ids):
        return np.nan
    iou = inter / np.maximum(union, 1)
    if not iou.size:
        pairs = []
    elif reuse:
        pairs = [(i, int(iou[i].argmax())) for i in range(len(t_ids)) if iou[i].max() > 0]
    else:
        pairs = [(i, j) for i, j in zip(*linear_sum_assignment(-iou), strict=True) if iou[i, j] > 0]
    top, bottom = sum(inter[e] for e in pairs), sum(union[e] for e in pairs)
    bottom += sum((truth == t).sum() for i, t in enumerate(t_ids) if i not in {a for a, _ in pairs})
    bottom += sum((prediction == p).sum() for j, p in enumerate(p_ids) if j not in {b for _, b in pairs})
    return top / bottom


@settings(max_examples=60, deadline=None)
@given(labels, labels)
def test_aji_equals_a_loop_over_objects(truth, prediction):
    assert aji(truth, prediction) == pytest.approx(slow_aji(truth, prediction, reuse=True), nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_aji_plus_equals_a_dense_assignment(seed):
    # Objects of many sizes, so that no two assignments have the same sum of IoU.
    source = np.random.default_rng(seed)
    truth, prediction = (np.zeros((40, 40), int) for _ in range(2))
    for i in range(1, 15):
        for image in (truth, prediction):
            y, x, h, w = source.integers([0, 0, 3, 3], [35, 35, 17, 17])
            image[y : y + h, x : x + w] = i
    assert aji_plus(truth, prediction) == pytest.approx(slow_aji(truth, prediction, reuse=False))


@settings(max_examples=40, deadline=None)
@given(labels, labels)
def test_average_precision_is_symmetric_and_falls_with_the_threshold(truth, prediction):
    found = average_precision(truth, prediction)
    assert found == pytest.approx(average_precision(prediction, truth), nan_ok=True)
    assert np.isnan(found).all() or (np.diff(found) <= 0).all()
