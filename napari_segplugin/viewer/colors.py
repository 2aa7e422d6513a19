"""The colours of labels in layers."""

from __future__ import annotations

import itertools

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap, label_colormap

from napari_segplugin.core import ClassTable, Segmentation
from napari_segplugin.data.hues import shades
from napari_segplugin.viewer.recolor import Scheme

SPARE = 256
"""Numbers above the highest one that have a color of their own before the table of colors grows."""
MOST = 65_521
"""Numbers with colors of their own: napari's table has 65,536, and a prime keeps neighbors from sharing one."""


def class_colormap(segmentation: Segmentation) -> DirectLabelColormap:
    """Each class in its colour, the background transparent."""
    return label_colormap_of({c.id: c.color for c in segmentation.classes})


def label_colormap_of(colors: dict[int, str]) -> DirectLabelColormap:
    """A colour map from label to colour; labels that are not named are grey, 0 is transparent."""
    table: dict[int | None, str] = {None: "#9a9a9a", 0: "transparent"}
    table.update({k: c for k, c in colors.items() if k})
    return LabelColors(color_dict=table)


class LabelColors(DirectLabelColormap):
    """napari's colours by label, looked up in a table: it goes through all 65,536 numbers of uint16 one by one."""

    def _map_precast(self, values: np.ndarray, apply_selection: bool) -> np.ndarray:
        colors = self._values_mapping_to_minimum_values_set(apply_selection)[1]
        table = np.zeros((max(colors) + 1, 4), np.float32)
        table[list(colors)] = list(colors.values())
        found: np.ndarray = table[values]
        return found


def table_colormap(rgb: np.ndarray) -> CyclicLabelColormap:
    """A color map from a table with one row a number; napari draws it as fast as its own colors.

    Parameters
    ----------
    rgb : (N, 3) ndarray of float
        The first row is the background, and transparent whatever it says.

    Examples
    --------
    >>> table_colormap(np.array([[0, 0, 0], [1, 0, 0]])).map(np.array([0, 1])).tolist()
    [[0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0]]
    """
    colors = np.ones((len(rgb), 4), np.float32)
    colors[:, :3] = rgb
    colors[0] = 0
    return CyclicLabelColormap(colors=colors)


def numbers_with_colors(top: int) -> int:
    """Rows of the table for labels up to a number, with some to spare."""
    return min(MOST, max(SPARE, -(-(top + SPARE) // SPARE) * SPARE)) + 1


def object_scheme(count: int) -> Scheme:
    """Objects in napari's colors, each as napari would give it.

    Parameters
    ----------
    count : int
        Numbers, that of the background included.
    """
    usual = np.asarray(label_colormap(49, 0.5).colors, float)[1:, :3]  # four of its colors are there twice
    colors, first = np.unique(usual.round(4), axis=0, return_inverse=True)
    start = np.ravel(first)[(np.arange(count) - 1) % len(usual)]
    return Scheme(colors, np.ones((1, len(colors)), bool), np.zeros(count, np.int64), start)


def class_scheme(class_of: np.ndarray, classes: ClassTable, shaded: bool = True, most: int = 16) -> Scheme:
    """Objects in the color of their class: things in shades of it, areas in the very color.

    Parameters
    ----------
    class_of : (N,) ndarray of int
        Class of each number; those without one look like the first thing.
    classes : ClassTable
    shaded : bool
        Whether things have shades.
    most : int
        Shades of a class at most.
    """
    found = shades([c.color for c in classes][1:], most)
    things = set(classes.thing_ids)
    shown = [mine if shaded and n in things else mine[:1] for n, mine in enumerate(found, 1)]
    first = np.concatenate([[0], np.cumsum([len(mine) for mine in shown])])
    colors = np.concatenate(shown)
    allowed = np.zeros((len(shown), len(colors)), bool)
    for row, (begin, end) in enumerate(itertools.pairwise(first)):
        allowed[row, begin:end] = True
    known = (class_of > 0) & (class_of <= len(shown))
    group = np.where(known, class_of, (classes.thing_ids or (1,))[0]).astype(np.int64) - 1
    sizes = np.diff(first)
    return Scheme(colors, allowed, group, first[group] + (np.arange(len(group)) - 1) % sizes[group])


__all__ = [
    "LabelColors",
    "class_colormap",
    "class_scheme",
    "label_colormap_of",
    "numbers_with_colors",
    "object_scheme",
    "table_colormap",
]
