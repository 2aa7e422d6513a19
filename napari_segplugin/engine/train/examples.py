"""What a network sees while it trains: samples as input and targets, composites, and a grid of patches to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_segplugin.core import (
    AugmentSpec,
    Image,
    InputError,
    Job,
    ModelBundle,
    OutOfMemoryError,
    Sample,
    Step,
    Task,
    TrainSpec,
)
from napari_segplugin.data import normalise
from napari_segplugin.data.channels import fitting
from napari_segplugin.data.paste import paste_objects
from napari_segplugin.data.sampling import PatchSampler, Prepared, prepare
from napari_segplugin.io.memory import free_host_memory, gigabytes
from napari_segplugin.networks.strides import usual_patch
from napari_segplugin.tasks import codec_of
from napari_segplugin.tasks.objects import compact

_COMPOSITES = 48


def prepare_sample(sample: Sample, bundle: ModelBundle) -> Prepared:
    """Normalise the image of a sample and write its targets.

    Raises
    ------
    InputError
        If the dimensions or channels do not fit the network.
    """
    spec = bundle.spec
    image = fitting(sample.image, spec.in_channels, bundle.learnt.channels)
    if image.ndim != spec.ndim or image.n_channels != spec.in_channels:
        raise InputError(
            f"The image '{image.name}' does not fit the network.",
            got=f"{image.ndim}D with {image.n_channels} channel{'s' if image.n_channels != 1 else ''}",
            accepted=f"{spec.ndim}D with {spec.in_channels} channel{'s' if spec.in_channels != 1 else ''}",
        )
    if spec.task is not Task.SEMANTIC and sample.instances is None:
        raise InputError(
            f"'{image.name}' has only classes, but the task ({spec.task}) needs objects.",
            hint="Give each object its own number.",
        )
    array = normalise.apply(image.read(), normalise.statistics(image, bundle.normalisation))
    return _prepare(array, sample, bundle)


def _prepare(array: np.ndarray, sample: Sample, bundle: ModelBundle) -> Prepared:
    """Targets beside the normalised image (C, [Z,] Y, X)."""
    codec = codec_of(bundle.spec)
    targets = codec.encode(sample, bundle.spec.classes)
    kinds = codec.map_kinds(bundle.spec.ndim)
    objects = None if sample.instances is None else compact(sample.instances)[0]
    return prepare(
        array,
        targets.classes,
        targets.weight,
        targets.maps,
        targets.maps_weight,
        sample.image.canonical_spacing,
        objects,
        tuple(i for i, kind in enumerate(kinds) if kind == "offset"),
        sample.boxes,
    )


def patch_size(
    samples: Sequence[Prepared],
    spec: TrainSpec,
    multiple: Sequence[int],
    least: Sequence[int] | None = None,
    objects: bool = False,
) -> tuple[tuple[int, ...], int]:
    """Patch and batch that suit the images: as asked, or 128² × 8 in 2D and about 32 × 64 × 64 × 2 in 3D.

    For objects in 2D 4 patches and twice the steps are better (nuclei from eight images, the same number of patches: AP@0.5
    0.795 against 0.787, mean AP 0.622 against 0.617; an earlier pair 0.775 against 0.765).

    A patch is a multiple of the stride, and not larger than the images. `least`, which the network has to see, is granted twice.

    Raises
    ------
    InputError
        If the size asked for has another number of axes.
    OutOfMemoryError
        If not even the patches of a step fit into memory.
    """
    ndim = len(multiple)
    largest = np.max([s.image.shape[1:] for s in samples], axis=0)
    usual = usual_patch(samples[0].spacing, ndim)
    if len(spec.patch) not in (0, 1, ndim):
        raise InputError(
            f"The size of a patch does not fit a model of {ndim}D images.",
            got=" × ".join(map(str, spec.patch)),
            accepted=f"{ndim} numbers, or one for all axes",
        )
    wanted = (spec.patch if len(spec.patch) != 1 else spec.patch * ndim) or tuple(
        min(max(u, n), 2 * u) for u, n in zip(usual, least or usual, strict=True)
    )
    size = tuple(
        int(min(-(-w // m) * m, -(-int(n) // m) * m)) for w, m, n in zip(wanted, multiple, largest, strict=True)
    )
    count = spec.batch or max(
        1, round(((4 if objects else 8) * 128 * 128 if ndim == 2 else 2 * 32 * 64 * 64) / np.prod(size))
    )
    channels = samples[0].image.shape[0]
    need = count * int(np.prod(size, dtype=object)) * (channels + 4) * 4
    if need > free_host_memory():
        raise OutOfMemoryError(
            f"There is not enough memory to train: {count} patches of {' × '.join(map(str, size))} need more than "
            f"{gigabytes(need)}. Use fewer or smaller patches."
        )
    if count == 1 and size == tuple(multiple):
        # the deepest map would be one value, of which batch normalisation has no deviation
        size = (*size[:-1], 2 * size[-1])
    return size, min(count, 16) if not spec.batch else count


def paste_sample(prepared: Prepared, sample: Sample, bundle: ModelBundle, rng: np.random.Generator) -> Prepared:
    """The sample with copies of its objects set beside others (see :mod:`napari_segplugin.data.paste`)."""
    if sample.instances is None:
        raise InputError(
            "Objects can only be pasted where there are objects.", got=f"'{sample.image.name}' without instances"
        )
    objects = compact(sample.instances)[0]
    array, instances, classes = paste_objects(prepared.image.numpy(), objects, sample.classes, rng, share=1.5)
    return _prepare(array, replace(sample, instances=instances, classes=classes), bundle)


def prepare_all(
    samples: Sequence[Sample], bundle: ModelBundle, copies: int, seed: int
) -> Job[list[tuple[Prepared, bool]]]:
    """Prepare every sample (True), and composites of those whose every voxel is known (False)."""
    rng = np.random.default_rng(seed)
    # composites cost time where images are many; in 2D the network does better without (AP@0.5 of nuclei from eight images,
    # three seeds, with neither them nor noise: 0.816 to 0.822, with both 0.805 to 0.808)
    copies = min(copies, -(-_COMPOSITES // len(samples))) if bundle.spec.ndim == 3 else 0
    found: list[tuple[Prepared, bool]] = []
    for done, sample in enumerate(samples, 1):
        first = prepare_sample(sample, bundle)
        found.append((first, True))
        if bundle.spec.task is not Task.SEMANTIC and sample.known is None:
            found += [(paste_sample(first, sample, bundle, rng), False) for _ in range(copies)]
        yield Step(done, len(samples))
    return found


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


__all__ = ["augmented_patches", "paste_sample", "patch_size", "prepare_all", "prepare_sample"]
