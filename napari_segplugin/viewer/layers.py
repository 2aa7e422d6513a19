"""napari layers to our types and back. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, TypedDict, cast

import numpy as np
from napari import current_viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer

from napari_segplugin.core import Image, InputError, Segmentation, Task, check_axes, guess_axes, to_json
from napari_segplugin.core.types import Array, JsonDict, json_integers, json_object
from napari_segplugin.data.nodata import known_range
from napari_segplugin.viewer.colors import class_colormap
from napari_segplugin.viewer.geometry import label_axes, placement, to_layer_order
from napari_segplugin.viewer.light import quick_outlines
from napari_segplugin.viewer.space import about_layer, place_of_layer, remembered, scene_for, shown_at, view_axes
from napari_segplugin.viewer.table import Features

if TYPE_CHECKING:
    from napari.utils.colormaps import DirectLabelColormap
    from pandas import DataFrame

UNITS = {
    "micrometer": "um",
    "nanometer": "nm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "angstrom": "angstrom",
    "degree": "deg",
}
BACKGROUND_COLOR = "#e03131"
"""Colour of painted background in a corrections layer: a clear "no", and none of the class colours."""
_CHOICES = {
    2: ("YX", "XY"),
    3: ("ZYX", "CYX", "TYX", "YXC", "XYZ"),
    4: ("CZYX", "ZCYX", "TZYX", "TCYX", "CTYX", "ZYXC", "TYXC"),
    5: ("TCZYX", "CTZYX", "TZCYX", "TZYXC"),
}
_WORDS = {"T": "time", "C": "channels", "Z": "depth", "Y": "rows", "X": "columns"}


class LayerOptions(TypedDict, total=False):
    """What goes with the array of a layer, as napari hands it to writers and takes it from readers."""

    name: str
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    rotate: np.ndarray
    shear: np.ndarray
    affine: np.ndarray
    units: tuple[str, ...]
    axis_labels: tuple[str, ...]
    rgb: bool
    contrast_limits: tuple[float, float]
    multiscale: bool
    visible: bool
    metadata: JsonDict
    features: Features | DataFrame
    colormap: DirectLabelColormap


LayerData: TypeAlias = tuple[Array | list[Array], LayerOptions, str]
"""A layer as napari's plugins return it: array (of a pyramid a list of them, the finest first), options, kind."""


def level0(layer: Layer) -> Array:
    """The array of a layer; of a pyramid the finest level."""
    return cast("Array", layer.data[0] if layer.multiscale else layer.data)


def axes_words(axes: str) -> str:
    """An axis order for a person who has never seen "TCZYX".

    Examples
    --------
    >>> axes_words("ZYX")
    'ZYX (depth, rows, columns)'
    """
    return f"{axes} ({', '.join(_WORDS[a] for a in axes)})"


def axes_of_layer(layer: Layer) -> tuple[str, str]:
    """The axis order of a layer's array, and the question to ask where it is in doubt.

    Names on the layer's axes ("z", "y", "x") are taken as they are; without names the shape is looked at.

    Parameters
    ----------
    layer : napari.layers.Image

    Returns
    -------
    axes : str
    doubt : str
        Empty where the answer is certain.

    Raises
    ------
    InputError
        If the array has fewer than two or more than five dimensions.
    """
    rgb = bool(getattr(layer, "rgb", False))
    shape = tuple(int(n) for n in level0(layer).shape)
    named = "".join(str(a).strip().upper() for a in layer.axis_labels) + ("C" if rgb else "")
    try:
        check_axes(named, len(shape))
    except InputError:
        return guess_axes(shape, rgb=rgb)
    return named, ""


def axes_choices(shape: Sequence[int], rgb: bool = False) -> tuple[str, ...]:
    """Plausible axis orders for an array of this shape, the likeliest first."""
    guess, _ = guess_axes(tuple(shape), rgb=rgb)
    if rgb:
        more: tuple[str, ...] = {3: (), 4: ("ZYXC", "TYXC"), 5: ("TZYXC",)}.get(len(shape), ())
    else:
        more = _CHOICES[len(shape)]
    return tuple(dict.fromkeys((guess, *more)))


def spacing_of_layer(layer: Layer, axes: str) -> tuple[tuple[float, ...], str]:
    """Voxel size along the spatial axes of `axes`, in that order, and its unit."""
    pairs = [(float(abs(s)), str(u)) for s, u, a in zip(layer.scale, layer.units, axes, strict=False) if a in "ZYX"]
    names = {u for _, u in pairs}
    unit = UNITS.get(u, u) if len(names) == 1 and (u := names.pop()) else "pixel"
    return tuple(s for s, _ in pairs), unit


def source_of(layer: Layer) -> str:
    """The path of the file that a layer came from; empty where it came from none."""
    path = str(getattr(getattr(layer, "source", None), "path", None) or "")
    return path or str(about_layer(layer).get("source", ""))


def layer_to_image(
    layer: ImageLayer, axes: str | None = None, spacing: Sequence[float] = (), unit: str | None = None
) -> Image:
    """The image of a layer; its array is not copied. A pyramid gives its finest level.

    Parameters
    ----------
    layer : napari.layers.Image
    axes : str, optional
        Axis order of the array; what the layer says, or the likeliest, by default.
    spacing : sequence of float, optional
        Voxel size along the spatial axes in the order of `axes`; the layer's scale by default.
    unit : str, optional
        Unit of `spacing`; the layer's by default.

    Returns
    -------
    Image

    Raises
    ------
    InputError
        If the axes do not fit, the image is empty or its values cannot be segmented.

    Examples
    --------
    >>> from napari.layers import Image as ImageLayer
    >>> layer_to_image(ImageLayer(np.zeros((8, 9)), scale=(0.5, 0.5), name="cells")).describe()
    'Y 8 × X 9 · pixel size 0.5 × 0.5 pixel · float64'
    """
    array = level0(layer)
    axes = axes or axes_of_layer(layer)[0]
    check_axes(axes, len(array.shape))
    own, own_unit = spacing_of_layer(layer, axes)
    meta = {k: v for k, v in about_layer(layer).items() if k not in ("place", "scene")}
    shown = axes[:-1] if getattr(layer, "rgb", False) else axes
    return Image(
        array,
        axes,
        tuple(spacing) or own,
        unit or own_unit,
        name=str(layer.name),
        source=source_of(layer),
        metadata=meta,
        place=place_of_layer(layer, shown),
    )


def image_to_layer(image: Image) -> LayerData:
    """Layer data of an image that was read from a file: place, scale, units and axis names are filled in.

    A channel axis moves to the front, so that labels without channels lie over the image. The spatial axes of a volume of
    a patient are put into the order of his axes; they keep their names.

    Returns
    -------
    tuple
        (array, keyword arguments, "image").
    """
    array, axes = image.array, image.axes
    rgb = axes.endswith("C") and image.n_channels in (3, 4) and np.dtype(array.dtype) == np.uint8
    wanted = (
        "C" * ("C" in axes and not rgb) + "T" * ("T" in axes) + view_axes(image.place, image.spatial_axes) + "C" * rgb
    )
    if wanted != axes and (image.place is not None or "C" in axes[1:]):
        array, axes = _transpose(array, [axes.index(a) for a in wanted]), wanted
    sizes = dict(zip(image.spatial_axes, image.spacing, strict=True))
    shown = axes[:-1] if rgb else axes
    doubt = str(image.metadata.get("axes_doubt", ""))
    meta = {k: v for k, v in image.metadata.items() if k != "axes_doubt"}
    kwargs: LayerOptions = {
        "name": image.name,
        "scale": tuple(sizes.get(a, 1.0) for a in shown),
        "units": tuple(image.unit if a in "ZYX" else "pixel" for a in shown),
        "rgb": rgb,
        "metadata": {"segplugin": {**meta, "source": image.source}},
    }
    if image.place is not None:
        scene = scene_for(image.place, current_viewer()) if _volume_of_a_patient(image) else None
        kwargs |= shown_at(image.place, shown, np.eye(4) if scene is None else scene)
        kwargs["metadata"]["segplugin"] = {**meta, "source": image.source, **remembered(image.place, scene)}
    window = image.metadata.get("window") or known_range(image)
    if isinstance(window, list | tuple) and len(window) == 2 and not rgb:
        low, high = float(str(window[0])), float(str(window[1]))
        kwargs |= {"contrast_limits": (low, high)} if low < high else {}
    if not doubt:
        kwargs["axis_labels"] = tuple(a.lower() for a in shown)
    return _with_levels(image, array, kwargs)


def _with_levels(image: Image, array: Array, kwargs: LayerOptions) -> LayerData:
    """The layer with the coarser levels of its image, each turned as the finest was."""
    if not image.levels:
        return array, kwargs, "image"
    levels = [cast("Array", image_to_layer(replace(image, array=level))[0]) for level in image.levels]
    return [array, *levels], {**kwargs, "multiscale": True}, "image"


def _volume_of_a_patient(image: Image) -> bool:
    return image.ndim == 3 and image.place is not None and image.place.frame == "patient"


def _transpose(array: Array, order: list[int]) -> Array:
    """A transposed view; a zarr array, which has none, becomes a lazy dask array."""
    if hasattr(array, "transpose"):
        moved: Array = array.transpose(order)
        return moved
    import dask.array

    return cast("Array", dask.array.from_array(array, chunks="auto").transpose(order))


def count_labels(labels: Array) -> dict[int, int]:
    """Voxels of each label but 0, plane by plane, so that a large volume needs little memory."""
    total: dict[int, int] = {}
    planes = (labels[i] for i in range(labels.shape[0])) if len(labels.shape) > 2 else iter((labels,))
    for plane in planes:
        array = np.asarray(plane)
        if array.dtype.kind == "u" and array.itemsize <= 2:  # few numbers: counted without being sorted
            found = np.bincount(array.ravel())
            values = np.flatnonzero(found)
            counts = found[values]
        else:
            values, counts = np.unique(array, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            if value:
                total[value] = total.get(value, 0) + count
    return total


def features_of(segmentation: Segmentation) -> Features:
    """The features table of a result: class, size in physical units, score and status of each label.

    Parameters
    ----------
    segmentation : Segmentation

    Returns
    -------
    dict of str to list
        Columns "index" (how napari finds a label's row), "label", "class", "area (unit²)" or "volume (unit³)",
        "score", "status". The first row is the background.
    """
    counts = count_labels(segmentation.labels)
    voxel = segmentation.voxel_size
    power = {2: ("area", "²"), 3: ("volume", "³")}[len(segmentation.spacing)]
    unit = "µm" if segmentation.unit == "um" else segmentation.unit
    size = f"{power[0]} ({unit}{power[1]})"
    names = {c.id: c.name for c in segmentation.classes}
    table = segmentation.objects
    labels = [int(n) for n in table.label]
    return {
        "index": [0, *labels],
        "label": [0, *labels],
        "class": [names[0], *(names.get(int(c), "?") for c in table.class_id)],
        size: [float("nan"), *(counts.get(n, 0) * voxel for n in labels)],
        "score": [float("nan"), *(float(s) for s in table.score)],
        "status": ["", *table.status],
    }


def segmentation_to_layer(
    segmentation: Segmentation,
    like: ImageLayer,
    axes: str,
    *,
    features: Features | DataFrame | None = None,
    name: str | None = None,
) -> Labels:
    """The labels layer of a result, lying exactly over its image layer.

    Parameters
    ----------
    segmentation : Segmentation
        Labels in canonical order; ``recipe["origin"]``, where there is one, is their first voxel.
    like : napari.layers.Image
        The image layer: its transform, units and axis names are taken over.
    axes : str
        Axes of the array of `like`.
    features : dict or DataFrame, optional
        What :func:`features_of` returned; worked out here if not given.
    name : str, optional

    Returns
    -------
    napari.layers.Labels
    """
    rgb = bool(getattr(like, "rgb", False))
    if segmentation.axes != label_axes(axes):
        raise InputError(
            "The result does not fit the image layer.",
            got=f"axes '{segmentation.axes}' for an image with '{axes}'",
            hint="Choose the image that the result was made from.",
        )
    spatial = json_integers(segmentation.recipe.get("origin"))
    missing = len(segmentation.axes) - len(spatial)
    origin = (0,) * missing + spatial if spatial else ()
    labels = segmentation.labels if hasattr(segmentation.labels, "transpose") else np.asarray(segmentation.labels)
    ordered = to_layer_order(cast("np.ndarray", labels), axes, rgb)  # a dask array is moved like one of NumPy
    layer = Labels(
        ordered,
        name=name or segmentation.name,
        features=features_of(segmentation) if features is None else features,
        metadata={"recipe": dict(segmentation.recipe), "segplugin": _about(segmentation, axes, like)},
        colormap=class_colormap(segmentation) if segmentation.task is Task.SEMANTIC else None,
        **placement(like, axes, origin),
    )
    quick_outlines(layer)
    return layer


def _about(segmentation: Segmentation, axes: str, like: ImageLayer) -> JsonDict:
    """What a layer of a result remembers."""
    about: JsonDict = {
        "task": str(segmentation.task),
        "axes": segmentation.axes,
        "classes": to_json(segmentation.classes),
    }
    if segmentation.place is not None:
        about["place"] = segmentation.place.to_json()
    if "scene" in about_layer(like):
        about["scene"] = about_layer(like)["scene"]
    return about


def opened_labels(segmentation: Segmentation) -> LayerData:
    """Layer data of a segmentation that was read from a file by itself, with classes and scores as features."""
    axes = segmentation.axes
    s = segmentation
    image = Image(np.asarray(s.labels), axes, s.spacing, s.unit, name=s.name, place=s.place)
    array, placed, _ = image_to_layer(image)
    about: JsonDict = {
        **json_object(placed["metadata"]["segplugin"]),
        "task": str(s.task),
        "axes": axes,
        "classes": to_json(s.classes),
    }
    kwargs: LayerOptions = {
        **placed,
        "features": features_of(segmentation),
        "metadata": {"segplugin": about, "recipe": dict(s.recipe)},
    }
    del kwargs["rgb"]
    if segmentation.task is Task.SEMANTIC:
        kwargs["colormap"] = class_colormap(segmentation)
    return array, kwargs, "labels"


def segmentation_to_layers(segmentation: Segmentation, like: ImageLayer, axes: str | None = None) -> list[LayerData]:
    """The same as :func:`segmentation_to_layer`, as the layer data tuples that napari's plugins return."""
    layer = segmentation_to_layer(segmentation, like, axes or axes_of_layer(like)[0])
    return [layer.as_layer_data_tuple()]
