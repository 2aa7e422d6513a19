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
        "Removes objects that are too small, or much smaller than the others.",
        "",
        parameters=(
            Parameter("size", 64, "Minimum size", "Smallest object to keep, in pixels (voxels in "
            "3D).", low=0, high=10**9, unit="pixel^n"),
            Parameter(
                "share", 0.0, "Fraction of median", "Smallest object to keep, as a fraction of the median size; 0: "
                "off.",
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
        parameters=(Parameter("count", 1, "Number to keep", "Number of objects to keep.", low=1, high=10**6),),
        kind="same",
    ),
    CleanupRow(
        "tighten",
        "Tighten",
        _HERE + "cleanup.tighten:tighten",
        "Redraws each outline at a fraction of the object's own brightness, so that bright objects are not outlined "
        "too wide.",
        "",
        parameters=(
            Parameter(
                "share", 0.5, "Height", "Position of the outline between the brightness of the background (0) and of "
                "the object (1).",
                low=0, high=1, step=0.05,
            ),
            Parameter(
                "top", 0.75, "Brightness", "Quantile of the object's values that counts as its brightness.",
                low=0.5, high=1, step=0.05,
            ),
            Parameter(
                "smooth", 1.0, "Smooth first", "Width (sigma) of a Gaussian filter on the image.",
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
        "Fills background enclosed by one object.",
        "",
        parameters=(
            Parameter(
                "size", 0, "Largest hole", "Largest hole to fill, in pixels (voxels in 3D); 0: no "
                "limit.", low=0, high=10**9, unit="pixel^n"
            ),
            Parameter("planes", False, "Plane by plane", "In 3D, fill holes that are enclosed within their plane."),
        ),
        kind="same",
    ),
    CleanupRow(
        "smooth",
        "Smooth outlines",
        _HERE + "cleanup.steps:smooth",
        "Smooths the outlines of objects.",
        "",
        parameters=(_radius("Width (sigma) of the Gaussian filter; larger is smoother."),),
        kind="same",
    ),
    CleanupRow(
        "open",
        "Open",
        _HERE + "cleanup.steps:opening",
        "Removes bridges and spikes that are too narrow for a ball of this radius.",
        "Serra 1982",
        parameters=(_radius("Radius of the ball (a disk in 2D)."),),
        kind="same",
    ),
    CleanupRow(
        "close",
        "Close",
        _HERE + "cleanup.steps:closing",
        "Fills bays and gaps that are too narrow for a ball of this radius.",
        "Serra 1982",
        parameters=(_radius("Radius of the ball (a disk in 2D)."),),
        kind="same",
    ),
    CleanupRow(
        "clear_border",
        "Clear border",
        _HERE + "cleanup.steps:clear_border",
        "Removes objects that touch the border of the image.",
        "",
        parameters=(
            Parameter("margin", 0, "Margin", "Width of the strip along the border that counts as border, in "
            "pixels.", low=0, high=1000, unit="pixel"),
            Parameter("ends", False, "First and last plane", "In 3D, whether the first and last plane count as "
            "border."),
        ),
        kind="same",
    ),
    CleanupRow(
        "label",
        "Label pieces",
        _HERE + "cleanup.steps:label_objects",
        "Makes every connected piece an object of its own.",
        "",
        parameters=(Parameter("diagonal", False, "Across corners", "Whether pixels that touch only at a corner are "
        "connected."),),
        kind="objects",
    ),
    CleanupRow(
        "split_touching",
        "Split touching",
        _HERE + "cleanup.split:split_touching",
        "Splits objects where they are narrow, by the distance to the background.",
        "Vincent and Soille 1991; Soille 2003",
        parameters=(
            Parameter(
                "smooth", 1.0, "Smooth", "Width (sigma) of a Gaussian filter on the distance.",
                low=0, high=20, step=0.5, unit="pixel",
            ),
            Parameter(
                "depth", 0.75, "Depth of necks", "How much narrower than both parts a neck must be to be cut "
                "(h-maxima).",
                low=0, high=100, step=0.25, unit="pixel",
            ),
            Parameter(
                "share", 0.1, "Fraction of peak", "The same, as a fraction of the lower of the two peaks.",
                low=0, high=1, step=0.05,
            ),
            Parameter(
                "brightness", 0.0, "Brightness", "How much dark lines inside an object count, compared with its shape.",
                low=0, high=1, step=0.1,
            ),
        ),
        kind="objects",
        image=True,
    ),
)  # fmt: skip

__all__ = ["CLEANUP_ROWS"]
