"""Plain calls about parts of an image: measure objects and classes, and cut them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from napari_segplugin.core import Image, Segmentation
from napari_segplugin.door.inputs import ImageLike, LabelsLike, as_image, as_segmentation

if TYPE_CHECKING:
    from napari_segplugin.core import Region
    from napari_segplugin.data.remeasure import LastMeasured
    from napari_segplugin.data.table import MeasureTable
    from napari_segplugin.engine.roi import Piece


def measure(
    segmentation: LabelsLike,
    image: ImageLike | None = None,
    *,
    by: str = "object",
    histogram: bool = False,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    tracks: Mapping[int, int] | None = None,
) -> MeasureTable:
    """Measure every object, or every class, of a result, in its voxel size and unit.

    Parameters
    ----------
    segmentation : Segmentation, array of int, or path
    image : Image, array-like or path, optional
        Of the same voxels; its channels are measured in every object. Where both files say where they lie, its axes are
        turned to those of the labels.
    by : {"object", "class"}
        What has a row: an object, or all voxels of a class, such as an organ.
    histogram : bool
        Count the intensities of each row too: ``table.histograms``, ``table.histogram_csv()``.
    axes, spacing, unit
        Of arrays, or in place of what a file says.
    tracks : mapping of int to int, optional
        Track of each label, from :func:`track`.

    Returns
    -------
    MeasureTable
        ``table["area"].values``, ``table["volume_ml"].values`` (where the unit is mm), ``table.to_csv()``.

    Raises
    ------
    InputError
        If the image has other voxels than the labels, or `by` is neither of the two.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_segplugin as seg
    >>> seg.measure(np.array([[0, 4], [4, 7]]), spacing=(0.5, 0.5), unit="um")["area"].values.tolist()
    [0.5, 0.25]
    """
    found = as_segmentation(segmentation, axes=axes, spacing=spacing, unit=unit)
    picture, sized = None if image is None else as_image(image), spacing is not None
    return measure_read(found, picture, sized, by=by, histogram=histogram, tracks=tracks)


def measure_read(
    found: Segmentation,
    image: Image | None,
    sized: bool,
    *,
    by: str = "object",
    histogram: bool = False,
    tracks: Mapping[int, int] | None = None,
    last: LastMeasured | None = None,
) -> MeasureTable:
    """As :func:`measure`, of what was read already; `sized`: whether somebody gave the voxel size.

    With what was measured `last`, only objects that have changed are measured.
    """
    from napari_segplugin.engine.export import measure as run

    return run(found, image, by=by, histogram=histogram, sized=sized, tracks=tracks, last=last)


def crop(
    image: ImageLike,
    labels: LabelsLike | None = None,
    *,
    objects: Sequence[int] = (),
    classes: Sequence[str] = (),
    box: Region | None = None,
    margin: float | str = 0,
    mask: bool = False,
    outside: float | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> list[Piece]:
    """Cut the pieces around objects, classes or a box out of an image; each lies where it lay.

    Parameters
    ----------
    image : Image, array-like or path
    labels : Segmentation, array of int, or path, optional
        Of the same voxels; not needed with a box. Where both files say where they lie, its axes are turned to those of the
        image.
    objects : sequence of int
        Numbers of objects: a piece for each.
    classes : sequence of str
        Names of classes: a piece for each, around all that is of it. Without objects, classes and box there is a piece for
        each object.
    box : tuple of slice, optional
        A piece of this box, along (Z,) Y, X.
    margin : float or str
        Voxels around the box, or a length with its unit, such as "2mm"; a piece ends at the edge of the image.
    mask : bool
        Whether everything outside the object or class gets the value `outside`.
    outside : float, optional
        By default -1024 where the values are in HU, otherwise 0, or the smallest value of the image where that is below 0.
    axes, spacing, unit
        Of the image, as in :func:`predict`.

    Returns
    -------
    list of Piece
        Each with ``image``, ``segmentation``, ``region`` and ``name``; write them with :func:`write_image` and
        :func:`write_segmentation`.

    Raises
    ------
    InputError
        If the labels have other voxels than the image, there is no such object or class, the box is empty, or the margin or
        the value outside is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_segplugin as seg
    >>> image, labels = np.arange(36).reshape(6, 6), np.zeros((6, 6), int)
    >>> labels[2:4, 3:5] = 7
    >>> [piece] = seg.crop(image, labels, margin=1)
    >>> piece.name, piece.image.array.shape, piece.region
    ('7', (4, 4), (slice(1, 5, None), slice(2, 6, None)))
    """
    found = None if labels is None else as_segmentation(labels)
    return crop_read(
        as_image(image, axes, spacing, unit),
        found,
        spacing is not None,
        objects=objects,
        classes=classes,
        box=box,
        margin=margin,
        mask=mask,
        outside=outside,
    )


def crop_read(
    image: Image,
    labels: Segmentation | None,
    sized: bool,
    *,
    objects: Sequence[int] = (),
    classes: Sequence[str] = (),
    box: Region | None = None,
    margin: float | str = 0,
    mask: bool = False,
    outside: float | None = None,
) -> list[Piece]:
    """As :func:`crop`, of what was read already; `sized`: whether somebody gave the voxel size."""
    from napari_segplugin.engine.roi import crop as run

    pieces = run(
        image,
        labels,
        sized=sized,
        objects=objects,
        classes=classes,
        box=box,
        margin=margin,
        mask=mask,
        outside=outside,
    )
    return list(pieces)


__all__ = ["crop", "crop_read", "measure", "measure_read"]
