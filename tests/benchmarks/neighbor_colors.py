"""How often objects that touch look alike, with napari's colors and with ours, and what it costs to keep them apart.

    python tests/benchmarks/neighbor_colors.py [LABELS.tif ...]

For the truth of the shipped samples, for cells without gaps, and for files of labels that are named. Alike are two colors with
a CIEDE2000 difference under 20; the least one is given too. "shades": all objects in the hue of one class (before: seven
shades by number). Cost: 4096² with 16,384 objects and 256³ with 4,096, processor time of one thread.
"""

from __future__ import annotations

import colorsys
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np
import tifffile
from napari.utils.colormaps import label_colormap
from scipy import ndimage
from skimage.segmentation import watershed

from napari_segplugin.core import ClassTable
from napari_segplugin.data.hues import LEAST, differences, told_apart
from napari_segplugin.data.touching import touching
from napari_segplugin.viewer.colors import class_scheme, object_scheme
from napari_segplugin.viewer.recolor import Scheme

SAMPLES = Path(__file__).parents[2] / "sample_data"
BEFORE = (0.0, 0.28, -0.22, 0.14, -0.1, 0.4, -0.32)


def cells(shape: tuple[int, ...], count: int) -> np.ndarray:
    """Cells without gaps."""
    rng = np.random.default_rng(0)
    seeds = np.zeros(shape, np.int32)
    seeds[tuple(rng.integers(0, n, count) for n in shape)] = rng.permutation(count) + 1
    return watershed(ndimage.gaussian_filter(rng.random(shape), 1), seeds)


def seven_shades(labels: np.ndarray) -> np.ndarray:
    """The shades of the first class as they were."""
    hue, light, saturation = colorsys.rgb_to_hls(0xE6 / 255, 0x9F / 255, 0)
    found = [light + (1 - light) * c if c > 0 else light * (1 + c) for c in BEFORE]
    return np.array([colorsys.hls_to_rgb(hue, one, saturation) for one in found])[labels % len(BEFORE)]


def told(pairs: np.ndarray, colors: np.ndarray) -> str:
    """Share of pairs that look alike, and the least difference."""
    kinds, which = np.unique(colors.round(5), axis=0, return_inverse=True)
    far = differences(kinds)[np.ravel(which)[pairs[:, 0]], np.ravel(which)[pairs[:, 1]]]
    return f"{100 * float((far < LEAST).mean()):5.1f} % least {float(far.min()):4.1f}"


def ours(pairs: np.ndarray, scheme: Scheme) -> np.ndarray:
    """The colors that we give."""
    return scheme.colors[told_apart(pairs, scheme.start, scheme.far, scheme.allowed, scheme.group)]


def row(name: str, labels: np.ndarray) -> None:
    """One line of the table."""
    _, inverse = np.unique(labels, return_inverse=True)
    labels = inverse.reshape(labels.shape) + int(labels.min() > 0)
    pairs, count = touching(labels), int(labels.max()) + 1
    if not len(pairs):
        print(f"{name:28} no two objects touch")
        return
    numbers = np.arange(count)
    usual = np.asarray(label_colormap(49, 0.5).map(numbers))[:, :3].astype(float)
    one = ClassTable.named(["cell"])
    found = [
        told(pairs, usual),
        told(pairs, ours(pairs, object_scheme(count))),
        told(pairs, seven_shades(numbers)),
        told(pairs, ours(pairs, class_scheme(np.ones(count, int), one))),
    ]
    print(f"{name:28} {len(pairs):6} pairs | " + " | ".join(found), flush=True)


def timed(work: Callable[[], object]) -> float:
    """Processor time of a call in seconds."""
    begin = process_time()
    work()
    return process_time() - begin


def main(files: list[str]) -> None:
    """Print the table."""
    print("pairs that look alike: napari | ours, objects | before, shades of one class | ours, shades")
    for folder in sorted(SAMPLES.iterdir()):
        truth = tifffile.imread(folder / "truth.tif")
        if truth.max() > 4:
            row(folder.name, truth)
    row("cells 300 × 300", cells((300, 300), 400))
    row("cells 30 × 60 × 60", cells((30, 60, 60), 400))
    for path in files:
        row(Path(path).stem[:28], tifffile.imread(path))
    for name, side, cell, ndim in (("4096²", 4096, 32, 2), ("256³", 256, 16, 3)):
        grid = np.arange(1, (side // cell) ** ndim + 1).reshape((side // cell,) * ndim)
        labels = np.kron(grid, np.ones((cell,) * ndim, int)).astype(np.uint16)
        pairs, scheme = touching(labels), object_scheme(int(labels.max()) + 1)
        looked, chosen = timed(lambda labels=labels: touching(labels)), timed(lambda p=pairs, s=scheme: ours(p, s))
        print(f"{name}: neighbors {looked:.2f} s, colors {chosen:.2f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
