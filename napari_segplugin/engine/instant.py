"""The instant answer: a random forest on multiscale features of the voxels, learnt from strokes within a second.

Features are computed block by block and only where they are needed: around strokes to learn, and where somebody looks to
answer. They are kept, so the next stroke costs no more than a new forest. No torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from napari_segplugin.core import (
    ClassTable,
    Image,
    InputError,
    Job,
    ObjectTable,
    Region,
    Sample,
    Segmentation,
    Stage,
    Step,
    Task,
)
from napari_segplugin.core.types import JsonDict
from napari_segplugin.data.corrections import Corrections, to_sample
from napari_segplugin.data.nodata import clear_nodata
from napari_segplugin.data.strokes import near_strokes, split_strokes, touched_pieces
from napari_segplugin.engine.forest import FRESH, TREES, PixelForest, dice_on
from napari_segplugin.tasks import get_task


@dataclass(frozen=True, eq=False)
class ForestAnswer:
    """What a forest makes of strokes.

    Parameters
    ----------
    segmentation : Segmentation
        Of the region that was asked for.
    quality : dict of str to float
        On held-out strokes; empty where none could be held out.
    heldout : str
        How that was computed, as a sentence.
    """

    segmentation: Segmentation
    quality: dict[str, float]
    heldout: str


def instant(
    image: Image,
    corrections: Corrections,
    task: Task,
    classes: ClassTable,
    *,
    region: Region | None = None,
    forest: PixelForest | None = None,
    seed: int = 0,
    most: int = 0,
    one_thing: bool = False,
) -> Job[ForestAnswer]:
    """Answer strokes at once.

    For objects the foreground of the forest is parted where it is narrow: a first guess to correct, without training.

    Parameters
    ----------
    image : Image
    corrections : Corrections
        Unpainted is unknown.
    task : Task
    classes : ClassTable
    region : tuple of slice, optional
        What to answer; everything by default.
    forest : PixelForest, optional
        One that has features of this image already.
    seed : int
    most : int
        Voxels that are looked at; of a larger region every second, third … voxel along the rows and columns. 0 means all.
    one_thing : bool
        Each class is one thing where it was painted (an organ, say), and not of a kind that lies all over the image: places
        near a stroke are more likely (:func:`napari_segplugin.data.strokes.near_strokes`), and only pieces that a stroke
        touches are kept. Semantic only.

    Yields
    ------
    Stage, Step

    Returns
    -------
    ForestAnswer

    Raises
    ------
    InputError
        If fewer than two classes are painted, or paint and image do not fit.
    """
    yield Stage("Learning from the strokes")
    sample = to_sample(image, corrections, task, classes)
    forest = forest or PixelForest(image)
    split, fresh = split_strokes(sample, classes, seed=seed), FRESH if most else 0
    quality: dict[str, float] = {}
    if split.heldout is not None:
        quality = judge_forest(forest, split.train, split.heldout, len(classes), seed, fresh)
    forest.fit(sample, len(classes), seed=seed, fresh=fresh)
    region = (
        tuple(slice(*s.indices(n)[:2]) for s, n in zip(region or (), image.spatial_shape, strict=True))
        if region
        else None
    )
    wanted = region or tuple(slice(0, n) for n in image.spatial_shape)
    step = max(1, math.ceil(math.sqrt(math.prod(s.stop - s.start for s in wanted) / most))) if most else 1
    yield Stage("Segmenting")
    maps = np.zeros((len(classes), *(s.stop - s.start for s in wanted)), np.float32)
    pieces = list(_pieces(wanted, forest.block)) if step == 1 else [wanted]
    for done, piece in enumerate(pieces, 1):
        place = tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(piece, wanted, strict=True))
        maps[(slice(None), *place)] = forest.probabilities(piece, step)
        yield Step(done, len(pieces))
    paint = corrections.paint[wanted]
    focus = one_thing and task is Task.SEMANTIC and bool(paint.any())
    if focus:
        maps = near_strokes(maps, paint, image.canonical_spacing)
    labels, table = _decode(maps, task, classes, image)
    if focus:
        labels = touched_pieces(labels, paint)
    table = table.only(clear_nodata(labels, image, wanted))
    recipe: JsonDict = {
        "method": "random forest on multiscale features",
        "sigmas": list(forest.sigmas),
        "plane by plane": forest.planes,
        "trees": TREES,
        "seed": seed,
        "step": step,
        "one thing": focus,
        "origin": [s.start for s in wanted],
        "image": image.name,
    }
    axes = "ZYX"[3 - image.ndim :]
    name = f"{image.name} (instant)"
    result = Segmentation(task, labels, table, classes, axes, image.canonical_spacing, image.unit, name, recipe)
    return ForestAnswer(result, quality, split.sentence)


def judge_forest(
    forest: PixelForest, train: Sample, heldout: Sample, n_classes: int, seed: int = 0, fresh: int = 0
) -> dict[str, float]:
    """Dice on held-out strokes of a forest that learnt from the others; empty where the others show one class only."""
    try:
        return {"held-out Dice": dice_on(forest.fit(train, n_classes, seed=seed, fresh=fresh), heldout, fresh)}
    except InputError:
        return {}


def _pieces(region: Region, size: tuple[int, ...]) -> Iterator[Region]:
    """The parts of a region in each block of the grid."""
    cuts = []
    for s, b in zip(region, size, strict=True):
        starts = range(s.start // b * b, s.stop, b)
        cuts.append([slice(max(s.start, a), min(s.stop, a + b)) for a in starts])
    yield from product(*cuts)


def _decode(maps: np.ndarray, task: Task, classes: ClassTable, image: Image) -> tuple[np.ndarray, ObjectTable]:
    codec = get_task(task)
    if task is Task.SEMANTIC:
        return codec.decode(maps, classes, {})
    from skimage.measure import label

    from napari_segplugin.tasks.instance import normalised_distance

    things = maps[list(classes.thing_ids)].sum(0) > 0.5
    distance = normalised_distance(label(things), image.canonical_spacing)
    # the thresholded foreground has no network's caution: it is taken as it is, and parted at clear necks only
    return codec.decode(
        np.concatenate([maps, distance[None]]), classes, {"foreground": 0.5, "seed": 0.3, "min_size": 10}
    )


__all__ = ["ForestAnswer", "PixelForest", "dice_on", "instant", "judge_forest"]
