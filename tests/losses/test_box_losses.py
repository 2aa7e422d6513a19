"""IoU-balanced losses of boxes (Wu et al. 2019): by hand, and against the equations in float64 NumPy."""

import numpy as np
import pytest

from napari_segplugin.core import InputError

torch = pytest.importorskip("torch")

from napari_segplugin.losses.iou_balanced import iou_balanced_classification, iou_balanced_localisation  # noqa: E402


@pytest.fixture
def boxes():
    rng = np.random.default_rng(5)
    return rng.normal(size=(12, 4)), rng.integers(0, 4, 12), rng.uniform(0.3, 1, 12)


def test_classification_keeps_the_sum_and_moves_the_gradient(boxes):
    logits, target, iou = boxes
    e = np.exp(logits)
    p = e / e.sum(1, keepdims=True)
    ce, positive = -np.log(p[np.arange(12), target]), target > 0
    weights = np.where(positive, iou**1.5 * ce[positive].sum() / (ce * iou**1.5)[positive].sum(), 1.0)
    z = torch.tensor(logits, requires_grad=True)
    loss = iou_balanced_classification(z, torch.as_tensor(target), torch.as_tensor(iou))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(ce.mean())
    expected = weights[:, None] * (p - (target[:, None] == np.arange(4))) / 12
    assert np.allclose(z.grad.numpy(), expected)


def test_the_iou_of_negative_boxes_is_not_read(boxes):
    logits, target, iou = (torch.as_tensor(a) for a in boxes)
    for other in (0.0, float("nan")):
        z = logits.clone().requires_grad_()
        iou_balanced_classification(z, target, torch.where(target > 0, iou, other)).backward()
        assert torch.isfinite(z.grad).all()


def test_no_gradient_goes_into_the_iou(boxes):
    logits, target, iou = (torch.as_tensor(a) for a in boxes)
    iou.requires_grad_()
    logits.requires_grad_()
    total = iou_balanced_classification(logits, target, iou) + iou_balanced_localisation(
        logits, 0 * logits.detach(), iou
    )
    total.backward()
    assert iou.grad is None


def test_localisation_by_hand():
    deltas = torch.tensor([[0.5, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0]])
    iou = torch.tensor([1.0, 0.25])
    # smooth L1 with beta 1: 0.125 and 2.5; 0.25 ** 1.5 is 1/8
    for options, expected in (({}, (0.125 + 2.5 / 8) / 2), ({"count": 10}, (0.125 + 2.5 / 8) / 10)):
        value = iou_balanced_localisation(deltas, torch.zeros(2, 4), iou, beta=1.0, factor=2.4, **options)
        assert float(value) == pytest.approx(2.4 * expected)


def test_localisation_with_power_zero_is_smooth_l1(boxes):
    deltas, _, iou = boxes
    ours = iou_balanced_localisation(torch.as_tensor(deltas), torch.zeros(12, 4), torch.as_tensor(iou), power=0.0)
    a = np.abs(deltas)
    assert float(ours) == pytest.approx(np.where(a < 1 / 9, 4.5 * a**2, a - 1 / 18).sum() / 12)


def test_boxes_in_three_dimensions_and_half_precision():
    deltas = torch.ones(2, 6, dtype=torch.float16, requires_grad=True)
    loss = iou_balanced_localisation(deltas, torch.zeros(2, 6), torch.full((2,), 0.5))
    loss.backward()
    assert loss.dtype is torch.float32
    assert torch.isfinite(deltas.grad).all()


def test_no_box_is_a_loss_of_zero():
    none = torch.zeros(0, 4, requires_grad=True)
    total = iou_balanced_classification(none, torch.zeros(0, dtype=torch.long), torch.zeros(0))
    total = total + iou_balanced_localisation(none, torch.zeros(0, 4), torch.zeros(0))
    total.backward()
    assert float(total.detach()) == 0


def test_boxes_that_do_not_overlap_at_all_are_plain_cross_entropy():
    z = torch.zeros(2, 2, requires_grad=True)
    iou_balanced_classification(z, torch.tensor([1, 0]), torch.zeros(2)).backward()
    assert z.grad.tolist() == [[0.25, -0.25], [-0.25, 0.25]]


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="one target and one IoU"):
        iou_balanced_classification(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long), torch.zeros(2))
    with pytest.raises(InputError, match="one target and one IoU"):
        iou_balanced_localisation(torch.zeros(3, 4), torch.zeros(2, 4), torch.zeros(3))
    with pytest.raises(InputError, match="differ"):
        iou_balanced_localisation(torch.zeros(3, 4), torch.zeros(3, 6), torch.zeros(3))
