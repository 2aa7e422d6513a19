"""``segplugin run``: replay a classical recipe on images or a folder of them."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from napari_segplugin import jobs
from napari_segplugin.cli.commands import Result, ResultPath, open_image, targets_of, write_result
from napari_segplugin.cli.progress import CommandProgress
from napari_segplugin.cli.where import told
from napari_segplugin.core import ClassicalRecipe, InputError, SegPluginError, Task, drain
from napari_segplugin.io import load_recipe
from napari_segplugin.io.dicom_files import looks_like_dicom
from napari_segplugin.io.files import is_zarr
from napari_segplugin.io.pairs import open_labels


def run(options: Namespace) -> Result:
    """Segment images one after the other; one that cannot be segmented says why and does not hold up the others."""
    from napari_segplugin.classical import complete

    recipe = complete(load_recipe(options.recipe))
    images = find_images(options.images)
    if options.seeds and len(images) > 1:
        raise InputError(
            "Seeds belong to a single image.", got=f"{len(images)} images", hint="Give one image with --seeds."
        )
    rows = [
        _one(path, target, recipe, options)
        for path, target in zip(images, targets_of(images, options.output, options.format), strict=True)
    ]
    failed = sum("error" in row for row in rows)
    if failed == len(rows) == 1:
        raise SegPluginError(rows[0]["error"])
    lines = [
        f"{r['image']}: {r['error']}" if "error" in r else f"{r['outputs'][0]}: {r['found']}, {r['seconds']:.1f} s"
        for r in rows
    ]
    data = {"command": "run", "recipe": recipe.name or recipe.technique, "results": rows, "failed": failed}
    return data, "\n".join(lines)


class Outcome(TypedDict, total=False):
    """What came of one image."""

    image: str
    outputs: list[str]
    objects: int
    found: str
    seconds: float
    notes: list[str]
    error: str


def _one(path: Path, target: ResultPath, recipe: ClassicalRecipe, options: Namespace) -> Outcome:
    """One image: its row of the result."""
    start = time.perf_counter()
    row: Outcome = {"image": str(path)}
    with CommandProgress(path.name, options.quiet) as progress:
        try:
            image = open_image(str(path), options, progress)
            seeds = open_labels(options.seeds, image, progress) if options.seeds else None
            found = drain(jobs.segment(image, recipe, seeds=seeds, box=options.box or None), progress)
            files = write_result(found, target, progress)
        except SegPluginError as error:
            return {**row, "error": told(error), "notes": progress.notes}
    count = len(found.objects)
    word = "object" if found.task is Task.INSTANCE else "class"
    plural = "" if count == 1 else "s" if word == "object" else "es"
    return {
        **row,
        "outputs": [str(f) for f in files],
        "objects": count,
        "found": f"{count} {word}{plural}",
        "seconds": round(time.perf_counter() - start, 3),
        "notes": progress.notes,
    }


def find_images(given: Sequence[str]) -> list[Path]:
    """The images that were named, and those in the folders that were named.

    Raises
    ------
    InputError
        If a folder holds none.
    """
    from napari_segplugin.io.pairs import list_files

    found: list[Path] = []
    for name in given:
        path = Path(name).expanduser()
        if not path.is_dir() or _is_image(path):
            found.append(path)
            continue
        inner = [p for p in list_files(path) if not p.is_dir() or _is_image(p)]
        if not inner:
            raise InputError("There are no images in the folder.", got=f"'{path}'")
        found += inner
    return found


def _is_image(folder: Path) -> bool:
    """Whether a folder is one image: a zarr, or a series of DICOM slices."""
    return is_zarr(folder) or any(p.is_file() and looks_like_dicom(p) for p in folder.iterdir())


__all__ = ["find_images", "run"]
