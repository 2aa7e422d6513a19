"""What Mask R-CNN finds in an image: objects, and the classes of all voxels that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_segplugin.networks.boxes import paste


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects found in one image.

    Parameters
    ----------
    boxes : (N, 2, D) Tensor of float32
        Lowest and highest corner, in voxels.
    classes : (N,) Tensor of int64
        Class numbers of the class table.
    scores : (N,) Tensor of float32
        Probability of the class.
    masks : (N, M, M[, M]) Tensor of float32
        Probability of the object over its box.
    """

    boxes: Tensor
    classes: Tensor
    scores: Tensor
    masks: Tensor


def dense_classes(found: Detections, n_classes: int, size: Sequence[int]) -> Tensor:
    """Log probabilities (K, [Z,] Y, X) of the classes: each voxel as its likeliest object says.

    Parameters
    ----------
    found : Detections
    n_classes : int
        Background included.
    size : sequence of int
        Voxels of the image along its spatial axes.
    """
    chance = found.masks.new_zeros((n_classes, *size))
    for box, kind, score, mask in zip(found.boxes, found.classes.tolist(), found.scores, found.masks, strict=True):
        low, high = box[0].floor().int().tolist(), box[1].ceil().int().tolist()
        window = (kind, *(slice(a, b) for a, b in zip(low, high, strict=True)))
        chance[window] = torch.maximum(chance[window], score * paste(mask, box, low, high))
    chance[0] = 1 - chance[1:].amax(0)
    return chance.clamp(1e-4, 1).log()


__all__ = ["Detections", "dense_classes"]
