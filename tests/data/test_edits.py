"""Edits of objects against plain whole-array versions of themselves."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from napari_segplugin.core import InputError
from napari_segplugin.data import edits
from napari_segplugin.data.boxes import ObjectBoxes, runs
from napari_segplugin.data.cutting import split_cut, split_seeds
from napari_segplugin.data.interpolate import interpolate


def scene(shape: tuple[int, ...] = (6, 20, 22), seed: int = 0, count: int = 5) -> np.ndarray:
    """Boxes of random size and place, some cut by others."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    for number in range(1, count + 1):
        low = [int(rng.integers(0, max(1, n - 3))) for n in shape]
        high = [min(n, a + int(rng.integers(2, max(3, n // 2)))) for a, n in zip(low, shape, strict=True)]
        labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = number
    return labels


def disc(shape: tuple[int, ...], middle: tuple[float, ...], radius: float) -> np.ndarray:
    grid = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum((g - m) ** 2 for g, m in zip(grid, middle, strict=True)) <= radius**2


# --- boxes ------------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_boxes_and_sizes_are_those_of_a_plain_search(seed: int, ndim: int) -> None:
    labels = scene((9, 11, 12)[-ndim:], seed)
    boxes = ObjectBoxes(labels)
    assert sorted(boxes) == [n for n in np.unique(labels).tolist() if n]
    for number, box in enumerate(ndi.find_objects(labels), 1):
        assert boxes.box(number) == box
        assert boxes.size(number) == int((labels == number).sum())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_boxes_follow_changes_and_their_undoing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = scene(seed=seed)
    boxes, past = ObjectBoxes(labels), []
    for _ in range(6):
        where = np.nonzero(rng.random(labels.shape) < 0.05)
        old = labels[where]
        new: Any = rng.integers(0, 9, len(old)) if rng.random() < 0.5 else int(rng.integers(0, 9))
        past.append((where, old, boxes.update(where, old, new)))
        labels[where] = new
        _check(boxes, labels)
    for where, old, won in reversed(past):
        labels[where] = old
        boxes.add(won, -1)
        _check(boxes, labels)


def _check(boxes: ObjectBoxes, labels: np.ndarray) -> None:
    for number in range(1, 12):
        mask = labels == number
        assert boxes.size(number) == mask.sum()
        assert (number in boxes) == bool(mask.any())
        if mask.any():
            box = boxes.box(number)
            assert box is not None
            assert mask[box].sum() == mask.sum()


def test_boxes_of_slabs_and_large_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_segplugin.data.boxes._SLAB", 100)
    labels = np.zeros((7, 8, 9), np.uint32)
    labels[1:6, 2:4, 3:9] = 4_000_000_000
    labels[6, 7, 8] = 3
    boxes = ObjectBoxes(labels)
    assert boxes.box(4_000_000_000) == (slice(1, 6), slice(2, 4), slice(3, 9))
    assert (boxes.size(4_000_000_000), boxes.size(3), len(boxes)) == (60, 1, 2)
    assert boxes.next_number() == 4_000_000_001


def test_runs_of_an_empty_array() -> None:
    assert [len(v) for v in runs(np.zeros((0, 3), int))] == [0, 0, 0]


# --- simple edits -----------------------------------------------------------------------------------------------------


def naive(labels: np.ndarray, kind: str, number: int) -> np.ndarray:
    """The edit on the whole array at once."""
    out, mask = labels.copy(), labels == number
    if kind == "delete":
        out[mask] = 0
    elif kind == "fill_holes":
        out[ndi.binary_fill_holes(mask) & (labels == 0)] = number
    elif kind == "grow":
        out[(ndi.distance_transform_edt(~mask, sampling=SPACING) <= 1.5) & (labels == 0)] = number
    elif kind == "shrink":
        padded = np.pad(mask, 1, mode="edge")
        away = ndi.distance_transform_edt(padded, sampling=SPACING)[1:-1, 1:-1, 1:-1]
        out[mask & (away <= 1.0)] = 0
    elif kind == "smooth":
        soft = ndi.gaussian_filter(mask.astype(np.float32), [1.0 / s for s in SPACING], mode="nearest") > 0.5
        out[mask & ~soft] = 0
        out[soft & (labels == 0)] = number
    return out


SPACING = (2.0, 0.5, 1.0)
EDITS: dict[str, Callable[..., edits.Change]] = {
    "delete": lambda v, n, **k: edits.delete(v, [n], **k),
    "fill_holes": edits.fill_holes,
    "grow": lambda v, n, **k: edits.grow(v, n, 1.5, spacing=SPACING, **k),
    "shrink": lambda v, n, **k: edits.shrink(v, n, 1.0, spacing=SPACING, **k),
    "smooth": lambda v, n, **k: edits.smooth(v, n, 1.0, spacing=SPACING, **k),
}


@pytest.mark.parametrize("kind", EDITS)
@pytest.mark.parametrize("seed", range(6))
def test_an_edit_is_the_whole_array_edit(kind: str, seed: int) -> None:
    labels = scene(seed=seed)
    labels[2:4, 8:12, 8:12] = np.where(labels[2:4, 8:12, 8:12] == 0, 6, labels[2:4, 8:12, 8:12])
    labels[3, 9, 9] = 0
    number = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    wanted = naive(labels, kind, number)
    if np.array_equal(wanted, labels) or (wanted == number).any() == (kind == "delete"):
        with pytest.raises(InputError):
            EDITS[kind](labels, number)
        return
    before = labels.copy()
    change = EDITS[kind](labels, number)
    np.testing.assert_array_equal(labels, before)
    assert (labels[change.indices] != np.broadcast_to(change.values, len(change))).all()
    np.testing.assert_array_equal(change.apply(labels.copy()), wanted)


@pytest.mark.parametrize("kind", EDITS)
def test_one_plane_is_edited_as_a_plane(kind: str) -> None:
    volume = np.zeros((5, 12, 12), np.int32)
    volume[1:4, 3:9, 3:9] = 1
    volume[2, 5, 5] = volume[1, 3, 3] = volume[2, 3, 3] = 0
    plane = (slice(2, 3), slice(None), slice(None))
    changed = EDITS[kind](volume, 1, where=plane).apply(volume.copy())
    np.testing.assert_array_equal(np.delete(changed, 2, 0), np.delete(volume, 2, 0))
    flat = {
        "delete": lambda v: edits.delete(v, [1]),
        "fill_holes": lambda v: edits.fill_holes(v, 1),
        "grow": lambda v: edits.grow(v, 1, 1.5, spacing=SPACING[1:]),
        "shrink": lambda v: edits.shrink(v, 1, 1.0, spacing=SPACING[1:]),
        "smooth": lambda v: edits.smooth(v, 1, 1.0, spacing=SPACING[1:]),
    }[kind]
    np.testing.assert_array_equal(changed[2], flat(volume[2]).apply(volume[2].copy()))


def test_merge_takes_the_number_of_the_first() -> None:
    labels = scene()
    merged = edits.merge(labels, [3, 1, 5, 3]).apply(labels.copy())
    np.testing.assert_array_equal(merged, np.where(np.isin(labels, [1, 3, 5]), 3, labels))


def test_nothing_is_taken_from_another_object() -> None:
    labels = np.array([[1, 1, 0, 2, 2]])
    assert edits.grow(labels, 1, 5).apply(labels.copy()).tolist() == [[1, 1, 1, 2, 2]]
    ring = np.ones((5, 5), int)
    ring[1:4, 1:4] = 0
    ring[2, 2] = 7
    assert edits.fill_holes(ring, 1).apply(ring.copy())[2].tolist() == [1, 1, 7, 1, 1]
    mask = np.ones((1, 3), bool)
    box = (slice(0, 1), slice(2, 5))
    assert edits.set_mask(labels, mask, box, 9).apply(labels.copy()).tolist() == [[1, 1, 9, 2, 2]]
    assert edits.set_mask(labels, mask, box, 9, over=True).apply(labels.copy()).tolist() == [[1, 1, 9, 9, 9]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda v: edits.delete(v, [9]), "no object 9"),
        (lambda v: edits.fill_holes(v, 1), "no holes"),
        (lambda v: edits.delete(v, [1], where=(slice(4, 5), slice(None))), "no object 1 here"),
        (lambda v: edits.merge(v, [1]), "needs two objects"),
        (lambda v: edits.merge(v, [1, 9]), "no object 9"),
        (lambda v: edits.shrink(v, 1, 50), "would vanish"),
        (lambda v: edits.smooth(v, 2, 0.01), "already smooth"),
        (lambda v: edits.grow(v, 1, 1, spacing=(1,)), "pixel size"),
        (lambda v: edits.grow(v, 1, 1, spacing=(1, 0)), "pixel size"),
        (
            lambda v: edits.set_mask(v, np.ones((1, 1), bool), (slice(0, 1), slice(0, 1)), 5),
            "Other objects are there already",
        ),
        (lambda v: split_cut(v, 1, np.array([[0, 1], [1, 1]]), (0, 1)), "does not cut"),
        (lambda v: split_cut(v, 1, np.array([[0, 1]]), (0, 1)), "needs a line"),
        (lambda v: split_seeds(v, 1, np.array([[0, 0], [0, 0]])), "two points"),
        (lambda v: split_seeds(v, 1, np.array([[0, 0], [0, 5]])), "is not inside object 1"),
        (lambda v: interpolate(v, 1, 0), "no planes to fill in between"),
    ],
)
def test_what_cannot_be_done_says_so(call: Callable[[np.ndarray], Any], words: str) -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[:3, :4] = 1
    labels[:, 5] = 2
    with pytest.raises(InputError, match=words):
        call(labels)


def test_grow_without_room_says_so() -> None:
    with pytest.raises(InputError, match="no background around it to grow into"):
        edits.grow(np.array([[1, 1, 2]]), 1)


def test_a_layer_of_8_bits_runs_out_of_numbers() -> None:
    labels = np.full((3, 9), 255, np.uint8)
    with pytest.raises(InputError, match="no free object number"):
        split_cut(labels, 255, np.array([[-1, 4], [4, 4]]), (0, 1))


# --- split ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [[[-1, 12], [31, 12]], [[-1, 2], [31, 24]], [[31, 24], [15, 13], [-1, 20]]])
def test_a_cut_parts_the_object_along_the_line(line: list[list[int]]) -> None:
    labels = np.where(disc((30, 30), (15, 14), 11), 4, 0).astype(np.int32)
    labels[0, 0] = 9
    cut = split_cut(labels, 4, np.array(line), (0, 1)).apply(labels.copy())
    assert sorted(np.unique(cut)) == [0, 4, 9, 10]
    np.testing.assert_array_equal(cut == 0, labels == 0)
    assert (cut == 4).sum() >= (cut == 10).sum() > 20
    for number in (4, 10):
        assert ndi.label(cut == number, np.ones((3, 3)))[1] == 1
    # the seam follows the line: no voxel further than two from it has changed sides
    distance = _to_line(np.array(line, float), labels.shape)
    seam = ndi.binary_dilation(cut == 4) & (cut == 10)
    assert distance[seam].max() <= 2


def _to_line(line: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    dots = np.concatenate([a + np.linspace(0, 1, 200)[:, None] * (b - a) for a, b in pairwise(line)])
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1).reshape(-1, 1, 2)
    return np.linalg.norm(grid - dots, axis=-1).min(axis=1).reshape(shape)


def test_a_cut_in_a_volume_goes_through_all_planes_or_one() -> None:
    labels = np.zeros((5, 12, 12), np.int32)
    labels[:, 2:10, 2:10] = 1
    line = np.array([[0, 4], [11, 4]])
    whole = split_cut(labels, 1, line, (1, 2)).apply(labels.copy())
    assert [sorted(np.unique(p)) for p in whole] == [[0, 1, 2]] * 5
    one = split_cut(labels, 1, line, (1, 2), where=(slice(3, 4), slice(None), slice(None))).apply(labels.copy())
    assert [len(np.unique(p)) for p in one] == [2, 2, 2, 3, 2]
    # seen along another axis
    side = split_cut(labels, 1, np.array([[4, -1], [4, 5]]), (1, 0)).apply(labels.copy())
    np.testing.assert_array_equal(side == 2, np.moveaxis(whole == 2, 1, 2))


def test_a_third_piece_gets_a_number_and_a_sliver_does_not() -> None:
    u = np.zeros((20, 30), np.int32)
    u[2:18, 2:8] = u[2:18, 20:28] = u[12:18, 2:28] = 1
    u[9, 27] = 1
    three = split_cut(u, 1, np.array([[9, 0], [9, 29]]), (0, 1)).apply(u.copy())
    assert sorted(np.unique(three)) == [0, 1, 2, 3]
    np.testing.assert_array_equal(three == 0, u == 0)


@pytest.mark.parametrize("coarse", [500, 10**9])
def test_seeds_part_two_balls_at_the_neck(monkeypatch: pytest.MonkeyPatch, coarse: int) -> None:
    monkeypatch.setattr("napari_segplugin.data.cutting.COARSE", coarse)
    labels = (disc((14, 34, 60), (7, 17, 18), 13) | disc((14, 34, 60), (7, 17, 40), 13)).astype(np.int32)
    labels *= 3
    seeds = np.array([[7, 17, 14], [6, 18, 44]])
    parted = split_seeds(labels, 3, seeds).apply(labels.copy())
    assert sorted(np.unique(parted)) == [0, 3, 4]
    np.testing.assert_array_equal(parted == 0, labels == 0)
    first = parted[7, 17, 14]
    # the neck is in the middle, at x = 29
    assert (parted[..., :28] == first)[labels[..., :28] > 0].all()
    assert (parted[..., 31:] != first)[labels[..., 31:] > 0].all()


def test_seeds_follow_a_valley_of_the_image() -> None:
    labels = np.zeros((20, 40), np.int32)
    labels[5:15, 5:35] = 1
    image = np.full((20, 40), 100.0)
    image[:, 11] = 60
    for grey in (image, 200 - image):
        parted = split_seeds(labels, 1, np.array([[10, 7], [10, 30]]), image=grey).apply(labels.copy())
        change = int(np.flatnonzero(np.diff(parted[10, 5:35]))[0]) + 5
        assert 10 <= change <= 11


def test_three_seeds_and_pieces_without_one() -> None:
    labels = np.zeros((9, 40), np.int32)
    labels[2:7, 1:30] = 1
    labels[2:7, 34:38] = 1
    parted = split_seeds(labels, 1, np.array([[4, 4], [4, 14], [4, 26]])).apply(labels.copy())
    assert len(np.unique(parted)) == 4
    assert len(np.unique(parted[2:7, 34:38])) == 1


# --- interpolation ----------------------------------------------------------------------------------------------------


def test_discs_become_a_cone() -> None:
    labels = np.zeros((9, 40, 40), np.int32)
    labels[0][disc((40, 40), (20, 12), 4)] = 1
    labels[8][disc((40, 40), (20, 28), 10)] = 1
    labels[4, 18:22, 20] = 2
    filled = interpolate(labels, 1, 0).apply(labels.copy())
    for z in range(9):
        wanted = disc((40, 40), (20, 12 + 2 * z), 4 + 6 * z / 8) & (labels[z] != 2)
        found = filled[z] == 1
        assert (wanted & found).sum() / (wanted | found).sum() > 0.88
    np.testing.assert_array_equal(filled == 2, labels == 2)


def test_only_between_the_planes_that_are_right() -> None:
    labels = np.zeros((7, 20, 20), np.int32)
    labels[1:6, 5:15, 5:15] = 1
    labels[1, 12:15] = labels[5, 12:15] = 0
    redrawn = interpolate(labels, 1, 0, (1, 5)).apply(labels.copy())
    assert [int((p == 1).sum()) for p in redrawn] == [0, 70, 70, 70, 70, 70, 0]
    with pytest.raises(InputError, match="already has this shape"):
        interpolate(redrawn, 1, 0, (1, 5))
    turned = interpolate(labels.transpose(1, 2, 0), 1, 2, (1, 5)).apply(labels.transpose(1, 2, 0).copy())
    np.testing.assert_array_equal(turned, redrawn.transpose(1, 2, 0))
