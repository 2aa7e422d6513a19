"""napari-segplugin: segment, correct, fine-tune and measure 2D and 3D images in napari, from Python and the command line.

Everything public is here and in :mod:`napari_segplugin.jobs`; names are looked up when they are first used, and nothing
imports torch until something computes.

Examples
--------
>>> import napari_segplugin as seg
>>> result = seg.predict(seg.sample("nuclei2d").image, "nuclei2d", progress=False)
>>> [column.name for column in seg.measure(result)][:2]
['label', 'class']
"""

from __future__ import annotations

import importlib
import warnings

from napari_segplugin.version import __version__ as __version__

TYPE_CHECKING = False  # what `typing` says, without the time that its import takes
if TYPE_CHECKING:
    from napari_segplugin import jobs
    from napari_segplugin.core import (
        AugmentSpec,
        ClassicalRecipe,
        ClassInfo,
        ClassTable,
        CleanupStep,
        FileState,
        Image,
        InputError,
        Kind,
        LossSpec,
        LossTerm,
        MissingExtraError,
        ModelBundle,
        ModelSpec,
        ObjectTable,
        OutOfMemoryError,
        Segmentation,
        SegPluginError,
        Task,
        TileSpec,
        TrainSpec,
        drain,
    )
    from napari_segplugin.core.training import FineTuneResult
    from napari_segplugin.data.corrections import Corrections
    from napari_segplugin.data.doubt import Queue
    from napari_segplugin.data.drawn import Outline
    from napari_segplugin.data.table import MeasureTable
    from napari_segplugin.door.batches import batch, in_regions, replay
    from napari_segplugin.door.calls import finetune, predict, segment, suits, train
    from napari_segplugin.door.catalog import ModelInfo, devices, doctor, models, new_model, recipes, sample, samples
    from napari_segplugin.door.doubt import doubtful
    from napari_segplugin.door.joining import join
    from napari_segplugin.door.regions import crop, measure
    from napari_segplugin.door.results import evaluate, load_model, save_model, track, write_segmentation
    from napari_segplugin.engine.doctor.report import DoctorReport
    from napari_segplugin.engine.evaluate.report import Report
    from napari_segplugin.engine.predict.cluster import connect
    from napari_segplugin.engine.predict.work.suits import Suitability
    from napari_segplugin.engine.roi import Piece
    from napari_segplugin.engine.track.track import Tracking, TrackSpec
    from napari_segplugin.engine.train.tensorboard import Board
    from napari_segplugin.io.formats import read_image
    from napari_segplugin.io.image_writing import write_image
    from napari_segplugin.io.recipes import load_recipe, save_recipe
    from napari_segplugin.io.samples import SampleImage
    from napari_segplugin.io.segmentations import read, read_segmentation

_CORE = (
    "AugmentSpec ClassInfo ClassTable ClassicalRecipe CleanupStep FileState Image InputError Kind LossSpec LossTerm MissingExtraError "
    "ModelBundle ModelSpec ObjectTable OutOfMemoryError SegPluginError Segmentation Task TileSpec TrainSpec drain"
)
_NAMES = {
    "core": _CORE,
    "door.batches": "batch in_regions replay",
    "data.drawn": "Outline",
    "door.calls": "finetune predict segment suits train",
    "door.catalog": "ModelInfo devices doctor models new_model recipes sample samples",
    "door.doubt": "doubtful",
    "door.joining": "join",
    "door.regions": "crop measure",
    "door.results": "evaluate load_model save_model track write_segmentation",
    "data.corrections": "Corrections",
    "data.doubt": "Queue",
    "data.table": "MeasureTable",
    "engine.doctor.report": "DoctorReport",
    "engine.evaluate.report": "Report",
    "engine.predict.cluster": "connect",
    "engine.predict.work.suits": "Suitability",
    "engine.roi": "Piece",
    "engine.track.track": "TrackSpec Tracking",
    "core.training": "FineTuneResult",
    "engine.train.tensorboard": "Board",
    "io.formats": "read_image",
    "io.image_writing": "write_image",
    "io.recipes": "load_recipe save_recipe",
    "io.samples": "SampleImage",
    "io.segmentations": "read read_segmentation",
}
_RENAMED: dict[str, tuple[str, str]] = {}
"""Public names that have another name now: old -> (new, version in which the old one goes, two minor versions later)."""
_HOME = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = [
    "AugmentSpec",
    "Board",
    "ClassInfo",
    "ClassTable",
    "ClassicalRecipe",
    "CleanupStep",
    "Corrections",
    "DoctorReport",
    "FileState",
    "FineTuneResult",
    "Image",
    "InputError",
    "Kind",
    "LossSpec",
    "LossTerm",
    "MeasureTable",
    "MissingExtraError",
    "ModelBundle",
    "ModelInfo",
    "ModelSpec",
    "ObjectTable",
    "OutOfMemoryError",
    "Outline",
    "Piece",
    "Queue",
    "Report",
    "SampleImage",
    "SegPluginError",
    "Segmentation",
    "Suitability",
    "Task",
    "TileSpec",
    "TrackSpec",
    "Tracking",
    "TrainSpec",
    "__version__",
    "batch",
    "connect",
    "crop",
    "devices",
    "doctor",
    "doubtful",
    "drain",
    "evaluate",
    "finetune",
    "in_regions",
    "jobs",
    "join",
    "load_model",
    "load_recipe",
    "measure",
    "models",
    "new_model",
    "predict",
    "read",
    "read_image",
    "read_segmentation",
    "recipes",
    "replay",
    "sample",
    "samples",
    "save_model",
    "save_recipe",
    "segment",
    "suits",
    "track",
    "train",
    "write_image",
    "write_segmentation",
]


def __getattr__(name: str) -> object:
    """Look a public name up where it lives, once."""
    if name == "jobs":
        return importlib.import_module("napari_segplugin.jobs")
    if name in _RENAMED:
        new, until = _RENAMED[name]
        text = f"napari_segplugin.{name} is napari_segplugin.{new} now; the old name goes in version {until}."
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return __getattr__(new)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
