"""Small scenes and the marks that a technique may need."""

import numpy as np


def scene(ndim=2, channels=1, seed=0, dtype=np.float32):
    """Bright blocks of two brightnesses in noise, (C, [Z,] Y, X), and where they are."""
    rng = np.random.default_rng(seed)
    shape = (40, 48) if ndim == 2 else (9, 28, 30)
    truth = np.zeros(shape, np.int32)
    if ndim == 2:
        truth[6:18, 6:20], truth[24:35, 26:42] = 1, 2
    else:
        truth[2:7, 4:13, 4:13], truth[2:7, 16:25, 16:26] = 1, 2
    levels = np.array([30, 120, 200])
    image = levels[truth] + rng.normal(0, 6, shape)
    parts = [image * (1 - 0.2 * c) + 10 * c for c in range(channels)]
    return np.stack(parts).clip(0, 255).astype(dtype), truth


def marks(row, truth):
    """Seeds and box for a row, as it needs them."""
    needs = row.needs
    found = {}
    if needs in ("points", "strokes"):
        seeds = np.zeros(truth.shape, np.int32)
        middle = [tuple(int(v) for v in np.argwhere(truth == n).mean(axis=0)) for n in (1, 2)]
        corner = tuple(slice(0, 3) for _ in truth.shape)
        seeds[middle[0]], seeds[middle[1]] = 2, 2
        seeds[corner] = 1
        found["seeds"] = seeds
    if needs == "box":
        at = np.argwhere(truth == 1)
        low, high = at.min(axis=0) - 2, at.max(axis=0) + 3
        found["box"] = tuple(slice(max(0, int(a)), int(b)) for a, b in zip(low, high, strict=True))
    return found
