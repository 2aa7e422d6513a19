"""What a person painted: copies of the strokes, the reviewed area, and counts. No Qt, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, InputError, Task
from napari_segplugin.viewer.geometry import label_axes, layer_axes, placement, to_canonical
from napari_segplugin.viewer.layers import BACKGROUND_COLOR, label_colormap_of, level0

NAME, REVIEWED_NAME = "corrections", "reviewed area"


@dataclass(frozen=True, eq=False)
class PaintCopy:
    """Copies of everything that a person corrected, axes `axes` (canonical, no C); nothing here changes any more.

    Parameters
    ----------
    paint : ndarray of uint16
        0 not painted, 65535 background, otherwise class or object number.
    reviewed : ndarray of bool or None
        Where `edited` is right everywhere.
    edited, before : ndarray of int or None
        The result as it is now and as it was predicted.
    axes : str
    object_class : dict of int to int
        Class of each object of `edited`.
    accepted : tuple of int
        Objects of `edited` that were looked at and found right.
    points : (N, ndim) ndarray or None
        Clicks in objects.
    boxes : tuple of tuple of slice
        Boxes around objects.
    nothing : ndarray of bool or None
        Area without anything.
    point_class, box_class : tuple of int
        Class of each click and box; empty means the first.
    """

    paint: np.ndarray
    reviewed: np.ndarray | None
    edited: np.ndarray | None
    before: np.ndarray | None
    axes: str
    object_class: dict[int, int] = field(default_factory=dict)
    accepted: tuple[int, ...] = ()
    points: np.ndarray | None = None
    boxes: tuple[tuple[slice, ...], ...] = ()
    nothing: np.ndarray | None = None
    point_class: tuple[int, ...] = ()
    box_class: tuple[int, ...] = ()

    def frame(self, index: int | None) -> PaintCopy:
        """One time point, without T; None gives everything."""
        if index is None or "T" not in self.axes:
            return self

        def at(array: np.ndarray | None) -> Any:
            return None if array is None else array[index]

        arrays = self.paint[index], at(self.reviewed), at(self.edited), at(self.before)
        here = [] if self.points is None else [i for i, p in enumerate(self.points) if round(float(p[0])) == index]
        boxed = [i for i, b in enumerate(self.boxes) if b[0].start <= index < b[0].stop]
        return PaintCopy(
            *arrays,
            self.axes[1:],
            self.object_class,
            self.accepted,
            None if self.points is None else self.points[here, 1:],
            tuple(self.boxes[i][1:] for i in boxed),
            at(self.nothing),
            tuple(self.point_class[i] for i in here if self.point_class),
            tuple(self.box_class[i] for i in boxed if self.box_class),
        )

    @property
    def empty(self) -> bool:
        """Whether nothing was painted, reviewed or edited."""
        if self.paint.any() or (self.reviewed is not None and self.reviewed.any()):
            return False
        if (
            self.boxes
            or (self.points is not None and len(self.points))
            or (self.nothing is not None and self.nothing.any())
        ):
            return False
        if self.accepted and self.edited is not None and np.isin(self.edited, self.accepted).any():
            return False
        return self.edited is None or self.before is None or np.array_equal(self.edited, self.before)


def label_shape(layer: Any, axes: str) -> tuple[int, ...]:
    """Shape of a label layer that lies over an image layer: without C, or with a C of length one."""
    rgb = bool(getattr(layer, "rgb", False))
    sizes = dict(zip(axes, level0(layer).shape, strict=True))
    return tuple(1 if a == "C" else int(sizes[a]) for a in layer_axes(axes, rgb))


def corrections_layer(like: Any, axes: str, colors: dict[int, str], paint: np.ndarray | None = None) -> Labels:
    """An empty corrections layer over an image layer, ready for the brush.

    Parameters
    ----------
    like : napari.layers.Image
    axes : str
        Axes of the array of `like`.
    colors : dict of int to str
        Colour of each paint value.
    paint : ndarray of uint16, optional
        Strokes to begin with (restored ones), shape :func:`label_shape`.

    Raises
    ------
    InputError
        If `paint` does not have the shape of the image.
    """
    shape = label_shape(like, axes)
    if paint is not None and paint.shape != shape:
        raise InputError(
            "These corrections belong to another image.", got=f"shape {paint.shape} for an image of {shape}"
        )
    layer = Labels(
        np.zeros(shape, np.uint16) if paint is None else np.array(paint, np.uint16),
        name=NAME,
        colormap=label_colormap_of(colors),
        metadata={"segplugin": {"role": "corrections"}},
        **placement(like, axes),
    )
    layer.brush_size = max(3, min(shape[-2:]) // 60)
    layer.selected_label = 1
    return layer


def paint_colors(classes: ClassTable, task: Task) -> dict[int, str]:
    """Colour of each paint value: class colours, or for objects a cycle of the palette, and red for background."""
    from napari_segplugin.core import PALETTE

    if task is Task.SEMANTIC:
        colors = {c.id: c.color for c in classes if c.id}
    else:
        colors = {i: PALETTE[1 + (i - 1) % (len(PALETTE) - 1)] for i in range(1, 256)}
    return {**colors, BACKGROUND_PAINT: BACKGROUND_COLOR}


def reviewed_layer(like: Any, axes: str) -> Shapes:
    """An empty shapes layer over an image: the inside of its shapes is what a person has looked through."""
    where = placement(like, axes)
    return Shapes(
        ndim=len(where["scale"]),
        name=REVIEWED_NAME,
        face_color="transparent",
        edge_color="#56b4e9",
        edge_width=max(1, min(label_shape(like, axes)[-2:]) // 200),
        metadata={"segplugin": {"role": "reviewed"}},
        **where,
    )


def reviewed_mask(shapes: Shapes | None, like: Any, axes: str) -> np.ndarray | None:
    """The inside of the shapes as a mask in canonical order; None where there are none.

    Raises
    ------
    InputError
        If a line or path was drawn, which has no inside.
    """
    if shapes is None or not len(shapes.data):
        return None
    open_kinds = {k for k in shapes.shape_type if k in ("line", "path")}
    if open_kinds:
        raise InputError(
            "The reviewed area has a shape without an inside.",
            got=", ".join(sorted(open_kinds)),
            accepted="rectangles, ellipses and polygons",
            hint="Delete it and draw a rectangle.",
        )
    mask = shapes.to_labels(label_shape(like, axes)) > 0
    return to_canonical(mask, axes, bool(getattr(like, "rgb", False)))


def corrections_from_layers(
    like: Any,
    axes: str,
    *,
    paint: Labels | None = None,
    reviewed: Shapes | None = None,
    result: Labels | None = None,
    before: np.ndarray | None = None,
) -> PaintCopy:
    """Copy everything a person corrected. Call it on the GUI thread: napari paints into the array in place.

    Parameters
    ----------
    like : napari.layers.Image
        The image that was corrected.
    axes : str
        Axes of the array of `like`.
    paint, reviewed, result : layer, optional
        Strokes, reviewed area, and the result as it is now.
    before : ndarray, optional
        The array of `result` as it was predicted.

    Raises
    ------
    InputError
        If a layer does not have the shape of the image.
    """
    shape, rgb = label_shape(like, axes), bool(getattr(like, "rgb", False))
    for layer in (paint, result):
        if layer is not None and tuple(level0(layer).shape) != shape:
            raise InputError(
                f"The layer '{layer.name}' does not lie over the image '{like.name}'.",
                got=f"shape {tuple(level0(layer).shape)} for an image of {shape}",
                hint="Choose the image that it was made for.",
            )

    def canonical(array: Any) -> np.ndarray:
        return to_canonical(np.array(array), axes, rgb)

    strokes = np.zeros(shape, np.uint16) if paint is None else paint.data
    return PaintCopy(
        canonical(strokes),
        reviewed_mask(reviewed, like, axes),
        None if result is None else canonical(result.data),
        None if before is None or result is None else canonical(before),
        label_axes(axes),
    )


def count_paint(array: np.ndarray) -> dict[int, tuple[int, int]]:
    """Strokes and voxels of each paint value; strokes are the connected pieces.

    Returns
    -------
    dict
        value -> (strokes, voxels)

    Examples
    --------
    >>> count_paint(np.array([[1, 1, 0, 1], [0, 0, 0, 2]], np.uint16))
    {1: (2, 3), 2: (1, 1)}
    """
    from scipy import ndimage

    array = np.asarray(array)
    box = _bounding_box(array)
    if box is None:
        return {}
    part = array[box]
    out = {}
    for value in np.unique(part[part != 0]).tolist():
        mask = part == value
        _, strokes = ndimage.label(mask, np.ones((3,) * mask.ndim))
        out[int(value)] = (int(strokes), int(np.count_nonzero(mask)))
    return out


def _bounding_box(array: np.ndarray) -> tuple[slice, ...] | None:
    """The smallest box around everything that is not 0."""
    box = []
    for axis in range(array.ndim):
        used = np.flatnonzero(array.any(axis=tuple(a for a in range(array.ndim) if a != axis)))
        if not len(used):
            return None
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)
