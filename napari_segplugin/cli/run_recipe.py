"""``segplugin run``: a classical recipe on images, or a result that is made again from the recipe beside it."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_segplugin.cli.commands import Result, joined, opened
from napari_segplugin.cli.many import Many
from napari_segplugin.core import Image, InputError
from napari_segplugin.door.orders import ENDING, Recorded, RunOrder, is_recorded, read_recorded, recorded_order
from napari_segplugin.io import load_recipe
from napari_segplugin.io.formats import extension_of, stem_of
from napari_segplugin.io.pairs import open_labels
from napari_segplugin.io.targets import ResultPath, find_images

AGAIN = "_again"
"""What the name of a result ends in that would replace the one whose recipe it comes from."""


def run(options: Namespace) -> Result:
    """Segment images one after the other; one that cannot be segmented says why and does not hold up the others."""
    if is_recorded(options.recipe):
        return _again(options, read_recorded(options.recipe))
    from napari_segplugin.classical import complete

    recipe = complete(load_recipe(options.recipe))
    if not options.images:
        raise InputError("A recipe of classical steps needs images to run on.", hint="Name images, or a folder of them")
    many = Many.of(options, options.images)
    order = RunOrder(recipe, seeds=_seeds(options, many), box=options.box or None)
    many.run(order, lambda path: opened(path, options))
    data = {"command": "run", "recipe": order.name, **many.outcome(order.task)}
    return data, many.text(order.task)


def _seeds(options: Namespace, many: Many) -> np.ndarray | None:
    """Points or strokes of a single image."""
    if not options.seeds:
        return None
    if len(many.pairs) > 1:
        raise InputError(
            "Seeds belong to a single image.", got=f"{len(many.pairs)} images", hint="Give one image with --seeds."
        )
    return open_labels(options.seeds, opened(many.pairs[0][0], options), many.before.append)


def _again(options: Namespace, recorded: Recorded) -> Result:
    """A result once more, or the same on other images."""
    images = options.images or [str(recorded.image())]
    if recorded.joined and len(options.images) != recorded.joined:
        raise InputError(
            f"The result was made of {recorded.joined} images, the channels of one.",
            got=f"{len(options.images)} images",
            hint="Name all of them, in the same order",
        )
    options.channels = options.channels or recorded.channels
    many = Many.of(options, images[:1] if recorded.joined else images)
    many.pairs = [(path, _beside(target, recorded, bool(options.images))) for path, target in many.pairs]
    order = recorded_order(recorded, options.model, options.device, many.before.append)
    if options.box or options.seeds:
        order = replace(order, box=options.box or order.box, seeds=_seeds(options, many))

    def read(path: Path) -> Image:
        return joined(images, options, many.note) if recorded.joined else opened(path, options)

    many.run(order, read, recorded=recorded)
    data = {"command": "run", "recipe": order.name, **many.outcome(order.task)}
    return data, many.text(order.task)


def _beside(target: ResultPath, recorded: Recorded, named: bool) -> ResultPath:
    """Where a result goes; never in the place of the one whose recipe it comes from."""
    own = recorded.path.name.removesuffix(ENDING)
    if not named:
        labels = Path(str(recorded.about.get("labels", "")))
        end = extension_of(labels) or extension_of(target.path)
        return replace(target, path=recorded.path.with_name(f"{own}{AGAIN}{end}"))
    if target.path.parent.absolute() == recorded.path.parent.absolute() and stem_of(target.path) == own:
        return replace(target, path=target.path.with_name(f"{own}{AGAIN}{target.path.name[len(own) :]}"))
    return target


__all__ = ["find_images", "run"]
