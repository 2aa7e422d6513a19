"""Every classical technique beside the plain call of scikit-image, scikit-learn or scipy for the same, and live previews.

    python tests/benchmarks/classical_speed.py [--repeats 5] [--only NAME …] [--out docs/benchmarks/classical_speed.json]

Real images: the shipped nuclei (256²) and scikit-image's portrait of an astronaut (512², RGB), mirrored side by side until
they fill the size; slow techniques get a smaller size, which is given. Ours is the whole call with all its checks
(`run_technique`, default settings but those given); the plain one is what a person would write with the libraries to get the
same kind of result. Both run in one thread of one process, by turns; each has run once before. A ratio is the median of the
processor seconds of ours over that of the plain call. Previews: the processor and wall seconds of `Previewer.run` on a
plane of 2048² after three runs, in which it learns how fast the technique is here, and by how much it lowered the resolution.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy
import skimage
import sklearn
from scipy import ndimage as ndi
from skimage import feature, filters, morphology, segmentation
from sklearn.cluster import KMeans, MeanShift, estimate_bandwidth
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))
from split_merge import heap_merge, processor, recursive_split

from napari_segplugin.classical import TECHNIQUES, run_technique
from napari_segplugin.core import ClassicalRecipe, Image
from napari_segplugin.engine.classical.preview import Previewer
from napari_segplugin.io import load_sample

PLANE = 2048


@dataclass
class Case:
    """A technique and what a person would write instead."""

    plain: Callable[..., Any]
    words: str
    size: int = PLANE
    colour: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


def filled(tile: np.ndarray, size: int) -> np.ndarray:
    """(C, size, size): mirrored tiles side by side, cut to the size."""
    times = -(-size // tile.shape[1])
    rows = [np.concatenate([tile[:, :: (-1) ** i, :: (-1) ** j] for j in range(times)], 2) for i in range(times)]
    return np.ascontiguousarray(np.concatenate(rows, 1)[:, :size, :size])


def picture(colour: bool, size: int) -> np.ndarray:
    tile = (
        np.moveaxis(skimage.data.astronaut(), -1, 0)
        if colour
        else np.asarray(load_sample("nuclei2d").image.array)[None]
    )
    return filled(tile, size)


def marks(row: Any, image: np.ndarray, size: int) -> dict[str, Any]:
    """A click on something bright, strokes on it and beside it, or a box in the middle."""
    gray = ndi.gaussian_filter(image.mean(0), 2)
    middle = gray[size // 4 : -size // 4, size // 4 : -size // 4]
    bright, dark = (np.array(np.unravel_index(f(middle), middle.shape)) + size // 4 for f in (np.argmax, np.argmin))
    seeds = np.zeros((size, size), np.int32)
    if row.needs == "points":
        seeds[tuple(bright)] = 1
        if row.name == "watershed_markers":
            at = feature.peak_local_max(gray, min_distance=16)
            seeds[tuple(at.T)] = np.arange(1, len(at) + 1)
        return {"seeds": seeds}
    if row.needs == "strokes":
        for number, (y, x) in enumerate((bright, dark), 1):
            seeds[y - 2 : y + 3, x - 6 : x + 7] = number
        return {"seeds": seeds}
    return {"box": (slice(size // 4, size * 5 // 8),) * 2} if row.needs == "box" else {}


def closed(lines: np.ndarray) -> np.ndarray:
    return ndi.binary_fill_holes(ndi.binary_closing(lines, morphology.disk(1)))


def plain_gradient(image: np.ndarray) -> np.ndarray:
    slope = filters.sobel(filters.gaussian(image[0], 1))
    return closed(morphology.skeletonize(slope > filters.threshold_otsu(slope)))


def plain_canny(image: np.ndarray) -> np.ndarray:
    values = image[0].astype(np.float32)
    strong = filters.threshold_otsu(filters.sobel(filters.gaussian(values, 2))) * 8 / 2**0.5
    return closed(feature.canny(values, 2, 0.4 * strong, strong))


def plain_zero_crossings(image: np.ndarray) -> np.ndarray:
    values = image[0].astype(np.float32)
    below = ndi.gaussian_laplace(values, 2) < 0
    slope = ndi.gaussian_gradient_magnitude(values, 2)
    return closed(below & ~ndi.binary_erosion(below, border_value=1) & (slope > filters.threshold_otsu(slope)))


def plain_watershed(image: np.ndarray) -> np.ndarray:
    values = filters.gaussian(image[0], 1)
    mask = values > filters.threshold_otsu(values)
    distance = ndi.distance_transform_edt(mask)
    at = feature.peak_local_max(distance, footprint=np.ones((3, 3)), labels=mask.astype(int))
    tops = np.zeros(mask.shape, bool)
    tops[tuple(at.T)] = True
    return segmentation.watershed(-distance, ndi.label(tops)[0], mask=mask)


def plain_contour(image: np.ndarray, box: Any, geodesic: bool = False) -> np.ndarray:
    first = np.zeros(image.shape[1:], np.int8)
    first[box] = 1
    values = image[0].astype(np.float32) / np.float32(np.ptp(image))
    if geodesic:
        stop = segmentation.inverse_gaussian_gradient(values, 300, 1)
        return segmentation.morphological_geodesic_active_contour(stop, 200, first, 1, 0.4, -1)
    return segmentation.morphological_chan_vese(values, 100, first)


def plain_chan_vese(image: np.ndarray) -> np.ndarray:
    values = image[0].astype(np.float32)
    return segmentation.morphological_chan_vese(values, 100, values > filters.threshold_otsu(image[0]))


def plain_mean_shift(image: np.ndarray) -> np.ndarray:
    values = image.reshape(len(image), -1).T.astype(np.float32)
    width = estimate_bandwidth(values, quantile=0.2, n_samples=1024, random_state=0)
    return MeanShift(bandwidth=width, bin_seeding=True).fit_predict(values)


def plain_split(image: np.ndarray) -> np.ndarray:
    values = image[0].astype(np.float64)
    limit = 0.04 * float(np.ptp(values))
    return heap_merge(values, recursive_split(values, limit, 2), limit)


def pixels(image: np.ndarray) -> np.ndarray:
    return image.reshape(len(image), -1).T.astype(np.float32)


def last(image: np.ndarray) -> np.ndarray:
    return np.moveaxis(image, 0, -1)


CASES = {
    "threshold": Case(lambda i: (i[0] > filters.threshold_otsu(i[0])).astype(np.int32), "image > threshold_otsu"),
    "multi_otsu": Case(lambda i: np.digitize(i[0], filters.threshold_multiotsu(i[0], 3)), "digitize, threshold_multiotsu"),
    "local_threshold": Case(
        lambda i: i[0] > filters.threshold_local(i[0], 51, offset=-0.05 * np.ptp(i[0])), "image > threshold_local"
    ),
    "hysteresis": Case(
        lambda i: filters.apply_hysteresis_threshold(i[0], 0.6 * filters.threshold_otsu(i[0]), filters.threshold_otsu(i[0])),
        "apply_hysteresis_threshold, threshold_otsu",
    ),
    "gradient": Case(plain_gradient, "gaussian, sobel, threshold_otsu, skeletonize, binary_closing, binary_fill_holes"),
    "canny": Case(plain_canny, "canny with values of threshold_otsu(sobel), binary_closing, binary_fill_holes"),
    "zero_crossings": Case(
        plain_zero_crossings, "gaussian_laplace, gaussian_gradient_magnitude, binary_closing, binary_fill_holes"
    ),
    "split_merge": Case(
        plain_split, "no call in the libraries: the recursive textbook function of split_merge.py", 512,
        settings={"smallest_region": 1},
    ),
    "region_growing": Case(
        lambda i, seeds: segmentation.flood(i[0].astype(np.float32), tuple(np.argwhere(seeds)[0]), tolerance=0.1 * np.ptp(i)),
        "flood with a tolerance",
    ),
    "watershed": Case(plain_watershed, "gaussian, threshold_otsu, distance_transform_edt, peak_local_max, watershed"),
    "watershed_markers": Case(
        lambda i, seeds: segmentation.watershed(filters.sobel(filters.gaussian(i[0], 1)), seeds), "gaussian, sobel, watershed"
    ),
    "chan_vese": Case(plain_chan_vese, "morphological_chan_vese from threshold_otsu, 100 iterations", 256),
    "chan_vese_box": Case(plain_contour, "morphological_chan_vese from the box, 100 iterations", 256),
    "geodesic_contour": Case(
        lambda i, box: plain_contour(i, box, True),
        "inverse_gaussian_gradient, morphological_geodesic_active_contour, 200 iterations", 512,
    ),
    "random_walker": Case(
        lambda i, seeds: segmentation.random_walker(i[0].astype(float), seeds, 2000, "cg_j"), "random_walker(mode='cg_j')", 512
    ),
    "kmeans": Case(lambda i: KMeans(3, random_state=0).fit_predict(pixels(i)), "KMeans.fit_predict", 1024, True),
    "gaussian_mixture": Case(
        lambda i: GaussianMixture(3, random_state=0).fit_predict(pixels(i)), "GaussianMixture.fit_predict", 256, True
    ),
    "mean_shift": Case(plain_mean_shift, "estimate_bandwidth, MeanShift(bin_seeding=True).fit_predict", 128, True),
    "slic": Case(
        lambda i: segmentation.slic(last(i), i[0].size // 256, 10, start_label=1), "slic", 512, True, {"merge": 0.0}
    ),
    "felzenszwalb": Case(
        lambda i: segmentation.felzenszwalb(last(i), 100, 0.8, 50), "felzenszwalb", 512, True, {"merge": 0.0}
    ),
    "quickshift": Case(
        lambda i: segmentation.quickshift(last(i), 0.5, 3, 8, rng=0), "quickshift", 256, True, {"merge": 0.0}
    ),
}  # fmt: skip


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Processor and wall seconds."""
    wall, own = time.perf_counter(), time.process_time()
    call()
    return time.process_time() - own, time.perf_counter() - wall


def compare(name: str, repeats: int) -> dict[str, Any]:
    case, row = CASES[name], TECHNIQUES[name]
    image = picture(case.colour, case.size)
    given = marks(row, image, case.size)
    calls = (lambda: run_technique(name, image, **given, **case.settings), lambda: case.plain(image, **given))
    for call in calls:
        call()
    runs: tuple[list[Any], list[Any]] = ([], [])
    for _ in range(repeats):
        for call, found in zip(calls, runs, strict=True):
            found.append(timed(call))
    ours, plain = (
        {"processor": round(median(r[0] for r in f), 4), "wall": round(median(r[1] for r in f), 4)} for f in runs
    )
    return {
        "image": [*(("RGB",) if case.colour else ()), case.size, case.size],
        "plain_call": case.words,
        "settings": case.settings,
        "ours": ours,
        "plain": plain,
        "ratio": round(ours["processor"] / plain["processor"], 2),
    }


def preview(name: str, repeats: int) -> dict[str, Any]:
    row = TECHNIQUES[name]
    values = picture(bool(row.colour), PLANE)
    image = Image(values if len(values) > 1 else values[0], "CYX" if len(values) > 1 else "YX")
    given, previewer, recipe = marks(row, values, PLANE), Previewer(image), ClassicalRecipe(name)
    for _ in range(3):
        found = previewer.run(recipe, **given)
    runs = []
    for _ in range(repeats):
        runs.append(timed(lambda: previewer.run(recipe, **given)))
        found = previewer.run(recipe, **given)
    return {
        "processor": round(median(r[0] for r in runs), 4),
        "wall": round(median(r[1] for r in runs), 4),
        "resolution": f"1/{found.factor}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--skip", choices=("speed", "preview"), default=None)
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    threadpool_limits(1)
    old = json.loads(args.out.read_text()) if args.out is not None and args.out.exists() and args.only else {}
    result: dict[str, Any] = {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "threads_used": 1},
        "versions": {m.__name__: m.__version__ for m in (np, scipy, skimage, sklearn)}
        | {"python": platform.python_version()},
        "load_average": round(os.getloadavg()[0], 1),
        "techniques": old.get("techniques", {}),
    }
    for row in TECHNIQUES:
        if args.only and row.name not in args.only:
            continue
        found = result["techniques"].setdefault(row.name, {})
        if args.skip != "speed" and row.name in CASES:
            found |= compare(row.name, args.repeats)
        if args.skip != "preview":
            found["preview"] = preview(row.name, args.repeats)
        print(row.name, json.dumps(found), flush=True)
        if args.out is not None:
            args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
