"""What any network promises, for every row of the registry and its variants, in 2D and 3D."""

import copy

import numpy as np
import pytest
from small_networks import small, variants

from napari_segplugin.core import ClassTable, InputError, MissingExtraError, ModelSpec, Task
from napari_segplugin.io.samples import load_sample
from napari_segplugin.networks import NETWORKS, NetworkRow, build, network_row

torch = pytest.importorskip("torch")

CLASSES = ClassTable.named(["a"])
DENSE = [row for row in NETWORKS if row.family != "detector"]
BASE = [pytest.param(row.name, {}, id=row.name) for row in DENSE]
CASES = BASE + [
    pytest.param(row.name, options, id=row.name + "-" + "-".join(f"{k}={v}" for k, v in options.items()))
    for row in DENSE
    for options in variants(row.name)
]
LARGE = 2_000_000
"""Parameters from which a network in 3D is only asked for its shapes."""

every_case = pytest.mark.parametrize(("name", "options"), CASES)
every_row = pytest.mark.parametrize(("name", "options"), BASE)
both = pytest.mark.parametrize("ndim", [2, 3])
cases_in_2d_rows_in_3d = pytest.mark.parametrize(
    ("ndim", "name", "options"),
    [pytest.param(2, *c.values, id=f"2-{c.id}") for c in CASES]
    + [pytest.param(3, *c.values, id=f"3-{c.id}") for c in BASE],
)


def net(name, options, ndim, channels=1, out=3, seed=0):
    torch.manual_seed(seed)
    chosen = {**small(name), **options}
    try:
        return build(ModelSpec(name, ndim, channels, Task.INSTANCE, CLASSES, chosen), out)
    except MissingExtraError as error:
        pytest.skip(str(error))


def logits_of(out):
    """All logits of what a network returns, full resolution first."""
    if isinstance(out, torch.Tensor):
        return (out,)
    return out if isinstance(out, tuple) else tuple(out.logits)


def small_enough(module, ndim):
    if ndim == 3 and sum(p.numel() for p in module.parameters()) > LARGE:
        pytest.skip("too large to try in 3D here; 2D is covered")


def side_of(module):
    """The smallest side at which the coarsest level has something to normalise."""
    return max(16, *module.multiple)


def warm(module, ndim, channels=1):
    """Give the normalisation layers statistics that are not the trivial ones."""
    module.train()
    g = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for _ in range(2):
            module(torch.rand(2, channels, *(side_of(module),) * ndim, generator=g))
    return module.eval()


@every_case
@pytest.mark.parametrize("size", [(16, 16), (13, 17), (1, 5), (8, 16, 16), (5, 9, 11), (1, 12, 7)])
def test_any_size_goes_in_and_the_same_comes_out(name, options, size):
    module = net(name, options, len(size)).eval()
    with torch.inference_mode():
        out = module(torch.rand(2, 1, *size))
    assert out.shape == (2, 3, *size)
    assert torch.isfinite(out).all()


@every_case
@pytest.mark.parametrize(("ndim", "counts"), [(2, (1, 2, 3, 4, 5)), (3, (1, 3, 5))])
def test_every_channel_matters(name, options, ndim, counts):
    for channels in counts:
        module = net(name, options, ndim, channels).eval()
        small_enough(module, ndim)
        x = torch.rand(1, channels, *(8,) * ndim).repeat(channels + 1, *(1,) * (ndim + 1))
        for c in range(channels):
            x[c + 1, c] += 1
        with torch.inference_mode():
            base, *changed = module(x)
        assert not any(torch.allclose(base, other) for other in changed)


@every_case
@both
def test_gradient_reaches_every_parameter(name, options, ndim):
    module = net(name, options, ndim).train()
    small_enough(module, ndim)
    outputs = logits_of(module(torch.rand(4, 1, *(side_of(module),) * ndim)))
    sum((out - 1).square().mean() for out in outputs).backward()
    silent = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@every_case
@both
def test_saved_and_loaded_is_equal(name, options, ndim):
    first = net(name, options, ndim, seed=1).eval()
    small_enough(first, ndim)
    second = net(name, options, ndim, seed=2).eval()
    x = torch.rand(1, 1, *(9,) * ndim)
    with torch.inference_mode():
        assert not torch.equal(first(x), second(x))
        second.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in first.state_dict().items()})
        assert torch.equal(first(x), second(x))


@every_case
def test_the_same_seed_gives_the_same_weights(name, options):
    one, two = net(name, options, 2, seed=3).state_dict(), net(name, options, 2, seed=3).state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)


@every_case
@both
def test_a_tile_with_halo_at_a_multiple_equals_the_whole(name, options, ndim):
    module = net(name, options, ndim)
    if not NETWORKS[name].exact:
        pytest.skip("promises less; see below")
    small_enough(module, ndim)
    warm(module, ndim)
    # in 3D along one axis only: the others are as short as the network allows
    axes = range(ndim) if ndim == 2 else [0]
    size, read, keep, place = [], [], [], []
    for axis, (h, m) in enumerate(zip(module.halo, module.multiple, strict=True)):
        pad, inner = (-(-h // m) * m, 8) if axis in axes else (0, m)
        before = m if axis in axes else 0
        size.append(2 * pad + inner + 2 * before)
        read.append(slice(before, before + 2 * pad + inner))
        keep.append(slice(pad, pad + inner))
        place.append(slice(before + pad, before + pad + inner))
    x = torch.rand(1, 1, *size)
    with torch.inference_mode():
        whole = module(x)[(..., *place)]
        tile = module(x[(..., *read)])[(..., *keep)]
    assert torch.allclose(whole, tile, atol=1e-5 * max(1.0, float(whole.abs().max())))


@every_row
def test_a_network_that_is_not_exact_is_nearly_so(name, options):
    """Attention windows lie elsewhere in a tile: most of what a voxel gets is the same, not all."""
    if NETWORKS[name].exact:
        pytest.skip("promises more; see above")
    module = warm(net(name, options, 2), 2)
    h, m = module.halo[0], module.multiple[0]
    pad = -(-h // m) * m
    x = torch.rand(1, 1, 2 * pad + 3 * m, 64)
    with torch.inference_mode():
        whole = module(x)[..., m + pad : 2 * m + pad, :]
        tile = module(x[..., m : 2 * m + 2 * pad, :])[..., pad : pad + m, :]
    assert float((whole - tile).abs().mean() / whole.std()) < 0.05


@cases_in_2d_rows_in_3d
def test_the_halo_is_the_reach(ndim, name, options):
    """With positive weights and nothing else, an impulse is seen exactly as far as the network reaches."""
    if not NETWORKS[name].exact:
        pytest.skip("attention looks further than the halo")
    module = net(name, options, ndim).eval().double()
    small_enough(module, ndim)
    for key, parameter in module.named_parameters():
        parameter.data.abs_() if not key.endswith("bias") else parameter.data.zero_()
    halo, multiple = module.halo[-1], module.multiple[-1]
    middle = -(-halo // multiple) * multiple + multiple
    shifts = sorted({0, multiple // 2, multiple - 1})
    x = torch.zeros(len(shifts), 1, *module.multiple[:-1], 2 * middle + multiple, dtype=torch.float64)
    for n, shift in enumerate(shifts):
        x[n, ..., middle + shift] = 1
    with torch.inference_mode():
        changed = (module(x) - module(torch.zeros_like(x))).abs()
    seen = changed.sum(tuple(range(1, ndim + 1))).numpy() > 0
    measured = max(abs(np.flatnonzero(row) - middle - shift).max() for row, shift in zip(seen, shifts, strict=True))
    assert measured <= halo <= 1.1 * measured + 8


def patches(module, ndim):
    """Four real patches with nuclei and their masks."""
    sample = load_sample("nuclei2d" if ndim == 2 else "nuclei3d")
    image, mask = sample.image.array.astype(np.float32), sample.truth > 0
    low, high = np.percentile(image, (1, 99.8))
    side = 2 * max(16, *module.multiple) if ndim == 2 else max(16, *module.multiple)
    *deep, y, x = (n // 2 for n in image.shape)
    depth = [slice(z - side // 2, z + side // 2) for z in deep]
    cuts = [(*depth, slice(v, v + side), slice(w, w + side)) for v in (y - side, y) for w in (x - side, x)]
    x = np.stack([((image[c] - low) / (high - low))[None] for c in cuts]).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(np.stack([mask[c] for c in cuts])).long()


@pytest.mark.parametrize(
    ("ndim", "name", "options"),
    [pytest.param(2, *c.values, id=f"2-{c.id}") for c in CASES]
    + [pytest.param(3, *c.values, id=f"3-{c.id}") for c in BASE],
)
def test_four_real_patches_are_learnt_by_heart(ndim, name, options):
    module = net(name, options, ndim, out=2).train()
    small_enough(module, ndim)
    x, target = patches(module, ndim)
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    # a map of an eighth of the resolution cannot follow the outline of a small nucleus in a volume
    enough = 0.7 if NETWORKS[name].coarse and ndim == 3 else 0.9
    dice = 0.0
    for _ in range(200):  # most need fewer than 40
        logits = logits_of(module(x))[0]
        found = logits.argmax(1)
        dice = 2 * float((found * target).sum()) / float((found + target).sum())
        if dice > enough:
            break
        loss = torch.nn.functional.cross_entropy(logits, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert dice > enough


@every_case
@both
def test_half_precision_and_memory_layout_change_little(name, options, ndim):
    module = net(name, options, ndim)
    small_enough(module, ndim)
    warm(module, ndim)
    x = torch.rand(1, 1, *(side_of(module),) * ndim)
    layout = torch.channels_last if ndim == 2 else torch.channels_last_3d
    with torch.inference_mode():
        full = module(x)
        other = copy.deepcopy(module).to(memory_format=layout)(x.contiguous(memory_format=layout))
        half = module.bfloat16()(x.bfloat16()).float()
    spread = float(full.std())
    assert torch.allclose(full, other, atol=1e-4 * max(1.0, spread))
    if NETWORKS[name].precision == "float32":
        return  # is not run in half precision unless somebody asks for it
    assert float((full - half).abs().mean()) < 0.05 * spread


@cases_in_2d_rows_in_3d
def test_an_exported_program_gives_the_same(ndim, name, options):
    from napari_segplugin.networks.export import export_program

    module = net(name, options, ndim)
    small_enough(module, ndim)
    warm(module, ndim)
    x = torch.rand(1, 1, *(13, 15, 9)[:ndim])
    program = export_program(module.train(), x)
    assert module.training
    with torch.inference_mode():
        assert torch.allclose(program.module()(x), module.eval()(x), atol=1e-5)


@every_row
def test_an_onnx_file_gives_the_same(name, options, tmp_path):
    from napari_segplugin.networks.export import export_onnx

    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    module = warm(net(name, options, 2), 2)
    assert export_onnx(module, torch.rand(1, 1, 13, 15), tmp_path / "net.onnx") < 1e-4


@every_row
def test_a_volume_of_equal_planes_is_seen_like_a_plane_by_a_flattened_network(name, options):
    """3D kernels that hold a 2D kernel in their middle plane do what the 2D network does."""
    if "strides" not in NETWORKS[name].options or NETWORKS[name].extra or name == "fastfcn":  # those of its stem only
        pytest.skip("has no strides to leave the planes apart")
    if "image_gradient" in NETWORKS[name].options:  # the one thing that is another in 2D and 3D by default
        options = {**options, "image_gradient": "magnitude"}
    flat = warm(net(name, options, 2), 2)
    deep = net(name, {**options, "strides": [(1, 2, 2)] * len(flat.strides)}, 3).eval()
    state = deep.state_dict()
    for key, value in flat.state_dict().items():
        if value.ndim == 4:
            state[key] = torch.zeros_like(state[key])
            state[key][:, :, state[key].shape[2] // 2] = value
        else:
            state[key] = value
    deep.load_state_dict(state)
    x = torch.rand(1, 1, 3, 12, 12)
    if "image_gradient" in options:
        x = x[:, :, 1:2].expand_as(x)  # the gradient is smoothed across the planes
    with torch.inference_mode():
        assert torch.allclose(deep(x)[:, :, 1], flat(x[:, :, 1]), atol=1e-5)


@every_row
@both
def test_deep_supervision_gives_lower_maps_in_training_only(name, options, ndim):
    if "deep_supervision" not in NETWORKS[name].options:
        pytest.skip("has no deep supervision")
    module = net(name, {"deep_supervision": True}, ndim).train()
    size = (2 * side_of(module),) * 2 if ndim == 2 else (side_of(module),) * 3
    x = torch.rand(2, 1, *size)
    outputs = logits_of(module(x))
    assert len(outputs) > 1
    sizes = [out.shape[2:] for out in outputs]
    assert sizes[0] == size
    assert all(out.shape[:2] == (2, 3) for out in outputs)
    assert sizes == sorted(sizes, reverse=True)
    assert module.eval()(x).shape == (2, 3, *size)


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [("vgg", {}, "no network named 'vgg'"), ("unet", {"depth": 3}, "Got depth.*widths")],
)
def test_an_unknown_network_or_option_is_refused(network, options, words):
    with pytest.raises(InputError, match=words):
        build(ModelSpec(network, 2, 1, Task.SEMANTIC, CLASSES, options), 2)


def test_a_network_of_another_package_has_to_say_how_its_tiles_are_cut(monkeypatch):
    row = NetworkRow("plain", "Plain", "torch.nn:Conv2d", package="plain-networks")
    monkeypatch.setitem(NETWORKS._rows, "plain", row)
    with pytest.raises(InputError, match=r"Plain does not define.*Got no attribute multiple and no attribute halo"):
        build(ModelSpec("plain", 2, 1, Task.SEMANTIC, CLASSES), 2)


def test_the_network_of_a_package_that_is_not_there_is_a_sentence():
    with pytest.raises(InputError, match=r"'vgg' of this model comes from another package.*Install old-networks"):
        network_row(ModelSpec("vgg", 2, 1, Task.SEMANTIC, CLASSES, packages=("old-networks",)))


def test_a_row_of_a_network_knows_its_words():
    with pytest.raises(InputError, match=r"field 'family' of 'x'.*Accepted: 'dense', 'detector'"):
        NetworkRow("x", "X", "torch.nn:Conv2d", family="other")


@pytest.mark.parametrize("name", ["unet", "gated_scnn"])
def test_a_network_with_more_levels_than_images_have_halves_is_refused(name):
    """Its patches would be multiples of 2048 pixels, whatever was asked for: 3 GB for a step."""
    spec = ModelSpec(name, 2, 1, Task.SEMANTIC, ClassTable.named(["a"]), {"widths": (4,) * 12})
    with pytest.raises(InputError, match="too many levels"):
        build(spec, 2)
