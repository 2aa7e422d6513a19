"""A worse model never takes the place of a better one by itself, and a training keeps to its time, all included."""

import sys
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import (  # noqa: E402
    ClassTable,
    Image,
    Kind,
    LossSpec,
    ModelSpec,
    Note,
    Sample,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.core.training import Allowance, Checked  # noqa: E402
from napari_segplugin.data.corrections import Corrections  # noqa: E402
from napari_segplugin.data.sampling import PatchSampler  # noqa: E402
from napari_segplugin.data.strokes import split_together  # noqa: E402
from napari_segplugin.engine.network import load  # noqa: E402
from napari_segplugin.engine.train import heldout  # noqa: E402
from napari_segplugin.engine.train.examples import prepare_sample  # noqa: E402
from napari_segplugin.engine.train.finetune import finetune  # noqa: E402
from napari_segplugin.engine.train.folder import Labelled, train_labelled  # noqa: E402
from napari_segplugin.engine.train.heldout import EARLIER, REST, Judged, SampleJudge, Trial  # noqa: E402
from napari_segplugin.engine.train.loop import run_loop  # noqa: E402
from napari_segplugin.engine.train.objective import Terms  # noqa: E402
from napari_segplugin.engine.train.optimizer import Stepper  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle, train  # noqa: E402

CLASSES = ClassTable.named(["nucleus"])
STEPS = TrainSpec(seconds=0, steps=8, batch=2, patch=(16, 16), device="cpu", exemplars=4)


def squares(rows=4, columns=4, side=8, gap=16):
    """Bright squares on noise, and their numbers."""
    objects = np.zeros((rows * gap, columns * gap), np.int32)
    for k in range(rows * columns):
        y, x = k // columns * gap + 4, k % columns * gap + 4
        objects[y : y + side, x : x + side] = k + 1
    noise = np.random.default_rng(0).normal(50, 10, objects.shape)
    return Image((objects > 0) * 100 + noise, "YX", name="squares"), objects


@pytest.fixture(scope="module")
def trained():
    """A small network that knows the squares."""
    image, objects = squares()
    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, CLASSES, {"widths": (4, 8)})
    taught = replace(STEPS, steps=250, batch=4, patch=(32, 32), learning_rate=1e-2, augment=False)
    bundle = drain(train([Sample(image, (objects > 0).astype(int), objects)], new_bundle(spec, name="known"), taught))
    judge = SampleJudge([Sample(image, (objects > 0).astype(int), objects)], bundle)
    assert judge.look(load(bundle)).checked.found == 16
    return bundle


def accepted(count):
    image, objects = squares()
    nothing = np.zeros(objects.shape, np.uint16)
    return image, Corrections(nothing, edited=objects, before=objects, accepted=range(1, count + 1))


def spoilt(bundle):
    """The same network with other weights."""
    rng = np.random.default_rng(1)
    return replace(
        bundle, weights={k: v + rng.normal(0, 0.5, v.shape).astype(v.dtype) for k, v in bundle.weights.items()}
    )


# --- the term that keeps what was known ----------------------------------------------------------------------------


def test_the_term_that_keeps_what_was_known_is_what_numpy_computes():
    """Kullback-Leibler and map differences, weighted by the old certainty, where nobody labelled and the image is."""
    rng = np.random.default_rng(3)
    image, _ = squares(1, 1)
    known = np.zeros(image.spatial_shape, bool)
    known[:8] = True
    bundle = new_bundle(ModelSpec("unet", 2, 1, Task.INSTANCE, CLASSES, {"widths": (4, 8)}), name="x")
    prepared = prepare_sample(Sample(image, 0 * known.astype(int), 0 * known.astype(int), known), bundle)
    batch = PatchSampler([prepared], (16, 16)).draw(3)
    old, new = (torch.from_numpy(rng.normal(0, 2, (3, 4, 16, 16)).astype(np.float32)) for _ in range(2))

    class Elder(torch.nn.Module):
        def forward(self, x):
            return old

    terms = Terms({}, frozenset(), 2, (1,), ("offset", "distance"), map_weight=2.0, keep=0.5)
    value = terms._as_before(new, batch, Elder())
    p, q = (np.exp(t[:, :2].numpy()) / np.exp(t[:, :2].numpy()).sum(1, keepdims=True) for t in (old, new))
    far = (p * np.log(p / q)).sum(1)
    sigmoid = lambda t: 1 / (1 + np.exp(-t.numpy()))  # noqa: E731
    far += 2.0 * (np.abs((old - new)[:, 2].numpy()) + np.abs(sigmoid(old[:, 3]) - sigmoid(new[:, 3]))) / 2
    weight = np.clip(2 * p.max(1) - 1, 0, None) ** 2 * ((batch.weight == 0) & (batch.seen > 0)).numpy()
    assert 0 < (weight > 0).mean() < 1
    assert float(value) == pytest.approx((far * weight).sum() / weight.sum(), rel=1e-4)
    assert float(terms._as_before(old, batch, Elder())) == pytest.approx(0, abs=1e-6)
    assert terms.weight_of("as before", 0.1) == 0.5


@pytest.mark.parametrize(("history", "keep", "there"), [(False, 1.0, False), (True, 1.0, True), (True, 0.0, False)])
def test_only_what_was_trained_is_kept(trained, history, keep, there):
    bundle = trained if history else replace(trained, history=())
    image, marks = accepted(3)
    events = []
    drain(finetune(image, marks, bundle, replace(STEPS, keep=keep, steps=2)), events.append)
    assert any(getattr(e, "name", "") == "as before" for e in events) == there


# --- the old state is one of those to choose from -------------------------------------------------------------------


@pytest.mark.parametrize(("start", "kept"), [(0.5, 0), (0.4, 3), (0.3, 4), (None, 4)])
def test_the_state_before_the_first_step_is_kept_where_none_does_as_well(start, kept):
    scores = iter([0.2, 0.3, 0.45, 0.35, 0.35])
    image, objects = squares()
    bundle = new_bundle(ModelSpec("unet", 2, 1, Task.SEMANTIC, CLASSES, {"widths": (4, 8)}), name="x")
    sampler = PatchSampler([prepare_sample(Sample(image, (objects > 0).astype(int)), bundle)], (16, 16))
    result = drain(
        run_loop(
            load(bundle), sampler, replace(STEPS, steps=4, validate_every=0.0), terms=Terms.of(LossSpec(), 2), batch=1,
            device=torch.device("cpu"), judge=lambda _: {"quality": next(scores)}, start=start, tolerance=0.11,
        )
    )  # fmt: skip
    assert result.record["best_step"] == kept
    same = all(np.array_equal(result.state[k], v) for k, v in bundle.weights.items())
    assert same == (kept == 0)


def test_a_training_that_spoils_the_model_gives_the_old_weights_back(trained):
    image, marks = accepted(12)
    result = drain(finetune(image, marks, trained, replace(STEPS, learning_rate=3.0, keep=0.0, rehearsal=0.0)))
    assert not result.better
    assert result.verdict.outcome == "no better"
    assert result.before == result.after
    assert all(np.array_equal(result.bundle.weights[k], v) for k, v in trained.weights.items())
    assert result.bundle.decode == trained.decode
    assert result.bundle.history[-1]["verdict"]["outcome"] == "no better"


def test_a_folder_that_spoils_the_model_gives_the_old_weights_back(trained):
    image, objects = squares()
    data = [Labelled(image, objects) for _ in range(2)]
    result = drain(train_labelled(data, trained, replace(STEPS, learning_rate=3.0, keep=0.0), share=0.5))
    assert not result.better
    assert result.verdict.text.startswith("No better: the old model stays.")
    assert all(np.array_equal(result.bundle.weights[k], v) for k, v in trained.weights.items())
    first = drain(train_labelled(data, replace(trained, history=()), STEPS, share=0.5))
    assert (first.verdict, first.better) == (None, True)


# --- what is kept aside ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "wanted"), [(2, 0), (3, 1), (9, 2), (10, 5), (12, 5), (16, 5)])
def test_of_ten_and_more_five_are_kept_aside(trained, count, wanted):
    image, marks = accepted(count)
    result = drain(finetune(image, marks, trained, replace(STEPS, steps=1)))
    assert result.verdict.aside.count == wanted
    assert (result.verdict.outcome == "not enough") == (wanted < 5)
    if 0 < wanted < 5:
        assert (
            f"{wanted} {'nucleus is' if wanted == 1 else 'nuclei are'} kept aside; 5 are needed." in result.verdict.text
        )


def test_strokes_of_many_planes_are_kept_aside_together():
    """Two on each of eight planes are too few on each, and enough in all."""
    samples = []
    for _ in range(8):
        classes = np.zeros((24, 24), np.int64)
        classes[2, 2:8] = classes[12, 2:8] = 1
        samples.append(Sample(Image(classes.astype(float), "YX"), classes, None, classes > 0))
    splits = split_together(samples, CLASSES)
    held = [s.heldout for s in splits if s.heldout is not None]
    judge = SampleJudge(held, new_bundle(ModelSpec("unet", 2, 1, Task.SEMANTIC, CLASSES, {"widths": (4, 8)}), name="x"))
    assert judge.count == 5
    assert len({s.sentence for s in splits}) == 1
    assert "5 nucleus" in splits[0].sentence
    for split, sample in zip(splits, samples, strict=True):
        parts = [split.train.known, np.zeros_like(sample.known) if split.heldout is None else split.heldout.known]
        assert np.array_equal(parts[0] | parts[1], sample.known)
        assert not (parts[0] & parts[1]).any()


def test_an_object_in_two_crops_is_one(monkeypatch):
    monkeypatch.setattr(heldout, "_SIDE", {2: 12})
    image, objects = squares(1, 2)
    sample = Sample(image, (objects > 0).astype(int), objects)
    judge = SampleJudge(
        [sample], new_bundle(ModelSpec("unet", 2, 1, Task.INSTANCE, CLASSES, {"widths": (4, 8)}), name="x")
    )
    assert len(judge.crops) > 2
    found = [heldout.Reading(c.classes, c.instances, np.array([0, 1, 1])) for c in judge.crops]
    assert judge._objects(found) == Checked((1.0, 1.0), 0)
    assert judge.count == 2


# --- the rest of the image -------------------------------------------------------------------------------------------


def test_the_rest_is_what_the_old_model_is_sure_of_and_nobody_marked(trained):
    image, objects = squares()
    marked = objects <= 3
    sample = Sample(image, (objects > 0).astype(int), objects, (objects > 0) & marked)
    (crop,) = heldout._sure_crops(sample, trained, load(trained), 1, 0)
    assert not (crop.known & (objects > 0) & marked).any()  # what is marked is no longer a question of certainty
    numbers = set(np.unique(objects[crop.known & (crop.instances > 0)])) - {0}
    assert numbers == set(range(4, 17))
    unsure = replace(trained, weights={k: 0 * v for k, v in trained.weights.items()})
    assert not heldout._sure_crops(sample, unsure, load(unsure), 1, 0)[0].known.any()


def test_a_model_that_is_worse_on_the_rest_is_not_better_however_good_on_what_was_kept_aside(trained):
    image, objects = squares()
    known = (objects > 0) & (objects <= 6)
    sample = Sample(image, (objects > 0).astype(int), objects, known)
    trial = Trial(trained, [sample], [sample], [])
    trial.before = Judged(trial.before.figures, Checked((0.1,) * 6))
    good = Judged(trial.before.figures, Checked((0.9,) * 6))
    assert trial.verdict(trained, good, steps=99, seconds=0).better
    worse = trial.verdict(spoilt(trained), good, steps=99, seconds=0)
    assert worse.outcome == "no better"
    # without what was marked, the rest alone tells
    trial._others[""] = SampleJudge((), trained, []), Judged({}, Checked())
    assert f"{REST} it is worse by" in trial.verdict(spoilt(trained), good, steps=99, seconds=0).text


def test_pieces_of_earlier_images_tell_too(trained):
    from napari_segplugin.engine.train.exemplars import rehearsed

    image, objects = squares()
    sample = Sample(image, (objects > 0).astype(int), objects, objects == 1)
    trial = Trial(trained, [sample], [sample], rehearsed(trained))
    trial.before, good = Judged({}, Checked((0.1,) * 5)), Judged({}, Checked((0.9,) * 5))
    for where in ("", REST):
        judge = SampleJudge((), trained, [])
        trial._others[where] = judge, judge.look(load(trained))
    assert trial.verdict(trained, good, steps=99, seconds=0).better
    assert f"{EARLIER} it is worse by" in trial.verdict(spoilt(trained), good, steps=99, seconds=0).text


def test_outlines_on_the_rest_move_as_far_only_as_those_kept_aside_have_become_better(trained):
    """Objects marked too large teach larger ones; that those kept aside are too large alike proves little."""
    image, objects = squares()
    sample = Sample(image, (objects > 0).astype(int), objects, objects == 1)
    trial = Trial(trained, [sample], [sample], [])
    same, moved = (Judged({"held-out Dice": 1.0}, Checked((v,) * 10)) for v in (1.0, 0.8))
    assert trial._fall(same, moved, 0.02) == pytest.approx(0.18)
    assert trial._fall(same, moved, 0.3) == 0.0
    assert trial._fall(same, Judged({"held-out Dice": 0.5}, Checked((1.0,) * 9 + (0.0,))), 0.3) == pytest.approx(0.1)
    areas = new_bundle(ModelSpec("unet", 2, 1, Task.SEMANTIC, CLASSES, {"widths": (4, 8)}), name="x")
    worse = Judged({"held-out Dice": 0.9}, Checked())
    assert Trial(areas, [sample], [], [])._fall(same, worse, 0.3) == pytest.approx(0.1)


def test_a_first_network_that_a_forest_beats_is_not_chosen():
    image, objects = squares()
    classes = ClassTable.named(["cell"], Kind.STUFF)
    paint = np.zeros(objects.shape, np.uint16)
    for k in range(1, 17):
        y, x = np.argwhere(objects == k)[0]
        paint[y + 2, x + 1 : x + 6] = 1
        paint[y - 3, x : x + 6] = 65535
    spec = ModelSpec("unet", 2, 1, Task.SEMANTIC, classes, {"widths": (4, 8)})
    result = drain(finetune(image, Corrections(paint), new_bundle(spec, name="x"), replace(STEPS, steps=1)))
    assert result.forest["held-out Dice"] > result.after["held-out Dice"]
    assert result.verdict.text == "No better: the answer from strokes stays. 1 step is too few to learn from."
    taught = replace(STEPS, steps=150, learning_rate=1e-2)
    assert drain(finetune(image, Corrections(paint), new_bundle(spec, name="x"), taught)).better


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """A machine on which reading takes a fifth of a second and a step two seconds, by a clock of its own."""
    now, pace = [1000.0], [1.0]
    reading, step, prepared = heldout.read_maps, Stepper.__call__, prepare_sample

    def slow(seconds, work):
        def call(*args, **kwargs):
            now[0] += seconds * pace[0]
            return work(*args, **kwargs)

        return call

    monkeypatch.setattr(heldout, "read_maps", slow(0.2, reading))
    monkeypatch.setattr(sys.modules["napari_segplugin.engine.train.thresholds"], "read_maps", slow(0.2, reading))
    monkeypatch.setattr(sys.modules["napari_segplugin.engine.train.finetune"], "prepare_sample", slow(3.0, prepared))
    monkeypatch.setattr(Stepper, "__call__", slow(2.0, step))
    return now, pace


@pytest.mark.parametrize(("pace", "most"), [(1.0, 75.0), (2.0, 90.0), (4.0, 90.0)])
def test_a_training_of_a_minute_ends_in_75_seconds_all_included_and_in_90_beside_others(trained, clock, pace, most):
    now, speed = clock
    speed[0] = pace
    image, marks = accepted(12)
    allowed = Allowance(60, now=lambda: now[0])
    now[0] += 5  # what was read and imported before
    result = drain(
        finetune(image, marks, trained, replace(STEPS, seconds=60, steps=0, validate_every=5.0), allowed=allowed)
    )
    assert allowed.used <= most
    assert allowed.used >= 45  # and it is used
    assert result.bundle.history[-1]["steps"] >= 2


def test_a_starved_training_says_so_early_and_in_the_end(trained, clock):
    now, speed = clock
    speed[0] = 4.0
    image, marks = accepted(12)
    events = []
    allowed = Allowance(60, now=lambda: now[0])
    spec = replace(STEPS, seconds=60, steps=0)
    result = drain(finetune(image, marks, trained, spec, allowed=allowed), events.append)
    steps = result.bundle.history[-1]["steps"]
    notes = [e.text for e in events if isinstance(e, Note) and "too few to learn from. Ten times" in e.text]
    assert len(notes) == 1
    told = int(notes[0].split()[1])
    assert abs(told - steps) <= 2
    assert result.starved == f"{steps} steps in 60 s are too few to learn from."
    assert result.starved in result.verdict.text


def test_a_training_that_was_stopped_does_not_blame_the_time(trained):
    stop = threading.Event()
    stop.set()
    image, marks = accepted(12)
    result = drain(finetune(image, marks, trained, replace(STEPS, seconds=60, steps=0), stop=stop))
    assert result.starved == "0 steps are too few to learn from."


def test_looks_take_a_tenth_of_the_time(trained, clock, monkeypatch):
    now, _ = clock
    looks = []
    real = SampleJudge.__call__

    def slow(judge, network):
        looks.append(now[0])
        now[0] += 4.0
        return real(judge, network)

    monkeypatch.setattr(SampleJudge, "__call__", slow)
    image, marks = accepted(12)
    spec, allowed = replace(STEPS, seconds=0, steps=60, validate_every=1.0), Allowance(0, now=lambda: now[0])
    drain(finetune(image, marks, trained, spec, allowed=allowed))
    assert len(looks) >= 4  # at the start, in between, at the end
    assert 4.0 * len(looks) <= 0.1 * allowed.used + 3 * 4.0
    assert min(after - before for before, after in pairwise(looks[1:-1])) >= 9 * 4.0


@pytest.mark.parametrize(("seconds", "reads"), [(0, 12), (60, 2), (1e9, 12)])
def test_thresholds_are_set_from_two_patches_where_no_time_is_left(trained, monkeypatch, seconds, reads):
    module = sys.modules["napari_segplugin.engine.train.thresholds"]
    real, seen = module.read_maps, []
    monkeypatch.setattr(module, "read_maps", lambda *args: seen.append(1) or real(*args))
    monkeypatch.setattr(module, "_MOST", 12)
    image, objects = squares()
    prepared = [prepare_sample(Sample(image, (objects > 0).astype(int), objects), trained)]
    allowed = Allowance(seconds, now=lambda: 1000.0, start=900.0)
    job = module.calibrated(trained, prepared, (16, 16), device=torch.device("cpu"), allowed=allowed)
    assert drain(job)  # thresholds all the same
    assert len(seen) == reads
