"""Journals made shorter: many strokes over one another become one. No Qt, no torch.

What is kept: each result that was edited and the last one, the marks and classes as they are now, and of every layer the last
:data:`~napari_segplugin.viewer.history.LIMIT` steps as they were done, so that they can be undone; what came before them is one
record with the voxels that it left.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from napari_segplugin.data.packed import pack_voxels, unpack_voxels
from napari_segplugin.io.files import private_folder
from napari_segplugin.viewer.history import LIMIT
from napari_segplugin.viewer.kept import DAMAGE, stroke_kinds
from napari_segplugin.viewer.records import Contents, Record
from napari_segplugin.viewer.sessions import SHORTER, Held, begin

LEAST = 2**20
"""Bytes below which a journal stays as it is."""


def shorter(contents: Contents) -> list[Record]:
    """The same work in fewer records; as they are where some are damaged.

    Parameters
    ----------
    contents : Contents
    """
    records = contents.records
    if contents.gaps:
        return records
    try:
        return _shorter(records)
    except DAMAGE:
        return records


def _shorter(records: list[Record]) -> list[Record]:
    gone = {r.header["id"] for r in records if r.header.get("kind") == "gone"}
    steps: dict[str, list[int]] = {}
    last: dict[tuple[str, object], int] = {}
    counts: dict[object, int] = {}
    results = [r.header["id"] for r in records if r.header.get("kind") == "result" and r.header["id"] not in gone]
    kinds = stroke_kinds(records)
    for at, record in enumerate(records):
        kind, header = record.header.get("kind"), record.header
        if kind == "step":
            name = str(header["layer"])
            steps.setdefault(f"paint {kinds[at]}" if name == "paint" else name, []).append(at)
        elif kind in ("marks", "recipe", "base"):
            last[str(kind), header["of"]] = at
        if kind == "marks":
            counts[header["of"]] = counts.get(header["of"], 0) + int(header.get("stands_for", 1))
    kept = {n for n in results if f"result {n}" in steps or n == max(results)}
    layers = {*(name for name in steps if name.startswith("paint")), *(f"result {n}" for n in kept)}
    old = {name: _before(records, found) for name, found in steps.items() if name in layers}
    old = {
        name: found
        for name, found in old.items()
        if len(found) > 1 and len({str(records[i].header["shape"]) for i in found}) == 1
    }
    one = {found[-1]: _one([records[i] for i in found]) for found in old.values()}
    away = {i for found in old.values() for i in found}
    away |= {i for name, found in steps.items() if name not in layers for i in found}
    out = []
    for at, record in enumerate(records):
        header, kind = record.header, record.header.get("kind")
        if at in one:
            out.append(one[at])
        elif at in away:
            continue
        elif kind == "marks" and last["marks", header["of"]] == at:
            out.append(Record({**header, "stands_for": counts[header["of"]]}, record.payload))
        elif kind in ("result", "recipe", "base"):
            number = header["id"] if kind == "result" else header["of"]
            if number in kept and (kind == "result" or last[kind, number] == at):
                out.append(record)
        elif kind not in ("marks", "gone"):
            out.append(record)
    return out


def _before(records: list[Record], steps: list[int]) -> list[int]:
    """Of the steps of a layer those that are older than what can be undone and redone."""
    past, future = list[int](), list[int]()
    for at in steps:
        header = records[at].header
        if header.get("whole") or header.get("alone"):
            past, future = [], []
        elif header.get("back") or header.get("again"):
            source, target = (past, future) if header.get("back") else (future, past)
            if source:
                target.append(source.pop())
        else:
            past, future = [*past[1 - LIMIT :], at], []
    first = min([*past, *future], default=len(records))
    return [at for at in steps if at < first]


def _one(records: list[Record]) -> Record:
    """Steps of one layer as one: every voxel that they wrote, with its last value."""
    header = records[-1].header
    shape = tuple(header["shape"])
    values, written, whole = np.zeros(shape, header["dtype"]), np.zeros(shape, bool), False
    rows: dict[str, object] = {}
    for record in records:
        if record.header.get("whole"):
            values[...], written[...], whole = 0, False, True
        flat, fresh = unpack_voxels(record.header, record.payload)
        index = np.unravel_index(flat, shape)
        values[index], written[index] = fresh.astype(values.dtype), True
        rows |= record.header.get("rows", {})
    if whole:
        written &= values != 0
    flat = np.flatnonzero(written)
    about, payload = pack_voxels(flat, values.reshape(-1)[flat])
    plain = {k: v for k, v in header.items() if k in ("kind", "layer", "shape", "dtype", "paints", "when")}
    told = {"whole": whole, "rows": rows, "stands_for": sum(int(r.header.get("stands_for", 1)) for r in records)}
    return Record({**plain, **told, "alone": True, **about}, payload)


def shorten(held: Held, contents: Contents) -> Contents:
    """Put a shorter file in the place of a session where that saves half; what is there is the old one or the new one.

    Parameters
    ----------
    held : Held
        The session, whose lock is held; its `end` is set.
    contents : Contents
        What is in its file.

    Returns
    -------
    Contents
        What is in it then.
    """
    held.end = contents.end
    if contents.end < LEAST:
        return contents
    records = shorter(contents)
    data = b"".join(r.pack() for r in records)
    if 2 * len(data) > contents.end:
        return contents
    try:
        _put(held, data)
    except OSError:  # the disk is full, or somebody reads the file on Windows: the long one is as good
        return contents
    return Contents(records, held.end, ())


def branch(contents: Contents, path: Path) -> Held:
    """A new session that begins with what is in another one.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    private_folder(path.parent)
    held = begin(path)
    try:
        _put(held, b"".join(r.pack() for r in shorter(contents)))
    except OSError:
        with suppress(OSError):
            held.path.unlink()
        held.release()
        raise
    return held


def _put(held: Held, data: bytes) -> None:
    """Put other contents into a session in one step: whenever the program is killed, the old or the new ones are there."""
    made = held.path.with_name(held.path.name + SHORTER)
    try:
        number = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(made, held.path)
    except OSError:
        with suppress(OSError):
            made.unlink()
        raise
    held.end = len(data)


__all__ = ["LEAST", "branch", "shorten", "shorter"]
