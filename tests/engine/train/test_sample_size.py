"""Training images of several voxel sizes are brought to that of the model, and it is said what that costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage as ndi

import napari_segplugin as seg
from napari_segplugin.core import ClassTable, Image, InputError, Kind, ModelSpec, Note, Sample, Task, TrainSpec, drain
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.data.resample import ceiling, coarse, relabelled, resampled
from napari_segplugin.engine.train.finetune import finetune
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.engine.voxel_size import at_model_size, choose_size
from napari_segplugin.jobs import train as train_job


def ball(spacing, unit="mm", radius=8.0, side=(32.0, 32.0, 32.0), factor=1.0):
    """A ball of 8 mm in a volume of 32 mm, and its mask."""
    sizes = spacing if isinstance(spacing, tuple) else (spacing,) * 3
    shape = [round(s / v) for s, v in zip(side, sizes, strict=True)]
    grid = np.meshgrid(*((np.arange(n) + 0.5) * v for n, v in zip(shape, sizes, strict=True)), indexing="ij")
    truth = sum((g - s / 2) ** 2 for g, s in zip(grid, side, strict=True)) < radius**2
    values = 100.0 * truth + np.random.default_rng(0).normal(0, 3, shape)
    return Image(values.astype(np.float32), "ZYX", tuple(s * factor for s in sizes), unit), truth.astype(np.int64)


def spec_of(ndim=3, spacing=(1.0, 1.0, 1.0), unit="mm", task=Task.SEMANTIC):
    return ModelSpec("unet", ndim, 1, task, ClassTable.named(["ball"], Kind.STUFF), {"widths": (4, 6)}, spacing, unit)


@pytest.mark.parametrize("spacing", [0.5, 2.0, (2.0, 0.5, 1.0), (4.0, 0.8, 0.8)])
def test_a_sample_has_the_same_volume_on_the_grid_of_the_model(spacing):
    image, truth = ball(spacing)
    found = at_model_size(Sample(image, truth), spec_of())
    assert found.image.spatial_shape == (32, 32, 32)
    assert found.image.spacing == (1.0, 1.0, 1.0)
    own = truth.sum() * np.prod(image.spacing)
    assert found.classes.sum() == pytest.approx(own, rel=0.03)
    middle = np.array(ndi.center_of_mass(found.classes))
    assert np.allclose(middle, 15.5, atol=0.15)  # the grids lie over one another without a shift
    right = ball(1.0)[1]
    assert (
        2 * (found.classes & right).sum() / (found.classes.sum() + right.sum()) > 0.9
    )  # planes 4 mm apart cut a ball of 16 mm into 4


def test_nothing_happens_where_the_size_is_the_same_or_not_known():
    image, truth = ball(1.0)
    for other in (
        image,
        replace(image, spacing=(1.05, 1.0, 0.96)),
        replace(image, unit="um", spacing=(1000.0,) * 3),
        replace(image, unit="pixel"),
    ):
        sample = Sample(other, truth)
        assert at_model_size(sample, spec_of()) is sample


def test_units_are_converted():
    image, truth = ball(0.5, "um", factor=1000.0)
    assert at_model_size(Sample(image, truth), spec_of()).image.spatial_shape == (32, 32, 32)


def test_objects_keep_their_numbers_and_their_classes():
    rng = np.random.default_rng(1)
    seeds = ndi.zoom(rng.integers(0, 40, (6, 8, 8)), 4, order=0)
    sample = Sample(Image(seeds.astype(float), "ZYX", (0.5, 0.5, 0.5), "mm"), (seeds % 3) * (seeds > 0), seeds)
    for factors in ((0.5, 0.5, 0.5), (1.7, 0.6, 1.0)):
        found = resampled(sample, factors)
        assert found.instances is not None
        assert set(np.unique(found.instances)) <= set(np.unique(seeds))
        assert np.array_equal(found.classes, np.where(found.instances > 0, found.instances % 3, 0))


@pytest.mark.parametrize("factor", [0.25, 0.4, 0.5, 0.8, 1.6])
def test_thin_strokes_are_not_lost_and_unknown_stays_unknown(factor):
    known = np.zeros((60, 60), bool)
    known[31, 10:50], known[7:50, 20] = True, True
    classes = np.zeros((60, 60), np.int64)
    classes[31, 10:50] = 1
    found = resampled(Sample(Image(np.zeros((60, 60)), "YX"), classes, known=known), (factor, factor))
    assert found.known is not None
    rows = np.flatnonzero((found.known & (found.classes == 1)).sum(1) > 0.9 * 40 * factor - 1)
    assert rows.size >= 1
    # nothing is known where nothing was: within one voxel of the coarser grid
    reach = ndi.maximum_filter(known, 2 * int(np.ceil(max(1, 1 / factor))) + 1)
    at = ((np.arange(found.known.shape[0]) + 0.5) / factor).astype(int).clip(0, 59)
    assert not (found.known & ~reach[np.ix_(at, at)]).any()
    assert not (found.classes[~found.known]).any()


def test_boxes_are_rounded_outwards():
    boxes, known = ((slice(5, 12), slice(30, 37)),), np.tri(40, dtype=bool)
    sample = Sample(Image(np.zeros((40, 40)), "YX"), np.zeros((40, 40), int), known=known, boxes=boxes)
    assert resampled(sample, (0.5, 2.0)).boxes == ((slice(2, 6), slice(60, 74)),)


def test_the_ceiling_is_that_of_the_labels_there_and_back():
    _, truth = ball(1.0)
    assert ceiling(truth, (1.0, 1.0, 1.0)) == 1.0
    found = [ceiling(truth, (f,) * 3) for f in (0.5, 0.25)]
    assert 0.94 < found[0] < 1
    assert 0.75 < found[1] < found[0]
    # a plane of one voxel is lost on a grid half as fine, a ball is not
    thin = np.zeros((16, 16, 16), int)
    thin[8] = 1
    assert ceiling(thin, (0.25, 1, 1)) < 0.5


def test_coarse_labels_are_the_majority_of_what_is_known():
    labels = np.array([[1, 1, 0, 2], [-1, -1, 2, 2]])
    assert coarse(labels, (1, 2)).tolist() == [[1, 2]]
    assert relabelled(np.full((4, 4), -1), (2, 2)).tolist() == [[-1, -1], [-1, -1]]


def test_the_size_is_the_middle_one_of_the_images():
    images, labels = zip(*(ball(s) for s in (1.0, 2.0, 1.0)), strict=True)
    found = choose_size(images, labels, Task.INSTANCE, 3)
    assert found.spacing == (1.0, 1.0, 1.0)
    assert found.note is not None
    assert "1 of 3 images are resampled" in found.note.text
    assert "8 times as many" in found.note.text
    assert choose_size(images[:1], labels[:1], Task.SEMANTIC, 3).note is None


def test_other_units_and_unknown_sizes_are_said():
    (a, la), (b, lb) = ball(1.0), ball(0.5, "um", factor=1000.0)
    c = replace(a, unit="pixel")
    found = choose_size([c, a, b], [la, la, lb], Task.INSTANCE, 3, asked=(1.0, 1.0, 1.0))
    assert (found.spacing, found.unit) == ((1.0, 1.0, 1.0), "mm")
    assert found.note is not None
    assert "1 of 3 images are resampled" in found.note.text
    assert "Of 1 of 3 images the size is not known" in found.note.text


def test_a_structure_larger_than_a_patch_makes_the_model_coarser():
    image, truth = ball(0.5, radius=14.0)  # 56 voxels wide
    found = choose_size([image], [truth], Task.SEMANTIC, 3, patch=(32, 32, 32))
    assert found.spacing == pytest.approx((0.875,) * 3, rel=0.01)
    assert found.note is not None
    assert "keep a Dice of 0.9" in found.note.text
    assert choose_size([image], [truth], Task.SEMANTIC, 3, patch=(64, 64, 64)).spacing == (0.5,) * 3
    assert choose_size([image], [truth], Task.INSTANCE, 3, patch=(32, 32, 32)).spacing == (0.5,) * 3
    # thin shells would be lost: as fine as it is
    shell = truth & ~ndi.binary_erosion(truth)
    assert choose_size([image], [shell], Task.SEMANTIC, 3, patch=(32, 32, 32)).spacing == (0.5,) * 3


@pytest.mark.parametrize("asked", [(1.0, 1.0), (0.0, 1.0, 1.0), (float("nan"), 1.0, 1.0)])
def test_a_size_that_does_not_fit_is_refused(asked):
    image, truth = ball(1.0)
    with pytest.raises(InputError, match="does not fit"):
        choose_size([image], [truth], Task.SEMANTIC, 3, asked=asked)


def test_a_size_for_images_without_one_is_refused():
    image, truth = ball(1.0)
    with pytest.raises(InputError, match="not known"):
        choose_size([replace(image, unit="pixel")], [truth], Task.SEMANTIC, 3, asked=(2.0, 2.0, 2.0))


def test_a_training_on_several_sizes_learns_at_one():
    pairs = [ball(1.0), ball(2.0), ball(0.5)]
    events: list[object] = []
    job = train_job(
        pairs,
        "unet",
        TrainSpec(seconds=0, steps=3, device="cpu", patch=(16, 16, 16)),
        task="semantic",
        options={"widths": (4, 6)},
        model_spacing=(2.0, 2.0, 2.0),
        share=0,
    )
    model = drain(job, events.append).bundle
    assert (model.spec.spacing, model.spec.unit) == ((2.0, 2.0, 2.0), "mm")
    said = [e.text for e in events if isinstance(e, Note) and e.setting == "voxel_size"]
    assert len(said) == 1
    assert "2 of 3 images are resampled" in said[0]
    assert model.exemplars is not None
    assert np.allclose(model.exemplars.array("spacing"), 2.0)
    with pytest.raises(InputError, match="already defines"):
        seg.train(pairs, model, TrainSpec(steps=1), model_spacing=(1, 1, 1), progress=False)


def test_a_validation_image_is_judged_at_the_same_size():
    image, truth = ball(0.5)
    fine, plain = Sample(image, truth), at_model_size(Sample(image, truth), spec_of())
    spec = TrainSpec(seconds=0, steps=2, device="cpu", patch=(16, 16, 16), batch=1)
    a, b = (
        drain(train([Sample(*ball(1.0))], new_bundle(spec_of(), name="a", seed=0), spec, validation=[v]))
        for v in (fine, plain)
    )
    scores = [[row["held-out Dice"] for row in m.history[-1]["held_out"]] for m in (a, b)]
    assert scores[0]
    assert scores[0] == scores[1]


def test_strokes_teach_at_the_size_of_the_model():
    image, truth = ball(0.5)
    paint = np.zeros(truth.shape, np.uint16)
    paint[20, 10:50, 8:10], paint[30, 25:40, 30:32] = 65535, 1
    paint[44, 10:50, 8:10], paint[36, 25:40, 30:32] = 65535, 1
    marks = Corrections(paint)
    model = new_bundle(spec_of(), name="a", seed=0)
    events: list[object] = []
    view = (slice(30, 31), slice(0, 64), slice(0, 64))
    spec = TrainSpec(seconds=0, steps=2, device="cpu", patch=(16, 16, 16), batch=1, validate_every=0.01)
    done = drain(finetune(image, marks, model, spec, preview=view), events.append)
    assert done.bundle.spec.spacing == (1.0, 1.0, 1.0)
    assert done.bundle.exemplars is not None
    assert np.allclose(done.bundle.exemplars.array("spacing"), 1.0)
    assert done.views is not None
    assert done.views.image.shape == (1, 1, 64, 64)
    assert done.views.after.shape == (1, 64, 64)
    shown = [e.labels.shape for e in events if isinstance(e, seg.core.Preview)]
    assert shown
    assert set(shown) == {(1, 64, 64)}
