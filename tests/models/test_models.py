"""What any network promises, for every row of the registry, in 2D and 3D."""

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, InputError, ModelSpec, Task
from napari_segplugin.models import MODELS, build

torch = pytest.importorskip("torch")

NAMES = MODELS.names()
CLASSES = ClassTable.named(["a"])
SMALL = {"widths": (4, 8, 8)}


def net(name, ndim, channels=1, out=3, seed=0, **options):
    torch.manual_seed(seed)
    small = {k: v for k, v in SMALL.items() if k in MODELS[name].options}
    return build(ModelSpec(name, ndim, channels, Task.INSTANCE, CLASSES, {**small, **options}), out)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(16, 16), (13, 17), (1, 5), (8, 16, 16), (5, 9, 11), (1, 12, 7)])
def test_any_size_goes_in_and_the_same_comes_out(name, size):
    module = net(name, len(size)).eval()
    with torch.inference_mode():
        out = module(torch.rand(2, 1, *size))
    assert out.shape == (2, 3, *size)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_every_channel_matters(name, ndim, channels):
    module = net(name, ndim, channels).eval()
    x = torch.rand(1, channels, *(8,) * ndim)
    with torch.inference_mode():
        base = module(x)
        for c in range(channels):
            changed = x.clone()
            changed[:, c] += 1
            assert not torch.allclose(module(changed), base)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ndim", [2, 3])
def test_gradient_reaches_every_parameter(name, ndim):
    module = net(name, ndim).train()
    module(torch.rand(2, 1, *(16,) * ndim)).square().sum().backward()
    silent = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ndim", [2, 3])
def test_saved_and_loaded_is_equal(name, ndim):
    first, second = net(name, ndim, seed=1).eval(), net(name, ndim, seed=2).eval()
    x = torch.rand(1, 1, *(9,) * ndim)
    with torch.inference_mode():
        assert not torch.equal(first(x), second(x))
        second.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in first.state_dict().items()})
        assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights(name):
    one, two = net(name, 2, seed=3).state_dict(), net(name, 2, seed=3).state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_tile_with_halo_at_a_multiple_equals_the_whole(name, ndim):
    module = net(name, ndim).eval()
    warm(module, ndim)
    halo, multiple = module.halo, module.multiple
    pad = [-(-h // m) * m for h, m in zip(halo, multiple, strict=True)]
    inner = 8
    size = [2 * p + inner + 2 * m for p, m in zip(pad, multiple, strict=True)]
    x = torch.rand(1, 1, *size)
    read = tuple(slice(m, m + 2 * p + inner) for p, m in zip(pad, multiple, strict=True))
    keep = tuple(slice(p, p + inner) for p in pad)
    place = tuple(slice(m + p, m + p + inner) for p, m in zip(pad, multiple, strict=True))
    with torch.inference_mode():
        whole = module(x)[(..., *place)]
        tile = module(x[(..., *read)])[(..., *keep)]
    assert torch.allclose(whole, tile, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_halo_is_not_larger_than_the_reach(name):
    module = net(name, 2).eval()
    with torch.no_grad():
        for parameter in module.parameters():  # all positive, so that no ReLU blocks the way
            parameter.abs_()
    side = 4 * (module.halo[0] + module.multiple[0])
    x = torch.rand(1, 1, side, side, requires_grad=True)
    at = side // 2 // module.multiple[0] * module.multiple[0]
    grads = []
    for shift in range(module.multiple[0]):  # a voxel's reach depends on its place in the pooling grid
        (g,) = torch.autograd.grad(module(x)[0, :, at + shift, at + shift].sum(), x)
        rows = np.flatnonzero(g.abs().sum((0, 1, 3)).numpy())
        grads += [at + shift - rows.min(), rows.max() - at - shift]
    # max pooling passes gradient to one of each window, so the measured reach is a lower bound
    assert max(grads) <= module.halo[0] <= 2 * max(grads)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ndim", [2, 3])
def test_four_patches_are_learnt_by_heart(name, ndim):
    module = net(name, ndim, out=2).train()
    g = torch.Generator().manual_seed(0)
    x = torch.rand(4, 1, *(12,) * ndim, generator=g)
    target = (x[:, 0] > 0.5).long()
    optimiser = torch.optim.Adam(module.parameters(), 2e-2)
    for _ in range(90):
        loss = torch.nn.functional.cross_entropy(module(x), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss) < 0.12


@pytest.mark.parametrize("name", NAMES)
def test_a_volume_of_equal_planes_is_seen_like_a_plane_by_a_flattened_network(name):
    """3D kernels that hold a 2D kernel in their middle plane do what the 2D network does."""
    if "strides" not in MODELS[name].options:
        pytest.skip("has no strides to leave the planes apart")
    flat = net(name, 2, strides=[(2, 2), (2, 2)]).eval()
    deep = net(name, 3, strides=[(1, 2, 2), (1, 2, 2)]).eval()
    state = deep.state_dict()
    for key, value in flat.state_dict().items():
        if value.ndim == 4:
            state[key] = torch.zeros_like(state[key])
            state[key][:, :, state[key].shape[2] // 2] = value
        else:
            state[key] = value
    deep.load_state_dict(state)
    x = torch.rand(1, 1, 3, 12, 12)
    with torch.inference_mode():
        assert torch.allclose(deep(x)[:, :, 1], flat(x[:, :, 1]), atol=1e-5)


@pytest.mark.parametrize("residual", [False, True])
def test_deep_supervision_gives_lower_maps_in_training_only(residual):
    module = net("unet", 2, deep_supervision=True, residual=residual)
    x = torch.rand(1, 1, 16, 16)
    assert [tuple(o.shape[2:]) for o in module.train()(x)] == [(16, 16), (8, 8)]
    assert module.eval()(x).shape == (1, 3, 16, 16)


def test_anisotropic_strides_set_multiple_and_halo():
    module = net("unet", 3, strides=[(1, 2, 2), (2, 2, 2)])
    assert module.multiple == (2, 4, 4)
    assert module.halo[0] < module.halo[1] == module.halo[2]


def test_strides_that_do_not_fit_the_widths_are_refused():
    with pytest.raises(ValueError, match="2 entries of 2 numbers"):
        net("unet", 2, strides=[(2, 2)])


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [("vgg", {}, "no network named 'vgg'"), ("unet", {"depth": 3}, "Got depth.*widths")],
)
def test_an_unknown_network_or_option_is_refused(network, options, words):
    with pytest.raises(InputError, match=words):
        build(ModelSpec(network, 2, 1, Task.SEMANTIC, CLASSES, options), 2)


def warm(module, ndim):
    """Give the normalisation layers statistics that are not the trivial ones."""
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(torch.rand(2, 1, *(16,) * ndim))
    module.eval()
