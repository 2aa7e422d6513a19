"""Commands about results: evaluate, measure, export."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import napari_segplugin as seg
from napari_segplugin import jobs
from napari_segplugin.cli.commands import Result, open_image, targets_of
from napari_segplugin.cli.progress import CommandProgress
from napari_segplugin.core import ClassTable, InputError, Note, Segmentation, drain
from napari_segplugin.core.words import pixel
from napari_segplugin.door.regions import measure_read
from napari_segplugin.io import read_segmentation
from napari_segplugin.io.files import write_text
from napari_segplugin.io.formats import notes_of
from napari_segplugin.io.pairs import open_labels
from napari_segplugin.io.units import in_metres


def evaluate(options: Namespace) -> Result:
    """Measure a prediction against the truth, or a folder of them."""
    with CommandProgress("evaluate", options.quiet) as progress:
        job = jobs.evaluate(
            options.prediction,
            options.truth,
            task=options.task,
            classes=options.classes or None,
            spacing=options.spacing,
            unit=options.unit,
            tolerance=options.tolerance,
            surfaces=not options.no_surfaces,
        )
        report = drain(job, progress)
    if options.csv:
        write_text(options.csv, report.to_csv())
    images = max((row.images for row in report.rows), default=1)
    return {"command": "evaluate", "images": images, **json.loads(report.to_json())}, report.text()


def measure(options: Namespace) -> Result:
    """Measure the objects of a label file."""
    with CommandProgress(Path(options.labels).name, options.quiet) as progress:
        image = open_image(options.image, options, progress) if options.image else None
        found = _with_voxels(read_segmentation(options.labels), options)
        for said in notes_of(found):
            progress(said)
        if image is not None and found.labels.shape != image.spatial_shape and found.unit == "pixel":
            labels = open_labels(options.labels)  # a file that does not name its axes may hold planes
            axes = "ZYX"[-len(labels.shape) :]
            found = replace(found, labels=labels, axes=axes, spacing=(1.0,) * len(axes))
        table = measure_read(
            found, image, options.spacing is not None, by=options.by, histogram=bool(options.histogram)
        )
        for note in table.notes:
            progress(Note(note))
    text = table.to_csv(about=Path(options.labels).name)
    if options.output:
        write_text(options.output, text)
    if options.histogram:
        write_text(options.histogram, table.histogram_csv())
    columns = [{"name": c.name, "title": c.title, "definition": c.definition} for c in table]
    data = {"command": "measure", "objects": len(table), "columns": columns, "output": options.output}
    data |= {"notes": progress.notes}
    word = "objects" if options.by == "object" else "classes"
    return data, f"{options.output}: {len(table)} {word}" if options.output else text


def export(options: Namespace) -> Result:
    """Write label files in another format."""
    classes = ClassTable.named(options.classes) if options.classes else None
    places = targets_of(options.labels, options.output, options.to.lstrip("."), ending="")
    rows = []
    for path, place in zip(options.labels, places, strict=True):
        target = place.path
        if target == Path(path):
            raise InputError(
                f"'{target.name}' would overwrite the file it is made from.", hint="Choose another --output."
            )
        found = _with_voxels(read_segmentation(path, task=options.task, classes=classes), options)
        with CommandProgress(Path(path).name, options.quiet) as progress:
            for said in notes_of(found):
                progress(said)
        rows.append(
            {
                "labels": str(path),
                "notes": progress.notes,
                "outputs": [str(f) for f in seg.write_segmentation(found, target, **_drawing(found, options))],
            }
        )
    lines = [f"{r['outputs'][0]}" for r in rows]
    return {"command": "export", "results": rows}, "\n".join(lines)


class _Drawing(TypedDict):
    """How polygons are drawn, in pixels."""

    simplify: float | None
    smallest: float
    pieces: bool | None
    voxel_space: bool


def _drawing(found: Segmentation, options: Namespace) -> _Drawing:
    """What was typed, in pixels of these labels."""
    size = math.sqrt(math.prod(found.spacing[-2:]))

    def pixels(typed: tuple[float, str] | None, power: int) -> float | None:
        if typed is None or not typed[1]:
            return None if typed is None else typed[0]
        wanted, own = in_metres(typed[1]), in_metres(found.unit)
        if wanted is None or own is None:
            raise InputError(
                "The length or area cannot be converted into pixels.",
                got=f"unit '{typed[1]}' for pixels in '{found.unit}'",
                accepted="a number of pixels, or a unit of length if the pixel size has one",
            )
        return float(typed[0] * (wanted / (own * size)) ** power)

    return {
        "simplify": pixels(options.simplify, 1),
        "smallest": pixels(options.min_area, 2) or 0.0,
        "pieces": options.pieces,
        "voxel_space": options.voxel_space,
    }


def _with_voxels(found: Segmentation, options: Namespace) -> Segmentation:
    """The voxel size that was typed, in place of what the file says."""
    size = options.spacing or found.spacing
    if len(size) != len(found.spacing):
        raise InputError(
            f"The {pixel(len(found.spacing))} size does not fit the labels.",
            got=f"{tuple(size)} for the axes '{found.axes}'",
        )
    return replace(found, spacing=tuple(size), unit=options.unit or found.unit)


__all__ = ["evaluate", "export", "measure"]
