"""The words of the house: types, events, registries, errors. NumPy and the standard library only."""

from napari_segplugin.core.bundle import Exemplars, Learnt, ModelBundle, Normalisation
from napari_segplugin.core.chain import ClassicalRecipe, CleanupStep, recipe_from_json, recipe_to_json
from napari_segplugin.core.classes import BACKGROUND_PAINT, PALETTE, ClassInfo, ClassTable, Kind, Task
from napari_segplugin.core.errors import (
    MEMORY_ERRORS,
    MEMORY_FULL,
    InputError,
    MissingExtraError,
    OutOfMemoryError,
    SegPluginError,
    is_out_of_memory,
)
from napari_segplugin.core.events import Event, FileState, Job, Metric, Note, Preview, Stage, Step, drain
from napari_segplugin.core.image import Image, check_axes, guess_axes, in_colours, without_nodata
from napari_segplugin.core.parameters import Parameter, check_parameters
from napari_segplugin.core.place import Box, Place, Region, TileSpec, tile_spec_from_json
from napari_segplugin.core.registry import Registry, Row, load_target
from napari_segplugin.core.segmentation import ObjectTable, Segmentation, labels_in
from napari_segplugin.core.specs import (
    AugmentSpec,
    LossSpec,
    LossTerm,
    ModelSpec,
    TrainSpec,
    augment_spec_from_json,
    classes_from_json,
    loss_spec_from_json,
    model_spec_from_json,
    to_json,
    train_spec_from_json,
)
from napari_segplugin.core.training import Sample

__all__ = [
    "BACKGROUND_PAINT",
    "MEMORY_ERRORS",
    "MEMORY_FULL",
    "PALETTE",
    "AugmentSpec",
    "Box",
    "ClassInfo",
    "ClassTable",
    "ClassicalRecipe",
    "CleanupStep",
    "Event",
    "Exemplars",
    "FileState",
    "Image",
    "InputError",
    "Job",
    "Kind",
    "Learnt",
    "LossSpec",
    "LossTerm",
    "Metric",
    "MissingExtraError",
    "ModelBundle",
    "ModelSpec",
    "Normalisation",
    "Note",
    "ObjectTable",
    "OutOfMemoryError",
    "Parameter",
    "Place",
    "Preview",
    "Region",
    "Registry",
    "Row",
    "Sample",
    "SegPluginError",
    "Segmentation",
    "Stage",
    "Step",
    "Task",
    "TileSpec",
    "TrainSpec",
    "augment_spec_from_json",
    "check_axes",
    "check_parameters",
    "classes_from_json",
    "drain",
    "guess_axes",
    "in_colours",
    "is_out_of_memory",
    "labels_in",
    "load_target",
    "loss_spec_from_json",
    "model_spec_from_json",
    "recipe_from_json",
    "recipe_to_json",
    "tile_spec_from_json",
    "to_json",
    "train_spec_from_json",
    "without_nodata",
]
