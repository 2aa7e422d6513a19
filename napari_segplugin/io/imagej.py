"""ImageJ ROIs: a zip of .roi files that the ROI Manager opens, through roifile (extra "rois")."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import InputError, MissingExtraError
from napari_segplugin.core.words import plain_name
from napari_segplugin.io.files import Format, LabelsToWrite
from napari_segplugin.io.objects import Described, describe, planes, rgb
from napari_segplugin.io.outlines import Polygon, outlines

if TYPE_CHECKING:
    from roifile import ImagejRoi

_FURTHEST = 32767  # the format stores corners as 16-bit numbers
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0  # commands of a path, as java.awt.geom.PathIterator numbers them


def _roifile() -> ModuleType:
    try:
        import roifile
    except ImportError as error:
        raise MissingExtraError("roifile", "write ImageJ ROIs", "rois") from error
    return roifile


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write one ROI for each object and plane; one with holes or in several parts is a composite.

    Raises
    ------
    InputError
        If there is no object (ImageJ opens no empty archive), or the plane is wider than 32767 pixels.
    """
    roifile = _roifile()
    if max(labels.array.shape[-2:]) > _FURTHEST:
        raise InputError(
            "ImageJ ROIs reach only up to 32767 pixels.",
            got=f"labels of {tuple(labels.array.shape)}",
            hint="Choose .geojson.",
        )
    rows = describe(labels)
    digits = len(str(max(rows, default=1)))
    made = []
    for at, plane in planes(labels):
        for label, parts in itertools.groupby(outlines(plane), key=lambda p: p.label):
            roi = _roi(roifile, list(parts))
            _place(roi, at)
            name = [f"{label:0{digits}}", *(f"{axis.lower()}{n + 1:04}" for axis, n in at.items())]
            _dress(roi, "-".join([*name, plain_name(rows[label].kind.name)]), rows[label])
            made.append(roi)
    if not made:
        raise InputError("There are no objects to write as ImageJ ROIs.", hint="Choose labels that contain objects.")
    roifile.roiwrite(path, made, mode="w")


def _roi(roifile: ModuleType, parts: Sequence[Polygon]) -> ImagejRoi:
    corners = np.concatenate([p.exterior for p in parts])
    low, high = corners.min(axis=0), corners.max(axis=0)
    roi: ImagejRoi = roifile.ImagejRoi()
    roi.left, roi.top, roi.right, roi.bottom = (int(n) for n in (*low, *high))
    if len(parts) == 1 and not parts[0].holes:
        roi.roitype = roifile.ROI_TYPE.TRACED
        roi.integer_coordinates = parts[0].exterior - low
        roi.n_coordinates = len(parts[0].exterior)
        return roi
    roi.roitype = roifile.ROI_TYPE.RECT
    roi.multi_coordinates = np.concatenate([_path(ring) for part in parts for ring in part.rings])
    roi.shape_roi_size = len(roi.multi_coordinates)
    return roi


def _path(ring: np.ndarray) -> np.ndarray:
    """A ring as commands with their corners: move, line, line …, close."""
    steps = np.insert(ring.astype(np.float32), 0, _LINE, axis=1)
    steps[0, 0] = _MOVE
    return np.append(steps.ravel(), np.float32(_CLOSE))


def _place(roi: ImagejRoi, at: Mapping[str, int]) -> None:
    """The slice and frame, counted from 1; a stack without time has one counter."""
    if len(at) == 1:
        roi.position = next(iter(at.values())) + 1
    roi.z_position, roi.t_position = (at[a] + 1 if a in at else 0 for a in "ZT")


def _dress(roi: ImagejRoi, name: str, about: Described) -> None:
    roi.name = name
    roi.stroke_color = bytes((255, *rgb(about.kind.color)))
    roi.group = about.kind.id if about.kind.id < 256 else 0
    if not np.isnan(about.score):
        roi.props = f"score: {about.score:.6g}\n"


FORMAT = Format(write=write)
