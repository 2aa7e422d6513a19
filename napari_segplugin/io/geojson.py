"""GeoJSON as QuPath (0.4 and later) reads it: polygons with holes, class, colour and measurements of every object.

Corners are in pixels of the whole image, (0, 0) is its top left corner. In a stack each plane of an object is a feature
of its own, which says where it lies ("plane").
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_segplugin.core import Kind
from napari_segplugin.core.types import Json, JsonDict
from napari_segplugin.io.files import Format, LabelsToWrite
from napari_segplugin.io.objects import Described, describe, plane_stem, planes, rgb
from napari_segplugin.io.outlines import Polygon, outlines


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write one feature for each object and plane: detections for things, annotations for stuff."""
    rows, features = describe(labels), []
    shift = np.array([labels.origin.get("X", 0), labels.origin.get("Y", 0)])
    for at, plane in planes(labels):
        for label, parts in itertools.groupby(outlines(plane), key=lambda p: p.label):
            geometry = _geometry(list(parts), shift)
            if at:
                z = at.get("Z", 0) + labels.origin.get("Z", 0)
                geometry["plane"] = {"c": -1, "z": z, "t": at.get("T", 0)}
            features.append(_feature(labels.stem, at, rows[label], geometry))
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def _geometry(parts: list[Polygon], shift: np.ndarray) -> JsonDict:
    shapes = [[_closed(ring + shift) for ring in part.rings] for part in parts]
    if len(shapes) == 1:
        return {"type": "Polygon", "coordinates": shapes[0]}
    return {"type": "MultiPolygon", "coordinates": shapes}


def _closed(ring: np.ndarray) -> list[list[int]]:
    """Corners as a list that ends where it begins."""
    points: list[list[int]] = ring.tolist()
    return [*points, points[0]]


def _feature(stem: str, at: Mapping[str, int], about: Described, geometry: Mapping[str, Json]) -> JsonDict:
    # the same object has the same identity each time it is written, so QuPath can tell what is there already
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{plane_stem(stem, at)}#{about.label}")
    measured = dict(about.measurements)
    if not np.isnan(about.score):
        measured["score"] = round(about.score, 6)
    properties: JsonDict = {
        "objectType": "detection" if about.kind.kind is Kind.THING else "annotation",
        "name": f"{about.kind.name} {about.label}",
        "classification": {"name": about.kind.name, "color": list(rgb(about.kind.color))},
    }
    if measured:
        properties["measurements"] = measured
    if about.status:
        properties["metadata"] = {"status": about.status}
    return {"type": "Feature", "id": str(identity), "geometry": dict(geometry), "properties": properties}


FORMAT = Format(write=write)
