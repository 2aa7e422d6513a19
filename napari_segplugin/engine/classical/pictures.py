"""What a technique shows beside its labels: the image in the colours of its classes, the blocks before they are merged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_segplugin.classical import TECHNIQUES, complete
from napari_segplugin.core import ClassicalRecipe, Image, InputError
from napari_segplugin.engine.classical.source import Source


def companion(image: Image, recipe: ClassicalRecipe) -> np.ndarray:
    """The other picture of a technique.

    Parameters
    ----------
    image : Image
        Without T.
    recipe : ClassicalRecipe
        Of "kmeans" or "split_merge"; its clean-up steps are not taken.

    Returns
    -------
    ndarray
        Of "kmeans": the image in the mean colours of the classes, (C, [Z,] Y, X) in its own dtype. Of "split_merge": the
        borders of the blocks, ([Z,] Y, X) int32, see :func:`~napari_segplugin.classical.regions.split_merge.tree_lines`.

    Raises
    ------
    InputError
        If the technique has none, or cannot work on the image.
    """
    from napari_segplugin.classical.colour.clusters import quantised
    from napari_segplugin.classical.regions.split_merge import split_tree, tree_lines

    settings = complete(recipe).parameters
    values = Source(image, recipe.channel).read()
    if recipe.technique == "kmeans":
        drawn: Callable[..., np.ndarray] = quantised  # the settings are checked
        return drawn(values, **{k: settings[k] for k in ("classes", "space", "position", "fit")})
    if recipe.technique == "split_merge":
        chosen = {k: v for k, v in settings.items() if k != "smallest_region"}
        split: Callable[..., np.ndarray] = split_tree
        return tree_lines(split(values.astype(np.float32, copy=False), **chosen), values.shape[1:])
    raise InputError(
        f"{TECHNIQUES[recipe.technique].title} has no additional picture to show.",
        got=recipe.technique,
        accepted="kmeans, split_merge",
    )


__all__ = ["companion"]
