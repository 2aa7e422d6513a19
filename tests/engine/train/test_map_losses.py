"""The losses of the maps beside the classes."""

import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.engine.train.objective import MAP_LOSSES  # noqa: E402
from napari_segplugin.tasks.base import MAP_KINDS  # noqa: E402


def test_every_kind_of_map_can_be_learnt():
    assert set(MAP_LOSSES) == set(MAP_KINDS)


@pytest.mark.parametrize("kind", MAP_KINDS)
def test_an_unknown_voxel_has_no_gradient_whatever_it_holds(kind):
    logits = torch.zeros(1, 1, 1, 4)
    logits[..., 0] = torch.nan
    logits.requires_grad_()
    target = torch.tensor([torch.nan, 0.0, 1.0, 1.0]).reshape(1, 1, 1, 4)
    weight = torch.tensor([0.0, 1.0, 1.0, 1.0]).reshape(1, 1, 4)
    loss = MAP_LOSSES[kind](logits, target, weight, torch.ones(1, 1, 4, dtype=torch.int64))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad[..., 0] == 0
    assert logits.grad[..., 1:].abs().sum() > 0


def test_a_probability_is_learnt_by_cross_entropy():
    logits = torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 2)
    loss = MAP_LOSSES["probability"](logits, torch.ones(1, 1, 1, 2), torch.ones(1, 1, 2), torch.ones(1, 1, 2))
    assert float(loss) == pytest.approx((0.693147 + 0.126928) / 2, abs=1e-5)
