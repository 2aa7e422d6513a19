"""Correcting single objects: the queue of doubt, the tools, and the proposal for an object that was missed."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QProgressBar, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_segplugin.widgets._edit_keys import KEYS, PROPOSAL_KEYS, shortcuts, shown
from napari_segplugin.widgets._parts import (
    Fold,
    button,
    combo,
    describe,
    fill_combo,
    labelled,
    row,
    set_primary,
    tell,
    wrapped,
)

PLANE, OBJECT, ALWAYS = "plane", "object", "always"
SHAPE, IMAGE = "shape", "image"
QUEUE = (
    ("next", "Next", "Go to the object that is most likely wrong."),
    ("accept", "Accept", "The object is correct: fine-tuning learns from it as it is. Goes to the next one."),
    ("fix", "Fix", "Correct the object with the brush; then press Accept or Next."),
    (
        "reject",
        "Reject",
        "There is no object here: it becomes background, and fine-tuning learns this. Goes to the next one.",
    ),
)
TOOLS = (
    ("merge", "Merge", "Click on the objects to merge, one after another, or draw a line through them."),
    (
        "split",
        "Split",
        "Draw a line across an object to cut it, or click on each of its parts (Shift: more than two).",
    ),
    ("add", "Add missed", "Click on an object that was missed, or draw a box around it: the model proposes its shape."),
    ("delete", "Delete", "Delete the selected object."),
    ("fill_holes", "Fill holes", "Fill the holes of the selected object."),
    ("smooth", "Smooth", "Smooth the outline of the selected object."),
    ("grow", "Grow", "Grow the selected object into the background."),
    ("shrink", "Shrink", "Shrink the selected object."),
    (
        "interpolate",
        "Interpolate",
        "Fill in the selected object between the planes in which you painted it; without paint, its missing planes "
        "are filled.",
    ),
)
DRAWN = {"merge", "split", "add"}
"""Tools that wait for the mouse."""


class CorrectPanel(Fold):
    """The part of step 4 that corrects single objects.

    Signals
    -------
    asked(str) : an action of the queue or a tool
    class_asked(str) : the name of a class, for the chosen object
    new_class_asked(str) : the name of a class, for the objects to come; empty where the model decides
    proposal_asked(str) : "take", "other" or "no"
    """

    asked = Signal(str)
    class_asked = Signal(str)
    new_class_asked = Signal(str)
    proposal_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__(
            "Correct objects", "correct_fold", "Merge, split, correct and accept the objects of the result."
        )
        self.buttons: dict[str, QPushButton] = {}
        self.adopt = button(
            "Correct the selected labels",
            "adopt_button",
            "Use the selected labels layer as a result: its objects can be corrected and learnt from.",
        )
        self.about = wrapped(name="object_text")
        self.done = QProgressBar()
        describe(self.done, "objects_done", "Objects checked", "How many objects are accepted, rejected or corrected.")
        self.done.setFormat("%v of %m checked (%p%)")
        queue = QWidget()
        self._fill(queue, QUEUE, 4)
        self.tools = QWidget()
        self._fill(self.tools, TOOLS, 3)
        for name in DRAWN:
            self.buttons[name].setCheckable(True)
        self.hint = wrapped(name="tool_hint")
        self._settings()
        self._proposal()
        self.rows.addWidget(self.adopt)
        self.inside = QWidget()
        column = QVBoxLayout(self.inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (self.about, self.done, queue, self.proposal, self.tools, self.hint, *self._rows):
            column.addWidget(widget)
        self.rows.addWidget(self.inside)
        tell(self.hint, "")
        self._shortcuts = shortcuts(self, KEYS, self._press)
        self._answers = shortcuts(self, PROPOSAL_KEYS, self.proposal_asked.emit)
        self.show_proposal("")
        self.set_state(False, False, ())

    def _press(self, action: str) -> None:
        if self.buttons[action].isEnabled():
            self.asked.emit(action)

    def _fill(self, holder: QWidget, entries: Sequence[tuple[str, str, str]], columns: int) -> None:
        grid = QGridLayout(holder)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for i, (name, text, tip) in enumerate(entries):
            push = button(text, f"edit_{name}", f"{tip} Key: {shown(name)}. Undo with Ctrl+Z.")
            push.clicked.connect(lambda _=False, n=name: self.asked.emit(n))
            self.buttons[name] = push
            grid.addWidget(push, i // columns, i % columns)

    def _settings(self) -> None:
        self.scope_choice = combo(
            "edit_scope", "Where", "Work on the visible plane, the whole object, or the object at all time points."
        )
        self.amount = QSpinBox()
        self.amount.setRange(1, 50)
        self.amount.setSuffix(" px")
        describe(self.amount, "edit_amount", "By", "How far Grow, Shrink and Smooth go, in pixels of the finest axis.")
        self.along = combo(
            "edit_along", "Split", "How clicks split an object: where it is narrow, or along a line in the image."
        )
        fill_combo(self.along, [("Where it is narrow", SHAPE), ("Along the image", IMAGE)])
        self.classes = combo(
            "edit_class", "Class", "The class of the selected object. Choose another one to change it."
        )
        self.classes.activated.connect(lambda _: self.class_asked.emit(str(self.classes.currentData())))
        self.new_classes = combo(
            "edit_new_class",
            "New objects are",
            "The class of new objects that you paint, and of proposals that you use. The parts of a split object "
            "keep its class. An area stays one piece.",
        )
        self.new_classes.activated.connect(lambda _: self.new_class_asked.emit(self.new_class))
        self._new_row = labelled("New", self.new_classes)
        self._scope_row = labelled("On", self.scope_choice)
        self._class_row = labelled("Class", self.classes)
        self._rows = (
            labelled("By", self.amount),
            labelled("Split", self.along),
            self._scope_row,
            self._class_row,
            self._new_row,
        )

    def _proposal(self) -> None:
        self.proposal_text = wrapped(name="proposal_text")
        pushes = []
        for name, text, tip in (
            ("take", "Use it", "Make the proposal an object."),
            ("other", "Another", "Show another proposal."),
            ("no", "No", "Discard the proposal."),
        ):
            push = button(text, f"proposal_{name}", f"{tip} Key: {shown(name)}.")
            push.clicked.connect(lambda _=False, n=name: self.proposal_asked.emit(n))
            pushes.append(push)
        set_primary(pushes[0], True)
        self.proposal = QWidget()
        grid = QGridLayout(self.proposal)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.addWidget(self.proposal_text, 0, 0)
        grid.addWidget(row(*pushes, stretch=(1, 1, 1)), 1, 0)

    # --- what the controls show -----------------------------------------------------------------------------------

    @property
    def scope(self) -> str:
        """Where a tool works: "plane", "object" or "always"."""
        return str(self.scope_choice.currentData() or OBJECT)

    @property
    def by_image(self) -> bool:
        """Whether clicks in the parts of an object follow the image."""
        return bool(self.along.currentData() == IMAGE)

    @property
    def new_class(self) -> str:
        """The class of new objects; empty where the model decides, or the first one is taken."""
        return str(self.new_classes.currentData() or "")

    def set_axes(self, axes: str) -> None:
        """Offer the scopes that the axes of a result allow."""
        planes = [("This plane", PLANE)] if "Z" in axes else []
        always = [("All time points", ALWAYS)] if "T" in axes else []
        fill_combo(self.scope_choice, [("Whole object", OBJECT), *planes, *always])
        self._scope_row.setVisible(bool(planes or always))
        self.buttons["interpolate"].setVisible("Z" in axes)

    def set_classes(self, names: Sequence[str], areas: Sequence[str] = ()) -> None:
        """Offer the classes of objects, and areas, where there are several."""
        fill_combo(self.classes, [(n, n) for n in names])
        self._class_row.setVisible(len(names) > 1)
        usual = f"as proposed, else {names[0]}" if names else "as proposed"
        fill_combo(self.new_classes, [(usual, ""), *((n, n) for n in names), *((f"{n} (area)", n) for n in areas)])
        self._new_row.setVisible(len(names) + len(areas) > 1)

    def set_state(self, ready: bool, chosen: bool, done: Sequence[int]) -> None:
        """Enable what can be used.

        Parameters
        ----------
        ready : bool
            There is a result with objects.
        chosen : bool
            An object is chosen.
        done : sequence of int
            Objects that were looked at, and all of them; empty where that is not known.
        """
        free = {"next", *DRAWN}
        for name, push in self.buttons.items():
            push.setEnabled(ready and (chosen or name in free))
        self.classes.setEnabled(ready and chosen)
        self.done.setVisible(len(done) == 2 and done[1] > 0)
        if len(done) == 2 and done[1] > 0:
            self.done.setRange(0, done[1])
            self.done.setValue(done[0])

    def offer(self, adopt: bool, ready: bool) -> None:
        """Show what there is: the tools, or the offer to correct labels that came from elsewhere."""
        self.adopt.setVisible(adopt)
        self.inside.setVisible(ready)
        self.setVisible(adopt or ready)

    def say(self, text: str) -> None:
        """A line about the chosen object."""
        tell(self.about, text)

    def show_tool(self, name: str, hint: str) -> None:
        """Show which tool is in hand, and what it waits for."""
        for tool in DRAWN:
            self.buttons[tool].setChecked(tool == name)
        tell(self.hint, hint)

    def show_proposal(self, text: str) -> None:
        """Offer a proposal; an empty text puts the offer away."""
        self.proposal_text.setText(text)
        self.proposal.setVisible(bool(text))
        for answer in self._answers:
            answer.setEnabled(bool(text))


__all__ = ["ALWAYS", "OBJECT", "PLANE", "CorrectPanel"]
