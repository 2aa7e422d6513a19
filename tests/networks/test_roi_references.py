"""Boxes against torchvision (values stored by scripts/make_roi_references.py), plain loops, and by hand."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.networks.boxes import (  # noqa: E402
    box_means,
    clip,
    decode,
    encode,
    intersection,
    iou,
    make_anchors,
    paste,
    roi_align,
    suppress,
    volume,
)

STORED = np.load(Path(__file__).parent / "roi_references.npz")


def boxes_of(xyxy):
    """torchvision's x1, y1, x2, y2 as (N, 2, D) in the order Y, X."""
    return torch.tensor(xyxy).reshape(-1, 2, 2).flip(-1)


def deltas_of(xywh):
    """torchvision's dx, dy, dw, dh as ours."""
    return torch.tensor(xywh).reshape(-1, 2, 2).flip(-1)


def test_overlap_agrees_with_torchvision():
    assert np.allclose(iou(boxes_of(STORED["one"]), boxes_of(STORED["two"])), STORED["iou"], atol=1e-6)


def test_deltas_agree_with_torchvision():
    boxes, anchors = boxes_of(STORED["one"][:7]), boxes_of(STORED["two"])
    assert torch.allclose(encode(boxes, anchors), deltas_of(STORED["encoded"]), atol=1e-5)
    assert torch.allclose(
        decode(deltas_of(STORED["deltas"]), anchors), boxes_of(STORED["decoded"]), rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("overlap", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("block", [7, 1024])
def test_suppression_is_that_of_the_greedy_loop(overlap, block):
    kept = suppress(boxes_of(STORED["nms_boxes"]), torch.tensor(STORED["nms_scores"]), overlap, block=block)
    assert kept.tolist() == STORED[f"nms_{overlap}"].tolist()


@pytest.mark.parametrize("ratio", [2, 3, 0])
@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align_agrees_with_torchvision(ratio, aligned):
    found = roi_align(
        torch.tensor(STORED["features"]),
        boxes_of(STORED["rois"]),
        torch.tensor(STORED["image"]).long(),
        (5, 7),
        scale=0.5,
        sampling_ratio=ratio,
        aligned=aligned,
    )
    assert np.allclose(found, STORED[f"align_{ratio}_{aligned}"], atol=2e-5)


def interpolated(feature, at):
    """One point of a volume as the definition says, in a loop over the corners of its cell."""
    if any(a < -1 or a > n for a, n in zip(at, feature.shape, strict=True)):
        return 0.0
    at = [min(max(a, 0.0), n - 1) for a, n in zip(at, feature.shape, strict=True)]
    low = [min(int(a), n - 2) if n > 1 else 0 for a, n in zip(at, feature.shape, strict=True)]
    total = 0.0
    for corner in product((0, 1), repeat=len(at)):
        share = math.prod(a - k if c else 1 - a + k for a, k, c in zip(at, low, corner, strict=True))
        if share:
            total += share * feature[tuple(k + c for k, c in zip(low, corner, strict=True))]
    return total


@pytest.mark.parametrize(("ratio", "aligned"), [(2, True), (0, True), (1, False)])
def test_roi_align_in_3d_agrees_with_a_plain_loop(ratio, aligned):
    rng = np.random.default_rng(0)
    feature, size, scale = rng.normal(size=(6, 5, 7)), (2, 3, 2), (1.0, 0.5, 0.5)
    boxes = np.array([[[0.3, 1.2, 2.0], [5.1, 8.0, 13.3]], [[-3.0, 2.0, 0.0], [2.0, 2.6, 16.0]]])
    wanted = np.zeros((2, *size))
    for k, (low, high) in enumerate(boxes):
        start = low * scale - (0.5 if aligned else 0)
        extent = (high - low) * scale
        extent = extent if aligned else np.maximum(extent, 1)
        counts = [ratio or max(1, math.ceil(e / n)) for e, n in zip(extent, size, strict=True)]
        for place in np.ndindex(size):
            points = []
            for point in np.ndindex(*counts):
                steps = [(p * c + q + 0.5) / (n * c) for p, q, c, n in zip(place, point, counts, size, strict=True)]
                points.append(interpolated(feature, start + extent * np.array(steps)))
            wanted[(k, *place)] = np.mean(points)
    found = roi_align(
        torch.tensor(feature)[None, None],
        torch.tensor(boxes),
        torch.zeros(2, dtype=torch.int64),
        size,
        scale=scale,
        sampling_ratio=ratio,
        aligned=aligned,
    )
    assert np.allclose(found[:, 0], wanted, atol=1e-9)


def test_roi_align_without_boxes_keeps_the_gradient_alive():
    features = torch.rand(2, 3, 4, 4, requires_grad=True)
    found = roi_align(features, torch.zeros(0, 2, 2), torch.zeros(0, dtype=torch.int64), (2, 2))
    assert found.shape == (0, 3, 2, 2)
    found.sum().backward()
    assert float(features.grad.abs().sum()) == 0


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_overlap_of_cubes_by_hand(ndim):
    # side 2, shifted by 1 along the last axis: half of it is shared
    one = torch.stack((torch.zeros(ndim), torch.full((ndim,), 2.0)))[None]
    two = one + torch.tensor([0.0] * (ndim - 1) + [1.0])
    assert float(volume(one)) == 2**ndim
    assert float(intersection(one, two)) == 2 ** (ndim - 1)
    assert float(iou(one, two)) == pytest.approx(1 / 3)
    assert float(iou(one, one + 5)) == 0
    assert float(iou(one[:, [0, 0]], one[:, [0, 0]])) == 0  # without volume there is no overlap, and no NaN


@pytest.mark.parametrize("ndim", [2, 3])
def test_decoding_gives_back_what_was_encoded(ndim):
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(2, 20, ndim, generator=generator) * 50
    one, two = torch.stack((low, low + 1 + 20 * torch.rand(2, 20, ndim, generator=generator)), -2)
    assert torch.allclose(decode(encode(one, two), two), one, atol=1e-3)


def test_classes_are_suppressed_each_for_itself():
    boxes = torch.tensor([[[0.0, 0.0], [4.0, 4.0]]]).repeat(3, 1, 1)
    scores, groups = torch.tensor([0.5, 0.9, 0.7]), torch.tensor([1, 1, 2])
    assert suppress(boxes, scores, 0.5, groups).tolist() == [1, 2]
    assert suppress(boxes, scores, 0.5).tolist() == [1]
    assert suppress(boxes[:0], scores[:0], 0.5).tolist() == []


def test_a_box_falls_only_to_one_that_stays():
    # 0 removes 1, so 1 cannot remove 2
    row = torch.tensor([[[0.0], [10.0]], [[4.0], [14.0]], [[8.0], [18.0]]])
    assert suppress(row, torch.tensor([3.0, 2.0, 1.0]), 0.3).tolist() == [0, 2]


@pytest.mark.parametrize("shape", [(9, 11), (5, 6, 7)])
def test_means_over_boxes_are_those_of_slices(shape):
    rng = np.random.default_rng(1)
    values = rng.random(shape)
    low = rng.integers(-3, 4, (12, len(shape)))
    high = low + rng.integers(1, 9, low.shape)
    boxes = torch.tensor(np.stack((low, high), 1)).float()
    wanted = [
        values[tuple(slice(max(0, a), max(0, b)) for a, b in zip(*box, strict=True))]
        for box in zip(low, high, strict=True)
    ]
    wanted = [v.mean() if v.size else 0.0 for v in wanted]
    assert np.allclose(box_means(torch.tensor(values), boxes), wanted)


def test_anchors_lie_around_the_centres_of_the_cells():
    found = make_anchors((1, 2), (4, 8), torch.tensor([[2.0, 6.0], [4.0, 4.0]]))
    assert found[0].tolist() == [[1.0, 1.0], [3.0, 7.0]]
    assert found[3].tolist() == [[0.0, 10.0], [4.0, 14.0]]


def test_clipped_boxes_lie_in_the_image():
    assert clip(torch.tensor([[[-3.0, 2.0], [4.0, 99.0]]]), (3, 8)).tolist() == [[[0.0, 2.0], [3.0, 8.0]]]


def test_a_mask_is_pasted_where_its_box_is():
    mask = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    # two cells over 8 voxels: their centres lie at 2 and 6, between them the mask rises by a quarter a voxel
    row = paste(mask, torch.tensor([[0.0, 2.0], [4.0, 10.0]]), (0, 0), (4, 12))[1]
    assert row.tolist() == pytest.approx([0, 0, 0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1, 0, 0])
    # a window of it shows the same
    assert paste(mask, torch.tensor([[0.0, 2.0], [4.0, 10.0]]), (1, 5), (2, 8)).tolist() == [row[5:8].tolist()]


def test_a_cube_is_pasted_in_3d():
    found = paste(torch.ones(4, 4, 4), torch.tensor([[1.0, 2.0, 3.0], [3.0, 5.0, 4.0]]), (0, 0, 0), (4, 6, 6))
    assert found.nonzero().amin(0).tolist() == [1, 2, 3]
    assert found.nonzero().amax(0).tolist() == [2, 4, 3]
    assert float(found.sum()) == 2 * 3 * 1
