"""Images and labels as training samples: whether they fit, planes of volumes, and which are held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_segplugin.core import ClassTable, Image, InputError, Sample, Task
from napari_segplugin.core.words import pixel
from napari_segplugin.data.nodata import absent

SINGLE = "There is only one image, so nothing is kept aside for checking, and the last state is kept."


def make_sample(
    image: Image,
    labels: np.ndarray,
    task: Task,
    classes: ClassTable,
    *,
    kinds: np.ndarray | None = None,
    ignore: int | None = None,
) -> Sample:
    """Put an image and its labels together as a training sample.

    Parameters
    ----------
    image : Image
        Without a T axis.
    labels : (Z, Y, X) or (Y, X) ndarray of int
        SEMANTIC: class numbers. INSTANCE, PANOPTIC: object numbers, 0 where there is no object.
    task : Task
    classes : ClassTable
    kinds : (Z, Y, X) or (Y, X) ndarray of int, optional
        INSTANCE, PANOPTIC: class of each voxel. May be left out where there is one class: objects are of it then.
    ignore : int, optional
        The number (in `kinds` where given, otherwise in `labels`) of voxels whose truth is unknown.

    Returns
    -------
    Sample

    Raises
    ------
    InputError
        If the image is a time series, shapes differ, a class number is not in the table, or there are several classes
        and nothing says which one an object is of.
    """
    if image.n_frames > 1:
        raise InputError(
            f"'{image.name}' is a time series.",
            got=f"{image.n_frames} time points",
            hint="Save single time points; if the first axis is depth, set it so.",
            setting="axes",
        )
    for word, array in (("labels", labels), ("classes", kinds)):
        if array is not None and array.shape != image.spatial_shape:
            raise InputError(
                f"The {word} of '{image.name}' do not fit the image.",
                got=f"labels of {array.shape} for an image of {image.spatial_shape}",
                hint=f"Each {pixel(image.ndim)} needs a label; check the axes.",
            )
    objects = None if task is Task.SEMANTIC else labels
    target = labels if objects is None else kinds
    if target is None:
        if len(classes) > 2 and (labels != 0).any():
            raise InputError(
                f"The labels of '{image.name}' are objects, and their classes are not given.",
                accepted=f"the class of each {pixel(image.ndim)}: "
                f"{', '.join(f'{c.id} ({c.name})' for c in classes.classes[1:])}",
                hint="Put label images of the classes beside them, in a folder classes/, or use a single class.",
            )
        target = np.where(labels > 0, 1, 0)
        unknown = np.zeros(labels.shape, bool) if ignore is None else labels == ignore
    else:
        unknown = np.zeros(target.shape, bool) if ignore is None else target == ignore
        _check_classes(target[~unknown], classes, image.name)
    lost = absent(image.frame(0))
    unknown = unknown if lost is None else unknown | lost
    if objects is not None:
        # a region of an area may have a number in the file; it is no object
        areas = [c.id for c in classes if c.id not in classes.thing_ids] if classes.thing_ids else [0]
        objects = np.where(unknown | np.isin(target, areas), 0, objects).astype(np.int64)
    return Sample(
        image.frame(0), np.where(unknown, 0, target).astype(np.int64), objects, ~unknown if unknown.any() else None
    )


def _check_classes(values: np.ndarray, classes: ClassTable, name: str) -> None:
    present = np.unique(values)
    outside = present[(present < 0) | (present >= len(classes))]
    if outside.size:
        shown = ", ".join(str(int(v)) for v in outside[:5]) + (" …" if outside.size > 5 else "")
        raise InputError(
            f"The labels of '{name}' have values that are not classes.",
            got=shown,
            accepted=", ".join(f"{c.id} {c.name}" for c in classes),
            hint="Name more classes, or ignore this value; if they are object numbers, train for objects.",
            setting="classes",
        )


def planes_of(sample: Sample) -> list[Sample]:
    """The planes of a volume as samples of their own, for a network that works in 2D."""
    if sample.image.ndim == 2:
        return [sample]

    def at(array: np.ndarray | None, z: int) -> np.ndarray | None:
        return None if array is None else array[z]

    depth = sample.image.spatial_shape[0]
    return [
        Sample(
            sample.image.plane(z),
            sample.classes[z],
            at(sample.instances, z),
            at(sample.known, z),
            at(sample.shape_known, z),
            tuple(box[1:] for box in sample.boxes if box[0].start <= z < box[0].stop),
        )
        for z in range(depth)
    ]


def check_share(share: float) -> None:
    """Raise unless a share to judge on leaves something to learn from."""
    if not 0 <= share < 1:
        raise InputError("The fraction of images to check on must be from 0 to below 1.", got=share)


def hold_out(samples: Sequence[Sample], share: float, seed: int, ndim: int) -> tuple[list[Sample], list[Sample]]:
    """Part samples into those to learn from and those to judge on, before volumes fall into planes.

    Neighbouring planes of a volume are nearly the same picture: whole images are held out, and of a single volume its last
    planes in one piece.

    Parameters
    ----------
    samples : sequence of Sample
    share : float
        Of the samples to judge on, 0 <= share < 1. At least one is held out if it is not 0, and one left to learn from.
    seed : int
    ndim : int
        Dimensions of the network; with 2, volumes come back as planes.

    Returns
    -------
    learn, judge : list of Sample

    Raises
    ------
    InputError
        If the share is not below 1.

    Examples
    --------
    >>> samples = [Sample(Image(np.zeros((4, 4)), "YX"), np.zeros((4, 4), int)) for _ in range(10)]
    >>> [len(part) for part in hold_out(samples, 0.2, 0, 2)]
    [8, 2]
    """
    check_share(share)
    parts: tuple[list[Sample], list[Sample]]
    if share == 0 or (len(samples) == 1 and (ndim == 3 or samples[0].image.ndim == 2)):
        parts = (list(samples), [])
    elif len(samples) == 1:
        planes = planes_of(samples[0])
        count = min(len(planes) - 1, max(1, round(share * len(planes))))
        return planes[: len(planes) - count], planes[len(planes) - count :]
    else:
        order = np.random.default_rng(seed).permutation(len(samples))
        held = set(order[: min(len(samples) - 1, max(1, round(share * len(samples))))].tolist())
        parts = (
            [s for i, s in enumerate(samples) if i not in held],
            [s for i, s in enumerate(samples) if i in held],
        )
    if ndim == 3:
        return parts
    return [p for s in parts[0] for p in planes_of(s)], [p for s in parts[1] for p in planes_of(s)]


def smallest_object(samples: Sequence[Sample]) -> int:
    """Half the size that 99 of 100 training objects exceed, in voxels; 0 where there are no objects."""
    counts = [
        np.unique(s.instances[s.instances > 0], return_counts=True)[1] for s in samples if s.instances is not None
    ]
    sizes = np.concatenate(counts) if counts else np.zeros(0)
    return int(np.percentile(sizes, 1) / 2) if sizes.size else 0


__all__ = ["SINGLE", "check_share", "hold_out", "make_sample", "planes_of"]
