"""Exact means exact: memory, disk, blocks, tiles and threads give the same labels to the voxel, whatever the network says.

The networks have random weights, at three strengths: weak ones give values that crowd around the thresholds, where the last
bit decides; strong ones saturate, so that whole plateaus are equal and the order of voxels decides.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi
from small_networks import small

from napari_segplugin.core import (
    ClassInfo,
    ClassTable,
    Image,
    Kind,
    MissingExtraError,
    ModelSpec,
    Normalisation,
    Task,
    TileSpec,
    drain,
)
from napari_segplugin.networks import NETWORKS

torch = pytest.importorskip("torch")

from torch.overrides import TorchFunctionMode  # noqa: E402

from napari_segplugin.data import normalise  # noqa: E402
from napari_segplugin.engine.device import inference_dtype, threads  # noqa: E402
from napari_segplugin.engine.network import ReadyNetwork, activate, prepare  # noqa: E402
from napari_segplugin.engine.predict.predict import predict  # noqa: E402
from napari_segplugin.engine.predict.resize import resized  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle  # noqa: E402
from napari_segplugin.io import load_bundle, load_sample, shipped_bundles  # noqa: E402
from napari_segplugin.networks.steady import Steady  # noqa: E402

ENGINE = sys.modules["napari_segplugin.engine.predict.work.prediction"]
CPU = torch.device("cpu")
THINGS = ClassTable.named(["cell", "fibre"])
MIXED = ClassTable((*THINGS, ClassInfo(3, "soil", "#aaaaaa", Kind.STUFF), ClassInfo(4, "air", "#eeeeee", Kind.STUFF)))
WAYS = (
    (Task.SEMANTIC, ""),
    (Task.INSTANCE, "distance"),
    (Task.INSTANCE, "centre_offset"),
    (Task.PANOPTIC, "distance"),
    (Task.PANOPTIC, "centre_offset"),
)
FULL = 2_000_000
"""Weights from which a network in 3D is left out here."""


PLAIN = Normalisation(rule="percentiles")
"""So that objects in noise stay, which are what these tests compare."""


def random_bundle(name, ndim, task, head, seed, gain):
    rng = np.random.default_rng(seed)
    classes = MIXED if task is Task.PANOPTIC else THINGS
    bundle = new_bundle(
        ModelSpec(name, ndim, 1, task, classes, small(name), head=head), name="random", seed=seed, normalisation=PLAIN
    )
    for key, value in bundle.weights.items():
        if key.endswith("running_mean"):
            bundle.weights[key] = rng.normal(0, 0.2, value.shape).astype(np.float32)
        elif key.endswith("running_var"):
            bundle.weights[key] = (rng.uniform(0.5, 2, value.shape) / gain).astype(np.float32)
    return bundle


def random_image(axes, shape, seed, steps):
    smooth = [0 if a == "T" else 1.5 for a in axes]
    values = ndi.gaussian_filter(np.random.default_rng(seed).normal(0, 1, shape), smooth)
    if steps:  # large areas of one value
        values = np.round(values / values.std() * steps)
    return Image(values.astype(np.float32), axes)


def with_objects(bundle, image):
    """Thresholds in the middle of what the network says, so that there are objects and many a voxel lies at a threshold."""
    spec = bundle.spec
    if spec.task is Task.SEMANTIC or NETWORKS[spec.network].family == "detector":
        return bundle
    network, piece = prepare(bundle, CPU, torch.float32), tuple(slice(0, 48) for _ in image.spatial_shape)
    x = normalise.apply(image.read(piece, 0), normalise.statistics(image, bundle.normalisation))
    maps = network(x[None] if spec.ndim == image.ndim else x[None, :, 0])[0].numpy()
    decode = {"foreground": float(np.median(maps[list(spec.classes.thing_ids)].sum(0))), "min_size": 2}
    if spec.head == "distance":
        decode["seed"] = float(np.clip(np.quantile(maps[-1], 0.6), 0.05, 0.9))
    else:
        decode |= {"centre": float(np.quantile(maps[len(spec.classes)], 0.7)), "window": 5}
    return replace(bundle, decode=decode)


def a_case(draw, name, grow=1):
    """A network with random weights, an image, and ways of cutting it."""
    detector = NETWORKS[name].family == "detector"
    ndim = draw(st.sampled_from([2, 3, 2]))
    task, head = draw(st.sampled_from([(t, "") for t in (Task.INSTANCE, Task.PANOPTIC)] if detector else WAYS))
    bundle = random_bundle(name, ndim, task, head, draw(st.integers(0, 99)), draw(st.sampled_from([1, 10, 1000])))
    if ndim == 3 and sum(w.size for w in bundle.weights.values()) > FULL:
        ndim, bundle = 2, random_bundle(name, 2, task, head, 0, 1)
    network = prepare(bundle, CPU, torch.float32)
    lead = draw(st.sampled_from(["", "", "T", "Z"] if ndim == 2 else [""]))
    axes = lead + "ZYX"[3 - ndim :]
    # one axis long enough to be cut, however far the network sees; the others short
    long = draw(st.integers(0, ndim - 1))
    sides = [draw(st.integers(20, 90)) if ndim == 2 else draw(st.integers(5, 14)) for _ in range(ndim)]
    extra = draw(st.integers(2, 4))
    size = [2 * h + extra * m for h, m in zip(network.halo, network.multiple, strict=True)]
    sides[long] = grow * (size[long] + draw(st.integers(1, 40)))
    image = random_image(
        axes, (2,) * len(lead) + tuple(sides), draw(st.integers(0, 99)), draw(st.sampled_from([0, 0, 1, 3]))
    )
    planes = lead == "Z"
    cut = TileSpec(
        size=(1,) * planes + tuple(size),
        halo=(0,) * planes + network.halo,
        precision="float32",
        mirror=draw(st.integers(0, 5)) == 0 and not detector,
    )
    return with_objects(bundle, image), image, cut, draw(st.integers(14, 40))


@contextmanager
def blocks_of(side):
    """Objects are found in blocks of this side."""
    usual = ENGINE.block_size
    ENGINE.block_size = lambda shape, memory: (tuple(min(side, n) for n in shape), 10**9)
    try:
        yield
    finally:
        ENGINE.block_size = usual


def on_disk(image, bundle, tiles, **more):
    with tempfile.TemporaryDirectory() as folder:
        found = drain(predict(image, bundle, tiles=tiles, device="cpu", output=Path(folder) / "labels.zarr", **more))
        return replace(found, labels=np.asarray(found.labels[...]))


def in_memory(image, bundle, tiles, **more):
    return drain(predict(image, bundle, tiles=tiles, device="cpu", **more))


def same(one, other):
    assert np.array_equal(one.labels, other.labels), f"{(one.labels != other.labels).sum()} voxels differ"
    for column in ("label", "class_id", "score"):
        assert np.array_equal(getattr(one.objects, column), getattr(other.objects, column)), column


def agree(case):
    """Every way of running a case gives one result."""
    bundle, image, cut, block = case
    whole = replace(cut, size=tuple(4096 for _ in cut.size))
    row = NETWORKS[bundle.spec.network]
    with threads(2):
        reference = in_memory(image, bundle, whole)
    with threads(1):
        tiled = in_memory(image, bundle, cut)
        with blocks_of(block):
            same(tiled, on_disk(image, bundle, cut))
            if not row.exact:
                same(reference, on_disk(image, bundle, whole))
    if row.exact:
        same(reference, tiled)
    if row.exact and bundle.spec.task is Task.SEMANTIC:
        part = tuple(slice(n // 3, max(n // 3 + 1, n - n // 4)) for n in image.spatial_shape)
        found = in_memory(image, bundle, whole, region=part)
        assert np.array_equal(found.labels, np.asarray(reference.labels)[(..., *part)])


def built(name):
    try:
        random_bundle(name, 2, Task.INSTANCE, "", 0, 1)
    except MissingExtraError as error:
        pytest.skip(str(error))


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.parametrize("name", [n for n in NETWORKS.names() if not NETWORKS[n].extra])
@given(data=st.data())
@settings(max_examples=3, deadline=None, suppress_health_check=QUIET, derandomize=True)
def test_every_way_of_running_gives_the_same_labels(name, data):
    built(name)
    agree(a_case(data.draw, name))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS.names())
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
def test_many_ways_of_running_give_the_same_labels(name, data):
    built(name)
    agree(a_case(data.draw, name, grow=2))


def test_what_does_not_stand_out_from_noise_is_let_go_alike_in_memory_tiles_and_blocks():
    rng = np.random.default_rng(0)
    array = ndi.gaussian_filter(rng.normal(0, 1, (300, 340)), 0.8) * 30 + 200
    array[100:120, 100:120] += 300
    bundle, image = load_bundle(shipped_bundles()["nuclei2d"]), Image(array.astype(np.float32), "YX")
    plain = replace(bundle, normalisation=PLAIN)
    reference = in_memory(image, bundle, TileSpec(precision="float32"))
    assert 0 < len(reference.objects) < len(in_memory(image, plain, TileSpec(precision="float32")).objects)
    same(reference, in_memory(image, bundle, TileSpec(size=(152, 152), precision="float32")))
    with blocks_of(100):
        same(reference, on_disk(image, bundle, TileSpec(precision="float32")))


@pytest.mark.parametrize(("name", "size"), [("nuclei2d", (152, 152)), ("axon_sem", (256, 256))])
def test_shipped_models_are_exact_and_half_precision_moves_few_voxels(name, size):
    bundle, image = load_bundle(shipped_bundles()[name]), load_sample(name).image
    image = replace(image, array=np.asarray(image.array)[..., :300, :230])
    exact = in_memory(image, bundle, TileSpec(precision="float32"))
    same(exact, in_memory(image, bundle, TileSpec(size=size, precision="float32")))
    with blocks_of(100):
        same(exact, on_disk(image, bundle, TileSpec(precision="float32")))
    half = in_memory(image, bundle, TileSpec(precision="bfloat16"))
    one, other = (f.labels if f.task is Task.SEMANTIC else f.labels > 0 for f in (exact, half))
    assert half.recipe["precision"] == "bfloat16"
    assert np.mean(one != other) < HALF[name]


class Half(TorchFunctionMode):
    """Rounds what goes into each operation and what comes out to bfloat16, and computes in float32 in between.

    That is what a processor with bfloat16 does: nuclei2d changes in the same 21 pixels. Where there is none, the real thing
    takes minutes in 3D.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        named = {k: self.rounded(v) for k, v in (kwargs or {}).items()}
        return self.rounded(func(*map(self.rounded, args), **named))

    @staticmethod
    def rounded(value):
        tensor = isinstance(value, torch.Tensor) and value.dtype is torch.float32
        return value.bfloat16().float() if tensor else value


def test_half_precision_in_3d_moves_few_voxels(monkeypatch):
    bundle, image = load_bundle(shipped_bundles()["nuclei3d"]), load_sample("nuclei3d").image
    image = replace(image, array=np.asarray(image.array)[14:38, 30:94, 30:94])
    exact = in_memory(image, bundle, TileSpec(precision="float32"))
    if inference_dtype(CPU) is torch.bfloat16:
        half = in_memory(image, bundle, TileSpec(precision="bfloat16"))
    else:

        def maps(self, x):
            with Half():
                logits = self.module(x)
            return activate(logits, self.n_classes, self.kinds)

        monkeypatch.setattr(ReadyNetwork, "_maps", maps)
        half = in_memory(image, bundle, TileSpec(precision="float32"))
    moved = np.mean((exact.labels > 0) != (half.labels > 0))
    assert len(exact.objects.label) > 5
    assert 0 < moved < HALF["nuclei3d"]


HALF = {"nuclei2d": 0.001, "axon_sem": 0.004, "nuclei3d": 0.001}
"""Share of the voxels that may change their class, or lie in an object or not, in bfloat16 (docs/how-it-works.md)."""


@pytest.mark.parametrize(("zoom", "shape"), [(0.5, (61, 83)), (0.3, (90, 77)), (1.5, (50, 61)), (4.0, (20, 31))])
def test_a_resized_image_has_the_same_bits_in_pieces(zoom, shape):
    image = resized(random_image("YX", shape, 0, 0), zoom, 2)
    whole = image.read((slice(None), slice(None)), 0)
    for y, x in [(0, 0), (3, 5), (7, 2)]:
        part = (slice(y, y + 6), slice(x, x + 7))
        assert np.array_equal(image.read(part, 0), whole[(slice(None), *part)])


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 4), (3, 16), (6, 4), (32, 64)])
def test_a_convolution_has_the_same_bits_in_every_size_batch_and_number_of_threads(ndim, inputs, outputs):
    kind = torch.nn.Conv2d if ndim == 2 else torch.nn.Conv3d
    torch.manual_seed(0)
    layer = kind(inputs, outputs, 3)
    x = torch.rand(3, inputs, *(40,) * ndim, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), Steady():
        whole = layer(x)
        for side in (5, 12, 17, 30):
            inner = (..., *(slice(0, side),) * ndim)
            wanted = whole[(slice(0, 1), *inner)][(..., *(slice(0, side - 2),) * ndim)]
            for count in (1, 2):
                with threads(count):
                    assert torch.equal(layer(x[(slice(0, 1), *inner)]), wanted)


def test_convolutions_that_onednn_cannot_do_are_left_alone():
    x, weight = torch.rand(1, 2, 9, 9), torch.rand(3, 2, 3, 3)
    wanted = torch.conv2d(x, weight, padding="same")
    with Steady():
        assert torch.equal(torch.conv2d(x, weight, padding="same"), wanted)
        assert torch.allclose(torch.conv2d(x[0], weight, padding=1), wanted[0])
        assert torch.conv2d(x.double(), weight.double()).dtype is torch.float64
