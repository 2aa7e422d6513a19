"""Exemplars are cut where something is known, come back as they were, and share the patches of a fine-tuning."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import (  # noqa: E402
    BACKGROUND_PAINT,
    ClassTable,
    Exemplars,
    Image,
    InputError,
    ModelSpec,
    Note,
    Sample,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.data.corrections import Corrections  # noqa: E402
from napari_segplugin.data.sampling import PatchSampler  # noqa: E402
from napari_segplugin.engine.train.examples import prepare_sample  # noqa: E402
from napari_segplugin.engine.train.exemplars import SIDES, cut_exemplars, merged, rehearsed, source_of  # noqa: E402
from napari_segplugin.engine.train.finetune import finetune  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle, train  # noqa: E402
from napari_segplugin.io import load_bundle, save_bundle, shipped_bundles  # noqa: E402

CLASSES = ClassTable.named(["cell"])
SPEC = TrainSpec(seconds=0, steps=4, batch=2, patch=(16, 16), device="cpu")


def sample(seed=0, shape=(60, 70), ndim=2):
    shape = (4, *shape) if ndim == 3 else shape
    objects = np.zeros(shape, np.int64)
    objects[..., 10:20, 10:20], objects[..., 30:44, 40:52] = 1, 2
    values = np.random.default_rng(seed).normal(50, 10, shape) + 100 * (objects > 0)
    return Sample(Image(values, "ZYX"[-ndim:], name=f"image {seed}"), (objects > 0).astype(np.int64), objects)


def tiny(task=Task.INSTANCE, ndim=2):
    return new_bundle(ModelSpec("unet", ndim, 1, task, CLASSES, {"widths": (4, 8)}), name="tiny")


def trained(seed=0, **settings):
    return drain(train([sample(seed)], tiny(), replace(SPEC, **settings)))


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_piece_is_the_sample_itself_padded_with_unknown(ndim):
    bundle = tiny(ndim=ndim)
    prepared = prepare_sample(sample(shape=(60, 62), ndim=ndim), bundle)
    found = cut_exemplars([prepared], ["a"], 3)
    assert len(found) == 3
    assert found.array("image").shape[2:] == SIDES[ndim]
    whole = tuple(slice(0, n) for n in prepared.image.shape[1:])
    for i in range(3):
        np.testing.assert_allclose(found.array("image")[(i, slice(None), *whole)], prepared.image, atol=1e-3)
        np.testing.assert_array_equal(found.array("labels")[(i, slice(None), *whole)], prepared.labels)
        assert found.array("labels")[i, 1].sum() == prepared.labels[1].sum()  # nothing outside of the image is known
    (back, *_) = rehearsed(replace(bundle, exemplars=found))
    np.testing.assert_array_equal(back.labels, found.array("labels")[0])
    assert back.spacing == prepared.spacing


def test_pieces_of_a_large_image_lie_around_what_is_known():
    large = sample(shape=(400, 500))
    known = np.zeros((400, 500), bool)
    known[300:310, 420:430] = True
    found = cut_exemplars([prepare_sample(replace(large, known=known), tiny())], ["a"], 5)
    assert (found.array("labels")[:, 1].sum((1, 2)) == 100).all()


def test_every_image_gives_as_many_pieces():
    prepared = [prepare_sample(sample(i), tiny()) for i in range(3)]
    found = cut_exemplars(prepared, ["a", "b", "c"], 7)
    assert sorted(np.unique(found.array("source"), return_counts=True)[1]) == [2, 2, 3]
    nothing = replace(sample(), known=np.zeros((60, 70), bool))
    assert cut_exemplars([prepare_sample(nothing, tiny())], ["a"], 5) is None
    assert cut_exemplars(prepared, ["a", "b", "c"], 0) is None


def test_corrections_of_the_same_image_replace_each_other():
    a, b = (cut_exemplars([prepare_sample(sample(i), tiny())], [str(i)], 4) for i in range(2))
    both = merged(a, b, 24)
    assert both.array("source").tolist() == ["0"] * 4 + ["1"] * 4
    newer = Exemplars(**{**b.arrays(), "image": b.array("image") + np.float16(1)})
    np.testing.assert_array_equal(merged(both, newer, 24).array("image")[4:], newer.array("image"))
    assert len(merged(both, newer, 24)) == 8
    assert len(merged(both, None, 3)) == 3
    assert merged(both, newer, 0) is None
    assert merged(None, None, 3) is None
    assert source_of(sample(0)) == source_of(replace(sample(0), known=np.ones((60, 70), bool))) != source_of(sample(1))


def test_exemplars_travel_with_the_bundle(tmp_path):
    bundle = trained(exemplars=3)
    assert len(bundle.exemplars) == 3
    place = save_bundle(bundle, tmp_path / "with")
    again = load_bundle(place).exemplars
    for word, array in bundle.exemplars.arrays().items():
        np.testing.assert_array_equal(again.array(word), array)
    assert "3 small pieces" in (place / "README.md").read_text()
    (place / "exemplars.npz").unlink()
    assert load_bundle(place).exemplars is None
    assert not (save_bundle(trained(exemplars=0), tmp_path / "without") / "exemplars.npz").exists()


@pytest.mark.parametrize("harm", ["cut", "pickle", "other", "shape"])
def test_damaged_exemplars_are_a_sentence(tmp_path, harm):
    place = save_bundle(trained(exemplars=2), tmp_path / "tiny") / "exemplars.npz"
    arrays = dict(np.load(place))
    if harm == "cut":
        place.write_bytes(place.read_bytes()[:200])
    elif harm == "pickle":
        np.savez(place, **{**arrays, "source": np.array([{"a": 1}, None], object)})
    elif harm == "other":
        np.savez(place, image=arrays["image"])
    else:
        np.savez(place, **{**arrays, "labels": arrays["labels"][:, :2]})
    with pytest.raises(InputError, match="image pieces"):
        load_bundle(place.parent)


def test_half_of_the_patches_are_exemplars():
    bright = prepare_sample(sample(0), tiny())
    dark = [replace(prepare_sample(sample(i), tiny()), image=torch.full((1, 60, 70), -5.0)) for i in (1, 2, 3)]
    for share in (0.5, 0.9):
        sampler = PatchSampler([bright, *dark], (8, 8), shares=[1 - share] + [share / 3] * 3)
        drawn = sampler.draw(300).image.amin((1, 2, 3))
        assert (drawn == -5).float().mean() == pytest.approx(share, abs=0.08)


def corrections():
    paint = np.zeros((60, 70), np.uint16)
    paint[10:20, 10:20], paint[30:44, 40:52], paint[2:5, 2:60] = 1, 2, BACKGROUND_PAINT
    return Corrections(paint)


def test_finetuning_rehearses_and_keeps_pieces_of_the_corrected_image():
    old = trained(seed=1)
    events = []
    new = drain(finetune(sample(0).image, corrections(), old, SPEC), events.append).bundle
    assert any("learnt from before" in e.text for e in events if isinstance(e, Note))
    assert set(new.exemplars.array("source")) == {source_of(sample(0)), source_of(sample(1))}
    plain = drain(finetune(sample(0).image, corrections(), old, replace(SPEC, rehearsal=0.0)), events.append).bundle
    assert any(not np.array_equal(plain.weights[k], v) for k, v in new.weights.items())


def test_what_is_painted_anew_is_not_rehearsed():
    old = trained(seed=0)
    events = []
    drain(finetune(sample(0).image, corrections(), old, SPEC), events.append)
    assert not any("learnt from before" in e.text for e in events if isinstance(e, Note))


def test_exemplars_that_do_not_fit_the_network_are_left_alone():
    bundle = trained()
    assert rehearsed(bundle)
    assert rehearsed(replace(bundle, spec=replace(bundle.spec, in_channels=2))) == []
    assert rehearsed(replace(bundle, spec=replace(bundle.spec, task=Task.SEMANTIC))) == []
    assert rehearsed(replace(bundle, spec=replace(bundle.spec, ndim=3))) == []


@pytest.mark.parametrize(("setting", "value"), [("rehearsal", 0.95), ("rehearsal", -0.1), ("exemplars", -1)])
def test_shares_and_numbers_out_of_range_are_refused(setting, value):
    with pytest.raises(InputError, match=setting):
        replace(SPEC, **{setting: value})


@pytest.mark.parametrize("name", shipped_bundles())
def test_shipped_models_can_rehearse(name):
    bundle = load_bundle(shipped_bundles()[name])
    assert len(rehearsed(bundle)) == len(bundle.exemplars) == 24
    assert bundle.exemplars.array("labels")[:, 1].any((1, 2) if bundle.spec.ndim == 2 else (1, 2, 3)).all()


def test_pieces_are_kept_packed_and_come_back_as_they_were():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(6, 1, 128, 128)).astype(np.float16)
    labels = np.zeros((6, 4, 128, 128), np.float32)
    labels[:, :, 20:60, 20:60] = 1.5
    maps = np.zeros((6, 1, 128, 128), np.float16)
    given = {
        "image": image,
        "labels": labels,
        "maps": maps,
        "spacing": np.ones((6, 2)),
        "source": np.array(list("abcdef")),
    }
    kept = Exemplars(**given)
    for name, array in kept.arrays().items():
        assert array.dtype == given[name].dtype
        assert np.array_equal(array, given[name])
    held = sum(len(packed) for _, _, packed in kept._packed.values())
    assert held < 0.15 * sum(a.nbytes for a in given.values())
    assert kept.take(np.array([1, 4])).array("source").tolist() == ["b", "e"]
