"""The tools and the queue of *Correct*: what each is called, what it does, and the button that shows its key."""

from __future__ import annotations

from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QPainter, QPaintEvent
from qtpy.QtWidgets import QAbstractButton, QSizePolicy, QToolButton

from napari_segplugin.widgets._edit_keys import PROPOSAL_KEYS, shown
from napari_segplugin.widgets._parts import describe
from napari_segplugin.widgets.frame.icons import give

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
    ("select", "Select", "L", "Click on an object to choose it."),
    ("add", "Add", "", "Click on an object that was missed, or draw a box around it: the model proposes its shape."),
    ("paint", "Paint", "P", "Starts on an object: adds to it; elsewhere: a new one."),
    ("erase", "Erase", "E", "Erases from the selected object only."),
    ("outline", "Outline", "3", "Draw around an object with clicks; Enter closes the outline."),
    (
        "split",
        "Split",
        "",
        "Draw a line across an object to cut it, or click on each of its parts (Shift: more than two).",
    ),
    ("merge", "Merge", "", "Click on the objects to merge, one after another, or draw a line through them."),
    ("delete", "Delete", "", "Delete the selected object."),
    ("tidy", "Tidy", "", "Fill the holes of the selected object and smooth its outline."),
    ("grow", "Grow", "", "Grow the selected object into the background."),
)
"""Name, text, napari's own key where it is one, and what the tool does."""
MORE = (
    ("fill_holes", "Only fill holes", "Fill the holes of the selected object; its outline stays."),
    ("shrink", "Shrink", "Shrink the selected object."),
    (
        "interpolate",
        "Fill between planes",
        "Fill in the selected object between the planes in which you painted it; without paint, its missing planes "
        "are filled.",
    ),
)
"""What stands with the settings of a tool."""
ANSWERS = (
    ("take", "Use it", "Make the proposal an object."),
    ("other", "Another", "Show another proposal."),
    ("no", "No", "Discard the proposal."),
)
"""To a proposal."""
DRAWN = {"select", "merge", "split", "add", "paint", "erase", "outline"}
"""Tools that wait for the mouse, which need no chosen object."""
SETTINGS = {
    "paint": ("new", "interpolate"),
    "outline": ("new",),
    "add": ("new",),
    "split": ("along",),
    "tidy": ("amount", "fill_holes"),
    "grow": ("amount", "shrink"),
}


class Tool(QToolButton):
    """An icon, a word below it, and its key in the corner.

    Parameters
    ----------
    name, text : str
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__()
        self.key = ""
        self.setText(text)
        give(self, name, 18)
        self.setProperty("tool", True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        self.setMinimumSize(50, 46)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the button and its key."""
        super().paintEvent(event)
        painter = QPainter(self)
        font = self.font()
        font.setPointSizeF(max(6.0, font.pointSizeF() * 0.75))
        painter.setFont(font)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(
            QRect(0, 3, self.width() - 6, 14), int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop), self.key
        )
        painter.end()


def tell_key(push: QAbstractButton, name: str) -> None:
    """Let the tooltip of a button, and what a screen reader says, name the key that its action has now.

    Parameters
    ----------
    push : QAbstractButton
    name : str
        Of a tool, of the queue, or of an answer to a proposal.
    """
    text, own, tip = _TOLD[name]
    key = own or shown(name)
    named, undone = f" Key: {key}." if key else "", "" if name in PROPOSAL_KEYS else " Undo with Ctrl+Z."
    kind = "proposal" if name in PROPOSAL_KEYS else "edit"
    describe(push, f"{kind}_{name}", f"{text} ({key})" if key else text, f"{tip}{named}{undone}")
    if isinstance(push, Tool):
        push.key = key
        push.update()


_TOLD = {name: (text, own, tip) for name, text, own, tip in TOOLS}
_TOLD |= {name: (text, "", tip) for name, text, tip in (*QUEUE, *MORE, *ANSWERS)}

__all__ = ["ANSWERS", "DRAWN", "MORE", "QUEUE", "SETTINGS", "TOOLS", "Tool", "tell_key"]
