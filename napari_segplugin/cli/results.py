"""Commands about results: evaluate, measure, export."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from napari_segplugin.cli.commands import Result, open_image, targets_of
from napari_segplugin.cli.progress import Progress
from napari_segplugin.core import ClassTable, InputError, Segmentation, Task
from napari_segplugin.io import read_segmentation
from napari_segplugin.io.files import write_text
from napari_segplugin.io.pairs import open_labels


class _Measures(TypedDict):
    task: Task
    tolerance: float | None
    surfaces: bool
    spacing: Sequence[float] | None
    unit: str | None
    classes: ClassTable | None


def evaluate(options: Namespace) -> Result:
    """Measure a prediction against the truth, or a folder of them."""
    from napari_segplugin.engine.evaluate.compare_files import read_pair
    from napari_segplugin.engine.evaluate.evaluate import evaluate as measured
    from napari_segplugin.engine.evaluate.evaluate import evaluate_many
    from napari_segplugin.io.pairs import list_files, match_names

    one, other = Path(options.prediction).expanduser(), Path(options.truth).expanduser()
    folders = [p.is_dir() and not (p.suffix == ".zarr" or (p / "zarr.json").exists()) for p in (one, other)]
    if folders[0] != folders[1]:
        raise InputError("Compare two files or two folders.", got="one file and one folder")
    pairs = match_names(list_files(one), list_files(other)) if folders[0] else [(one, other)]
    if not pairs:
        raise InputError("There are no files to compare.", got=f"'{one}' is empty")
    task = Task(options.task) if options.task else _recorded_task(pairs[0][0])
    rest: _Measures = {
        "task": task,
        "tolerance": options.tolerance,
        "surfaces": not options.no_surfaces,
        "spacing": options.spacing,
        "unit": options.unit,
        "classes": ClassTable.named(options.classes) if options.classes else None,
    }
    if len(pairs) == 1 and not folders[0]:
        report = measured(*read_pair(one, other, task), **rest)
    else:
        report = evaluate_many((read_pair(p, t, task) for p, t in pairs), **rest)
    if options.csv:
        write_text(options.csv, report.to_csv())
    data = json.loads(report.to_json())
    return {"command": "evaluate", "images": len(pairs), **data}, report.text()


def _recorded_task(path: Path) -> Task:
    """The task that the recipe beside a result names, or the file itself."""
    from napari_segplugin.io.formats import extension_of, stem_of

    if extension_of(path).endswith(".json"):
        return read_segmentation(path).task
    try:
        recipe = json.loads((path.parent / f"{stem_of(path)}.recipe.json").read_text(encoding="utf-8"))
        return Task(recipe["task"] if "task" in recipe else recipe["model"]["spec"]["task"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"It is not known what the labels of '{path.name}' are.",
            accepted="--task semantic (class numbers), --task instance (object numbers), --task panoptic",
            hint="Name the task.",
        ) from None


def measure(options: Namespace) -> Result:
    """Measure the objects of a label file."""
    from napari_segplugin.engine.export import measure as measured

    with Progress(Path(options.labels).name, options.quiet) as progress:
        image = open_image(options.image, options, progress) if options.image else None
        found = _with_voxels(read_segmentation(options.labels), options)
        if image is not None and image.unit != "pixel" and found.unit == "pixel":
            labels = open_labels(options.labels) if found.labels.shape != image.spatial_shape else found.labels
            axes = "ZYX"[-len(labels.shape) :]
            found = replace(found, labels=labels, axes=axes, spacing=image.canonical_spacing, unit=image.unit)
        table = measured(found, image)
    text = table.to_csv(about=str(options.labels))
    if options.output:
        write_text(options.output, text)
    columns = [{"name": c.name, "title": c.title, "definition": c.definition} for c in table]
    data = {"command": "measure", "objects": len(table), "columns": columns, "output": options.output}
    return data, f"{options.output}: {len(table)} objects" if options.output else text


def export(options: Namespace) -> Result:
    """Write label files in another format."""
    from napari_segplugin.engine.export import export as write

    classes = ClassTable.named(options.classes) if options.classes else None
    places = targets_of(options.labels, options.output, options.to.lstrip("."), ending="")
    rows = []
    for path, target in zip(options.labels, places, strict=True):
        if target == Path(path):
            raise InputError(f"'{target.name}' would be written over itself.", hint="Give another --output.")
        found = _with_voxels(read_segmentation(path, task=options.task, classes=classes), options)
        rows.append({"labels": str(path), "outputs": [str(f) for f in write(found, target)]})
    lines = [f"{r['outputs'][0]}" for r in rows]
    return {"command": "export", "results": rows}, "\n".join(lines)


def _with_voxels(found: Segmentation, options: Namespace) -> Segmentation:
    """The voxel size that was typed, in place of what the file says."""
    size = options.spacing or found.spacing
    if len(size) != len(found.spacing):
        raise InputError("The voxel size does not fit the labels.", got=f"{tuple(size)} for the axes '{found.axes}'")
    return replace(found, spacing=tuple(size), unit=options.unit or found.unit)


__all__ = ["evaluate", "export", "measure"]
