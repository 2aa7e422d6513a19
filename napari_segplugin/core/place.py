"""Where things are: pieces of an image and how it is cut, and where its voxels lie in a patient, on a stage or a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from napari_segplugin.core.errors import InputError
from napari_segplugin.core.types import Json, JsonDict, json_integers, json_object

Region: TypeAlias = tuple[slice, ...]
"""A piece of an image that is read or computed: a slice for each of (Z,) Y, X."""

Box: TypeAlias = tuple[slice, ...]
"""The piece in which an object lies, or that somebody drew around it: a slice for each of (Z,) Y, X."""

Frame = Literal["", "patient", "map"]
"""What the coordinates mean: nothing in particular (a stage), a patient's body, or the surface of the earth."""
_ORDER = "ZYX"
_TO_PATIENT = np.diag([1.0, -1.0, -1.0, 1.0])  # (z, y, x) of NIfTI: up, to the front, to the right
_LETTERS = ("IS", "AP", "RL")  # where z, y and x of a patient run from and to
_OBLIQUE = 1e-4  # share of an edge that may point elsewhere: files round their directions


@dataclass(frozen=True, eq=False)
class Place:
    """The matrix from voxels to the world, and what the world is.

    Parameters
    ----------
    matrix : (4, 4) array of float
        Voxel (z, y, x, 1) to world (z, y, x, 1), in the unit of the image. A plane has z = 0 only.
    frame : {"", "patient", "map"}
        In a patient, z runs to the head, y to the back and x to the left: DICOM's coordinates in the order of an array.
        On a map, y and x are the coordinates that its reference names.
    reference : str
        Which patient space or map: DICOM's frame of reference, or a coordinate reference system.

    Raises
    ------
    InputError
        If the matrix is not 4 × 4, has numbers that are not finite, or turns a volume into a plane.

    Examples
    --------
    >>> place = Place.from_ras([[-2, 0, 0, 90], [0, 2, 0, -126], [0, 0, 3, -72], [0, 0, 0, 1]])
    >>> place.spacing, place.orientation
    ((3.0, 2.0, 2.0), 'SAL')
    """

    matrix: np.ndarray
    frame: Frame = ""
    reference: str = ""

    def __post_init__(self) -> None:
        matrix = _checked(self.matrix)
        if self.frame not in get_args(Frame):
            raise InputError("The space of the image is not known.", got=f"'{self.frame}'", accepted="patient, map")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def of_spacing(cls, spacing: Mapping[str, float], origin: Mapping[str, float] | None = None) -> Place:
        """Axes along those of the world; letters that are missing count 1, of the origin 0."""
        matrix = np.diag([*(spacing.get(a, 1.0) for a in _ORDER), 1.0])
        matrix[:3, 3] = [(origin or {}).get(a, 0.0) for a in _ORDER]
        return cls(matrix)

    @classmethod
    def from_ras(cls, affine: object, reference: str = "") -> Place:
        """A patient's place from the affine of NIfTI: voxel (x, y, z) to the right, the front and the head."""
        return cls(_TO_PATIENT @ _turned(_checked(affine)), "patient", reference)

    @classmethod
    def from_lps(cls, affine: object, reference: str = "") -> Place:
        """A patient's place from DICOM's coordinates: voxel (x, y, z) to the left, the back and the head."""
        return cls(_turned(_checked(affine)), "patient", reference)

    def ras(self, factor: float = 1.0) -> np.ndarray:
        """(4, 4) affine of NIfTI: voxel (x, y, z) to the right, the front and the head, times `factor`."""
        return _scaled(_turned(_TO_PATIENT @ self.matrix if self.frame == "patient" else self.matrix), factor)

    def lps(self, factor: float = 1.0) -> np.ndarray:
        """(4, 4) affine of voxel (x, y, z) to world (x, y, z); of a patient to the left, the back and the head."""
        return _scaled(_turned(self.matrix), factor)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Length of the edges of a voxel along its axes Z, Y, X."""
        z, y, x = np.linalg.norm(self.matrix[:3, :3], axis=0).tolist()
        return float(f"{z:.9g}"), float(f"{y:.9g}"), float(f"{x:.9g}")

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel; smaller than the product of its edges where these are not at right angles."""
        return float(abs(np.linalg.det(self.matrix[:3, :3])))

    @property
    def closest(self) -> tuple[int, int, int]:
        """For each axis of the world, z, y, x, the axis of the array that runs along it most nearly."""
        directions = np.abs(self.matrix[:3, :3]) / np.linalg.norm(self.matrix[:3, :3], axis=0)
        found = [-1, -1, -1]
        for _ in range(3):
            world, voxel = np.unravel_index(int(directions.argmax()), (3, 3))
            found[int(world)] = int(voxel)
            directions[world, :], directions[:, voxel] = -1, -1
        return found[0], found[1], found[2]

    @property
    def oblique(self) -> bool:
        """Whether an axis of the array runs between the axes of the world."""
        directions = np.abs(self.matrix[:3, :3]) / np.linalg.norm(self.matrix[:3, :3], axis=0)
        return bool((np.sort(directions, axis=0)[:2] > _OBLIQUE).any())

    @property
    def orientation(self) -> str:
        """Where the axes Z, Y, X of the array run to in the patient, of S I P A L R; empty in another frame."""
        if self.frame != "patient":
            return ""
        letters = [""] * 3
        for world, voxel in enumerate(self.closest):
            letters[voxel] = _LETTERS[world][int(self.matrix[world, voxel] > 0)]
        return "".join(letters)

    def at(self, start: Mapping[str, float]) -> Place:
        """The place of a region whose first voxel is `start`; letters that are missing count 0."""
        matrix = self.matrix.copy()
        matrix[:, 3] = self.matrix @ [*(start.get(a, 0) for a in _ORDER), 1.0]
        return replace(self, matrix=matrix)

    def resized(self, spacing: Mapping[str, float]) -> Place:
        """With voxels of another size, the first of them in the same place; letters that are missing stay."""
        matrix = self.matrix.copy()
        for i, (letter, own) in enumerate(zip(_ORDER, self.spacing, strict=True)):
            matrix[:3, i] *= spacing.get(letter, own) / own
        return replace(self, matrix=matrix)

    def to_json(self) -> JsonDict:
        """What a recipe says of it."""
        return {"matrix": self.matrix.tolist(), "frame": self.frame, "reference": self.reference}

    @classmethod
    def from_json(cls, found: Json) -> Place:
        """From :meth:`to_json`; raises as the class does."""
        about = json_object(found)
        frame = str(about.get("frame", ""))
        return cls(about.get("matrix"), frame, str(about.get("reference", "")))  # type: ignore[arg-type]


def _checked(given: object) -> np.ndarray:
    """A copy of a matrix that keeps volumes volumes."""
    try:
        matrix = np.array(given, float)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    good = matrix.shape == (4, 4) and bool(np.isfinite(matrix).all() and np.allclose(matrix[3], [0, 0, 0, 1]))
    if good:
        sizes = np.linalg.norm(matrix[:3, :3], axis=0)
        good = bool((sizes > 0).all()) and abs(float(np.linalg.det(matrix[:3, :3] / sizes))) > 1e-6
    if not good:
        raise InputError(
            "The affine of the image is not valid.",
            got=f"{given.tolist() if isinstance(given, np.ndarray) else given}",
            accepted="4 × 4 finite numbers, the last row 0, 0, 0, 1, that keep a volume a volume",
        )
    return matrix


def _turned(affine: np.ndarray) -> np.ndarray:
    """(x, y, z) to (z, y, x) on both sides, or back."""
    order = [2, 1, 0, 3]
    turned: np.ndarray = affine[np.ix_(order, order)]
    return turned


def _scaled(affine: np.ndarray, factor: float) -> np.ndarray:
    scaled: np.ndarray = np.diag([factor, factor, factor, 1.0]) @ affine
    return scaled


def place_in_recipe(recipe: Mapping[str, Json]) -> Place | None:
    """Where the labels of a recipe lie: the place of its image, moved to the first voxel of the region if there is one.

    Parameters
    ----------
    recipe : mapping

    Raises
    ------
    InputError
        If it contains a place that is not valid.

    Examples
    --------
    >>> place_in_recipe({"input": {"place": Place.of_spacing({"Z": 2.0}).to_json()}, "origin": [3, 0, 0]}).matrix[0].tolist()
    [2.0, 0.0, 0.0, 6.0]
    """
    found = json_object(recipe.get("input")).get("place")
    older = _find(recipe, "nifti_affine")
    if isinstance(found, Mapping):
        place = Place.from_json(found)
    elif older is not None:
        place = Place.from_ras(older)
    else:
        return None
    start = json_integers(recipe.get("origin"))
    return place.at(dict(zip(_ORDER[-len(start) :], start, strict=False))) if start else place


def _find(recipe: Mapping[str, Json], key: str) -> Json:
    """The value of `key`, however deep."""
    if key in recipe:
        return recipe[key]
    inner = (value for value in recipe.values() if isinstance(value, Mapping))
    return next((found for value in inner if (found := _find(value, key)) is not None), None)


@dataclass(frozen=True)
class TileSpec:
    """How an image is cut for prediction. Zero and empty mean "choose for me".

    Parameters
    ----------
    size : tuple of int
        Largest tile, spatial axes in canonical order, halo included.
    halo : tuple of int
        Voxels on each side that are read and thrown away.
    precision : str
        "auto", "float32" or "bfloat16".
    mirror : bool
        Average over all mirrored copies (4 in 2D, 8 in 3D): slower, a little better.
    zoom: float
        How many times larger the image is looked at, ¼ to 4: for objects of another size than the model learnt. 0: look
        once, and again larger where the objects found are small.
    rescale : bool
        Look at the image in the voxel size that the model learnt, where both are known. `zoom` comes on top.
    invert : bool
        Look at the image with bright and dark exchanged.

    Raises
    ------
    InputError
        If size or halo are not whole numbers from 0.
    """

    size: tuple[int, ...] = ()
    halo: tuple[int, ...] = ()
    precision: str = "auto"
    mirror: bool = False
    zoom: float = 1.0
    rescale: bool = True
    invert: bool = False

    def __post_init__(self) -> None:
        for word, given in (("size", self.size), ("halo", self.halo)):
            whole = isinstance(given, tuple | list) and all(isinstance(n, Integral) and int(n) >= 0 for n in given)
            if not whole:
                raise InputError(
                    f"The tile {word} is not valid.",
                    got=given,
                    accepted="whole numbers from 0, one for each spatial axis",
                )


def tile_spec_from_json(data: Mapping[str, Json]) -> TileSpec:
    """Read what :func:`~napari_segplugin.core.to_json` made of a :class:`TileSpec`; what is left out has its default.

    Raises
    ------
    InputError
        If it holds something else.

    Examples
    --------
    >>> tile_spec_from_json({"size": [64, 64], "zoom": 2.0}).size
    (64, 64)
    """
    usual: dict[str, Any] = {f.name: f.default for f in fields(TileSpec)}
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    given |= {"zoom": float(given["zoom"])} if isinstance(given.get("zoom"), int) else {}
    wrong = sorted(k for k, v in given.items() if k not in usual or not isinstance(v, type(usual[k])))
    if wrong:
        raise InputError(
            "The settings for cutting the image are not understood.", got=wrong[0], accepted=", ".join(usual)
        )
    return TileSpec(**given)
