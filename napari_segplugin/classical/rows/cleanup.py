"""Rows of the clean-up steps. Imports no scikit-image."""

from __future__ import annotations

from napari_segplugin.classical.row import CleanupRow
from napari_segplugin.core import Parameter

_HERE = "napari_segplugin.classical."


def _radius(help: str) -> Parameter:
    return Parameter("radius", 2.0, "Radius", help, low=0, high=50, step=0.5, unit="pixel")


CLEANUP_ROWS: tuple[CleanupRow, ...] = (
    CleanupRow(
        "remove_small",
        "Remove small",
        _HERE + "cleanup.steps:remove_small",
        "Removes objects with fewer voxels than asked for, or much smaller than the others.",
        "",
        parameters=(
            Parameter("size", 64, "Least size", "Voxels that an object has at least.", low=0, high=10**9, unit="pixel^n"),
            Parameter(
                "share", 0.0, "Share of the median", "An object has at least this share of the median size; 0: no matter.",
                low=0, high=1, step=0.05,
            ),
        ),
        kind="same",
    ),
    CleanupRow(
        "keep_largest",
        "Keep largest",
        _HERE + "cleanup.steps:keep_largest",
        "Keeps the largest objects of each class and removes the others.",
        "",
        parameters=(Parameter("count", 1, "How many", "Objects that stay.", low=1, high=10**6),),
        kind="same",
    ),
    CleanupRow(
        "tighten",
        "Tighten",
        _HERE + "cleanup.tighten:tighten",
        "Cuts each object at the half height of its own brightness, so that bright ones are not drawn too wide.",
        "",
        parameters=(
            Parameter(
                "share", 0.5, "Height", "Where the outline lies between the background (0) and the object (1).",
                low=0, high=1, step=0.05,
            ),
            Parameter(
                "top", 0.75, "Brightness", "Quantile of the object's values that is its brightness.",
                low=0.5, high=1, step=0.05,
            ),
            Parameter(
                "smooth", 1.0, "Smooth before", "Width (sigma) of a Gaussian over the image.",
                low=0, high=20, step=0.5, unit="pixel",
            ),
        ),
        kind="same",
        image=True,
    ),
    CleanupRow(
        "fill_holes",
        "Fill holes",
        _HERE + "cleanup.steps:fill_holes",
        "Fills background that one object encloses.",
        "",
        parameters=(
            Parameter(
                "size", 0, "Largest hole", "Voxels that a hole has at most; 0: any.", low=0, high=10**9, unit="pixel^n"
            ),
            Parameter("planes", False, "Plane by plane", "In 3D, fill what is enclosed within its plane."),
        ),
        kind="same",
    ),
    CleanupRow(
        "smooth",
        "Smooth outlines",
        _HERE + "cleanup.steps:smooth",
        "Rounds the outlines of objects.",
        "",
        parameters=(_radius("Width (sigma) of the Gaussian that rounds."),),
        kind="same",
    ),
    CleanupRow(
        "open",
        "Open",
        _HERE + "cleanup.steps:opening",
        "Takes away bridges and spikes that a ball does not fit into.",
        "Serra 1982",
        parameters=(_radius("Of the ball."),),
        kind="same",
    ),
    CleanupRow(
        "close",
        "Close",
        _HERE + "cleanup.steps:closing",
        "Fills bays and gaps that a ball does not fit into.",
        "Serra 1982",
        parameters=(_radius("Of the ball."),),
        kind="same",
    ),
    CleanupRow(
        "clear_border",
        "Clear border",
        _HERE + "cleanup.steps:clear_border",
        "Removes objects that the border of the image cuts.",
        "",
        parameters=(
            Parameter("margin", 0, "Margin", "Voxels beside the border that count as border.", low=0, high=1000, unit="pixel"),
            Parameter("ends", False, "First and last plane", "In 3D, whether these are border too."),
        ),
        kind="same",
    ),
    CleanupRow(
        "label",
        "Label pieces",
        _HERE + "cleanup.steps:label_objects",
        "Makes an object of every connected piece.",
        "",
        parameters=(Parameter("diagonal", False, "Across corners", "Whether voxels that meet at a corner hang together."),),
        kind="objects",
    ),
    CleanupRow(
        "split_touching",
        "Split touching",
        _HERE + "cleanup.split:split_touching",
        "Splits objects at their necks, by the distance to the background.",
        "Vincent and Soille 1991; Soille 2003",
        parameters=(
            Parameter(
                "smooth", 1.0, "Smooth", "Width (sigma) of a Gaussian over the distance.",
                low=0, high=20, step=0.5, unit="pixel",
            ),
            Parameter(
                "depth", 0.75, "Depth of necks", "What a neck must lie below the lower of two peaks (h-maxima).",
                low=0, high=100, step=0.25, unit="pixel",
            ),
            Parameter(
                "share", 0.1, "Share of the peak", "The same as a share of the height of the lower peak.",
                low=0, high=1, step=0.05,
            ),
            Parameter(
                "brightness", 0.0, "Brightness", "How much dark lines within an object count beside its shape.",
                low=0, high=1, step=0.1,
            ),
        ),
        kind="objects",
        image=True,
    ),
)  # fmt: skip

__all__ = ["CLEANUP_ROWS"]
