"""What napari's command palette and Layers menus do in the dock; each is a command of the manifest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from napari import Viewer
from napari.layers import Labels

from napari_segplugin.core import InputError, Task
from napari_segplugin.widgets.dock import SegmentationDock
from napari_segplugin.widgets.frame.frame import CORRECT, FIND, TRAIN

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

Command: TypeAlias = Callable[[Viewer], None]


def raised(viewer: Viewer) -> SegmentationDock:
    """The dock of a viewer, opened where there is none, in sight, and at work on the layer that is selected.

    Parameters
    ----------
    viewer : napari.Viewer
    """
    window = getattr(viewer, "__wrapped__", viewer).window
    docks = [w for w in window.dock_widgets.values() if isinstance(w, SegmentationDock) and w.open]
    dock: SegmentationDock = docks[0] if docks else window.add_plugin_dock_widget("napari-segplugin", "Segmentation")[1]
    holder: QWidget | None = dock.parentWidget()
    if holder is not None:
        holder.show()
        holder.raise_()
    dock.follow.follow()
    return dock


def _edit(action: str) -> Command:
    """A tool, or an answer in the queue."""

    def do(viewer: Viewer) -> None:
        dock = raised(viewer)
        if dock.edits.target is None:
            dock.fail(InputError("There are no objects to correct yet.", hint="Press Run, or open a result"))
            return
        dock.frame.turn_to(CORRECT)
        dock.edits.act(action)

    return do


def _turn(tab: str) -> Command:
    """A tab."""

    def do(viewer: Viewer) -> None:
        dock = raised(viewer)
        if dock.desk.layer is None and tab != FIND:
            dock.fail(InputError("There is no image yet.", hint="Open an image"))
            return
        dock.frame.turn_to(tab)

    return do


def next_step(viewer: Viewer) -> None:
    """Press the highlighted button."""
    raised(viewer).frame.press_next()


def segment(viewer: Viewer) -> None:
    """Find something in the selected image."""
    raised(viewer).frame.turn_to(FIND)


def correct_labels(viewer: Viewer) -> None:
    """Correct the selected labels, a result or labels from elsewhere."""
    dock = raised(viewer)
    active = dock.viewer.layers.selection.active
    if isinstance(active, Labels) and dock.edits.adoption.candidate() is active:
        dock.edits.panel.adopt.click()
    if dock.edits.target is None:
        dock.fail(
            InputError("There are no objects to correct yet.", hint="Select a labels layer that lies on the image")
        )
        return
    dock.frame.turn_to(CORRECT)


def paint_strokes(viewer: Viewer) -> None:
    """Paint on the selected image what is to be found."""
    dock = raised(viewer)
    if dock.desk.layer is None:
        dock.fail(InputError("There is no image yet.", hint="Open an image"))
        return
    dock.guide.paint()


def classify_pixels(viewer: Viewer) -> None:
    """Paint a few strokes for each class; what looks like them follows."""
    dock = raised(viewer)
    if dock.desk.layer is not None:
        dock.method_step.look_for(Task.SEMANTIC)
    paint_strokes(viewer)


def link_objects(viewer: Viewer) -> None:
    """Follow the objects of the selected result through time."""
    dock = raised(viewer)
    fold = dock.tracks.fold
    if not dock.tracks.can_link:
        hint = "Select a result with single objects of an image with a time axis (T)"
        dock.fail(InputError("There is nothing to follow through time here.", hint=hint))
        return
    dock.frame.reveal(fold)
    fold.head.setChecked(True)


next_object, accept_object, fix_object, reject_object = _edit("next"), _edit("accept"), _edit("fix"), _edit("reject")
select_object, add_object, paint_object, erase_object = _edit("select"), _edit("add"), _edit("paint"), _edit("erase")
outline_object, split_object, merge_objects = _edit("outline"), _edit("split"), _edit("merge")
delete_object, tidy_object, fill_holes = _edit("delete"), _edit("tidy"), _edit("fill_holes")
grow_object, shrink_object, fill_between = _edit("grow"), _edit("shrink"), _edit("interpolate")
find_tab, correct_tab, train_tab = _turn(FIND), _turn(CORRECT), _turn(TRAIN)

__all__ = [
    "classify_pixels",
    "correct_labels",
    "link_objects",
    "next_step",
    "paint_strokes",
    "raised",
    "segment",
]
