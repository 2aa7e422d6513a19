"""Where the planes of a volume lie far apart, no network pools them before the pixels are as coarse."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from small_networks import small  # noqa: E402

import napari_segplugin as seg  # noqa: E402
from napari_segplugin.core import Image, InputError, Sample, TileSpec, TrainSpec, drain  # noqa: E402
from napari_segplugin.engine.network import load  # noqa: E402
from napari_segplugin.engine.predict.predict import predict  # noqa: E402
from napari_segplugin.engine.train.train import train  # noqa: E402
from napari_segplugin.networks import NETWORKS  # noqa: E402
from napari_segplugin.networks.fastfcn import FastFCN  # noqa: E402
from napari_segplugin.networks.strides import advised_strides, usual_patch, with_strides  # noqa: E402

FAR = (5.0, 1.0, 1.0)
CHOOSING = [row.name for row in NETWORKS if row.pools is not None]


def made(name, spacing=FAR, **more):
    if NETWORKS[name].extra:
        pytest.importorskip(NETWORKS[name].extra)
    options = {k: v for k, v in small(name).items() if k not in ("strides", "upsample_kernel_size")}
    return seg.new_model(
        name, task="semantic", classes=["a"], ndim=3, options={**options, **more}, spacing=spacing, unit="um"
    )


def stack(planes=5):
    rng = np.random.default_rng(0)
    truth = np.zeros((planes, 40, 40), np.int64)
    truth[1:-1, 10:30, 12:28] = 1
    return Image((100 * truth + rng.normal(0, 5, truth.shape)).astype(np.float32), "ZYX", FAR, "um"), truth


def test_the_rule_is_that_of_nnunet():
    # pooled in the plane until the pixels are more than half as long as the planes are apart
    assert advised_strides(FAR, 4) == ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2))
    assert advised_strides((2.18, 1, 1), 3) == ((1, 2, 2), (2, 2, 2), (2, 2, 2))
    assert advised_strides((1.9, 1, 1), 2) == ((2, 2, 2), (2, 2, 2))
    assert advised_strides((1, 4, 4), 2) == ((2, 1, 1), (2, 1, 1))
    assert advised_strides((1, 1, 1), 3, (16, 64, 64)) == ((2, 2, 2), (2, 2, 2), (1, 2, 2))
    assert advised_strides((1, 1, 1), 2, (4, 4, 4)) == ((1, 1, 1), (1, 1, 1))


def test_a_patch_has_about_as_many_voxels_whatever_the_spacing():
    for spacing in ((1.0, 1.0, 1.0), (2.5, 1, 1), FAR, (30.0, 0.5, 0.5)):
        patch = usual_patch(spacing, 3)
        assert 0.9 < np.prod(patch) / (32 * 64 * 64) < 1.15
        assert patch[1] == patch[2] >= 64
    # of a piece of the world as deep as it is of cubes
    assert usual_patch(FAR, 3)[0] * 5 / usual_patch(FAR, 3)[1] == pytest.approx(0.5, abs=0.05)


def test_networks_that_choose_their_strides_are_these():
    assert {"unet", "segnet", "kayalibay", "gated_scnn", "fastfcn", "dynunet"} <= set(CHOOSING)


@pytest.mark.parametrize("name", CHOOSING)
def test_planes_far_apart_are_not_pooled_first(name):
    model = made(name)
    strides = [s for s in model.spec.options["strides"] if s != (1, 1, 1)]
    assert strides[0] == (1, 2, 2)
    assert all(2 in s for s in strides)
    network = load(model, finite=False).eval()
    if len(strides) > 2:
        assert strides[2] == (2, 2, 2)
    assert network.multiple[0] < network.multiple[1] == network.multiple[2]
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 5, 37, 41)).shape[2:] == (5, 37, 41)
    # even voxels: nothing is chosen, as before
    plain = seg.new_model(name, task="semantic", ndim=3, options=small(name), spacing=(1.0, 1.0, 1.0), unit="um")
    assert plain.spec.options == small(name)


@pytest.mark.parametrize("name", CHOOSING)
def test_they_learn_from_a_stack_of_five_planes(name):
    image, truth = stack()
    spec = TrainSpec(seconds=0, steps=3, device="cpu", batch=1, augment=False)
    model = drain(train([Sample(image, truth)], made(name), spec))
    losses = model.history[-1]["steps"]
    assert losses == 3
    whole = drain(predict(image, model, device="cpu", tiles=TileSpec(precision="float32")))
    assert whole.labels.shape == truth.shape


@pytest.mark.parametrize("head", ["fcn", "psp", "aspp"])
def test_fastfcn_sees_planes_apart_and_without_seams(head):
    network = FastFCN(
        3, 1, 2, widths=(4, 4, 4, 4, 4), jpu_width=4, rates=(1, 2, 3), head=head, strides=[(1, 2, 2)] * 5
    ).eval()
    assert network.multiple[0] == (1 if head == "fcn" else 8)
    x = torch.rand(1, 1, 8, 64, 64)
    with torch.no_grad():
        assert network(x).shape == (1, 2, 8, 64, 64)
    assert len(network.halo) == 3
    plain = FastFCN(3, 1, 2, widths=(4, 4, 4, 4, 4), jpu_width=4, head=head)
    assert plain.multiple == ((32,) * 3 if head == "fcn" else (64,) * 3)


def test_what_has_strides_of_its_own_keeps_them():
    row = NETWORKS["unet"]
    assert "strides" not in with_strides(row, {"encoder": "resnet18"}, FAR)
    assert with_strides(row, {"strides": ((2, 2, 2),) * 3}, FAR)["strides"] == ((2, 2, 2),) * 3
    assert with_strides(NETWORKS["mask_rcnn"], {}, FAR) == {}
    assert with_strides(row, {"widths": 7}, FAR) == {"widths": 7}
    assert with_strides(row, {}, ()) == {}
    with pytest.raises(InputError, match="own strides"):
        FastFCN(3, 1, 2, encoder="resnet18", strides=[(1, 2, 2)] * 5)
    with pytest.raises(InputError, match="do not fit the levels"):
        FastFCN(3, 1, 2, strides=[(1, 2, 2)] * 4)
