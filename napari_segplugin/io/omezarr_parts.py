"""What else a zarr holds: the images of plates, wells and converted files, and the labels of an image."""

from __future__ import annotations

import itertools
from pathlib import Path

import zarr

from napari_segplugin.core.types import Json, json_object
from napari_segplugin.io.boundary import reading
from napari_segplugin.io.files import is_zarr
from napari_segplugin.io.omezarr_about import OmeAbout, about_group, objects, part
from napari_segplugin.io.omezarr_store import opened

_MOST_WELLS = 2000
"""Wells that are looked into; the largest plates have 1536."""


def images_in(path: Path) -> list[tuple[str, str]]:
    """The images of a plate, a well or a file with several images.

    Parameters
    ----------
    path : Path
        The folder of a zarr.

    Returns
    -------
    list of (str, str)
        Path inside the zarr, and a line for a person; empty for one image and for what is no zarr.

    Raises
    ------
    InputError
        If the zarr is damaged.
    """
    if not is_zarr(path):
        return []
    with reading(path, "OME-Zarr"):
        node = opened(path)
        if isinstance(node, zarr.Array):
            return []
        about = about_group(node, path.name)
        return [] if "multiscales" in about else images_of(node, about)


def images_of(group: zarr.Group, about: OmeAbout) -> list[tuple[str, str]]:
    """The images below a group, as :func:`images_in` gives them."""
    if "plate" in about:
        wells = [str(w.get("path", "")).strip("/") for w in objects(json_object(part(about, "plate")).get("wells"))]
        found = (
            [(f"{w}/{f}", f"Well {w.replace('/', '')} · field {f}") for f in _fields(group, w)] for w in wells if w
        )
        return list(itertools.chain.from_iterable(itertools.islice(found, _MOST_WELLS)))
    if "well" in about:
        return [(f, f"Field {f}") for f in _listed(part(about, "well"))]
    if "bioformats2raw.layout" in about:
        return [(name, f"Image {name}") for name in _series(group)]
    return []


def _fields(group: zarr.Group, well: str) -> list[str]:
    inner = group.get(well)
    return _listed(part(about_group(inner, well), "well")) if isinstance(inner, zarr.Group) else []


def _listed(well: Json) -> list[str]:
    return [str(image["path"]).strip("/") for image in objects(json_object(well).get("images")) if image.get("path")]


def _series(group: zarr.Group) -> list[str]:
    """The images of a converted file: as its folder "OME" names them, or numbered from 0."""
    listed = group.get("OME")
    named = part(about_group(listed, "OME"), "series") if isinstance(listed, zarr.Group) else None
    if isinstance(named, list | tuple) and named:
        return [str(name) for name in named]
    return list(itertools.takewhile(lambda name: name in group, map(str, range(_MOST_WELLS)))) or ["0"]


def labels_in(path: Path) -> list[str]:
    """Names of the labels of an OME-Zarr image: those that it lists, and those that were put beside them unlisted.

    Raises
    ------
    InputError
        If the zarr is damaged.

    Examples
    --------
    >>> labels_in(Path("not_there.zarr"))
    []
    """
    if not is_zarr(path):
        return []
    with reading(path, "OME-Zarr"):
        node = opened(path)
        inner = node.get("labels") if isinstance(node, zarr.Group) else None
        if not isinstance(inner, zarr.Group):
            return []
        listed = part(about_group(inner, path.name), "labels")
        names = [str(n).strip("/") for n in listed] if isinstance(listed, list | tuple) else []
        there = dict(inner.groups())
        more = sorted(n for n, g in there.items() if n not in names and "multiscales" in about_group(g, n))
        return [n for n in names if isinstance(inner.get(n), zarr.Group)] + more


def image_label(path: Path) -> tuple[zarr.Group, OmeAbout] | None:
    """The group of labels at a path with its attributes; None where it does not say that it is labels.

    Raises
    ------
    InputError
        If the zarr is damaged.
    """
    if not is_zarr(path):
        return None
    with reading(path, "OME-Zarr"):
        node = opened(path)
        if isinstance(node, zarr.Array):
            return None
        about = about_group(node, path.name)
        return (node, about) if "image-label" in about and "multiscales" in about else None


__all__ = ["image_label", "images_in", "images_of", "labels_in"]
