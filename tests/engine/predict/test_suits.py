from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage.transform import rescale

from napari_segplugin.core import (
    ClassTable,
    Image,
    Learnt,
    ModelSpec,
    Note,
    ObjectTable,
    Sample,
    Segmentation,
    Task,
    TileSpec,
    TrainSpec,
    drain,
)
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.predict.work.suits import check_result, suits
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.io import load_bundle, load_sample, shipped_bundles

CELL = ClassTable.named(["cell"])


def shipped(name="nuclei2d"):
    return load_bundle(shipped_bundles()[name]), load_sample(name).image


def discs(seed, radius=7, dark=False, side=192):
    """Blurred bright discs on a noisy ground, and which is which."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int64)
    y, x = np.mgrid[:side, :side]
    for n in range(1, 16):
        cy, cx = rng.integers(radius, side - radius, 2)
        labels[(np.hypot(y - cy, x - cx) < radius) & (labels == 0)] = n
    picture = 30 + 120 * (labels > 0) + rng.normal(0, 6, labels.shape)
    return Image((250 - picture if dark else picture).astype(np.uint8), "YX"), labels


@pytest.mark.parametrize("name", ["nuclei2d", "nuclei3d", "axon_sem"])
def test_every_shipped_model_knows_its_images_and_takes_its_sample(name):
    bundle, image = shipped(name)
    assert len(bundle.learnt.typical["looks"]) >= 22 * len(set(bundle.learnt.typical["image"])) >= 22 * 2
    verdict = suits(image, bundle)
    assert verdict.fits
    assert verdict.sentence.startswith(f"{name} fits this image.")


def test_every_shipped_model_is_told_of():
    assert set(shipped_bundles()) == {"nuclei2d", "nuclei3d", "axon_sem"}


@pytest.mark.parametrize("name", ["nuclei2d", "nuclei3d", "axon_sem"])
def test_an_inverted_image_is_seen_and_inverting_helps(name):
    bundle, image = shipped(name)
    array = np.asarray(image.array, np.float32)
    verdict = suits(replace(image, array=array.max() + array.min() - array), bundle)
    assert not verdict.fits
    assert (verdict.tiles.invert, verdict.setting, verdict.title) == (True, "invert", "Invert for the model")
    again = suits(replace(image, array=array.max() + array.min() - array), bundle, verdict.tiles)
    assert again.fits


@pytest.mark.parametrize(("factor", "word", "zooms"), [(4, "larger", (0.25, 0.5)), (0.25, "smaller", (2.0, 4.0))])
def test_objects_of_another_size_are_seen_and_zoom_helps(factor, word, zooms):
    bundle, image = shipped()
    other = Image(rescale(np.asarray(image.array, np.float32), factor, order=1, anti_aliasing=factor < 1), "YX")
    verdict = suits(other, bundle)
    assert not verdict.fits
    assert word in verdict.sentence
    assert verdict.tiles.zoom in zooms
    assert suits(other, bundle, verdict.tiles).strange["kind"] <= verdict.strange["kind"]


@pytest.mark.parametrize("picture", ["stripes", "noise", "axon_sem"])
def test_another_kind_of_image_is_seen(picture):
    bundle, image = shipped()
    rng = np.random.default_rng(0)
    if picture == "axon_sem":
        image = load_sample(picture).image
    else:
        x = np.mgrid[:256, :256][1]
        image = Image(np.sin(x / 9) if picture == "stripes" else rng.normal(size=x.shape), "YX")
    assert not suits(image, bundle).fits


def test_a_model_that_was_trained_here_knows_its_images_at_once():
    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, CELL, {"widths": [4, 8]})
    samples = [Sample(image, labels > 0, labels) for image, labels in (discs(n) for n in range(4))]
    bundle = drain(train(samples, new_bundle(spec, name="mine"), TrainSpec(steps=1)))
    assert suits(discs(9)[0], bundle).fits
    dark = suits(discs(9, dark=True)[0], bundle)
    assert dark.title == "Invert for the model"
    # trained again on the dark ones, it knows both
    dark_samples = [Sample(image, labels > 0, labels) for image, labels in (discs(n, dark=True) for n in range(4))]
    both = drain(train(dark_samples, bundle, TrainSpec(steps=1)))
    assert suits(discs(9, dark=True)[0], both).fits
    assert suits(discs(9)[0], both).fits


def test_a_model_that_knows_nothing_says_nothing():
    bundle, image = shipped()
    verdict = suits(image, replace(bundle, learnt=Learnt()))
    assert (verdict.fits, verdict.sentence) == (True, "")


def test_prediction_says_what_is_strange_and_once_only():
    bundle, image = shipped()
    dark, notes = Image(255 - np.asarray(image.array)[:160, :160], "YX"), []
    drain(predict(dark, bundle), lambda e: notes.append(e) if isinstance(e, Note) else None)
    assert [n.setting for n in notes].count("invert") == 1
    assert notes[0].setting == "invert"
    notes.clear()
    drain(
        predict(dark, bundle, tiles=TileSpec(invert=True)), lambda e: notes.append(e) if isinstance(e, Note) else None
    )
    assert [n for n in notes if n.setting == "invert"] == []


def segmentation(labels):
    numbers = np.unique(labels[labels > 0])
    table = ObjectTable(numbers, np.ones(len(numbers), int), np.ones(len(numbers)), ("",) * len(numbers))
    return Segmentation(Task.INSTANCE, labels, table, CELL, "YX", (1.0, 1.0), "pixel", "found", {})


def test_a_result_that_covers_everything_or_nothing_is_told():
    bundle = replace(shipped()[0], learnt=Learnt(1, widths=(8.0, 14.0, 30.0), cover=(0.1, 0.4)))
    everything = np.ones((64, 64), np.int32)
    everything[0] = 0
    assert check_result(segmentation(everything), bundle).setting == "invert"
    assert check_result(segmentation(np.zeros((64, 64), np.int32)), bundle).text == "Nothing was found."
    usual = np.zeros((64, 64), np.int32)
    usual[10:24, 10:24] = 1
    assert check_result(segmentation(usual), bundle) is None
    tiny = np.zeros((64, 64), np.int32)
    tiny[10:12, 10:12] = 1
    assert check_result(segmentation(tiny), bundle).setting == "zoom"
