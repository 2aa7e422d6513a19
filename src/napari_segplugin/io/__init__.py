"""Files -> images, segmentations -> files, model bundles on disk, shipped samples."""

from napari_segplugin.io.bundles import load_bundle, load_thumbnail, save_bundle, shipped_bundles
from napari_segplugin.io.formats import FORMATS, read_image, read_labels
from napari_segplugin.io.samples import load_sample, sample_names
from napari_segplugin.io.writing import write_segmentation

__all__ = [
    "FORMATS",
    "load_bundle",
    "load_sample",
    "load_thumbnail",
    "read_image",
    "read_labels",
    "sample_names",
    "save_bundle",
    "shipped_bundles",
    "write_segmentation",
]
