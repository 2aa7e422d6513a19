"""Files -> images, segmentations -> files, model bundles on disk, shipped samples."""

from napari_segplugin.io.bundles import load_bundle, load_thumbnail, save_bundle, shipped_bundles
from napari_segplugin.io.formats import FORMATS, read_image, read_labels
from napari_segplugin.io.recipes import load_recipe, save_recipe, shipped_recipes
from napari_segplugin.io.samples import load_sample, sample_names
from napari_segplugin.io.segmentations import is_result, read, read_segmentation
from napari_segplugin.io.writing import write_segmentation

__all__ = [
    "FORMATS",
    "is_result",
    "load_bundle",
    "load_recipe",
    "load_sample",
    "load_thumbnail",
    "read",
    "read_image",
    "read_labels",
    "read_segmentation",
    "sample_names",
    "save_bundle",
    "save_recipe",
    "shipped_bundles",
    "shipped_recipes",
    "write_segmentation",
]
