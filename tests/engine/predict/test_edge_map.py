"""The edge map: tile by tile what the network sees as a whole, for every kind of image."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from napari_segplugin.core import ClassTable, Image, InputError, Kind, ModelSpec, Task, TileSpec, drain
from napari_segplugin.data import normalise
from napari_segplugin.engine.network import load
from napari_segplugin.engine.predict.edge_map import edge_map
from napari_segplugin.engine.train.train import new_bundle
from napari_segplugin.networks import NETWORKS

CLASSES = ClassTable.named(["axon", "myelin"], Kind.STUFF)
WIDTHS = {"widths": (4, 8), "shape_width": 4, "context_width": 4}
FLOAT = {"precision": "float32"}


def bundle_of(ndim=2, network="gated_scnn", options=WIDTHS):
    return new_bundle(ModelSpec(network, ndim, 1, Task.SEMANTIC, CLASSES, options), name="edges", seed=1)


def noise(shape, axes, **more):
    return Image(np.random.default_rng(0).normal(0, 1, shape).astype(np.float32), axes, **more)


@pytest.mark.parametrize(
    ("ndim", "axes", "shape", "result"),
    [(2, "XY", (33, 40), "YX"), (2, "TZYX", (2, 3, 24, 20), "TZYX"), (3, "ZYX", (9, 18, 20), "ZYX")],
)
def test_edges_come_in_canonical_order_between_0_and_1(ndim, axes, shape, result):
    image = noise(shape, axes, spacing=tuple(0.5 * (i + 1) for i, a in enumerate(axes.replace("T", ""))))
    edges = drain(edge_map(image, bundle_of(ndim), device="cpu"))
    assert edges.axes == result
    assert edges.array.shape == tuple(image.sizes[a] for a in result)
    assert edges.spacing == image.canonical_spacing
    assert 0 <= edges.array.min() < edges.array.max() <= 1


def test_it_is_what_the_network_sees():
    image, bundle = noise((40, 36), "YX"), bundle_of()
    edges = drain(edge_map(image, bundle, device="cpu", tiles=TileSpec(**FLOAT)))
    x = normalise.apply(image.read(), normalise.statistics(image, bundle.normalisation))
    with torch.no_grad():
        wanted = load(bundle).eval().edges(torch.from_numpy(x)[None])[0, 0].numpy()
    assert np.allclose(edges.array, wanted, atol=1e-4)


def test_small_tiles_and_a_region_give_the_same():
    image, bundle = noise((150, 120), "YX"), bundle_of()
    whole = drain(edge_map(image, bundle, device="cpu", tiles=TileSpec(**FLOAT)))
    tiled = drain(edge_map(image, bundle, device="cpu", tiles=TileSpec(size=(96, 96), **FLOAT)))
    region = (slice(30, 70), slice(50, None))
    part = drain(edge_map(image, bundle, device="cpu", region=region, tiles=TileSpec(**FLOAT)))
    assert np.allclose(whole.array, tiled.array, atol=1e-5)
    assert np.allclose(whole.array[region], part.array, atol=1e-5)
    assert part.metadata["origin"] == [30, 50]


def test_mirrored_copies_are_averaged():
    image, bundle = noise((32, 32), "YX"), bundle_of()
    mirrored = drain(edge_map(image, bundle, device="cpu", tiles=TileSpec(mirror=True, **FLOAT)))
    flipped = Image(image.array[::-1, ::-1].copy(), "YX")
    other = drain(edge_map(flipped, bundle, device="cpu", tiles=TileSpec(mirror=True, **FLOAT)))
    assert np.allclose(mirrored.array, other.array[::-1, ::-1], atol=1e-5)


def test_a_network_without_edges_is_refused():
    with pytest.raises(InputError, match=r"U-Net does not learn edges.*Gated-SCNN"):
        drain(edge_map(noise((8, 8), "YX"), bundle_of(network="unet", options={"widths": (4, 8)})))


def test_a_map_larger_than_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(sys.modules["napari_segplugin.engine.predict.edge_map"], "free_host_memory", lambda: 100)
    with pytest.raises(InputError, match=r"larger than the free memory.*part of the image"):
        drain(edge_map(noise((16, 16), "YX"), bundle_of(), device="cpu"))


@pytest.mark.parametrize("name", [row.name for row in NETWORKS if row.edges])
def test_every_network_that_says_so_has_edges(name):
    assert callable(NETWORKS.load(name).edges)
