"""After a training: which thresholds of the decoder suit what the network says about objects that it knows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_segplugin.core import ModelBundle, Task
from napari_segplugin.data.augment import IDENTITY
from napari_segplugin.data.sampling import PatchSampler, Prepared
from napari_segplugin.engine.judge import read_maps
from napari_segplugin.engine.network import load
from napari_segplugin.models import is_detector
from napari_segplugin.tasks import codec_of

_MOST, _VOXELS = 32, 1_500_000


def calibrated(bundle: ModelBundle, samples: Sequence[Prepared], patch: Sequence[int], seed: int = 0) -> dict[str, Any]:
    """Thresholds from a few dozen patches of the training (a dozen in 3D); none where the task or the network has nothing to choose."""
    if is_detector(bundle.spec) or bundle.spec.task is Task.SEMANTIC:
        return {}
    network = load(bundle, finite=False).eval()
    count = max(4, min(_MOST, _VOXELS // math.prod(patch)))
    batch = PatchSampler(samples, patch, IDENTITY, seed).draw(count)
    maps = [read_maps(network, image.numpy(), bundle.spec) for image in batch.image]
    objects = np.where(batch.maps_weight.numpy() > 0, batch.instances.numpy(), 0)
    return codec_of(bundle.spec).calibrate(maps, list(objects), bundle.spec.classes)


__all__ = ["calibrated"]
