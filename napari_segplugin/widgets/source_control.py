"""Images that napari's own reader opened: axes, sizes and unit from the file, which that reader does not take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_segplugin.viewer.layers import image_to_layer, level0

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_segplugin.core import Image
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.step_image import ImageStep

OWN = "napari-segplugin"


class SourceControl:
    """Looks into the file of each image that is chosen, once.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    step : ImageStep
    """

    def __init__(self, desk: Desk, jobs: Jobs, engine: Engine, step: ImageStep) -> None:
        self._desk, self._jobs, self._engine, self._step = desk, jobs, engine, step
        step.changed.connect(self.look)

    def look(self) -> None:
        """Read the file of the chosen layer in a worker, if its sizes may have been left there."""
        layer = self._desk.layer
        if layer is None or self._desk.work_on(layer).read:
            return
        self._desk.work_on(layer).read = True
        path = str(layer.source.path or "")
        if not path or layer.source.reader_plugin == OWN or not untouched(layer) or not Path(path).exists():
            return
        read = self._engine.read_image
        self._jobs.beside(f"look at {path}", lambda: read(path), lambda image: self._take(layer, image), _nothing)

    def _take(self, layer: ImageLayer, image: Image) -> None:
        """Put on the layer what the file says, if it holds the same array and nobody changed the layer meanwhile."""
        desk = self._desk
        if not desk.there(layer) or not untouched(layer) or not same_array(layer, image):
            return
        if not place_as_file(layer, image):
            return
        if desk.layer is layer:
            self._step.follow()
        sizes = " × ".join(f"{s:g}" for s in image.canonical_spacing)
        unit = "µm" if image.unit == "um" else image.unit
        notes = [str(n) for n in image.metadata.get("notes") or ()]  # type: ignore[union-attr]
        text = f"Axes and sizes of “{layer.name}” were taken from its file: {image.axes}, {sizes} {unit}."
        desk.say(" ".join([text, *notes]))


def _nothing(_: object) -> None:
    """A file that cannot be read by us is as good as it was."""


def untouched(layer: ImageLayer) -> bool:
    """Whether nobody has said yet how large the pixels of a layer are and what its axes mean."""
    named = any(len(str(a)) == 1 for a in layer.axis_labels)
    moved = np.any(layer.translate) or not np.allclose(layer.affine.affine_matrix, np.eye(layer.ndim + 1))
    return bool(np.allclose(layer.scale, 1)) and not named and not moved and "segplugin" not in layer.metadata


def same_array(layer: ImageLayer, image: Image) -> bool:
    """Whether an image of a file has the array of a layer: shape and kind of values."""
    own = level0(layer)
    return tuple(own.shape) == tuple(image.array.shape) and np.dtype(own.dtype) == np.dtype(image.array.dtype)


def place_as_file(layer: ImageLayer, image: Image) -> bool:
    """Give a layer, whose array stays as it is, the axes, sizes, unit and place of its file; whether that says anything."""
    _, about, _ = image_to_layer(image)
    rgb = bool(layer.rgb)
    shown = image.axes[:-1] if rgb and image.axes.endswith("C") else image.axes
    doubt = bool(image.metadata.get("axes_doubt"))
    plain = image.unit == "pixel" and all(s == 1 for s in image.spacing) and image.place is None
    if len(shown) != layer.ndim or bool(about["rgb"]) != rgb or (doubt and plain):
        return False
    turned = "".join(about.get("axis_labels", tuple(shown.lower()))).upper() != shown
    sizes = dict(zip(image.spatial_axes, image.spacing, strict=True))
    layer.scale = np.array([sizes.get(a, 1.0) for a in shown])
    layer.units = tuple(image.unit if a in "ZYX" else "pixel" for a in shown)
    for key in ("translate", "rotate", "shear", "affine") if not turned else ():
        if key in about:
            setattr(layer, key, cast("Mapping[str, object]", about)[key])
    if not doubt:
        layer.axis_labels = tuple(shown.lower())
    layer.metadata = {**layer.metadata, **about["metadata"]}
    return True


__all__ = ["SourceControl", "place_as_file", "same_array", "untouched"]
