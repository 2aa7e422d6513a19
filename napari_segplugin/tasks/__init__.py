"""Tasks: how each kind of result is written as maps and read back. Listing imports no scipy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_segplugin.core import InputError, ModelSpec, Registry, Row, Task

if TYPE_CHECKING:
    from napari_segplugin.tasks.base import TaskCodec

TASKS = Registry("task")
TASKS.add(Row("semantic", "Semantic", "napari_segplugin.tasks.semantic:SemanticCodec", "One class for every voxel."))
TASKS.add(
    Row(
        "instance",
        "Instance",
        "napari_segplugin.tasks.instance:InstanceCodec",
        "Every object for itself.",
        meta={"head": "distance"},
    )
)
TASKS.add(
    Row(
        "panoptic",
        "Panoptic",
        "napari_segplugin.tasks.instance:InstanceCodec",
        "Every object for itself, and the class of everything else.",
        meta={"head": "distance", "arguments": {"panoptic": True}},
    )
)

HEADS = Registry("head")
HEADS.add(
    Row(
        "distance",
        "Distance to the outline",
        "napari_segplugin.tasks.instance:InstanceCodec",
        "Objects of any shape, also long and bent ones; needs few examples.",
        meta={"blocks": "napari_segplugin.engine.predict.stitch:DistanceBlocks"},
    )
)
HEADS.add(
    Row(
        "centre_offset",
        "Centres and offsets",
        "napari_segplugin.tasks.centre_offset:CentreOffsetCodec",
        "Compact objects, also where they touch without a gap; things and stuff from one pass.",
        "Cheng et al. 2020, arXiv 1911.10194",
        meta={"blocks": "napari_segplugin.engine.predict.stitch_centres:CentreBlocks"},
    )
)


def get_task(task: Task | str, head: str = "") -> TaskCodec:
    """Make the codec of a task.

    Parameters
    ----------
    task : Task or str
    head : str
        A row of :data:`HEADS`, for instance and panoptic; empty means the task's default.

    Raises
    ------
    InputError
        If the task or head is not known, or a head is given for a task without objects.
    """
    row = TASKS[str(task)]
    if head and "head" not in row.meta:
        raise InputError(f"The task {row.title.lower()} has no objects, so no head for them.", got=head)
    target = HEADS[head] if head else row
    codec: TaskCodec = target.load()(**row.meta.get("arguments", {}))
    return codec


def blocks_of(spec: ModelSpec) -> Any:
    """The class that decodes the maps of a network block by block: what the head's meta entry "blocks" names."""
    row = HEADS[spec.head or TASKS[str(spec.task)].meta["head"]]
    return replace(row, target=row.meta["blocks"]).load()


def codec_of(spec: ModelSpec) -> TaskCodec:
    """The codec of a network."""
    return get_task(spec.task, spec.head)


def n_maps(spec: ModelSpec) -> int:
    """Number of maps that a network puts out."""
    return len(spec.classes) + len(codec_of(spec).map_kinds(spec.ndim))


__all__ = ["HEADS", "TASKS", "blocks_of", "codec_of", "get_task", "n_maps"]
