"""DICOM structure sets of radiotherapy as labels: contours filled on the slices of their series."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.draw import polygon

from napari_segplugin.core import InputError, Place, Segmentation
from napari_segplugin.io.dicom_files import pydicom_module, read_header
from napari_segplugin.io.dicom_frames import as_number, as_numbers
from napari_segplugin.io.dicom_grid import Grid, series_beside
from napari_segplugin.io.dicom_labels import Part, painted, segmentation_of
from napari_segplugin.io.files import Format, Found
from napari_segplugin.io.memory import check_size

if TYPE_CHECKING:
    from pydicom import Dataset

_FILLED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
_PIXEL = 1.0  # mm, of a grid that is made where the series is not there
_MARGIN = 2.0
_BETWEEN = 0.1  # of the distance of two slices, by which a contour may lie beside one
_AXIAL = np.array([1.0, 0, 0, 0, 1, 0])


@dataclass
class _Told:
    """What could not be drawn as it is."""

    between: int = 0
    outside: int = 0
    slanted: int = 0
    other: Counter[str] = field(default_factory=Counter)
    empty: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Sentences for the person."""
        found = []
        if self.between:
            found.append(f"{self.between} contours lie between two slices; they were filled on the nearer one.")
        if self.outside:
            found.append(f"{self.outside} contours lie beyond the first or last slice and were left out.")
        if self.slanted:
            found.append(f"{self.slanted} contours are not parallel to the slices and were left out.")
        if self.other:
            kinds = ", ".join(f"{n} {k}" for k, n in sorted(self.other.items()))
            found.append(f"Points and open lines have no inside and were left out: {kinds}.")
        if self.empty:
            found.append(f"Structures without any filled voxel: {', '.join(self.empty[:10])}.")
        return found


def read_image(path: Path) -> Found:
    """Say that a structure set is no image.

    Raises
    ------
    InputError
        Always.
    """
    raise InputError(f"'{path.name}' is a structure set, which is no image.", got="labels", hint="Open it as labels.")


def read_labels(path: Path) -> Found:
    """The labels of :func:`read_segmentation` as an array."""
    found = read_segmentation(path)
    sizes = dict(zip([a for a in found.axes if a in "ZYX"], found.spacing, strict=True))
    notes = found.recipe.get("notes")
    about = {"notes": notes} if notes else {}
    return Found(np.asarray(found.labels), found.axes, "", sizes, found.unit, about, found.place)


def read_segmentation(path: Path) -> Segmentation:
    """Read a structure set: each structure is a class; a voxel belongs to it if its center lies inside a contour.

    Contours in contours are holes. The labels have the grid of the series that they were drawn on, where it lies in the same
    folder, below it or beside it; otherwise a grid of 1 mm is made around the contours.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Segmentation
        ``recipe["notes"]`` says what is in doubt.

    Raises
    ------
    InputError
        If it holds no contours.
    MissingExtraError
        If pydicom is not installed.
    """
    pydicom_module()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = read_header(path, pixels=True)
        if data is None or not data.get("StructureSetROISequence"):
            raise InputError(f"'{path.name}' is no DICOM structure set with structures.", hint="Choose another file.")
        told, parts = _Told(), _parts(data)
        contours = {p.number: list(_contours(data, p.number, told)) for p in parts}
        points = [c for own in contours.values() for c in own]
        if not points:
            raise InputError(f"'{path.name}' contains no closed contours.", got=f"{len(parts)} structures")
        beside = series_beside(path, _series_of(data), _space(data))
        grid = Grid.of(beside.stack) if beside else None
        notes = []
        if grid is None:
            beside, grid = None, _grid_around(path, points, _space(data))
            y, x = grid.sizes
            notes.append(
                f"The series that the structures were drawn on was not found beside them, so a grid of {grid.step:g} × {y:g} × "
                f"{x:g} mm was made. Put the file into the folder of its series to have the labels over its voxels."
            )
        labels, parts, more = _drawn(path, parts, contours, grid, told)
        spacing = dict(zip("ZYX", grid.place.spacing, strict=True))
        return segmentation_of(
            labels, parts, path, place=grid.place, spacing=spacing, unit="mm", beside=beside, notes=[*notes, *more]
        )


def _parts(data: Dataset) -> list[Part]:
    colors = {int(c.get("ReferencedROINumber", 0) or 0): c.get("ROIDisplayColor") for c in _items(data)}
    found = []
    for item in data.StructureSetROISequence:
        number = int(as_number(item.get("ROINumber")) or 0)
        color = as_numbers(colors.get(number), 3)
        shown = "#{:02x}{:02x}{:02x}".format(*(int(c) & 255 for c in color)) if color is not None else ""
        found.append(Part(number, str(item.get("ROIName", "") or "").strip(), shown))
    return found


def _items(data: Dataset) -> list[Dataset]:
    return list(data.get("ROIContourSequence") or ())


def _contours(data: Dataset, number: int, told: _Told) -> Iterator[np.ndarray]:
    """(N, 3) points of the closed contours of a structure."""
    for item in _items(data):
        if int(item.get("ReferencedROINumber", -1)) != number:
            continue
        for contour in item.get("ContourSequence") or ():
            values = contour.get("ContourData") or ()
            kind = str(contour.get("ContourGeometricType", ""))
            points = as_numbers(values, len(values))
            if kind not in _FILLED or points is None or len(points) < 9 or len(points) % 3:
                told.other[kind or "contours without a kind"] += 1
            else:
                yield points.reshape(-1, 3)


def _series_of(data: Dataset) -> list[str]:
    return [
        str(series.get("SeriesInstanceUID", ""))
        for frame in data.get("ReferencedFrameOfReferenceSequence") or ()
        for study in frame.get("RTReferencedStudySequence") or ()
        for series in study.get("RTReferencedSeriesSequence") or ()
    ]


def _space(data: Dataset) -> str:
    frames = list(data.get("ReferencedFrameOfReferenceSequence") or ())
    own = str(data.get("FrameOfReferenceUID", "") or "")
    return own or (str(frames[0].get("FrameOfReferenceUID", "") or "") if frames else "")


def _grid_around(path: Path, contours: Sequence[np.ndarray], space: str) -> Grid:
    """Axial slices where the contours lie, at their smallest distance."""
    points = np.concatenate(contours)
    levels = np.unique(np.round([c[:, 2].mean() for c in contours], 2))
    gaps = np.diff(levels)
    step = float(gaps[gaps > 0.05].min(initial=np.inf)) if len(gaps) else np.inf
    step = step if np.isfinite(step) else _PIXEL
    low, high = points.min(axis=0) - _MARGIN, points.max(axis=0) + _MARGIN
    count = round((levels[-1] - levels[0]) / step) + 1
    columns, rows = (int(np.ceil((high[i] - low[i]) / _PIXEL)) + 1 for i in (0, 1))
    check_size(path, (count, rows, columns), "u1")
    start = np.array([low[0], low[1], levels[0]])
    positions = start + np.arange(count)[:, None] * [0, 0, step]
    affine = np.diag([_PIXEL, _PIXEL, step, 1.0])
    affine[:3, 3] = start
    return Grid(positions, _AXIAL, (_PIXEL, _PIXEL), (rows, columns), Place.from_lps(affine, space))


def _drawn(
    path: Path, parts: Sequence[Part], contours: dict[int, list[np.ndarray]], grid: Grid, told: _Told
) -> tuple[np.ndarray, list[Part], list[str]]:
    """Fill the contours; labels, the structures numbered from 1 (a file may begin at 0), and notes."""
    shape = (len(grid.positions), *grid.shape)
    kind = np.dtype(np.uint8 if len(parts) < 2**8 else np.uint16)
    check_size(path, shape, kind)
    labels = np.zeros(shape, kind)
    masks = {p.number: _filled(contours[p.number], grid, told) for p in parts}
    sizes = Counter({n: sum(int(m.sum()) for m in own.values()) for n, own in masks.items()})
    told.empty = [p.name for p in parts if contours[p.number] and not sizes[p.number]]
    order = {p.number: i for i, p in enumerate(parts, 1)}
    numbered = [Part(order[p.number], p.name, p.color) for p in parts]
    back = {i: n for n, i in order.items()}
    counted = Counter({order[n]: size for n, size in sizes.items()})
    notes = painted(labels, numbered, counted, lambda n: masks[back[n]].items())
    return labels, numbered, [*told.notes(), *notes]


def _filled(contours: Sequence[np.ndarray], grid: Grid, told: _Told) -> dict[int, np.ndarray]:
    """Masks by slice: inside an odd number of contours."""
    masks: dict[int, np.ndarray] = {}
    for points in contours:
        level, away = grid.level(points[0])
        if np.ptp(points @ grid.normal) > max(0.5 * grid.step, 0.1):
            told.slanted += 1
            continue
        if away > 0.5 * grid.step + 1e-3:
            told.outside += 1
            continue
        told.between += away > _BETWEEN * grid.step
        pixels = grid.pixels(points, level)
        mask = masks.setdefault(level, np.zeros(grid.shape, bool))
        rows, columns = polygon(pixels[:, 0], pixels[:, 1], grid.shape)
        mask[rows, columns] ^= True
    return masks


FORMAT = Format(read=read_image, read_labels=read_labels, read_segmentation=read_segmentation)
