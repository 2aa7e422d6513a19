"""What every row of the registry promises."""

import math
import string
import sys
import warnings
from types import SimpleNamespace

import metric_examples as examples
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_segplugin.core import InputError
from napari_segplugin.metrics import METRICS, MetricRow, Value, define, measure

NAMES = METRICS.names()
# Where an object overlaps two others by the same IoU, the definition of AJI leaves open which one it takes, and the
# value depends on it; so these two are tried on objects of many sizes only.
WITHOUT_TIES = ("aji", "aji_plus")
OURS = [row.name for row in METRICS if not row.package]
SYMMETRIC = [n for n in OURS if n not in ("precision", "recall", *WITHOUT_TIES)]
every_row = pytest.mark.parametrize("name", NAMES)
labels = arrays(np.int64, (5, 6), elements=st.integers(0, 4))


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def same(a, b):
    return a == pytest.approx(b, nan_ok=True)


@every_row
def test_the_row_says_what_it_is(name):
    row = METRICS[name]
    assert row.title
    assert row.kind in ("semantic", "instance", "panoptic")
    assert row.better in ("higher", "lower")
    assert row.unit in ("", "spacing")
    text = define(name)
    assert text.endswith(".")
    assert "{" not in text
    assert callable(row.load())
    assert row.load().__doc__


@every_row
def test_every_option_but_arrays_and_mappings_is_in_the_definition(name):
    row = METRICS[name]
    fields = {f for _, f, _, _ in string.Formatter().parse(row.summary) if f}
    said = set(row.options) - {"spacing", "truth_classes", "prediction_classes", "void"}
    assert said <= fields | ({"fraction"} if "reach" in fields else set())


@every_row
@pytest.mark.parametrize("kind", list(examples.SHAPES))
def test_a_perfect_prediction_gets_the_best_value_and_another_a_worse_one(name, kind):
    truth, prediction = examples.objects(kind, 1)
    best = METRICS[name].best
    perfect = measure(name, truth, truth)
    assert isinstance(perfect, Value)
    assert perfect.value == best
    assert type(perfect.value) is float
    value = measure(name, truth, prediction).value
    assert value < best if METRICS[name].better == "higher" else value > best


@every_row
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (1, 1), (0, 3)])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.uint64])
def test_empty_images_follow_the_stated_policy(name, shape, dtype):
    row = METRICS[name]
    empty, full = np.zeros(shape, dtype), np.ones(shape, dtype)
    assert same(measure(name, empty, empty).value, row.empty_both)
    if full.size:
        assert same(measure(name, empty, full).value, row.empty_truth)
        assert same(measure(name, full, empty).value, row.empty_prediction)
        assert measure(name, full, full).value == row.best


@every_row
def test_one_slice_in_3d_is_what_it_is_in_2d(name):
    truth, prediction = examples.objects("2d", 2)
    flat = {"spacing": (0.7, 0.3)} if "spacing" in METRICS[name].options else {}
    deep = {"spacing": (5.0, 0.7, 0.3)} if flat else {}
    assert measure(name, truth[None], prediction[None], **deep).value == measure(name, truth, prediction, **flat).value


@pytest.mark.parametrize("name", [n for n in NAMES if n not in WITHOUT_TIES])
@settings(max_examples=25, deadline=None)
@given(pair=st.tuples(labels, labels), order=st.permutations([3, 10, 2**33, 7]))
def test_permuting_numbers_changes_nothing(name, pair, order):
    table = np.array([0, *order])
    value = measure(name, *pair).value
    assert same(measure(name, table[pair[0]], table[pair[1]]).value, value)
    assert same(measure(name, table[pair[0]], pair[1]).value, value)


@pytest.mark.parametrize("name", WITHOUT_TIES)
@pytest.mark.parametrize("kind", list(examples.SHAPES))
def test_permuting_numbers_changes_nothing_where_no_two_overlaps_are_equal(name, kind):
    pair = examples.objects(kind, 1)
    table = np.random.default_rng(0).permutation(np.arange(1, 300))
    table[0] = 0
    assert measure(name, *(table[a] for a in pair)).value == measure(name, *pair).value
    if name == "aji_plus":
        assert measure(name, pair[1], pair[0]).value == measure(name, *pair).value


@pytest.mark.parametrize("name", SYMMETRIC)
@settings(max_examples=25, deadline=None)
@given(pair=st.tuples(labels, labels))
def test_truth_and_prediction_can_change_places(name, pair):
    assert same(measure(name, pair[1], pair[0]).value, measure(name, *pair).value)


@every_row
@settings(max_examples=25, deadline=None)
@given(pair=st.tuples(labels, labels))
def test_values_stay_in_their_range_and_turning_the_image_changes_nothing(name, pair):
    value = measure(name, *pair).value
    assert math.isnan(value) or value >= 0
    assert METRICS[name].better == "lower" or not value > 1
    assert same(measure(name, *(a.T for a in pair)).value, value)
    assert same(measure(name, *(np.asfortranarray(a) for a in pair)).value, value)


@every_row
def test_the_arrays_are_left_alone(name):
    pair = examples.objects("2d", 3)
    before = [a.copy() for a in pair]
    for a in pair:
        a.flags.writeable = False
    measure(name, *pair)
    assert all((a == b).all() for a, b in zip(pair, before, strict=True))


@every_row
def test_wrong_input_is_refused(name):
    with pytest.raises(InputError, match=r"\(2, 3\).*\(3, 3\)"):
        measure(name, np.ones((2, 3), int), np.ones((3, 3), int))
    with pytest.raises(InputError, match="whole numbers"):
        measure(name, np.ones((2, 3)), np.ones((2, 3), int))
    with pytest.raises(InputError, match="negative"):
        measure(name, np.full((2, 3), -1), np.ones((2, 3), int))


def test_an_unknown_metric_is_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"no metric named 'dise'.*dice"):
        measure("dise", [1], [1])


def test_a_value_carries_unit_and_options():
    mask = np.ones((3, 3), bool)
    assert measure("hd95", mask, mask, spacing=(1, 2), unit="um").unit == "um"
    assert measure("dice", mask, mask, unit="um").unit == ""
    assert "within 2.5 mm of" in measure("nsd", mask, mask, tolerance=2.5, unit="mm").definition
    assert ">= 0.75 " in measure("ap", mask, mask, threshold=0.75).definition
    assert "within 3 pixels of" in define("boundary_f1", tolerance=3)
    assert "within 0.008 of the image's diagonal" in define("boundary_f1")


def test_a_row_without_a_definition_or_with_options_that_are_not_there_is_refused():
    with pytest.raises(InputError, match="'x' has no definition"):
        MetricRow("x", "X", "math:pi", kind="semantic")
    with pytest.raises(InputError, match=r"names options that it does not have. Got width. Accepted: share, unit"):
        MetricRow("x", "X", "math:pi", "A {share} of {width}.", options={"share": 1}, kind="semantic")


def test_a_metric_of_another_package_gets_arrays_that_were_checked(monkeypatch):
    row = MetricRow("x", "X", "more_metrics:sum_of_both", "Sum.", kind="semantic", package="more-metrics")
    monkeypatch.setitem(sys.modules, "more_metrics", SimpleNamespace(sum_of_both=lambda a, b: float((a & b).sum())))
    monkeypatch.setitem(METRICS._rows, "x", row)
    assert measure("x", [0, 3, 5], [1, 1, 0]).value == 1
    with pytest.raises(InputError, match="whole numbers"):
        measure("x", [0.5], [1])
