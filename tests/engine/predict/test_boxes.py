"""Networks that find boxes: tiles give the whole, objects are painted by score, judging and training work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy import ndimage as ndi  # noqa: E402

from napari_segplugin.core import (  # noqa: E402
    ClassInfo,
    ClassTable,
    Image,
    Kind,
    LossSpec,
    LossTerm,
    Metric,
    ModelBundle,
    ModelSpec,
    Normalisation,
    Sample,
    Stage,
    Step,
    Task,
    TileSpec,
    TrainSpec,
    drain,
)
from napari_segplugin.data.corrections import Corrections  # noqa: E402
from napari_segplugin.data.tiles import Tile, plan  # noqa: E402
from napari_segplugin.engine import network as network_module  # noqa: E402
from napari_segplugin.engine.predict.boxes import DEFAULTS, PaintBlocks, balance_regions, gather, segment  # noqa: E402
from napari_segplugin.engine.predict.predict import predict  # noqa: E402
from napari_segplugin.engine.train.anchors import fit_to_objects, object_sides, suggest_options  # noqa: E402
from napari_segplugin.engine.train.finetune import finetune  # noqa: E402
from napari_segplugin.engine.train.heldout import SampleJudge  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle, train  # noqa: E402
from napari_segplugin.networks.mask_rcnn_detections import Detections  # noqa: E402

THINGS = ClassTable.named(["cell"])
MIXED = ClassTable((*THINGS, ClassInfo(2, "soil", "#999999", Kind.STUFF)))
SIDE = 20


class Bright(torch.nn.Module):
    """Finds what is brighter than 0.4 and not connected, as far as it sees it; soil is what is brighter than 0.1.

    The score is the brightness, so objects that a tile's edge cuts are found too, as pieces.
    """

    def __init__(self, ndim, n_classes):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.ndim, self.n_classes = ndim, n_classes
        self.halo, self.multiple = (SIDE // 2 + 2,) * ndim, (4,) * ndim

    def forward(self, x):
        x = x[:, 0] * self.weight
        maps = [torch.full_like(x, 0.0), torch.full_like(x, -9.0), (x - 0.1) * 50]
        return torch.stack(maps[: self.n_classes], 1)

    def run(self, x, score, overlap):
        return self(x), [self._one(image, score) for image in x[:, 0].float().numpy()]

    def _one(self, image, least):
        labels, _ = ndi.label(image > 0.4)
        rows = []
        for k, box in enumerate(ndi.find_objects(labels), 1):
            mask = labels[box] == k
            bright = float(image[box][mask].max())
            if bright >= least:
                cells = [np.arange(24) * s // 24 for s in mask.shape]
                rows.append(([[s.start for s in box], [s.stop for s in box]], bright, mask[np.ix_(*cells)]))
        boxes = torch.tensor([r[0] for r in rows], dtype=torch.float32).reshape(-1, 2, self.ndim)
        masks = torch.tensor(np.array([r[2] for r in rows]).reshape(-1, *(24,) * self.ndim), dtype=torch.float32)
        return Detections(boxes, torch.ones(len(rows), dtype=torch.int64), torch.tensor([r[1] for r in rows]), masks)


@pytest.fixture
def bright(monkeypatch):
    """A bundle of the network above."""

    def make(ndim=2, task=Task.INSTANCE, classes=THINGS, **decode):
        monkeypatch.setattr(network_module, "build", lambda spec, n: Bright(spec.ndim, len(spec.classes)))
        spec = ModelSpec("mask_rcnn", ndim, 1, task, classes)
        weights = {"weight": np.ones((), np.float32)}
        return ModelBundle("bright", spec, weights, Normalisation(0, 100, 1), decode={"min_size": 1, **decode})

    return make


def scene(shape, centres, side=SIDE, soil=False):
    """Cubes of different brightness around the centres; the image spans 0 to 1."""
    image = np.zeros(shape, np.float32)
    if soil:
        image[: shape[0] // 2] = 0.2
    truth = np.zeros(shape, np.int64)
    for k, centre in enumerate(centres, 1):
        box = tuple(slice(max(0, c - side // 2), c + side // 2) for c in centre)
        image[box], truth[box] = 0.5 + 0.5 * k / len(centres), k
    return Image(image, "ZYX"[-len(shape) :]), truth


def same(one, two):
    """Whether two label images hold the same objects, whatever their numbers."""
    pairs = np.unique(np.stack((np.ravel(one), np.ravel(two))), axis=1)
    return all(len(np.unique(row)) == pairs.shape[1] for row in pairs) and ((pairs == 0).sum(0) != 1).all()


# on the edges and corners of tiles that write 48 voxels, at the border of the image, and in the middle of a tile
PLACES = [(48, 20), (48, 48), (20, 48), (47, 96), (95, 95), (10, 10), (96, 20), (120, 140), (72, 72), (150, 90)]


def test_the_whole_and_its_tiles_give_the_same(bright):
    image, truth = scene((160, 150), PLACES)
    bundle = bright()
    whole = drain(predict(image, bundle))
    assert same(whole.labels, truth)
    events = []
    tiled = drain(predict(image, bundle, tiles=TileSpec(size=(72, 72))), events.append)
    assert tiled.recipe["tiles"]["count"] >= 9
    assert same(tiled.labels, truth)
    assert tiled.objects.score == pytest.approx(whole.objects.score)
    assert [e.text for e in events if isinstance(e, Stage)][-1] == "Drawing objects"
    steps = [e for e in events if isinstance(e, Step)]
    assert steps[-1].done == steps[-1].total


def test_a_volume_and_its_tiles_give_the_same(bright):
    image, truth = scene((30, 64, 64), [(15, 32, 32), (5, 10, 32), (20, 32, 60), (28, 60, 8)], side=12)
    bundle = bright(3)
    tiled = drain(predict(image, bundle, tiles=TileSpec(size=(30, 48, 48))))
    assert tiled.recipe["tiles"]["count"] > 1
    assert same(tiled.labels, truth)


def test_a_region_is_cut_out_of_the_whole(bright):
    image, truth = scene((160, 150), PLACES)
    region = (slice(44, 130), slice(15, 99))
    for tiles in (None, TileSpec(size=(64, 64))):
        found = drain(predict(image, bright(), region=region, tiles=tiles))
        assert same(found.labels, truth[region])  # objects whose centre lies outside are there as well


def test_results_on_disk_are_those_in_memory(bright, tmp_path):
    image, truth = scene((160, 150), PLACES)
    for task, classes in ((Task.INSTANCE, THINGS), (Task.PANOPTIC, MIXED)):
        bundle = bright(2, task, classes)
        inside = drain(predict(image, bundle, tiles=TileSpec(size=(72, 72))))
        outside = drain(predict(image, bundle, tiles=TileSpec(size=(72, 72)), output=tmp_path / f"{task}.zarr"))
        assert np.array_equal(np.asarray(outside.labels), inside.labels)
        assert outside.objects.score == pytest.approx(inside.objects.score, abs=1e-3)
    assert same(np.where(inside.semantic() == 1, inside.labels, 0), truth)


def test_planes_and_frames_are_images_of_their_own(bright):
    shape = (60, 60)
    one, first = scene(shape, [(20, 20), (40, 45)])
    two, second = scene(shape, [(30, 30)])
    bundle = bright()
    planes = Image(np.stack([one.array, two.array]), "ZYX")
    found = drain(predict(planes, bundle, tiles=TileSpec(size=(2, 44, 44))))
    assert found.labels.shape == (2, *shape)
    assert same(found.labels[0], first)
    assert same(found.labels[1], second)
    assert len(found.objects) == 3  # numbers are unique over the planes
    part = drain(predict(planes, bundle, region=(slice(1, 2), slice(0, 60), slice(10, 60))))
    assert same(part.labels[0], second[:, 10:])
    frames = drain(predict(Image(planes.array, "TYX"), bundle))
    assert np.array_equal(frames.labels, found.labels)


def test_stuff_lies_where_no_object_is(bright):
    image, truth = scene((60, 80), [(20, 20), (40, 60)], soil=True)
    found = drain(predict(image, bright(2, Task.PANOPTIC, MIXED)))
    kinds = found.semantic()
    assert (kinds == np.where(truth > 0, 1, np.where(np.arange(60)[:, None] < 30, 2, 0))).all()
    assert sorted(found.objects.class_id.tolist()) == [1, 1, 2]
    assert same(np.where(kinds == 1, found.labels, 0), truth)
    soil = found.objects.score[found.objects.class_id == 2]
    assert soil == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-3)


def test_an_object_that_is_larger_than_the_halo_comes_in_pieces_not_twice(bright):
    image, truth = scene((48, 160), [(24, 80)], side=44)
    found = drain(predict(image, bright(), tiles=TileSpec(size=(48, 96), halo=(4, 4))))
    assert ((found.labels > 0) == (truth > 0)).all()
    assert 1 <= len(found.objects) <= 2


def test_cancel_leaves_nothing_on_disk(bright, tmp_path):
    image, _ = scene((160, 150), PLACES)
    job = predict(image, bright(), tiles=TileSpec(size=(72, 72)), output=tmp_path / "out.zarr")
    for event in job:
        if isinstance(event, Step) and event.done == 2:
            break
    job.close()
    assert list(tmp_path.iterdir()) == []


def detections(rows, size=4):
    """Squares (low, high, score) as detections with full masks."""
    boxes = torch.tensor([[low, high] for low, high, _ in rows], dtype=torch.float32)
    masks = torch.full((len(rows), *(size,) * boxes.shape[2]), 255, dtype=torch.uint8)
    return Detections(boxes, torch.ones(len(rows), dtype=torch.int64), torch.tensor([s for *_, s in rows]), masks)


def paint(found, shape, **params):
    out = np.zeros(shape, np.int32)
    rest = {"classes": THINGS, "params": {**DEFAULTS, "min_size": 1, **params}, "block": (5, 5), "most": 100}
    job = PaintBlocks(shape=shape, read=lambda r: np.zeros(0), out=out, found=found, **rest)
    return out, drain(job.run())


def test_each_voxel_goes_to_the_best_object():
    found = detections([((0, 0), (4, 6), 0.9), ((0, 4), (4, 10), 0.6)])
    labels, table = paint(found, (8, 12))
    assert table.score.tolist() == pytest.approx([0.6, 0.9])
    assert (labels[:4, :6] == 2).all()
    assert (labels[:4, 6:10] == 1).all()
    assert labels[4:].sum() == 0


def test_objects_that_are_hidden_or_small_are_left_out():
    rows = [((0, 0), (4, 8), 0.9), ((0, 4), (4, 9), 0.6), ((6, 0), (8, 2), 0.8)]
    labels, table = paint(detections(rows), (8, 12))
    assert len(table) == 2  # four fifths of the second are hidden
    assert set(np.unique(labels)) == {0, 1, 2}
    assert len(paint(detections(rows), (8, 12), min_size=5)[1]) == 1
    assert len(paint(detections(rows), (8, 12), visible=0.1)[1]) == 3


def test_a_piece_beside_the_whole_object_falls():
    tiles = plan((20, 40), (20, 24), (4, 4))
    assert [t.read[1] for t in tiles] == [slice(0, 24), slice(16, 40)]
    whole, piece = detections([((2, 8), (18, 22), 0.6)]), detections([((2, 0), (18, 6), 0.9)])
    # the second tile sees only the end of it, whose centre lies within the margin
    found = gather([(tiles[0], whole), (tiles[1], piece)], (slice(0, 20), slice(0, 40)), 0.5)
    assert found.scores.tolist() == pytest.approx([0.6])


def test_what_is_seen_twice_at_the_border_of_two_tiles_is_kept_once():
    tiles = [
        Tile((slice(0, 30),), (slice(0, 20),), (slice(0, 20),)),
        Tile((slice(10, 40),), (slice(10, 30),), (slice(20, 40),)),
    ]
    one, two = detections([((17,), (23.2,), 0.7)]), detections([((6.9,), (13,), 0.8)])
    found = gather([(tiles[0], one), (tiles[1], two)], (slice(0, 40),), 0.5)
    assert found.boxes[0].flatten().tolist() == pytest.approx([16.9, 23])
    assert len(found.scores) == 1


def test_the_judge_measures_what_is_painted(bright):
    image, truth = scene((80, 80), [(20, 20), (50, 60)])
    bundle = bright()
    sample = Sample(image, (truth > 0).astype(int), truth)
    figures = SampleJudge([sample], bundle)(Bright(2, 2).train())
    assert figures == {"held-out object IoU": 1.0, "held-out Dice": 1.0}
    shifted = Sample(image, *(np.roll(a, 10, 0) for a in ((truth > 0).astype(int), truth)))
    assert SampleJudge([shifted], bundle)(Bright(2, 2))["held-out object IoU"] == pytest.approx(1 / 3)


def test_one_piece_gives_classes_and_numbers(bright):
    image, truth = scene((60, 60), [(20, 20), (40, 45)], soil=True)
    kinds, labels = segment(Bright(2, 3).eval(), image.read(), bright(2, Task.PANOPTIC, MIXED))
    assert set(np.unique(kinds)) == {0, 1, 2}
    assert same(np.where(kinds == 1, labels, 0), truth)


# training


def sample_of(shape=(64, 64), seed=0, side=12):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(side, n - side // 2, 2 * side) for n in shape), indexing="ij"), -1)
    centres = grid.reshape(-1, len(shape)) + rng.integers(-3, 4, (grid[..., 0].size, len(shape)))
    image, truth = scene(shape, centres.tolist(), side)
    return Sample(Image(image.array * 100 + rng.normal(0, 5, shape), image.axes), (truth > 0).astype(int), truth)


TINY = {"widths": (4, 8, 8), "channels": 8, "hidden": 16, "regions": 16, "roi_size": 3, "mask_size": 4}


@pytest.mark.parametrize(("shape", "task"), [((64, 64), Task.PANOPTIC), ((24, 40, 40), Task.INSTANCE)])
def test_training_fits_the_anchors_lowers_the_loss_and_repeats(shape, task):
    sample = sample_of(shape)
    bundle = new_bundle(ModelSpec("mask_rcnn", len(shape), 1, task, THINGS, TINY), name="tiny")
    spec = TrainSpec(seconds=0, steps=24, batch=2, patch=(16, 32, 32)[-len(shape) :], learning_rate=5e-3, device="cpu")
    values = {}
    events = []
    first, again = (drain(train([sample], bundle, spec), events.append) for _ in range(2))
    for e in events:
        if isinstance(e, Metric):
            values.setdefault(e.name, []).append(e.value)
    assert all(np.array_equal(v, again.weights[k]) for k, v in first.weights.items())
    assert set(values) >= {"proposal score", "proposal box", "object class", "object box", "mask", "cross_entropy"}
    assert "distance" not in values  # the map of another way to write objects
    half = len(values["loss"]) // 2  # of the two equal trainings
    assert np.mean(values["loss"][half - 6 : half]) < 0.95 * np.mean(values["loss"][:6])
    assert len(first.spec.options["anchor_sizes"]) == 2
    found = drain(predict(sample.image, first))
    assert found.labels.shape == shape
    assert SampleJudge([sample], first)(network_module.load(first)).keys() == {"held-out object IoU", "held-out Dice"}


def test_fine_tuning_on_painted_objects_runs_and_previews():
    sample = sample_of()
    bundle = new_bundle(ModelSpec("mask_rcnn", 2, 1, Task.INSTANCE, THINGS, TINY), name="tiny")
    paint = np.where(sample.instances > 0, sample.instances, 0).astype(np.uint16)
    spec = TrainSpec(seconds=0, steps=3, batch=1, patch=(32, 32), device="cpu")
    events = []
    result = drain(
        finetune(sample.image, Corrections(paint), bundle, spec, preview=(slice(0, 40), slice(0, 40))), events.append
    )
    assert result.bundle.spec.options["anchor_sizes"]
    assert set(result.after) == {"held-out object IoU", "held-out Dice"}
    assert any(type(e).__name__ == "Preview" and e.labels.shape == (40, 40) for e in events)


def test_the_iou_balanced_loss_weights_the_regions():
    module = network_module.build(ModelSpec("mask_rcnn", 2, 1, Task.INSTANCE, THINGS, TINY), 2)
    plain = module.class_loss, module.box_loss
    balance_regions(module, LossSpec())
    assert (module.class_loss, module.box_loss) == plain
    balance_regions(module, LossSpec((LossTerm("iou_balanced", options={"eta": 1.0}),)))
    logits = torch.zeros(2, 2, requires_grad=True)
    module.class_loss(logits, torch.tensor([1, 1]), torch.tensor([0.9, 0.1])).backward()
    assert logits.grad[:, 1].tolist() == pytest.approx([-0.45, -0.05])
    value = module.box_loss(torch.ones(1, 4), torch.zeros(1, 4), torch.tensor([0.25]), 2)
    assert float(value) == pytest.approx(2.5 * 4 * 0.5 * 0.125 / 2)


def test_sides_of_objects_are_those_of_their_boxes():
    labels = np.zeros((20, 20), int)
    labels[2:5, 3:10], labels[10, 10] = 7, 900
    assert object_sides(
        [Sample(Image(labels, "YX"), labels > 0, labels), Sample(Image(labels, "YX"), labels)], 2
    ).tolist() == [
        [3, 7],
        [1, 1],
    ]


@pytest.mark.parametrize(
    ("side", "first"), [(6, (1, 1)), (12, (2, 2)), (40, (8, 8)), (90, (8, 8))], ids=["tiny", "small", "large", "huge"]
)
def test_options_follow_the_size_of_the_objects(side, first):
    labels = np.kron(np.arange(1, 5).reshape(2, 2), np.pad(np.ones((side, side), int), 3))
    options = suggest_options([Sample(Image(labels, "YX"), labels > 0, labels)], 2)
    assert options["strides"] == (first, (2, 2), (2, 2))
    assert options["anchor_sizes"][1] == (side, side)


def test_flat_voxels_are_not_pooled_along_the_axis_they_are_long_in():
    labels = np.kron(np.arange(1, 9).reshape(2, 2, 2), np.pad(np.ones((5, 24, 24), int), 2))
    options = suggest_options([Sample(Image(labels, "ZYX"), labels > 0, labels)], 3)
    assert options["strides"] == ((1, 4, 4), (1, 2, 2), (1, 2, 2))
    small, middle, _ = options["anchor_sizes"]
    assert middle == (5, 24, 24)
    assert small[1] / small[0] == pytest.approx(24 / 5, rel=0.2)


def test_anchors_are_fitted_only_where_nothing_is_learnt_or_chosen():
    sample = sample_of()
    plain = new_bundle(ModelSpec("mask_rcnn", 2, 1, Task.INSTANCE, THINGS, TINY), name="a")
    fitted = fit_to_objects(plain, [sample])
    assert len(fitted.spec.options["anchor_sizes"]) == 2
    for kept in (
        replace(plain, history=({"steps": 1},)),
        replace(plain, spec=replace(plain.spec, options={**TINY, "anchor_sizes": (9, 18)})),
        replace(plain, spec=replace(plain.spec, network="unet", options={})),
    ):
        assert fit_to_objects(kept, [sample]) is kept
    assert suggest_options([Sample(sample.image, sample.classes)], 2) == {}
