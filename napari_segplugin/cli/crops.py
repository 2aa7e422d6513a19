"""The command that cuts objects out of an image: crop."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from napari_segplugin.cli.commands import Result, ResultPath, open_image, targets_of, write_result
from napari_segplugin.cli.progress import CommandProgress
from napari_segplugin.core import InputError, Note
from napari_segplugin.core.words import plain_name
from napari_segplugin.door.regions import crop_read
from napari_segplugin.io import read_segmentation
from napari_segplugin.io.formats import extension_of
from napari_segplugin.io.image_writing import lost_by, write_image
from napari_segplugin.io.like_input import image_ending, labels_beside


def crop(options: Namespace) -> Result:
    """Cut pieces out of an image, and write each with its labels."""
    ending = f".{options.format}" if options.format else image_ending(options.image)
    [whole] = targets_of([options.image], options.output, ending.lstrip("."), ending="")
    rows = []
    with CommandProgress(Path(options.image).name, options.quiet) as progress:
        image = open_image(options.image, options, progress)
        labels = read_segmentation(options.labels, task=options.task) if options.labels else None
        pieces = crop_read(
            image,
            labels,
            options.spacing is not None,
            objects=options.object,
            classes=options.classes,
            box=options.box,
            margin=options.margin,
            mask=options.mask,
            outside=options.outside,
        )
        said = dict.fromkeys(n for piece in pieces for n in piece.notes)
        stem = whole.path.name.removesuffix(ending)
        names = [plain_name(p.name) for p in pieces]
        _check_names(names)
        for piece, name in zip(pieces, names, strict=True):
            place = whole.path.with_name(f"{stem}_{name}{ending}")
            said |= dict.fromkeys([lost_by(piece.image, place)])
            files = write_image(piece.image, place)
            if piece.segmentation is not None:
                own = labels_beside(extension_of(place), piece.segmentation.axes)
                target = ResultPath(place.with_name(f"{stem}_{name}_labels{own}"), ".tif" if own == ".png" else "")
                files += write_result(piece.segmentation, target, progress)
            box = [[s.start, s.stop] for s in piece.region]
            rows.append({"name": piece.name, "box": box, "outputs": [str(f) for f in files]})
        for note in said:
            if note:
                progress(Note(note))
    lines = [f"{r['outputs'][0]}: {' '.join(f'{a}:{b}' for a, b in r['box'])}" for r in rows]
    return {"command": "crop", "image": options.image, "results": rows, "notes": progress.notes}, "\n".join(lines)


def _check_names(names: list[str]) -> None:
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise InputError(
            "Two pieces would be written to one file.", got=f"'{min(twice)}'", hint="Cut out one of them at a time."
        )


__all__ = ["crop"]
