"""Which loss suits the strokes at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segplugin.core import BACKGROUND_PAINT, Task
from napari_segplugin.viewer.corrections import class_names

if TYPE_CHECKING:
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.loss_table import LossEditor


def suggest_loss(desk: Desk, engine: Engine, losses: LossEditor) -> None:
    """Say which loss suits the strokes on the chosen image.

    Parameters
    ----------
    desk : Desk
    engine : Engine
    losses : LossEditor
        Where it is said.
    """
    choice, layer = desk.choice(), desk.paint
    voxels = {} if layer is None else {k: n for k, (_, n) in desk.strokes(layer).counts.items()}
    if choice is None or layer is None or not voxels:
        losses.suggest(None, "")
        return
    classes, task = choice.spec.classes, choice.spec.task
    background = voxels.pop(BACKGROUND_PAINT, 0)
    if task is Task.SEMANTIC:
        counts = [background, *(voxels.get(c.id, 0) for c in classes if c.id)]
    else:
        ids = {c.name: c.id for c in classes}
        names = class_names(layer)
        of = [ids.get(names.get(n, ""), 1) for n in voxels]
        counts = [
            background,
            *(sum(n for n, k in zip(voxels.values(), of, strict=True) if k == c.id) for c in classes if c.id),
        ]
    share = sum(counts) / max(1, layer.data.size)
    losses.suggest(*engine.recommend_loss(counts, known_share=share, task=task))


__all__ = ["suggest_loss"]
