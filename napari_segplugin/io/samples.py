"""Small real images with ground truth that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np

from napari_segplugin.core import Image, InputError, Task
from napari_segplugin.io.boundary import read_json
from napari_segplugin.io.formats import read_image, read_labels

_PACKAGE = Path(__file__).parent.parent
_PLACES = (_PACKAGE / "sample_data", _PACKAGE.parent / "sample_data")
"""In an installed package, and in a checkout."""
_SHELF = next((place for place in _PLACES if place.is_dir()), _PLACES[0])


class About(TypedDict):
    """What lies beside the image of a sample."""

    axes: str
    spacing: list[float]
    unit: str
    task: Literal["semantic", "instance", "panoptic"]
    classes: list[str]


@dataclass(frozen=True, eq=False)
class SampleImage:
    """A sample image with what is known of it.

    Parameters
    ----------
    name : str
        One of :func:`sample_names`.
    title : str
        What a person reads in a list.
    image : Image
    truth : ndarray of int, spatial axes of `image`
        What people, or the maker of a synthetic image, marked: object or class numbers.
    corrections : ndarray of int, spatial axes of `image`, or None
        Strokes for a fine-tuning: 0 is not painted, 65535 background.
    task : Task
        What the numbers of `truth` are.
    classes : tuple of str
    licence, attribution, source, note : str
        Under which licence, by whom, which image of theirs, what else to know.
    """

    name: str
    title: str
    image: Image
    truth: np.ndarray
    corrections: np.ndarray | None
    task: Task
    classes: tuple[str, ...]
    licence: str
    attribution: str
    source: str = ""
    note: str = ""


def is_sample(path: Path) -> bool:
    """Whether a path is of a shipped sample, beside which nobody wants a file.

    Examples
    --------
    >>> is_sample(Path("/somewhere/cells.tif"))
    False
    """
    return path.is_relative_to(_SHELF)


def sample_names() -> tuple[str, ...]:
    """Names of the shipped samples.

    Examples
    --------
    >>> "nuclei2d" in sample_names()
    True
    """
    return tuple(p.parent.name for p in sorted(_SHELF.glob("*/sample.json")))


def load_sample(name: str) -> SampleImage:
    """Load a shipped sample.

    Parameters
    ----------
    name : str
        One of :func:`sample_names`.

    Returns
    -------
    SampleImage

    Raises
    ------
    InputError
        If there is no sample of that name, or its files are damaged.

    Examples
    --------
    >>> sample = load_sample("nuclei3d")
    >>> sample.image.axes, sample.image.array.shape == sample.truth.shape
    ('ZYX', True)
    """
    folder = _SHELF / name
    if name not in sample_names():
        raise InputError(f"There is no sample named '{name}'.", accepted=", ".join(sample_names()))
    about = read_json(folder / "sample.json", About)
    image = read_image(folder / "image.tif", axes=about["axes"], spacing=tuple(about["spacing"]), unit=about["unit"])
    extras = {k: folder / f"{k}.tif" for k in ("truth", "corrections")}
    arrays = {k: read_labels(path)[0] if path.is_file() else None for k, path in extras.items()}
    words = {k: str(about.get(k, "")) for k in ("title", "licence", "attribution", "source", "note")}
    if arrays["truth"] is None:
        raise InputError(f"The sample '{name}' has no ground truth.", hint="Reinstall the package.")
    return SampleImage(
        name,
        image=image,
        truth=arrays["truth"],
        corrections=arrays["corrections"],
        task=Task(about["task"]),
        classes=tuple(about["classes"]),
        **words,
    )
