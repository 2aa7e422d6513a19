"""Tasks: how each kind of result is written as maps and read back. Listing imports no scipy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segplugin.core import ClassTable, Registry, Row, Task

if TYPE_CHECKING:
    from napari_segplugin.tasks.base import TaskCodec

TASKS = Registry("task")
TASKS.add(Row("semantic", "Semantic", "napari_segplugin.tasks.semantic:SemanticCodec", "One class for every voxel."))
TASKS.add(Row("instance", "Instance", "napari_segplugin.tasks.instance:InstanceCodec", "Every object for itself."))
TASKS.add(
    Row(
        "panoptic",
        "Panoptic",
        "napari_segplugin.tasks.instance:InstanceCodec",
        "Every object for itself, and the class of everything else.",
        meta={"arguments": {"panoptic": True}},
    )
)


def get_task(task: Task | str) -> TaskCodec:
    """Make the codec of a task."""
    row = TASKS[str(task)]
    codec: TaskCodec = row.load()(**row.meta.get("arguments", {}))
    return codec


def n_maps(task: Task | str, classes: ClassTable) -> int:
    """Number of maps that a network of this task puts out."""
    return len(classes) + get_task(task).extra_maps


__all__ = ["TASKS", "get_task", "n_maps"]
