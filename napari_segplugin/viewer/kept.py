"""The work on an image as it was left, read from its journal (:mod:`napari_segplugin.viewer.recorder` wrote it).

No Qt, no torch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_segplugin.core import ObjectTable, Segmentation, Task, classes_from_json
from napari_segplugin.viewer.geometry import to_layer_order
from napari_segplugin.viewer.journal import Record, read_records, unpack_voxels


@dataclass(eq=False)
class KeptResult:
    """A result as it was left.

    Parameters
    ----------
    number : int
    segmentation : Segmentation
        As it was predicted.
    model : str
    steps : list of Record
        Edits, in order.
    """

    number: int
    segmentation: Segmentation
    model: str
    steps: list[Record] = field(default_factory=list)

    def edited(self, axes: str, rgb: bool) -> Segmentation:
        """The result with the edits.

        Parameters
        ----------
        axes : str
            Axes of the array of the image layer.
        rgb : bool
        """
        labels = np.array(self.segmentation.labels)
        in_layer = to_layer_order(labels, axes, rgb)
        rows: dict[int, Any] = {}
        for record in self.steps:
            _apply(in_layer, record)
            rows.update({int(n): row for n, row in record.header.get("rows", {}).items()})
        return replace(self.segmentation, labels=labels, objects=_with_rows(self.segmentation, rows))


@dataclass(eq=False)
class Kept:
    """The work on an image as it was left.

    Parameters
    ----------
    paint : ndarray or None
        The strokes.
    paints : str
        "classes" or "objects": what the numbers of the strokes are; empty where it was not kept.
    painted : dict of int to str
        Name of the class of each painted object.
    marks : dict of str to dict
        Points and shapes of each kind that has any: "points", "type" of shapes, "class" where one was chosen.
    results : list of KeptResult
        Those that were edited, and the last one.
    steps : int
        Finished steps, taken-back ones counted too.
    when : str
        Of the last record.
    end : int
        Bytes of the file that are good.
    next_id : int
        The number of the next result.
    """

    paint: np.ndarray | None = None
    paints: str = ""
    painted: dict[int, str] = field(default_factory=dict)
    marks: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: list[KeptResult] = field(default_factory=list)
    steps: int = 0
    when: str = ""
    end: int = 0
    next_id: int = 1

    @property
    def empty(self) -> bool:
        """Whether there is nothing that a person did."""
        painted = self.paint is not None and bool(self.paint.any())
        return not (painted or self.marks or any(r.steps for r in self.results))


def read_kept(path: str | Path) -> Kept:
    """Read a journal.

    Raises
    ------
    InputError
        If the file cannot be opened.
    """
    records, end = read_records(path)
    kept, results = Kept(end=end), {}
    for record in records:
        header = record.header
        kind = header.get("kind")
        if kind == "result":
            results[header["id"]] = KeptResult(header["id"], _segmentation(record), header["model"])
        elif kind == "gone":
            results.pop(header["id"], None)
        elif kind == "marks":
            kept.marks.pop(header["of"], None)
            if header["points"]:
                kept.marks[header["of"]] = {k: header[k] for k in ("points", "type", "class") if k in header}
            kept.steps += 1
        elif kind == "classes":
            kept.paints = str(header["paints"])
            kept.painted |= {int(n): str(name) for n, name in header["names"].items()}
        elif kind == "step":
            kept.steps += 1
            kept.paints = str(header.get("paints", kept.paints))
            if header["layer"] == "paint":
                shape = tuple(header["shape"])
                if kept.paint is None or kept.paint.shape != shape:
                    kept.paint = np.zeros(shape, header["dtype"])
                _apply(kept.paint, record)
        kept.next_id = max(kept.next_id, int(header.get("id", 0)) + 1)
    # a result may have been written after its first edits: it is made in a worker
    for record in records:
        if record.header.get("kind") == "recipe" and record.header["of"] in results:
            told = results[record.header["of"]]
            told.segmentation = replace(told.segmentation, recipe=record.header["recipe"])
        layer = str(record.header.get("layer", ""))
        if record.header.get("kind") == "step" and layer.startswith("result "):
            owner = results.get(int(layer.split()[1]))
            if owner is not None:
                owner.steps.append(record)
    last = max(results, default=0)
    kept.results = [r for n, r in sorted(results.items()) if r.steps or n == last]
    times = [r.header["when"] for r in records if "when" in r.header]
    kept.when = time.strftime("%Y-%m-%d %H:%M", time.localtime(times[-1])) if times else ""
    return kept


def _apply(array: np.ndarray, record: Record) -> None:
    """Write the voxels of a step."""
    if tuple(record.header["shape"]) != array.shape:
        return  # made under another reading of the axes
    if record.header.get("whole"):
        array[...] = 0
    flat, values = unpack_voxels(record.header, record.payload)
    array[np.unravel_index(flat, array.shape)] = values.astype(array.dtype)


def _segmentation(record: Record) -> Segmentation:
    header = record.header
    labels = np.zeros(tuple(header["shape"]), header["dtype"])
    flat, values = unpack_voxels(header, record.payload)
    labels.reshape(-1)[flat] = values
    table = header["objects"]
    score = np.array([np.nan if s is None else s for s in table["score"]], np.float32)
    return Segmentation(
        Task(header["task"]),
        labels,
        ObjectTable(
            np.array(table["label"], np.int64), np.array(table["class_id"], np.int64), score, tuple(table["status"])
        ),
        classes_from_json(header["classes"]),
        header["axes"],
        tuple(header["spacing"]),
        header["unit"],
        header["name"],
        header["recipe"],
    )


def _with_rows(segmentation: Segmentation, rows: Mapping[int, Any]) -> ObjectTable:
    """The table with the rows that a person changed."""
    table = segmentation.objects
    columns = zip(table.label, table.class_id, table.score, table.status, strict=True)
    found: dict[int, tuple[int, float, str]] = {int(n): (int(c), float(s), t) for n, c, s, t in columns}
    ids = {c.name: c.id for c in segmentation.classes}
    usual = (segmentation.classes.thing_ids or (1,))[0]
    for number, row in rows.items():
        if row is None:
            found.pop(number, None)
        else:
            score = float("nan") if row.get("score") is None else float(row["score"])
            found[number] = (ids.get(row.get("class", ""), usual), score, str(row.get("status", "")))
    ordered = sorted(found)
    return ObjectTable(
        np.array(ordered, np.int64),
        np.array([found[n][0] for n in ordered], np.int64),
        np.array([found[n][1] for n in ordered], np.float32),
        tuple(found[n][2] for n in ordered),
    )


__all__ = ["Kept", "KeptResult", "read_kept"]
