"""Look at an image larger or smaller than it is: for objects of another size than the network was made for.

Two small nuclei that touch are parted by less than a voxel; on the enlarged image there is room for the gap between them.
The enlarged image is never held: pieces of it are made when they are read, so tiles, memory and cancelling stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import zarr

from napari_segplugin.core import Image, InputError, ObjectTable, Region, Segmentation, Task
from napari_segplugin.core.types import Array, Json, json_object
from napari_segplugin.data.learnt import diameters
from napari_segplugin.data.resample import Resampled, Taps, regridded, vote
from napari_segplugin.engine.stores import Stored, View, label_array
from napari_segplugin.engine.voxel_size import mean_factor

LEAST, MOST = 0.25, 4.0
_PIECE = 2**22
"""Voxels whose labels are brought back at once."""
SMALL = ((11.0, 2.0), (13.0, 1.5))
"""Objects whose middle width in voxels lies below the first number gain from being looked at this many times larger."""


def check_zoom(zoom: float) -> None:
    """Raise unless the factor is 0 (automatic) or in the range.

    Raises
    ------
    InputError
        Otherwise.
    """
    if zoom != 0 and not LEAST <= zoom <= MOST:
        raise InputError("The zoom is out of range.", got=zoom, accepted=f"0 (automatic), or {LEAST:g} to {MOST:g}")


def resized(image: Image, zoom: float, ndim: int) -> Image:
    """The image at `zoom` times its size; in the plane only where the network is 2D.

    Parameters
    ----------
    image : Image
    zoom : float
    ndim : int
        Dimensions of the network.

    Returns
    -------
    Image
        Of float32; voxels are smaller by the same factor.

    Raises
    ------
    InputError
        If the factor is out of range.
    """
    check_zoom(zoom)
    return regridded(image, zoomed((1.0,) * image.ndim, zoom, ndim))


def zoomed(factors: Sequence[float], zoom: float, ndim: int) -> tuple[float, ...]:
    """Factors of the axes Z, Y, X with the zoom on top, which is for the axes of the network."""
    flat = len(factors) - ndim
    return tuple(f if axis < flat else f * zoom for axis, f in enumerate(factors))


def resized_region(region: Region, before: Sequence[int], after: Sequence[int]) -> Region:
    """The same place on the grid of the resized image, with all voxels that :func:`places` look at."""
    found = []
    for s, b, a in zip(region, before, after, strict=True):
        low, high = Taps.of(s.start, s.stop, b, a).span
        # a piece between two voxels at least, so that a thin region is not the edge of its objects
        found.append(slice(min(low, s.start * a // b), min(a, max(high, -(-s.stop * a // b)))))
    return tuple(found)


def places(region: Region, large: Region, before: Sequence[int], after: Sequence[int]) -> list[Taps]:
    """For each axis, where the voxels of the region lie in the resized region."""
    return [
        Taps.of(s.start, s.stop, b, a, w.start, w.stop) for s, w, b, a in zip(region, large, before, after, strict=True)
    ]


def labels_at(found: Segmentation, taps: Sequence[Taps], path: Path | None, recipe: Mapping[str, Json]) -> Stored:
    """The labels at some places along the spatial axes, in memory or in a zarr; some rows at a time.

    Parameters
    ----------
    found : Segmentation
    taps : sequence of Taps
        Places along each spatial axis.
    path : Path, optional
        The zarr.
    recipe : mapping
        Is written beside the labels in the zarr.
    """
    labels, spatial = found.labels, len(taps)
    lead = labels.shape[:-spatial]
    lengths = tuple(len(t) for t in taps)
    rows = max(1, min(lengths[-2], _PIECE // lengths[-1]))
    block = (max(1, _PIECE // (rows * lengths[-1])), rows, lengths[-1])[-spatial:]
    with label_array(path, (*lead, *lengths), spatial, str(labels.dtype), found.axes) as out:
        for index in np.ndindex(*lead):
            source = View(cast("Stored", labels), index)
            for at in np.ndindex(*(-(-n // b) for n, b in zip(lengths, block, strict=True))):
                spans = [(i * b, min(n, (i + 1) * b)) for i, b, n in zip(at, block, lengths, strict=True)]
                part = vote(source, [t.part(*span) for t, span in zip(taps, spans, strict=True)])
                out[(*index, *(slice(*span) for span in spans))] = part
        if isinstance(out, zarr.Array):
            out.attrs["segplugin"] = dict(recipe)
    return out


def still_there(table: ObjectTable, labels: Array, leading: int) -> ObjectTable:
    """The rows of objects that are left when labels were made smaller, plane by plane."""
    left: set[int] = set()
    for index in np.ndindex(*labels.shape[: max(leading, len(labels.shape) - 2)]):
        left.update(np.unique(np.asarray(labels[index])).tolist())
    keep = np.array([int(n) in left for n in table.label], bool)
    if keep.all():
        return table
    return ObjectTable(
        table.label[keep],
        table.class_id[keep],
        table.score[keep],
        tuple(s for s, k in zip(table.status, keep, strict=True) if k),
    )


def middle_width(found: Segmentation, ndim: int) -> float:
    """Median over objects of the diameter of the disc (2D network) or ball (3D) of the same size, in voxels; NaN if none.

    Planes and frames of a 2D network are looked at one by one.
    """
    widths: list[np.ndarray] = []
    labels = found.labels
    things = found.objects.label[np.isin(found.objects.class_id, found.classes.thing_ids)]
    for index in np.ndindex(*labels.shape[:-ndim]):
        part = np.asarray(labels[index])
        numbers, sizes = np.unique(part, return_counts=True)
        sizes = sizes[np.isin(numbers, things)]
        widths.append(diameters(sizes, ndim))
    every = np.concatenate(widths) if widths else np.zeros(0)
    return float(np.median(every)) if every.size else float("nan")


def advised_zoom(found: Segmentation, ndim: int) -> tuple[float, float]:
    """How many times larger the image should be looked at, and the middle width of the objects that says so.

    1 for classes, for objects that are wide enough, and in 3D, where eight times the work would have to be worth it.
    """
    if found.task is Task.SEMANTIC or ndim == 3:
        return 1.0, float("nan")
    seen = json_object(found.recipe.get("seen")).get("factors")
    width = middle_width(found, ndim) * (
        mean_factor([float(str(f)) for f in seen], ndim) if isinstance(seen, list) else 1.0
    )
    return next((zoom for most, zoom in SMALL if width < most), 1.0), width


__all__ = [
    "Resampled",
    "advised_zoom",
    "check_zoom",
    "labels_at",
    "middle_width",
    "places",
    "resized",
    "resized_region",
    "still_there",
    "zoomed",
]
