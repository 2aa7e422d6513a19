"""Which loss is recommended for which labels, and that nobody needs torch to ask."""

import doctest
import subprocess
import sys

import numpy as np
import pytest

from napari_segplugin.core import InputError, Task
from napari_segplugin.engine.train import advice
from napari_segplugin.engine.train.advice import looks_thin, recommend_loss
from napari_segplugin.io import load_sample
from napari_segplugin.losses import LOSSES

EVEN = (6000, 3000, 1000)
USUAL = {"cross_entropy", "dice"}


@pytest.mark.parametrize(
    ("counts", "known", "task", "thin", "names", "words"),
    [
        ((0, 0), 0.0, Task.SEMANTIC, False, USUAL, "No class is labelled yet"),
        ((500, 0), 1.0, Task.SEMANTIC, False, USUAL, "No class is labelled yet"),
        (EVEN, 0.03, Task.SEMANTIC, False, USUAL, "Only 3 % of the image"),
        (EVEN, 0.0002, Task.SEMANTIC, False, USUAL, "less than 0.1 %"),
        # outlines are not known, so a thin class changes nothing
        (EVEN, 0.03, Task.SEMANTIC, True, USUAL, "need no outlines"),
        ((3000, 100), 0.03, Task.SEMANTIC, False, USUAL, "30 times as much"),
        (EVEN, 1.0, Task.SEMANTIC, True, USUAL | {"boundary"}, "thin"),
        ((9900, 100), 1.0, Task.SEMANTIC, True, USUAL | {"boundary"}, "thin"),
        ((9900, 100), 1.0, Task.SEMANTIC, False, {"focal", "tversky"}, "only 1 %"),
        ((9900, 100), 1.0, Task.INSTANCE, False, {"focal", "tversky"}, "only 1 %"),
        (EVEN, 1.0, Task.INSTANCE, False, USUAL, "Separating objects"),
        (EVEN, 1.0, Task.PANOPTIC, False, USUAL, "Separating objects"),
        (EVEN, 1.0, Task.SEMANTIC, False, USUAL, "well labelled"),
        # hardly any background is no rare class
        ((50, 9950), 1.0, Task.SEMANTIC, False, USUAL, "well labelled"),
        # a class of the table that has no label yet is not a rare one
        ((5000, 5000, 0), 1.0, Task.SEMANTIC, False, USUAL, "well labelled"),
    ],
)
def test_each_kind_of_labels_gets_its_loss_and_a_reason(counts, known, task, thin, names, words):
    spec, reason = recommend_loss(counts, known_share=known, task=task, thin=thin)
    assert {t.name for t in spec.terms} == names
    assert words in reason
    assert reason.endswith(".")
    assert "\n" not in reason
    assert len(reason) < 120
    assert all(set(t.options) <= set(LOSSES[t.name].options) for t in spec.terms)


def test_uneven_strokes_weigh_each_class_the_same():
    spec, _ = recommend_loss((3000, 100), known_share=0.03, task=Task.SEMANTIC)
    assert {t.name: dict(t.options) for t in spec.terms}["cross_entropy"] == {"class_weights": "inverse"}


@pytest.mark.parametrize(
    ("counts", "known", "words"),
    [
        ((10,), 1.0, "at least one class"),
        ((10, -1), 1.0, "from 0 up"),
        ((10, float("nan")), 1.0, "from 0 up"),
        ((10, 10), 1.5, "between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused(counts, known, words):
    with pytest.raises(InputError, match=words):
        recommend_loss(counts, known_share=known, task=Task.SEMANTIC)


def test_membranes_are_thin_and_cells_are_not():
    axons = load_sample("axon_sem").truth == 1
    rim = np.zeros_like(axons)
    rim[1:] |= axons[1:] != axons[:-1]
    assert looks_thin(rim.astype(np.uint8))
    assert not looks_thin(axons.astype(np.uint8))
    assert not looks_thin(load_sample("nuclei3d").truth > 0)


def test_the_border_of_what_is_known_is_not_the_border_of_a_class():
    classes = np.zeros((20, 20), np.uint64)
    classes[:, 5:15] = 1
    known = np.zeros((20, 20), bool)
    known[9:11] = True
    assert looks_thin(classes * known.astype(np.uint64))
    assert not looks_thin(classes, known)


def test_one_thin_class_is_enough_and_none_is_fine():
    classes = np.zeros((20, 20), np.uint8)
    assert not looks_thin(classes)
    classes[5:15, :10], classes[5, 10:] = 1, 2
    assert looks_thin(classes)


def test_the_examples_run():
    assert doctest.testmod(advice).failed == 0


def test_asking_needs_no_torch():
    code = "import sys, napari_segplugin.engine.train.advice; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
