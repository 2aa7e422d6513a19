"""Maps: coordinate reference systems, through pyproj where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import MissingExtraError, Place
from napari_segplugin.io.units import in_metres

if TYPE_CHECKING:
    from pyproj import CRS, Transformer

DEGREES = "deg"
"""The unit of places in longitude and latitude."""
_UNITS = {"metre": "m", "foot": "foot", "us survey foot": "survey_foot", "degree": DEGREES, "kilometre": "km"}


def pyproj_of(purpose: str) -> ModuleType:
    """The package, or a sentence that says what it is needed for.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import pyproj
    except ImportError as error:
        raise MissingExtraError("pyproj", purpose, "geo") from error
    return pyproj


def rasterio_of(purpose: str) -> ModuleType:
    """The package, or a sentence that says what it is needed for.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise MissingExtraError("rasterio", purpose, "geo") from error
    found: ModuleType = rasterio
    return found


def system(reference: str) -> CRS | None:
    """What a reference ("EPSG:32633", or WKT) stands for; None where there is none, it is not known, or pyproj is missing."""
    try:
        import pyproj  # noqa: F401
    except ImportError:
        return None
    return _parsed(reference) if reference else None


@cache
def _parsed(reference: str) -> CRS | None:
    import pyproj

    try:
        found: CRS = pyproj.CRS.from_user_input(reference)
    except pyproj.exceptions.CRSError:
        return None
    return found


def unit_of(reference: str) -> str:
    """The unit of the coordinates of a reference; empty where that is not known.

    Examples
    --------
    >>> unit_of("")
    ''
    """
    found = system(reference)
    if found is None or not found.axis_info:
        return ""
    name = str(found.axis_info[0].unit_name)
    return _UNITS.get(name.lower(), name)


def on_map(place: Place | None) -> bool:
    """Whether a place is one on a map."""
    return place is not None and place.frame == "map"


def to_world(place: Place, corners: np.ndarray) -> np.ndarray:
    """Corners of pixels as coordinates of the map.

    Parameters
    ----------
    place : Place
    corners : (N, 2) ndarray
        x, y; corner (0, 0) is the outer corner of the first pixel, whose middle is what the place says.

    Returns
    -------
    (N, 2) ndarray of float64
        x (to the east), y (to the north).

    Examples
    --------
    >>> to_world(Place([[1, 0, 0, 0], [0, -2, 0, 99], [0, 0, 2, 501], [0, 0, 0, 1]], "map"), np.array([[0, 0]])).tolist()
    [[500.0, 100.0]]
    """
    matrix = place.matrix
    yx = np.asarray(corners, float)[:, ::-1] - 0.5
    world = yx @ matrix[1:3, 1:3].T + matrix[1:3, 3]
    found: np.ndarray = world[:, ::-1]
    return found


def lon_lat(reference: str, points: np.ndarray) -> np.ndarray:
    """Coordinates of a map as longitude and latitude (WGS 84) in degrees, rounded to a tenth of a millimeter.

    Parameters
    ----------
    reference : str
    points : (N, 2) ndarray
        x, y, east and north.

    Raises
    ------
    MissingExtraError
        If pyproj is not installed.
    """
    found: np.ndarray = np.round(np.stack(_to_lon_lat(reference).transform(*points.T), axis=1), 9)
    return found


@cache
def _to_lon_lat(reference: str) -> Transformer:
    pyproj = pyproj_of("write longitude and latitude")
    change: Transformer = pyproj.Transformer.from_crs(
        pyproj.CRS.from_user_input(reference), "OGC:CRS84", always_xy=True
    )
    return change


class Ground:
    """Areas on the ground.

    Parameters
    ----------
    place : Place, optional
        Of an image on a map.
    unit : str
        Of the place.
    """

    def __init__(self, place: Place | None, unit: str) -> None:
        self._place, self._factor = place, in_metres(unit)
        self._system = system(place.reference) if place is not None and on_map(place) else None
        scale = None if place is None else areal_scale(place.reference, *to_world(place, np.zeros((1, 2)))[0].tolist())
        self._flat = self._factor is not None and (scale is None or abs(scale - 1) < DISTORTED)

    def square_meters(self, rings: Sequence[np.ndarray], pixels: int) -> float:
        """Area of a polygon: of its pixels on the map, or on the ellipsoid where that is in degrees or distorts areas.

        Parameters
        ----------
        rings : sequence of (N, 2) ndarray
            Corners of pixels x, y; the outer ring, then holes.
        pixels : int

        Returns
        -------
        float
            In m², NaN where that is not known.
        """
        if self._place is None:
            return float("nan")
        if self._flat and self._factor is not None:
            cell = abs(float(np.linalg.det(self._place.matrix[1:3, 1:3])))
            return pixels * cell * self._factor**2
        if self._system is None:
            return float("nan")
        earth = self._system.get_geod() or pyproj_of("measure areas").Geod(ellps="WGS84")
        area, drawn = 0.0, 0.0
        for sign, ring in zip((1, *[-1] * len(rings)), rings, strict=False):
            around = lon_lat(self._place.reference, to_world(self._place, ring))
            area += sign * abs(earth.polygon_area_perimeter(*around.T)[0])
            x, y = np.asarray(ring, float).T
            drawn += sign * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
        return float(area * pixels / drawn)  # what simplifying took away is not missing


DISTORTED = 0.01
"""Share by which areas on a map may differ from those on the ground."""


def areal_scale(reference: str, x: float, y: float) -> float | None:
    """By how much areas are larger on a map than on the ground at a point; None where that is not known, or in degrees."""
    found = system(reference)
    if found is None or not found.is_projected:
        return None
    pyproj = pyproj_of("measure areas")
    try:
        scale = float(pyproj.Proj(found).get_factors(*pyproj.Proj(found)(x, y, inverse=True)).areal_scale)
    except pyproj.exceptions.ProjError:
        return None
    return scale if np.isfinite(scale) and scale > 0 else None
