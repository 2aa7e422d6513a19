"""What a person changed in a result, as a text that lies beside it, and the way to make the result again with it."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from napari_segplugin.core import (
    ClassTable,
    InputError,
    ObjectTable,
    Segmentation,
    classes_from_json,
    to_json,
)
from napari_segplugin.core.types import Json, JsonDict, json_integers
from napari_segplugin.core.words import voxels
from napari_segplugin.data.packed import pack_voxels, unpack_voxels
from napari_segplugin.io.writing import content_of

FORMAT = "segplugin corrections"
VERSION = 1


@dataclass(frozen=True, eq=False)
class Corrected:
    """What is different between a result as it was computed and as a person left it.

    Parameters
    ----------
    base : str
        The result that was corrected, as :func:`~napari_segplugin.io.writing.content_of` names it.
    outcome : str
        The same of what came of it.
    axes : str
    shape, origin : tuple of int
        Of the labels afterwards; `origin` is their first voxel in the image.
    dtype : str
    flat : (N,) ndarray of int64
        Voxels that are different, counted in C order.
    values : (N,) ndarray of int
        What they are.
    objects : ObjectTable
        The table afterwards.
    classes : ClassTable
    """

    base: str
    outcome: str
    axes: str
    shape: tuple[int, ...]
    origin: tuple[int, ...]
    dtype: str
    flat: np.ndarray
    values: np.ndarray
    objects: ObjectTable
    classes: ClassTable

    @classmethod
    def between(cls, before: Segmentation, now: Segmentation) -> Corrected:
        """The difference between a result as it was computed and as it is now.

        Parameters
        ----------
        before : Segmentation
            As the job gave it.
        now : Segmentation
            Of the same image; it may reach further, where results were put together.

        Raises
        ------
        InputError
            If the one does not lie inside the other.
        """
        labels = np.asarray(now.labels)
        start = _origin(now)
        old = _placed(before, now.axes, labels.shape, start).astype(np.int64)
        flat = np.flatnonzero(old.ravel() != labels.ravel())
        return cls(
            content_of(before),
            content_of(now),
            now.axes,
            tuple(int(n) for n in labels.shape),
            start,
            str(labels.dtype),
            flat,
            labels.ravel()[flat],
            now.objects,
            now.classes,
        )

    @property
    def title(self) -> str:
        """What it is, for a person."""
        ndim = sum(a in "ZYX" for a in self.axes)
        return f"Corrections of {voxels(len(self.flat), ndim)}"

    def on(self, found: Segmentation) -> Segmentation | None:
        """A result with the corrections; None where it is not the one that was corrected."""
        if content_of(found) != self.base:
            return None
        labels = _placed(found, self.axes, self.shape, self.origin).astype(self.dtype)
        labels.reshape(-1)[self.flat] = self.values
        start: list[Json] = list(self.origin)
        recipe = {**found.recipe, "origin": start}
        return replace(found, labels=labels, objects=self.objects, classes=self.classes, recipe=recipe)

    def made(self, found: Segmentation) -> bool:
        """Whether a result is what came of the corrections."""
        return content_of(found) == self.outcome

    def to_json(self) -> JsonDict:
        """As JSON values."""
        about, payload = pack_voxels(self.flat, self.values)
        table = self.objects
        scores: list[Json] = [None if math.isnan(s) else s for s in table.score.tolist()]
        rows: JsonDict = {"label": table.label.tolist(), "class_id": table.class_id.tolist(), "score": scores}
        return {
            "format": FORMAT,
            "version": VERSION,
            "base": self.base,
            "outcome": self.outcome,
            "axes": self.axes,
            "shape": list(self.shape),
            "origin": list(self.origin),
            "dtype": self.dtype,
            **about,
            "voxels": base64.b64encode(payload).decode("ascii"),
            "objects": {**rows, "status": list(table.status)},
            "classes": to_json(self.classes),
        }

    def text(self) -> str:
        """As the text of a file."""
        return json.dumps(self.to_json(), indent=1) + "\n"

    @classmethod
    def from_json(cls, data: Json, name: str) -> Corrected:
        """Read what :meth:`to_json` made.

        Parameters
        ----------
        data : JSON value
        name : str
            Of the file, for the sentence.

        Raises
        ------
        InputError
            If it is something else, or damaged.
        """
        told = cast("Mapping[str, Any]", data if isinstance(data, Mapping) else {})
        if told.get("format") != FORMAT or told.get("version") != VERSION:
            raise InputError(
                f"'{name}' holds no corrections that this version reads.",
                got=f"{told.get('format')}, version {told.get('version')}",
                accepted=f"{FORMAT}, version {VERSION}",
            )
        try:
            flat, values = unpack_voxels({"runs": int(told["runs"])}, base64.b64decode(told["voxels"]))
            shape = tuple(int(n) for n in told["shape"])
            rows = told["objects"]
            score = np.array([np.nan if s is None else s for s in rows["score"]], np.float32)
            numbers = [np.array(rows[k], np.int64) for k in ("label", "class_id")]
            if len(flat) and not (int(flat.min()) >= 0 and int(flat.max()) < math.prod(shape)):
                raise ValueError("voxels outside")
            return cls(
                str(told["base"]),
                str(told["outcome"]),
                str(told["axes"]),
                shape,
                tuple(int(n) for n in told["origin"]),
                np.dtype(told["dtype"]).name,
                flat,
                values,
                ObjectTable(numbers[0], numbers[1], score, tuple(str(s) for s in rows["status"])),
                classes_from_json(told["classes"]),
            )
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"The corrections in '{name}' are damaged.", hint="Restore the file from a backup"
            ) from None


def _origin(found: Segmentation) -> tuple[int, ...]:
    """First voxel in the image along (Z,) Y, X."""
    return json_integers(found.recipe.get("origin")) or (0,) * sum(a in "ZYX" for a in found.axes)


def _placed(found: Segmentation, axes: str, shape: tuple[int, ...], origin: tuple[int, ...]) -> np.ndarray:
    """Labels on a grid of another size that holds them."""
    labels = np.asarray(found.labels)
    shift = [a - b for a, b in zip(_origin(found), origin, strict=False)]
    lead = (0,) * (len(axes) - len(shift))
    places = [(s, s + n) for s, n in zip((*lead, *shift), labels.shape, strict=False)]
    fits = found.axes == axes and all(a >= 0 and b <= n for (a, b), n in zip(places, shape, strict=True))
    if not fits or any(labels.shape[i] != shape[i] for i in range(len(lead))):
        raise InputError(
            "The corrected result does not lie over the computed one.",
            got=f"{axes} {shape} for {found.axes} {labels.shape}",
            accepted="labels of the same image",
        )
    if labels.shape == shape:
        return np.array(labels)
    whole = np.zeros(shape, labels.dtype)
    whole[tuple(slice(a, b) for a, b in places)] = labels
    return whole


__all__ = ["FORMAT", "Corrected"]
