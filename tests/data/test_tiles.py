from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from napari_segplugin.core import InputError
from napari_segplugin.data.tiles import axes_of, choose_size, plan, split, waste


@st.composite
def plans(draw):
    ndim = draw(st.sampled_from([2, 3]))
    most = 90 if ndim == 2 else 40
    shape = tuple(draw(st.integers(1, most)) for _ in range(ndim))
    halo = tuple(draw(st.integers(0, 9)) for _ in range(ndim))
    multiple = tuple(draw(st.sampled_from([1, 2, 4, 8])) for _ in range(ndim))
    size = tuple(2 * h + 2 * m + draw(st.integers(0, 40)) for h, m in zip(halo, multiple, strict=True))
    starts = [draw(st.integers(0, n - 1)) for n in shape]
    region = tuple(slice(a, draw(st.integers(a + 1, n))) for a, n in zip(starts, shape, strict=True))
    return shape, size, halo, multiple, draw(st.sampled_from([None, region]))


def check(tiles, shape, halo, multiple, region):
    written = np.zeros(shape, int)
    for tile in tiles:
        written[tile.write] += 1
        for axis, (r, k, w, n) in enumerate(zip(tile.read, tile.keep, tile.write, shape, strict=True)):
            assert 0 <= r.start < r.stop <= n
            assert r.start % multiple[axis] == 0
            assert (r.start + k.start, r.start + k.stop) == (w.start, w.stop)
            assert r.start == 0 or w.start - r.start >= halo[axis]
            assert r.stop == n or r.stop - w.stop >= halo[axis]
    wanted = np.zeros(shape, int)
    wanted[region or ...] = 1
    assert np.array_equal(written, wanted)


@given(plans())
@example(((1, 24), (2, 18), (0, 1), (1, 8), (slice(0, 1), slice(8, 23))))
@settings(max_examples=150, deadline=None)
def test_every_voxel_is_written_once(case):
    shape, size, halo, multiple, region = case
    tiles = plan(shape, size, halo, multiple, region)
    check(tiles, shape, halo, multiple, region)
    assert all(n <= s for t in tiles for n, s in zip(t.shape, size, strict=True))


@given(plans())
@settings(max_examples=60, deadline=None)
def test_split_tiles_still_write_every_voxel_once(case):
    shape, size, halo, multiple, region = case
    axes = axes_of(shape, halo, multiple, region)
    tiles = plan(shape, size, halo, multiple, region)
    for _ in range(3):
        tiles = [part for tile in tiles for part in split(tile, axes)]
    check(tiles, shape, halo, multiple, region)


@given(plans(), st.integers(50, 5000))
@settings(max_examples=60, deadline=None)
def test_a_chosen_size_can_be_planned(case, most):
    shape, _, halo, multiple, region = case
    size = choose_size(axes_of(shape, halo, multiple, region), most)
    check(plan(shape, size, halo, multiple, region), shape, halo, multiple, region)


def test_an_image_smaller_than_a_tile_is_one_tile():
    (tile,) = plan((1, 7), (64, 64), (8, 8), (4, 4))
    assert tile.shape == (1, 7)
    assert tile.keep == (slice(0, 1), slice(0, 7))


def test_a_chosen_size_fits_and_wastes_little():
    axes = axes_of((2048, 2048), (58, 58), (8, 8))
    size = choose_size(axes, 1_300_000)
    assert math.prod(size) <= 1_300_000
    assert waste(plan((2048, 2048), size, (58, 58), (8, 8))) < 1.15


def test_a_tile_that_is_one_multiple_cannot_be_split():
    axes = axes_of((8, 8), (0, 0), (8, 8))
    (tile,) = plan((8, 8), (8, 8), (0, 0), (8, 8))
    assert split(tile, axes) == [tile]


def test_too_small_tiles_say_which_size_would_do():
    with pytest.raises(InputError, match="at least 132 pixels"):
        plan((500, 500), (64, 64), (58, 58), (8, 8))
