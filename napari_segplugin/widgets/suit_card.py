"""Whether the image suits the model, above Run: one sentence, and the switch that helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QVBoxLayout

from napari_segplugin.core import Image, Note, TileSpec
from napari_segplugin.widgets._parts import button, describe, wrapped

if TYPE_CHECKING:
    from napari_segplugin.door.window import Suitability
    from napari_segplugin.viewer.desk import Answer, Choice, Desk
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.step_result import ResultStep
    from napari_segplugin.widgets.tile_options import TileOptions


class SuitCard(QFrame):
    """One verdict: a sign, a sentence and at most one button.

    Signals
    -------
    helped(TileSpec) : the settings under which the image suits the model
    """

    helped = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        describe(
            self, "suit_card", "Does the image suit the model?", "Compared with the images that the model learnt from."
        )
        self.text = wrapped(name="suit_text")
        self.push = button(
            "", "suit_button", "Changes the setting; nothing is run yet where there is no result.", self._help
        )
        self._verdict: Suitability | None = None
        rows = QVBoxLayout(self)
        rows.setContentsMargins(6, 3, 6, 3)
        rows.setSpacing(3)
        rows.addWidget(self.text)
        rows.addWidget(self.push)
        self.show_verdict(None)

    def show_verdict(self, verdict: Suitability | None) -> None:
        """Show a verdict; nothing where it says nothing."""
        self._verdict = verdict
        said = "" if verdict is None else verdict.sentence
        good = verdict is None or verdict.fits
        self.text.setText(f"{'✓' if good else '⚠'} {said}" if said else "")
        title = "" if verdict is None else verdict.title
        self.push.setText(title)
        self.push.setAccessibleName(title)
        self.push.setVisible(bool(title))
        self.setProperty("good", good)
        self.style().unpolish(self)  # type: ignore[union-attr]
        self.style().polish(self)  # type: ignore[union-attr]
        self.setVisible(bool(said))

    def _help(self) -> None:
        if self._verdict is not None and self._verdict.tiles is not None:
            self.helped.emit(self._verdict.tiles)


class SuitControl:
    """Keeps the card of the dock up to date, in the background.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    options : TileOptions
        Where the settings that help are set.
    step : ResultStep
    run : callable
        Takes a scope, and runs the chosen model there.
    """

    def __init__(
        self,
        desk: Desk,
        jobs: Jobs,
        engine: Engine,
        options: TileOptions,
        step: ResultStep,
        run: Callable[[str], object],
    ) -> None:
        self._desk, self._jobs, self._engine, self._options, self._run = desk, jobs, engine, options, run
        self.card = SuitCard()
        self.card.helped.connect(self.help)
        step.rows.insertWidget(step.rows.indexOf(step.card), self.card)

    def look(self, image: Image | None, choice: Choice | None) -> None:
        """Compare an image with a model; without either the card is put away."""
        if image is None or choice is None or choice.scratch:
            self.card.show_verdict(None)
            return
        engine, tiles = self._engine, self._desk.tiles(choice.spec.ndim)
        # what cannot be compared is no reason to disturb anybody: Run will say what is wrong
        self._jobs.beside(
            "suits",
            lambda: engine.suits(image, choice.load(), tiles=tiles),
            self.card.show_verdict,
            lambda _: self.card.show_verdict(None),
        )

    def help(self, tiles: TileSpec) -> None:
        """Take the settings that help; run again where there is a result already."""
        self._options.take(tiles)
        if self._desk.result is not None and not self._jobs.busy:
            self._run(self._desk.scope)

    def answers(self, note: Note) -> list[Answer]:
        """The button beside a note that asks whether the image is inverted."""
        if note.setting != "invert" or self.inverted:
            return []
        return [("Invert and run", "invert_and_run", self.invert)]

    @property
    def inverted(self) -> bool:
        """Whether the image is inverted for the model."""
        return self._options.inverts

    def invert(self) -> None:
        """Invert the image for the model, and run it."""
        self._options.form.set_values({"invert": True})
        if not self._jobs.busy:
            self._run(self._desk.scope)


__all__ = ["SuitCard", "SuitControl"]
