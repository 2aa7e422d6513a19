"""The rows. Imports neither torch nor SciPy, so that listing them costs nothing."""

from __future__ import annotations

from napari_segplugin.classical import CleanupRow, TechniqueRow
from napari_segplugin.core import Parameter
from napari_segplugin.io.row import FormatRow
from napari_segplugin.losses import LossRow
from napari_segplugin.metrics import MetricRow
from napari_segplugin.networks import NetworkRow
from napari_segplugin.tasks import HeadRow

NETWORK = NetworkRow(
    "dilated",
    "Dilated convolutions",
    "segplugin_extra.network:Dilated",
    "Three convolutions that look ever further.",
    "Yu & Koltun 2016, arXiv 1511.07122",
    options={"width": 8},
)
LOSS = LossRow(
    "brier",
    "Brier",
    "segplugin_extra.loss:brier",
    "Squared distance between the probabilities and the truth.",
    "Brier 1950",
    options={"scale": 1.0},
)
CLEANUP = CleanupRow(
    "bounded",
    "Only boxes",
    "segplugin_extra.technique:bounded",
    "Removes objects that fill little of the box around them.",
    parameters=(Parameter("least", 0.1, "Least share", "Share of its box that an object fills.", low=0, high=1),),
)
FORMAT = FormatRow("voxels", "Voxels as JSON", "segplugin_extra.format:FORMAT", extensions=(".voxels.json",))
METRIC = MetricRow(
    "ochiai",
    "Ochiai",
    "segplugin_extra.metric:ochiai",
    "|A∩B| / √(|A||B|), voxels; not defined where both are empty.",
    "Ochiai 1957",
    kind="semantic",
)
HEAD = HeadRow("border", "Borders between objects", "segplugin_extra.head:BorderCodec", "Plump objects that touch.")


def techniques():
    """A function may give a list."""
    return [
        TechniqueRow(
            "half_way",
            "Half way",
            "segplugin_extra.technique:half_way",
            "Everything brighter than half way between the darkest and the brightest voxel.",
            "Nobody 2026",
            parameters=(Parameter("share", 0.5, "Share", "Where between the two.", low=0, high=1),),
            scope="point",
            group="Extra",
            measure="segplugin_extra.technique:ends",
        )
    ]


def taken():
    """A name that is there already."""
    return NetworkRow("unet", "Another U-Net", "segplugin_extra.network:Dilated")


def nonsense():
    """Something that is no row."""
    return 42
