"""OME-Zarr 0.4 and 0.5 (and plain zarr arrays), read lazily with all their levels."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import zarr

from napari_segplugin.core import InputError, guess_axes
from napari_segplugin.io.beside import inside
from napari_segplugin.io.files import ZARR_FILES, Format, Found, in_image
from napari_segplugin.io.lazy import LazyArray
from napari_segplugin.io.omezarr_about import Multiscale, OmeAbout, about_group, meaning, part
from napari_segplugin.io.omezarr_parts import images_in, images_of
from napari_segplugin.io.omezarr_store import opened
from napari_segplugin.io.omezarr_write import write

if TYPE_CHECKING:
    from zarr.storage import LocalStore


def read(path: Path) -> Found:
    """Read an OME-Zarr image with its levels, or a plain zarr array; the pixels stay on disk.

    Raises
    ------
    InputError
        If there is no image in it, it has several images, or its metadata is damaged.
    """
    node = opened(path)
    if isinstance(node, zarr.Array):
        return _plain(node, path)
    found = _from_group(node, path)
    return _as_its_image(found, path) if in_image(path) and found.unit == "pixel" else found


def _as_its_image(found: Found, path: Path) -> Found:
    """Labels that say no unit, or no size at all, with those of the image in whose zarr they are."""
    image = read(path.parent.parent)
    sizes = dict(zip(image.axes, image.array.shape, strict=True))
    same = all(sizes.get(a) == n for a, n in zip(found.axes, found.array.shape, strict=True) if a in "ZYX")
    before = found.metadata.get("notes")
    notes = list(before) if isinstance(before, list) else []
    if not found.spacing and same and not found.doubt:
        taken = f"'{path.name}' says no pixel size; that of its image is taken."
        about = {**found.metadata, "notes": [taken]}
        spacing = {a: s for a, s in image.spacing.items() if a in found.axes}
        return replace(found, spacing=spacing, unit=image.unit, place=image.place, metadata=about)
    if found.spacing and image.unit != "pixel":
        notes.append(f"'{path.name}' says no unit of its pixel size; that of its image is taken ({image.unit}).")
        return replace(found, unit=image.unit, metadata={**found.metadata, "notes": notes})
    return found


def _from_group(group: zarr.Group, path: Path) -> Found:
    about = about_group(group, path.name)
    images = [] if "multiscales" in about else images_of(group, about)
    if len(images) > 1 or "plate" in about or "well" in about:
        names = [name for name, _ in images]
        listed = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        kind = "is a plate or a well" if "plate" in about or "well" in about else "is a file"
        raise InputError(
            f"'{path.name}' {kind} with {len(names) or 'many'} images.",
            got="no choice among them",
            accepted=listed or "one field of view in it, such as A/1/0",
            hint=f"Open one of them by its path, such as '{path.name}/{names[0] if names else 'A/1/0'}'.",
        )
    if images:
        group = cast("zarr.Group", group[images[0][0]])
        about = about_group(group, path.name)
    if "multiscales" in about:
        return _multiscale(group, about, path)
    arrays = sorted(name for name, _ in group.arrays())
    if "0" in arrays or len(arrays) == 1:
        return _plain(cast("zarr.Array", group["0" if "0" in arrays else arrays[0]]), path)
    raise InputError(
        f"'{path.name}' does not say which of its arrays is the image.",
        got=f"arrays {', '.join(arrays)}" if arrays else "no array at its top",
        accepted="an OME-Zarr image (with 'multiscales') or one array",
        hint="Open the folder of one array.",
    )


def _plain(array: zarr.Array, path: Path) -> Found:
    lazy = _probed(array, path)
    axes, doubt = guess_axes(lazy.shape)
    return Found(lazy, axes, doubt)


def _multiscale(group: zarr.Group, about: OmeAbout, path: Path) -> Found:
    scales = about["multiscales"][0]
    finest = cast("zarr.Array", group[scales["datasets"][0]["path"]])
    lazy = _probed(finest, path, _coarser(group, scales, finest, path))
    known = meaning(scales, part(about, "omero"), lazy.shape, path.name)
    return Found(lazy, known.axes, known.doubt, known.spacing, known.unit, known.metadata, known.place)


def _coarser(group: zarr.Group, scales: Multiscale, finest: zarr.Array, path: Path) -> list[LazyArray]:
    """The further levels, up to the first that is missing or no smaller than the one before."""
    found: list[LazyArray] = []
    shape = finest.shape
    for level in scales["datasets"][1:]:
        array = group.get(level["path"])
        if not isinstance(array, zarr.Array) or array.ndim != finest.ndim or array.dtype != finest.dtype:
            break
        smaller = all(a <= b for a, b in zip(array.shape, shape, strict=True)) and array.shape != shape
        if not smaller or 0 in array.shape:
            break
        shape = array.shape
        found.append(LazyArray(array, path, "OME-Zarr", files=_files(array)))
    return found


def _probed(array: zarr.Array, path: Path, levels: list[LazyArray] | None = None) -> LazyArray:
    """A lazy array whose first chunk can be read, so that gross damage shows at once."""
    lazy = LazyArray(array, path, "OME-Zarr", files=_files(array), levels=levels or ())
    if lazy.size:
        _ = lazy[(0,) * lazy.ndim]
    return lazy


def _files(array: zarr.Array) -> list[Path]:
    """Where a change of an array shows: its description, and the chunks at the corners of its grid."""
    root = cast("LocalStore", array.store).root
    ends = [sorted({0, -(-int(n) // int(c)) - 1}) for n, c in zip(array.shape, array.chunks, strict=True)]
    keys = [array.metadata.encode_chunk_key(at) for at in itertools.islice(itertools.product(*ends), 8)]
    return [root / array.path / name for name in (*ZARR_FILES, *keys)]


@dataclass(frozen=True)
class Field:
    """One of several images in a zarr; `uid` is its path inside."""

    number: int
    uid: str
    title: str


def fields(path: Path) -> list[Field]:
    """The images of a plate, a well or a converted file."""
    return [Field(number, name, title) for number, (name, title) in enumerate(images_in(path), 1)]


def read_field(path: Path, field: str) -> Found:
    """Read one of several images, by its path inside or its number from 1.

    Raises
    ------
    InputError
        If there is none of that path or number.
    """
    listed = fields(path)
    for one in listed:
        if field in (one.uid, str(one.number)):
            return read(inside(path, one.uid, path / "zarr.json"))
    raise InputError(
        f"'{path.name}' has no image '{field}'.",
        accepted=", ".join(one.uid for one in listed[:5]) + (" …" if len(listed) > 5 else "")
        or "nothing to choose from",
    )


FORMAT = Format(read=read, write=write, series=fields, read_series=read_field)
