"""The keys of the correction tools: on the result layer and on the panel, none of them one of napari's own there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QWidget

if TYPE_CHECKING:
    from napari.layers import Labels

KEYS = {
    "next": "N",
    "accept": "A",
    "fix": "C",
    "reject": "R",
    "merge": "U",
    "split": "S",
    "add": "T",
    "delete": "Delete",
    "tidy": "H",
    "fill_holes": "Shift-H",
    "grow": "G",
    "shrink": "Shift-G",
    "interpolate": "I",
}
"""Key of each action, as napari writes it."""
PROPOSAL_KEYS = {"take": "Enter", "other": "Tab", "no": "Escape"}
"""Keys while a proposal is shown; they are given back to napari when it is gone."""

HINTS = {
    "merge": "Click on the objects to merge, or draw a line through them. Esc: end.",
    "split": "Draw a line across an object, or click on each of its parts. Esc: end.",
    "add": "Click on the missed object, or draw a box around it. Esc: end.",
}
BRUSHES = {"paint", "erase", "outline"}
ESCAPE = {"escape": "Escape"}


def shown(action: str) -> str:
    """The key of an action as a person reads it.

    Examples
    --------
    >>> shown("shrink"), shown("delete")
    ('Shift+G', 'Del')
    """
    key = {**KEYS, **PROPOSAL_KEYS}[action]
    return key.replace("-", "+").replace("Delete", "Del").replace("Escape", "Esc")


def bind(layer: Labels, keys: Mapping[str, str], act: Callable[[str], object]) -> None:
    """Bind actions to keys of one layer."""
    for action, key in keys.items():

        def press(_: Labels, action: str = action) -> None:
            act(action)

        layer.bind_key(key, press, overwrite=True)


def unbind(layer: Labels, keys: Mapping[str, str]) -> None:
    """Give keys back to napari."""
    for key in keys.values():
        with suppress(KeyError):
            layer.bind_key(key, None)


def shortcuts(widget: QWidget, keys: Mapping[str, str], act: Callable[[str], object]) -> list[QShortcut]:
    """The same keys while a widget or something in it has the focus.

    Tab never reaches the canvas, since Qt moves the focus with it: it is taken wherever the focus is.
    """
    made = []
    for action, key in keys.items():
        shortcut = QShortcut(QKeySequence(key.replace("-", "+")), widget)
        anywhere = Qt.ShortcutContext.ApplicationShortcut if key == "Tab" else None
        shortcut.setContext(anywhere or Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(lambda action=action: act(action))
        made.append(shortcut)
    return made


__all__ = ["BRUSHES", "ESCAPE", "HINTS", "KEYS", "PROPOSAL_KEYS", "bind", "shortcuts", "shown", "unbind"]
