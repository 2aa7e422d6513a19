"""Closed surfaces of 3D objects as triangles, in millimetres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from skimage.measure import marching_cubes

from napari_segplugin.core import InputError, Place
from napari_segplugin.io.files import LabelsToWrite
from napari_segplugin.io.units import in_metres

SMOOTHING = 10
"""Rounds of smoothing: enough to take away the steps of the voxels and nothing that is wider than about two of them."""
_SHRINK, _INFLATE = 0.5, -0.53  # Taubin's lambda and mu, for a pass band of 0.1


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed surface.

    Parameters
    ----------
    label : int
        Number of the object.
    vertices : (V, 3) ndarray of float64
        x, y, z.
    faces : (F, 3) ndarray of int64
        Corners of each triangle, counter-clockwise seen from outside.
    """

    label: int
    vertices: np.ndarray
    faces: np.ndarray

    @property
    def volume(self) -> float:
        """Volume inside (divergence theorem); positive where the triangles face outwards."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)

    @property
    def closed(self) -> bool:
        """Whether each edge belongs to exactly two triangles, which run along it in opposite directions."""
        edges = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]])
        there = edges @ np.array([len(self.vertices), 1])
        back = edges[:, ::-1] @ np.array([len(self.vertices), 1])
        return len(np.unique(there)) == len(there) and np.array_equal(np.sort(there), np.sort(back))


def surface_of_mask(mask: np.ndarray, label: int = 1) -> Surface:
    """The surface of a mask between the voxels inside and outside, in voxels.

    Parameters
    ----------
    mask : (Z, Y, X) ndarray of bool
        Whatever lies beyond its edge is outside.
    label : int

    Returns
    -------
    Surface
        Voxel (z, y, x) has its centre at the vertex coordinates (x, y, z).

    Notes
    -----
    Marching cubes of Lorensen and Cline (1987). scikit-image's default, the one of Lewiner et al. (2003), leaves edges
    with four triangles where voxels touch at an edge only; this one never did on random masks.

    Examples
    --------
    >>> surface = surface_of_mask(np.ones((1, 1, 1), bool))
    >>> surface.closed, len(surface.faces)
    (True, 8)
    """
    vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, method="lorensen")
    surface = Surface(label, vertices[:, ::-1].astype(float) - 1, faces.astype(np.int64))
    return _facing_out(surface)


def _facing_out(surface: Surface) -> Surface:
    if surface.volume >= 0:
        return surface
    return Surface(surface.label, surface.vertices, surface.faces[:, ::-1])


def smooth(surface: Surface, rounds: int = SMOOTHING) -> Surface:
    """Smooth a surface without shrinking it.

    Parameters
    ----------
    surface : Surface
    rounds : int
        Each moves every vertex towards the mean of its neighbours, then a little further back.

    Returns
    -------
    Surface
        With the same triangles, so closed if it was.

    References
    ----------
    Taubin, Curve and surface smoothing without shrinkage, ICCV 1995, equations 3 and 4.
    """
    n = len(surface.vertices)
    edges = np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]], surface.faces[:, [2, 0]]])
    # each edge stands here once a direction, because two triangles run along it in opposite directions
    neighbours = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n)).tocsr()
    count = np.asarray(neighbours.sum(axis=1)).reshape(-1, 1)
    vertices = surface.vertices
    for _ in range(rounds):
        for step in (_SHRINK, _INFLATE):
            vertices = vertices + step * (neighbours @ vertices / count - vertices)
    return Surface(surface.label, vertices, surface.faces)


def surfaces(labels: LabelsToWrite, rounds: int = SMOOTHING) -> Iterator[Surface]:
    """The smoothed surface of each object, one after the other, in millimetres (or voxels where the unit is not known).

    Where the image has an affine, vertices are in patient coordinates: x to the left, y to the back, z up (LPS), as
    DICOM has them. Otherwise vertex (0, 0, 0) is the centre of the first voxel.

    Raises
    ------
    InputError
        If the labels are no volume, or there is no object.
    """
    if labels.axes != "ZYX":
        raise InputError(
            "A surface mesh needs a 3D volume.", got=f"labels with the axes '{labels.axes}'", accepted="Z, Y, X"
        )
    array = np.asarray(labels.array)
    present, compact = np.unique(array, return_inverse=True)
    compact = compact.reshape(array.shape) + (0 if present[0] == 0 else 1)
    numbers = present[present != 0].tolist()
    if not numbers:
        raise InputError("There are no objects to make surfaces of.", hint="Choose labels that contain objects.")
    matrix = to_world(labels)
    for i, box in enumerate(ndimage.find_objects(compact), 1):
        found = smooth(surface_of_mask(compact[box] == i, numbers[i - 1]), rounds)
        voxels = found.vertices + [s.start for s in box[::-1]]
        yield _facing_out(Surface(found.label, voxels @ matrix[:3, :3].T + matrix[:3, 3], found.faces))


def to_world(labels: LabelsToWrite) -> np.ndarray:
    """(4, 4) matrix from voxel (x, y, z) to millimetres of the world (x, y, z): of a patient, to the left, back and head."""
    factor = (in_metres(labels.unit) or 1e-3) / 1e-3
    place = labels.place or Place.of_spacing(labels.spacing).at(labels.origin)
    return place.lps(factor)
