"""What may be handed in: arrays, paths, or the types of this package. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from napari_segplugin.core import (
    ClassicalRecipe,
    ClassInfo,
    ClassTable,
    Image,
    InputError,
    Kind,
    ModelBundle,
    Note,
    ObjectTable,
    Segmentation,
    Task,
    check_axes,
    guess_axes,
)
from napari_segplugin.core.image import check_spacing
from napari_segplugin.core.types import Array, Json
from napari_segplugin.core.words import pixel
from napari_segplugin.io import (
    load_bundle,
    load_recipe,
    read_image,
    read_segmentation,
    shipped_bundles,
    shipped_recipes,
)
from napari_segplugin.io.files import exists

if TYPE_CHECKING:
    from napari_segplugin.data.corrections import Corrections

PathLike: TypeAlias = str | Path
ChannelsLike: TypeAlias = str | Sequence[int]
ImageLike: TypeAlias = Image | ArrayLike | PathLike
LabelsLike: TypeAlias = Segmentation | ArrayLike | PathLike
ModelLike: TypeAlias = ModelBundle | PathLike
CorrectionsLike: TypeAlias = "Corrections | ArrayLike | PathLike"


def as_image(
    image: ImageLike,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Image:
    """An image from an array, a path or an image.

    Parameters
    ----------
    image : Image, array-like or path
        Lazy arrays (zarr, dask) stay lazy.
    axes : str, optional
        Order of the axes of an array or a file, from "TCZYX"; wins over what the file says. An array of two dimensions,
        or one whose last axis is colour, needs none.
    spacing : sequence of float, optional
        Voxel size along the spatial axes, in the order of the axes; wins over what the file says.
    unit : str, optional
        Of `spacing`.

    Returns
    -------
    Image

    Raises
    ------
    InputError
        If the file cannot be read, the axes of an array are not certain, or an :class:`Image` comes with axes, spacing or
        unit once more.

    Examples
    --------
    >>> as_image(np.zeros((8, 9))).axes
    'YX'
    """
    if isinstance(image, Image):
        if axes is not None or spacing is not None or unit is not None:
            raise InputError(
                "An Image already has axes, voxel size and unit.",
                got="an Image together with axes, spacing or unit",
                hint="Leave these out, or pass the array.",
            )
        return image
    check_spacing(spacing)
    if isinstance(image, str | Path):
        return read_image(image, axes=axes, spacing=spacing, unit=unit)
    lazy = hasattr(image, "shape") and hasattr(image, "dtype")
    array = cast("Array", image) if lazy else np.asarray(image)
    return Image(array, _axes_of(array.shape, axes), tuple(spacing or ()), unit or "pixel")


def _axes_of(shape: Sequence[int], axes: str | None) -> str:
    if axes is not None:
        return axes.strip().upper()
    order, doubt = guess_axes(tuple(shape))
    if doubt:
        raise InputError(
            "The order of the axes is not certain.",
            got=f"an array of shape {tuple(shape)}",
            accepted=f'axes="{order}" or another order of T, C, Z, Y, X',
            hint=doubt,
        )
    return order


def _check_name(given: object, what: str, accepted: str) -> None:
    """Refuse what is neither a name nor a path."""
    if not isinstance(given, str | os.PathLike):
        hint = "To run a network, use predict." if isinstance(given, ModelBundle) else ""
        raise InputError(f"{what} cannot be given like that.", got=type(given).__name__, accepted=accepted, hint=hint)


def as_model(model: ModelLike) -> ModelBundle:
    """A model from the name of one that ships, from its folder, or as it is.

    Raises
    ------
    InputError
        If there is neither a model of that name nor such a folder, or the folder holds none.

    Examples
    --------
    >>> as_model("nuclei2d").spec.ndim
    2
    """
    if isinstance(model, ModelBundle):
        return model
    _check_name(model, "A model", "a ModelBundle, the name of a model that ships, or the folder of a model")
    shipped = shipped_bundles()
    if str(model) in shipped:
        return load_bundle(shipped[str(model)])
    if not exists(model):
        known = ", ".join(shipped) or "no model comes with this package"
        raise InputError(f"There is no model '{model}'.", accepted=f"{known}, or the folder of a model")
    return load_bundle(model)


def as_segmentation(
    labels: LabelsLike,
    *,
    task: Task | str | None = None,
    classes: ClassTable | Sequence[str] | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Segmentation:
    """A segmentation from an array, a path or a segmentation.

    Parameters
    ----------
    labels : Segmentation, array-like of int, or path
    task : Task or str, optional
        What the numbers of an array, or of a file without a recipe, are; INSTANCE by default.
    classes : ClassTable or sequence of str, optional
        Of an array, or of a file without a recipe.
    axes : str, optional
        Order of the axes of an array, from "TZYX"; by default its last ones of Z, Y, X.
    spacing : sequence of float, optional
        Voxel size along the spatial axes; wins over what a file says.
    unit : str, optional

    Returns
    -------
    Segmentation

    Raises
    ------
    InputError
        If a file cannot be read, an array is no label image, or axes or spacing do not fit.
    """
    table = class_table(classes, task)
    check_spacing(spacing)
    if isinstance(labels, str | Path):
        found = read_segmentation(labels, task=task, classes=table)
    elif isinstance(labels, Segmentation):
        found = labels
    else:
        found = _from_array(np.asarray(labels), Task(task or Task.INSTANCE), table, axes)
        axes = None
    if axes is not None:
        check_axes(axes.upper(), len(found.labels.shape))
        old = dict(zip([a for a in found.axes if a in "ZYX"], found.spacing, strict=True))
        order = axes.upper()
        found = replace(found, axes=order, spacing=tuple(old.get(a, 1.0) for a in order if a in "ZYX"))
    size = tuple(float(s) for s in spacing) if spacing is not None else found.spacing
    if len(size) != len(found.spacing) or not all(np.isfinite(s) and s > 0 for s in size):
        raise InputError(
            f"The {pixel(len(found.spacing))} size does not fit the labels.",
            got=f"{size} for the axes '{found.axes}'",
            accepted="one positive number for each spatial axis",
        )
    return replace(found, spacing=size, unit=unit or found.unit)


def _from_array(labels: np.ndarray, task: Task, classes: ClassTable | None, axes: str | None) -> Segmentation:
    if labels.dtype == bool:
        labels = labels.astype(np.uint8)
    if labels.dtype.kind not in "ui" or labels.ndim not in (2, 3, 4) or (labels.size and labels.min() < 0):
        raise InputError(
            "The array is not a label image.",
            got=f"{labels.dtype} of shape {labels.shape}",
            accepted="whole numbers from 0, axes Y, X with Z and T before them",
        )
    order = axes.upper() if axes else "TZYX"[4 - labels.ndim :]
    most = int(labels.max(initial=0))
    if classes is None:
        names = [f"class {i}" for i in range(1, most + 1)] if task is Task.SEMANTIC else ["object"]
        classes = class_table(names, task) or ClassTable.named(["object"])
    table = ObjectTable.of(labels)
    if task is Task.SEMANTIC:
        table = ObjectTable(table.label, table.label.copy(), table.score, table.status)
    return Segmentation(task, labels, table, classes, order, (1.0,) * sum(a in "ZYX" for a in order))


def class_table(
    classes: ClassTable | Sequence[str] | Mapping[str, str] | None,
    task: Task | str | None = None,
    stuff: Sequence[str] = (),
) -> ClassTable | None:
    """A table of classes from their names.

    Parameters
    ----------
    classes : ClassTable, sequence of str, or mapping of str to str, optional
        Names of the classes 1, 2 …, with "thing" or "stuff" for each in a mapping.
    task : Task or str, optional
        SEMANTIC makes all of them stuff.
    stuff : sequence of str
        Names of those that are not counted one by one.

    Raises
    ------
    InputError
        If a name of `stuff` is none of the classes.

    Examples
    --------
    >>> [c.name for c in class_table(["axon", "myelin"])]
    ['background', 'axon', 'myelin']
    """
    if isinstance(classes, ClassTable):
        return classes
    if isinstance(classes, str):
        raise InputError("Classes must be a list of names.", got=f"'{classes}'", accepted=f"['{classes}']")
    wrong = sorted(set(stuff) - set(classes or ()))
    if wrong:
        raise InputError(
            "The areas (stuff) must also be among the classes.", got=", ".join(wrong), accepted=", ".join(classes or ())
        )
    if not classes:
        return None
    usual = Kind.STUFF if task is not None and Task(task) is Task.SEMANTIC else Kind.THING
    kinds = {n: Kind(k) for n, k in classes.items()} if isinstance(classes, Mapping) else {}
    kinds |= dict.fromkeys(stuff, Kind.STUFF)
    rows = [
        ClassInfo(c.id, c.name, c.color, kinds.get(c.name, c.kind)) for c in ClassTable.named(tuple(classes), usual)
    ]
    return ClassTable(tuple(rows))


def as_corrections(
    corrections: CorrectionsLike,
    task: Task | None = None,
    classes: ClassTable | None = None,
    image: Image | None = None,
    say: Callable[[Note], object] | None = None,
) -> Corrections:
    """Corrections from a label array (0 unknown, 65535 background), from such a file, or as they are.

    Parameters
    ----------
    corrections : Corrections, array or path
        The table beside a file, ``<stem>.objects.csv``, says the class of each painted object.
    task, classes : optional
        What is to be learnt from them.
    image, say : optional
        As of :func:`napari_segplugin.io.pairs.open_labels`, for a file.
    """
    from napari_segplugin.data.corrections import Corrections
    from napari_segplugin.io.object_classes import read_object_classes, table_beside
    from napari_segplugin.io.pairs import open_labels

    if isinstance(corrections, Corrections):
        return corrections
    if not isinstance(corrections, str | Path):
        return Corrections(np.asarray(corrections))
    paint, table = open_labels(corrections, image, say), table_beside(corrections)
    if table is None or classes is None or task is Task.SEMANTIC or len(classes) == 2:
        return Corrections(paint)
    return Corrections(paint, painted_class=read_object_classes(table, paint, classes))


def as_recipe(technique: ClassicalRecipe | PathLike, settings: Mapping[str, Json] | None = None) -> ClassicalRecipe:
    """A classical recipe from the name of a technique, the name or the file of a recipe, or as it is.

    Parameters
    ----------
    technique : ClassicalRecipe, str or path
    settings : mapping, optional
        Settings of the technique; they go with the name of a technique only.

    Raises
    ------
    InputError
        If there is no technique, recipe or file of that name, or settings come with a recipe.

    Examples
    --------
    >>> as_recipe("threshold", {"method": "li"}).parameters
    {'method': 'li'}
    """
    from napari_segplugin.classical import TECHNIQUES

    settings = dict(settings or {})
    if not isinstance(technique, ClassicalRecipe):
        accepted = "the name of a technique or of a recipe, the file of a recipe, or a ClassicalRecipe"
        _check_name(technique, "A technique", accepted)
    if isinstance(technique, str) and technique in TECHNIQUES:
        return ClassicalRecipe(technique, settings)
    if settings:
        raise InputError(
            "Settings can only be given with the name of a technique.",
            got=f"'{technique}' with {', '.join(settings)}",
            accepted=", ".join(TECHNIQUES.names()),
        )
    if isinstance(technique, ClassicalRecipe):
        return technique
    recipes = shipped_recipes()
    if str(technique) not in recipes and not exists(technique):
        raise InputError(
            f"There is no technique or recipe '{technique}'.",
            accepted=f"techniques {', '.join(TECHNIQUES.names())}; recipes {', '.join(recipes)}, or a file",
        )
    return load_recipe(technique)


__all__ = [
    "ChannelsLike",
    "CorrectionsLike",
    "ImageLike",
    "LabelsLike",
    "ModelLike",
    "PathLike",
    "as_corrections",
    "as_image",
    "as_model",
    "as_recipe",
    "as_segmentation",
    "class_table",
]
