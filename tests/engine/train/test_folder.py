"""Training on a folder: what is held out was never trained on, the old model stays, and the loss of a crash is small."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

torch = pytest.importorskip("torch")

from napari_segplugin import jobs  # noqa: E402
from napari_segplugin.core import (  # noqa: E402
    ClassTable,
    Image,
    InputError,
    Kind,
    Metric,
    ModelSpec,
    Note,
    Sample,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.engine.train.folder import train_labelled  # noqa: E402
from napari_segplugin.engine.train.heldout import SampleJudge  # noqa: E402
from napari_segplugin.engine.train.samples import hold_out  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle  # noqa: E402
from napari_segplugin.io import load_sample  # noqa: E402

NUCLEUS = ClassTable.named(["nucleus"])
QUICK = TrainSpec(seconds=0, steps=6, batch=2, patch=(32, 32), device="cpu")


def blank(name, shape):
    return Sample(Image(np.zeros(shape, np.float32), "ZYX"[-len(shape) :], name=name), np.zeros(shape, int))


def small(ndim=2, channels=1, task=Task.INSTANCE, classes=NUCLEUS):
    return new_bundle(ModelSpec("unet", ndim, channels, task, classes, {"widths": (4, 8)}), name="small")


@pytest.fixture
def nuclei(tmp_path):
    """Five pieces of the shipped image of nuclei, with their truth."""
    sample = load_sample("nuclei2d")
    image, truth = sample.image.read()[0], np.asarray(sample.truth)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(5):
        piece = (slice(96, 192), slice(32 * i, 32 * i + 96))
        tifffile.imwrite(tmp_path / "images" / f"piece{i}.tif", image[piece], metadata={"axes": "YX"})
        tifffile.imwrite(tmp_path / "masks" / f"piece{i}.tif", truth[piece].astype(np.uint16), metadata={"axes": "YX"})
    return tmp_path


@pytest.mark.parametrize(
    ("count", "share", "held"), [(10, 0.2, 2), (2, 0.01, 1), (3, 0.99, 2), (4, 0.0, 0), (1, 0.5, 0)]
)
@pytest.mark.parametrize("ndim", [2, 3])
def test_whole_images_are_held_out_and_one_is_left_to_learn(count, share, held, ndim):
    samples = [blank(str(i), (6, 5, 4)[-ndim:]) for i in range(count)]
    learn, judge = hold_out(samples, share, 0, ndim)
    assert len(judge) == held
    assert sorted(s.image.name for s in learn + judge) == sorted(s.image.name for s in samples)


def test_planes_of_one_volume_never_lie_on_both_sides():
    learn, judge = hold_out([blank(str(i), (6, 5, 4)) for i in range(5)], 0.4, 3, 2)
    sides = [{s.image.name for s in part} for part in (learn, judge)]
    assert not sides[0] & sides[1]
    assert (len(learn), len(judge)) == (18, 12)
    assert all(s.image.ndim == 2 for s in learn + judge)


def test_of_a_single_volume_the_last_planes_are_held_out_in_one_piece():
    shape = (10, 5, 4)
    depth = np.broadcast_to(np.arange(10)[:, None, None], shape)
    sample = Sample(Image(depth.astype(np.float32), "ZYX", name="one"), np.zeros(shape, int))
    learn, judge = hold_out([sample], 0.3, 0, 2)
    assert [float(s.image.read().max()) for s in learn] == list(range(7))
    assert [float(s.image.read().max()) for s in judge] == [7, 8, 9]


def test_another_seed_holds_out_others_and_the_same_the_same():
    samples = [blank(str(i), (5, 4)) for i in range(30)]
    names = [{s.image.name for s in hold_out(samples, 0.2, seed, 2)[1]} for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize("share", [-0.1, 1.0, 2])
def test_a_share_that_leaves_nothing_is_refused(share):
    with pytest.raises(InputError, match="from 0 to below 1"):
        hold_out([blank("a", (5, 4))], share, 0, 2)


def test_the_held_out_images_are_not_trained_on_and_both_figures_repeat(nuclei):
    old = small()
    first = drain(jobs.train(nuclei, old, QUICK))
    assert not first.before  # random weights have no quality
    assert set(first.after) == {"held-out object IoU", "held-out Dice"}
    learned = set(first.bundle.history[-1]["images"])
    held = {f"piece{i}" for i in range(5)} - learned
    assert len(held) == 1
    assert next(iter(held)) in first.heldout
    assert "which are not trained on" in first.heldout
    assert first.bundle.name == "small"
    assert not old.history

    events = []
    second = drain(jobs.train(nuclei, first.bundle, QUICK), events.append)
    assert second.before == pytest.approx(first.after)
    assert [e.value for e in events if isinstance(e, Metric) and e.step == 0][:2] == list(second.before.values())
    assert second.bundle.name == "small, tuned 1"
    assert len(second.bundle.history) == 2


def test_the_figures_are_those_of_the_judge_on_the_files(nuclei):
    found = drain(jobs.train(nuclei, small(), QUICK))
    name = next(f"piece{i}" for i in range(5) if f"piece{i}" in found.heldout)
    truth = tifffile.imread(nuclei / "masks" / f"{name}.tif").astype(int)
    image = Image(tifffile.imread(nuclei / "images" / f"{name}.tif"), "YX", name=name)
    from napari_segplugin.engine.network import load

    judge = SampleJudge([Sample(image, (truth > 0).astype(int), truth)], found.bundle)
    assert judge(load(found.bundle, finite=False)) == pytest.approx(found.after)


def test_volumes_teach_a_network_of_planes_and_one_of_volumes(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        labels = np.zeros((6, 24, 24), np.uint8)
        labels[:, 6:16, 5 + i : 15 + i] = 1
        image = (labels * 100 + rng.normal(50, 5, labels.shape)).astype(np.float32)
        tifffile.imwrite(tmp_path / f"v{i}_image.tif", image, imagej=True, metadata={"axes": "ZYX"})
        tifffile.imwrite(tmp_path / f"v{i}_labels.tif", labels, imagej=True, metadata={"axes": "ZYX"})
    classes = ClassTable.named(["organ"], Kind.STUFF)
    for ndim, patch in ((2, (16, 16)), (3, (4, 16, 16))):
        start = small(ndim, task=Task.SEMANTIC, classes=classes)
        found = drain(jobs.train(tmp_path, start, TrainSpec(seconds=0, steps=3, batch=2, patch=patch, device="cpu")))
        assert set(found.after) == {"held-out Dice"}
        assert len(found.bundle.history[-1]["images"]) == (12 if ndim == 2 else 2)


def test_a_single_image_is_trained_on_without_figures(tmp_path):
    tifffile.imwrite(tmp_path / "a_image.tif", np.random.default_rng(0).random((40, 40), np.float32))
    tifffile.imwrite(tmp_path / "a_labels.tif", np.eye(40, dtype=np.uint8))
    found = drain(jobs.train(tmp_path, small(), QUICK))
    assert not found.after
    assert "only one image" in found.heldout


def test_a_training_that_was_interrupted_goes_on(nuclei, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_segplugin.engine.train.checkpoint.Checkpoint.due", property(lambda _: True))
    job = jobs.train(nuclei, small(), QUICK, keep=tmp_path / "kept")
    for event in job:
        if isinstance(event, Metric) and event.name == "loss" and event.step == 3:
            break
    for _ in range(3):
        next(job)
    job.close()
    events = []
    found = drain(jobs.train(nuclei, small(), QUICK, keep=tmp_path / "kept"), events.append)
    assert any(isinstance(e, Note) and "continues" in e.text for e in events)
    assert found.bundle.history[-1]["steps"] == 6


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "masks" / "piece1.tif").unlink(), "no counterpart"),
        (lambda f: tifffile.imwrite(f / "masks" / "piece1.tif", np.zeros((5, 5), np.uint8)), "do not fit the image"),
        (lambda f: (f / "images" / "piece1.tif").write_bytes(b"II*\0"), "piece1"),
        (lambda f: tifffile.imwrite(f / "masks" / "piece1.tif", np.zeros((96, 96), np.float32) + 0.5), "piece1"),
    ],
)
def test_what_does_not_fit_is_named_before_training(nuclei: Path, spoil, words):
    spoil(nuclei)
    with pytest.raises(InputError, match=words):
        drain(jobs.train(nuclei, small(), QUICK))


def test_channels_that_do_not_fit_are_named(nuclei):
    with pytest.raises(InputError, match="does not fit the network"):
        drain(jobs.train(nuclei, small(channels=3), QUICK))


def test_a_doubt_about_axes_is_said_once_for_all_files(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        np.save(tmp_path / f"v{i}_image.npy", rng.random((5, 24, 24), np.float32))
        np.save(tmp_path / f"v{i}_labels.npy", (rng.random((5, 24, 24)) > 0.5).astype(np.uint8))
    events = []
    start = small(3, task=Task.SEMANTIC, classes=ClassTable.named(["organ"], Kind.STUFF))
    spec = TrainSpec(seconds=0, steps=1, batch=1, patch=(4, 16, 16), device="cpu")
    drain(jobs.train(tmp_path, start, spec), events.append)
    doubts = [e.text for e in events if isinstance(e, Note) and "Taken as" in e.text]
    assert len(doubts) == 1


def test_a_model_with_a_weight_that_is_no_number_is_refused():
    spec = ModelSpec("unet", 2, 1, Task.SEMANTIC, ClassTable.named(["cell"]), {"widths": (4, 8)})
    bundle = new_bundle(spec, name="tiny")
    first = next(iter(bundle.weights))
    bundle.weights[first] = np.full_like(bundle.weights[first], np.nan)
    with pytest.raises(InputError, match="contain values that are not numbers"):
        next(train_labelled([], bundle, TrainSpec(steps=1)))


def test_a_grey_tile_among_coloured_ones_is_meant_in_colours(tmp_path) -> None:
    """A file of red, green and blue that happens to be grey opens as one channel; the network has three."""
    from PIL import Image as pillow

    from napari_segplugin.core import Task, drain
    from napari_segplugin.engine.train.folder import read_pairs
    from napari_segplugin.io.pairs import Pair

    colours = np.random.default_rng(0).integers(0, 255, (12, 14, 3)).astype(np.uint8)
    grey = np.repeat(colours[..., :1], 3, axis=-1)
    pairs = []
    for name, picture in (("colour", colours), ("grey", grey)):
        pillow.fromarray(picture).save(tmp_path / f"{name}.png")
        pillow.fromarray((picture[..., 0] > 99).astype(np.uint8)).save(tmp_path / f"{name}_labels.png")
        pairs.append(Pair(name, tmp_path / f"{name}.png", tmp_path / f"{name}_labels.png"))
    found = drain(read_pairs(pairs, Task.SEMANTIC))
    assert [one.image.n_channels for one in found] == [3, 3]
    np.testing.assert_array_equal(found[1].image.array, grey)
    assert [one.image.n_channels for one in drain(read_pairs(pairs[1:], Task.SEMANTIC))] == [1]
