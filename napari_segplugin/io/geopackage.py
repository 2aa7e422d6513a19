"""GeoPackage, through pyogrio: polygons on the map of the image, with class, score and area of each.

Of an image that lies on no map coordinates are in pixels, y up from the top left corner as programs for maps show such images.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import shapely

from napari_segplugin.core import MissingExtraError
from napari_segplugin.io.features import Feature, features_of
from napari_segplugin.io.files import Format, LabelsToWrite
from napari_segplugin.io.maps import on_map, to_world

LAYER = "objects"


def _pyogrio() -> ModuleType:
    try:
        import pyogrio
    except ImportError as error:
        raise MissingExtraError("pyogrio", "write GeoPackage", "geo") from error
    found: ModuleType = pyogrio
    return found


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write one feature for each object, or each piece of an area.

    Raises
    ------
    MissingExtraError
        If pyogrio is not installed.
    """
    pyogrio = _pyogrio()
    found = list(features_of(labels))
    file = io.BytesIO()  # so that it is Python that writes to the disk, and says so where that is full
    with warnings.catch_warnings():
        # of an image on no known map there is no reference to give
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        _write(pyogrio, labels, found, file)
    path.write_bytes(file.getvalue())


def _write(pyogrio: ModuleType, labels: LabelsToWrite, found: Sequence[Feature], file: io.BytesIO) -> None:
    shapes = shapely.to_wkb(np.array([_geometry(labels, f) for f in found], dtype=object))
    columns = _columns(labels, found)
    place = labels.place
    pyogrio.raw.write(
        file,
        geometry=np.asarray(shapes, dtype=object),
        field_data=list(columns.values()),
        fields=list(columns),
        geometry_type="MultiPolygon",
        crs=(place.reference or None) if place is not None and on_map(place) else None,
        driver="GPKG",
        layer=LAYER,
    )


def _geometry(labels: LabelsToWrite, feature: Feature) -> shapely.MultiPolygon:
    rings = [[_points(labels, ring) for ring in piece.shape.rings] for piece in feature.pieces]
    return shapely.MultiPolygon([(r[0], r[1:]) for r in rings])


def _points(labels: LabelsToWrite, ring: np.ndarray) -> np.ndarray:
    place = labels.place
    if place is not None and on_map(place):
        return to_world(place, ring)
    shifted = ring + np.array([labels.origin.get("X", 0), labels.origin.get("Y", 0)])
    return np.asarray(shifted * np.array([1.0, -1.0]))


def _columns(labels: LabelsToWrite, found: Sequence[Feature]) -> dict[str, np.ndarray]:
    """Attributes by name, in the order of the features."""
    columns = {
        "label": np.array([f.about.label for f in found], np.int64),
        "class": np.array([f.about.kind.name for f in found], object),
        "score": np.array([f.about.score for f in found], float),
        "status": np.array([f.about.status for f in found], object),
        "pixels": np.array([sum(p.pixels for p in f.pieces) for f in found], np.int64),
    }
    if on_map(labels.place):
        columns["area_m2"] = np.array([f.area for f in found], float)
    for axis in labels.axes[:-2]:
        columns[axis.lower()] = np.array([f.at[axis] for f in found], np.int64)
    if not any(f.number for f in found):
        for name in labels.columns:
            columns.setdefault(name, np.array([f.about.measurements.get(name, np.nan) for f in found], float))
    return columns


FORMAT = Format(write=write)
