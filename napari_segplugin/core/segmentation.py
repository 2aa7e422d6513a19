"""The result of every task: one label array and a table that says what each label is."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_segplugin.core.classes import ClassTable, Task
from napari_segplugin.core.errors import InputError
from napari_segplugin.core.place import Place, place_in_recipe
from napari_segplugin.core.types import Array, Json


def labels_in(labels: Array) -> np.ndarray:
    """The labels that occur in an array, but 0, in ascending order.

    Neighbours along the last axis are mostly equal, so only where they change is there anything to sort.

    Parameters
    ----------
    labels : array of int

    Returns
    -------
    (N,) ndarray of int64

    Examples
    --------
    >>> labels_in(np.array([[0, 0, 7], [7, 7, 2]])).tolist()
    [2, 7]
    """
    flat = np.asarray(labels).ravel()
    if not flat.size:
        return np.zeros(0, np.int64)
    present = np.unique(flat[np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)])
    found: np.ndarray = present[present != 0].astype(np.int64)
    return found


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """What each label is; one row a label, sorted by label, without the background 0.

    Parameters
    ----------
    label : (N,) ndarray of int64
    class_id : (N,) ndarray of int64
    score : (N,) ndarray of float32
        Mean probability of its class over the object, between 0 and 1; NaN where there is none.
    status : tuple of str
        "predicted", "corrected", "accepted" or "rejected".
    """

    label: np.ndarray
    class_id: np.ndarray
    score: np.ndarray
    status: tuple[str, ...]

    def __post_init__(self) -> None:
        sizes = {len(self.label), len(self.class_id), len(self.score), len(self.status)}
        if len(sizes) != 1:
            raise InputError("The columns of the table of objects differ in length.", got=f"lengths {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.label)

    def only(self, labels: Container[int] | None) -> ObjectTable:
        """The rows of some labels; all of them for None."""
        if labels is None:
            return self
        keep = np.array([n in labels for n in self.label.tolist()], bool)
        status = tuple(s for s, k in zip(self.status, keep.tolist(), strict=True) if k)
        return ObjectTable(self.label[keep], self.class_id[keep], self.score[keep], status)

    @classmethod
    def of(cls, labels: np.ndarray, class_id: int = 1, status: str = "predicted") -> ObjectTable:
        """A table of the labels that occur in an array, all of one class, without scores."""
        present = labels_in(labels)
        n = len(present)
        return cls(present, np.full(n, class_id, np.int64), np.full(n, np.nan, np.float32), (status,) * n)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The result of a segmentation.

    Parameters
    ----------
    task : Task
    labels : array of int, axes `axes`
        SEMANTIC: the class number of each voxel. INSTANCE and PANOPTIC: the number of the object; each stuff
        class that occurs is one object. 0 is background. NumPy array, or zarr array for images larger than memory.
    objects : ObjectTable
        label -> class, score, status.
    classes : ClassTable
    axes : str
        Such as "ZYX" or "TYX"; never has C.
    spacing : tuple of float
        Voxel size along the spatial axes of `axes`.
    unit : str
    name : str
    recipe : mapping
        How it was made: model, parameters, versions, input. JSON values only.
    place : Place, optional
        Where the labels lie; what the recipe says of its image by default, None where nothing says so.

    Raises
    ------
    InputError
        If the axes do not fit the labels, or the place in the recipe is not valid.
    """

    task: Task
    labels: Array
    objects: ObjectTable
    classes: ClassTable
    axes: str
    spacing: tuple[float, ...]
    unit: str = "pixel"
    name: str = "segmentation"
    recipe: Mapping[str, Json] = field(default_factory=dict)
    place: Place | None = None

    def __post_init__(self) -> None:
        if len(self.axes) != len(self.labels.shape) or "C" in self.axes:
            raise InputError(
                "The axes do not fit the labels.", got=f"'{self.axes}' for shape {tuple(self.labels.shape)}"
            )
        place = self.place or place_in_recipe(self.recipe)
        if place:
            place = place.resized(dict(zip([a for a in self.axes if a in "ZYX"], self.spacing, strict=False)))
        object.__setattr__(self, "place", place)

    @property
    def edges(self) -> np.ndarray:
        """(D, D) matrix whose columns are the edges of a voxel along the spatial axes; diagonal where they are at right angles."""
        return _edges("".join(a for a in self.axes if a in "ZYX"), self.spacing, self.place)

    @property
    def voxel_size(self) -> float:
        """Volume of a voxel (area of a pixel): the product of its edges, less where these are not at right angles."""
        return voxel_size("".join(a for a in self.axes if a in "ZYX"), self.spacing, self.place)

    def semantic(self) -> np.ndarray:
        """The class number of each voxel, axes `axes`, uint16."""
        labels = np.asarray(self.labels)
        if self.task is Task.SEMANTIC:
            return labels.astype(np.uint16)
        if not len(self.objects):
            return np.zeros(labels.shape, np.uint16)
        # a search, not a lookup table: object numbers may be large and have gaps
        numbers = self.objects.label
        at = np.searchsorted(numbers, labels).clip(max=len(numbers) - 1)
        return np.where(numbers[at] == labels, self.objects.class_id[at], 0).astype(np.uint16)


def voxel_size(axes: str, spacing: Sequence[float], place: Place | None) -> float:
    """Volume of a voxel, or area of a pixel.

    Parameters
    ----------
    axes : str
        The spatial axes.
    spacing : sequence of float
        Length of an edge along each.
    place : Place, optional
        Says the angles between the edges; right ones by default.

    Examples
    --------
    >>> voxel_size("YX", (2.0, 0.5), None)
    1.0
    """
    share = abs(np.linalg.det(_edges(axes, spacing, place) / np.asarray(spacing, float)))
    return float(np.prod(spacing) * share)


def _edges(axes: str, spacing: Sequence[float], place: Place | None) -> np.ndarray:
    """Edges of a voxel as columns, along the first axis of space and so on where they are at right angles."""
    sizes = np.diag([float(s) for s in spacing])
    if place is None:
        return sizes
    vectors = place.matrix[:3, ["ZYX".index(a) for a in axes]]
    unit = vectors / np.linalg.norm(vectors, axis=0)
    angles = unit.T @ unit
    if np.abs(angles - np.eye(len(angles))).max() < 1e-4:
        return sizes  # exactly, without the rounding of the directions
    turned: np.ndarray = np.linalg.cholesky(angles).T @ sizes
    return turned
