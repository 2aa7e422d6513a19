"""Logits and labels from whole numbers alone: the same on every machine and with every version. Needs no torch."""

from __future__ import annotations

import random

import numpy as np

SHAPES = {"2d": (7, 9), "3d": (4, 5, 6)}
CLASSES = (2, 4)
SEEDS = (1,)
ALPHA = {2: (0.5, 2.0), 4: (0.5, 2.0, 1.25, 3.0)}
IMAGES = 2
CASES = [(kind, classes, seed) for kind in SHAPES for classes in CLASSES for seed in SEEDS]


def example(kind: str, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits (N, K, ...) in float64, target (N, ...) where each image has each class, and what is known (N, ...)."""
    source = random.Random(seed)
    shape = SHAPES[kind]
    voxels = int(np.prod(shape))
    logits = [source.randrange(-1024, 1025) / 256 for _ in range(IMAGES * classes * voxels)]
    target = [i if i < classes else source.randrange(classes) for _ in range(IMAGES) for i in range(voxels)]
    known = [i < classes or source.randrange(10) < 7 for _ in range(IMAGES) for i in range(voxels)]
    return (
        np.reshape(logits, (IMAGES, classes, *shape)),
        np.reshape(target, (IMAGES, *shape)).astype(np.int64),
        np.reshape(known, (IMAGES, *shape)),
    )
