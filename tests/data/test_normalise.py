"""The intensities of an image are measured on as many values as are enough, wherever it lies."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segplugin.core import Image
from napari_segplugin.data import normalise


class Counted:
    """An array of any size of which only what is asked for exists; it counts how much that is, and in how many pieces."""

    def __init__(self, shape):
        self.shape, self.dtype, self.values, self.pieces = shape, np.dtype(np.uint8), 0, set()

    def __getitem__(self, index):
        places = [
            np.arange(n)[i] if n < 10**6 else np.array(range(n)[i]) for i, n in zip(index, self.shape, strict=True)
        ]
        self.values += int(np.prod([len(p) for p in places]))
        self.pieces |= {(y // 512, x // 512) for y in places[-2][::64].tolist() for x in places[-1][::64].tolist()}
        return np.add.outer(places[-2], places[-1]).astype(np.uint8)


@pytest.mark.parametrize("side", [10**4, 10**5, 10**7])
def test_a_very_large_image_is_measured_on_blocks_of_it(side):
    array = Counted((side, side))
    found = normalise.statistics(Image(array, "YX"))
    assert array.values <= 5_500_000
    assert len(array.pieces) <= 4000
    assert 0 <= found.low[0] < 10
    assert 245 < found.high[0] <= 255


def test_blocks_give_what_the_regular_sample_gives(monkeypatch):
    values = np.random.default_rng(0).gamma(2, 30, (2, 1500, 1500)).astype(np.float32)
    image = Image(values, "CYX")
    regular = normalise.statistics(image)
    monkeypatch.setattr(normalise, "_VERY_LARGE", 1000)
    monkeypatch.setattr(normalise, "_ENOUGH", 1_000_000)
    blocks = normalise.statistics(image)
    assert blocks.low == pytest.approx(regular.low, rel=0.05)
    assert blocks.high == pytest.approx(regular.high, rel=0.05)
