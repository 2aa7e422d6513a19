"""The command ``models``: what there is to predict with, and what models are made from."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from napari_segplugin.core import InputError, Row, SegPluginError, to_json
from napari_segplugin.engine.parts import PARTS, part_problems
from napari_segplugin.io import load_bundle, shipped_bundles

Result = tuple[dict[str, Any], str]


def models(options: Namespace) -> Result:
    """List the models that come with the package and those in the folders given, or what models are made from.

    What other packages offer and cannot be used is told on stderr, and stands in the JSON as "problems".
    """
    if options.parts:
        return _parts()
    places = list(shipped_bundles().values())
    for name in options.folders:
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise InputError("There is no such folder.", got=f"'{folder}'")
        inner = sorted(p.parent for p in folder.glob("*/spec.json"))
        places += [folder] if (folder / "spec.json").is_file() or not inner else inner
    rows = [_describe(p) for p in places]
    lines = [f"{r['key']:<16} {r.get('summary') or r.get('error')}" for r in rows]
    return {"command": "models", "models": rows, "problems": _problems()}, "\n".join(lines) or "There are no models."


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


def _describe(folder: Path) -> dict[str, Any]:
    """One row; a bundle that cannot be read says why and does not hide the others."""
    try:
        bundle = load_bundle(folder)
    except SegPluginError as error:
        return {"key": folder.name, "folder": str(folder), "error": str(error)}
    spec = bundle.spec
    classes = [c.name for c in spec.classes.classes[1:]]
    row: dict[str, Any] = {
        "key": folder.name,
        "folder": str(folder),
        "name": bundle.name,
        "task": str(spec.task),
        "ndim": spec.ndim,
    }
    row |= {"channels": spec.in_channels, "classes": classes, "network": spec.network, "licence": bundle.licence}
    row["description"] = bundle.description
    row["summary"] = f"{spec.task}, {spec.ndim}D, {spec.in_channels} ch: {', '.join(classes)}. {bundle.description}"
    return row


__all__ = ["models"]
