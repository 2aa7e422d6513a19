"""Which image file goes with which labels, by folder and by name, and the labels of a pair in one order of axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_segplugin.core import Image, InputError, Note, Task
from napari_segplugin.io.files import as_path
from napari_segplugin.io.formats import checked_labels, labels_image, stem_of
from napari_segplugin.io.regrid import over

IMAGE_FOLDERS = ("images", "image")
LABEL_FOLDERS = ("masks", "labels", "mask", "label")
CLASS_FOLDERS = ("classes",)
IMAGE_ENDS = ("_image", "_img")
LABEL_ENDS = ("_labels", "_label", "_masks", "_mask")
_BESIDE = (".json", ".txt", ".md", ".csv", ".xml", ".yaml", ".yml", ".html", ".pdf", ".log")
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
    _check_partners(list(one), other, "the predictions", "the ground truth")
    _check_partners(list(other), one, "the ground truth", "the predictions")
    return [(one[name], other[name]) for name in sorted(one)]


def list_files(folder: str | Path) -> list[Path]:
    """The files of a folder that may be images: no hidden ones, no text, no recipes."""
    return _files(Path(folder))


def label_files(folder: str | Path) -> list[Path]:
    """The label files of a folder: where it is laid out as :func:`find_pairs` has it, those alone, else all of it.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp())
    >>> for name in "images", "masks", "classes":
    ...     (place / name).mkdir()
    ...     _ = (place / name / "a.tif").write_bytes(b"")
    >>> [p.parent.name for p in label_files(place)]
    ['masks']
    """
    place = Path(folder).expanduser()
    inner = _inner(place, LABEL_FOLDERS)
    if inner is not None:
        return _files(inner)
    images, labels = _by_ends(place)
    found = list(labels.values()) if images and labels else _files(place)
    return [p for p in found if not (p.is_dir() and p.name.lower() in (*CLASS_FOLDERS, *IMAGE_FOLDERS))]


def classes_beside(labels: Path) -> Path | None:
    """The file that gives the class of each voxel of a label file, from a folder ``classes/`` as training has it.

    Raises
    ------
    InputError
        If there is such a folder and it has no file of that name.
    """
    above = [labels.parent, *([labels.parent.parent] if labels.parent.name.lower() in LABEL_FOLDERS else [])]
    kinds = next((f for f in (_inner(p, CLASS_FOLDERS) for p in above) if f is not None), None)
    if kinds is None:
        return None
    name = _short(stem_of(labels), LABEL_ENDS)
    of = _by_name(_files(kinds), LABEL_ENDS)
    _check_partners([name], of, "the label files", f"{kinds.name}/")
    return of[name]


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
                hint="Keep one of them, or give each one its own name.",
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
            f"{len(alone)} of {word} {'has' if len(alone) == 1 else 'have'} no counterpart in {other}.",
            got=shown,
            hint="Give both the same name, or remove them from the folder.",
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


def open_labels(
    path: str | Path, image: Image | None = None, say: Callable[[Note], object] | None = None
) -> np.ndarray:
    """Read labels in canonical order.

    Parameters
    ----------
    path : path
    image : Image, optional
        What they belong to: where both files lie in a patient, the labels come on its grid.
    say : callable, optional
        Is told what a person has to know of that.
    """
    found = labels_image(path)
    labels = canonical_labels(*checked_labels(found, as_path(path).name))
    if image is None:
        return labels
    labels, note = over(labels, found, image)
    if note and say is not None:
        say(Note(f"'{as_path(path).name}': {note}"))
    return labels


def labels_of(
    pair: Pair, task: Task, image: Image | None = None, say: Callable[[Note], object] | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the labels of a pair, and the class of each voxel where the task has objects and a file says it.

    `image` and `say` as of :func:`open_labels`.
    """
    labels = open_labels(pair.labels, image, say)
    return labels, None if pair.classes is None or task is Task.SEMANTIC else open_labels(pair.classes, image, say)


__all__ = [
    "Pair",
    "canonical_labels",
    "classes_beside",
    "find_pairs",
    "label_files",
    "labels_of",
    "list_files",
    "match_names",
    "open_labels",
]
