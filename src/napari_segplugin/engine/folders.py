"""Which image goes with which labels, whether they fit, and which are held out: from a folder, or from arrays. Reads no image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_segplugin.core import ClassTable, Image, InputError, Sample, Task
from napari_segplugin.io import read_labels
from napari_segplugin.io.formats import stem_of

IMAGE_FOLDERS = ("images", "image")
LABEL_FOLDERS = ("masks", "labels", "mask", "label")
CLASS_FOLDERS = ("classes",)
IMAGE_ENDS = ("_image", "_img")
LABEL_ENDS = ("_labels", "_label", "_masks", "_mask")
_BESIDE = (".json", ".txt", ".md", ".csv", ".xml", ".yaml", ".yml", ".html", ".pdf", ".log")
SINGLE = "There is a single image, so nothing is held out and the last state is kept."
_LAYOUT = "images/ and masks/ (or labels/) with the same names, or pairs NAME_image.* and NAME_labels.*"


@dataclass(frozen=True)
class Pair:
    """An image file and its labels.

    Parameters
    ----------
    name : str
        What both have in common.
    image, labels : Path
    classes : Path, optional
        Class of each voxel, where `labels` holds object numbers and there is more than one class.
    """

    name: str
    image: Path
    labels: Path
    classes: Path | None = None


def find_pairs(folder: str | Path) -> list[Pair]:
    """Match the images of a folder with their labels.

    Parameters
    ----------
    folder : path
        Holds ``images/`` and ``masks/`` (or ``labels/``) with the same names, or pairs ``NAME_image.*`` and
        ``NAME_labels.*``. Names are compared without extension and without these ends. A folder ``classes/`` beside
        them gives the class of each voxel. Text, JSON and hidden files are passed over.

    Returns
    -------
    list of Pair
        Sorted by name.

    Raises
    ------
    InputError
        If the folder is missing or laid out differently, a name stands twice, or a file has no partner.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise InputError("There is no such folder.", got=f"'{place}'", accepted=_LAYOUT)
    images, labels = _inner(place, IMAGE_FOLDERS), _inner(place, LABEL_FOLDERS)
    if images is not None and labels is not None:
        pairs = _join(
            _by_name(_files(images), IMAGE_ENDS), _by_name(_files(labels), LABEL_ENDS), images.name, labels.name
        )
    else:
        pairs = _join(*_by_ends(place), "the images", "the labels")
    if not pairs:
        raise InputError(f"There are no images with labels in '{place.name}'.", accepted=_LAYOUT)
    kinds = _inner(place, CLASS_FOLDERS)
    if kinds is None:
        return pairs
    of = _by_name(_files(kinds), LABEL_ENDS)
    _check_partners([p.name for p in pairs], of, "the images", kinds.name)
    return [Pair(p.name, p.image, p.labels, of[p.name]) for p in pairs]


def match_names(first: Iterable[Path], second: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Pair files of two folders by name, without extension and without "_labels" and the like.

    Raises
    ------
    InputError
        If a name stands twice or a file has no partner.
    """
    one, other = (_by_name(list(files), LABEL_ENDS) for files in (first, second))
    _check_partners(list(one), other, "the predictions", "the truth")
    _check_partners(list(other), one, "the truth", "the predictions")
    return [(one[name], other[name]) for name in sorted(one)]


def list_files(folder: str | Path) -> list[Path]:
    """The files of a folder that may be images: no hidden ones, no text, no recipes."""
    return _files(Path(folder))


def _inner(place: Path, names: Sequence[str]) -> Path | None:
    """The first folder of one of these names, however it is capitalised."""
    found = {p.name.lower(): p for p in place.iterdir() if p.is_dir()}
    return next((found[n] for n in names if n in found), None)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.suffix.lower() not in _BESIDE)


def _short(name: str, ends: Sequence[str]) -> str:
    """The name without the first of the ends that fits."""
    return next((name[: -len(e)] for e in ends if name.lower().endswith(e) and len(name) > len(e)), name)


def _by_name(files: Sequence[Path], ends: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        name = _short(stem_of(path), ends)
        if name in found:
            raise InputError(
                f"Two files have the name '{name}'.",
                got=f"'{found[name].name}' and '{path.name}'",
                hint="Keep one of them, or give each its own name.",
            )
        found[name] = path
    return found


def _by_ends(place: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Images and labels that lie in one folder and differ by the end of their names."""
    groups: list[list[Path]] = [[], []]
    for path in _files(place):
        stem = stem_of(path).lower()
        for group, ends in zip(groups, (IMAGE_ENDS, LABEL_ENDS), strict=True):
            if stem.endswith(ends):
                group.append(path)
    return _by_name(groups[0], IMAGE_ENDS), _by_name(groups[1], LABEL_ENDS)


def _join(images: dict[str, Path], labels: dict[str, Path], word: str, other: str) -> list[Pair]:
    _check_partners(list(images), labels, word, other)
    _check_partners(list(labels), images, other, word)
    return [Pair(name, images[name], labels[name]) for name in sorted(images)]


def _check_partners(names: Sequence[str], partners: dict[str, Path], word: str, other: str) -> None:
    alone = sorted(set(names) - set(partners))
    if alone:
        shown = ", ".join(f"'{n}'" for n in alone[:5]) + (f" and {len(alone) - 5} more" if len(alone) > 5 else "")
        raise InputError(
            f"{len(alone)} of {word} {'has' if len(alone) == 1 else 'have'} no partner in {other}.",
            got=shown,
            hint="Give both the same name, or take them out of the folder.",
        )


def canonical_labels(labels: np.ndarray, axes: str) -> np.ndarray:
    """Labels in the order Z, Y, X (or Y, X).

    Raises
    ------
    InputError
        If there are neither two nor three axes.
    """
    # a file that does not name its axes may have its planes taken for time points; labels of one image have none
    order = axes.replace("T", "Z") if "Z" not in axes else axes
    if len(order) not in (2, 3) or not set("YX") <= set(order) or "T" in order:
        raise InputError(
            "Labels are planes or volumes.", got=f"axes '{axes}'", accepted="Z, Y, X in any order, or Y, X"
        )
    return np.asarray(labels).transpose([order.index(a) for a in "ZYX" if a in order])


def open_labels(path: str | Path) -> np.ndarray:
    """Read labels in canonical order."""
    return canonical_labels(*read_labels(path))


def labels_of(pair: Pair, task: Task) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the labels of a pair, and the class of each voxel where the task has objects and a file says it."""
    labels = open_labels(pair.labels)
    return labels, None if pair.classes is None or task is Task.SEMANTIC else open_labels(pair.classes)


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
        INSTANCE, PANOPTIC: class of each voxel; the first thing class inside objects by default.
    ignore : int, optional
        The number (in `kinds` where given, otherwise in `labels`) of voxels whose truth is unknown.

    Returns
    -------
    Sample

    Raises
    ------
    InputError
        If the image is a time series, shapes differ, or a class number is not in the table.
    """
    if image.n_frames > 1:
        raise InputError(
            f"'{image.name}' is a time series.",
            got=f"{image.n_frames} time points",
            hint="Save single time points, or name the axes if the first one is depth.",
        )
    for word, array in (("labels", labels), ("classes", kinds)):
        if array is not None and array.shape != image.spatial_shape:
            raise InputError(
                f"The {word} of '{image.name}' do not fit the image.",
                got=f"labels of {array.shape} for an image of {image.spatial_shape}",
                hint="Each voxel needs a label; check the axes.",
            )
    objects = None if task is Task.SEMANTIC else labels
    target = labels if objects is None else kinds
    if target is None:
        target = np.where(labels > 0, (classes.thing_ids or (1,))[0], 0)
        unknown = np.zeros(labels.shape, bool) if ignore is None else labels == ignore
    else:
        unknown = np.zeros(target.shape, bool) if ignore is None else target == ignore
        _check_classes(target[~unknown], classes, image.name)
    if objects is not None:
        objects = np.where(unknown, 0, objects).astype(np.int64)
    return Sample(
        image.frame(0), np.where(unknown, 0, target).astype(np.int64), objects, ~unknown if unknown.any() else None
    )


def _check_classes(values: np.ndarray, classes: ClassTable, name: str) -> None:
    present = np.unique(values)
    outside = present[(present < 0) | (present >= len(classes))]
    if outside.size:
        shown = ", ".join(str(int(v)) for v in outside[:5]) + (" …" if outside.size > 5 else "")
        raise InputError(
            f"The labels of '{name}' have values that are no class.",
            got=shown,
            accepted=", ".join(f"{c.id} {c.name}" for c in classes),
            hint="Name more classes, let such a value be ignored, or choose the instance task for object numbers.",
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
        raise InputError("The share to judge on lies between 0 and 1.", got=share)


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


__all__ = [
    "SINGLE",
    "Pair",
    "canonical_labels",
    "check_share",
    "find_pairs",
    "hold_out",
    "labels_of",
    "list_files",
    "make_sample",
    "match_names",
    "open_labels",
    "planes_of",
    "stem_of",
]
