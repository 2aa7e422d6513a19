"""Labels of random objects, from whole numbers alone: the same on every machine and with every version."""

from __future__ import annotations

import random

import numpy as np

SHAPES = {"2d": (48, 56), "3d": (14, 22, 26)}
SPACINGS = {"2d": (0.8, 0.5), "3d": (2.0, 0.7, 0.4)}
TOLERANCE = {"2d": 0.9, "3d": 1.5}
THRESHOLDS = (0.3, 0.51, 0.62, 0.77, 0.91)
SEEDS = (1, 2, 3)


def objects(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction: balls, of which the prediction moves, loses, invents and joins some. Numbers have gaps."""
    shape = SHAPES[kind]
    source = random.Random(seed)
    truth, prediction = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    largest = 6 if kind == "2d" else 4
    for i in range(1, 19):
        centre = [source.randrange(n) for n in shape]
        radius = source.randrange(2, largest + 1)
        moved = [c + source.randrange(-1, 2) for c in centre]
        chance = source.randrange(10)
        truth[_ball(shape, centre, radius)] = 3 * i
        if chance < 7:
            prediction[_ball(shape, moved, radius)] = 100 - 4 * i
        elif chance < 8:
            prediction[_ball(shape, moved, radius)] = 100 - 4 * max(i - 1, 1)
    for i in range(3):
        prediction[_ball(shape, [source.randrange(n) for n in shape], 2)] = 201 + i
    return truth, prediction


def classes(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers 0, 1, 2 of the same objects; some predicted objects get the wrong class."""
    truth, prediction = objects(kind, seed)
    return class_of(truth), class_of(prediction)


def class_of(labels: np.ndarray) -> np.ndarray:
    """Class 1 or 2 by the object's number, 0 outside objects."""
    return np.where(labels == 0, 0, 1 + labels % 5 % 2).astype(np.uint8)


def _ball(shape: tuple[int, ...], centre: list[int], radius: int) -> np.ndarray:
    grid = np.indices(shape)
    return sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= radius**2
