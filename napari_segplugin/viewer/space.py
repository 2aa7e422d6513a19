"""Layers in the space of the patient: where they are shown, and where what they hold lies.

What is shown is the patient himself: z up, y to the back, x to the left, so that planes look as radiologists expect. Two
things need another frame. A plane of napari is a plane of the array, so a volume that is tilted against the patient would be
drawn, and painted on, beside itself; and some want the order of the file. A *scene* is the matrix from the patient to what is
shown; it is the same for all layers of a viewer, so that they go on lying over each other, and every layer remembers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from napari.utils.transforms import Affine

from napari_segplugin.core import Place
from napari_segplugin.core.types import Json, JsonDict, json_object

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_segplugin.viewer.layers import LayerOptions

View = Literal["patient", "planes", "file"]
"""Along the axes of the patient, along the planes of an image, or in the order of its file."""
_SPACE = "ZYX"
_TURN = 1e-4  # share of an edge: napari calls a layer tilted from 1e-8 on, and files round at about 1e-6
_SHIFT = 0.1  # of a voxel: a layer that is nearer to its place was not moved by hand


def view_axes(place: Place | None, spatial_axes: str) -> str:
    """The spatial axes in the order in which a layer has them: along z, y and x of the patient as nearly as they can.

    Examples
    --------
    >>> sagittal = Place.from_ras([[0, 0, 3, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    >>> view_axes(sagittal, "ZYX"), view_axes(None, "ZYX")
    ('YXZ', 'ZYX')
    """
    if place is None or place.frame != "patient" or len(spatial_axes) != 3:
        return spatial_axes
    return "".join(_SPACE[i] for i in place.closest)


def straight(place: Place) -> np.ndarray:
    """(4, 4) scene in which a volume lies along the axes that it runs along most nearly; its first voxel stays."""
    aligned = np.eye(4)
    aligned[:3, :3] = 0
    for world, voxel in enumerate(place.closest):
        aligned[world, voxel] = np.sign(place.matrix[world, voxel]) * place.spacing[voxel]
    aligned[:3, 3] = place.matrix[:3, 3]
    return aligned @ np.linalg.inv(place.matrix)


def as_stored(place: Place) -> np.ndarray:
    """(4, 4) scene in which every axis of a volume runs to higher numbers, from 0; its axes stay in the layer's order."""
    stored = np.zeros((4, 4))
    for world, voxel in enumerate(place.closest):
        stored[world, voxel] = place.spacing[voxel]
    stored[3, 3] = 1
    return stored @ np.linalg.inv(place.matrix)


def shown_at(place: Place, axes: str, scene: np.ndarray) -> LayerOptions:
    """Where a layer is shown.

    Parameters
    ----------
    place : Place
    axes : str
        Axes of the layer, without colour; what is not spatial comes first.
    scene : (4, 4) ndarray
        Of no use for a plane, or without a patient.

    Returns
    -------
    dict
        ``scale``, and ``affine`` or ``translate``, for a layer.
    """
    spatial = [_SPACE.index(a) for a in axes if a in _SPACE]
    sizes = [place.spacing[i] for i in spatial]
    first = len(axes) - len(spatial)
    scale = (1.0,) * first + tuple(sizes)
    if place.frame == "map" or (place.frame == "patient" and len(spatial) < 3):
        return {"scale": scale}  # a picture is looked at as it is, and a plane need not lie along the screen
    patient = place.frame == "patient"
    matrix = scene @ place.matrix if patient else place.matrix
    rows = range(3) if patient else spatial
    affine = np.eye(len(axes) + 1)
    affine[first:, first:] = matrix[np.ix_([*rows, 3], [*spatial, 3])] @ np.diag([*(1 / s for s in sizes), 1.0])
    affine = _tidy(affine)
    if not patient and np.array_equal(affine[:-1, :-1], np.eye(len(axes))):
        return {"scale": scale, "translate": tuple(affine[:-1, -1].tolist())}
    return {"scale": scale, "affine": affine}


def _tidy(affine: np.ndarray) -> np.ndarray:
    """Without the traces of rounding, so that napari sees that a layer is straight."""
    linear = affine[:-1, :-1]
    found = affine.copy()
    found[:-1, :-1][np.abs(linear) < _TURN * np.linalg.norm(linear, axis=0)] = 0
    return found


def remembered(place: Place, scene: np.ndarray | None = None) -> JsonDict:
    """What a layer remembers of its place."""
    about: JsonDict = {"place": place.to_json()}
    return about if scene is None else {**about, "scene": scene.tolist()}


def about_layer(layer: Layer) -> Mapping[str, Json]:
    """What a layer remembers for this package."""
    return json_object(layer.metadata.get("segplugin")) if isinstance(layer.metadata, Mapping) else {}


def scene_of(layer: Layer) -> np.ndarray | None:
    """(4, 4) scene in which a layer is shown; None where it lies in no patient."""
    about = about_layer(layer)
    return np.array(about["scene"], float) if "scene" in about else None


def scene_for(place: Place, viewer: ViewerModel | None) -> np.ndarray:
    """The scene for a new volume: that of the layers that are there, or its own planes where it is tilted."""
    for layer in viewer.layers if viewer is not None else ():
        scene = scene_of(layer)
        if scene is not None:
            return scene
    return straight(place) if place.oblique else np.eye(4)


def world_matrix(where: Mapping[str, object], ndim: int) -> np.ndarray:
    """(D+1, D+1) matrix from voxels to what is shown, of the attributes of a layer."""

    def value(name: str, usual: object) -> object:
        found = where.get(name)
        return usual if found is None else found

    own = Affine(
        scale=value("scale", np.ones(ndim)),
        translate=value("translate", np.zeros(ndim)),
        rotate=where.get("rotate"),
        shear=where.get("shear"),
        ndim=ndim,
    )
    outer = value("affine", np.eye(ndim + 1))
    outer = outer.affine_matrix if isinstance(outer, Affine) else np.asarray(outer, float)
    return np.asarray(outer @ own.affine_matrix)


def place_in(where: Mapping[str, object], axes: str, about: Mapping[str, Json]) -> Place | None:
    """Where what a layer holds lies.

    Parameters
    ----------
    where : mapping
        ``scale``, ``translate``, ``rotate``, ``shear`` and ``affine`` of the layer.
    axes : str
        Of the layer, without colour.
    about : mapping
        What the layer remembers: :func:`remembered`.

    Returns
    -------
    Place or None
        Its own place as long as it is shown there, and where it was moved to otherwise; None for a layer that nobody put
        anywhere.
    """
    world = world_matrix(where, len(axes))
    spatial = [i for i, a in enumerate(axes) if a in _SPACE]
    columns = [_SPACE.index(axes[i]) for i in spatial]
    block = world[np.ix_([*spatial, -1], [*spatial, -1])]
    scene = np.array(about["scene"], float) if "scene" in about else None
    if not about.get("place"):
        matrix = np.eye(4)
        rows = [0, 1, 2] if scene is not None and len(spatial) == 3 else columns
        matrix[np.ix_([*rows, 3], [*columns, 3])] = block
        if scene is not None:
            return Place(np.linalg.solve(scene, matrix), "patient")
        put = not np.array_equal(matrix, np.diag(np.abs(matrix.diagonal())))
        return Place(matrix) if put else None
    sizes = np.linalg.norm(block[:-1, :-1], axis=0)
    known = Place.from_json(about["place"])
    if not np.allclose(sizes, [known.spacing[i] for i in columns], rtol=1e-6):
        known = known.resized({axes[i]: float(n) for i, n in zip(spatial, sizes, strict=True)})
    options = shown_at(known, axes, np.eye(4) if scene is None else scene)
    if set(options) == {"scale"}:
        return known
    usual = world_matrix(options, len(axes))[np.ix_([*spatial, -1], [*spatial, -1])]
    unit = np.linalg.norm(usual[:-1, :-1], axis=0)
    turned = np.abs(block - usual)[:-1, :-1].max(axis=0) > 5 * _TURN * unit
    shifted = np.abs(np.linalg.solve(usual, block[:, -1] - usual[:, -1])) > _SHIFT
    if not turned.any() and not shifted.any():
        return known
    moved = np.eye(4)
    rows = [0, 1, 2] if known.frame == "patient" else columns
    moved[np.ix_([*rows, 3], [*rows, 3])] = block @ np.linalg.inv(usual)
    own = scene if scene is not None and known.frame == "patient" else np.eye(4)
    return replace(known, matrix=np.linalg.solve(own, moved @ own @ known.matrix))


def attributes(layer: Layer) -> dict[str, object]:
    """The attributes of a layer that say where it is shown."""
    return {name: getattr(layer, name) for name in ("scale", "translate", "rotate", "shear", "affine")}


def place_of_layer(layer: Layer, axes: str) -> Place | None:
    """Where what a layer holds lies; as :func:`place_in`.

    Parameters
    ----------
    layer : napari.layers.Layer
    axes : str
        Of its array, without colour.
    """
    return place_in(attributes(layer), axes, about_layer(layer))


def look(viewer: ViewerModel, scene: np.ndarray) -> None:
    """Show all layers of a patient in another scene; each keeps its place, and they go on lying over each other.

    Parameters
    ----------
    viewer : napari.Viewer
    scene : (4, 4) ndarray
        From the patient to what is shown.
    """
    placed = [(layer, scene_of(layer), np.asarray(layer.affine.affine_matrix)) for layer in viewer.layers]
    leads = [(before, affine) for _, before, affine in placed if before is not None]
    for layer, before, affine in placed:
        if before is None:  # what was painted or drawn over a volume goes with it
            before = next((b for b, a in leads if a.shape == affine.shape and np.allclose(a, affine)), None)
        else:
            about = {**layer.metadata["segplugin"], "scene": np.asarray(scene).tolist()}
            layer.metadata = {**layer.metadata, "segplugin": about}
        if before is None or np.array_equal(before, scene):
            continue
        change = np.eye(layer.ndim + 1)
        first = layer.ndim - 3
        change[first:, first:] = scene @ np.linalg.inv(before)
        layer.affine = _tidy(change @ affine)


def letters(
    view: Place | None, scene: np.ndarray | None, displayed: Sequence[int], ups: Sequence[bool]
) -> tuple[str, ...]:
    """What is left, right, top and bottom of the picture, of R, L, A, P, S, I.

    Parameters
    ----------
    view : Place, optional
        Of the layer that is looked at.
    scene : (4, 4) ndarray, optional
        In which it is shown.
    displayed : sequence of int
        The two axes of the world (0 for z, 1 for y, 2 for x) that run down and to the right.
    ups : sequence of bool
        Whether each of them runs up, or to the left, instead.

    Returns
    -------
    left, right, top, bottom : str
        Empty where nobody knows. Two letters where the picture is tilted, the nearer one first.
    """
    if view is None or scene is None or view.frame != "patient" or len(displayed) != 2:
        return ("",) * 4
    back = np.linalg.inv(scene)[:3, :3]
    down, across = (_toward(back[:, axis]) for axis in displayed)
    top_bottom = (down[0], down[1]) if ups[0] else (down[1], down[0])
    left_right = (across[0], across[1]) if ups[1] else (across[1], across[0])
    return (*left_right, *top_bottom)


def _toward(direction: np.ndarray) -> tuple[str, str]:
    """Where a direction of the patient leads to, and where it comes from."""
    share = direction / np.linalg.norm(direction)
    order = [int(i) for i in np.argsort(-np.abs(share)) if abs(share[i]) > 0.2]
    pairs = ("IS", "AP", "RL")
    to = "".join(pairs[i][int(share[i] > 0)] for i in order)
    come = "".join(pairs[i][int(share[i] <= 0)] for i in order)
    return to, come


def check_one_space(layer: Layer, other: Layer) -> str:
    """A sentence where two layers lie in the spaces of different examinations; empty where they may be compared."""
    first, second = (json_object(about_layer(a).get("place")) for a in (layer, other))
    known = [str(p.get("reference", "")) for p in (first, second)]
    if all(known) and known[0] != known[1]:
        return (
            f"'{layer.name}' and '{other.name}' have different frames of reference, so they need not lie over each other, "
            f"although both are shown."
        )
    return ""


__all__ = [
    "View",
    "about_layer",
    "as_stored",
    "check_one_space",
    "letters",
    "look",
    "place_in",
    "place_of_layer",
    "remembered",
    "scene_for",
    "scene_of",
    "shown_at",
    "straight",
    "view_axes",
    "world_matrix",
]
