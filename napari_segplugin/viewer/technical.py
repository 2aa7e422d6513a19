"""Layers that a tool needs and a person does not: on the canvas, and not in the layer list. No Qt.

napari has no way to keep a layer out of its list. Of its list the row is hidden, by Qt's own call; what takes "all layers" finds
them no more: they are never selected, so neither deleted nor moved with the others, and not saved with all. Where a version of
napari has another list the layer stays in sight, and works as well.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from napari_segplugin.viewer.selected import select, still_selected

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.components.layerlist import LayerList
    from napari.layers import Layer
    from napari.utils.events import Event
    from npe2.manifest.contributions import WriterContribution

_technical: weakref.WeakSet[Layer] = weakref.WeakSet()
_known: weakref.WeakKeyDictionary[ViewerModel, _Hider] = weakref.WeakKeyDictionary()


class _Index(Protocol):
    def data(self) -> object:
        """What is written in the row."""


class _ListRows(Protocol):
    def rowCount(self) -> int:
        """How many rows there are."""

    def index(self, row: int, column: int, /) -> _Index:
        """A row."""


class _List(Protocol):
    """What of napari's layer list is used: a list view of Qt with the layers, the topmost first."""

    def model(self) -> _ListRows:
        """The rows."""

    def setRowHidden(self, row: int, hide: bool, /) -> None:
        """Hide a row."""


def is_technical(layer: Layer) -> bool:
    """Whether a layer was hidden from the list by :func:`hide_from_list`."""
    return layer in _technical


def hide_from_list(viewer: ViewerModel, layer: Layer) -> bool:
    """Keep a layer out of the layer list, and out of what is done to all layers.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Layer
        In the viewer, or about to be added.

    Returns
    -------
    bool
        Whether it is out of sight; what it is kept out of besides does not depend on it. False before it is added.

    Examples
    --------
    >>> from napari.components import ViewerModel
    >>> viewer = ViewerModel()
    >>> image, line = viewer.add_points(name="seeds"), viewer.add_shapes(name="edit line")
    >>> hide_from_list(viewer, line)  # there is no window, and so no list
    False
    >>> viewer.layers.select_all()
    >>> [layer.name for layer in viewer.layers.selection]
    ['seeds']
    """
    _technical.add(layer)
    if viewer not in _known:
        _known[viewer] = _Hider(viewer)
    return _known[viewer].hide(layer)


def add_hidden(viewer: ViewerModel, layer: Layer) -> bool:
    """Add a layer that is not shown in the list; what is selected stays so.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Layer

    Returns
    -------
    bool
        As of :func:`hide_from_list`.
    """
    with still_selected(viewer.layers):
        hide_from_list(viewer, layer)
        viewer.add_layer(layer)
    return _known[viewer].hide(layer)


def listed(layers: LayerList) -> list[Layer]:
    """The layers that a person sees in the list."""
    return [layer for layer in layers if layer not in _technical]


class _Hider:
    """Keeps the technical layers of one viewer out of sight."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        layers = viewer.layers
        self._last = {layer for layer in layers.selection if layer not in _technical}
        layers.events.inserted.connect(self._on_inserted)
        layers.selection.events.changed.connect(self._on_selection)
        layers.selection.events.active.connect(self._on_active, position="first")
        _guard_saving(layers)

    def hide(self, layer: Layer) -> bool:
        """Hide the row of a layer, and select it no more."""
        self._on_selection()
        self._on_active()
        viewer = self._viewer()
        if viewer is None or not any(layer is a for a in viewer.layers):
            return False
        try:
            rows = cast("_List", viewer.window._qt_viewer.layers)  # type: ignore[attr-defined] # napari has no public way
            model = rows.model()
            row = len(viewer.layers) - 1 - viewer.layers.index(layer)
            # another order or another list: better in sight than another layer hidden
            if model.rowCount() != len(viewer.layers) or model.index(row, 0).data() != layer.name:
                return False
            rows.setRowHidden(row, True)
        except (AttributeError, RuntimeError, TypeError):
            return False
        return True

    def _on_inserted(self, event: Event) -> None:
        if event.value in _technical:
            self.hide(event.value)

    def _on_selection(self, event: object = None) -> None:
        """Of several, leave out the technical ones."""
        viewer = self._viewer()
        if viewer is None:
            return
        selection = viewer.layers.selection
        seen = {layer for layer in selection if layer not in _technical}
        if seen and len(seen) < len(selection):
            selection.difference_update(set(selection) - seen)
        elif seen:
            self._last = seen

    def _on_active(self, event: Event | None = None) -> None:
        """A technical layer alone was selected: with the arrow keys go on to the next; otherwise stay."""
        viewer = self._viewer()
        told = None if event is None else event.value
        if viewer is None or (told not in _technical and viewer.layers.selection.active not in _technical):
            return
        layers, active = viewer.layers, viewer.layers.selection.active
        chosen = set(layers.selection)
        if active in _technical:
            at, before = layers.index(active), [layers.index(a) for a in self._last if a in layers]
            further = layers[at + 1 :] if before and before[0] < at else layers[:at][::-1] if before else []
            following = next((layer for layer in further if layer not in _technical), None)
            chosen = self._last if following is None else {following}
        select(layers, chosen)
        if event is not None:
            event.blocked = True  # all others have heard of what took its place, and shall not hear of this after it


def _guard_saving(layers: LayerList) -> None:
    """Let "save all layers" mean those in the list."""
    usual: Callable[..., list[str]] | None = getattr(layers, "save", None)
    if usual is None:
        return

    def save(
        path: str, *, selected: bool = False, plugin: str | None = None, _writer: WriterContribution | None = None
    ) -> list[str]:
        if selected or len(listed(layers)) in (0, len(layers)):
            return usual(path, selected=selected, plugin=plugin, _writer=_writer)
        from napari.plugins.io import save_layers  # what napari's own method calls

        return save_layers(path, listed(layers), plugin=plugin, _writer=_writer)

    setattr(layers, "save", save)  # noqa: B010 - a method is replaced, for this list alone


__all__ = ["add_hidden", "hide_from_list", "is_technical", "listed"]
