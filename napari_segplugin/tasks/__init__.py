"""Tasks: how each kind of result is written as maps and read back. Listing imports no scipy."""

from __future__ import annotations

from napari_segplugin.core import InputError, ModelSpec, Registry, Task
from napari_segplugin.tasks.base import MAP_KINDS, TaskCodec
from napari_segplugin.tasks.row import HeadRow, TaskRow

_HOME = "napari_segplugin.tasks"

TASKS = Registry("task", TaskRow)
"""The tasks; other packages add heads, not tasks."""

TASKS.add(TaskRow("semantic", "Semantic", f"{_HOME}.semantic:SemanticCodec", "Each pixel (voxel in 3D) gets a class."))
TASKS.add(
    TaskRow(
        "instance", "Instance", f"{_HOME}.instance:InstanceCodec", "Each object gets its own number.", head="distance"
    )
)
TASKS.add(
    TaskRow(
        "panoptic",
        "Panoptic",
        f"{_HOME}.instance:InstanceCodec",
        "Each object gets its own number, and everything else a class.",
        head="distance",
        arguments={"panoptic": True},
    )
)

HEADS = Registry("head", HeadRow, group="napari_segplugin.heads")
"""The ways in which objects are written as maps and read back."""

HEADS.add(
    HeadRow(
        "distance",
        "Distance to the outline",
        f"{_HOME}.instance:InstanceCodec",
        "Objects of any shape, including long and bent ones; learns from few examples.",
    )
)
HEADS.add(
    HeadRow(
        "centre_offset",
        "Centres and offsets",
        f"{_HOME}.centre_offset:CentreOffsetCodec",
        "Compact objects, even where they touch without a gap; counted objects and areas in one pass.",
        "Cheng et al. 2020, arXiv 1911.10194",
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
    if head and not row.head:
        raise InputError(
            f"The task {row.title.lower()} has no objects, so it needs no way of separating them.", got=head
        )
    codec: TaskCodec = (HEADS[head] if head else row).load()(**row.arguments)
    return codec


def head_row(spec: ModelSpec) -> HeadRow:
    """The row of the head by which a network tells objects apart.

    Raises
    ------
    InputError
        If the head is not known, or the task has no objects.
    """
    name = spec.head or TASKS[str(spec.task)].head
    if not name:
        raise InputError("A semantic network does not separate objects.", got=f"the task {spec.task}")
    if name not in HEADS and spec.packages:
        raise InputError(
            f"This model separates objects by '{name}', which comes from another package that is missing or does not "
            f"work.",
            hint=" ".join((f"Install {' and '.join(spec.packages)}", *HEADS.problems)),
        )
    return HEADS[name]


def codec_of(spec: ModelSpec) -> TaskCodec:
    """The codec of a network; raises like :func:`get_task` and, for a head that is not there, :func:`head_row`."""
    if spec.head:
        head_row(spec)
    return get_task(spec.task, spec.head)


def turns(spec: ModelSpec) -> bool:
    """Whether the maps of a network mean the same when the image is turned or mirrored."""
    return not TASKS[str(spec.task)].head or head_row(spec).turns


def n_maps(spec: ModelSpec) -> int:
    """Number of maps that a network puts out.

    Raises
    ------
    InputError
        If the head is not known, or writes maps of a kind that nobody knows how to learn.
    """
    kinds = codec_of(spec).map_kinds(spec.ndim)
    unknown = sorted(set(kinds) - set(MAP_KINDS))
    if unknown:
        raise InputError(
            f"The head '{spec.head}' has maps of an unknown kind.",
            got=", ".join(unknown),
            accepted=", ".join(MAP_KINDS),
        )
    return len(spec.classes) + len(kinds)


__all__ = ["HEADS", "TASKS", "HeadRow", "TaskRow", "codec_of", "get_task", "head_row", "n_maps", "turns"]
