"""What a network will see while it trains: a grid of augmented patches of an image."""

from __future__ import annotations

import math

import numpy as np

from napari_segplugin.core import AugmentSpec, Image
from napari_segplugin.data import normalise
from napari_segplugin.data.sampling import PatchSampler, prepare


def augmented_patches(
    image: Image, augmentation: AugmentSpec, *, count: int = 12, side: int = 96, seed: int = 0, gap: int = 2
) -> np.ndarray:
    """Draw patches as the training does and set them side by side.

    Parameters
    ----------
    image : Image
        Without a T axis. Of a volume the middle plane of each patch is shown.
    augmentation : AugmentSpec
    count : int
    side : int
        Voxels along the sides of a patch.
    seed : int
    gap : int
        Pixels between patches.

    Returns
    -------
    (Y, X, 3) ndarray of uint8
        The first patch is a plain crop, to compare with.

    Examples
    --------
    >>> augmented_patches(Image(np.eye(64), "YX"), AugmentSpec(), count=4, side=32).shape
    (66, 66, 3)
    """
    stats = normalise.statistics(image)
    spatial = image.spatial_shape
    array = normalise.apply(image.read(), stats)
    known = np.ones(spatial)
    sample = prepare(array, 0 * known, known, np.zeros((0, *spatial)), known, image.canonical_spacing)
    depth = (min(8, spatial[0]),) if image.ndim == 3 else ()
    plain = AugmentSpec(rotate=False, flip=False, scale=1, contrast=0, noise=0)
    pictures = []
    for spec, n in ((plain, 1), (augmentation, count - 1)):
        batch = PatchSampler([sample], (*depth, side, side), spec, seed).draw(n)
        for patch in batch.image.numpy():
            flat = patch[:, patch.shape[1] // 2] if depth else patch
            colour = flat if len(flat) == 3 else np.repeat(flat[:1], 3, 0)
            pictures.append((np.clip(colour, 0, 1).transpose(1, 2, 0) * 255).astype(np.uint8))
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    grid = np.zeros((rows * (side + gap) - gap, columns * (side + gap) - gap, 3), np.uint8)
    for i, picture in enumerate(pictures):
        y, x = (i // columns) * (side + gap), (i % columns) * (side + gap)
        grid[y : y + side, x : x + side] = picture
    return grid


__all__ = ["augmented_patches"]
