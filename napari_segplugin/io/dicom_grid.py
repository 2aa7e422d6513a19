"""The grid of a DICOM series, slice by slice, onto which labels from other objects are put; and grids onto grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_segplugin.core import InputError, Place
from napari_segplugin.io.dicom_files import looks_like_dicom, read_header
from napari_segplugin.io.dicom_frames import pixel_size
from napari_segplugin.io.dicom_series import Series, find_series
from napari_segplugin.io.dicom_stack import Stack, arranged
from napari_segplugin.io.regrid import onto

_LOOKED_AT = 8  # files of a folder beside, until one is DICOM


@dataclass(frozen=True, eq=False)
class Grid:
    """Slices that lie in a patient, each where it lies; they need not be even.

    Parameters
    ----------
    positions : (Z, 3) ndarray
        First pixel of each slice, mm, to the left, the back and the head.
    direction : (6,) ndarray
        Of the rows and of the columns.
    sizes : tuple of float
        Distance between rows and between columns, mm.
    shape : tuple of int
        Rows and columns.
    place : Place
        Of the array.
    """

    positions: np.ndarray
    direction: np.ndarray
    sizes: tuple[float, float]
    shape: tuple[int, int]
    place: Place

    @classmethod
    def of(cls, stack: Stack) -> Grid | None:
        """The grid of the slices of one moment; None where they do not say where they lie."""
        frames = stack.frames[: stack.shape[1]]
        first = frames[0]
        if stack.place is None or first.direction is None or any(f.position is None for f in frames):
            return None
        shape = int(first.data.Rows), int(first.data.Columns)
        positions = np.array([f.position for f in frames], float)
        return cls(positions, first.direction, pixel_size(first)[0], shape, stack.place)

    @property
    def normal(self) -> np.ndarray:
        """(3,) direction across the slices."""
        return np.asarray(np.cross(self.direction[:3], self.direction[3:]))

    @property
    def step(self) -> float:
        """Usual distance of the slices along the normal, mm."""
        gaps = np.abs(np.diff(self.positions @ self.normal))
        if len(gaps):
            return float(np.median(gaps))
        return abs(float(self.place.lps()[:3, 2] @ self.normal))

    def level(self, point: np.ndarray) -> tuple[int, float]:
        """The slice next to a point, and how far it is from it along the normal, mm."""
        away = np.abs((self.positions - point) @ self.normal)
        return int(away.argmin()), float(away.min())

    def pixels(self, points: np.ndarray, level: int) -> np.ndarray:
        """(N, 2) rows and columns of (N, 3) points in a slice."""
        inside = points - self.positions[level]
        rows = inside @ self.direction[3:] / self.sizes[0]
        columns = inside @ self.direction[:3] / self.sizes[1]
        return np.stack([rows, columns], axis=1)


@dataclass(frozen=True, eq=False)
class Beside:
    """A series that labels refer to, and that was found near them.

    Parameters
    ----------
    path : Path
        What is opened to see it.
    series : Series
    stack : Stack
    """

    path: Path
    series: Series
    stack: Stack


def series_beside(path: Path, uids: Sequence[str], space: str) -> Beside | None:
    """The series that a file refers to, in its own folder, those below it, or those next to it.

    Parameters
    ----------
    path : Path
    uids : sequence of str
        SeriesInstanceUID of those that it refers to.
    space : str
        FrameOfReferenceUID; it decides where the images have lost the UID of their series.
    """
    for folder in (path.parent, *_folders_beside(path, uids)):
        try:
            found, _ = find_series(folder, deep=True)
        except (InputError, OSError):
            continue
        for series in found:
            first = series.frames[0].data
            own = str(first.get("SeriesInstanceUID", "") or "")
            if own in uids if own else space and space == str(first.get("FrameOfReferenceUID", "")):
                try:
                    folders = {f.file.parent for f in series.frames}
                    home = folders.pop() if len(folders) == 1 else folder
                    return Beside(home, series, arranged(series.frames, folder.name))
                except InputError:
                    continue
    return None


def _folders_beside(path: Path, uids: Sequence[str]) -> list[Path]:
    try:
        folders = sorted(p for p in path.parent.parent.iterdir() if p.is_dir() and p != path.parent)
        return [f for f in folders if _series_of_first(f) in uids]
    except OSError:
        return []


def _series_of_first(folder: Path) -> str:
    """The series of the first DICOM file in a folder."""
    files = [p for p in sorted(folder.iterdir()) if p.is_file()][:_LOOKED_AT]
    first = next((f for f in files if looks_like_dicom(f)), None)
    try:
        data = read_header(first) if first else None
    except Exception:  # noqa: BLE001 (a damaged file beside is nobody's concern)
        return ""
    return str(data.get("SeriesInstanceUID", "") or "") if data is not None else ""


def exactly_onto(labels: np.ndarray, place: Place, target: Place, shape: Sequence[int]) -> np.ndarray | None:
    """Labels on another grid, where its voxels are the same ones in another order or beyond: turned, mirrored, padded.

    Parameters
    ----------
    labels : (Z, Y, X) ndarray
    place, target : Place
        Of the labels, and of the grid.
    shape : sequence of int
        (Z, Y, X) of the grid.

    Returns
    -------
    ndarray or None
        None where the grids differ in more than that, or there are labels outside.

    Examples
    --------
    >>> one = Place.of_spacing({})
    >>> exactly_onto(np.array([[[1, 2]]]), one.at({"X": 2}), one, (1, 1, 5)).tolist()
    [[[0, 0, 1, 2, 0]]]
    """
    try:
        found, note = onto(labels, place, target, shape)
    except InputError:  # nothing in common
        return None
    return None if note else found


__all__ = ["Beside", "Grid", "exactly_onto", "series_beside"]
