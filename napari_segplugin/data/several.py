"""One edit of several objects. No napari, no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from napari_segplugin.core import InputError
from napari_segplugin.data.edits import Change


def each(edit: Callable[[int], Change], numbers: Sequence[int]) -> Change:
    """The same edit of several objects as one change; a voxel that two of them would take goes to the first.

    Parameters
    ----------
    edit : callable
        Takes the number of an object.
    numbers : sequence of int

    Raises
    ------
    InputError
        If the edit can be done on none of them; those on which it cannot are left as they are otherwise.

    Examples
    --------
    >>> from functools import partial
    >>> from napari_segplugin.data.edits import grow
    >>> labels = np.array([[1, 0, 2, 0, 0]])
    >>> each(partial(grow, labels), [1, 2]).apply(labels)
    array([[1, 1, 2, 2, 0]])
    """
    changes, problem = [], None
    for number in numbers:
        try:
            changes.append(edit(number))
        except InputError as error:
            problem = problem or error
    if not changes:
        raise problem or InputError("No object is selected.", hint="Click on an object first")
    if len(changes) == 1:
        return changes[0]
    places = np.concatenate([np.stack(c.indices) for c in changes], axis=1)
    values = np.concatenate([np.broadcast_to(c.values, len(c)) for c in changes])
    _, first = np.unique(places, axis=1, return_index=True)
    return Change(tuple(places[:, first]), values[first])


__all__ = ["each"]
