"""The keys of the correction tools: on the result layer and on the panel, none of them one of napari's own there.

They are among the keys of Labels layers in napari's Preferences, and are what was set there (see the decision on keys).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QWidget

from napari_segplugin.widgets._preferences import Preferences

if TYPE_CHECKING:
    from app_model.types import KeyBinding

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
"""Key of each action, as napari writes it, where nobody chose another."""
STEP_KEY = {"step": "Ctrl-Enter"}
"""Presses the highlighted button, wherever it is."""
PROPOSAL_KEYS = {"take": "Enter", "other": "Tab", "no": "Escape"}
"""Keys while a proposal is shown; they are given back to napari when it is gone."""
ESCAPE = {"escape": "Escape"}
"""While a tool waits for the mouse."""
TITLES = {
    "next": "Next object",
    "accept": "Accept object",
    "fix": "Fix object",
    "reject": "Reject object",
    "merge": "Merge objects",
    "split": "Split object",
    "add": "Add object",
    "delete": "Delete object",
    "tidy": "Tidy object",
    "fill_holes": "Fill holes of object",
    "grow": "Grow object",
    "shrink": "Shrink object",
    "interpolate": "Fill object between planes",
    "step": "Next step",
}
"""What each action is called in Preferences and in the command palette, after "Segmentation: "."""

SECOND_KEYS = {"delete": "D"}
"""Another key of an action, for a hand that stays where the others are."""

preferences = Preferences(
    {a: (TITLES[a], [key, *([SECOND_KEYS[a]] if a in SECOND_KEYS else [])]) for a, key in {**KEYS, **STEP_KEY}.items()}
)


_FIXED = {action: (coerce_keybinding(key),) for action, key in {**PROPOSAL_KEYS, **ESCAPE}.items()}


def keys_of(action: str) -> tuple[KeyBinding, ...]:
    """The keys of an action as they are now."""
    return _FIXED.get(action) or preferences.keys_of(action)


HINTS = {
    "merge": "Click on the objects to merge, or draw a line through them. Esc: end.",
    "split": "Draw a line across an object, or click on each of its parts. Esc: end.",
    "add": "Click on the missed object, or draw a box around it. Esc: end.",
}
BRUSHES = {"paint", "erase", "outline"}


def shown(action: str) -> str:
    """The key of an action as a person reads it; empty where it has none.

    Examples
    --------
    >>> shown("shrink"), shown("delete")
    ('Shift+G', 'Del')
    """
    keys = keys_of(action)
    return str(keys[0]).replace("Delete", "Del").replace("Escape", "Esc") if keys else ""


_bound: weakref.WeakKeyDictionary[Labels, dict[str, tuple[KeyBinding, ...]]] = weakref.WeakKeyDictionary()
"""The keys of each action that a layer has."""


def bind(layer: Labels, actions: Iterable[str], act: Callable[[str], object]) -> None:
    """Bind actions to their keys on one layer."""
    mine = _bound.setdefault(layer, {})
    for action in actions:

        def press(_: Labels, action: str = action) -> None:
            act(action)

        mine[action] = keys_of(action)
        for key in mine[action]:
            layer.bind_key(key, press, overwrite=True)


def unbind(layer: Labels, actions: Iterable[str]) -> None:
    """Give keys back to napari."""
    mine = _bound.get(layer, {})
    for action in actions:
        for key in mine.pop(action, ()):
            with suppress(KeyError):
                layer.bind_key(key, None)


class ToolKeys:
    """The keys of a result layer.

    Parameters
    ----------
    act : callable
        Does an action of :data:`KEYS`.
    step : callable
        Goes on to the next step.
    """

    def __init__(self, act: Callable[[str], object], step: Callable[[], object]) -> None:
        self._act, self._step = act, step

    def bind(self, layer: Labels) -> None:
        """Give them to a layer, or give them anew when other keys were set."""
        self.unbind(layer)
        bind(layer, KEYS, self._act)
        bind(layer, STEP_KEY, lambda _: self._step())

    def unbind(self, layer: Labels) -> None:
        """Give them back to napari."""
        unbind(layer, (*KEYS, *STEP_KEY))


class Shortcuts:
    """The same keys while a widget or something in it has the focus.

    Tab never reaches the canvas, since Qt moves the focus with it: it is taken wherever the focus is.

    Parameters
    ----------
    widget : QWidget
    actions : iterable of str
    act : callable
    """

    def __init__(self, widget: QWidget, actions: Iterable[str], act: Callable[[str], object]) -> None:
        self._made: dict[str, QShortcut] = {}
        for action in actions:
            made = QShortcut(widget)
            anywhere = Qt.ShortcutContext.ApplicationShortcut if action == "other" else None
            made.setContext(anywhere or Qt.ShortcutContext.WidgetWithChildrenShortcut)
            made.activated.connect(lambda action=action: act(action))
            self._made[action] = made
        self.follow()

    def follow(self) -> None:
        """Take the keys as they are now."""
        for action, made in self._made.items():
            # what Qt calls Enter is the one of the number pad
            made.setKeys([QKeySequence(str(k).replace("Ctrl+Enter", "Ctrl+Return")) for k in keys_of(action)])

    def set_enabled(self, on: bool) -> None:
        """Hear the keys or not."""
        for made in self._made.values():
            made.setEnabled(on)


__all__ = [
    "BRUSHES",
    "ESCAPE",
    "HINTS",
    "KEYS",
    "PROPOSAL_KEYS",
    "SECOND_KEYS",
    "STEP_KEY",
    "TITLES",
    "Shortcuts",
    "ToolKeys",
    "bind",
    "keys_of",
    "preferences",
    "shown",
    "unbind",
]
