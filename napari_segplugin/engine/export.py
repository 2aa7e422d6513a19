"""Measure a result, and write it into any format together with its measurements."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_segplugin.core import Image, InputError, Segmentation
from napari_segplugin.data.measure import measure_objects
from napari_segplugin.data.table import MeasureTable
from napari_segplugin.io import write_segmentation
from napari_segplugin.io.files import Drawing


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
    segmentation: Segmentation, image: Image | None = None, *, tracks: Mapping[int, int] | None = None
) -> MeasureTable:
    """Measure the objects of a segmentation, in its own voxel size and unit.

    Parameters
    ----------
    segmentation : Segmentation
    image : Image, optional
        Of the same size; its channels are measured in every object.
    tracks : mapping of int to int, optional
        Track of each label.

    Returns
    -------
    MeasureTable

    Raises
    ------
    InputError
        If the image has another size than the labels.
    """
    s = segmentation
    channels: dict[str, np.ndarray] = {}
    if image is not None:
        shape = tuple(image.sizes[a] for a in "TZYX" if a in image.axes)
        if shape != tuple(s.labels.shape):
            raise InputError(
                f"The image '{image.name}' has another size than the labels.",
                got=f"image {shape}, labels {tuple(s.labels.shape)}",
                hint="Choose the image that the labels belong to.",
            )
        channels = channels_of(image)
    return measure_objects(
        np.asarray(s.labels),
        axes=s.axes,
        spacing=s.spacing,
        unit=s.unit,
        channels=channels,
        objects=s.objects,
        classes=s.classes,
        tracks=tracks,
    )


def export(
    segmentation: Segmentation, path: str | os.PathLike[str], image: Image | None = None, drawing: Drawing | None = None
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
    drawing : Drawing, optional
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
    return write_segmentation(s, path, columns=columns, drawing=drawing)


def _columns(table: MeasureTable, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers by title, in the order of the labels; NaN for a label without voxels."""
    numbers = table["label"].values
    if not len(numbers):
        return {}
    at = np.searchsorted(numbers, labels).clip(max=len(numbers) - 1)
    there = numbers[at] == labels
    # what the table of objects holds already is not repeated
    chosen = [c for c in table.numeric if c.name not in ("score", "voxels", "area", "volume")]
    return {c.title: np.where(there, c.values[at].astype(float), np.nan) for c in chosen}


__all__ = ["channels_of", "export", "measure"]
