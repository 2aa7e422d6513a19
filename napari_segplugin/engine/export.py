"""Measure a result, and write it into any format together with its measurements."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from napari_segplugin.core import Image, InputError, Segmentation, Task
from napari_segplugin.data.intensities import InsideValues
from napari_segplugin.data.measure import measure_objects
from napari_segplugin.data.remeasure import LastMeasured
from napari_segplugin.data.table import Column, MeasureTable
from napari_segplugin.engine.alignment import align
from napari_segplugin.io import write_segmentation
from napari_segplugin.io.files import Drawing

OBJECTS, CLASSES = "object", "class"
"""What has a row in a table of measurements."""
_MILLILITRES = {"mm³": 1e-3, "cm³": 1.0}


def channels_of(image: Image) -> dict[str, np.ndarray]:
    """The channels of an image by name, each with the axes of its labels (T, Z, Y, X as far as it has them).

    Examples
    --------
    >>> list(channels_of(Image(np.zeros((2, 8, 9)), "CYX", name="cells")))
    ['cells 1', 'cells 2']
    """
    frames = [image.read(None, t) for t in range(image.n_frames)]
    stack = np.stack(frames, axis=1) if "T" in image.axes else frames[0]
    single = len(stack) == 1
    return {image.name if single else f"{image.name} {i}": channel for i, channel in enumerate(stack, 1)}


def measure(
    segmentation: Segmentation,
    image: Image | None = None,
    *,
    by: str = OBJECTS,
    histogram: bool = False,
    sized: bool = False,
    tracks: Mapping[int, int] | None = None,
    last: LastMeasured | None = None,
) -> MeasureTable:
    """Measure the objects of a segmentation, in its own voxel size and unit.

    Parameters
    ----------
    segmentation : Segmentation
    image : Image, optional
        Of the same voxels; its channels are measured in every object. Where both say where they lie, its axes are turned to
        those of the labels. Labels without a unit take the voxel size of the image.
    by : {"object", "class"}
        What has a row: an object, or all voxels of a class.
    histogram : bool
        Count the values of each row too.
    sized : bool
        Whether somebody gave the voxel size of the labels, so that what the image says of it does not matter.
    tracks : mapping of int to int, optional
        Track of each label.
    last : LastMeasured, optional
        What was measured last: only objects that have changed are measured. Of no use to classes.

    Returns
    -------
    MeasureTable

    Raises
    ------
    InputError
        If the image has other voxels than the labels, or `by` is neither of the two.
    """
    if by not in (OBJECTS, CLASSES):
        raise InputError("Rows are objects or classes.", got=f"'{by}'", accepted=f"'{OBJECTS}', '{CLASSES}'")
    s, notes = segmentation, tuple[str, ...]()
    channels: dict[str, np.ndarray] = {}
    if image is not None:
        s, image, notes = _together(s, image, sized)
        unit = str(image.metadata.get("value_unit") or "")
        channels = {f"{name} ({unit})" if unit else name: c for name, c in channels_of(image).items()}
    classes = by == CLASSES
    labels = s.semantic() if classes else np.asarray(s.labels)
    table = (measure_objects if last is None or classes else last.objects)(
        labels,
        axes=s.axes,
        spacing=s.spacing,
        edges=s.edges,
        unit=s.unit,
        channels=channels,
        objects=None if classes else s.objects,
        classes=s.classes,
        tracks=None if classes else tracks,
    )
    table = replace(_with_millilitres(_with_classes(table, s) if classes else table), notes=notes)
    if histogram and channels:
        rows = _row_of(labels, table, s.axes)
        table = replace(
            table, histograms={n: InsideValues(c, rows, len(table)).histogram() for n, c in channels.items()}
        )
    return table


def _together(s: Segmentation, image: Image, sized: bool) -> tuple[Segmentation, Image, tuple[str, ...]]:
    """Labels and image in the same voxels, and what the person should know of that."""
    if s.unit == "pixel" != image.unit and sorted(s.axes) == sorted(a for a in image.axes if a != "C"):
        sizes = dict(zip(image.spatial_axes, image.spacing, strict=True))
        s = replace(
            s, spacing=tuple(sizes[a] for a in s.axes if a in sizes), unit=image.unit, place=s.place or image.place
        )
    found = align(s, image, sized=sized)
    image = cast("Image", found.found)
    shape = tuple(image.sizes[a] for a in "TZYX" if a in image.axes)
    if shape != tuple(s.labels.shape):
        raise InputError(
            f"The image '{image.name}' has another size than the labels.",
            got=f"image {shape}, labels {tuple(s.labels.shape)}",
            hint="Choose the image that the labels belong to.",
        )
    return s, image, found.notes


def _with_classes(table: MeasureTable, s: Segmentation) -> MeasureTable:
    """A table of classes, with their names and numbers of objects."""
    ids = table["label"].values
    names = {c.id: c.name for c in s.classes}
    texts = np.array([names.get(int(i), f"class {i}") for i in ids], object)
    more = [replace(table["label"], title="class number", definition="Number of the class.")]
    more += [c for c in table if c.name == "frame"] + [Column("class", "class", texts, "Name of the class.")]
    if s.task is not Task.SEMANTIC and "frame" not in table:
        counts = np.array([int((s.objects.class_id == i).sum()) for i in ids], np.int64)
        more.append(Column("objects", "objects", counts, "Number of objects of the class."))
    return replace(table, columns=(*more, *(c for c in table if c.name not in ("label", "frame"))))


def _with_millilitres(table: MeasureTable) -> MeasureTable:
    """Volumes of organs in the unit that clinics use, beside those in mm³."""
    columns = list(table)
    at = next((i for i, c in enumerate(columns) if c.name == "volume" and c.unit in _MILLILITRES), None)
    if at is not None:
        values = columns[at].values * _MILLILITRES[columns[at].unit]
        columns.insert(at + 1, Column("volume_ml", "volume (ml)", values, "The same in millilitres (cm³).", "ml"))
    return replace(table, columns=tuple(columns))


def _row_of(labels: np.ndarray, table: MeasureTable, axes: str) -> np.ndarray:
    """For each voxel the row of the table that it belongs to, from 1; 0 for none."""
    numbers = table["label"].values
    frames = table["frame"].values if "frame" in table else np.zeros(len(numbers), np.int64)
    out = np.zeros(labels.shape, np.int64)
    for t, (part, filled) in enumerate(zip(labels, out, strict=True) if "T" in axes else [(labels, out)]):
        rows = np.flatnonzero(frames == t)
        if len(rows):
            at = np.searchsorted(numbers[rows], part).clip(max=len(rows) - 1)
            filled[...] = np.where(numbers[rows][at] == part, rows[at] + 1, 0)
    return out


def export(
    segmentation: Segmentation,
    path: str | os.PathLike[str],
    image: Image | None = None,
    drawing: Drawing | None = None,
    texts: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write a result with measurements of its objects.

    Labels that are not in memory, and time series (where an object has a row at each time point), are written without
    measurements.

    Parameters
    ----------
    segmentation, path
        As in :func:`napari_segplugin.io.write_segmentation`.
    image : Image, optional
        As in :func:`measure`.
    drawing, texts
        As in :func:`napari_segplugin.io.write_segmentation`.

    Returns
    -------
    list of Path
        The files that were written.
    """
    s = segmentation
    columns: dict[str, np.ndarray] = {}
    if isinstance(s.labels, np.ndarray) and s.axes in ("YX", "ZYX") and s.labels.dtype.kind in "bui":
        columns = _columns(measure(s, image), s.objects.label)
    return write_segmentation(s, path, columns=columns, drawing=drawing, texts=texts)


def _columns(table: MeasureTable, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers by title, in the order of the labels; NaN for a label without voxels."""
    numbers = table["label"].values
    if not len(numbers):
        return {}
    at = np.searchsorted(numbers, labels).clip(max=len(numbers) - 1)
    there = numbers[at] == labels
    # what the table of objects holds already is not repeated
    chosen = [c for c in table.numeric if c.name not in ("score", "voxels", "area", "volume", "volume_ml")]
    return {c.title: np.where(there, c.values[at].astype(float), np.nan) for c in chosen}


__all__ = ["channels_of", "export", "measure"]
