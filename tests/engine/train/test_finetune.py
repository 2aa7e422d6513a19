"""Fine-tuning learns from paint alone, is judged on strokes it has not seen, and leaves the old bundle as it was."""

import threading
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import (  # noqa: E402
    BACKGROUND_PAINT,
    ClassTable,
    Image,
    InputError,
    Kind,
    Metric,
    ModelSpec,
    Note,
    Preview,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.data.corrections import Corrections  # noqa: E402
from napari_segplugin.data.normalise import statistics  # noqa: E402
from napari_segplugin.engine.predict.predict import predict  # noqa: E402
from napari_segplugin.engine.train.finetune import finetune  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle  # noqa: E402

CLASSES = ClassTable.named(["cell"])
SPEC = TrainSpec(seconds=0, steps=12, batch=2, patch=(16, 16), learning_rate=1e-2, device="cpu")


def bundle_of(task=Task.SEMANTIC, ndim=2):
    return new_bundle(ModelSpec("unet", ndim, 1, task, CLASSES, {"widths": (4, 8)}), name="tiny")


def image_and_objects(shape=(40, 48)):
    objects = np.zeros(shape, np.int32)
    corners = [(4, 4), (4, 20), (4, 36), (24, 4), (24, 20), (24, 36)]
    for number, (y, x) in enumerate(corners, 1):
        objects[..., y : y + 8, x : x + 8] = number
    noise = np.random.default_rng(0).normal(50, 10, shape)
    return Image((objects > 0) * 100 + noise, "ZYX"[-len(shape) :], name="squares"), objects


def strokes(shape=(40, 48)):
    """A short stroke in every object and three of background."""
    _, objects = image_and_objects(shape)
    paint = np.zeros(shape, np.uint16)
    for y, x in ((7, 6), (7, 22), (7, 38), (27, 6), (27, 22), (27, 38)):
        paint[..., y, x : x + 4] = 1
    for y in (1, 17, 36):
        paint[..., y, 4:40] = BACKGROUND_PAINT
    assert not objects[paint == BACKGROUND_PAINT].any()
    return paint


def run(marks, bundle, spec=SPEC, image=None, **rest):
    events = []
    result = drain(finetune(image or image_and_objects()[0], marks, bundle, spec, **rest), events.append)
    return result, events


def values(events, name):
    return [e.value for e in events if isinstance(e, Metric) and e.name == name]


@pytest.mark.parametrize("ndim", [2, 3])
def test_strokes_teach_and_held_out_strokes_say_so(ndim):
    shape = (40, 48) if ndim == 2 else (8, 40, 48)
    spec = replace(SPEC, steps=40, patch=(8, 16, 16)[-ndim:])
    result, events = run(Corrections(strokes(shape)), bundle_of(ndim=ndim), spec, image_and_objects(shape)[0])
    losses = values(events, "loss")
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])
    assert result.after["held-out Dice"] > result.before["held-out Dice"]
    assert "strokes that were kept aside" in result.heldout
    assert values(events, "held-out Dice")[0] == result.before["held-out Dice"]


def test_objects_teach_and_held_out_objects_say_so():
    image, objects = image_and_objects()
    result, events = run(
        Corrections(objects.astype(np.uint16)), bundle_of(Task.INSTANCE), replace(SPEC, steps=40), image
    )
    assert np.mean(values(events, "loss")[-5:]) < np.mean(values(events, "loss")[:3])
    assert set(result.before) == set(result.after) == {"held-out object IoU", "held-out Dice"}


def test_what_is_not_painted_does_not_matter():
    """Two images of edits that differ where nobody painted or changed anything give the same weights."""
    paint = strokes()
    one, two = (Corrections(paint, edited=np.full(paint.shape, v), before=np.full(paint.shape, v)) for v in (0, 1))
    first, second = (run(marks, bundle_of())[0].bundle.weights for marks in (one, two))
    assert all(np.array_equal(first[k], second[k]) for k in first)


def test_the_same_seed_repeats_it():
    first, again = (run(Corrections(strokes()), bundle_of())[0].bundle.weights for _ in range(2))
    assert all(np.array_equal(first[k], again[k]) for k in first)


def test_the_old_bundle_stays_and_the_new_one_remembers():
    old = bundle_of()
    kept = {k: v.copy() for k, v in old.weights.items()}
    new = run(Corrections(strokes()), old)[0].bundle
    newer = run(Corrections(strokes()), new)[0].bundle
    assert all(np.array_equal(kept[k], old.weights[k]) for k in kept)
    assert [b.name for b in (old, new, newer)] == ["tiny", "tiny, tuned 1", "tiny, tuned 2"]
    assert [len(b.history) for b in (old, new, newer)] == [0, 1, 2]


def test_strokes_are_not_changed():
    paint = strokes()
    kept = paint.copy()
    run(Corrections(paint), bundle_of())
    assert np.array_equal(paint, kept)


def test_stop_before_the_first_step_keeps_the_old_weights():
    stop = threading.Event()
    stop.set()
    old = bundle_of()
    new = run(Corrections(strokes()), old, stop=stop)[0].bundle
    assert all(np.allclose(old.weights[k], new.weights[k]) for k in old.weights)


def test_cancel_closes_the_job():
    job = finetune(image_and_objects()[0], Corrections(strokes()), bundle_of(), replace(SPEC, steps=10_000))
    next(e for e in job if isinstance(e, Metric) and e.name == "loss")
    job.close()
    assert list(job) == []


def test_previews_show_the_asked_region():
    spec = replace(SPEC, validate_every=0.0, steps=3)
    result, events = run(Corrections(strokes()), bundle_of(), spec, preview=(slice(8, 40), slice(0, 20)))
    previews = [e for e in events if isinstance(e, Preview)]
    assert len(previews) >= 2
    assert {(p.origin, p.labels.shape) for p in previews} == {((8, 0), (32, 20))}
    views = result.views
    assert views.image.shape == (1, 32, 20)
    assert views.before.shape == views.after.shape == (32, 20)


def test_too_few_strokes_to_judge_is_said_and_not_scored():
    paint = np.zeros((40, 48), np.uint16)
    paint[7, 6:10], paint[1, 4:40] = 1, BACKGROUND_PAINT
    result, events = run(Corrections(paint), bundle_of())
    assert result.before == result.after == {}
    assert any(isinstance(e, Note) and "cannot be measured yet" in e.text for e in events)


def test_several_images_are_learnt_together():
    image, _ = image_and_objects()
    marks = Corrections(strokes())
    result = drain(finetune([image, image], [marks, marks], bundle_of(), SPEC))
    assert result.bundle.history[-1]["images"] == ["squares", "squares"]


def test_a_network_from_scratch_needs_strokes_of_every_class():
    paint = np.where(strokes() == 1, 1, 0).astype(np.uint16)
    with pytest.raises(InputError, match="background has none"):
        run(Corrections(paint), bundle_of())


@pytest.mark.parametrize("shape", [(40, 48), (4, 40, 48)], ids=["2D", "3D"])
def test_classes_that_fill_the_image_need_no_background(shape):
    """Road, building, tree and field: nothing is left that could be painted as background."""
    truth = np.ones(shape, np.uint16)
    truth[..., 24:] = 2
    image = Image((truth * 90 + np.random.default_rng(0).normal(0, 8, shape)).astype(np.uint8), "ZYX"[-len(shape) :])
    paint = np.zeros(shape, np.uint16)
    for y in range(2, 38, 6):
        paint[..., y : y + 2, 4:12], paint[..., y : y + 2, 34:42] = 1, 2
    classes = ClassTable.named(["road", "building"], Kind.STUFF)
    spec = ModelSpec("unet", len(shape), 1, Task.SEMANTIC, classes, {"widths": (4, 8)})
    train = replace(SPEC, steps=80, patch=(4, 16, 16)[3 - len(shape) :])
    result = drain(finetune(image, Corrections(paint), new_bundle(spec, name="tiny", seed=0), train))
    assert result.after["held-out Dice"] > 0.9
    found = np.asarray(drain(predict(image, result.bundle)).labels)
    assert (found == truth).mean() > 0.9
    assert (found == 0).mean() < 0.02
    one = Corrections(np.where(paint == 1, 1, 0).astype(np.uint16))
    with pytest.raises(InputError, match="strokes of every class; building has none"):
        drain(finetune(image, one, new_bundle(spec, name="tiny", seed=0), train))


def test_images_without_their_corrections_are_refused():
    image, _ = image_and_objects()
    with pytest.raises(InputError, match="2 images and 1 corrections"):
        drain(finetune([image, image], [Corrections(strokes())], bundle_of(), SPEC))


def test_a_random_forest_on_the_same_strokes_is_told_beside_the_network():
    result, _ = run(Corrections(strokes()), bundle_of(), replace(SPEC, steps=1))
    assert result.forest["held-out Dice"] > 0.9  # bright squares are easy
    assert result.after["held-out Dice"] < result.forest["held-out Dice"]
    assert "random forest on the same strokes is still better" in result.heldout
    better = run(Corrections(strokes()), bundle_of(), replace(SPEC, steps=120))[0]
    assert better.after["held-out Dice"] >= better.forest["held-out Dice"]
    assert "better than a random forest" in better.heldout


def test_a_plane_network_learns_from_the_painted_planes_of_a_volume():
    image, _ = image_and_objects((4, 40, 48))
    paint = np.zeros((4, 40, 48), np.uint16)
    paint[1], paint[3] = strokes(), strokes()
    spec, region = replace(SPEC, validate_every=0.5, steps=120), (slice(2, 3), slice(8, 40), slice(0, 20))
    result, events = run(Corrections(paint), bundle_of(), spec, image, preview=region)
    assert len(result.bundle.history[-1]["images"]) == 2
    assert result.after["held-out Dice"] > result.before["held-out Dice"]
    assert {(e.origin, e.labels.shape) for e in events if isinstance(e, Preview)} == {((2, 8, 0), (1, 32, 20))}
    assert result.views.image.shape == (1, 1, 32, 20)
    found = drain(predict(image, result.bundle, device="cpu")).labels
    assert (found[2] == image_and_objects()[1].astype(bool)).mean() > 0.85


def test_a_plane_network_without_paint_on_any_plane_has_nothing_to_learn():
    image, _ = image_and_objects((4, 40, 48))
    with pytest.raises(InputError):
        run(Corrections(np.zeros((4, 40, 48), np.uint16)), replace(bundle_of(), history=({"steps": 1},)), image=image)


def test_a_plane_is_seen_with_the_intensities_of_its_volume():
    volume = Image(np.stack([np.full((8, 8), v, float) + np.eye(8) for v in (0, 50, 100)]), "ZYX")
    whole, plane = statistics(volume), statistics(volume.plane(1))
    assert plane.low == whole.low
    assert plane.high == whole.high
    assert statistics(Image(volume.array[1], "YX")).high < whole.high


def test_a_model_with_a_weight_that_is_no_number_is_refused_before_anything_is_read():
    bundle = bundle_of()
    first = next(iter(bundle.weights))
    bundle.weights[first] = np.full_like(bundle.weights[first], np.inf)
    with pytest.raises(InputError, match="contain values that are not numbers"):
        next(finetune(image_and_objects()[0], Corrections(strokes()), bundle, SPEC))
