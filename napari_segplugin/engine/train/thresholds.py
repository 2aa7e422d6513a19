"""After a training: which thresholds of the decoder suit what the network says about objects that it knows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from napari_segplugin.core import MEMORY_ERRORS, Job, ModelBundle, Note, Stage, Step, Task
from napari_segplugin.core.training import Allowance
from napari_segplugin.data.augment import IDENTITY
from napari_segplugin.data.sampling import PatchSampler, Prepared
from napari_segplugin.engine.memory import let_go
from napari_segplugin.engine.network import load
from napari_segplugin.engine.train.heldout import read_maps
from napari_segplugin.networks import is_detector
from napari_segplugin.tasks import codec_of

_LEAST, _MOST, _VOXELS = 2, 32, 1_500_000


def threshold_voxels(size: int) -> int:
    """How many voxels are read for the thresholds, at most, where the largest image has so many.

    Examples
    --------
    >>> threshold_voxels(100 * 100), threshold_voxels(2000 * 2000)
    (320000, 1500000)
    """
    return max(min(_MOST * size, _VOXELS), 4 * min(size, _VOXELS // 4))


def calibrated(
    bundle: ModelBundle,
    samples: Sequence[Prepared],
    patch: Sequence[int],
    *,
    device: torch.device,
    seed: int = 0,
    allowed: Allowance | None = None,
) -> Job[dict[str, Any]]:
    """Thresholds from a few dozen patches of the training (a dozen in 3D); none where there is nothing to choose.

    Parameters
    ----------
    bundle : ModelBundle
        With the weights that were learnt.
    samples : sequence of Prepared
        What they were learnt from.
    patch : sequence of int
        Size of a patch, canonical order.
    device : torch.device
        Where the network runs.
    seed : int
    allowed : Allowance, optional
        The time of the training; once it is used up no further patch is read, if there are two.

    Yields
    ------
    Stage, Step
        After each patch.

    Returns
    -------
    dict
        Parameters of the decoder (:meth:`napari_segplugin.tasks.base.TaskCodec.calibrate`).
    """
    if is_detector(bundle.spec) or bundle.spec.task is Task.SEMANTIC:
        return {}
    try:
        return (yield from _calibrated(bundle, samples, patch, device, seed, allowed))
    except MEMORY_ERRORS as error:  # a training is not lost for its thresholds
        let_go(error)
        yield Note("Memory ran out while the thresholds were set; those of before are kept.")
        return {}


def _calibrated(
    bundle: ModelBundle,
    samples: Sequence[Prepared],
    patch: Sequence[int],
    device: torch.device,
    seed: int,
    allowed: Allowance | None,
) -> Job[dict[str, Any]]:
    yield Stage("Setting thresholds")
    network = load(bundle, finite=False).eval().to(device)
    batch = PatchSampler(samples, patch, IDENTITY, seed).draw(max(4, min(_MOST, _VOXELS // math.prod(patch))))
    maps = []
    for image in batch.image:
        maps.append(read_maps(network, image.numpy(), bundle.spec))
        yield Step(len(maps), len(batch.image))
        if len(maps) >= _LEAST and allowed is not None and 0 < allowed.seconds < allowed.used:
            break
    objects = np.where(batch.maps_weight.numpy() > 0, batch.instances.numpy(), 0)[: len(maps)]
    return codec_of(bundle.spec).calibrate(maps, list(objects), bundle.spec.classes)


__all__ = ["calibrated", "threshold_voxels"]
