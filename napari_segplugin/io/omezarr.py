"""OME-Zarr 0.4 and 0.5 (and plain zarr arrays), read lazily, written piece by piece."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NotRequired, Required, TypedDict, cast

import numpy as np
import zarr
from zarr.storage import LocalStore

from napari_segplugin.core import InputError, guess_axes
from napari_segplugin.core.schema import Between, checked_json
from napari_segplugin.core.types import JsonDict
from napari_segplugin.io.beside import inside
from napari_segplugin.io.files import ZARR_FILES, Format, Found, LabelsToWrite
from napari_segplugin.io.lazy import LazyArray
from napari_segplugin.io.units import long_unit, one_unit

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

Size = Annotated[float, Between(1e-30, 1e30)]
"""Along an axis; a positive number."""


class Inside(LocalStore):
    """A zarr of which nothing is read that a link or a path leads to outside its folder."""

    def _check(self, key: str) -> None:
        place = self.root / key
        if not place.resolve().is_relative_to(self.root.resolve()):
            inside(self.root, os.path.relpath(place, self.root), self.root / "zarr.json")

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """As :class:`zarr.storage.LocalStore` does."""
        self._check(key)
        return await super().get(key, prototype, byte_range)

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """As :class:`zarr.storage.LocalStore` does, from 3.1.6 on."""
        self._check(key)
        return super().get_sync(key, prototype=prototype, byte_range=byte_range)


class Transform(TypedDict, total=False):
    """A coordinate transformation; what is read of it."""

    type: str
    scale: list[Size]


class Scaled(TypedDict, total=False):
    """What has a scale: a level, and the whole of them."""

    coordinateTransformations: list[Transform]


class LevelEntry(Scaled):
    """An array of a pyramid."""

    path: Required[str]


class AxisEntry(TypedDict):
    """An axis."""

    name: str
    unit: NotRequired[str | None]


class Multiscale(Scaled):
    """A pyramid."""

    name: NotRequired[object]
    axes: NotRequired[list[AxisEntry | str]]
    datasets: Required[Annotated[list[LevelEntry], Between(1, 1000)]]


class OmeAbout(TypedDict, total=False):
    """The attributes of a group."""

    multiscales: Annotated[list[Multiscale], Between(1, 1000)]


def read(path: Path) -> Found:
    """Read level 0 of an OME-Zarr image, or a plain zarr array; the pixels stay on disk.

    Raises
    ------
    InputError
        If there is no image in it, it is a plate of many images, or its metadata is damaged.
    """
    # A store, not a string: zarr takes "#" and "::" in strings for something else.
    node = zarr.open(Inside(path, read_only=True), mode="r")
    if isinstance(node, zarr.Array):
        return _plain(node, path)
    return _from_group(node, path)


def _from_group(group: zarr.Group, path: Path) -> Found:
    about = _about(group, path)
    if "plate" in about or "well" in about:
        raise InputError(
            f"'{path.name}' is a plate or a well with many images.", hint="Open one field of view in it, such as A/1/0."
        )
    if "multiscales" not in about and "bioformats2raw.layout" in about:
        group = cast("zarr.Group", group["0"])
        about = _about(group, path)
    if "multiscales" in about:
        return _multiscale(group, about["multiscales"][0], path)
    arrays = sorted(name for name, _ in group.arrays())
    if "0" in arrays or len(arrays) == 1:
        return _plain(cast("zarr.Array", group["0" if "0" in arrays else arrays[0]]), path)
    raise InputError(
        f"'{path.name}' does not say which of its arrays is the image.",
        got=f"arrays {', '.join(arrays)}" if arrays else "no array at its top",
        accepted="an OME-Zarr image (with 'multiscales') or one array",
        hint="Open the folder of one array.",
    )


def _about(group: zarr.Group, path: Path) -> OmeAbout:
    """The attributes; version 0.5 puts them under "ome"."""
    attributes = dict(group.attrs)
    return checked_json(attributes.get("ome", attributes), OmeAbout, f"'{path.name}'")


def _plain(array: zarr.Array, path: Path) -> Found:
    lazy = _probed(array, path)
    axes, doubt = guess_axes(lazy.shape)
    return Found(lazy, axes, doubt)


def _multiscale(group: zarr.Group, scales: Multiscale, path: Path) -> Found:
    level = scales["datasets"][0]
    lazy = _probed(cast("zarr.Array", group[level["path"]]), path)
    entries = [a if isinstance(a, Mapping) else {"name": a} for a in scales.get("axes", ())]
    letters = "".join(str(entry["name"]).upper() for entry in entries)
    named = len(letters) == lazy.ndim and set(letters) <= set("TCZYX") and len(set(letters)) == len(letters)
    axes, doubt = (letters, "") if named else guess_axes(lazy.shape)
    sizes: dict[str, float] = {}
    units: dict[str, str] = {}
    if named:
        factors = np.array(_scale(level, lazy.ndim)) * np.array(_scale(scales, lazy.ndim))
        for letter, size, entry in zip(letters, factors, entries, strict=True):
            if letter in "ZYX":
                sizes[letter], units[letter] = float(size), str(entry.get("unit") or "")
    spacing, unit = one_unit(sizes, units)
    return Found(lazy, axes, doubt, spacing, unit, {"ome_name": str(scales.get("name", ""))})


def _scale(entry: Scaled, ndim: int) -> list[float]:
    """The scale among the coordinate transformations, 1 where there is none."""
    for step in entry.get("coordinateTransformations", ()):
        if step.get("type") == "scale" and "scale" in step:
            return [float(s) for s in step["scale"]]
    return [1.0] * ndim


def _probed(array: zarr.Array, path: Path) -> LazyArray:
    """A lazy array whose first chunk can be read, so that gross damage shows at once."""
    lazy = LazyArray(array, path, "OME-Zarr", files=_files(array))
    if lazy.size:
        _ = lazy[(0,) * lazy.ndim]
    return lazy


def _files(array: zarr.Array) -> list[Path]:
    """Where a change of an array shows: its description, and the chunks at the corners of its grid."""
    root = cast("LocalStore", array.store).root
    ends = [sorted({0, -(-int(n) // int(c)) - 1}) for n, c in zip(array.shape, array.chunks, strict=True)]
    keys = [array.metadata.encode_chunk_key(at) for at in itertools.islice(itertools.product(*ends), 8)]
    return [root / array.path / name for name in (*ZARR_FILES, *keys)]


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write the labels as OME-Zarr 0.4 with one level, chunk by chunk."""
    shape = tuple(int(n) for n in labels.array.shape)
    chunks = tuple(_chunk(axis, n) for axis, n in zip(labels.axes, shape, strict=True))
    group = zarr.open_group(LocalStore(path), mode="w", zarr_format=2)
    target = group.create_array(
        "0",
        shape=shape,
        chunks=chunks,
        dtype=labels.dtype,
        fill_value=0,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    for box in _boxes(shape, chunks):
        target[box] = np.asarray(labels.array[box]).astype(labels.dtype)
    group.attrs.update({"multiscales": [_multiscales(labels)], "image-label": {"version": "0.4"}})


def _chunk(axis: str, length: int) -> int:
    return min(length, {"T": 1, "Z": 32}.get(axis, 256))


def _boxes(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    steps = [[slice(i, min(i + c, n)) for i in range(0, n, c)] for n, c in zip(shape, chunks, strict=True)]
    return itertools.product(*steps)


def _multiscales(labels: LabelsToWrite) -> JsonDict:
    axes: list[JsonDict] = []
    for letter in labels.axes:
        axis: JsonDict = {"name": letter.lower(), "type": "time" if letter == "T" else "space"}
        unit = long_unit(labels.unit)
        if letter != "T" and unit:
            axis["unit"] = unit
        axes.append(axis)
    scale = [labels.spacing.get(letter, 1.0) for letter in labels.axes]
    steps: list[JsonDict] = [{"type": "scale", "scale": scale}]
    if any(labels.origin.values()):  # labels of a region lie where the region lay
        start = [labels.origin.get(letter, 0) * labels.spacing.get(letter, 1.0) for letter in labels.axes]
        steps.append({"type": "translation", "translation": start})
    level: JsonDict = {"path": "0", "coordinateTransformations": steps}
    return {"version": "0.4", "name": labels.name, "axes": axes, "datasets": [level]}


FORMAT = Format(read=read, write=write)
