"""Class weights from counts, and what the data fills in."""

import math

import pytest

from napari_segplugin.core import InputError, LossSpec, LossTerm
from napari_segplugin.losses import build_loss, class_weights


def test_inverse_gives_each_class_the_same_share_of_the_same_sum():
    counts = [700, 200, 100]
    weights = class_weights(counts, "inverse")
    assert weights == pytest.approx([10 / 21, 10 / 6, 10 / 3])
    assert sum(w * n for w, n in zip(weights, counts, strict=True)) == pytest.approx(1000)


def test_median_keeps_the_class_in_the_middle():
    assert class_weights([700, 200, 100], "median") == pytest.approx([2 / 7, 1, 2])


def test_absent_classes_weigh_one_and_do_not_count():
    assert class_weights([700, 0, 100], "inverse") == pytest.approx([4 / 7, 1, 4])
    assert class_weights([0, 0, 0], "median") == [1, 1, 1]


def test_a_limit_holds():
    assert class_weights([999_999, 1], "inverse", most=20) == pytest.approx([0.5000005, 20])


@pytest.mark.parametrize(
    ("counts", "rule", "words"),
    [
        ([1, 2], "mean", "Accepted: inverse, median"),
        ([1, -2], "median", "from 0 up"),
        ([1, math.nan], "median", "from 0 up"),
        ([], "median", "number of pixels of each class"),
    ],
)
def test_counts_and_rules_that_do_not_fit_are_refused(counts, rule, words):
    with pytest.raises(InputError, match=words):
        class_weights(counts, rule)


def test_a_rule_counts_the_known_voxels_of_the_batch_unless_counts_are_given():
    torch = pytest.importorskip("torch")
    logits = torch.randn(1, 2, 1, 5, generator=torch.Generator().manual_seed(3))
    target, weight = torch.tensor([[[1, 0, 0, 0, 1]]]), torch.tensor([[[1.0, 1, 1, 1, 0]]])

    def value(choice, counts=None):
        spec = LossSpec((LossTerm("cross_entropy", options={"class_weights": choice}),))
        return float(build_loss(spec, class_counts=counts)["cross_entropy"][1](logits, target, weight))

    assert value("inverse") == pytest.approx(value((4 / 6, 2)))
    assert value("median", [90, 10]) == pytest.approx(value((5 / 9, 5)))
    # numbers by hand stay
    assert value((1.0, 7.0), [90, 10]) == pytest.approx(value((1.0, 7.0)))


def test_the_spacing_goes_where_it_is_wanted_and_not_set():
    pytest.importorskip("torch")
    terms = (LossTerm("boundary"), LossTerm("boundary", options={"spacing": (1, 1)}), LossTerm("dice"))
    built = build_loss(LossSpec(terms), spacing=(0.5, 0.25))
    assert [f.keywords.get("spacing") for _, f in built.values()] == [(0.5, 0.25), (1, 1), None]
    assert build_loss(LossSpec(terms))["boundary"][1].keywords == {}
