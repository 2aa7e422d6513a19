"""Which of two models is used after a training, and how much time one may take."""

import math

import pytest

from napari_segplugin.core.training import Allowance, Checked, Compared, too_few, verdict_of, verdict_of_figures

OLD = Checked((0.9, 0.8, 0.7, 0.2, 0.1, 0.6))
SAME = Compared(OLD, OLD)


def against_old(*overlaps, false=0):
    return Compared(OLD, Checked(overlaps, false))


BETTER = against_old(0.9, 0.8, 0.7, 0.8, 0.8, 0.6)


@pytest.mark.parametrize(
    ("aside", "checked", "falls", "outcome", "words"),
    [
        (
            BETTER,
            SAME,
            {},
            "better",
            "Better: the new model is chosen. 2 more of the 6 nuclei kept aside are found, none is lost.",
        ),
        (against_old(0.9, 0.8, 0.7, 0.6, 0.1, 0.6), SAME, {}, "better", "1 more of the 6 nuclei kept aside is found"),
        (
            against_old(0.97, 0.8, 0.7, 0.2, 0.1, 0.6),
            SAME,
            {},
            "better",
            "overlap by 56.2% instead of 55.0%, none is lost.",
        ),
        (against_old(0.93, 0.8, 0.7, 0.2, 0.1, 0.6), SAME, {}, "no better", "and they overlap no better."),
        (SAME, SAME, {}, "no better", "No better: the old model stays. Of the 6 nuclei kept aside no more are right"),
        (against_old(0.4, 0.8, 0.7, 0.8, 0.8, 0.6), SAME, {}, "no better", "1 of the 6 nuclei kept aside is lost."),
        (against_old(0.4, 0.4, 0.7, 0.8, 0.8, 0.6), SAME, {}, "no better", "2 of the 6 nuclei kept aside are lost."),
        (
            BETTER,
            against_old(0.4, 0.8, 0.7, 0.9, 0.9, 0.6),
            {},
            "no better",
            "1 of the 6 nuclei that you marked is lost.",
        ),
        (
            against_old(0.9, 0.9, 0.9, 0.9, 0.9, 0.9, false=1),
            SAME,
            {},
            "no better",
            "1 more is found beside what was kept aside",
        ),
        (
            BETTER,
            SAME,
            {"On the rest of the image": 0.021},
            "no better",
            "On the rest of the image it is worse by 2.1%.",
        ),
        (BETTER, SAME, {"On the rest of the image": 0.02}, "better", "2 more"),
        (BETTER, SAME, {"Here": 0.03, "There": 0.2}, "no better", "There it is worse by 20.0%."),
    ],
)
def test_the_table_of_verdicts(aside, checked, falls, outcome, words):
    found = verdict_of(aside, checked, falls, steps=400, seconds=60, word="nucleus")
    assert found.outcome == outcome
    assert found.better == (outcome == "better")
    assert words in found.text


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "No nuclei are kept aside; 5 are needed."),
        (1, "1 nucleus is kept aside; 5 are needed."),
        (4, "Not enough to tell: the old model stays. 4 nuclei are kept aside; 5 are needed."),
    ],
)
def test_fewer_than_five_kept_aside_tell_nothing(count, words):
    aside = Compared(Checked((0.0,) * count), Checked((1.0,) * count))
    found = verdict_of(aside, aside, {}, steps=400, word="nucleus")
    assert (found.outcome, found.better) == ("not enough", False)
    assert words in found.text
    enough = Compared(Checked((0.0,) * 5), Checked((1.0,) * 5))
    assert verdict_of(enough, enough, {}, steps=400).better


def test_a_starved_training_that_is_no_better_says_so_and_one_that_is_better_does_not():
    assert verdict_of(SAME, SAME, {}, steps=4, seconds=30).reason == "4 steps in 30 s are too few to learn from."
    assert verdict_of(SAME, SAME, {}, steps=1).reason == "1 step is too few to learn from."
    assert verdict_of(BETTER, SAME, {}, steps=4, seconds=30).better
    assert [bool(too_few(n)) for n in (29, 30)] == [True, False]


def test_of_many_one_in_fifty_may_be_lost():
    before = Checked((0.9,) * 90 + (0.1,) * 10)
    after = [Checked((0.1,) * lost + (0.9,) * (100 - lost)) for lost in (2, 3)]
    assert [verdict_of(Compared(before, a), SAME, {}, steps=99).better for a in after] == [True, False]


@pytest.mark.parametrize(
    ("after", "rival", "outcome", "words"),
    [
        (0.7, math.nan, "better", "Dice on the 8 strokes kept aside: 0.700 instead of 0.610."),
        (0.61, math.nan, "no better", "the old model stays"),
        (0.5, math.nan, "no better", "0.500 instead of 0.610"),
        (0.7, 0.65, "better", "0.700 instead of 0.610"),
        (
            0.7,
            0.75,
            "no better",
            "the answer from strokes stays. Dice on the 8 strokes kept aside: 0.700 instead of 0.750.",
        ),
    ],
)
def test_one_figure_decides_for_whole_images_and_first_trainings(after, rival, outcome, words):
    found = verdict_of_figures(0.61, after, name="Dice", count=8, steps=99, word="stroke", rival=rival)
    assert found.outcome == outcome
    assert words in found.text
    few = verdict_of_figures(0.61, after, name="Dice", count=4, steps=99, word="stroke", rival=rival)
    assert few.outcome == "not enough"
    assert verdict_of_figures(0.6, 0.6, name="Dice", count=8, steps=3).reason == "3 steps are too few to learn from."


def test_outlines_have_moved_where_both_models_find_the_object():
    assert against_old(0.8, 0.8, 0.5, 0.9, 0.1, 0.1).moved == pytest.approx((0.1 + 0 + 0.2) / 3)
    assert against_old(0, 0, 0, 0, 0, 0).moved == 0.0
    assert BETTER.gain == pytest.approx(1.3 / 6)


def test_what_is_left_of_the_time_is_without_what_follows_but_never_less_than_a_quarter():
    clock = [100.0]
    allowed = Allowance(60, now=lambda: clock[0])
    clock[0] = 110.0
    assert (allowed.used, allowed.to_learn) == (10.0, 50.0)
    allowed.reserve = 12.0
    assert allowed.to_learn == 38.0
    clock[0] = 150.0
    assert allowed.to_learn == 15.0
    assert Allowance(0, now=lambda: clock[0]).to_learn == math.inf
