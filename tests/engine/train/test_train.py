"""Training: the loss falls, a seed repeats it, stop keeps the best, cancel changes nothing, unknown teaches nothing."""

import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import (  # noqa: E402
    AugmentSpec,
    ClassInfo,
    ClassTable,
    Image,
    InputError,
    Kind,
    LossSpec,
    LossTerm,
    Metric,
    ModelSpec,
    Note,
    OutOfMemoryError,
    Sample,
    Step,
    Task,
    TrainSpec,
    drain,
    to_json,
)
from napari_segplugin.data.sampling import PatchSampler  # noqa: E402
from napari_segplugin.engine.network import load  # noqa: E402
from napari_segplugin.engine.train.balance import balanced  # noqa: E402
from napari_segplugin.engine.train.examples import patch_size, prepare_sample  # noqa: E402
from napari_segplugin.engine.train.heldout import Reading, SampleJudge  # noqa: E402
from napari_segplugin.engine.train.loop import run_loop  # noqa: E402
from napari_segplugin.engine.train.objective import OFFSET_UNIT, Terms, offset_loss  # noqa: E402
from napari_segplugin.engine.train.optimizer import Stepper, learning_rate, parameter_groups, safe_precision, step_bytes  # noqa: E402
from napari_segplugin.engine.train.samples import smallest_object  # noqa: E402
from napari_segplugin.engine.train.train import (  # noqa: E402
    new_bundle,
    safe_augmentation,
    train,
)
from napari_segplugin.networks.base import Outputs, depth_groups  # noqa: E402
from napari_segplugin.tasks import codec_of  # noqa: E402

CLASSES = ClassTable.named(["cell"])


def spec_of(task=Task.SEMANTIC, ndim=2, channels=1):
    return ModelSpec("unet", ndim, channels, task, CLASSES, {"widths": (4, 8)})


def scene(shape=(32, 40), seed=0, known=None, name="scene"):
    """Bright discs in noise."""
    rng = np.random.default_rng(seed)
    objects = np.zeros(shape, np.int32)
    grids = np.indices(shape)
    for number in range(1, 6):
        centre = [rng.integers(3, n - 3) for n in shape]
        objects[sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True)) <= 16] = number
    image = (objects > 0) * 100.0 + rng.normal(50, 10, shape)
    axes = "ZYX"[-len(shape) :]
    return Sample(Image(image.astype(np.float32), axes, name=name), (objects > 0).astype(int), objects, known)


def steps(n, **rest):
    return TrainSpec(
        **{"seconds": 0, "steps": n, "batch": 2, "patch": (16, 16), "learning_rate": 1e-2, "device": "cpu", **rest}
    )


def losses_of(samples, bundle, spec, **rest):
    events = []
    result = drain(train(samples, bundle, spec, **rest), events.append)
    return result, [e.value for e in events if isinstance(e, Metric) and e.name == "loss"], events


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("shape", [(32, 40), (8, 24, 24)])
def test_the_loss_falls_for_every_task_in_2d_and_3d(task, shape):
    bundle = new_bundle(spec_of(task, len(shape)), name="tiny")
    result, losses, _ = losses_of([scene(shape)], bundle, steps(60, batch=4, patch=(8, 16, 16)[-len(shape) :]))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:3])
    assert result.history[-1]["steps"] == 60


def test_the_same_seed_repeats_a_training_exactly_and_another_does_not():
    bundle = new_bundle(spec_of(), name="tiny")
    one, again, other = (drain(train([scene()], bundle, steps(4, seed=s))).weights for s in (1, 1, 2))
    assert all(np.array_equal(one[k], again[k]) for k in one)
    assert any(not np.array_equal(one[k], other[k]) for k in one)


def test_a_shallow_volume_repeats_in_half_precision_too(monkeypatch):
    monkeypatch.setattr("napari_segplugin.engine.device._bfloat16_pays", lambda: True)
    bundle = new_bundle(spec_of(ndim=3), name="tiny")
    shallow = scene((8, 24, 24))
    runs = [drain(train([shallow], bundle, steps(6, patch=(4, 16, 16)))).weights for _ in range(3)]
    assert all(np.array_equal(runs[0][k], other[k]) for other in runs[1:] for k in other)
    assert all(np.isfinite(v).all() for v in runs[0].values())


def test_new_bundles_follow_their_seed():
    one, again, other = (new_bundle(spec_of(), name="a", seed=s).weights for s in (1, 1, 2))
    assert all(np.array_equal(one[k], again[k]) for k in one)
    assert any(not np.array_equal(one[k], other[k]) for k in one)


def test_the_bundle_handed_in_is_not_changed():
    bundle = new_bundle(spec_of(), name="tiny")
    kept = {k: v.copy() for k, v in bundle.weights.items()}
    result = drain(train([scene()], bundle, steps(3)))
    assert all(np.array_equal(kept[k], bundle.weights[k]) for k in kept)
    assert bundle.history == ()
    assert any(not np.array_equal(kept[k], result.weights[k]) for k in kept)


def test_cancel_in_the_middle_changes_nothing():
    bundle = new_bundle(spec_of(), name="tiny")
    kept = {k: v.copy() for k, v in bundle.weights.items()}
    job = train([scene()], bundle, steps(1000))
    for event in job:
        if isinstance(event, Metric) and event.step == 3:
            break
    job.close()
    assert all(np.array_equal(kept[k], bundle.weights[k]) for k in kept)
    with pytest.raises(StopIteration):
        next(job)


def test_stop_ends_normally_and_the_history_says_when():
    stop = threading.Event()

    def listen(event):
        if isinstance(event, Metric) and event.step == 5:
            stop.set()

    result = drain(train([scene()], new_bundle(spec_of(), name="tiny"), steps(1000), stop=stop), listen)
    assert result.history[-1]["steps"] == 5


@pytest.mark.parametrize(
    ("scores", "tolerance", "kept"),
    [
        ([0.9, 0.1, 0.1, 0.1], 0.0, 1),
        ([0.9, 0.8, 0.85, 0.1], 0.0, 1),
        ([0.9, 0.8, 0.85, 0.1], 0.1, 3),  # as good as the best, and it has learnt more
        ([0.5, 0.45, 0.4, 0.35], 0.1, 3),  # the best ever counts, not the last that was kept
        ([0.5, 0.6, 0.6, 0.6], 0.0, 4),
    ],
)
def test_the_last_state_that_did_as_well_as_the_best_is_kept(scores, tolerance, kept):
    scores = iter([*scores, scores[-1]])
    seen = []

    def judge(network):
        seen.append({k: v.clone() for k, v in network.state_dict().items()})
        return {"quality": next(scores)}

    bundle = new_bundle(spec_of(), name="tiny")
    sampler = PatchSampler([prepare_sample(scene(), bundle)], (16, 16))
    job = run_loop(
        load(bundle),
        sampler,
        steps(4, validate_every=0.0),
        terms=Terms.of(LossSpec(), 2),
        batch=1,
        device=torch.device("cpu"),
        judge=judge,
        tolerance=tolerance,
    )
    result = drain(job)
    assert result.record["best_step"] == kept
    assert all(np.array_equal(result.state[k], seen[kept - 1][k].numpy()) for k in result.state)


def scarce_loop(monkeypatch, error, most, side=16):
    """A training in which memory ends above `most` voxels at a time."""
    sizes, real = [], Stepper.__call__

    def call(stepper, batch, *more):
        sizes.append(tuple(batch.image.shape[:1]) + tuple(batch.image.shape[2:]))
        if np.prod(sizes[-1]) > most:
            raise error
        return real(stepper, batch, *more)

    monkeypatch.setattr(Stepper, "__call__", call)
    bundle = new_bundle(spec_of(), name="tiny")
    sampler = PatchSampler([prepare_sample(scene(), bundle)], (side, side))
    terms = Terms.of(LossSpec(), 2)
    return sizes, run_loop(load(bundle), sampler, steps(3), terms=terms, batch=4, device=torch.device("cpu"))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("could not create a primitive"),
        RuntimeError("MPS backend out of memory"),
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        ImportError("libgomp.so: failed to map segment from shared object"),
    ],
    ids=lambda e: (str(e) or "MemoryError")[-30:],
)
def test_a_training_without_memory_takes_fewer_patches_and_at_last_says_so(monkeypatch, error):
    sizes, job = scarce_loop(monkeypatch, error, 256)
    events = []
    assert drain(job, events.append).record["steps"] == 3
    assert sizes == [(4, 16, 16), (2, 16, 16), (1, 16, 16), (1, 16, 16), (1, 16, 16)]
    told = [e.text for e in events if isinstance(e, Note)]
    assert ["2 patches at a time" in told[0], "one patch at a time" in told[1]] == [True, True]
    with monkeypatch.context() as again, pytest.raises(OutOfMemoryError, match="not even with one patch of 16 × 16 at"):
        drain(scarce_loop(again, error, 0)[1])


def test_a_training_without_memory_for_one_patch_takes_smaller_ones(monkeypatch):
    sizes, job = scarce_loop(monkeypatch, MemoryError(), 600, 48)
    events = []
    assert drain(job, events.append).record["steps"] == 3
    assert sizes[-3:] == [(1, 24, 24)] * 3
    assert [e.text for e in events if isinstance(e, Note)][-1] == (
        "Memory ran out; the training continues with patches of 24 × 24 pixels."
    )


def test_a_training_begins_with_what_is_likely_to_fit(monkeypatch):
    monkeypatch.setattr(sys.modules["napari_segplugin.engine.train.loop"], "free_host_memory", lambda: 200_000)
    sizes, job = scarce_loop(monkeypatch, MemoryError(), 10**9)
    events = []
    drain(job, events.append)
    assert sizes[0][0] < 4
    assert "Little memory is free; the training begins with" in next(e.text for e in events if isinstance(e, Note))


@pytest.mark.parametrize(("name", "ndim"), [("unet", 2), ("unet", 3), ("segnet", 2), ("fastfcn", 2), ("kayalibay", 3)])
def test_what_a_step_takes_is_told_before_and_grows_with_the_batch(name, ndim):
    bundle = new_bundle(ModelSpec(name, ndim, 1, Task.SEMANTIC, ClassTable.named(["cell"])), name="tiny")
    network = load(bundle)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    step = Stepper(network, torch.optim.SGD(network.parameters(), 0.1), Terms.of(LossSpec(), 2), torch.device("cpu"))
    side = (64,) * ndim if ndim == 2 else (32, 32, 32)
    one, four = (step_bytes(step, (n, 1, *side)) for n in (1, 4))
    weights = 20 * sum(p.numel() for p in network.parameters())
    assert four - weights == pytest.approx(4 * (one - weights), rel=0.1)
    assert one - weights > 4 * 8 * np.prod(side)  # at the least a few maps in float32
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_a_model_whose_weights_are_no_numbers_is_not_given_back():
    bundle = new_bundle(spec_of(), name="tiny")
    name = next(k for k in bundle.weights if k.endswith("weight") and bundle.weights[k].ndim == 1)
    weights = {**bundle.weights, name: np.full_like(bundle.weights[name], 1e30)}
    sampler = PatchSampler([prepare_sample(scene(), bundle)], (16, 16))
    job = run_loop(
        load(replace(bundle, weights=weights)), sampler, steps(2), terms=Terms.of(LossSpec(), 2), batch=2,
        device=torch.device("cpu"),
    )  # fmt: skip
    with pytest.raises(InputError, match="Training has failed"):
        drain(job)


def test_a_training_does_not_take_other_errors_for_lack_of_memory(monkeypatch):
    sizes, job = scarce_loop(monkeypatch, RuntimeError("size mismatch"), 0)
    with pytest.raises(RuntimeError, match="size mismatch"):
        drain(job)
    assert sizes == [(4, 16, 16)]


@pytest.mark.parametrize(("task", "count", "wanted"), [(Task.INSTANCE, 4, 0.1), (Task.SEMANTIC, 4, 0.1 / 5**0.5)])
def test_few_held_out_pieces_tell_little(task, count, wanted):
    objects = np.zeros((40, 40), np.int64)
    for k in range(count):
        objects[4:8, 8 * k + 2 : 8 * k + 6] = k + 1
    classes = (objects > 0).astype(np.int64)
    sample = Sample(Image(classes.astype(float), "YX"), classes, objects if task is Task.INSTANCE else None)
    bundle = new_bundle(ModelSpec("unet", 2, 1, task, ClassTable.named(["cell"]), {"widths": (4, 8)}), name="tiny")
    # 4 objects; or 4 strokes of the class and one of background
    assert SampleJudge([sample], bundle).tolerance == pytest.approx(wanted)


def test_validation_samples_are_judged():
    bundle = new_bundle(spec_of(), name="tiny")
    result, _, events = losses_of([scene()], bundle, steps(6, validate_every=0.0), validation=[scene(seed=1)])
    judged = [e for e in events if isinstance(e, Metric) and "Dice" in e.name]
    assert {e.step for e in judged} == set(range(1, 7))
    assert {row["step"] for row in result.history[-1]["held_out"]} == set(range(1, 7))


def test_progress_ends_at_the_total():
    *_, events = losses_of([scene()], new_bundle(spec_of(), name="tiny"), steps(4))
    last = [e for e in events if isinstance(e, Step)][-1]
    assert (last.done, last.total) == (4, 4)


def test_the_history_is_json_and_names_the_images():
    import json

    result = drain(train([scene(name="discs")], new_bundle(spec_of(), name="tiny"), steps(2)))
    record = json.loads(json.dumps(to_json(result.history[-1])))
    assert record["images"] == ["discs"]
    assert record["spec"]["steps"] == 2


@pytest.mark.parametrize("task", list(Task))
def test_gradient_comes_from_known_voxels_only(task):
    known = np.zeros((32, 40), bool)
    known[4:9, 6:20] = True
    bundle = new_bundle(spec_of(task), name="tiny")
    sampler = PatchSampler([prepare_sample(scene(known=known), bundle)], (24, 24), AugmentSpec(), seed=1)
    batch = sampler.draw(3)
    logits = load(bundle)(batch.image).detach().requires_grad_()
    terms = Terms.of(LossSpec(), 2, kinds=codec_of(bundle.spec).map_kinds(2))
    terms.total(terms(load(bundle), logits, batch), 0.0).backward()
    touched = logits.grad.abs().sum(1) > 0
    assert touched.any()
    assert not (touched & ~((batch.weight > 0) | (batch.maps_weight > 0))).any()


def test_labels_of_unknown_voxels_do_not_matter():
    known = np.zeros((32, 40), bool)
    known[4:16, 6:30] = True
    sample = scene(known=known)
    lies = Sample(sample.image, np.where(known, sample.classes, 1 - sample.classes), None, known)
    bundle = new_bundle(spec_of(), name="tiny")
    truth, lied = (drain(train([s], bundle, steps(3))).weights for s in (sample, lies))
    assert all(np.array_equal(truth[k], lied[k]) for k in truth)


def test_small_objects_of_the_truth_set_the_smallest_of_the_result():
    result, _, events = losses_of([scene()], new_bundle(spec_of(Task.INSTANCE), name="tiny"), steps(1))
    assert result.decode["min_size"] == smallest_object([scene()]) > 0
    assert any(isinstance(e, Note) and "left out" in e.text for e in events)
    assert smallest_object([Sample(scene().image, scene().classes)]) == 0


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (scene((8, 16, 16)), "3D with 1 channel"),
        (Sample(Image(np.zeros((16, 16, 2)), "YXC"), np.zeros((16, 16), int)), "2D with 2 channel"),
    ],
)
def test_an_image_that_does_not_fit_the_network_is_refused(sample, words):
    with pytest.raises(InputError, match=rf"does not fit the network.*{words}"):
        drain(train([sample], new_bundle(spec_of(), name="tiny"), steps(1)))


def test_classes_without_objects_cannot_teach_objects():
    sample = Sample(scene().image, scene().classes)
    with pytest.raises(InputError, match="has only classes"):
        drain(train([sample], new_bundle(spec_of(Task.INSTANCE), name="tiny"), steps(1)))


def test_no_sample_is_refused():
    with pytest.raises(InputError, match="at least one image"):
        drain(train([], new_bundle(spec_of(), name="tiny"), steps(1)))


def test_a_loss_that_is_no_number_ends_the_training_with_advice():
    sample = scene()
    bundle = new_bundle(spec_of(), name="tiny")
    broken = {k: np.full_like(v, 1e38) if v.dtype.kind == "f" else v for k, v in bundle.weights.items()}
    with pytest.raises(InputError, match=r"no longer a number.*Lower the learning rate"):
        drain(train([sample], type(bundle)("broken", bundle.spec, broken), steps(30)))


@pytest.mark.parametrize(("image", "expected"), [((100, 300), (104, 128)), ((20, 20), (24, 24))])
def test_patches_are_multiples_that_fit_the_image(image, expected):
    sample = prepare_sample(scene(image), new_bundle(spec_of(), name="tiny"))
    size, count = patch_size([sample], TrainSpec(), (8, 8))
    assert size == expected
    assert 1 <= count <= 16
    assert patch_size([sample], TrainSpec(batch=7), (8, 8), objects=True)[1] == 7


def test_objects_are_learnt_in_smaller_batches():
    sample = prepare_sample(scene((300, 300)), new_bundle(spec_of(), name="tiny"))
    assert patch_size([sample], TrainSpec(), (8, 8)) == ((128, 128), 8)
    assert patch_size([sample], TrainSpec(), (8, 8), objects=True) == ((128, 128), 4)


def test_the_learning_rate_rises_then_falls():
    rates = [learning_rate(1.0, i / 100, i) for i in range(101)]
    top = int(np.argmax(rates))
    assert rates[0] == pytest.approx(0.05)
    assert 10 < top < 25
    assert (np.diff(rates[:top]) > 0).all()
    assert (np.diff(rates[top:]) <= 0).all()
    assert rates[-1] == pytest.approx(0.01)


def test_a_frozen_encoder_keeps_its_weights_and_statistics_until_its_share_is_over():
    bundle = new_bundle(spec_of(), name="tiny")
    always = drain(train([scene()], bundle, steps(3, freeze=1.0))).weights
    later = drain(train([scene()], bundle, steps(4, freeze=0.5))).weights
    encoder = [k for k in bundle.weights if k.startswith("down.")]
    assert all(np.array_equal(always[k], bundle.weights[k]) for k in encoder)
    assert any(not np.array_equal(always[k], bundle.weights[k]) for k in bundle.weights if k not in encoder)
    assert any(not np.array_equal(later[k], bundle.weights[k]) for k in encoder)


def test_layer_decay_slows_the_parts_near_the_input():
    network = load(new_bundle(spec_of(), name="tiny"))
    groups = parameter_groups(network, 0.5)
    assert [g["share"] for g in groups] == [0.5**k for k in range(len(groups))][::-1]
    assert sum(len(g["params"]) for g in groups) == len(list(network.parameters()))


@pytest.mark.parametrize(("setting", "value"), [("freeze", 1.5), ("layer_decay", 0.0)])
def test_shares_outside_their_range_are_refused(setting, value):
    with pytest.raises(InputError, match="is a fraction"):
        steps(1, **{setting: value})


def test_the_record_tells_how_much_gradient_each_part_received():
    bundle = new_bundle(spec_of(), name="tiny")
    norms = drain(train([scene()], bundle, steps(5))).history[-1]["gradient_norms"]
    assert [row["step"] for row in norms] == [1, 2, 4]
    assert list(norms[0]["norms"]) == [name for name, _ in depth_groups(load(bundle))]
    assert all(value > 0 for value in norms[0]["norms"].values())


def test_a_network_may_add_losses_of_its_own():
    class WithEdges(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(1, 2, 1)

        def forward(self, x):
            return Outputs((self.layer(x),), {"seen": x})

        def own_losses(self, outputs, truth):
            assert truth.instances.max() > 0
            return {"edge": outputs.extra["seen"].mean() * 0 + 3}

    sampler = PatchSampler([prepare_sample(scene(), new_bundle(spec_of(), name="tiny"))], (16, 16))
    terms, network, batch = Terms.of(LossSpec(), 2), WithEdges(), sampler.draw(1)
    losses = terms(network, network(batch.image), batch)
    assert set(losses) == {"cross_entropy", "dice", "edge"}
    rest = sum(float(v) for k, v in losses.items() if k != "edge")
    assert float(terms.total(losses, 0.5)) == pytest.approx(rest + 3, rel=1e-5)


def test_a_rising_term_has_its_full_weight_from_half_the_budget():
    terms = Terms({"a": (2.0, None), "b": (3.0, None)}, frozenset({"b"}), 2)
    assert [terms.weight_of("b", share) for share in (0, 0.25, 0.5, 1)] == [0, 1.5, 3, 3]
    assert terms.weight_of("a", 0) == 2


def test_offsets_are_learnt_inside_objects_only_and_in_their_unit():
    target = torch.zeros(1, 2, 2, 2)
    target[:, 0, 0, 0] = OFFSET_UNIT
    inside = torch.tensor([[[1, 0], [0, 0]]])
    logits = torch.full((1, 2, 2, 2), 5.0, requires_grad=True)
    loss = offset_loss(logits, target, torch.ones(1, 2, 2), inside)
    loss.backward()
    assert float(loss.detach()) == pytest.approx((4 + 5) / 2)
    assert not logits.grad[:, :, inside[0] == 0].any()


def test_balance_gives_class_weights_to_the_losses_that_know_them_and_says_so():
    spec = LossSpec((LossTerm("cross_entropy"), LossTerm("dice"), LossTerm("focal", options={"alpha": [1.0, 2.0]})))
    out, sentence = balanced(spec, np.array([990, 10]), CLASSES)
    assert out.terms[0].options == {"class_weights": [0.51, 20.0]}
    assert out.terms[1:] == spec.terms[1:]  # Dice knows none; what the person set is kept
    assert "background 0.51, cell 20" in sentence
    events = []
    drain(train([scene()], new_bundle(spec_of(), name="tiny"), steps(2, balance=True)), events.append)
    assert any(isinstance(e, Note) and e.text.startswith("Balance: half of the patches") for e in events)


def test_an_augmentation_that_was_set_is_used_and_recorded():
    first, second = (
        drain(train([scene()], new_bundle(spec_of(), name="tiny"), steps(3, augmentation=a)))
        for a in (None, AugmentSpec(elastic=5.0))
    )
    assert any(not np.array_equal(first.weights[k], second.weights[k]) for k in first.weights)
    assert second.history[-1]["spec"]["augmentation"]["elastic"] == 5.0


@pytest.mark.parametrize("setting", ["regulariser", "teacher"])
def test_terms_on_unlabelled_voxels_are_plotted_and_change_the_result(setting, monkeypatch):
    monkeypatch.setattr("napari_segplugin.engine.train.objective.CERTAIN", 0.5)
    known = np.zeros((32, 40), bool)
    known[4:16, 6:30] = True
    events = []
    bundle = new_bundle(spec_of(), name="tiny")
    plain = drain(train([scene(known=known)], bundle, steps(12)))
    other = drain(train([scene(known=known)], bundle, steps(12, **{setting: 1.0})), events.append)
    name = {"regulariser": "neighbours alike", "teacher": "pseudo-labels"}[setting]
    assert sum(isinstance(e, Metric) and e.name == name for e in events) == 12
    assert any(not np.array_equal(plain.weights[k], other.weights[k]) for k in plain.weights)


def test_pseudo_labels_come_from_certain_unlabelled_voxels_only():
    class Teacher(torch.nn.Module):
        def forward(self, x):
            sure = torch.zeros(len(x), 2, *x.shape[2:])
            sure[:, 1] = torch.where(x[:, 0] > 0.2, 6.0, 1.0)
            return sure

    known = np.zeros((32, 40), bool)
    known[:, :20] = True
    sampler = PatchSampler([prepare_sample(scene(known=known), new_bundle(spec_of(), name="tiny"))], (16, 16), seed=2)
    batch = sampler.draw(12)
    logits = torch.zeros(12, 2, 16, 16, requires_grad=True)
    Terms.of(LossSpec(), 2, teacher=1.0)(torch.nn.Identity(), logits, batch, Teacher())["pseudo-labels"].backward()
    taught = logits.grad.abs().sum(1) > 0
    assert torch.equal(taught, (batch.weight == 0) & (batch.seen > 0) & (batch.image[:, 0] > 0.2))
    assert taught.any()


def test_weights_out_of_range_are_refused():
    with pytest.raises(InputError, match="weight of the teacher"):
        steps(1, teacher=-1.0)


def test_an_encoder_starts_from_weights_of_photographs(tmp_path):
    from safetensors.torch import save_file

    from napari_segplugin.networks.resnet import make_encoder

    torch.manual_seed(5)
    state = {k: v.clone() for k, v in make_encoder("resnet18", 2, 3).state_dict().items()}
    save_file(state, tmp_path / "resnet18.safetensors")
    spec = ModelSpec("unet", 2, 1, Task.SEMANTIC, CLASSES, {"encoder": "resnet18"})
    start, plain = (new_bundle(spec, name="x", encoder_weights=w) for w in (tmp_path / "resnet18.safetensors", ""))
    key = next(k for k in start.weights if k.endswith("layer4.1.conv2.weight"))
    assert np.array_equal(start.weights[key], state["layer4.1.conv2.weight"].numpy())
    assert not np.array_equal(start.weights[key], plain.weights[key])
    with pytest.raises(InputError, match="no encoder that fits ImageNet weights"):
        new_bundle(spec_of(), name="x", encoder_weights=tmp_path / "resnet18.safetensors")


def test_losses_know_the_voxel_size_and_the_counts_of_all_labels(monkeypatch):
    from napari_segplugin.engine.train import objective as module

    seen = []
    build = module.build_loss
    monkeypatch.setattr(module, "build_loss", lambda spec, **more: seen.append(more) or build(spec, **more))
    sample = scene()
    drain(train([sample, scene(seed=1)], new_bundle(spec_of(), name="tiny"), steps(1)))
    cells = int((sample.classes > 0).sum() + (scene(seed=1).classes > 0).sum())
    assert seen == [{"spacing": (1.0, 1.0), "class_counts": [2 * 32 * 40 - cells, cells]}]


def test_organs_and_photographs_keep_their_up_and_down():
    cells = safe_augmentation(spec_of(Task.INSTANCE, 3))
    assert (cells.angle, cells.flip, cells.flip_axes) == (180, True, "ZYX")
    assert safe_augmentation(spec_of()).angle == 180  # gray planes: microscopy
    organs = safe_augmentation(spec_of(ndim=3))
    assert (organs.angle, organs.flip) == (15, False)
    photographs = safe_augmentation(spec_of(channels=3))
    assert (photographs.angle, photographs.flip, photographs.flip_axes) == (15, True, "X")


def test_shallow_volumes_train_in_float32_on_the_cpu_only():
    half, cpu = torch.bfloat16, torch.device("cpu")
    assert safe_precision(half, (32, 64, 64), (8, 8, 8), cpu) is half
    assert safe_precision(half, (32, 64, 64), (32, 32, 32), cpu) is None
    assert safe_precision(half, (32, 64, 64), (32, 32, 32), torch.device("cuda")) is half
    assert safe_precision(half, (32, 32), (32, 32), cpu) is half


def test_a_step_whose_gradient_is_no_number_changes_nothing():
    class Spoiled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad * float("nan")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(1, 2, 1)

        def forward(self, x):
            return Spoiled.apply(self.layer(x))

    sampler = PatchSampler([prepare_sample(scene(), new_bundle(spec_of(), name="tiny"))], (16, 16))
    network = Net()
    kept = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(InputError, match="no longer a number"):
        drain(run_loop(network, sampler, steps(20), terms=Terms.of(LossSpec(), 2), batch=1, device=torch.device("cpu")))
    assert all(torch.equal(network.state_dict()[k], v) for k, v in kept.items())


@pytest.mark.parametrize(
    ("found", "known", "score"),
    [
        ([1, 1, 0, 0, 0, 0, 0, 0], slice(None), 1.0),
        ([1, 0, 0, 0, 0, 0, 0, 0], slice(None), 0.5),
        ([1, 1, 0, 0, 2, 2, 0, 0], slice(None), 0.5),  # a false find where nothing is known to be
        ([1, 1, 0, 0, 2, 2, 0, 0], slice(0, 4), 1.0),  # the same where nobody knows
        ([1, 1, 0, 0, 0, 0, 0, 0], slice(2, 8), np.nan),  # only background is held out, and nothing was found there
        ([0, 0, 0, 0, 0, 2, 0, 0], slice(2, 8), 0.0),
        ([1, 1, 1, 1, 1, 0, 0, 0], slice(None), 0.0 + 0.4 / 2),  # more than half of it lies beside the object
    ],
)
def test_held_out_objects_are_judged_with_what_was_found_beside_them(found, known, score):
    truth, area = np.array([[1, 1, 0, 0, 0, 0, 0, 0]]), np.zeros((1, 8), bool)
    area[:, known] = True
    sample = Sample(Image(np.zeros((1, 8), np.float32), "YX"), (truth > 0).astype(int), truth, area)
    judge = SampleJudge([sample], new_bundle(spec_of(Task.INSTANCE), name="tiny"))
    labels = np.array([found])
    found = judge._objects([Reading(labels > 0, labels, np.array([0, 1, 1]))])
    assert found.overlap == pytest.approx(score, nan_ok=True)


def test_a_held_out_object_that_is_found_as_another_class_is_not_found():
    """Else the state that tells classes apart would not be kept; and an area is no false find."""
    truth = np.array([[1, 1, 0, 2, 2, 0, 0, 0]])
    kinds = np.array([[1, 1, 0, 2, 2, 0, 3, 3]])
    sample = Sample(Image(np.zeros((1, 8), np.float32), "YX"), kinds, truth)
    table = ClassTable((*ClassTable.named(["a", "b"]), ClassInfo(3, "area", "#999999", Kind.STUFF)))
    judge = SampleJudge([sample], new_bundle(replace(spec_of(Task.PANOPTIC), classes=table), name="tiny"))
    labels = np.array([[1, 1, 0, 2, 2, 0, 4, 4]])
    of = np.array([0, 1, 2, 0, 3])
    assert judge._objects([Reading(of[labels], labels, of)]).overlap == 1.0
    swapped = np.array([0, 1, 1, 0, 3])
    assert judge._objects([Reading(swapped[labels], labels, swapped)]).overlap == 0.5


def test_thresholds_of_the_decoder_follow_what_the_network_has_learnt():
    """They come from the samples of the training; a network that is hardly trained is certain of little."""
    early = drain(train([scene((48, 56))], new_bundle(spec_of(Task.INSTANCE), name="tiny"), steps(4)))
    later = drain(train([scene((48, 56))], early, steps(150, augment=False)))
    assert early.decode["score"] < later.decode["score"] <= 0.9
    assert 0.1 <= early.decode["seed"] <= codec_of(early.spec).defaults()["seed"]
    assert "seed" not in drain(train([scene()], new_bundle(spec_of(), name="tiny"), steps(2))).decode


def test_float16_scales_the_loss_so_that_small_gradients_are_kept(monkeypatch):
    """As on graphics cards without bfloat16; the CPU can do it too."""
    from napari_segplugin.engine import device

    curves = []
    for half in (None, torch.float16):
        monkeypatch.setattr(device, "autocast_dtype", lambda where, half=half: half)
        events = []
        drain(train([scene()], new_bundle(spec_of(), name="tiny"), steps(40)), events.append)
        curves.append([e.value for e in events if isinstance(e, Metric) and e.name == "loss"])
    assert np.mean(curves[1][-8:]) < 0.7 * np.mean(curves[1][:4])
    assert np.mean(curves[1][-8:]) == pytest.approx(np.mean(curves[0][-8:]), rel=0.25)


def test_a_model_with_a_weight_that_is_no_number_is_refused_before_anything_is_prepared():
    bundle = new_bundle(spec_of(), name="tiny")
    first = next(iter(bundle.weights))
    bundle.weights[first] = np.full_like(bundle.weights[first], np.nan)
    with pytest.raises(InputError, match=r"weights of 'tiny' contain values that are not numbers"):
        next(train([scene()], bundle, steps(1)))


@pytest.mark.parametrize(("patch", "size"), [((16,), (16, 16)), ((16, 8), (16, 8))])
def test_one_length_of_a_patch_stands_for_all_axes(patch, size):
    assert (
        patch_size([prepare_sample(scene(), new_bundle(spec_of(), name="x"))], steps(1, patch=patch), (8, 8))[0] == size
    )


def test_a_patch_of_another_number_of_axes_is_refused():
    with pytest.raises(InputError, match=r"does not fit a model of 2D images. Got 8 × 8 × 8. Accepted: 2 numbers"):
        drain(train([scene()], new_bundle(spec_of(), name="x"), steps(1, patch=(8, 8, 8))))


@pytest.mark.parametrize("network", ["unet", "segnet", "kayalibay", "gated_scnn", "fastfcn"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (16, 16)])
def test_one_small_patch_at_a_time_teaches_too(network, shape):
    bundle = new_bundle(replace(spec_of(), network=network, options={}), name="x")
    sample = Sample(Image(np.random.default_rng(0).random(shape), "YX"), np.ones(shape, int))
    assert drain(train([sample], bundle, steps(1, batch=1, patch=(1, 1)))).history[-1]["steps"] == 1


def test_a_network_that_cannot_normalise_one_value_says_what_it_lacks(monkeypatch):
    error = ValueError("Expected more than 1 value per channel when training, got input size torch.Size([1, 8, 1, 1])")
    with pytest.raises(InputError, match=r"too small for this network.*Got 4 patches at a time. Use more patches"):
        drain(scarce_loop(monkeypatch, error, 0)[1])
    with monkeypatch.context() as again, pytest.raises(ValueError, match="another"):
        drain(scarce_loop(again, ValueError("another"), 0)[1])


def test_more_patches_than_memory_are_refused_before_they_are_cut(monkeypatch):
    monkeypatch.setattr("napari_segplugin.engine.train.examples.free_host_memory", lambda: 10_000)
    with pytest.raises(OutOfMemoryError, match="not enough memory to train: 64 patches of"):
        drain(train([scene()], new_bundle(spec_of(), name="x"), steps(1, batch=64, patch=(16, 16))))
