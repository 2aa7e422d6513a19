import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_segplugin.core import InputError
from napari_segplugin.metrics import (
    assd,
    boundary_f1,
    boundary_tolerance,
    hausdorff,
    hd95,
    nsd,
    surface_distances,
    surface_of,
)

masks = st.sampled_from([(5, 6), (3, 4, 5)]).flatmap(lambda s: st.tuples(arrays(bool, s), arrays(bool, s)))


def slow_surface(mask):
    """Voxels with a face neighbour that is outside the mask or outside the image, by a loop."""
    found = []
    for at in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                near = at.copy()
                near[axis] += step
                inside = 0 <= near[axis] < mask.shape[axis] and mask[tuple(near)]
                if not inside and tuple(at) not in found:
                    found.append(tuple(int(i) for i in at))
    return found


def slow_distances(a, b, spacing):
    """Of each surface voxel of `a` to the nearest of `b`, over all pairs."""
    size = np.array(spacing)
    points, others = (np.array(slow_surface(m)).reshape(-1, a.ndim) * size for m in (a, b))
    return [min((float(np.sqrt(((p - q) ** 2).sum())) for q in others), default=np.inf) for p in points]


@settings(max_examples=40, deadline=None)
@given(masks, st.sampled_from([(1.0, 1.0, 1.0), (2.0, 0.5, 0.3)]))
def test_distances_equal_brute_force(pair, spacing):
    truth, prediction = pair
    size = spacing[: truth.ndim]
    of_truth, of_prediction = slow_distances(truth, prediction, size), slow_distances(prediction, truth, size)
    found = surface_distances(truth, prediction, size)
    assert sorted(found.of_truth) == pytest.approx(sorted(of_truth))
    assert sorted(found.of_prediction) == pytest.approx(sorted(of_prediction))
    if of_truth and of_prediction:
        assert hausdorff(truth, prediction, size) == pytest.approx(max(of_truth + of_prediction))
        assert assd(truth, prediction, size) == pytest.approx(np.mean(of_truth + of_prediction))
        expected = max(np.percentile(of_truth, 95), np.percentile(of_prediction, 95))
        assert hd95(truth, prediction, size) == pytest.approx(expected)
        near = [d <= 0.6 for d in of_truth + of_prediction]
        assert nsd(truth, prediction, 0.6, size) == pytest.approx(np.mean(near))


@settings(max_examples=30, deadline=None)
@given(masks)
def test_surface_equals_a_loop(pair):
    mask = pair[0]
    assert sorted(slow_surface(mask)) == [tuple(int(i) for i in at) for at in np.argwhere(surface_of(mask))]


@settings(max_examples=40, deadline=None)
@given(masks)
def test_symmetric_translation_invariant_and_scaled_by_the_spacing(pair):
    truth, prediction = pair
    size = (2.0, 0.5, 0.3)[: truth.ndim]
    wide = [np.pad(m, 4) for m in pair]
    moved = [np.roll(m, 2, axis=0) for m in wide]
    for metric in (
        hausdorff,
        hd95,
        assd,
        lambda a, b, s=None: nsd(a, b, 0.6, s),
        lambda a, b, s=None: boundary_f1(a, b, 1),
    ):
        value = metric(truth, prediction, size)
        assert metric(prediction, truth, size) == pytest.approx(value, nan_ok=True)
        assert metric(*wide, size) == pytest.approx(value, nan_ok=True)
        assert metric(*moved, size) == pytest.approx(value, nan_ok=True)
    double = tuple(2 * s for s in size)
    for metric in (hausdorff, hd95, assd):
        value = metric(truth, prediction, size)
        assert metric(truth, prediction, double) == pytest.approx(2 * value, nan_ok=True)


def test_two_squares_by_hand():
    truth, prediction = np.zeros((8, 10), bool), np.zeros((8, 10), bool)
    truth[2:5, 2:5] = True
    prediction[2:5, 4:7] = True
    # Columns 2 and 4 (truth) are 2 and 0 away from columns 4 and 6 (prediction); the ring of a 3×3 square has 8 voxels.
    found = surface_distances(truth, prediction)
    assert sorted(found.of_truth) == pytest.approx([0, 0, 0, 1, 1, 2, 2, 2])
    assert hausdorff(truth, prediction) == 2
    assert assd(truth, prediction) == pytest.approx(1)
    assert nsd(truth, prediction, 0) == pytest.approx(3 / 8)
    assert nsd(truth, prediction, 1) == pytest.approx(5 / 8)
    assert hausdorff(truth, prediction, (1, 0.25)) == 0.5


def test_hd95_is_the_greater_directed_percentile_not_the_pooled_one():
    truth, prediction = np.zeros((1, 200), bool), np.zeros((1, 200), bool)
    truth[0, :100:2] = True
    prediction[0, :200:2] = True
    found = surface_distances(truth, prediction)
    assert hd95(truth, prediction) == pytest.approx(np.percentile(found.of_prediction, 95))
    assert hd95(truth, prediction) > np.percentile(np.r_[found.of_truth, found.of_prediction], 95)


def test_boundary_f1_by_hand():
    truth, prediction = np.zeros((1, 12), bool), np.zeros((1, 12), bool)
    truth[0, [2, 6]] = True
    prediction[0, 3] = True
    assert boundary_f1(truth, prediction, 0) == 0
    assert boundary_f1(truth, prediction, 1) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert boundary_f1(truth, prediction) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert boundary_f1(truth, prediction, fraction=0.25) == 1
    assert boundary_tolerance((1, 300, 400)) == boundary_tolerance((300, 400)) == 4


def test_a_tolerance_must_be_a_distance():
    for metric in (nsd, boundary_f1):
        for wrong in (-1, float("nan"), float("inf")):
            with pytest.raises(InputError, match="0 or more"):
                metric(np.ones((2, 2), bool), np.ones((2, 2), bool), wrong)


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 0.0), (1.0, -1.0), (1.0, float("nan")), (1.0, 1.0, 1.0)])
def test_a_spacing_that_does_not_fit_is_an_error(spacing):
    with pytest.raises(InputError, match=r"pixel size.*for 2 axes"):
        hd95(np.ones((2, 2), bool), np.ones((2, 2), bool), spacing)
