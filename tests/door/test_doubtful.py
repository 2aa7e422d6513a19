"""The queue of doubt from Python: arrays, segmentations, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import napari_segplugin as seg
from napari_segplugin import InputError


def row() -> np.ndarray:
    labels = np.zeros((20, 210), np.int32)
    for i in range(10):
        labels[7:13, 8 + 20 * i : 14 + 20 * i] = i + 1
    return labels


def test_arrays_with_an_image_of_the_same_shape() -> None:
    labels = row()
    labels[9:11, 68:70] = 0
    labels[7:13, 68:70] = 0
    queue = seg.doubtful(labels, 100 + 50.0 * (labels > 0), classes=["nucleus"])
    assert len(queue) == 10
    assert queue.entries[0].label == 4
    assert "nuclei" in queue.entries[0].reason
    volume = np.stack([labels] * 4)
    assert len(seg.doubtful(volume, volume.astype(float))) == 10


def test_a_lower_threshold_counts_more() -> None:
    assert seg.doubtful(row(), threshold=0).doubtful == 10
    assert seg.doubtful(row(), threshold=1).doubtful == 0


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="threshold of doubt"):
        seg.doubtful(row(), threshold=1.5)
    with pytest.raises(InputError, match="other voxels"):
        seg.doubtful(row(), np.zeros((20, 200)))
