"""The head of centres and offsets through the engine: blocks equal the whole, mirrored copies, training, saving."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi
from torch import nn

from napari_segplugin.core import (
    ClassInfo,
    ClassTable,
    Image,
    InputError,
    Kind,
    ModelSpec,
    Normalisation,
    Sample,
    Step,
    Task,
    TileSpec,
    TrainSpec,
    drain,
    model_spec_from_json,
    to_json,
)
from napari_segplugin.engine.network import OFFSET_UNIT, ReadyNetwork
from napari_segplugin.engine.predict.blocks import BlockJob, blocks_of
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.predict.stitch_centres import CentreBlocks
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.io import load_bundle, save_bundle
from napari_segplugin.tasks import HEADS, get_task
from napari_segplugin.tasks.centre_offset import centre_maps

THINGS = ClassTable.named(["cell", "fibre"])
MIXED = ClassTable((*THINGS, ClassInfo(3, "soil", "#aaaaaa", Kind.STUFF)))


def spec_of(task=Task.INSTANCE, ndim=2, classes=THINGS, **options):
    return ModelSpec("unet", ndim, 1, task, classes, {"widths": (4, 6), **options}, head="centre_offset")


def noisy_maps(shape, count, rng, classes=THINGS, noise=0.0, missed=0.0):
    """Maps of touching objects, each voxel its nearest seed's; some centres are missing."""
    seeds = rng.uniform(0, shape, (count, len(shape)))
    grid = np.indices(shape).reshape(len(shape), -1).T
    labels = np.zeros(shape, int)
    if count:
        far = ((grid[:, None] - seeds[None]) ** 2).sum(-1)
        near = far.min(1) < (min(shape) / 4) ** 2
        labels = np.where(near, far.argmin(1) + 1, 0).reshape(shape)
    maps = centre_maps(labels, (1.0,) * len(shape))
    hidden = np.isin(labels, np.flatnonzero(rng.random(count + 1) < missed))
    maps[0] = np.where(hidden, 0, maps[0] + rng.normal(0, 0.1 * noise, shape)).clip(0, 1)
    maps[1:] += rng.normal(0, 2 * noise, maps[1:].shape)
    thing = np.where(labels > 0, 0.9, 0.1)
    share = rng.uniform(0.05, 0.95, shape)
    probability = [1 - thing, thing * share, thing * (1 - share)]
    if len(classes) == 4:
        soil = (ndi.gaussian_filter(rng.normal(0, 1, shape), 2) > 0).astype(float)
        probability = [(1 - thing) * (1 - soil), *probability[1:], (1 - thing) * soil]
    return np.stack([*probability, *maps]).astype(np.float32)


def in_blocks(maps, classes, block, task=Task.INSTANCE, params=None, **more):
    out = np.zeros(maps.shape[1:], np.int32)
    job = CentreBlocks(
        shape=maps.shape[1:],
        read=lambda r: maps[(slice(None), *r)],
        out=out,
        classes=classes,
        params={**get_task(task, "centre_offset").defaults(), **(params or {})},
        block=block,
        most=10**9,
        panoptic=task is Task.PANOPTIC,
        **more,
    )
    events = []
    return out, drain(job.run(), events.append), job, events


@st.composite
def scenes(draw, classes=THINGS):
    ndim = draw(st.sampled_from([2, 3]))
    side = 60 if ndim == 2 else 22
    shape = tuple(draw(st.integers(side // 2, side)) for _ in range(ndim))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    noise, missed = draw(st.sampled_from([0.0, 0.5, 2.0])), draw(st.sampled_from([0.0, 0.3]))
    maps = noisy_maps(shape, draw(st.integers(0, 12)), rng, classes, noise, missed)
    if draw(st.booleans()):
        maps = maps.astype(np.float16).astype(np.float32)  # many equal values
    block = tuple(draw(st.integers(side // 3, side)) for _ in range(ndim))
    params = {"window": draw(st.sampled_from([1, 3, 7]))}
    return maps, block, params


@given(scenes())
@settings(max_examples=30, deadline=None)
def test_blocks_equal_the_whole_image(scene):
    maps, block, params = scene
    out, table, _, _ = in_blocks(maps, THINGS, block, params=params)
    labels, wanted = get_task("instance", "centre_offset").decode(maps, THINGS, params)
    assert np.array_equal(out, labels), "to the number"
    assert np.array_equal(table.label, wanted.label)
    assert np.array_equal(table.class_id, wanted.class_id)
    assert np.allclose(table.score, wanted.score, atol=1e-5)


@given(scenes(MIXED))
@settings(max_examples=10, deadline=None)
def test_panoptic_blocks_equal_the_whole_image(scene):
    maps, block, params = scene
    out, table, job, _ = in_blocks(maps, MIXED, block, Task.PANOPTIC, params, first=1, stuff_numbers={3: 1})
    labels, wanted = get_task("panoptic", "centre_offset").decode(maps, MIXED, params)
    things = wanted.class_id != 3
    top = wanted.label[~things]
    expected = np.where(labels > 0, np.where(np.isin(labels, top), 1, labels + 1), 0)
    assert np.array_equal(out, expected)
    assert np.array_equal(table.label, wanted.label[things] + 1)
    assert np.array_equal(table.class_id, wanted.class_id[things])
    if len(top):
        total, voxels = job.stuff[3]
        assert total / voxels == pytest.approx(wanted.score[~things][0], abs=1e-4)


def test_an_object_far_longer_than_a_block_stays_one():
    labels = np.zeros((200, 12), int)
    labels[4:196, 3:9] = 1
    inside = (labels > 0).astype(np.float32)
    maps = np.concatenate([[1 - inside, inside, 0 * inside], centre_maps(labels, (1.0, 1.0))]).astype(np.float32)
    out, table, _, events = in_blocks(maps, THINGS, (10, 12))
    assert len(table) == 1
    assert np.array_equal(out, labels)
    assert [e.done for e in events if isinstance(e, Step)] == list(range(1, events[-1].total + 1))


@pytest.mark.parametrize("head", HEADS.names())
def test_every_head_can_be_decoded_block_by_block_or_says_that_it_cannot(head):
    found = blocks_of(replace(spec_of(), head=head))
    if HEADS[head].package and not HEADS[head].blocks:
        assert found is None
    else:
        assert issubclass(found, BlockJob)


# ---------------------------------------------------------------- through the engine


def squares(shape=(48, 56), seed=0):
    """Bright squares that touch, in noise."""
    labels = np.zeros(shape, np.int32)
    for number, (y, x) in enumerate([(4, 4), (4, 14), (4, 40), (24, 10), (24, 20), (24, 36)], 1):
        labels[..., y : y + 10, x : x + 10] = number
    image = (labels > 0) * 100 + np.random.default_rng(seed).normal(50, 10, shape)
    return Sample(Image(image.astype(np.float32), "ZYX"[-len(shape) :]), (labels > 0).astype(int), labels)


@pytest.fixture(scope="module")
def trained():
    bundle = new_bundle(spec_of(widths=(8, 16, 16), classes=ClassTable.named(["cell"])), name="squares")
    spec = TrainSpec(seconds=0, steps=100, batch=4, patch=(48, 48), learning_rate=1e-2, device="cpu", augment=False)
    return drain(train([squares()], bundle, spec))


def test_it_learns_to_part_objects_that_touch(trained):
    assert trained.decode["window"] == [11, 11]
    found = drain(predict(squares(seed=1).image, trained, device="cpu"))
    assert len(found.objects) == 6
    assert np.mean((np.asarray(found.labels) > 0) == (squares().instances > 0)) > 0.97


@pytest.mark.parametrize("task", [Task.INSTANCE, Task.PANOPTIC])
@pytest.mark.parametrize(
    ("ndim", "axes", "shape"), [(2, "TYX", (2, 40, 50)), (2, "ZYX", (2, 40, 50)), (3, "ZYX", (9, 30, 26))]
)
def test_streaming_equals_in_memory(tmp_path, monkeypatch, task, ndim, axes, shape):
    import sys

    classes = THINGS if task is Task.INSTANCE else MIXED
    decode = {"foreground": 0.3, "centre": 0.3, "min_size": 1, "window": 3}
    bundle = replace(new_bundle(spec_of(task, ndim, classes), name="small", seed=3), decode=decode)
    bundle = replace(bundle, normalisation=Normalisation(rule="percentiles"))  # objects in noise are what it is about
    bundle.weights["heads.0.weight"][len(classes) + 1 :] *= 0.05  # short vectors, so that there are centres
    image = Image(np.random.default_rng(0).normal(0, 1, shape).astype(np.float32), axes)
    module = sys.modules["napari_segplugin.engine.predict.work.prediction"]
    monkeypatch.setattr(module, "block_size", lambda s, memory: ((19,) * len(s), 10**6))
    tiles = TileSpec(precision="float32")
    memory = drain(predict(image, bundle, device="cpu", tiles=tiles))
    stream = drain(predict(image, bundle, device="cpu", tiles=tiles, output=tmp_path / "labels.zarr"))
    assert len(memory.objects) > 2
    assert np.array_equal(memory.labels, np.asarray(stream.labels))
    for column in ("label", "class_id", "score"):
        assert np.array_equal(getattr(memory.objects, column), getattr(stream.objects, column))


class Slope(nn.Module):
    """Classes, heat, and vectors up the slope of the image: mirrored with the image, they turn with it."""

    def forward(self, x):
        parts = [x, -x, x]
        for axis in range(2, x.ndim):
            parts.append((x.roll(-1, axis) - x.roll(1, axis)) / OFFSET_UNIT)
        return torch.cat(parts, 1)


@pytest.mark.parametrize("ndim", [2, 3])
def test_vectors_of_mirrored_copies_are_turned_back_before_they_are_averaged(ndim):
    kinds = get_task("instance", "centre_offset").map_kinds(ndim)
    network = ReadyNetwork(
        Slope(), torch.device("cpu"), torch.float32, ndim, 1, 2, 3 + ndim, (1,) * ndim, (1,) * ndim, 100.0, kinds
    )
    x = np.random.default_rng(0).random((2, 1, *(7, 8, 9)[:ndim]), np.float32)
    plain, mirrored = network(x), network(x, mirror=True)
    assert float(plain[:, 3:].abs().mean()) > 0.1
    assert torch.allclose(plain, mirrored, atol=1e-5)


def test_the_head_survives_json_and_the_disk(tmp_path, trained):
    assert model_spec_from_json(to_json(trained.spec)) == replace(trained.spec, options={"widths": [8, 16, 16]})
    loaded = load_bundle(save_bundle(trained, tmp_path / "bundle"))
    assert loaded.spec.head == "centre_offset"
    image = squares(seed=2).image
    a, b = (drain(predict(image, bundle, device="cpu")).labels for bundle in (trained, loaded))
    assert np.array_equal(a, b)


def test_another_head_does_not_take_the_weights(trained):
    with pytest.raises(InputError, match="do not fit its network"):
        drain(predict(squares().image, replace(trained, spec=replace(trained.spec, head="distance")), device="cpu"))


@pytest.mark.parametrize(
    ("task", "head", "words"), [("semantic", "centre_offset", "no objects"), ("instance", "stars", "no head named")]
)
def test_a_head_that_does_not_fit_is_refused(task, head, words):
    with pytest.raises(InputError, match=words):
        new_bundle(ModelSpec("unet", 2, 1, Task(task), THINGS, head=head), name="x")
