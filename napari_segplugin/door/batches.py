"""Plain calls for many files, drawn regions and results that are made again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import FileState, Segmentation, TileSpec
from napari_segplugin.data.drawn import Outline
from napari_segplugin.door import orders
from napari_segplugin.door.calls import run
from napari_segplugin.door.inputs import ChannelsLike, ImageLike, ModelLike, PathLike

if TYPE_CHECKING:
    from napari_segplugin.engine.predict.cluster import Cluster


def batch(
    images: PathLike | Sequence[PathLike],
    how: orders.HowLike,
    output: PathLike | None = None,
    *,
    extension: str = "",
    tiles: TileSpec | None = None,
    device: str = "auto",
    cluster: Cluster | None = None,
    again: bool = False,
    channels: ChannelsLike = "",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    progress: bool = True,
) -> tuple[FileState, ...]:
    """Segment many files; one that cannot be used says why, and the others go on.

    What is done with the same settings is not done again, so the same call goes on where it was interrupted.

    Parameters
    ----------
    images : path, or sequence of path
        A folder of images, or files and folders. Labels and results beside images are left out.
    how : ModelBundle, ClassicalRecipe, str or path
        A model, its name or its folder; or a recipe of classical steps from :func:`load_recipe`.
    output : path, optional
        A folder for the results, which is made. By default FOLDER_results beside a single folder, otherwise beside each image.
    extension : str
        Of the results, such as ".tif"; by default the format of each image.
    tiles, device, cluster
        Of a model, as in :func:`predict`.
    again : bool
        Do what is done already, too, and replace it.
    channels, axes, spacing, unit, progress
        As in :func:`predict`.

    Returns
    -------
    tuple of FileState
        Of each file how it ended, how many objects there are, what was written, and the reason where it failed.

    Raises
    ------
    InputError
        If there are no images, two would be written to one file, or the folder of the results cannot be made.

    Examples
    --------
    >>> import numpy as np, tifffile
    >>> import napari_segplugin as seg
    >>> from pathlib import Path
    >>> Path("plate1").mkdir()
    >>> tifffile.imwrite("plate1/a.tif", np.pad(np.full((9, 9), 200, np.uint8), 20))
    >>> _ = Path("plate1/b.tif").write_bytes(b"no image")
    >>> recipe = seg.ClassicalRecipe("threshold", cleanup=(seg.CleanupStep("label"),))
    >>> [(f.state, f.objects) for f in seg.batch("plate1", recipe, progress=False)]
    [('done', 1), ('unreadable', None)]
    """
    job = orders.batch(
        images,
        how,
        output,
        extension=extension,
        tiles=tiles,
        device=device,
        cluster=cluster,
        again=again,
        channels=channels,
        axes=axes,
        spacing=spacing,
        unit=unit,
    )
    return run(job, "batch", progress)


def in_regions(
    image: ImageLike,
    how: orders.HowLike,
    outlines: Sequence[Outline],
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    channels: ChannelsLike = "",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    progress: bool = True,
) -> tuple[Segmentation, np.ndarray]:
    """Segment the inside of drawn regions.

    An object belongs to a region where its centre of mass lies inside, and is kept whole then, also where it reaches out: every
    object counts once, and none is measured as a part of itself. Areas (classes, stuff) end at the outline.

    Parameters
    ----------
    image : Image, array-like or path
    how : ModelBundle, ClassicalRecipe, str or path
        As in :func:`batch`.
    outlines : sequence of Outline
        Corners Y, X in pixels, and in a volume the planes. Outlines that lie over each other on several planes go through all
        planes between.
    tiles, device, channels, axes, spacing, unit, progress
        As in :func:`predict`.

    Returns
    -------
    segmentation : Segmentation
        Of the box around all regions; ``recipe["origin"]`` is its first voxel in the image.
    known : ([Z,] Y, X) ndarray of bool
        Which of its voxels lie inside a region.

    Raises
    ------
    InputError
        If nothing is drawn, no region lies in the image, or the model does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_segplugin as seg
    >>> image = np.zeros((40, 40), np.uint8)
    >>> image[4:10, 4:10] = image[4:10, 24:30] = 200
    >>> left = seg.Outline([(0, 0), (0, 15), (20, 15), (20, 0)])
    >>> recipe = seg.ClassicalRecipe("threshold", cleanup=(seg.CleanupStep("label"),))
    >>> found, known = seg.in_regions(image, recipe, [left], progress=False)
    >>> len(found.objects), int((found.labels > 0).sum()), int(known.sum())
    (1, 36, 336)
    """
    job = orders.in_regions(
        image, how, outlines, tiles=tiles, device=device, channels=channels, axes=axes, spacing=spacing, unit=unit
    )
    return run(job, "in_regions", progress)


def replay(
    recipe: PathLike,
    image: ImageLike | None = None,
    *,
    model: ModelLike | None = None,
    device: str | None = None,
    channels: ChannelsLike = "",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    progress: bool = True,
) -> Segmentation:
    """Make a result again from the recipe beside it, with the corrections; or run the same on another image.

    Parameters
    ----------
    recipe : path
        ``NAME.recipe.json`` beside a result.
    image : Image, array-like or path, optional
        By default the image that the recipe names, beside it or one folder above. On another one the corrections are left out.
    model : ModelBundle, str or path, optional
        By default the model that the recipe names, with the same weights. Another one runs in its place.
    device : str, optional
        As it was asked for by default.
    channels, axes, spacing, unit, progress
        As in :func:`predict`; the channels of the recipe by default.

    Returns
    -------
    Segmentation

    Raises
    ------
    InputError
        If the recipe, the image or the model is not there, or the model is another one.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_segplugin as seg
    >>> image = seg.sample("nuclei2d").image.array[:96, :96]
    >>> found = seg.predict(image, "nuclei2d", progress=False)
    >>> files = seg.write_segmentation(found, "nuclei.tif")
    >>> again = seg.replay("nuclei.recipe.json", image, progress=False)
    >>> np.array_equal(again.labels, found.labels)
    True
    """
    job = orders.replay(
        recipe, image, model=model, device=device, channels=channels, axes=axes, spacing=spacing, unit=unit
    )
    return run(job, "replay", progress)


__all__ = ["batch", "in_regions", "replay"]
