"""An image is looked at in the voxel size that the model learnt, and its labels come back on its own grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zarr
from scipy import ndimage as ndi

from napari_segplugin.core import (
    ClassTable,
    Image,
    Kind,
    ModelSpec,
    Note,
    Sample,
    Task,
    TileSpec,
    TrainSpec,
    drain,
)
from napari_segplugin.core.place import Place, place_in_recipe
from napari_segplugin.data.resample import Resampled, Taps, linear, regridded, vote
from napari_segplugin.engine.predict.edge_map import edge_map
from napari_segplugin.engine.predict.estimate import estimate
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.predict.propose import propose
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.engine.voxel_size import look_of, ratios

CLASSES = ClassTable.named(["small", "large"], Kind.STUFF)
EXACT = TileSpec(precision="float32")


def discs(spacing, side=96.0, seed=0):
    """An image of `side` mm with discs of 3 mm and 9 mm radius, and the class of each pixel; only their size tells them apart."""
    rng = np.random.default_rng(seed)
    n = round(side / spacing)
    y, x = (np.mgrid[:n, :n] + 0.5) * spacing
    truth = np.zeros((n, n), np.int64)
    for i in range(16):
        cy, cx = ((np.array(divmod(i, 4)) + 0.5) / 4 + rng.uniform(-0.01, 0.01, 2)) * side
        size = 1 + int(rng.random() < 0.5)
        truth[np.hypot(y - cy, x - cx) < (3, 9)[size - 1]] = size
    return Image((truth > 0) * 100.0 + rng.normal(0, 3, (n, n)), "YX", (spacing,) * 2, "mm"), truth


def spec_of(ndim=2, spacing=(1.0, 1.0), unit="mm", task=Task.SEMANTIC):
    classes = CLASSES if task is Task.SEMANTIC else ClassTable.named(["cell"])
    return ModelSpec("unet", ndim, 1, task, classes, {"widths": (4, 6)}, spacing, unit)


def bundle_of(ndim=3, spacing=(1.0, 1.0, 1.0), unit="mm", task=Task.SEMANTIC):
    loose = {"foreground": 0.3, "seed": 0.4, "smooth": 0.5, "min_size": 1}
    bundle = new_bundle(spec_of(ndim, spacing, unit, task), name="small", seed=1)
    return replace(bundle, decode={} if task is Task.SEMANTIC else loose)


def noise(shape, axes, spacing, unit="mm", smooth=1.0):
    values = ndi.gaussian_filter(np.random.default_rng(0).random(shape), smooth)
    return Image((255 * (values - values.min()) / np.ptp(values)).astype(np.uint8), axes, spacing, unit)


def notes_of(job):
    events: list[object] = []
    found = drain(job, events.append)
    return found, [e for e in events if isinstance(e, Note) and e.setting == "voxel_size"]


@pytest.fixture(scope="module")
def model():
    """Learns the two classes at 1 mm, by nothing but their size."""
    samples = [Sample(*discs(1.0, seed=seed)) for seed in range(4)]
    bundle = new_bundle(replace(spec_of(), options={"widths": (8, 12, 16)}), name="discs", seed=0)
    return drain(train(samples, bundle, TrainSpec(seconds=0, steps=120, device="cpu", patch=(64, 64), batch=4)))


@pytest.mark.parametrize("spacing", [0.5, 1.0, 2.0])
def test_the_same_scene_has_the_same_areas_at_any_voxel_size(model, spacing):
    image, truth = discs(spacing, seed=9)
    found = drain(predict(image, model, device="cpu"))
    assert found.labels.shape == truth.shape
    assert found.spacing == (spacing, spacing)
    at_home = drain(predict(discs(1.0, seed=9)[0], model, device="cpu")).labels
    for number in (1, 2):
        own, right = (float((x == number).sum()) for x in (found.labels, at_home))
        assert own * spacing**2 == pytest.approx(right, rel=0.05)  # mm²
        both = (
            2
            * ((found.labels == number) & (truth == number)).sum()
            / ((found.labels == number).sum() + (truth == number).sum())
        )
        assert both > 0.85


def test_switched_off_the_image_is_looked_at_as_it_is(model):
    image, truth = discs(0.5, seed=9)
    found, notes = notes_of(predict(image, model, device="cpu", tiles=TileSpec(rescale=False)))
    unknown = drain(predict(replace(image, spacing=(1.0, 1.0), unit="pixel"), model, device="cpu"))
    assert np.array_equal(found.labels, unknown.labels)
    assert not notes
    assert "seen" not in found.recipe
    small = 2 * ((found.labels == 1) & (truth == 1)).sum() / ((found.labels == 1).sum() + (truth == 1).sum())
    assert small < 0.5  # what the switch is for: sizes tell the classes apart


def test_it_is_said_and_recorded(model):
    image, _ = discs(0.5, side=48.0)
    found, notes = notes_of(predict(image, model, device="cpu"))
    assert [n.text for n in notes] == [
        "The image has pixels of 0.5 mm, and the model learnt at 1 mm: it is resampled to 1 mm, and the labels come back at 0.5 mm."
    ]
    assert found.recipe["seen"] == {"spacing": [1.0, 1.0], "unit": "mm", "factors": [0.5, 0.5]}
    assert found.recipe["input"]["spacing"] == [0.5, 0.5]
    assert found.recipe["input"]["shape"] == [96, 96]
    assert "resampled to 1 mm" in estimate(image, model, device="cpu").text
    assert "resampled" not in estimate(image, model, device="cpu", tiles=TileSpec(rescale=False)).text


@pytest.mark.parametrize(
    ("spacing", "unit"), [((1.0, 1.0), "mm"), ((1.05, 0.95), "mm"), ((1000.0, 1000.0), "um"), ((1.0, 1.0), "pixel")]
)
def test_nothing_changes_where_the_size_is_the_same_or_not_known(model, spacing, unit):
    image, _ = discs(1.0, side=48.0)
    plain = drain(predict(image, model, device="cpu", tiles=TileSpec(rescale=False)))
    found, notes = notes_of(predict(replace(image, spacing=spacing, unit=unit), model, device="cpu"))
    assert np.array_equal(found.labels, plain.labels)
    assert not notes


def test_the_estimate_counts_what_is_looked_at(model):
    image, _ = discs(0.25, side=256.0)
    plain, seen = (estimate(image, model, device="cpu", tiles=TileSpec(rescale=r)) for r in (False, True))
    assert 8 < plain.memory_bytes / seen.memory_bytes < 20


@pytest.mark.parametrize("task", [Task.SEMANTIC, Task.INSTANCE])
@pytest.mark.parametrize(("axes", "shape", "spacing"), [
    ("ZYX", (12, 20, 22), (0.5, 1.0, 2.0)), ("TZYX", (2, 8, 14, 12), (1.5, 1.5, 0.75)), ("YZX", (20, 12, 22), (1.0, 0.5, 2.0)),
])  # fmt: skip
def test_labels_come_back_on_the_grid_of_the_image(axes, shape, spacing, task):
    image = noise(shape, axes, spacing)
    found = drain(predict(image, bundle_of(task=task), device="cpu", tiles=EXACT))
    assert found.labels.shape == tuple(image.sizes[a] for a in found.axes)
    assert found.spacing == image.canonical_spacing
    present = np.unique(found.labels)
    if task is Task.INSTANCE:
        assert set(present[present > 0]) == set(found.objects.label.tolist())
    picture = replace(
        image, array=np.moveaxis(image.array, axes.index("Z"), -3), axes=found.axes, spacing=found.spacing
    )
    assert np.array_equal(found.labels, drain(predict(picture, bundle_of(task=task), device="cpu", tiles=EXACT)).labels)


def test_planes_keep_their_distance_with_a_flat_model():
    image = noise((3, 24, 28), "ZYX", (5.0, 0.5, 0.5))
    bundle = bundle_of(2, (1.0, 1.0))
    found = drain(predict(image, bundle, device="cpu", tiles=EXACT))
    assert found.recipe["seen"]["spacing"] == [5.0, 1.0, 1.0]
    flat = drain(predict(replace(image.plane(1), whole=None), bundle, device="cpu", tiles=EXACT, region=None))
    assert found.labels.shape == (3, 24, 28)
    assert flat.labels.shape == (24, 28)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (2.0, 1.6, 1.6)])
def test_a_region_is_the_region_of_the_whole(spacing):
    image, bundle = noise((14, 30, 32), "ZYX", spacing, smooth=2.0), bundle_of()
    whole = drain(predict(image, bundle, device="cpu", tiles=EXACT))
    assert len(np.unique(whole.labels)) > 1
    region = (slice(5, 6), slice(3, 27), slice(10, 29))
    part = drain(predict(image, bundle, device="cpu", tiles=EXACT, region=region))
    assert np.array_equal(part.labels, whole.labels[region])
    assert part.recipe["origin"] == [5, 3, 10]


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (2.0, 1.6, 1.6)])
def test_tiles_and_a_zarr_hold_what_memory_would(tmp_path, spacing):
    image, bundle = noise((14, 60, 62), "ZYX", spacing, smooth=2.0), bundle_of()
    whole = drain(predict(image, bundle, device="cpu", tiles=EXACT))
    tiled = drain(predict(image, bundle, device="cpu", tiles=replace(EXACT, size=(48, 48, 48))))
    drain(predict(image, bundle, device="cpu", tiles=EXACT, output=tmp_path / "out.zarr"))
    assert np.array_equal(tiled.labels, whole.labels)
    assert np.array_equal(np.asarray(zarr.open_array(tmp_path / "out.zarr")[:]), whole.labels)


def test_zoom_comes_on_top():
    image, bundle = noise((24, 28), "YX", (0.5, 0.5), smooth=2.0), bundle_of(2, (1.0, 1.0))
    both = drain(predict(image, bundle, device="cpu", tiles=replace(EXACT, zoom=2.0)))
    alone = drain(predict(image, bundle, device="cpu", tiles=replace(EXACT, rescale=False)))
    # half and twice: the grid of the image itself
    assert np.array_equal(both.labels, alone.labels)
    assert both.recipe["zoom"] == 2.0


@pytest.mark.parametrize(
    ("shape", "spacing", "words"),
    [((60, 30, 30), (10.0, 10.0, 10.0), "too different"), ((60, 80, 80), (0.1, 0.1, 0.1), "too different"),
     ((5, 40, 40), (0.25, 1.0, 1.0), "too few voxels")],
)  # fmt: skip
def test_what_is_too_different_is_looked_at_as_it_is_and_said(shape, spacing, words):
    image = noise(shape, "ZYX", spacing)
    look = look_of(image, spec_of(3, (1.0, 1.0, 1.0)))
    assert look.plain
    assert look.note is not None
    assert words in look.note.text
    assert "may be wrong" in look.note.text
    if shape[0] == 5:
        found, notes = notes_of(predict(image, bundle_of(), device="cpu"))
        assert len(notes) == 1
        assert np.array_equal(
            found.labels,
            drain(predict(replace(image, unit="pixel", spacing=(1.0,) * 3), bundle_of(), device="cpu")).labels,
        )


def test_of_sizes_in_pixels_the_shape_counts():
    # the shipped model of nuclei in 3D learnt from planes 2.18 times as far apart as pixels
    model = (2.18, 1.0, 1.0), "pixel"
    assert ratios((1.0, 0.46, 0.46), "um", *model) == pytest.approx((1 / 0.46 / 2.18, 1, 1))
    assert ratios((2.18, 1.0, 1.0), "pixel", *model) == (1, 1, 1)
    assert ratios((1.0, 1.0, 1.0), "pixel", *model) is None
    assert ratios((0.3, 0.3, 0.3), "um", *model) == pytest.approx((1 / 2.18, 1, 1))
    assert ratios((1.0, 1.0, 1.0), "um", (1.0, 1.0, 1.0), "pixel") is None
    assert ratios((1.0, 1.0), "um", (), "pixel") is None
    note = look_of(noise((40, 20, 20), "ZYX", (0.3, 0.3, 0.3), "um"), spec_of(3, *model)).note
    assert note is not None
    assert "0.3 um" in note.text
    assert "2.18 × 1 × 1 pixel" in note.text


def test_the_result_of_a_region_lies_where_the_image_lay():
    place = Place.of_spacing({"Z": 0.5, "Y": 0.5, "X": 0.5}, {"Z": 10.0, "Y": 20.0, "X": 30.0})
    image = replace(noise((16, 24, 24), "ZYX", (0.5, 0.5, 0.5)), place=place)
    found = drain(predict(image, bundle_of(), device="cpu", region=(slice(4, 12), slice(2, 20), slice(6, 20))))
    there = place_in_recipe(found.recipe)
    assert there is not None
    assert there.matrix[:3, 3].tolist() == [12.0, 21.0, 33.0]
    assert there.spacing == (0.5, 0.5, 0.5)


def test_every_nth_voxel_is_that_of_the_whole():
    array = np.random.default_rng(1).random((2, 30, 22, 18)).astype(np.float32)
    table = Resampled(array, {1: 47, 2: 9, 3: 18})
    whole = table[:, :, :, :]
    np.testing.assert_allclose(table[:, ::3, 1::2, ::2], whole[:, ::3, 1::2, ::2], atol=1e-6)
    np.testing.assert_allclose(table[1, 5::4, ::5], whole[1, 5::4, ::5], atol=1e-6)


def test_a_vote_is_the_largest_of_the_masks_in_between():
    labels = ndi.zoom(np.random.default_rng(0).integers(0, 4, (5, 6, 7)), 2, order=0)
    for shape in ((23, 20, 31), (7, 9, 6), (10, 24, 14)):
        taps = [Taps.of(0, n, n, b) for n, b in zip(shape, labels.shape, strict=True)]
        masks = np.stack([linear((labels == k).astype(float), taps) for k in range(4)])
        best = np.sort(masks, 0)
        clear = best[-1] - best[-2] > 1e-5
        assert np.array_equal(vote(labels, taps)[clear], masks.argmax(0)[clear])
        assert clear.mean() > 0.7


def test_a_click_sees_the_same_voxel_size(model):
    image, truth = discs(0.5, seed=9)
    number = int(truth.max())
    place = np.argwhere(ndi.label(truth == number)[0] == 1)
    point = tuple(int(v) for v in place[len(place) // 2])
    region = tuple(slice(max(0, p - 40), min(n, p + 40)) for p, n in zip(point, truth.shape, strict=True))
    right = (ndi.label(truth == number)[0] == 1)[region]
    free = np.ones(right.shape, bool)
    free[:, :2] = False
    for given in (
        {"point": point},
        {"box": tuple(slice(a, b + 1) for a, b in zip(place.min(0), place.max(0), strict=True))},
    ):
        found = propose(image, model, region, free=free, device="cpu", **given)
        assert all(p.region == region and p.mask.shape == right.shape and not p.mask[~free].any() for p in found)
        best = max((p.mask & right).sum() / (p.mask | right).sum() for p in found)
        assert best > 0.8
        # classes are told apart by size, so the grid matters: as it is, a small disc is taken for a large one
        assert found[0].class_id == number


def test_edges_are_seen_at_the_same_voxel_size():
    options = {"widths": (4, 8), "shape_width": 4, "context_width": 4}
    bundle = new_bundle(replace(spec_of(), network="gated_scnn", options=options), name="edges", seed=1)
    image = noise((60, 48), "YX", (0.5, 0.5), smooth=3.0)
    coarse = regridded(image, (0.5, 0.5))
    found = drain(edge_map(image, bundle, device="cpu", tiles=EXACT))
    seen = drain(edge_map(replace(coarse, array=coarse.array[:, :]), bundle, device="cpu", tiles=EXACT))
    assert found.spacing == (0.5, 0.5)
    taps = [Taps.of(0, n, n, b) for n, b in zip((60, 48), (30, 24), strict=True)]
    assert np.allclose(found.array, linear(np.asarray(seen.array), taps), atol=1e-4)
    region = (slice(7, 30), slice(11, 40))
    part = drain(edge_map(image, bundle, device="cpu", tiles=EXACT, region=region))
    assert np.allclose(part.array, np.asarray(found.array)[region], atol=1e-4)
    plain = drain(edge_map(image, bundle, device="cpu", tiles=replace(EXACT, rescale=False)))
    assert not np.allclose(plain.array, found.array, atol=0.02)
