"""The maps beside the classes: how each kind is learnt, and what augmentation they stand."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import AugmentSpec, ClassTable, Image, ModelSpec, Task, TrainSpec, drain  # noqa: E402
from napari_segplugin.engine.train import train as train_module  # noqa: E402
from napari_segplugin.engine.train.objective import MAP_LOSSES  # noqa: E402
from napari_segplugin.engine.train.samples import make_sample  # noqa: E402
from napari_segplugin.tasks import HEADS  # noqa: E402
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


@pytest.mark.parametrize("can_turn", [True, False])
def test_patches_are_turned_only_where_the_maps_of_the_head_can(monkeypatch, can_turn):
    monkeypatch.setitem(HEADS._rows, "distance", replace(HEADS["distance"], turns=can_turn))
    seen, real = [], train_module.PatchSampler

    def sampler(samples, patch, augment, *rest):
        seen.append(augment)
        return real(samples, patch, augment, *rest)

    monkeypatch.setattr(train_module, "PatchSampler", sampler)
    labels = np.zeros((32, 32), int)
    labels[8:20, 8:20] = 1
    sample = make_sample(Image((labels * 200).astype(np.uint8), "YX"), labels, Task.INSTANCE, ClassTable.named(["a"]))
    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["a"]), {"widths": (4, 4)}, head="distance")
    asked = TrainSpec(seconds=0, steps=1, batch=1, device="cpu", augmentation=AugmentSpec(angle=90, noise=0.01))
    drain(train_module.train([sample], train_module.new_bundle(spec, name="x"), asked))
    turned = (seen[0].rotate, seen[0].angle, seen[0].flip, seen[0].noise)
    assert turned == ((True, 90, True, 0.01) if can_turn else (False, 0, False, 0.01))
