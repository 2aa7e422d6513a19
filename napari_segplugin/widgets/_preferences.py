"""Actions of ours in napari's Preferences, under Shortcuts, and the keys that they have there.

napari takes no keys from a plugin's manifest. What its Preferences list are the actions of its action manager, and what was
set there stands in its settings: an action is registered with the one, and its keys are read from the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from napari.layers import Labels
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import coerce_keybinding
from psygnal import Signal

if TYPE_CHECKING:
    from app_model.types import KeyBinding
    from napari.utils.events import Event

PACKAGE = "napari-segplugin"


class Preferences:
    """Keys of actions on Labels layers, as a person set them.

    napari would bind them on every Labels layer: they are taken from there again, since only results have these actions.

    Parameters
    ----------
    actions : mapping of str to (str, sequence of str)
        Title and usual keys of each action.

    Attributes
    ----------
    changed : signal
        Keys were set.
    """

    changed = Signal()

    def __init__(self, actions: Mapping[str, tuple[str, Sequence[str]]]) -> None:
        self._titles = {action: title for action, (title, _) in actions.items()}
        self._usual = {action: [coerce_keybinding(key) for key in keys] for action, (_, keys) in actions.items()}
        self._now = {action: tuple(keys) for action, keys in self._usual.items()}
        self._settings: object = None

    def keys_of(self, action: str) -> tuple[KeyBinding, ...]:
        """The keys of an action as they are now; none where somebody took its key away."""
        return self._now[action]

    def register(self) -> None:
        """Put the actions into Preferences; again does nothing."""
        settings = get_settings().shortcuts
        if settings is self._settings:
            return
        self._settings = settings
        for action, title in self._titles.items():
            action_manager.register_action(_name(action), _heard, f"Segmentation: {title}", Labels)
        settings.events.shortcuts.connect(self._read)
        self._read()

    def _read(self, event: Event | None = None) -> None:
        """Take what is set; an action that nobody set has its usual keys, except those of another action."""
        chosen = get_settings().shortcuts.shortcuts
        self._forget_usual(chosen)
        before = self._now
        self._now = {}
        for action, usual in self._usual.items():
            action_manager.unbind_shortcut(_name(action))
            keys = chosen.get(_name(action), [key for key in usual if not _taken(key)])
            there = {key: _keymap(Labels).get(key) for key in keys}
            for key in keys:
                action_manager.bind_shortcut(_name(action), key)
            for key, theirs in there.items():
                Labels.bind_key(key, theirs, overwrite=True)
            self._now[action] = tuple(keys)
        if self._now != before:
            self.changed.emit()

    def _forget_usual(self, chosen: dict[str, list[KeyBinding]]) -> None:
        """Keep what was chosen alone: napari keeps every key once one is set, and warns of each before we are there."""
        usual = {_name(action): keys for action, keys in self._usual.items()}
        if any(chosen.get(name) == keys for name, keys in usual.items()):
            kept = {name: keys for name, keys in chosen.items() if usual.get(name) != keys}
            get_settings().shortcuts.shortcuts = kept


def _heard(layer: Labels) -> None:
    """What napari would call; a result has the key itself."""


def _name(action: str) -> str:
    return f"{PACKAGE}:{action}"


def _taken(key: KeyBinding) -> bool:
    """Whether napari, or somebody in its Preferences, gave a key to another action that is heard on a Labels layer."""
    from napari.viewer import Viewer

    return any(key in _keymap(kind) for kind in (*Labels.__mro__, *Viewer.__mro__))


def _keymap(kind: type) -> Mapping[KeyBinding, object]:
    """The keys of a kind of layer, which napari gives to each class as it is made."""
    return cast("Mapping[KeyBinding, object]", getattr(kind, "class_keymap", {}))


__all__ = ["Preferences"]
