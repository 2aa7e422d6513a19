"""The colours of labels in layers."""

from __future__ import annotations

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_segplugin.core import Segmentation


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
