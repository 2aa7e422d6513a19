"""Small real images with ground truth that come with the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_segplugin.core import InputError
from napari_segplugin.io.files import reading
from napari_segplugin.io.formats import read_image, read_labels

_PACKAGE = Path(__file__).parent.parent
_PLACES = (_PACKAGE / "sample_data", _PACKAGE.parent / "sample_data")
"""In an installed package, and in a checkout."""
_SHELF = next((place for place in _PLACES if place.is_dir()), _PLACES[0])


def sample_names() -> tuple[str, ...]:
    """Names of the shipped samples.

    Examples
    --------
    >>> "nuclei2d" in sample_names()
    True
    """
    return tuple(p.parent.name for p in sorted(_SHELF.glob("*/sample.json")))


def load_sample(name: str) -> dict[str, Any]:
    """Load a shipped sample.

    Parameters
    ----------
    name : str
        One of :func:`sample_names`.

    Returns
    -------
    dict
        ``image`` (Image), ``truth`` and ``corrections`` (ndarray of int with the image's spatial axes, or None), and
        what sample.json says: ``title``, ``licence``, ``attribution``, ``task``, ``classes`` (list of names).

    Raises
    ------
    InputError
        If there is no sample of that name, or its files are damaged.

    Examples
    --------
    >>> sample = load_sample("nuclei3d")
    >>> sample["image"].axes, sample["image"].array.shape == sample["truth"].shape
    ('ZYX', True)
    """
    folder = _SHELF / name
    if name not in sample_names():
        raise InputError(f"There is no sample named '{name}'.", accepted=", ".join(sample_names()))
    with reading(folder / "sample.json", "JSON"):
        about = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
        image = read_image(
            folder / "image.tif", axes=about["axes"], spacing=tuple(about["spacing"]), unit=about["unit"]
        )
    extras = {k: folder / f"{k}.tif" for k in ("truth", "corrections")}
    arrays = {k: read_labels(path)[0] if path.is_file() else None for k, path in extras.items()}
    return {**about, "name": name, "image": image, **arrays}
