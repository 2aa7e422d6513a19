import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_segplugin.core import InputError
from napari_segplugin.metrics import (
    confusion,
    dice,
    dice_per_class,
    iou,
    iou_per_class,
    mean_over_classes,
    mean_over_images,
    pooled,
)

TRUTH = np.array([[0, 0, 1, 1], [0, 2, 2, 1]])
PREDICTION = np.array([[0, 1, 1, 1], [0, 2, 0, 0]])
labels = arrays(np.int64, (4, 5), elements=st.integers(0, 3))


def test_confusion_by_hand():
    assert confusion(TRUTH, PREDICTION, 4).tolist() == [[2, 1, 0, 0], [1, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_per_class_by_hand_and_a_class_in_neither_is_nan():
    matrix = confusion(TRUTH, PREDICTION, 4)
    assert dice_per_class(matrix) == pytest.approx([4 / 7, 4 / 6, 2 / 3, np.nan], nan_ok=True)
    assert iou_per_class(matrix) == pytest.approx([2 / 5, 2 / 4, 1 / 2, np.nan], nan_ok=True)


def test_pooled_and_mean_over_images_differ_and_each_is_right():
    big, small = np.array([[96, 2], [2, 0]]), np.array([[98, 1], [0, 1]])
    assert pooled(dice_per_class, [big, small])[1] == pytest.approx(2 / 7)
    assert mean_over_images(dice_per_class, [big, small])[1] == pytest.approx((0 + 2 / 3) / 2)


def test_an_image_without_the_class_is_left_out_of_its_mean():
    with_class, without = confusion([1, 1, 0], [1, 0, 0], 2), confusion([0, 0, 0], [0, 0, 0], 2)
    assert mean_over_images(iou_per_class, [with_class, without])[1] == 0.5


def test_means_over_classes_say_whether_the_background_counts():
    assert mean_over_classes([1.0, 0.5, np.nan, 0.1], with_background=False) == pytest.approx(0.3)
    assert mean_over_classes([1.0, 0.5, np.nan, 0.1], with_background=True) == pytest.approx(1.6 / 3)
    assert np.isnan(mean_over_classes([1.0, np.nan], with_background=False))


def test_unknown_voxels_are_not_counted_whatever_they_hold():
    truth = np.array([-1, 1, 0, 99])
    known = np.array([False, True, True, False])
    assert confusion(truth, np.array([1, 1, 1, 0]), 2, known).tolist() == [[0, 1], [0, 1]]


@settings(max_examples=40, deadline=None)
@given(labels, labels, arrays(bool, (4, 5)))
def test_confusion_equals_a_loop(truth, prediction, known):
    expected = np.zeros((4, 4), int)
    for t, p, k in zip(truth.ravel(), prediction.ravel(), known.ravel(), strict=True):
        if k:
            expected[t, p] += 1
    assert (confusion(truth, prediction, 4, known) == expected).all()


@settings(max_examples=40, deadline=None)
@given(labels, labels)
def test_dice_and_iou_equal_sets_and_are_symmetric(truth, prediction):
    for c in range(4):
        a = {tuple(i) for i in np.argwhere(truth == c)}
        b = {tuple(i) for i in np.argwhere(prediction == c)}
        expected_dice = 2 * len(a & b) / (len(a) + len(b)) if a | b else np.nan
        expected_iou = len(a & b) / len(a | b) if a | b else np.nan
        assert dice(truth == c, prediction == c) == pytest.approx(expected_dice, nan_ok=True)
        assert iou(truth == c, prediction == c) == pytest.approx(expected_iou, nan_ok=True)
        assert dice(prediction == c, truth == c) == pytest.approx(expected_dice, nan_ok=True)
    matrix = confusion(truth, prediction, 4)
    assert dice_per_class(matrix) == pytest.approx(dice_per_class(matrix.T), nan_ok=True)


def test_a_label_that_is_no_class_is_an_error():
    with pytest.raises(InputError, match=r"label 5 with 3 classes"):
        confusion([0, 5], [0, 1], 3)


def test_shapes_dtypes_and_negative_labels_are_errors_that_show_both_shapes():
    with pytest.raises(InputError, match=r"differ in shape.*\(2, 3\).*\(3, 2\)"):
        dice(np.zeros((2, 3), int), np.zeros((3, 2), int))
    with pytest.raises(InputError, match=r"whole numbers.*\(2,\) int64, prediction \(2,\) float64"):
        dice(np.zeros(2, int), np.zeros(2))
    with pytest.raises(InputError, match=r"negative.*\(2,\).*\(2,\)"):
        dice(np.array([-1, 0]), np.array([1, 0]))
    with pytest.raises(InputError, match="single number"):
        dice(1, 1)


def test_a_mask_of_the_wrong_shape_or_dtype_is_an_error():
    with pytest.raises(InputError, match=r"mask 'known'.*bool \(3,\) for labels of \(2,\)"):
        confusion([0, 1], [0, 1], 2, np.ones(3, bool))
    with pytest.raises(InputError, match="mask 'known'"):
        confusion([0, 1], [0, 1], 2, np.ones(2, int))


def test_a_data_set_needs_matrices_of_one_size():
    with pytest.raises(InputError, match="differ in size"):
        pooled(dice_per_class, [np.eye(2, dtype=int), np.eye(3, dtype=int)])
    with pytest.raises(InputError, match="differ in size"):
        mean_over_images(dice_per_class, [])
