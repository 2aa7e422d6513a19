"""What the footer says and offers, from what is there: the one place that decides what comes next."""

from __future__ import annotations

from dataclasses import dataclass

from napari_segplugin.core.words import counted, plural
from napari_segplugin.widgets.frame.frame import CORRECT, FIND, TRAIN

ENOUGH = 5
"""Checked objects, or strokes, from which on a training is proposed."""

LESSON = {
    "run": "1 of 4: press Run. The model looks for what it has learnt.",
    "check": "2 of 4: check a few objects. Press the button below.",
    "next": "2 of 4: Accept what is right, Fix or Reject what is wrong, five times.",
    "paint": "1 of 4: paint a few short strokes of each class.",
    "whole": "2 of 4: see the answer for the whole image.",
    "to_train": "3 of 4: see what the model would learn from.",
    "train": "3 of 4: train, and see whether it got better.",
    "save": "4 of 4: save the result.",
}
"""What is said to somebody who is led, by the button that comes next."""


@dataclass(frozen=True)
class Situation:
    """What there is.

    Parameters
    ----------
    tab : str
    image : bool
        An image is chosen.
    question, problem : str
        What is to be answered about it first, or why it cannot be used.
    model : bool
        A model or technique is chosen that can be run; False for a network without training.
    scratch : bool
        A network without training is chosen.
    running, training : bool
        What runs.
    cost : str
        What a run will take.
    word : str
        What one object is called.
    found : int
        Objects of the result; -1 without a result.
    areas : bool
        The result has no objects, only classes.
    stale : bool
        The result was not made with what is chosen.
    doubtful : int
        Objects that look doubtful; -1 where that is not known.
    accepted, corrected, rejected : int
        Objects that were checked.
    strokes : int
        Strokes that are painted on a layer of their own.
    painting : bool
        There is such a layer.
    time : str
        How long a training takes.
    trained : str
        How the last training ended: "", "better" or "not better".
    guided : bool
        Somebody began with a sample, and is led from step to step.
    files, files_left : int
        Images of a folder that is to be run, and those that are not done; -1 where the image is.
    folder : str
        Where the results of a folder go; while it runs, how far it is.
    """

    tab: str
    image: bool = False
    question: str = ""
    problem: str = ""
    model: bool = False
    scratch: bool = False
    running: bool = False
    training: bool = False
    cost: str = ""
    word: str = "object"
    found: int = -1
    areas: bool = False
    stale: bool = False
    doubtful: int = -1
    accepted: int = 0
    corrected: int = 0
    rejected: int = 0
    strokes: int = 0
    painting: bool = False
    time: str = ""
    trained: str = ""
    guided: bool = False
    files: int = -1
    files_left: int = 0
    folder: str = ""

    @property
    def checked(self) -> int:
        """Objects that were checked."""
        return self.accepted + self.corrected + self.rejected

    @property
    def enough(self) -> bool:
        """Whether there is something to train on."""
        return self.checked >= ENOUGH or self.strokes > 0


@dataclass(frozen=True)
class NextStep:
    """What the footer shows.

    Parameters
    ----------
    sentence : str
    left, right : str
        Names of buttons, "" for none: "open", "run", "cancel", "stop", "stop_file", "abort", "save", "check", "paint", "to_train",
        "whole", "train", "correct".
    primary : str
        The one that is highlighted; "next" is that of the queue.
    """

    sentence: str
    left: str = ""
    right: str = ""
    primary: str = ""


def offer(now: Situation) -> NextStep:
    """What comes next.

    Examples
    --------
    >>> offer(Situation("find"))
    NextStep(sentence='Open an image, or drop a file on the window.', left='', right='open', primary='open')
    >>> offer(Situation("find", image=True, model=True, found=46, word="nucleus", doubtful=7)).sentence
    '46 nuclei found. 7 look doubtful.'
    """
    if now.running and now.files >= 0:
        return NextStep(now.folder, "cancel", "stop_file")
    if now.running:
        return NextStep("You can zoom and look around; corrections open when the run has ended.", "cancel")
    if now.training:
        return NextStep("You can go on correcting; what you change now is learnt next time.", "abort", "stop")
    if not now.image:
        return NextStep("Open an image, or drop a file on the window.", "", "open", "open")
    if now.question or now.problem:
        return NextStep(now.question or now.problem)
    shown = {FIND: _find, CORRECT: _correct, TRAIN: _train}[now.tab](now)
    lesson = LESSON.get(shown.primary, "") if now.guided else ""
    return NextStep(lesson or shown.sentence, shown.left, shown.right, shown.primary)


def _find(now: Situation) -> NextStep:
    if now.files >= 0 and now.model:
        return NextStep(f"{counted(now.files, 'file')}. Results go to {now.folder}.", "", "run", "run")
    if now.found >= 0 and not now.stale:
        return _found(now)
    if now.model:
        return NextStep(f"Ready. {now.cost}".strip(), "", "run", "run")
    if now.scratch:
        return NextStep("This network is untrained: paint examples, then train it.", "", "paint", "paint")
    return NextStep("No model fits. Strokes give an answer in seconds.", "", "paint", "paint")


def _found(now: Situation) -> NextStep:
    if now.areas:
        return NextStep("The areas are found. Paint where they are wrong, or save them.", "run", "save", "save")
    if not now.found:
        return NextStep("Nothing was found. Try another model, or paint a few examples.", "run", "paint", "paint")
    told = f"{counted(now.found, now.word)} found."
    if now.doubtful == 0 and not (now.guided and not now.checked):
        return NextStep(f"{told} None looks doubtful.", "run", "save", "save")
    if now.doubtful > 0:
        told += f" {now.doubtful:,} look{'s' * (now.doubtful == 1)} doubtful."
    return NextStep(told, "run", "check", "check")


def _correct(now: Situation) -> NextStep:
    if now.found > 0 and not now.areas:
        if not now.checked and not now.strokes:
            return NextStep(f"Check {plural(now.word)} one by one, the most doubtful first.", "save", "", "next")
        parts = [f"{n} {what}" for n, what in _counts(now) if n]
        told = f"{now.checked} checked: {', '.join(parts)}." if parts else f"{_strokes(now.strokes)} painted."
        if now.enough:
            return NextStep(f"{told} Enough to train.", "save", "to_train", "to_train")
        left = ENOUGH - now.checked
        return NextStep(f"{told} {_number(left)} more and training is possible.", "save", "to_train", "next")
    if now.painting and not now.strokes:
        return NextStep("Paint a few short strokes of each class on the picture.", "", "whole")
    if now.painting:
        return NextStep(
            f"{_strokes(now.strokes)} painted. See the answer, or train a network.", "to_train", "whole", "whole"
        )
    return NextStep("Paint a few strokes of what you look for, and of what it is not.", "", "paint", "paint")


def _train(now: Situation) -> NextStep:
    if now.trained == "better" and now.model:
        return NextStep("The new model is chosen. Your corrections stay as they are.", "train", "run", "run")
    if now.trained:
        return NextStep(
            "The old model and the picture stay. More time or more corrections help.", "correct", "train", "train"
        )
    if not now.enough and now.found < 0:
        return NextStep(
            "There is nothing to learn from yet: paint strokes, or correct a result.", "train", "paint", "paint"
        )
    if not now.enough:
        return NextStep(
            f"{now.checked} checked. {ENOUGH} or more make a training worth it.", "train", "correct", "correct"
        )
    return NextStep(f"Trains for {now.time}. You can go on correcting meanwhile.", "", "train", "train")


def _counts(now: Situation) -> tuple[tuple[int, str], ...]:
    return (now.accepted, "accepted"), (now.corrected, "corrected"), (now.rejected, "rejected")


def _strokes(n: int) -> str:
    return counted(n, "stroke")


def _number(n: int) -> str:
    return ("Zero", "One", "Two", "Three", "Four", "Five")[n]


__all__ = ["ENOUGH", "NextStep", "Situation", "offer"]
