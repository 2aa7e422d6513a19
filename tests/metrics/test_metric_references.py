"""Agreement with MONAI and StarDist on random objects; values stored by scripts/make_metric_references.py."""

import json
from pathlib import Path

import metric_examples as examples
import numpy as np
import pytest

from napari_segplugin import metrics
from napari_segplugin.metrics.instance import object_f1, precision, recall

STORED = json.loads((Path(__file__).parent / "reference_values.json").read_text(encoding="utf-8"))
CASES = [(kind, seed) for kind in examples.SHAPES for seed in examples.SEEDS]


def stored(part, kind, seed):
    return STORED[kind][part][examples.SEEDS.index(seed)]


@pytest.mark.parametrize(("kind", "seed"), CASES)
@pytest.mark.parametrize("name", ["dice", "iou", "hd95", "hausdorff", "assd", "nsd"])
def test_semantic_metrics_agree_with_monai(kind, seed, name):
    truth, prediction = examples.classes(kind, seed)
    options = {} if name in ("dice", "iou") else {"spacing": examples.SPACINGS[kind]}
    if name == "nsd":
        options["tolerance"] = examples.TOLERANCE[kind]
    ours = [metrics.measure(name, truth == c, prediction == c, **options).value for c in (1, 2)]
    # MONAI counts in float32.
    assert ours == pytest.approx(stored("semantic", kind, seed)[name], rel=2e-6)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_matching_agrees_with_stardist(kind, seed):
    truth, prediction = examples.objects(kind, seed)
    table = metrics.contingency(truth, prediction)
    for threshold, theirs in zip(examples.THRESHOLDS, stored("instance", kind, seed), strict=True):
        found = metrics.match(table, threshold)
        assert (found.tp, found.fp, found.fn) == (theirs["tp"], theirs["fp"], theirs["fn"])
        assert precision(truth, prediction, threshold) == pytest.approx(theirs["precision"])
        assert recall(truth, prediction, threshold) == pytest.approx(theirs["recall"])
        assert object_f1(truth, prediction, threshold) == pytest.approx(theirs["f1"])
    accuracy = [m["accuracy"] for m in stored("instance", kind, seed)]
    assert metrics.average_precision(truth, prediction, examples.THRESHOLDS) == pytest.approx(accuracy)


@pytest.mark.parametrize("kind", list(examples.SHAPES))
def test_average_precision_of_a_data_set_agrees_with_stardist(kind):
    pairs = [examples.objects(kind, s) for s in examples.SEEDS]
    found = metrics.average_precision_of_dataset(pairs, examples.THRESHOLDS)
    assert found.pooled == pytest.approx(STORED[kind]["dataset"]["pooled"])
    assert found.mean_over_images == pytest.approx(STORED[kind]["dataset"]["mean_over_images"])


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_panoptic_counts_agree_with_monai(kind, seed):
    truth, prediction = examples.objects(kind, seed)
    tables = []
    for labels in (truth, prediction):
        ids, first = np.unique(labels, return_index=True)
        of = examples.class_of(labels).ravel()[first]
        tables.append({int(i): int(c) for i, c in zip(ids, of, strict=True) if i})
    ours = metrics.panoptic_counts(truth, prediction, *tables)
    for c, (tp, fp, fn, iou) in zip((1, 2), stored("panoptic", kind, seed), strict=True):
        assert (ours[c].tp, ours[c].fp, ours[c].fn) == (tp, fp, fn)
        assert ours[c].iou == pytest.approx(iou, rel=2e-6)
