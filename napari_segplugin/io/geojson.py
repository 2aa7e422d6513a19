"""GeoJSON: of an image on a map in longitude and latitude, of others in pixels as QuPath (0.4 and later) reads it.

In pixels (0, 0) is the top left corner of the whole image. In a stack each plane of an object is a feature of its own, which
says where it lies ("plane"). On a map the file keeps to RFC 7946; where longitude and latitude cannot be worked out, its
coordinates are those of the map, "crs" says which, and "note" says why.
"""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import numpy as np

from napari_segplugin.core import Kind
from napari_segplugin.core.types import JsonDict
from napari_segplugin.io.features import Feature, features_of
from napari_segplugin.io.files import Format, LabelsToWrite
from napari_segplugin.io.maps import lon_lat, on_map, system, to_world
from napari_segplugin.io.objects import plane_stem, rgb


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write one feature for each object and plane: detections for things, annotations for stuff."""
    found = [_feature(labels, feature) for feature in features_of(labels)]
    path.write_text(json.dumps({"type": "FeatureCollection", **_space(labels), "features": found}), encoding="utf-8")


def _space(labels: LabelsToWrite) -> JsonDict:
    """What a file has to say where its coordinates are not longitude and latitude."""
    place = labels.place
    if place is None or not on_map(place) or system(place.reference) is not None:
        return {}
    code = re.fullmatch(r"EPSG:(\d+)", place.reference)
    reason = "pyproj is not installed" if code else "the coordinate reference system of the image is not known"
    about: JsonDict = {"note": f"Coordinates are those of the image's map, not longitude and latitude: {reason}."}
    if code:
        about["crs"] = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{code[1]}"}}
    return about


def _corners(labels: LabelsToWrite, ring: np.ndarray, outer: bool) -> list[list[float]]:
    """Corners as a list that ends where it begins."""
    place = labels.place
    if place is None or not on_map(place):
        shifted = ring + np.array([labels.origin.get("X", 0), labels.origin.get("Y", 0)])
        points: list[list[float]] = shifted.tolist()
        return [*points, points[0]]
    world = to_world(place, ring)
    if system(place.reference) is not None:
        world = lon_lat(place.reference, world)
    x, y = world.T
    # outer rings run against the clock, holes with it
    if (float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) > 0) != outer:
        world = world[::-1]
    points = world.tolist()
    return [*points, points[0]]


def _feature(labels: LabelsToWrite, feature: Feature) -> JsonDict:
    shapes = [
        [_corners(labels, ring, outer=i == 0) for i, ring in enumerate(piece.shape.rings)] for piece in feature.pieces
    ]
    geometry: JsonDict = {"type": "MultiPolygon", "coordinates": shapes}
    if len(shapes) == 1:
        geometry = {"type": "Polygon", "coordinates": shapes[0]}
    if feature.at:
        z = feature.at.get("Z", 0) + labels.origin.get("Z", 0)
        geometry["plane"] = {"c": -1, "z": z, "t": feature.at.get("T", 0)}
    # the same object has the same identity each time it is written, so QuPath can tell what is there already
    name = f"{plane_stem(labels.stem, feature.at)}#{feature.about.label}" + (
        f".{feature.number}" if feature.number else ""
    )
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    return {"type": "Feature", "id": identity, "geometry": geometry, "properties": _properties(labels, feature)}


def _properties(labels: LabelsToWrite, feature: Feature) -> JsonDict:
    about = feature.about
    # of a piece, what was measured of all of them together is not true
    measured = {} if feature.number else dict(about.measurements)
    if not np.isnan(about.score):
        measured["score"] = round(about.score, 6)
    properties: JsonDict = {
        "objectType": "detection" if about.kind.kind is Kind.THING else "annotation",
        "name": f"{about.kind.name} {about.label}" + (f".{feature.number}" if feature.number else ""),
        "classification": {"name": about.kind.name, "color": list(rgb(about.kind.color))},
    }
    if measured:
        properties["measurements"] = dict(measured)
    if about.status:
        properties["metadata"] = {"status": about.status}
    if on_map(labels.place):
        # programs for maps show plain values only
        properties |= {"class": about.kind.name, "label": about.label}
        properties |= {} if np.isnan(about.score) else {"score": round(about.score, 6)}
        properties |= {} if np.isnan(feature.area) else {"area_m2": float(f"{feature.area:.9g}")}
    return properties


FORMAT = Format(write=write)
