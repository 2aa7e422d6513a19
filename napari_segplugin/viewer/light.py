"""What napari does slowly in the window's thread, done sooner or in another way. No Qt, no torch."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import Box, Task
from napari_segplugin.viewer.pictures import outlines_of

LARGE = 2**20
"""Voxels of a plane from which on its outlines are worked out in a worker."""
MOST_DRAWN = 60_000
"""The largest object number that is still shown as uint16."""
Later = Callable[[Callable[[], np.ndarray], Callable[[np.ndarray], None]], None]
_ahead: weakref.WeakKeyDictionary[Labels, np.ndarray | None] = weakref.WeakKeyDictionary()
_STEP = "_calculate_contour"


def make_ready() -> None:
    """Import what napari imports when a table or a thumbnail is first needed; call it in a worker.

    Otherwise the first result waits for it, a quarter of a second. Nothing of napari is called here: it is not made for two
    threads.
    """
    import pandas  # noqa: F401
    import scipy.ndimage  # noqa: F401


@contextmanager
def uncollected() -> Iterator[None]:
    """Make thousands of rows without a look at every object of the program meanwhile, which takes 0.1 s beside torch."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def quick_outlines(layer: Labels) -> None:
    """Let thin outlines of a layer be worked out by comparing neighbors.

    napari dilates and erodes all labels, which takes 0.6 s for 4096²; this takes a twelfth and gives the same outlines.
    Thicker ones, and a napari that has no such step, stay with napari.

    Parameters
    ----------
    layer : napari.layers.Labels
    """
    usual: Callable[[np.ndarray, Box], np.ndarray | None] | None = getattr(layer, _STEP, None)
    if usual is None or layer in _ahead:
        return
    _ahead[layer] = None

    def calculate(labels: np.ndarray, where: Box) -> np.ndarray | None:
        if layer.contour != 1 or labels.ndim != 2:
            return usual(labels, where)
        ahead = _ahead.get(layer)
        if ahead is not None and ahead.shape == labels.shape == tuple(s.stop - s.start for s in where):
            return ahead
        wide = tuple(slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(where, labels.shape, strict=True))
        found = outlines_of(np.asarray(labels[wide]), layer.colormap.background_value)
        return found[tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(where, wide, strict=True))]

    vars(layer)[_STEP] = calculate


def outline(layer: Labels, later: Later) -> None:
    """Show a layer as outlines; those of a large plane are worked out in a worker first.

    Parameters
    ----------
    layer : napari.layers.Labels
    later : callable
        Does work in a worker and hands its value to a second callable on the calling thread.
    """
    data, changed, events = layer.data, list[object](), layer.events
    if layer not in _ahead or getattr(data, "ndim", 0) != 2 or not isinstance(data, np.ndarray) or data.size < LARGE:
        layer.contour = 1
        return
    for event in (events.paint, events.set_data):
        event.connect(changed.append)

    def done(found: np.ndarray) -> None:
        for event in (events.paint, events.set_data):
            event.disconnect(changed.append)
        _ahead[layer] = None if changed else found
        layer.contour = layer.contour or 1
        _ahead[layer] = None

    later(lambda: outlines_of(data, layer.colormap.background_value), done)


def drawn(labels: np.ndarray, task: Task, top: int | None = None) -> np.ndarray:
    """A copy of labels for a layer, uint8 or uint16 where their numbers allow it.

    napari hands these to the graphics card as they are; of int32 it works out every colour in the window's thread, whenever
    the layer is drawn anew. Objects are given uint16 as long as thousands of numbers are left for new ones; an
    :class:`~napari_segplugin.viewer.edits.Editor` makes the numbers wider before they end.

    Parameters
    ----------
    labels : ndarray of int
    task : Task
        Classes fit in uint8; objects are given no less than uint16.
    top : int, optional
        The largest number, where it is known.

    Examples
    --------
    >>> drawn(np.array([[0, 7]]), Task.INSTANCE).dtype, drawn(np.array([[0, 60001]]), Task.INSTANCE).dtype
    (dtype('uint16'), dtype('int64'))
    """
    top = int(labels.max(initial=0)) if top is None else top
    if task is Task.SEMANTIC and top <= np.iinfo(np.uint8).max:
        return labels.astype(np.uint8)
    return labels.astype(np.uint16 if top <= MOST_DRAWN else labels.dtype)


__all__ = ["MOST_DRAWN", "drawn", "make_ready", "outline", "quick_outlines", "uncollected"]
