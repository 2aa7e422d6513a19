"""The commands ``models`` and ``doctor``: what there is to predict with, and whether this computer is fit for it."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

import napari_segplugin as seg
from napari_segplugin.core import Row, to_json
from napari_segplugin.door.catalog import PARTS, part_problems

Result = tuple[dict[str, Any], str]


def models(options: Namespace) -> Result:
    """List the models that come with the package and those in the folders given, or what models are made from.

    What other packages offer and cannot be used is told on stderr, and stands in the JSON as "problems".
    """
    if options.parts:
        return _parts()
    rows = [_described(info) for info in seg.models(*options.folders).values()]
    lines = [f"{r['key']:<16} {r.get('summary') or r.get('error')}" for r in rows]
    return {"command": "models", "models": rows, "problems": _problems()}, "\n".join(lines) or "There are no models."


def doctor(options: Namespace) -> Result:
    """Look whether this computer is fit for the program; the command has failed where something stops it."""
    report = seg.doctor(options.folder)
    return {"command": "doctor", **report.to_json(), "failed": not report.works}, report.text()


def _problems() -> list[str]:
    """What cannot be used, told on stderr too."""
    found = part_problems()
    sys.stderr.write("".join(f"segplugin models: {sentence}\n" for sentence in found))
    return list(found)


def _parts() -> Result:
    """Networks, losses, techniques, clean-up steps, formats, metrics and heads, with the packages that they come from."""
    found = {kind: [_part(row) for row in registry] for kind, registry in PARTS.items()}
    lines: list[str] = []
    for kind, rows in found.items():
        lines += [*([""] if lines else []), kind]
        lines += [f"  {r['name']:<20} {r['title']}" + (f" · {r['package']}" if r["package"] else "") for r in rows]
    return {"command": "models", "parts": found, "problems": _problems()}, "\n".join(lines)


def _part(row: Row) -> dict[str, Any]:
    words = ("name", "title", "summary", "reference", "package")
    return {**{word: getattr(row, word) for word in words}, "options": to_json(row.options)}


def _described(info: seg.ModelInfo) -> dict[str, Any]:
    """One row; a model that cannot be read says why and does not hide the others."""
    row: dict[str, Any] = {"key": info.folder.name, "folder": str(info.folder)}
    if info.problem:
        return row | {"error": info.problem}
    row |= {"name": info.name, "task": str(info.task), "ndim": info.ndim, "channels": info.channels}
    row |= {"classes": list(info.classes), "network": info.network, "licence": info.licence}
    return row | {"description": info.description, "summary": str(info)}


__all__ = ["doctor", "models"]
