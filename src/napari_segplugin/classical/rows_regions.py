"""Rows of the techniques that work on regions: splitting, growing, watershed, contours, random walk, graph cut."""

from __future__ import annotations

from napari_segplugin.core import Row

REGION_ROWS: tuple[Row, ...] = ()

__all__ = ["REGION_ROWS"]
