"""What the registries of tasks and heads say of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_segplugin.core import InputError, Row


@dataclass(frozen=True, kw_only=True)
class TaskRow(Row):
    """A row of :data:`napari_segplugin.tasks.TASKS`.

    Its target is called as ``target(**arguments)`` and gives a :class:`~napari_segplugin.tasks.base.TaskCodec`.

    Parameters
    ----------
    name, title, target, summary, reference, options, package
        As in :class:`~napari_segplugin.core.Row`.
    head : str
        The head by which objects are told apart where none is chosen; empty where there are no objects.
    arguments : mapping of str to value
        What the codec of the task, or of a head in its place, is made with.
    """

    head: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HeadRow(Row):
    """A row of :data:`napari_segplugin.tasks.HEADS`: a way of writing objects as maps.

    Its target is called as ``target()`` or ``target(panoptic=True)`` and gives a
    :class:`~napari_segplugin.tasks.base.TaskCodec`; :class:`~napari_segplugin.tasks.objects.ObjectCodec` is the base of
    those that are here.

    Parameters
    ----------
    name, title, target, summary, reference, options, package
        As in :class:`~napari_segplugin.core.Row`.
    blocks : str
        Of heads from other packages: ``"package.module:class"`` of what reads the maps of images larger than memory block
        by block (a subclass of the engine's ``BlockJob``, the result being that of the whole image). Where it is empty, a
        frame is read in memory at once. The decoders of the heads that are here are known to the engine, which stands
        higher.
    turns : bool
        False where a map means something else when the image is turned or mirrored, as "belongs to the same object as the
        voxel to the right" does: training then neither turns nor mirrors its patches, and predictions are not averaged over
        mirrored copies. (Offsets turn with the image.)

    Raises
    ------
    InputError
        If `blocks` is not a place in a module.

    Examples
    --------
    >>> HeadRow("mine", "My head", "my_package.head:MyCodec").blocks
    ''
    """

    blocks: str = ""
    turns: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blocks and not all(self.blocks.partition(":")):
            raise InputError(
                f"The block decoder of the head '{self.name}' is not a place in a module.",
                got=f"'{self.blocks}'",
                accepted="package.module:class",
            )


__all__ = ["HeadRow", "TaskRow"]
