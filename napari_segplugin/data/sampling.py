"""From samples to batches: what the training loop eats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_segplugin.core import AugmentSpec, InputError
from napari_segplugin.data.augment import (
    IDENTITY,
    cut,
    elastic_shift,
    inside,
    random_matrix,
    sample_grid,
    vary_intensity,
)
from napari_segplugin.data.box_positions import box_positions

T = TypeVar("T", "Prepared", "Batch")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A sample as tensors.

    Parameters
    ----------
    image : (C, [Z,] Y, X) Tensor of float32
        Normalised.
    labels : (4, [Z,] Y, X) Tensor of float32
        Class numbers, their weight, the weight of the further maps, and object numbers: what is read by nearest
        neighbour, in one piece.
    maps : (M, [Z,] Y, X) Tensor of float32
    spacing : tuple of float
    offsets : tuple of int
        Which maps are the components of a vector in voxels, in the order of the axes: they turn with the patch.
    boxes : (1 + ndim, [Z,] Y, X) Tensor of float32, optional
        The box around each voxel's object and where in it the voxel lies
        (:func:`~napari_segplugin.data.box_positions.box_positions`).
    """

    image: Tensor
    labels: Tensor
    maps: Tensor
    spacing: tuple[float, ...]
    offsets: tuple[int, ...] = ()
    boxes: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(v.nbytes for v in vars(self).values() if isinstance(v, Tensor))

    def to(self, device: torch.device | str) -> Prepared:
        """The same on another device."""
        return _moved(self, device)


def prepare(
    image: np.ndarray,
    classes: np.ndarray,
    weight: np.ndarray,
    maps: np.ndarray,
    maps_weight: np.ndarray,
    spacing: tuple[float, ...],
    instances: np.ndarray | None = None,
    offsets: tuple[int, ...] = (),
    boxes: Sequence[tuple[slice, ...]] = (),
) -> Prepared:
    """Turn the arrays of one sample into tensors. Object numbers must lie below 2**24 (they travel as float32)."""

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

    objects = np.zeros_like(classes) if instances is None else instances
    labels = tensor(np.stack([classes, weight, maps_weight, objects]))
    inside = tensor(box_positions(boxes, classes.shape)) if boxes else None
    return Prepared(tensor(image), labels, tensor(maps), spacing, offsets, inside)


@dataclass(frozen=True, eq=False)
class Batch:
    """Patches: image (N, C, ...), classes (N, ...) int64, weight (N, ...), maps (N, M, ...), maps_weight (N, ...),
    instances (N, ...) int64, seen (N, ...) 1 inside the image; voxel size along [Z,] Y, X; where a sample has some, boxes
    (N, 1 + ndim, ...)."""

    image: Tensor
    classes: Tensor
    weight: Tensor
    maps: Tensor
    maps_weight: Tensor
    instances: Tensor
    seen: Tensor
    spacing: tuple[float, ...]
    boxes: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return _moved(self, device)


def _moved(holder: T, device: torch.device | str) -> T:
    """A dataclass of tensors with every tensor on a device."""
    moved: dict[str, Any] = {
        k: v.to(device, non_blocking=True) for k, v in vars(holder).items() if isinstance(v, Tensor)
    }
    return replace(holder, **moved)


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
    balance : bool
        Centre every patch on a class drawn evenly.
    shares : sequence of float, optional
        How often each sample is drawn, relative to the others that have the wanted class; alike where left out.
    device : device
        Where the samples are kept and patches are cut. A GPU cuts them many times faster; what is drawn is the same.

    Raises
    ------
    InputError
        If nothing is known in any sample.
    """

    def __init__(
        self,
        samples: Sequence[Prepared],
        patch: Sequence[int],
        augment: AugmentSpec = IDENTITY,
        seed: int = 0,
        balance: bool = False,
        shares: Sequence[float] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        self.patch, self.augment, self.balance = tuple(patch), augment, balance
        self.generator = torch.Generator().manual_seed(seed)
        self._rng = np.random.default_rng(seed)
        useful = [bool((s.labels[1] > 0).any()) for s in samples]
        self.samples = [s for s, use in zip(samples, useful, strict=True) if use]
        self._shares = np.array([s for s, use in zip(shares, useful, strict=True) if use]) if shares else None
        if not self.samples:
            raise InputError("There is nothing to learn from: nothing is labelled.", hint="Paint some strokes first.")
        self._boxed = any(s.boxes is not None for s in self.samples)
        self._places = [_places(s, self._rng) for s in self.samples]
        self._classes = sorted({c for places in self._places for c in places})
        self.device = torch.device(device)
        self.samples = [s.to(self.device) for s in self.samples]

    def state(self) -> tuple[Tensor, Mapping[str, object]]:
        """Where the random draws stand: torch's generator, NumPy's generator."""
        return self.generator.get_state(), dict(self._rng.bit_generator.state)

    def restore(self, state: tuple[Tensor, Mapping[str, object]]) -> None:
        """Go on drawing from an earlier :meth:`state`."""
        self.generator.set_state(state[0])
        self._rng.bit_generator.state = state[1]

    def draw(self, count: int) -> Batch:
        """Draw `count` patches."""
        images, exact_labels, weights, maps, seen, boxes = [], [], [], [], [], []
        for _ in range(count):
            sample, centre = self._choose()
            matrix = random_matrix(len(self.patch), sample.spacing, self.augment, self.generator).to(self.device)
            shape = sample.image.shape[1:]
            grid = self._bent(sample_grid(matrix, centre, self.patch), matrix, sample)
            images.append(cut(sample.image, grid, nearest=False))
            maps.append(_cut_maps(sample, grid, matrix))
            exact = cut(sample.labels, grid, nearest=True)
            exact_labels.append(exact[::3].round().long())
            seen.append(inside(grid, shape).float())
            weights.append(exact[1:3] * seen[-1])
            if self._boxed:
                boxes.append(_cut_boxes(sample, grid) * seen[-1])
        weight, labels = torch.stack(weights), torch.stack(exact_labels)
        image = vary_intensity(torch.stack(images), self.augment, self.generator)
        return Batch(
            image,
            labels[:, 0],
            weight[:, 0],
            torch.stack(maps),
            weight[:, 1],
            labels[:, 1],
            torch.stack(seen),
            self.samples[0].spacing,
            torch.stack(boxes) if boxes else None,
        )

    def _bent(self, grid: Tensor, matrix: Tensor, sample: Prepared) -> Tensor:
        """The grid with a smooth random shift of its voxels, where that is asked for."""
        shift = None if sample.offsets else elastic_shift(self.patch, sample.spacing, self.augment, self.generator)
        return grid if shift is None else grid + shift.to(self.device) @ matrix.T

    def _choose(self) -> tuple[Prepared, list[float]]:
        """A sample and a voxel of it, moved a little so that the voxel is not always in the middle of the patch."""
        evenly = self._rng.random() < (1.0 if self.balance else 2 / 3)
        wanted = int(self._rng.choice(self._classes)) if evenly else None
        able = [i for i, p in enumerate(self._places) if wanted is None or wanted in p]
        weights = None if self._shares is None else self._shares[able] / self._shares[able].sum()
        i = int(self._rng.choice(able, p=weights))
        places = self._places[i]
        key = wanted if wanted is not None else int(self._rng.choice(list(places), p=_shares(places)))
        flat = int(self._rng.choice(places[key][0]))
        shape = self.samples[i].image.shape[1:]
        centre = np.array(np.unravel_index(flat, shape), float)
        centre += self._rng.uniform(-0.25, 0.25, len(shape)) * self.patch
        return self.samples[i], [float(min(max(c, 0), n - 1)) for c, n in zip(centre, shape, strict=True)]


def _cut_boxes(sample: Prepared, grid: Tensor) -> Tensor:
    """The boxes of a patch, (1 + ndim, *patch)."""
    if sample.boxes is None:
        return torch.zeros(1 + grid.shape[-1], *grid.shape[:-1], device=grid.device)
    return cut(sample.boxes, grid, nearest=True)


def _cut_maps(sample: Prepared, grid: Tensor, matrix: Tensor) -> Tensor:
    """The further maps of a patch, (M, *patch).

    A position p of the patch is `matrix` p + centre in the image, so a vector of the image is that vector of the patch
    which the matrix maps to it.
    """
    if not sample.maps.shape[0]:
        return sample.maps.new_zeros((0, *grid.shape[:-1]))
    maps = cut(sample.maps, grid, nearest=False)
    if sample.offsets:
        # between two objects the mean of their vectors would point nowhere
        vectors = cut(sample.maps[list(sample.offsets)], grid, nearest=True)
        maps[list(sample.offsets)] = torch.einsum("ij,j...->i...", torch.linalg.inv(matrix), vectors)
    return maps


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
