"""On a graphics card: what the CPU promises holds there too.

    pytest -m gpu tests

Needs CUDA, but neither napari nor Qt.
"""

from __future__ import annotations

import gc

import numpy as np
import pytest
from small_networks import small

torch = pytest.importorskip("torch")

from napari_segplugin.core import (  # noqa: E402
    BACKGROUND_PAINT,
    AugmentSpec,
    ClassInfo,
    ClassTable,
    Image,
    Kind,
    LossSpec,
    LossTerm,
    Metric,
    MissingExtraError,
    ModelSpec,
    Note,
    Sample,
    Step,
    Task,
    TileSpec,
    TrainSpec,
    drain,
)
from napari_segplugin.data.corrections import Corrections  # noqa: E402
from napari_segplugin.data.sampling import PatchSampler  # noqa: E402
from napari_segplugin.engine import device as device_module  # noqa: E402
from napari_segplugin.engine.network import load, prepare  # noqa: E402
from napari_segplugin.engine.predict.estimate import estimate  # noqa: E402
from napari_segplugin.engine.predict.predict import predict  # noqa: E402
from napari_segplugin.engine.train.checkpoint import Checkpoint  # noqa: E402
from napari_segplugin.engine.train.examples import prepare_sample  # noqa: E402
from napari_segplugin.engine.train.finetune import finetune  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle, train  # noqa: E402
from napari_segplugin.losses import LOSSES, build_loss  # noqa: E402
from napari_segplugin.networks import NETWORKS  # noqa: E402

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")]

CELL = ClassTable.named(["cell"])
PANOPTIC = ClassTable((*ClassTable.named(["cell"]), ClassInfo(2, "soil", "#aaaaaa", Kind.STUFF)))
DENSE = [row.name for row in NETWORKS if row.family != "detector"]
both = pytest.mark.parametrize("ndim", [2, 3])


def scene(ndim: int, side: int = 0, seed: int = 0) -> Sample:
    """Bright balls in noise."""
    rng = np.random.default_rng(seed)
    side = side or (160 if ndim == 2 else 48)
    shape = (side,) * ndim
    grids, objects = np.indices(shape), np.zeros(shape, np.int32)
    middles = np.stack(np.meshgrid(*[np.arange(12, side - 8, 24)] * ndim, indexing="ij"), -1).reshape(-1, ndim)
    for number, middle in enumerate(middles[:40], 1):
        centre = middle + rng.integers(-3, 4, ndim)
        objects[sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True)) <= 49] = number
    image = (objects > 0) * 100.0 + rng.normal(50, 10, shape)
    return Sample(Image(image.astype(np.float32), "ZYX"[-ndim:], name="balls"), (objects > 0).astype(int), objects)


def bundle_of(name: str, ndim: int, task: Task = Task.SEMANTIC, classes: ClassTable = CELL):
    """A new model of the smallest size of its network."""
    options = dict(small(name))
    try:
        return new_bundle(ModelSpec(name, ndim, 1, task, classes, options), name="tiny", seed=1)
    except MissingExtraError as error:
        pytest.skip(str(error))


def steps(n: int, **more) -> TrainSpec:
    return TrainSpec(**{"seconds": 0, "steps": n, "device": "cuda", "exemplars": 0, **more})


def losses_of(events) -> list[float]:
    return [e.value for e in events if isinstance(e, Metric) and e.name == "loss"]


# ---------------------------------------------------------------- networks


@both
@pytest.mark.parametrize("name", DENSE)
def test_a_network_agrees_with_the_cpu(name, ndim):
    """Up to TensorFloat-32, in which cards multiply by default, and to maxima that it turns around (SegNet)."""
    bundle = bundle_of(name, ndim)
    image = scene(ndim).image
    spatial = tuple(-(-n // m) * m for n, m in zip((64,) * ndim, load(bundle).multiple, strict=True))
    x = np.resize(image.read(), (1, 1, *spatial)).astype(np.float32) / 150
    here, there = (prepare(bundle, torch.device(d), torch.float32)(x).cpu() for d in ("cpu", "cuda"))
    assert float((here - there).abs().max()) < 0.1
    assert float((here - there).abs().mean()) < 2e-3


@both
@pytest.mark.parametrize("name", NETWORKS.names())
def test_a_network_learns_in_mixed_precision(name, ndim):
    task = Task.INSTANCE if NETWORKS[name].family == "detector" else Task.SEMANTIC
    events: list[object] = []
    found = drain(train([scene(ndim)], bundle_of(name, ndim, task), steps(40, learning_rate=2e-3)), events.append)
    curve = losses_of(events)
    assert np.mean(curve[-8:]) < np.mean(curve[:8])
    assert all(np.isfinite(v).all() for v in found.weights.values())


@both
@pytest.mark.parametrize("task", list(Task))
def test_every_task_trains_and_predicts(task, ndim):
    classes = PANOPTIC if task is Task.PANOPTIC else CELL
    sample = scene(ndim)
    spec = steps(80 if ndim == 2 else 200, learning_rate=4e-3, augment=False)
    bundle = drain(train([sample], bundle_of("unet", ndim, task, classes), spec))
    found = drain(predict(sample.image, bundle, device="cuda"))
    labels = np.asarray(found.labels)
    mask = (
        labels > 0 if task is not Task.PANOPTIC else np.isin(labels, found.objects.label[found.objects.class_id == 1])
    )
    truth = sample.classes > 0
    assert (mask & truth).sum() / (mask | truth).sum() > 0.7
    assert found.recipe["device"] != "cpu"


@both
def test_predictions_in_half_precision_are_nearly_those_of_the_cpu(ndim):
    sample = scene(ndim, 96 if ndim == 3 else 512)
    bundle = drain(train([sample], bundle_of("unet", ndim), steps(60, learning_rate=4e-3)))
    a = drain(predict(sample.image, bundle, device="cpu", tiles=TileSpec(precision="float32")))
    b = drain(predict(sample.image, bundle, device="cuda"))
    assert np.mean(np.asarray(a.labels) == np.asarray(b.labels)) > 0.995


def test_float16_of_older_cards_learns_as_well(monkeypatch):
    """Gradients too small for float16 are not lost: the loss is scaled."""
    results = {}
    for half in (torch.bfloat16, torch.float16):
        monkeypatch.setattr(device_module, "autocast_dtype", lambda device, half=half: half)
        events: list[object] = []
        bundle = drain(train([scene(2)], bundle_of("unet", 2), steps(120, learning_rate=4e-3)), events.append)
        results[half] = np.mean(losses_of(events)[-20:])
        labels = np.asarray(drain(predict(scene(2).image, bundle, device="cuda")).labels)
        assert np.mean((labels > 0) == (scene(2).classes > 0)) > 0.97
    assert results[torch.float16] < 1.3 * results[torch.bfloat16] + 0.02


# ---------------------------------------------------------------- losses


@both
@pytest.mark.parametrize("name", LOSSES.names())
def test_a_loss_and_its_gradient_are_those_of_the_cpu(name, ndim):
    generator = torch.Generator().manual_seed(0)
    shape = (14, 12) if ndim == 2 else (6, 8, 10)
    logits = torch.randn(2, 3, *shape, generator=generator)
    target = torch.randint(0, 3, (2, *shape), generator=generator)
    weight = (torch.rand(2, *shape, generator=generator) > 0.3).float()
    found = []
    for where in ("cpu", "cuda"):
        loss = build_loss(LossSpec((LossTerm(name),)))[name][1]
        x = logits.to(where).detach().requires_grad_()
        value = loss(x, target.to(where), weight.to(where))
        value.backward()
        found.append((value.detach().cpu(), x.grad.cpu()))
    assert torch.allclose(found[0][0], found[1][0], rtol=1e-4, atol=1e-6)
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-3, atol=1e-6)


# ---------------------------------------------------------------- patches


@both
def test_patches_cut_on_the_card_are_those_of_the_cpu(ndim):
    prepared = prepare_sample(scene(ndim), bundle_of("unet", ndim, Task.INSTANCE))
    spec = AugmentSpec(elastic=3.0, downsample=2.0)
    here, there = (PatchSampler([prepared], (24,) * ndim, spec, 3, device=d).draw(6) for d in ("cpu", "cuda"))
    assert there.image.device.type == "cuda"
    assert torch.allclose(here.image, there.image.cpu(), atol=1e-3)
    assert torch.allclose(here.maps, there.maps.cpu(), atol=1e-3)
    assert (here.instances == there.instances.cpu()).float().mean() > 0.999  # nearest neighbours tie now and then


def test_objects_with_offsets_turn_with_the_patch_on_the_card():
    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, CELL, {"widths": (4, 8)}, head="centre_offset")
    prepared = prepare_sample(scene(2), new_bundle(spec, name="tiny"))
    assert prepared.offsets
    here, there = (PatchSampler([prepared], (32, 32), AugmentSpec(), 3, device=d).draw(6) for d in ("cpu", "cuda"))
    assert (here.maps - there.maps.cpu()).abs().mean() < 1e-2


# ---------------------------------------------------------------- memory, cancel, going on


def test_a_card_that_is_too_small_is_no_end():
    """With a sliver of the memory: smaller batches, smaller tiles, at the last the CPU; the labels stay."""
    sample = scene(2, 512)
    bundle = drain(train([sample], bundle_of("unet", 2), steps(60, learning_rate=4e-3)))
    whole = np.asarray(drain(predict(sample.image, bundle, device="cuda")).labels)
    big = Image(np.tile(sample.image.read()[0], (6, 6)), "YX", name="big")
    expected = np.asarray(drain(predict(big, bundle, device="cuda")).labels)
    gc.collect()
    torch.cuda.empty_cache()
    used, total = torch.cuda.memory_reserved(), torch.cuda.get_device_properties(0).total_memory
    events: list[object] = []
    try:
        torch.cuda.set_per_process_memory_fraction((used + 60 * 2**20) / total)
        found = drain(predict(big, bundle, device="cuda", tiles=TileSpec(size=(3072, 3072))), events.append)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert any(isinstance(e, Note) and "Memory ran out" in e.text for e in events)
    assert np.mean(np.asarray(found.labels) == expected) > 0.999
    assert whole.any()


def test_cancel_gives_the_memory_back():
    bundle = bundle_of("unet", 3)
    image = scene(3, 128).image
    gc.collect()
    before = torch.cuda.memory_allocated()
    job = predict(image, bundle, device="cuda", tiles=TileSpec(size=(48, 48, 48)))
    for event in job:
        if isinstance(event, Step) and event.done:
            break
    job.close()
    del job
    gc.collect()
    assert torch.cuda.memory_allocated() - before < 50 * 2**20


def test_training_goes_on_on_the_card(tmp_path, monkeypatch):
    sample, bundle = scene(2), bundle_of("unet", 2)
    monkeypatch.setattr(Checkpoint, "due", property(lambda self: True))
    job = train([sample], bundle, steps(30), keep=tmp_path / "kept")
    for event in job:
        if isinstance(event, Step) and event.total == 30 and event.done >= 12:
            break
    job.close()
    events: list[object] = []
    drain(train([sample], bundle, steps(30), keep=tmp_path / "kept"), events.append)
    assert any(isinstance(e, Note) and "continues at step" in e.text for e in events)
    assert len(losses_of(events)) < 30


def test_strokes_are_learnt_on_the_card():
    sample = scene(2)
    bundle = drain(train([sample], bundle_of("unet", 2), steps(10)))
    paint = np.zeros(sample.classes.shape, np.uint16)
    for row in (30, 70, 110):
        paint[row : row + 4] = np.where(sample.classes[row : row + 4] > 0, 1, BACKGROUND_PAINT)
    better = drain(finetune(sample.image, Corrections(paint), bundle, steps(80, learning_rate=4e-3))).bundle
    before, after = (np.asarray(drain(predict(sample.image, b, device="cuda")).labels) > 0 for b in (bundle, better))
    truth = sample.classes > 0
    assert (after == truth).mean() > max(0.95, (before == truth).mean())


def test_the_estimate_names_the_card():
    found = estimate(scene(2).image, bundle_of("unet", 2), device="auto")
    assert torch.cuda.get_device_name(0) in found.text
