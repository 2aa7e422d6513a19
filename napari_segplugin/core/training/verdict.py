"""Which of two models is used after a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_segplugin.core.words import counted, plural

ENOUGH = 5
"""Objects or strokes that have to be kept aside before two models can be told apart."""
STARVED = 30
"""Steps below which hardly anything is learnt."""
FOUND = 0.5
"""Overlap from which an object counts as found, and share of a stroke from which it counts as right."""
WORSE = 0.02
"""By how much a figure may fall by chance."""
GAIN = 0.01
"""By how much the overlap has to rise where no more are found."""


@dataclass(frozen=True)
class Checked:
    """What a model makes of objects or strokes whose truth is known.

    Parameters
    ----------
    overlaps : tuple of float
        Of each object the IoU with what was found in its place, of each stroke the share that is right.
    false : int
        Objects that were found where it is known that there is none.

    Examples
    --------
    >>> checked = Checked((0.9, 0.6, 0.1), false=1)
    >>> checked.found, checked.missed, checked.share, checked.overlap
    (2, 1, 0.5, 0.4)
    """

    overlaps: tuple[float, ...] = ()
    false: int = 0

    @property
    def found(self) -> int:
        """How many are right."""
        return sum(o >= FOUND for o in self.overlaps)

    @property
    def missed(self) -> int:
        """How many are not."""
        return len(self.overlaps) - self.found

    @property
    def share(self) -> float:
        """Those that are right, of all of them and the false ones; 1 where there is neither."""
        count = len(self.overlaps) + self.false
        return self.found / count if count else 1.0

    @property
    def overlap(self) -> float:
        """Mean over all of them and the false ones; NaN where there is none."""
        count = len(self.overlaps) + self.false
        return sum(self.overlaps) / count if count else float("nan")

    def lost(self, later: Checked) -> int:
        """How many that are right here are wrong there."""
        return sum(a >= FOUND > b for a, b in zip(self.overlaps, later.overlaps, strict=True))


@dataclass(frozen=True)
class Compared:
    """The same objects or strokes, as the old and as the new model see them.

    Parameters
    ----------
    before, after : Checked
    """

    before: Checked = Checked()
    after: Checked = Checked()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.before.overlaps)

    @property
    def lost(self) -> int:
        """How many the old model has right and the new one wrong."""
        return self.before.lost(self.after)

    @property
    def more(self) -> int:
        """How many more the new model has right."""
        return self.after.found - self.before.found

    @property
    def gain(self) -> float:
        """By how much the overlap has risen."""
        return self.after.overlap - self.before.overlap

    @property
    def moved(self) -> float:
        """By how much the overlap of those has fallen that both models have right."""
        both = [
            a - b for a, b in zip(self.before.overlaps, self.after.overlaps, strict=True) if a >= FOUND and b >= FOUND
        ]
        return sum(both) / len(both) if both else 0.0


@dataclass(frozen=True)
class ModelVerdict:
    """Which of two models is used after a training.

    Parameters
    ----------
    outcome : str
        "better", "no better" or "not enough" (to tell); the old model stays but for the first.
    title : str
        What happens, as a sentence.
    reason : str
        Why, as a sentence.
    aside : Compared
        Both models on what was kept aside.
    word : str
        What was kept aside, in the singular.
    """

    outcome: str
    title: str
    reason: str
    aside: Compared = Compared()
    word: str = "object"

    @property
    def better(self) -> bool:
        """Whether the new model is to be used."""
        return self.outcome == "better"

    @property
    def text(self) -> str:
        """Title and reason."""
        return f"{self.title} {self.reason}"


def verdict_of(
    aside: Compared,
    checked: Compared,
    falls: Mapping[str, float],
    *,
    steps: int,
    seconds: float = 0.0,
    word: str = "object",
) -> ModelVerdict:
    """Which model is used, by what was kept aside, by all that was checked, and by the rest.

    The new one is, if at least five are kept aside, it finds more of them or as many with an overlap that is higher by one
    percent, loses none of them and none of the others that were checked (of more than fifty, one in fifty), and has not become
    worse elsewhere.

    Parameters
    ----------
    aside : Compared
        What was kept aside.
    checked : Compared
        Everything that a person checked, what was learnt from included.
    falls : mapping of str to float
        By how much a figure between 0 and 1 has fallen elsewhere; where that is, as the beginning of a sentence.
    steps : int
        Of the training.
    seconds : float
        That the training was given; 0 where it had no limit.
    word : str
        What was kept aside, in the singular.

    Returns
    -------
    ModelVerdict

    Examples
    --------
    >>> old, new = Checked((0.9, 0.8, 0.7, 0.2, 0.9)), Checked((0.9, 0.8, 0.7, 0.8, 0.9))
    >>> verdict_of(Compared(old, new), Compared(old, new), {}, steps=400, word="nucleus").text
    'Better: the new model is chosen. 1 more of the 5 nuclei kept aside is found, none is lost.'
    >>> verdict_of(Compared(old, old), Compared(old, old), {}, steps=4, seconds=30).text
    'No better: the old model stays. 4 steps in 30 s are too few to learn from.'
    """
    count, things = aside.count, counted(aside.count, word)
    if count < ENOUGH:
        return _not_enough(count, word, aside)
    reason = _no_better(aside, checked, falls, word)
    if not reason:
        found = "is found" if word != "stroke" else "is right"
        found = found if aside.more == 1 else found.replace("is", "are")
        good = f"{aside.more} more of the {things} kept aside {found}"
        if not aside.more:
            good = f"The {things} kept aside overlap by {aside.after.overlap:.1%} instead of {aside.before.overlap:.1%}"
        return ModelVerdict(
            "better", "Better: the new model is chosen.", f"{good}, {_lost(aside.lost)} lost.", aside, word
        )
    return ModelVerdict("no better", "No better: the old model stays.", too_few(steps, seconds) or reason, aside, word)


def verdict_of_figures(
    before: float,
    after: float,
    *,
    name: str,
    count: int,
    steps: int,
    seconds: float = 0.0,
    word: str = "object",
    rival: float = float("nan"),
) -> ModelVerdict:
    """Which model is used, by one figure: for whole images that were kept aside, or where the old one had learnt nothing.

    Parameters
    ----------
    before, after : float
        The figure of the old and of the new model on what was kept aside; higher is better.
    name : str
        What the figure is called.
    count : int
        Objects or strokes that were kept aside.
    steps, seconds, word
        As in :func:`verdict_of`.
    rival : float
        The same figure of an answer that needs no network; NaN where there is none.

    Returns
    -------
    ModelVerdict

    Examples
    --------
    >>> verdict_of_figures(0.61, 0.7, name="Dice", count=8, steps=100, word="stroke").text
    'Better: the new model is chosen. Dice on the 8 strokes kept aside: 0.700 instead of 0.610.'
    >>> verdict_of_figures(0.3, 0.16, name="Dice", count=8, steps=100, word="stroke", rival=0.62).text
    'No better: the answer from strokes stays. Dice on the 8 strokes kept aside: 0.160 instead of 0.620.'
    """
    if count < ENOUGH:
        return _not_enough(count, word)
    beaten = rival if rival > after else before
    told = f"{name} on the {counted(count, word)} kept aside: {after:.3f} instead of {beaten:.3f}."
    if after > before and not rival > after:
        return ModelVerdict("better", "Better: the new model is chosen.", told, word=word)
    stays = "the answer from strokes stays" if rival > after else "the old model stays"
    return ModelVerdict("no better", f"No better: {stays}.", too_few(steps, seconds) or told, word=word)


def _not_enough(count: int, word: str, aside: Compared = Compared()) -> ModelVerdict:
    kept = f"{counted(count, word)} {_is(count)} kept aside" if count else f"No {plural(word)} are kept aside"
    title = "Not enough to tell: the old model stays."
    return ModelVerdict("not enough", title, f"{kept}; {ENOUGH} are needed.", aside, word)


def _no_better(aside: Compared, checked: Compared, falls: Mapping[str, float], word: str) -> str:
    """Why the new model is not better, as a sentence; nothing where it is."""
    false = aside.after.false - aside.before.false
    if aside.lost > WORSE * aside.count:
        return f"{aside.lost} of the {counted(aside.count, word)} kept aside {_is(aside.lost)} lost."
    if checked.lost > WORSE * checked.count:
        return f"{checked.lost} of the {counted(checked.count, word)} that you marked {_is(checked.lost)} lost."
    if false > WORSE * aside.count:
        return f"{false} more {_is(false)} found beside what was kept aside, where there is nothing."
    if aside.more < 0 or (aside.more == 0 and aside.gain < GAIN):
        return f"Of the {counted(aside.count, word)} kept aside no more are right, and they overlap no better."
    where = max(falls, key=lambda k: falls[k], default="")
    return f"{where} it is worse by {falls[where]:.1%}." if where and falls[where] > WORSE else ""


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _lost(n: int) -> str:
    return "none is" if not n else f"{n} {_is(n)}"


def too_few(steps: int, seconds: float = 0.0) -> str:
    """That so few steps teach nothing, as a sentence; nothing where they are enough.

    Examples
    --------
    >>> too_few(4, 30), too_few(30)
    ('4 steps in 30 s are too few to learn from.', '')
    """
    if steps >= STARVED:
        return ""
    time_given = f" in {seconds:g} s" if seconds else ""
    return f"{counted(steps, 'step')}{time_given} {_is(steps)} too few to learn from."


__all__ = [
    "ENOUGH",
    "FOUND",
    "GAIN",
    "STARVED",
    "WORSE",
    "Checked",
    "Compared",
    "ModelVerdict",
    "too_few",
    "verdict_of",
    "verdict_of_figures",
]
