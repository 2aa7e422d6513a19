"""The instant answer for a large part of an image: at the resolution at which it is seen, and not finer. No torch."""

from __future__ import annotations

from dataclasses import replace

from napari_segplugin.core import ClassTable, Image, Job, Region, Task
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.engine.instant import ForestAnswer, PixelForest, instant
from napari_segplugin.engine.pooled import pooled_corrections


def instant_coarse(
    image: Image,
    corrections: Corrections,
    task: Task,
    classes: ClassTable,
    *,
    region: Region,
    forest: PixelForest | None = None,
    most: int = 0,
    one_thing: bool = False,
) -> Job[ForestAnswer]:
    """Answer strokes in a region at the resolution at which it is seen; see :func:`~napari_segplugin.engine.instant.instant`.

    Returns
    -------
    ForestAnswer
        Its labels are pooled: ``recipe["pooled"]`` says how many rows and columns are one, and ``recipe["origin"]`` counts
        such rows and columns.
    """
    whole = tuple(slice(*s.indices(n)[:2]) for s, n in zip(region, image.spatial_shape, strict=True))
    known = forest or PixelForest(image)
    step, part = known.coarse(whole)
    if step == 1:
        return (
            yield from instant(
                image, corrections, task, classes, region=whole, forest=known, most=most, one_thing=one_thing
            )
        )
    coarse = known.pooled(step)
    pooled = pooled_corrections(corrections, step)
    answer = yield from instant(
        coarse.image, pooled, task, classes, region=part, forest=coarse, most=most, one_thing=one_thing
    )
    found = answer.segmentation
    return replace(answer, segmentation=replace(found, recipe={**found.recipe, "pooled": step}))


__all__ = ["instant_coarse"]
