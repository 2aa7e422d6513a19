"""The page of *Correct* for single objects: tools, the settings of the tool in hand, and the queue of doubt."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractButton,
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_segplugin.widgets._edit_keys import KEYS, PROPOSAL_KEYS, Shortcuts
from napari_segplugin.widgets._parts import (
    Card,
    button,
    combo,
    describe,
    fill_combo,
    heading,
    labelled,
    muted,
    row,
    tell,
    wrapped,
)
from napari_segplugin.widgets.correct_tools import ANSWERS, DRAWN, MORE, QUEUE, SETTINGS, TOOLS, Tool, tell_key
from napari_segplugin.widgets.frame.groups import OneStop

PLANE, OBJECT, ALWAYS = "plane", "object", "always"
SHAPE, IMAGE = "shape", "image"


class CorrectPanel(QWidget):
    """Tools and queue for the objects of a result.

    Signals
    -------
    asked(str) : an action of the queue or a tool
    class_asked(str) : the name of a class, for the chosen object
    new_class_asked(str) : the name of a class, for the objects to come; empty where the model decides
    proposal_asked(str) : "take", "other" or "no"
    step_asked : the next step of the dock
    """

    asked = Signal(str)
    class_asked = Signal(str)
    new_class_asked = Signal(str)
    proposal_asked = Signal(str)
    step_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("correct_panel")
        self.buttons: dict[str, QAbstractButton] = {}
        self.adopt = button(
            "Correct the selected labels",
            "adopt_button",
            "Use the selected labels layer as a result: its objects can be corrected and learnt from.",
        )
        self._settings()
        self._proposal()
        self.inside = QWidget()
        column = QVBoxLayout(self.inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for widget in (self._tool_bar(), self._tool_card(), self._queue_card()):
            column.addWidget(widget)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self.adopt)
        rows.addWidget(self.inside)
        self._tool, self._things = "", "object"
        self._shortcuts = Shortcuts(self, KEYS, self._press)
        self._answers = Shortcuts(self, PROPOSAL_KEYS, self.proposal_asked.emit)
        self.show_tool("", "")
        self.show_proposal("")
        self.set_state(False, False, ())

    def tell_keys(self) -> None:
        """Let keys, tooltips and corners follow what was set in Preferences."""
        self._shortcuts.follow()
        for name, push in self.buttons.items():
            tell_key(push, name)

    def _press(self, action: str) -> None:
        if self.buttons[action].isEnabled():
            self.asked.emit(action)

    def _tool_bar(self) -> QWidget:
        bar = QWidget()
        describe(bar, "tools", "Tools", "Tools to correct objects with.")
        grid = QGridLayout(bar)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        pushes: list[QAbstractButton] = []
        for i, (name, text, _, _) in enumerate(TOOLS):
            push = Tool(name, text)
            tell_key(push, name)
            push.setCheckable(name in DRAWN)
            push.clicked.connect(lambda _=False, n=name: self.asked.emit(n))
            self.buttons[name] = push
            pushes.append(push)
            grid.addWidget(push, i // 5, i % 5)
        OneStop(bar).take(pushes)
        return bar

    def _tool_card(self) -> QWidget:
        card = Card("tool_card", "Tool in hand")
        self.hint = wrapped(name="tool_hint")
        card.rows.addWidget(self.hint)
        more = []
        for name, text, tip in MORE:
            push = button(text, f"edit_{name}", tip)
            tell_key(push, name)
            push.clicked.connect(lambda _=False, n=name: self.asked.emit(n))
            self.buttons[name] = push
            more.append(push)
        for widget in (self._new_row, self._along_row, row(self._amount_row, *more, stretch=(1, 1, 1, 1))):
            card.rows.addWidget(widget)
        card.rows.addWidget(self.proposal)
        return card

    def _queue_card(self) -> QWidget:
        card = Card("queue_card", "Object in question")
        self.about = heading("")
        self.about.setObjectName("object_text")
        self.count = QLabel()
        self.count.setProperty("muted", True)
        self.done = QProgressBar()
        describe(self.done, "thin", "Objects checked", "How many objects are accepted, rejected or corrected.")
        self.done.setTextVisible(False)
        self.reason = wrapped(name="object_reason")
        queue = QWidget()
        describe(queue, "queue", "Queue", "Goes through the objects, the most doubtful first.")
        pushes: list[QPushButton] = []
        for name, text, tip in QUEUE:
            push = button(text, f"edit_{name}", tip)
            tell_key(push, name)
            push.setProperty("tall", True)
            push.clicked.connect(lambda _=False, n=name: self.asked.emit(n))
            self.buttons[name] = push
            pushes.append(push)
        grid = QGridLayout(queue)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for i, push in enumerate(pushes):
            grid.addWidget(push, 0, i)
        OneStop(queue).take(pushes)
        self.next_button = pushes[0]
        for widget in (row(self.about, self.count, stretch=(1, 0)), self.done, self.reason, self._class_row, queue):
            card.rows.addWidget(widget)
        return card

    def _settings(self) -> None:
        self.scope_choice = combo(
            "edit_scope", "Where", "Work on the visible plane, the whole object, or the object at all time points."
        )
        self.amount = QSpinBox()
        self.amount.setRange(1, 50)
        self.amount.setSuffix(" px")
        describe(self.amount, "edit_amount", "By", "How far Grow, Shrink and Tidy go, in pixels of the finest axis.")
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
        self._new_row = labelled("Class", self.new_classes)
        self._along_row = labelled("Clicks", self.along)
        self._amount_row = labelled("By", self.amount)
        self._scope_row = labelled("On", self.scope_choice)
        self._class_row = labelled("Class", self.classes)
        self.gear = QWidget()
        rows = QVBoxLayout(self.gear)
        rows.setContentsMargins(0, 0, 0, 0)
        self._no_settings = muted("Nothing to set for a single plane.")
        rows.addWidget(self._scope_row)
        rows.addWidget(self._no_settings)

    def _proposal(self) -> None:
        self.proposal_text = wrapped(name="proposal_text")
        pushes = []
        for name, text, tip in ANSWERS:
            push = button(text, f"proposal_{name}", tip)
            tell_key(push, name)
            push.clicked.connect(lambda _=False, n=name: self.proposal_asked.emit(n))
            pushes.append(push)
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
        self._no_settings.setVisible(not (planes or always))
        self._volume = "Z" in axes
        self._show_settings()

    def set_classes(self, names: Sequence[str], areas: Sequence[str] = ()) -> None:
        """Offer the classes of objects, and areas, where there are several; the last area is the background."""
        fill_combo(self.classes, [(n, n) for n in names])
        self._class_row.setVisible(len(names) > 1)
        usual = f"as proposed, else {names[0]}" if names else "as proposed"
        grounds = [(n if n == areas[-1] else f"{n} (area)", n) for n in areas]
        fill_combo(self.new_classes, [(usual, ""), *((n, n) for n in names), *grounds])
        self._several = len(names) + len(areas) > 2
        self._show_settings()

    _several = _volume = False

    def _show_settings(self) -> None:
        """Only what belongs to the tool in hand."""
        shown_now = SETTINGS.get(self._tool, ())
        self._new_row.setVisible("new" in shown_now and self._several)
        self._along_row.setVisible("along" in shown_now)
        self._amount_row.setVisible("amount" in shown_now)
        for name, _, _ in MORE:
            self.buttons[name].setVisible(name in shown_now and (name != "interpolate" or self._volume))

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
        known = len(done) == 2 and done[1] > 0
        self.done.setVisible(known)
        self.count.setText(f"{done[0]:,} of {done[1]:,} checked" if known else "")
        if known:
            self.done.setRange(0, done[1])
            self.done.setValue(done[0])

    def offer(self, adopt: bool, ready: bool) -> None:
        """Show what there is: the tools, or the offer to correct labels that came from elsewhere."""
        self.adopt.setVisible(adopt)
        self.inside.setVisible(ready)
        self.setVisible(adopt or ready)

    def say(self, text: str, reason: str = "") -> None:
        """A line about the chosen object, and why it is in doubt."""
        self.about.setText(text)
        tell(self.reason, reason)

    def show_tool(self, name: str, hint: str) -> None:
        """Show which tool is in hand, and what it waits for."""
        self._tool = name or "select"
        for tool in DRAWN:
            push = self.buttons[tool]
            push.setChecked(tool == self._tool)
        tip = next(tip for tool, _, _, tip in TOOLS if tool == self._tool)
        title = next(text for tool, text, _, _ in TOOLS if tool == self._tool)
        self.hint.setText(f"<b>{title}:</b> {hint or tip}")
        self._show_settings()

    def show_settings(self, name: str) -> None:
        """Show the settings of a tool that acted at once; the tool in hand stays."""
        if name in SETTINGS:
            self._tool = name
            title, tip = next((text, tip) for tool, text, _, tip in TOOLS if tool == name)
            self.hint.setText(f"<b>{title}:</b> {tip}")
            self._show_settings()

    def show_proposal(self, text: str) -> None:
        """Offer a proposal; an empty text puts the offer away."""
        self.proposal_text.setText(text)
        self.proposal.setVisible(bool(text))
        self._answers.set_enabled(bool(text))


__all__ = ["ALWAYS", "OBJECT", "PLANE", "CorrectPanel"]
