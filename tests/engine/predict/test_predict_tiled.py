"""Tiled and whole images give the same maps; folded and plain networks too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segplugin.core import ClassTable, Image, ModelSpec, Task, TileSpec, drain
from napari_segplugin.data import normalise
from napari_segplugin.data.tiles import axes_of, plan
from napari_segplugin.engine.network import fold, load, prepare
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.predict.tiles import Run, reader, run_tiles
from napari_segplugin.engine.train.train import new_bundle
from napari_segplugin.networks.unet import UNet

CLASSES = ClassTable.named(["cell", "fibre"])
CPU = torch.device("cpu")


def trained_like(bundle, seed=0):
    """Give the normalisation layers statistics as after training, so that folding has something to do."""
    rng = np.random.default_rng(seed)
    weights = {k: np.array(v) for k, v in bundle.weights.items()}
    for name, value in weights.items():
        if name.endswith("running_mean"):
            weights[name] = rng.normal(0, 0.2, value.shape).astype(np.float32)
        elif name.endswith("running_var"):
            weights[name] = rng.uniform(0.5, 2, value.shape).astype(np.float32)
    bundle.weights.update(weights)
    return bundle


def small(ndim, task=Task.INSTANCE, **options):
    spec = ModelSpec("unet", ndim, 1, task, CLASSES, options={"widths": (4, 6), **options})
    return trained_like(new_bundle(spec, name="small"))


BUNDLES = {ndim: small(ndim) for ndim in (2, 3)}


def maps_of(bundle, image, size, halo=None):
    network = prepare(bundle, CPU, torch.float32)
    halo = halo or network.halo
    axes = axes_of(image.spatial_shape, halo, network.multiple)
    out = np.full((network.n_maps, *image.spatial_shape), np.nan, np.float32)

    def write(tile, maps):
        out[(slice(None), *tile.write)] = maps

    stats = normalise.statistics(image, bundle.normalisation)
    tiles = plan(image.spatial_shape, size, halo, network.multiple)
    drain(run_tiles(Run(network, lambda *_: network), tiles, axes, reader(image, stats, 0), write))
    return out


@st.composite
def cases(draw):
    ndim = draw(st.sampled_from([2, 3]))
    halo, multiple = (prepare(BUNDLES[ndim], CPU, torch.float32).halo[0], 2)
    shape = tuple(draw(st.integers(1, 70 if ndim == 2 else 36)) for _ in range(ndim))
    size = tuple(2 * halo + 2 * multiple + draw(st.integers(0, 12)) for _ in range(ndim))
    return ndim, shape, size


@given(cases(), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_tiled_maps_equal_whole_maps(case, seed):
    ndim, shape, size = case
    image = Image(np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32), "ZYX"[-ndim:])
    tiled, whole = (maps_of(BUNDLES[ndim], image, s) for s in (size, shape))
    assert np.abs(tiled - whole).max() < 1e-4


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_deep_network_is_exact_too(ndim):
    bundle = small(ndim, widths=(2, 3, 4))
    shape = (150, 130) if ndim == 2 else (90, 70, 66)
    image = Image(np.random.default_rng(1).integers(0, 255, shape).astype(np.uint8), "ZYX"[-ndim:])
    halo = prepare(bundle, CPU, torch.float32).halo
    tiled, whole = (maps_of(bundle, image, s) for s in (tuple(2 * h + 16 for h in halo), shape))
    assert np.abs(tiled - whole).max() < 1e-4


def test_without_a_halo_the_seams_show():
    """The test above can fail: tiles that see nothing around them do differ."""
    image = Image(np.random.default_rng(0).normal(0, 1, (64, 64)), "YX")
    tiled, whole = maps_of(BUNDLES[2], image, (32, 32), (1, 1)), maps_of(BUNDLES[2], image, (64, 64))
    assert np.abs(tiled - whole).max() > 1e-3


@pytest.mark.parametrize("ndim", [2, 3])
def test_folding_keeps_the_result_and_removes_the_normalisation(ndim):
    network = load(small(ndim)).eval()
    probe = torch.rand(1, 1, *(16,) * ndim)
    folded = fold(network, probe)
    assert not [m for m in folded.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    x = torch.rand(2, 1, *(20,) * ndim)
    with torch.no_grad():
        assert torch.allclose(network(x), folded(x), atol=1e-4)


class Shared(torch.nn.Module):
    """A convolution whose output is used beside its normalisation: folding would be wrong."""

    def __init__(self):
        super().__init__()
        self.anything = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.other = torch.nn.BatchNorm2d(4)
        torch.nn.init.constant_(self.other.bias, 3.0)

    def forward(self, x):
        y = self.anything(x)
        return y + self.other(y)


def test_a_network_that_cannot_be_folded_is_left_alone():
    network = Shared().eval()
    assert fold(network, torch.rand(1, 1, 8, 8)) is network


class Turned(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.ConvTranspose2d(1, 4, 2, 2), torch.nn.BatchNorm2d(4)
        self.b.running_mean.fill_(0.3)

    def forward(self, x):
        return self.b(self.a(x))


def test_transposed_convolutions_are_folded_whatever_their_names():
    network, x = Turned().eval(), torch.rand(1, 1, 8, 8)
    folded = fold(network, x)
    assert isinstance(folded.b, torch.nn.Identity)
    with torch.no_grad():
        assert torch.allclose(network(x), folded(x), atol=1e-5)


def test_a_transposed_convolution_of_many_groups_keeps_its_normalisation():
    """Torch's folding mixes up the groups."""
    network = torch.nn.Sequential(torch.nn.ConvTranspose2d(4, 4, 2, 2, groups=4), torch.nn.BatchNorm2d(4)).eval()
    with torch.no_grad():
        network[1].running_var.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert fold(network, torch.rand(1, 4, 8, 8)) is network


def test_prepare_keeps_networks_and_never_mixes_them_up():
    a, b = small(2), small(2)
    assert prepare(a, CPU, torch.float32) is prepare(a, CPU, torch.float32)
    assert prepare(a, CPU, torch.float32) is not prepare(b, CPU, torch.float32)
    assert prepare(a, CPU, torch.bfloat16).dtype is torch.bfloat16


def test_mirror_averages_over_all_copies():
    network = prepare(small(2), CPU, torch.float32)
    x = np.random.default_rng(0).random((1, 1, 16, 16), np.float32)
    mean = network(x, mirror=True)
    flipped = network(np.ascontiguousarray(x[:, :, ::-1, ::-1]), mirror=True).flip(2, 3)
    assert torch.allclose(mean, flipped, atol=1e-5)
    assert not torch.allclose(mean, network(x), atol=1e-3)


def test_half_precision_agrees_on_almost_every_voxel():
    bundle = small(2, Task.SEMANTIC)
    image = Image(np.random.default_rng(0).normal(0, 1, (64, 64)), "YX")
    a, b = (drain(predict(image, bundle, tiles=TileSpec(precision=p), device="cpu")) for p in ("float32", "bfloat16"))
    assert a.recipe["precision"] == "float32"
    assert b.recipe["precision"] == "bfloat16"
    assert np.mean(a.labels == b.labels) > 0.95


@pytest.mark.parametrize("shape", [(1, 40), (33, 40), (1, 24, 24), (2, 24, 24), (3, 20, 17), (16, 16, 16)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layout_and_precision_are_right_in_shallow_images_too(shape, dtype):
    """Training in half precision is not, in one layout, where a level is two voxels deep; predicting has to be."""
    bundle = small(len(shape), widths=(4, 6, 8))
    x = np.random.default_rng(0).random((1, 1, *shape), np.float32)
    with torch.no_grad():
        logits = load(bundle).eval()(torch.from_numpy(x))
    wanted = torch.cat((logits[:, :3].softmax(1), logits[:, 3:].sigmoid()), 1)
    difference = (prepare(bundle, CPU, dtype)(x) - wanted).abs().max()
    assert difference < (1e-4 if dtype is torch.float32 else 0.05)


def test_the_reach_of_the_network_is_not_understated():
    """A voxel beyond the halo has no influence, whatever its place in the pooling grid."""
    net = UNet(2, 1, 2, widths=(2, 3, 4)).eval()
    for at in range(60, 68):
        x = torch.zeros(1, 1, 128, 8)
        y = x.clone()
        y[:, :, at] = 10.0
        with torch.no_grad():
            changed = (net(x) - net(y)).abs().amax((0, 1, 3)).nonzero().ravel()
        assert at - net.halo[0] <= changed.min()
        assert changed.max() <= at + net.halo[0]


def test_a_network_whose_maxima_move_with_rounding_is_run_in_float32(monkeypatch):
    from napari_segplugin.engine.predict import plan as setup
    from napari_segplugin.engine.train.train import new_bundle

    monkeypatch.setattr(
        setup, "inference_dtype", lambda device, precision: {"auto": torch.bfloat16}.get(precision, torch.float32)
    )
    image = Image(np.zeros((16, 16)), "YX")
    for name, dtype in (("segnet", torch.float32), ("unet", torch.bfloat16)):
        spec = ModelSpec(
            name, 2, 1, Task.SEMANTIC, ClassTable.named(["a"]), {"widths": (4, 8)} if name == "unet" else {}
        )
        assert setup.set_up(image, new_bundle(spec, name="x"), TileSpec(), "cpu", None).network.dtype is dtype
