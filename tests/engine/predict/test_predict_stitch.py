"""Objects found block by block are the objects of the whole image, to the number and the voxel."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from napari_segplugin.core import ClassInfo, ClassTable, Kind, Step, Task, drain
from napari_segplugin.engine.predict.blocks import block_size
from napari_segplugin.engine.predict.stitch import DistanceBlocks
from napari_segplugin.tasks import get_task

THINGS = ClassTable.named(["cell", "fibre"])
MIXED = ClassTable((*THINGS, ClassInfo(3, "soil", "#aaaaaa", Kind.STUFF)))


def blobs(shape, centres, radii, rng, classes=THINGS, rough=0.0, steps=0):
    """Maps of balls: the probability of a thing is the soft mask, the distance falls from the centre."""
    grid = np.indices(shape).reshape(len(shape), -1).T
    distance = np.zeros(shape, np.float32)
    for centre, radius in zip(centres, radii, strict=True):
        far = np.sqrt(((grid - centre) ** 2).sum(1)).reshape(shape)
        distance = np.maximum(distance, np.clip(1 - far / radius, 0, 1))
    return as_maps(distance, rng, classes, rough, steps)


def as_maps(distance, rng, classes=THINGS, rough=0.0, steps=0):
    shape = distance.shape
    if rough:
        distance = np.clip(distance + rough * ndi.gaussian_filter(rng.normal(0, 1, shape), 1), 0, 1)
    thing = np.where(distance > 0.02, 0.9, 0.1).astype(np.float32)
    share = rng.uniform(0.05, 0.95, shape).astype(np.float32)
    probability = [1 - thing, thing * share, thing * (1 - share)]
    if len(classes) == 4:
        soil = (ndi.gaussian_filter(rng.normal(0, 1, shape), 2) > 0).astype(np.float32)
        probability = [(1 - thing) * (1 - soil), *probability[1:], (1 - thing) * soil]
    if steps:  # many equal values: plateaus, where the order of the voxels decides
        distance = np.round(distance * steps) / steps
    return np.stack([*probability, distance]).astype(np.float32)


def in_blocks(maps, classes, block, most=10**9, panoptic=False, params=None, halo=1, **more):
    shape = maps.shape[1:]
    codec = get_task(Task.PANOPTIC if panoptic else Task.INSTANCE)
    p = {**codec.defaults(), **(params or {})}
    out = np.zeros(shape, np.int32)
    job = DistanceBlocks(
        shape=shape,
        read=lambda r: maps[(slice(None), *r)],
        out=out,
        classes=classes,
        params=p,
        block=block,
        most=most,
        panoptic=panoptic,
        halo=halo,
        **more,
    )
    events = []
    table = drain(job.run(), events.append)
    return out, table, job, events


def whole(maps, classes, panoptic=False, params=None):
    return get_task(Task.PANOPTIC if panoptic else Task.INSTANCE).decode(maps, classes, params or {})


def same(blocks, table, labels, wanted):
    assert np.array_equal(blocks, labels)
    for column in ("label", "class_id", "score"):
        assert np.array_equal(getattr(table, column), getattr(wanted, column)), column


@st.composite
def scenes(draw):
    """Balls that touch; of `steps` heights only, some have equal seeds and plateaus."""
    ndim = draw(st.sampled_from([2, 3]))
    side = 60 if ndim == 2 else 26
    shape = tuple(draw(st.integers(side // 2, side)) for _ in range(ndim))
    count = draw(st.integers(0, 25))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    centres = rng.uniform(0, shape, (count, ndim))
    radii = rng.uniform(1.5, side / 5, count)
    block = tuple(draw(st.integers(side // 5, side)) for _ in range(ndim))
    rough, steps = draw(st.sampled_from([0.0, 0.1, 0.3])), draw(st.sampled_from([0, 3, 10]))
    return blobs(shape, centres, radii, rng, rough=rough, steps=steps), block


@given(scenes())
@settings(max_examples=60, deadline=None)
def test_blocks_equal_the_whole_image(scene):
    maps, block = scene
    out, table, job, _ = in_blocks(maps, THINGS, block)
    assert job.uncertain == 0
    same(out, table, *whole(maps, THINGS))


@given(scenes(), st.floats(0.0, 1.0))
@settings(max_examples=25, deadline=None)
def test_blocks_leave_out_the_uncertain_objects_of_the_whole_image(scene, share):
    """Certainty is known when all blocks of an object are: those that are dropped leave no gap in the numbers."""
    maps, block = scene
    maps = maps.copy()
    maps[1:3] *= np.linspace(0.75, 1, maps.shape[1], dtype=np.float32).reshape(-1, *[1] * (maps.ndim - 2))
    maps[0] = 1 - maps[1:3].sum(0)
    labels, objects = whole(maps, THINGS)
    scores = np.sort(ndi.mean(maps[1:3].sum(0), labels, objects.label)) if len(objects) else np.zeros(0)
    between = [(a + b) / 2 for a, b in pairwise(scores) if b - a > 1e-4]
    params = {"score": float(between[int(share * (len(between) - 1))]) if between else 0.5}
    out, table, _, _ = in_blocks(maps, THINGS, block, params=params)
    same(out, table, *whole(maps, THINGS, params=params))
    assert table.label.tolist() == list(range(1, len(table) + 1))
    if between:
        assert 0 < len(table) < len(scores)


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_object_on_every_face_edge_and_corner(ndim):
    shape, block = (48,) * ndim, (16,) * ndim
    rng = np.random.default_rng(0)
    places = np.stack(np.meshgrid(*[[8, 16, 24, 32, 40]] * ndim, indexing="ij"), -1).reshape(-1, ndim)
    maps = blobs(shape, places - 0.4, np.full(len(places), 3.7), rng)
    out, table, job, _ = in_blocks(maps, THINGS, block)
    assert len(table) == 5**ndim
    assert job.uncertain == 0
    same(out, table, *whole(maps, THINGS))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("start", [14, 15, 16])
def test_thin_objects_along_and_across_a_face(ndim, width, start):
    distance = np.zeros((40,) * ndim, np.float32)
    line = [slice(start, start + width)] * ndim
    along, across = list(line), list(line)
    along[-1] = across[0] = slice(4, 36)
    distance[tuple(along)] = 1
    across[-1] = slice(34 - width, 34)
    distance[tuple(across)] = np.maximum(distance[tuple(across)], 0.9)
    maps = as_maps(distance, np.random.default_rng(1))
    params = {"smooth": 0.0, "min_size": 1}
    out, table, _, _ = in_blocks(maps, THINGS, (16,) * ndim, params=params)
    same(out, table, *whole(maps, THINGS, params=params))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("shift", range(-3, 4))
def test_two_that_touch_at_a_face_stay_two(ndim, shift):
    centre = np.full((2, ndim), 16.0)
    centre[:, 0] += [shift - 4, shift + 4]
    maps = blobs((32,) * ndim, centre, [6, 6], np.random.default_rng(2))
    out, table, _, _ = in_blocks(maps, THINGS, (16,) * ndim)
    assert len(table) == 2
    same(out, table, *whole(maps, THINGS))


@pytest.mark.parametrize("shape", [(150, 20), (12, 130, 16)])
def test_an_object_longer_than_many_blocks_with_one_seed_at_its_end(shape):
    """Its seed lies many blocks away from most of it: the halo has to grow."""
    distance = np.zeros(shape, np.float32)
    axis = int(np.argmax(shape))
    ramp = np.linspace(1, 0.1, shape[axis] - 8)
    core = [slice(n // 2 - 2, n // 2 + 2) for n in shape]
    core[axis] = slice(4, shape[axis] - 4)
    distance[tuple(core)] = ramp.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    maps = as_maps(distance, np.random.default_rng(3))
    out, table, job, _ = in_blocks(maps, THINGS, (8,) * len(shape))
    assert len(table) == 1
    assert job.uncertain == 0
    same(out, table, *whole(maps, THINGS))


def test_where_memory_ends_the_halo_the_uncertain_voxels_are_counted():
    distance = np.zeros((200, 12), np.float32)
    distance[4:196, 4:8] = np.linspace(1, 0.1, 192)[:, None]
    maps = as_maps(distance, np.random.default_rng(3))
    _, _, job, _ = in_blocks(maps, THINGS, (8, 12), most=500)
    assert job.uncertain > 0


@given(scenes(), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_panoptic_blocks_equal_the_whole_image(scene, seed):
    distance, block = scene[0][-1], scene[1]
    maps = as_maps(distance, np.random.default_rng(seed), MIXED)
    labels, wanted = whole(maps, MIXED, panoptic=True)
    out, table, job, _ = in_blocks(maps, MIXED, block, panoptic=True, first=1, stuff_numbers={3: 1})
    things, stuff = wanted.label[wanted.class_id != 3], wanted.class_id == 3
    assert np.array_equal(out, np.where(np.isin(labels, things), labels + 1, labels > 0)), (
        "stuff first, then the things"
    )
    assert np.array_equal(table.label, things + 1)
    assert np.array_equal(table.score, wanted.score[~stuff])
    assert bool(job.stuff) == bool(stuff.any())
    if stuff.any():
        total, voxels = job.stuff[3]
        assert np.float32(total / voxels) == wanted.score[stuff][0]


def test_numbers_start_after_those_that_are_taken_and_have_no_gaps():
    maps = blobs((40, 40), [(10, 10), (10, 30), (30, 20)], [6, 6, 6], np.random.default_rng(0))
    out, table, _, events = in_blocks(maps, THINGS, (16, 16), first=100)
    assert table.label.tolist() == [101, 102, 103]
    assert set(np.unique(out)) == {0, 101, 102, 103}
    assert [e.done for e in events if isinstance(e, Step)] == list(range(1, events[-1].total + 1))


@pytest.mark.parametrize(("low", "objects"), [(0.45, 2), (0.9, 1)])
@pytest.mark.parametrize("face", [14, 16, 18])
def test_two_peaks_are_parted_by_their_valley_wherever_the_faces_lie(low, objects, face):
    distance = np.zeros((12, 40), np.float32)
    distance[3:9, 4:36] = np.interp(np.arange(4, 36), [4, 12, 20, 28, 35], [0.5, 1, low, 1, 0.5])
    maps = as_maps(distance, np.random.default_rng(0))
    out, table, _, _ = in_blocks(maps, THINGS, (5, face))
    assert len(table) == objects
    same(out, table, *whole(maps, THINGS))


@pytest.mark.parametrize("shape", [(1, 1), (5000, 5000), (10, 4000, 4000), (700, 700, 700)])
def test_blocks_stay_within_memory(shape):
    block, most = block_size(shape, 10**9)
    assert all(1 <= b <= n for b, n in zip(block, shape, strict=True))
    assert np.prod(block) <= most / 2 ** len(shape) * 1.01
    assert np.prod(block) > 0.5 * min(np.prod(shape), most / 2 ** len(shape))
