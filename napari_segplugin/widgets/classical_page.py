"""The page of classical techniques: a technique with its settings, clean-up steps after it, and recipes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QCheckBox, QFileDialog, QMenu, QToolButton, QVBoxLayout, QWidget

from napari_segplugin.classical import CleanupRow, TechniqueRow
from napari_segplugin.core import ClassicalRecipe, CleanupStep, Image, InputError, Registry
from napari_segplugin.widgets._parts import Fold, button, combo, describe, fill_combo, labelled, row, tell, wrapped
from napari_segplugin.widgets.histogram import Histogram
from napari_segplugin.widgets.parameter_form import ParameterForm

NEEDS = {
    "points": "Click on each object, then press Run. Each point grows into its own object.",
    "strokes": "Paint a stroke of each class (Correct, Paint strokes), then press Run.",
    "box": "Draw a rectangle around the object, then press Run.",
}
COMPANIONS = {
    "kmeans": ("Add in its colours", "Adds a layer that shows the image in the mean colours of its classes."),
    "split_merge": ("Show the blocks", "Adds a layer that shows the borders of the blocks before they are merged."),
}
"""What some techniques show beside their labels: the button and its tip."""


class ClassicalPage(QWidget):
    """What a recipe is made of.

    Parameters
    ----------
    techniques, cleanups : Registry

    Signals
    -------
    changed : the recipe, or whether it is shown live
    marks_requested(str) : "points" or "box"
    companion_requested : what the technique shows beside its labels
    opened(str), saved(str) : a recipe file; what comes with the package is opened by its name
    """

    changed = Signal()
    marks_requested = Signal(str)
    companion_requested = Signal()
    opened = Signal(str)
    saved = Signal(str)

    def __init__(self, techniques: Registry[TechniqueRow], cleanups: Registry[CleanupRow]) -> None:
        super().__init__()
        self._techniques, self._cleanups = techniques, cleanups
        self._image: Image | None = None
        self._name = self._description = ""
        self.technique_choice = combo("technique", "Technique", "Segmentation technique.")
        self.channel_choice = combo("technique_channel", "Channel", "The channel to segment.")
        self.form = ParameterForm()
        self.histogram = Histogram("technique_histogram")
        self.needs_text = wrapped(name="technique_needs")
        self.marks_button = button(
            "Place points", "technique_marks", "Adds a layer for the points or the box.", self._ask_marks
        )
        self.companion_button = button(
            "Show the blocks",
            "technique_companion",
            "Adds a layer that shows more of the result.",
            self.companion_requested.emit,
        )
        self.live = QCheckBox("Show live")
        self.live.setChecked(True)
        describe(
            self.live, "technique_live", "Show live", "The visible part is segmented while you change the settings."
        )
        self.live_text = wrapped(name="technique_live_text")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._channel_row = labelled("Channel", self.channel_choice)
        recipes = self._recipes()
        self.recipe_text = wrapped(name="recipe_text")
        for widget in (
            labelled("Technique", self.technique_choice),
            self._channel_row,
            self.histogram,
            self.form,
            self.needs_text,
            self.marks_button,
            self.companion_button,
            self._steps(),
            self.live,
            self.live_text,
            recipes,
            self.recipe_text,
        ):
            layout.addWidget(widget)
        self.technique_choice.currentIndexChanged.connect(lambda _: self._on_technique())
        self.channel_choice.currentIndexChanged.connect(lambda _: self._on_channel())
        self.form.changed.connect(self._on_form)
        self.histogram.dragged.connect(self._on_dragged)
        self.live.toggled.connect(lambda _: self.changed.emit())
        tell(self.live_text, "")
        tell(self.recipe_text, "")
        self.set_image(None)

    def _recipes(self) -> Any:
        self.recipe_menu = QMenu(self)
        self.recipe_menu.setToolTipsVisible(True)
        self.recipe_menu.addAction("From a file…", self._ask_open)
        open_button = button("Open recipe", "recipe_open", "Load a built-in or saved recipe.")
        open_button.setMenu(self.recipe_menu)
        save_button = button(
            "Save recipe…",
            "recipe_save",
            "Save technique, settings and clean-up steps, to use them on other images.",
            self._ask_save,
        )
        return row(open_button, save_button, stretch=(1, 1))

    def _steps(self) -> Any:
        fold = Fold("Clean up", "cleanup_fold", "Steps that are applied to the result, one after the other.")
        self._lines = QVBoxLayout()
        self._lines.setSpacing(4)
        holder = QWidget()
        holder.setLayout(self._lines)
        self._lines.setContentsMargins(0, 0, 0, 0)
        fold.rows.addWidget(holder)
        self.step_choice = combo("cleanup_choice", "Step", "The clean-up step to add.")
        fill_combo(self.step_choice, [(r.title, r.name) for r in self._cleanups])
        for i, r in enumerate(self._cleanups):
            self.step_choice.setItemData(i, r.summary, 3)
        add = button(
            "Add",
            "cleanup_add",
            "Add this step at the end of the list.",
            lambda: self.add_step(self.step_choice.currentData()),
        )
        fold.rows.addWidget(row(self.step_choice, add, stretch=(1, 0)))
        self.steps: list[tuple[str, ParameterForm, Any]] = []
        self._fold = fold
        return fold

    # --- what is chosen -------------------------------------------------------------------------------------------

    @property
    def technique(self) -> TechniqueRow:
        """The row of the technique."""
        return self._techniques[str(self.technique_choice.currentData())]

    def recipe(self) -> ClassicalRecipe:
        """Technique, settings and steps as they stand."""
        steps = tuple(CleanupStep(name, form.values()) for name, form, _ in self.steps)
        channel = self.channel_choice.currentData()
        return ClassicalRecipe(
            self.technique.name,
            self.form.values(),
            steps,
            -1 if channel is None else int(channel),
            self._name,
            self._description,
        )

    def offer_recipes(self, recipes: Mapping[str, ClassicalRecipe]) -> None:
        """Offer recipes by the names under which they are opened."""
        first = self.recipe_menu.actions()[0]
        for name, recipe in recipes.items():
            action = QAction(recipe.name or name, self.recipe_menu)
            action.setToolTip(recipe.description)
            action.triggered.connect(lambda _=False, n=name: self.opened.emit(n))
            self.recipe_menu.insertAction(first, action)
        self.recipe_menu.insertSeparator(first)

    def set_recipe(self, recipe: ClassicalRecipe) -> None:
        """Show a recipe.

        Raises
        ------
        InputError
            If a technique or step is not known, or the technique does not work on this image.
        """
        technique, _ = self._techniques[recipe.technique], [self._cleanups[s.name] for s in recipe.cleanup]
        at = self.technique_choice.findData(technique.name)
        if at < 0:
            raise InputError(
                f"{technique.title} does not work on this image.",
                got=f"a recipe for {' and '.join(f'{n}D' for n in technique.ndim)}",
                hint="Open another recipe, or choose a technique from the list.",
            )
        self.blockSignals(True)
        self.technique_choice.setCurrentIndex(at)
        self._on_technique()
        self.form.set_values(recipe.parameters)
        self.channel_choice.setCurrentIndex(max(0, self.channel_choice.findData(recipe.channel)))
        for _, _, line in list(self.steps):
            self._remove(line)
        for step in recipe.cleanup:
            self.add_step(step.name)
            self.steps[-1][1].set_values(step.parameters)
        self._name, self._description = recipe.name, recipe.description
        tell(self.recipe_text, ". ".join(t.rstrip(".") for t in (recipe.name, recipe.description) if t))
        self._fold.head.setChecked(bool(recipe.cleanup))
        self.blockSignals(False)
        self.changed.emit()

    def set_image(self, image: Image | None) -> None:
        """Offer what works on this image."""
        self._image = image
        rows = [r for r in self._techniques if image is None or image.ndim in r.ndim]
        entries = [(f"{r.group}: {r.label}" if r.group else r.label, r.name) for r in rows]
        fill_combo(self.technique_choice, entries)
        for i, r in enumerate(rows):
            self.technique_choice.setItemData(i, f"{r.summary} {r.reference}", 3)
        channels = 1 if image is None else image.n_channels
        fill_combo(self.channel_choice, [("all channels", -1), *((f"channel {c + 1}", c) for c in range(channels))])
        self._channel_row.setVisible(channels > 1)
        self.histogram.clear()
        self._on_technique()

    def show_live(self, text: str) -> None:
        """How the live picture was made; nothing hides it."""
        tell(self.live_text, text)

    # --- steps ----------------------------------------------------------------------------------------------------

    def add_step(self, name: str) -> None:
        """Add a clean-up step at the end."""
        found = self._cleanups[name]
        form = ParameterForm(found.parameters)
        form.changed.connect(self.changed)
        title = wrapped(found.title)
        title.setToolTip(found.summary)
        up, remove = QToolButton(), QToolButton()
        for tool, text, object_name, tip in (
            (up, "↑", "cleanup_up", "Move this step up."),
            (remove, "✕", "cleanup_remove", "Remove this step."),
        ):
            tool.setText(text)
            describe(tool, object_name, tip, tip)
        line = QWidget()
        rows = QVBoxLayout(line)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(2)
        rows.addWidget(row(title, up, remove, stretch=(1, 0, 0)))
        rows.addWidget(form)
        up.clicked.connect(lambda _=False, w=line: self._up(w))
        remove.clicked.connect(lambda _=False, w=line: self._remove(w, tell_it=True))
        self.steps.append((name, form, line))
        self._lines.addWidget(line)
        self.changed.emit()

    def _remove(self, line: Any, tell_it: bool = False) -> None:
        self.steps = [s for s in self.steps if s[2] is not line]
        line.hide()
        line.deleteLater()
        if tell_it:
            self.changed.emit()

    def _up(self, line: Any) -> None:
        at = next(i for i, s in enumerate(self.steps) if s[2] is line)
        if at:
            self.steps[at - 1], self.steps[at] = self.steps[at], self.steps[at - 1]
            self._lines.removeWidget(line)
            self._lines.insertWidget(at - 1, line)
            self.changed.emit()

    # --- reacting -------------------------------------------------------------------------------------------------

    def _on_technique(self) -> None:
        if self.technique_choice.currentData() is None:
            return
        found = self.technique
        self._name = self._description = ""
        tell(self.recipe_text, "")
        self.form.set_parameters(found.parameters)
        self.technique_choice.setToolTip(f"<p>{found.summary} <i>{found.reference}</i></p>")
        needs = found.needs
        tell(self.needs_text, NEEDS.get(needs, ""))
        self.marks_button.setVisible(needs in ("points", "box"))
        self.marks_button.setText("Place points" if needs == "points" else "Draw the box")
        text, tip = COMPANIONS.get(found.name, ("", ""))
        self.companion_button.setVisible(bool(text))
        describe(self.companion_button, "technique_companion", text, tip)
        self.companion_button.setText(text)
        self.histogram.setVisible("value" in self.form.fields)
        self._on_form()

    def _on_channel(self) -> None:
        self.histogram.clear()
        self.changed.emit()

    def _on_form(self) -> None:
        fields = self.form.fields
        if "value" in fields:
            by_hand = "method" not in fields or fields["method"].value == "manual"
            fields["value"].enabled = by_hand
            self.histogram.set_value(float(fields["value"].value) if by_hand else None)
        self.changed.emit()

    def _on_dragged(self, value: float) -> None:
        """The line of the histogram was dragged: the value is set by hand from now on."""
        self.form.set_values({"method": "manual", "value": value})

    def _ask_marks(self) -> None:
        self.marks_requested.emit(self.technique.needs)

    def _ask_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a recipe", "", "Recipes (*.json)")
        if path:
            self.opened.emit(path)

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the recipe", "recipe.json", "Recipes (*.json)")
        if path:
            self.saved.emit(path)


__all__ = ["COMPANIONS", "NEEDS", "ClassicalPage"]
