"""The plain call that orders a result by doubt. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segplugin.core import ClassTable, Image, InputError, Task
from napari_segplugin.door.inputs import ImageLike, LabelsLike, as_image, as_segmentation

if TYPE_CHECKING:
    from napari_segplugin.data.doubt import Queue


def doubtful(
    result: LabelsLike,
    image: ImageLike | None = None,
    *,
    threshold: float = 0.35,
    task: Task | str | None = None,
    classes: ClassTable | Sequence[str] | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> Queue:
    """What to look at first in a result: objects that are most likely wrong, each with a reason, and places where one is missing.

    Shape, size, contacts and light of each object are compared with those of the others of its class. No network is run.

    Parameters
    ----------
    result : Segmentation, array of int, or path
    image : Image, array-like or path, optional
        What the result was made from; an array of the shape of the labels has their axes. Without it only shapes, sizes and
        certainties speak.
    threshold : float
        Doubt from which an entry counts as doubtful, 0 to 1.
    task, classes, axes, spacing
        Of an array, or of a file that does not say them.

    Returns
    -------
    Queue
        ``queue.doubtful`` entries look doubtful and stand first; each has ``label``, ``place``, ``reason``, ``doubt``. Objects that
        the border of the image cuts come last.

    Raises
    ------
    InputError
        If the image has other voxels than the labels, the threshold is not between 0 and 1, or a file cannot be read.

    Examples
    --------
    >>> import napari_segplugin as seg
    >>> image = seg.sample("nuclei2d").image
    >>> queue = seg.doubtful(seg.predict(image, "nuclei2d", progress=False), image)
    >>> queue.doubtful < len(queue), next(iter(queue)).reason.endswith(".")
    (True, True)
    """
    from napari_segplugin.data.queue import queue_of

    if not 0 <= threshold <= 1:
        raise InputError("The threshold of doubt is a share.", got=threshold, accepted="0 to 1")
    found = as_segmentation(result, task=task, classes=classes, axes=axes, spacing=spacing)
    shape = getattr(image, "shape", ())
    same = not isinstance(image, Image | str | Path) and tuple(shape) == tuple(found.labels.shape)
    picture = None if image is None else as_image(image, found.axes if same else None)
    return queue_of(found, picture, threshold=threshold)


__all__ = ["doubtful"]
