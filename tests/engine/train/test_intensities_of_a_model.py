"""How a model reads intensities: CT by its Hounsfield units, the same in every image, and what is said of other values."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import (  # noqa: E402
    AugmentSpec,
    ClassTable,
    Image,
    InputError,
    Kind,
    Learnt,
    ModelSpec,
    Normalisation,
    Note,
    Sample,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.data.by_values import fit_to_values, noisy, other_values  # noqa: E402
from napari_segplugin.data.corrections import Corrections  # noqa: E402
from napari_segplugin.engine.predict.predict import predict  # noqa: E402
from napari_segplugin.engine.train.finetune import finetune  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle, train  # noqa: E402
from napari_segplugin.io import load_bundle, save_bundle  # noqa: E402

SPEC = ModelSpec("unet", 2, 1, Task.SEMANTIC, ClassTable.named(["organ"], Kind.STUFF), {"widths": (8, 16)})
FAST = TrainSpec(
    seconds=0, steps=60, batch=4, patch=(48, 48), learning_rate=1e-2, augment=False, device="cpu", exemplars=0
)


def scan(seed, size=72, **about):
    """A body with a rim of fat and an organ in it, in air; the organ is 60 HU brighter than what is around it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size / 2
    from_middle = np.hypot(y, x * 1.1)
    cy, cx = rng.uniform(-8, 8, 2)
    organ = np.hypot(y - cy, x - cx) < 9
    values = np.select([organ, from_middle < 25, from_middle < 29], [100.0, 40.0, -100.0], -1000.0)
    values += rng.normal(0, 12, values.shape)
    return Sample(
        Image(np.round(values).astype(np.int16), "YX", name=f"scan {seed}", metadata=about), organ.astype(int)
    )


def changed(sample, values, **about):
    return replace(sample.image, array=values, metadata=about)


def texts(job):
    """The result and the notes of a job."""
    events = []
    return drain(job, events.append), [e.text for e in events if isinstance(e, Note)]


def dice(found, truth):
    return 2 * ((found > 0) & (truth > 0)).sum() / ((found > 0).sum() + (truth > 0).sum())


@pytest.fixture(scope="module")
def trained():
    """A model of CT and what was said when it was trained."""
    return texts(train([scan(i) for i in range(4)], new_bundle(SPEC, name="organ"), FAST))


def test_a_model_of_ct_reads_hounsfield_units_by_itself(trained):
    bundle, notes = trained
    (low, high), *_ = bundle.normalisation.values
    assert bundle.normalisation.rule == "values"
    assert (low, high) == (pytest.approx(70, abs=6), pytest.approx(130, abs=6))  # what the organ has, 100 ± 2.6 · 12
    assert bundle.learnt.modality == "CT"
    assert any("The images are CT" in n for n in notes)


def test_air_around_and_metal_change_nothing(trained):
    bundle, _ = trained
    test = scan(10)
    whole, notes = texts(predict(test.image, bundle))
    assert dice(whole.labels, test.classes) > 0.9
    wide = np.pad(test.image.array, 100, constant_values=-1000)
    around = drain(predict(changed(test, wide), bundle)).labels[100:-100, 100:-100]
    metal = test.image.array.copy()
    metal[:6, :6] = 3071
    inside = (slice(12, 60), slice(12, 60))
    cut = drain(predict(changed(test, test.image.array[inside]), bundle)).labels
    for found, truth in (
        (around, test.classes),
        (drain(predict(changed(test, metal), bundle)).labels[inside], test.classes[inside]),
        (cut, test.classes[inside]),
    ):
        assert dice(found, truth) > dice(whole.labels, test.classes) - 0.03
    assert notes == []
    # each image by its own range: the air decides what is seen
    own = replace(bundle, normalisation=Normalisation())
    assert dice(drain(predict(changed(test, wide), own)).labels[100:-100, 100:-100], test.classes) < 0.8


@pytest.mark.parametrize(
    ("change", "about", "words"),
    [
        (lambda a: a + 1024, {}, "about 1000 too high"),
        (lambda a: np.clip(a + 1000, 0, None).astype(np.uint16), {}, "about 1000 too high"),
        (lambda a: np.clip((a + 160) / 400 * 255, 0, 255).astype(np.uint8), {}, "other values, 0 to 1"),
        (lambda a: (a - a.mean()) / a.std(), {}, "other values"),
        (lambda a: np.abs(a), {"dicom_Modality": "MR"}, "says MR"),
        (lambda a: a, {}, ""),
        (lambda a: a, {"dicom_Modality": "CT", "value_unit": "HU"}, ""),
        (lambda a: a[14:58, 14:58], {}, ""),  # inside the body
        (lambda a: a[30:40, 30:40], {}, ""),  # inside the organ and what touches it
        (lambda a: a[:9, :9], {}, ""),  # air alone
    ],
)
def test_other_values_are_said(trained, change, about, words):
    bundle, _ = trained
    image = changed(scan(11), change(scan(11).image.array), **about)
    _, notes = texts(predict(image, bundle))
    said = [
        n for n in notes if "model learnt" in n and "another kind" not in n
    ]  # which its looks say, and not its values
    assert (len(said), words in " ".join(said)) == (bool(words), True)


def test_the_model_keeps_its_values_when_it_is_tuned(trained):
    bundle, _ = trained
    test = scan(12)
    painted = np.zeros(test.classes.shape, np.uint16)
    painted[30:42, 20:52] = np.where(test.classes > 0, 1, 65535)[30:42, 20:52]
    corrections = Corrections(painted)
    few = replace(FAST, steps=2, intensities="image")
    tuned, notes = texts(finetune(test.image, corrections, bundle, few))
    assert tuned.bundle.normalisation == bundle.normalisation
    assert tuned.bundle.learnt.modality == "CT"
    assert "The model keeps reading intensities as it learnt to." in notes
    _, notes = texts(finetune(changed(test, test.image.array + 1024), corrections, bundle, few))
    assert any("1000 too high" in n for n in notes)
    new, _ = texts(finetune(test.image, corrections, new_bundle(SPEC, name="new"), replace(FAST, steps=2)))
    assert new.bundle.normalisation.rule == "values"


def test_the_person_decides_and_doubt_is_said():
    fresh = new_bundle(SPEC, name="organ")
    ct, other = scan(0), Sample(Image(scan(1).image.array + 1024, "YX", name="other"), scan(1).classes)
    assert fit_to_values(fresh, [ct], "image") == (fresh, [])
    assert fit_to_values(fresh, [other]) == (fresh, [])
    bundle, [note] = fit_to_values(fresh, [ct, other])
    assert bundle is fresh
    assert note.text.startswith("1 of 2 images hold Hounsfield units")
    assert note.setting == "intensities"
    bundle, [note] = fit_to_values(fresh, [other], "ct")
    assert bundle.normalisation.values[0][0] > 1024
    assert "'other'" in note.text
    # one that was made with a rule keeps it
    plain = replace(fresh, normalisation=Normalisation(rule="percentiles"))
    assert fit_to_values(plain, [ct]) == (plain, [])
    assert fit_to_values(plain, [ct], "ct")[0].normalisation.rule == "values"
    with pytest.raises(InputError, match="no such way to read intensities"):
        TrainSpec(intensities="hu")


def test_nothing_labelled_or_one_value_gives_a_range_of_its_own():
    fresh, empty = new_bundle(SPEC, name="organ"), scan(0)
    none = Sample(empty.image, np.zeros_like(empty.classes))
    assert fit_to_values(fresh, [none]) == (fresh, [])
    flat = Sample(replace(empty.image, array=np.where(empty.classes, 100, empty.image.array)), empty.classes)
    (low, high), *_ = fit_to_values(fresh, [flat])[0].normalisation.values
    assert low < 100 < high


def test_patches_of_ct_get_as_much_noise_as_ct_has():
    def of(*values):
        return noisy(
            AugmentSpec(noise=0.02), Normalisation(rule="values", values=values) if values else Normalisation()
        )

    assert of() == of((0.0, 1.0)) == of((0.0, 65535.0)) == AugmentSpec(noise=0.02)
    assert of((0.0, 200.0)).noise == pytest.approx(0.11)
    assert of((0.0, 50.0)).noise == pytest.approx(0.2)


def test_values_that_are_no_hounsfield_units_are_compared_as_they_are():
    norm = Normalisation(rule="values", values=((100.0, 200.0),))
    bundle = replace(new_bundle(SPEC, name="counts"), normalisation=norm, learnt=Learnt(3))
    rng = np.random.default_rng(0)
    assert other_values(Image(rng.uniform(90, 250, (32, 32)), "YX"), bundle) == []
    [note] = other_values(Image(rng.uniform(0, 1, (32, 32)), "YX", name="share"), bundle)
    assert "values of 100 to 200, and 'share' has" in note.text
    assert other_values(Image(rng.uniform(0, 1, (2, 32, 32)), "CYX"), bundle) == []  # said where channels are compared


def test_values_are_saved_and_a_model_without_a_rule_loads(trained, tmp_path):
    bundle, _ = trained
    save_bundle(bundle, tmp_path / "ct")
    assert load_bundle(tmp_path / "ct").normalisation == bundle.normalisation
    assert load_bundle(tmp_path / "ct").learnt.modality == "CT"
    old = replace(bundle, normalisation=Normalisation(), learnt=Learnt())
    save_bundle(old, tmp_path / "old")
    assert '"rule"' not in (tmp_path / "old" / "spec.json").read_text(encoding="utf-8")
    assert load_bundle(tmp_path / "old").normalisation == Normalisation()
    assert other_values(scan(0).image, load_bundle(tmp_path / "old")) == []
