"""All that a window asks for, in one place: lists, files, quick answers, and the verbs as jobs.

What computes imports torch or scikit-image inside, so call it in a worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import (
    AugmentSpec,
    ClassicalRecipe,
    ClassTable,
    Image,
    ModelBundle,
    Region,
    Registry,
    Task,
    TileSpec,
    drain,
)
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.door import catalog
from napari_segplugin.door.catalog import (
    devices,
    doctor,
    network_facts,
    new_bundle,
    part_problems,
    recipes,
    sample,
    samples,
    shipped_specs,
    sweep_leftovers,
)
from napari_segplugin.door.joining import join
from napari_segplugin.door.orders import FileReading, RunOrder, batch_of, in_drawn, plan
from napari_segplugin.door.results import load_model, save_model, write_segmentation
from napari_segplugin.engine.doctor.report import DoctorReport
from napari_segplugin.engine.doctor.screen import Screen
from napari_segplugin.engine.session import Session, image_key
from napari_segplugin.engine.torch_import import bring_torch, collect_frozen
from napari_segplugin.engine.track.track import Tracking, TrackSpec, track_spec_from_json
from napari_segplugin.engine.train.advice import recommend_loss
from napari_segplugin.io import is_result, load_recipe, read_image, save_recipe
from napari_segplugin.jobs import (
    compare,
    edge_map,
    evaluate,
    finetune,
    instant,
    predict,
    predict_to_file,
    segment,
    track,
    train,
)

if TYPE_CHECKING:
    from napari_segplugin.classical.row import CleanupRow, TechniqueRow
    from napari_segplugin.core.training import FineTuneResult as FineTuneResult
    from napari_segplugin.engine.classical.preview import Previewer as Previewer
    from napari_segplugin.engine.evaluate.compare import Comparison as Comparison
    from napari_segplugin.engine.evaluate.report import Report as Report
    from napari_segplugin.engine.instant import ForestAnswer as ForestAnswer
    from napari_segplugin.engine.instant import PixelForest as PixelForest
    from napari_segplugin.engine.predict.estimate import Estimate as Estimate
    from napari_segplugin.engine.predict.propose import Proposed as Proposed
    from napari_segplugin.engine.predict.work.suits import Suitability as Suitability
    from napari_segplugin.losses import LossRow
    from napari_segplugin.networks import NetworkRow

LIVE_VOXELS = 200_000
"""Voxels that are looked at while somebody paints: few enough for an answer within a second of the stroke."""


def networks() -> Registry[NetworkRow]:
    """The registry of networks."""
    return catalog.NETWORKS


def losses() -> Registry[LossRow]:
    """The registry of losses."""
    return catalog.LOSSES


def techniques() -> Registry[TechniqueRow]:
    """The registry of classical techniques."""
    return catalog.TECHNIQUES


def cleanups() -> Registry[CleanupRow]:
    """The registry of clean-up steps."""
    return catalog.CLEANUPS


def estimate(
    image: Image,
    model: ModelBundle,
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    region: Region | None = None,
) -> Estimate:
    """Tiles, memory and seconds of a prediction."""
    bring_torch()
    from napari_segplugin.engine.predict.estimate import estimate as run

    return run(image, model, tiles=tiles, device=device, region=region)


def suits(image: Image, model: ModelBundle, *, tiles: TileSpec | None = None) -> Suitability:
    """Whether an image is like those that a model learnt from, and the settings that help."""
    bring_torch()
    from napari_segplugin.engine.predict.work.suits import suits as run

    return run(image, model, tiles)


def propose(
    image: Image,
    model: ModelBundle,
    region: Region,
    *,
    point: tuple[int, ...] | None = None,
    box: Region | None = None,
    free: np.ndarray | None = None,
    device: str = "auto",
    rescale: bool = True,
    invert: bool = False,
) -> list[Proposed]:
    """Masks for the object at a click or in a box."""
    bring_torch()
    from napari_segplugin.engine.predict.propose import propose as run

    return run(image, model, region, point=point, box=box, free=free, device=device, rescale=rescale, invert=invert)


def examples(image: Image, augmentation: AugmentSpec) -> np.ndarray:
    """A picture of augmented patches, (Y, X, 3) of uint8."""
    bring_torch()
    from napari_segplugin.engine.train.examples import augmented_patches

    return augmented_patches(image, augmentation)


def instant_now(
    image: Image,
    corrections: Corrections,
    task: Task,
    classes: ClassTable,
    *,
    region: Region | None,
    forest: PixelForest | None,
    one_thing: bool = False,
) -> ForestAnswer:
    """Answer strokes at once, on as many voxels as can be looked at while somebody paints; a large part coarsely."""
    from napari_segplugin.engine.coarse import instant_coarse

    part = region or tuple(slice(None) for _ in image.spatial_shape)
    job = instant_coarse(
        image, corrections, task, classes, region=part, forest=forest, most=LIVE_VOXELS, one_thing=one_thing
    )
    return drain(job)


def pixel_forest(image: Image) -> PixelForest:
    """A random forest for an image, whose features every stroke can use; cheap, nothing is computed yet."""
    from napari_segplugin.engine.instant import PixelForest

    return PixelForest(image)


def previewer(image: Image) -> Previewer:
    """A live preview of classical techniques on an image; cheap, nothing is computed yet."""
    from napari_segplugin.engine.classical.preview import Previewer

    return Previewer(image)


def companion(image: Image, recipe: ClassicalRecipe) -> np.ndarray:
    """What a technique shows beside its labels."""
    from napari_segplugin.engine.classical.pictures import companion as run

    return run(image, recipe)


def histogram(image: Image, channel: int) -> tuple[np.ndarray, float, float]:
    """Counts of equal bins, and the two ends."""
    from napari_segplugin.engine.classical.histogram import histogram as run

    return run(image, channel)


__all__ = [
    "LIVE_VOXELS",
    "DoctorReport",
    "FileReading",
    "RunOrder",
    "Screen",
    "Session",
    "TrackSpec",
    "Tracking",
    "batch_of",
    "cleanups",
    "collect_frozen",
    "companion",
    "compare",
    "devices",
    "doctor",
    "edge_map",
    "estimate",
    "evaluate",
    "examples",
    "finetune",
    "histogram",
    "image_key",
    "in_drawn",
    "instant",
    "instant_now",
    "is_result",
    "join",
    "load_model",
    "load_recipe",
    "losses",
    "network_facts",
    "networks",
    "new_bundle",
    "part_problems",
    "pixel_forest",
    "plan",
    "predict",
    "predict_to_file",
    "previewer",
    "propose",
    "read_image",
    "recipes",
    "recommend_loss",
    "sample",
    "samples",
    "save_model",
    "save_recipe",
    "segment",
    "shipped_specs",
    "suits",
    "sweep_leftovers",
    "techniques",
    "track",
    "track_spec_from_json",
    "train",
    "write_segmentation",
]
