"""The grid of augmented patches shows what training draws."""

import numpy as np
import pytest

pytest.importorskip("torch")

from napari_segplugin.core import AugmentSpec, Image
from napari_segplugin.engine.train.examples import augmented_patches


@pytest.mark.parametrize(("shape", "axes"), [((80, 90), "YX"), ((3, 80, 90), "CYX"), ((6, 80, 90), "ZYX")])
def test_a_grid_of_patches_the_first_of_them_plain(shape, axes):
    image = Image(np.random.default_rng(0).random(shape).astype(np.float32), axes)
    grid = augmented_patches(image, AugmentSpec(), count=9, side=32)
    assert grid.shape == (100, 100, 3)
    assert all(grid[y : y + 32, x : x + 32].std() > 3 for y in (0, 34, 68) for x in (0, 34, 68))
    again = augmented_patches(image, AugmentSpec(blur=5.0), count=9, side=32)
    assert np.array_equal(grid[:32, :32], again[:32, :32])
    assert not np.array_equal(grid, again)
