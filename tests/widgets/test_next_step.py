"""What the footer says and offers, state by state."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import pytest

from napari_segplugin.widgets.next_step import Situation, offer

OPENED = Situation("find", image=True, model=True, cost="1 tile, 1 s.", word="nucleus", time="2 min")
FOUND = replace(OPENED, found=46)


@pytest.mark.parametrize(
    ("now", "sentence", "left", "right", "primary"),
    [
        (Situation("find"), "Open an image, or drop a file on the window.", "", "open", "open"),
        (OPENED, "Ready. 1 tile, 1 s.", "", "run", "run"),
        (replace(OPENED, running=True), "You can zoom and look around", "cancel", "", ""),
        (replace(OPENED, training=True), "You can go on correcting", "abort", "stop", ""),
        (replace(OPENED, question="Is it depth?"), "Is it depth?", "", "", ""),
        (replace(OPENED, model=False), "No model fits. Strokes give an answer in seconds.", "", "paint", "paint"),
        (replace(OPENED, model=False, scratch=True), "This network is untrained", "", "paint", "paint"),
        (replace(FOUND, doubtful=7), "46 nuclei found. 7 look doubtful.", "run", "check", "check"),
        (replace(FOUND, doubtful=1), "46 nuclei found. 1 looks doubtful.", "run", "check", "check"),
        (replace(FOUND, doubtful=0), "46 nuclei found. None looks doubtful.", "run", "save", "save"),
        (replace(FOUND, found=0), "Nothing was found.", "run", "paint", "paint"),
        (replace(FOUND, found=1), "1 nucleus found.", "run", "check", "check"),
        (replace(FOUND, stale=True), "Ready. 1 tile, 1 s.", "", "run", "run"),
        (replace(FOUND, found=3, areas=True), "The areas are found.", "run", "save", "save"),
        (replace(FOUND, tab="correct"), "Check nuclei one by one", "save", "", "next"),
        (
            replace(FOUND, tab="correct", accepted=2, corrected=1),
            "3 checked: 2 accepted, 1 corrected. Two more and training is possible.",
            "save",
            "to_train",
            "next",
        ),
        (
            replace(FOUND, tab="correct", accepted=9, corrected=7, rejected=1),
            "17 checked: 9 accepted, 7 corrected, 1 rejected. Enough to train.",
            "save",
            "to_train",
            "to_train",
        ),
        (replace(OPENED, tab="correct"), "Paint a few strokes", "", "paint", "paint"),
        (replace(OPENED, tab="correct", painting=True), "Paint a few short strokes", "", "whole", ""),
        (replace(OPENED, tab="correct", painting=True, strokes=3), "3 strokes painted.", "to_train", "whole", "whole"),
        (replace(FOUND, tab="train", accepted=9), "Trains for 2 min.", "", "train", "train"),
        (replace(FOUND, tab="train"), "0 checked. 5 or more", "train", "correct", "correct"),
        (replace(FOUND, tab="train", accepted=9, trained="better"), "The new model is chosen.", "train", "run", "run"),
        (
            replace(FOUND, tab="train", accepted=9, trained="not better"),
            "The old model and",
            "correct",
            "train",
            "train",
        ),
    ],
)
def test_each_state(now: Situation, sentence: str, left: str, right: str, primary: str) -> None:
    shown = offer(now)
    assert shown.sentence.startswith(sentence)
    assert (shown.left, shown.right, shown.primary) == (left, right, primary)


def test_in_every_state_there_is_a_sentence_and_at_most_one_way_on() -> None:
    """Over thousands of combinations: a sentence of two lines at most, what is highlighted is there, none while a job runs."""
    flags = [f.name for f in fields(Situation) if f.type == "bool"]
    assert len(flags) > 6
    numbers = itertools.product(
        ("find", "correct", "train"), (-1, 0, 1, 46), (0, 2, 9), (0, 3), ("", "better", "not better")
    )
    for tab, found, accepted, strokes, trained in numbers:
        for values in itertools.product((False, True), repeat=len(flags)):
            now = Situation(
                tab, found=found, accepted=accepted, strokes=strokes, trained=trained, time="2 min", word="nucleus",
                **dict(zip(flags, values, strict=True)),
            )  # fmt: skip
            shown = offer(now)
            assert 0 < len(shown.sentence) <= 90, shown.sentence
            assert shown.sentence.endswith((".", "?"))
            assert shown.primary in ("", "next", shown.left, shown.right)
            assert not (now.running or now.training) or not shown.primary
