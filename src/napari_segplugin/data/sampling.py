"""From samples to batches: what the training loop eats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_segplugin.core import InputError
from napari_segplugin.data.augment import IDENTITY, AugmentSpec, cut, inside, random_matrix, sample_grid, vary_intensity


@dataclass(frozen=True, eq=False)
class Prepared:
    """A sample as tensors.

    Parameters
    ----------
    image : (C, [Z,] Y, X) Tensor of float32
        Normalised.
    labels : (3, [Z,] Y, X) Tensor of float32
        Class numbers, their weight, and the weight of the further maps: what is read by nearest neighbour, in one piece.
    maps : (M, [Z,] Y, X) Tensor of float32
    spacing : tuple of float
    """

    image: Tensor
    labels: Tensor
    maps: Tensor
    spacing: tuple[float, ...]


def prepare(
    image: np.ndarray, classes: np.ndarray, weight: np.ndarray, maps: np.ndarray, maps_weight: np.ndarray, spacing: tuple[float, ...]
) -> Prepared:
    """Turn the arrays of one sample into tensors."""

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

    return Prepared(tensor(image), tensor(np.stack([classes, weight, maps_weight])), tensor(maps), spacing)


@dataclass(frozen=True, eq=False)
class Batch:
    """Patches: image (N, C, ...), classes (N, ...) int64, weight (N, ...), maps (N, M, ...), maps_weight (N, ...)."""

    image: Tensor
    classes: Tensor
    weight: Tensor
    maps: Tensor
    maps_weight: Tensor


class PatchSampler:
    """Draws random patches; every patch is centred on a voxel that is known.

    Two patches of three are centred on a class drawn evenly from the classes that occur, so that rare classes are seen
    as often as common ones; the others on any known voxel.

    Parameters
    ----------
    samples : sequence of Prepared
    patch : sequence of int
        Size of a patch, canonical order.
    augment : AugmentSpec
    seed : int

    Raises
    ------
    InputError
        If nothing is known in any sample.
    """

    def __init__(self, samples: Sequence[Prepared], patch: Sequence[int], augment: AugmentSpec = IDENTITY, seed: int = 0) -> None:
        self.patch, self.augment = tuple(patch), augment
        self.generator = torch.Generator().manual_seed(seed)
        self._rng = np.random.default_rng(seed)
        self.samples = [s for s in samples if bool((s.labels[1] > 0).any())]
        if not self.samples:
            raise InputError("There is nothing to learn from: no voxel has a known label.", hint="Paint some strokes first.")
        self._places = [_places(s, self._rng) for s in self.samples]
        self._classes = sorted({c for places in self._places for c in places})

    def draw(self, count: int) -> Batch:
        """Draw `count` patches."""
        images, classes, weights, maps = [], [], [], []
        for _ in range(count):
            sample, centre = self._choose()
            matrix = random_matrix(len(self.patch), sample.spacing, self.augment, self.generator)
            shape = sample.image.shape[1:]
            grid = sample_grid(matrix, centre, self.patch)
            images.append(cut(sample.image, grid, nearest=False))
            maps.append(cut(sample.maps, grid, nearest=False) if sample.maps.shape[0] else sample.maps.new_zeros((0, *self.patch)))
            exact = cut(sample.labels, grid, nearest=True)
            classes.append(exact[0].round().long())
            weights.append(exact[1:] * inside(grid, shape))
        weight = torch.stack(weights)
        image = vary_intensity(torch.stack(images), self.augment, self.generator)
        return Batch(image, torch.stack(classes), weight[:, 0], torch.stack(maps), weight[:, 1])

    def _choose(self) -> tuple[Prepared, list[float]]:
        """A sample and a voxel of it, moved a little so that the voxel is not always in the middle of the patch."""
        wanted = int(self._rng.choice(self._classes)) if self._rng.random() < 2 / 3 else None
        able = [i for i, p in enumerate(self._places) if wanted is None or wanted in p]
        i = int(self._rng.choice(able))
        places = self._places[i]
        key = wanted if wanted is not None else int(self._rng.choice(list(places), p=_shares(places)))
        flat = int(self._rng.choice(places[key][0]))
        shape = self.samples[i].image.shape[1:]
        centre = np.array(np.unravel_index(flat, shape), float)
        centre += self._rng.uniform(-0.25, 0.25, len(shape)) * self.patch
        return self.samples[i], [float(min(max(c, 0), n - 1)) for c, n in zip(centre, shape, strict=True)]


def _places(sample: Prepared, rng: np.random.Generator, most: int = 20000) -> dict[int, tuple[np.ndarray, int]]:
    """For each class that occurs: flat positions of known voxels (a random choice where there are many), and the count."""
    classes = sample.labels[0].numpy().ravel()
    known = np.flatnonzero(sample.labels[1].numpy().ravel() > 0)
    found: dict[int, tuple[np.ndarray, int]] = {}
    for c in np.unique(classes[known]):
        at = known[classes[known] == c]
        found[int(c)] = (rng.choice(at, most, replace=False) if len(at) > most else at, len(at))
    return found


def _shares(places: dict[int, tuple[np.ndarray, int]]) -> np.ndarray:
    counts = np.array([n for _, n in places.values()], float)
    shares: np.ndarray = counts / counts.sum()
    return shares
