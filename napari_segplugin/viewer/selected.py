"""What is selected in the layer list. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components.layerlist import LayerList
    from napari.layers import Layer


def select(layers: LayerList, chosen: set[Layer]) -> None:
    """Select these layers, as far as they are still there."""
    layers.selection.clear()
    layers.selection.update({layer for layer in chosen if layer in layers})


@contextmanager
def still_selected(layers: LayerList) -> Iterator[None]:
    """While layers are added that nobody asked to work on: what is selected stays so, since napari selects what is new.

    Parameters
    ----------
    layers : napari.components.LayerList

    Examples
    --------
    >>> from napari.components import ViewerModel
    >>> viewer = ViewerModel()
    >>> image = viewer.add_points(name="cells")
    >>> with still_selected(viewer.layers):
    ...     edges = viewer.add_points(name="edges")
    >>> [layer.name for layer in viewer.layers.selection]
    ['cells']
    """
    chosen = set(layers.selection)
    yield
    if set(layers.selection) != chosen:
        select(layers, chosen)


__all__ = ["select", "still_selected"]
