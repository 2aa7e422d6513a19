"""Surface meshes of 3D objects for printing, simulation and planning: STL, PLY, OBJ; with ".zip", one file an object."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_segplugin.core import InputError
from napari_segplugin.io.files import Format, LabelsToWrite
from napari_segplugin.io.objects import Described, describe, rgb
from napari_segplugin.io.surfaces import Surface, surfaces

_Rows = Mapping[int, Described]
_Maker = Callable[[Sequence[Surface], _Rows, str], bytes]


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write all objects into one file, or into an archive with one file each, named by class and number.

    Vertices are in millimetres, of a patient to the left, the back and the head (LPS), and the file says so.

    Raises
    ------
    InputError
        If the labels are no volume, there is no object, or it is not known where they lie in the patient and nobody allowed
        the coordinates of the image.
    """
    if not labels.drawing.voxel_space and not _of_a_patient(labels):
        raise InputError(
            "It is not known where these labels lie in a patient, so a surface may be mirrored.",
            got="labels without a patient's space" if labels.place is None else "the coordinates of a stage or a map",
            hint="Segment an image that has one (DICOM, NIfTI), or accept the coordinates of the image",
            setting="voxel_space",
        )
    rows = describe(labels)
    about = _about(labels)
    if path.suffix.lower() != ".zip":
        path.write_bytes(_MAKERS[path.suffix.lower()](list(surfaces(labels)), rows, about))
        return
    ending = Path(path.stem).suffix.lower()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for surface in surfaces(labels):
            name = f"{_plain(rows[surface.label].kind.name)}_{surface.label:05}{ending}"
            archive.writestr(name, _MAKERS[ending]([surface], rows, about))


def _about(labels: LabelsToWrite) -> str:
    """One line for the head of the file: unit, and the space where it is known (3D Slicer looks for "SPACE=")."""
    patient = _of_a_patient(labels)
    unit = "mm" if labels.unit != "pixel" or patient else "voxel"
    return f"napari-segplugin UNIT={unit};SPACE={'LPS' if patient else 'IMAGE'}"


def _of_a_patient(labels: LabelsToWrite) -> bool:
    return labels.place is not None and labels.place.frame == "patient"


def _plain(name: str) -> str:
    """A class name as a part of a file name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name) or "object"


def _joined(found: Sequence[Surface]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of several surfaces as one mesh of separate parts."""
    start = np.cumsum([0, *(len(s.vertices) for s in found)])
    return np.concatenate([s.vertices for s in found]), np.concatenate(
        [s.faces + n for s, n in zip(found, start, strict=False)]
    )


def stl(found: Sequence[Surface], rows: _Rows, about: str) -> bytes:
    """Binary STL: each triangle with its normal and corners as float32."""
    vertices, faces = _joined(found)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    triangles = np.zeros(len(faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    triangles["normal"] = normals / np.where(length > 0, length, 1)
    triangles["corners"] = corners
    head = about.encode("ascii")[:80].ljust(80)
    return head + struct.pack("<I", len(faces)) + triangles.tobytes()


def ply(found: Sequence[Surface], rows: _Rows, about: str) -> bytes:
    """Binary PLY: shared vertices in the colour of the class, and the number of the object on each triangle."""
    vertices, faces = _joined(found)
    points = np.zeros(len(vertices), [("at", "<f4", 3), ("color", "u1", 3)])
    points["at"] = vertices
    points["color"] = np.repeat(
        [rgb(rows[s.label].kind.color) for s in found], [len(s.vertices) for s in found], axis=0
    )
    triangles = np.zeros(len(faces), [("n", "u1"), ("corners", "<i4", 3), ("label", "<i4")])
    triangles["n"], triangles["corners"] = 3, faces
    triangles["label"] = np.repeat([s.label for s in found], [len(s.faces) for s in found])
    head = ["ply", "format binary_little_endian 1.0", f"comment {about}", f"element vertex {len(points)}"]
    head += [f"property float {axis}" for axis in "xyz"]
    head += [f"property uchar {color}" for color in ("red", "green", "blue")]
    head += [f"element face {len(triangles)}", "property list uchar int vertex_indices", "property int label"]
    return "\n".join([*head, "end_header", ""]).encode("ascii") + points.tobytes() + triangles.tobytes()


def obj(found: Sequence[Surface], rows: _Rows, about: str) -> bytes:
    """Wavefront OBJ: one named part an object."""
    lines, first = [f"# {about}"], 1
    for surface in found:
        lines.append(f"o {_plain(rows[surface.label].kind.name)}_{surface.label}")
        lines += [f"v {x:.7g} {y:.7g} {z:.7g}" for x, y, z in surface.vertices.tolist()]
        lines += [f"f {a} {b} {c}" for a, b, c in (surface.faces + first).tolist()]
        first += len(surface.vertices)
    return "\n".join([*lines, ""]).encode("ascii", "replace")


_MAKERS: Mapping[str, _Maker] = {".stl": stl, ".ply": ply, ".obj": obj}

FORMAT = Format(write=write)
