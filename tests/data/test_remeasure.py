"""Measurements of labels that are edited are those of a new measurement, and only what has changed is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_segplugin.core import ObjectTable
from napari_segplugin.data import remeasure
from napari_segplugin.data.measure import measure_objects
from napari_segplugin.data.remeasure import LastMeasured

SHAPES = {"YX": (60, 70), "ZYX": (9, 40, 44), "TYX": (3, 40, 50), "TZYX": (2, 6, 30, 30)}


def objects(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    blurred = ndimage.gaussian_filter(rng.random(shape), 1.3)
    labels, _ = ndimage.label(blurred > np.quantile(blurred, 0.8))
    return labels.astype(np.int32)


def edited(labels: np.ndarray, rng: np.random.Generator) -> None:
    """A stroke, a hole, an object of another's number, one gone, one new."""
    kind = rng.integers(5)
    at = tuple(rng.integers(0, n) for n in labels.shape)
    box = tuple(slice(max(0, i - 3), i + 4) for i in at)
    if kind == 0:
        labels[box] = int(rng.integers(1, labels.max() + 1))
    elif kind == 1:
        labels[box] = 0
    elif kind == 2:
        labels[labels == rng.integers(1, labels.max() + 1)] = rng.integers(1, labels.max() + 1)
    elif kind == 3:
        labels[labels == rng.integers(1, labels.max() + 1)] = 0
    else:
        labels[box] = labels.max() + 3


def assert_same(found: Any, truth: Any) -> None:
    assert [c.name for c in found] == [c.name for c in truth] or {c.name for c in found} - {c.name for c in truth} == {
        "missing dapi"
    }
    np.testing.assert_array_equal(found.boxes, truth.boxes)
    for column in truth:
        other = found[column.name].values
        if not column.name.startswith(("min", "max")):  # of float64 once an object had no value
            assert other.dtype == column.values.dtype, column.name
        if column.numeric:
            np.testing.assert_allclose(other, column.values, rtol=1e-9, atol=1e-9, err_msg=column.name)
        else:
            assert other.tolist() == column.values.tolist(), column.name


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("few", [0, 48], ids=["together", "one by one"])
def test_the_numbers_are_those_of_a_new_measurement(axes: str, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remeasure, "FEW", few)
    rng = np.random.default_rng(len(axes))
    labels = objects(SHAPES[axes], rng)
    image = rng.random(labels.shape).astype(np.float32)
    image[labels == 2] = np.nan
    size = (2.0, 0.5, 0.25)[-len(axes.lstrip("T")) :]
    last = LastMeasured()
    for turn in range(12):
        table = ObjectTable.of(labels)
        how: dict[str, Any] = {
            "axes": axes,
            "spacing": size,
            "unit": "um",
            "channels": {"dapi": image},
            "objects": table,
        }
        found = last.objects(labels, **how)
        assert_same(found, measure_objects(labels, **how))
        if turn:
            assert last.measured < len(found) / 2
        edited(labels, rng)


def test_nothing_has_changed_but_what_is_said_of_an_object() -> None:
    labels, last = objects((40, 50), np.random.default_rng(1)), LastMeasured()
    last.objects(labels, axes="YX", objects=ObjectTable.of(labels))
    found = last.objects(labels, axes="YX", objects=ObjectTable.of(labels, status="accepted"))
    assert last.measured == 0
    assert set(found["status"].values) == {"accepted"}


def test_all_objects_gone_and_back() -> None:
    labels, last = objects((40, 50), np.random.default_rng(1)), LastMeasured()
    before, n = labels.copy(), len(last.objects(labels, axes="YX"))
    labels[:] = 0
    assert len(last.objects(labels, axes="YX")) == 0
    labels[:] = before
    assert_same(last.objects(labels, axes="YX"), measure_objects(labels, axes="YX"))
    assert last.measured == n


@pytest.mark.parametrize("other", [{"spacing": (2.0, 1.0)}, {"unit": "um"}, {"channels": {"a": np.ones((40, 50))}}])
def test_another_size_unit_or_image_is_measured_as_a_whole(other: dict[str, Any]) -> None:
    labels, last = objects((40, 50), np.random.default_rng(1)), LastMeasured()
    n = len(last.objects(labels, axes="YX"))
    assert_same(last.objects(labels, axes="YX", **other), measure_objects(labels, axes="YX", **other))
    assert last.measured == n


def test_of_very_large_labels_no_copy_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remeasure, "MOST_BYTES", 100)
    labels, last = objects((40, 50), np.random.default_rng(1)), LastMeasured()
    n = len(last.objects(labels, axes="YX"))
    labels[labels == 1] = 0
    assert_same(last.objects(labels, axes="YX"), measure_objects(labels, axes="YX"))
    assert last.measured == n - 1
