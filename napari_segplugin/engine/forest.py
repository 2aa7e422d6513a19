"""A random forest on multiscale features of the voxels of one image, which are computed where they are needed. No torch."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from napari_segplugin.core import Image, InputError, Region, Sample
from napari_segplugin.data import normalise
from napari_segplugin.engine.pooled import LARGE, pooled_image, pooled_part

SIGMAS = {2: (1.0, 16.0), 3: (1.0, 4.0)}
"""Smallest and largest scale of the features, in voxels; doubled in between. A 3D feature costs far more."""
_BLOCK = {2: (256, 256), 3: (32, 96, 96)}
_PLANE = (1, 256, 256)
FRESH = 6
"""Blocks whose features are computed for the strokes of a class, besides those that are known, while somebody paints: a stroke
on a plane across crosses a block of every plane of the volume."""
_VOXELS_A_CLASS = 3000
TREES = 50
_CACHE_BYTES = 1 << 30


class PixelForest:
    """A random forest for one image (one time point).

    Parameters
    ----------
    image : Image
    frame : int
    memory : int
        Bytes of features that are kept.
    planes : bool
        Look at each plane of a volume by itself, as a 2D image: a plane of 512² is answered within a second, where
        features in 3D take a minute for it and, on two volumes of nuclei, gave no better answer.
    """

    def __init__(self, image: Image, *, frame: int = 0, memory: int = _CACHE_BYTES, planes: bool = True) -> None:
        self.image, self.frame, self.memory = image, frame, memory
        self.planes = planes and image.ndim == 3
        self.block = _PLANE if self.planes else _BLOCK[image.ndim]
        self.sigmas = SIGMAS[2 if self.planes else image.ndim]
        self._kept: OrderedDict[tuple[int, ...], np.ndarray] = OrderedDict()
        self._lock = threading.RLock()
        self._forest: Any = None
        self._pooled: dict[int, PixelForest] = {}
        self.n_classes = 0

    def fit(self, sample: Sample, n_classes: int, *, seed: int = 0, fresh: int = 0) -> PixelForest:
        """Learn from the known voxels of a sample, at most a few thousand a class.

        Parameters
        ----------
        sample : Sample
        n_classes : int
        seed : int
        fresh : int
            Blocks a class whose features may be computed for this, besides those that are known; 0 means any number.

        Raises
        ------
        InputError
            If fewer than two classes are known.
        """
        from sklearn.ensemble import RandomForestClassifier

        rng = np.random.default_rng(seed)
        known = np.ones(sample.classes.shape, bool) if sample.known is None else sample.known
        places, target = [], []
        for c in np.unique(sample.classes[known]):
            at = self._near(np.argwhere(known & (sample.classes == c)), fresh)
            places.append(at if len(at) <= _VOXELS_A_CLASS else rng.choice(at, _VOXELS_A_CLASS, replace=False))
            target.append(np.full(len(places[-1]), c))
        if len(target) < 2:
            raise InputError(
                "The instant answer needs strokes of at least two classes.",
                got=f"{len(target)} class{'es' * (len(target) != 1)}",
                hint="Also paint another class, or background." if n_classes > 2 else "Also paint some background.",
            )
        forest = RandomForestClassifier(
            TREES, min_samples_leaf=2, max_features="sqrt", class_weight="balanced", n_jobs=-1, random_state=seed
        )
        self._forest = forest.fit(self._at(np.concatenate(places)), np.concatenate(target))
        self.n_classes = n_classes
        return self

    def probabilities(self, region: Region, step: int = 1) -> np.ndarray:
        """Class probabilities (K, [Z,] Y, X) of a region; a class that was not painted has 0.

        With `step` only every so-manieth voxel of the plane is looked at, counted from the first of the region, and stands
        for its neighbours.

        Raises
        ------
        InputError
            If the forest has not learnt yet.
        """
        if self._forest is None:
            raise InputError(
                "The instant answer has not learnt from any strokes yet.", hint="Paint strokes of two classes."
            )
        # the coarse grid is that of the region, so that blocks meet without a seam
        coarse = [1] * (len(region) - 2) + [step, step]
        out = np.zeros(
            (self.n_classes, *(-(-(s.stop - s.start) // c) for s, c in zip(region, coarse, strict=True))), np.float32
        )
        places, parts = [], []
        for index in self._blocks(region):
            block = self._box(index)
            both = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(region, block, strict=True)]
            inner = tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip(both, block, strict=True))
            start = [s.start - r.start for s, r in zip(both, region, strict=True)]
            first = [-a % s for a, s in zip(start, coarse, strict=True)]
            part = self._features(index)[inner][tuple(slice(f, None, s) for f, s in zip(first, coarse, strict=True))]
            if part.size:
                low = [(a + f) // s for a, f, s in zip(start, first, coarse, strict=True)]
                places.append(tuple(slice(a, a + n) for a, n in zip(low, part.shape[:-1], strict=True)))
                parts.append(part)
        # one call for all blocks: each starts threads anew
        values = self._forest.predict_proba(np.concatenate([p.reshape(-1, p.shape[-1]) for p in parts]))
        ends = np.cumsum([p[..., 0].size for p in parts])
        for place, part, end in zip(places, parts, ends, strict=True):
            mine = values[end - part[..., 0].size : end]
            for column, c in enumerate(self._forest.classes_):
                out[c][place] = mine[:, column].reshape(part.shape[:-1])
        return out if step == 1 else _repeated(out, step, region)

    def _near(self, places: np.ndarray, fresh: int) -> np.ndarray:
        """Those of some voxels whose features are known, and those in the fullest of the other blocks."""
        if not fresh or not len(places):
            return places
        owner, inverse, count = np.unique(
            places // np.array(self.block), axis=0, return_inverse=True, return_counts=True
        )
        ready = np.array([tuple(index) in self._kept for index in owner.tolist()])
        others = np.flatnonzero(~ready)
        ready[others[np.argsort(-count[others], kind="stable")[:fresh]]] = True
        found: np.ndarray = places[ready[inverse.reshape(-1)]]
        return found

    def _at(self, places: np.ndarray) -> np.ndarray:
        """Features (N, F) of voxels."""
        size = np.array(self.block)
        owner, inverse = np.unique(places // size, axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        found: np.ndarray | None = None
        for k, index in enumerate(owner):
            mine = inverse == k
            values = self._features(tuple(int(i) for i in index))[tuple((places[mine] - index * size).T)]
            if found is None:
                found = np.empty((len(places), values.shape[1]), np.float32)
            found[mine] = values
        if found is None:
            raise InputError("There are no strokes to learn from.", hint="Paint some strokes first.")
        return found

    def _box(self, index: tuple[int, ...]) -> Region:
        shape, size = self.image.spatial_shape, self.block
        return tuple(slice(i * b, min((i + 1) * b, n)) for i, b, n in zip(index, size, shape, strict=True))

    def _blocks(self, region: Region) -> Iterator[tuple[int, ...]]:
        size = self.block
        spans = [range(s.start // b, (s.stop - 1) // b + 1) for s, b in zip(region, size, strict=True)]
        yield from product(*spans)

    @cached_property
    def _statistics(self) -> normalise.Statistics:
        return normalise.statistics(self.image, None, self.frame)

    def warm(self, region: Region) -> None:
        """Compute the features of a region ahead, while somebody paints the first strokes."""
        whole = tuple(slice(*s.indices(n)[:2]) for s, n in zip(region, self.image.spatial_shape, strict=True))
        step, part = self.coarse(whole)
        forest = self.pooled(step)
        for index in forest._blocks(part):
            forest._features(index)

    def coarse(self, region: Region) -> tuple[int, Region]:
        """How many rows and columns are taken together to answer a region while somebody paints, and the region in these.

        Of a plane across a volume, seen from the side, a row of each plane is looked at, and the features are those of whole
        blocks: so that they take seconds, it is looked at more coarsely.
        """
        step, part = pooled_part(region)
        if self.planes and region[0].stop - region[0].start > 1:
            while self._voxels(part, step) > LARGE and step < min(self.image.spatial_shape[-2:]):
                step += 1
                part = pooled_part(region, step)[1]
        return step, part

    def _voxels(self, part: Region, step: int) -> int:
        """Voxels of the blocks that a part of the pooled image lies in."""
        total = part[0].stop - part[0].start
        for s, b, n in zip(part[-2:], self.block[-2:], self.image.spatial_shape[-2:], strict=True):
            total *= int(min(-(-s.stop // b) * b, -(-n // step)) - s.start // b * b)
        return int(total)

    def pooled(self, step: int) -> PixelForest:
        """The forest for the image with its rows and columns averaged in squares; this one where `step` is 1."""
        if step == 1:
            return self
        if step not in self._pooled:
            image = pooled_image(self.image, step)
            self._pooled[step] = PixelForest(image, frame=self.frame, memory=self.memory, planes=self.planes)
            self._pooled[step]._statistics = self._statistics  # those of the image itself, read on a grid
        return self._pooled[step]

    def _features(self, index: tuple[int, ...]) -> np.ndarray:
        """Features ([Z,] Y, X, F) of a block, those of the whole image: read with a margin as wide as the filters."""
        with self._lock:  # an answer that comes while features are computed ahead waits for its block, and no longer
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
            features = self._compute(self._box(index))
            self._kept[index] = features
            while len(self._kept) > 1 and sum(f.nbytes for f in self._kept.values()) > self.memory:
                self._kept.popitem(last=False)
            return features

    def _compute(self, box: Region) -> np.ndarray:
        from skimage.feature import multiscale_basic_features

        low, high = self.sigmas
        margin = math.ceil(4 * high) + 3  # Gaussians reach 4 sigma, the derivatives on them a little further
        margins = [0 if self.planes and axis == 0 else margin for axis in range(len(box))]
        wide = tuple(
            slice(max(0, s.start - m), min(n, s.stop + m))
            for s, m, n in zip(box, margins, self.image.spatial_shape, strict=True)
        )
        array = np.moveaxis(normalise.apply(self.image.read(wide, self.frame), self._statistics), 0, -1)
        array = array[0] if self.planes else array
        features = multiscale_basic_features(array, sigma_min=low, sigma_max=high, channel_axis=-1)
        features = features[None] if self.planes else features
        inner = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide, strict=True))
        return np.ascontiguousarray(features[inner], dtype=np.float32)


def _repeated(maps: np.ndarray, step: int, region: Region) -> np.ndarray:
    """Let each voxel of a coarse grid stand for the square of the plane that begins at it."""
    rows, columns = (s.stop - s.start for s in region[-2:])
    wide: np.ndarray = np.repeat(np.repeat(maps, step, axis=-1)[..., :columns], step, axis=-2)[..., :rows, :]
    return wide


def dice_on(forest: PixelForest, sample: Sample, fresh: int = 0) -> float:
    """Dice of each class beside background that was held out, pooled over the held-out voxels, averaged."""
    known = np.ones(sample.classes.shape, bool) if sample.known is None else sample.known
    places = forest._near(np.argwhere(known), fresh)
    truth = sample.classes[tuple(places.T)]
    guess = forest._forest.predict(forest._at(places))
    classes = [c for c in np.unique(truth) if c > 0] or [0]
    scores = [
        2 * ((guess == c) & (truth == c)).sum() / max(1, (guess == c).sum() + (truth == c).sum()) for c in classes
    ]
    return float(np.mean(scores))


__all__ = ["FRESH", "TREES", "PixelForest", "dice_on"]
