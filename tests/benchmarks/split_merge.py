"""Region splitting and merging of large images, beside a plain recursive implementation of the same on the same image.

    python tests/benchmarks/split_merge.py [--repeats 3] [--peer zoomed-2048 …] [--out docs/benchmarks/split_merge.json]

The photograph of a camera man that scikit-image ships (512²), tiled to full detail everywhere or zoomed to the detail
of a large photograph; the shipped nuclei (256²) and axons under the electron microscope (512²), mirrored side by side, which
are noisy from pixel to pixel. The peer is the textbook: a function that calls itself for four quarters, then a heap of
neighbouring regions from which the most similar pair is merged until none may. It is run once. Both take the standard
deviation as test and blocks of 2 pixels as smallest; neither joins small regions at the end. Ours runs in one thread.
"default" is ours with the settings that the dock starts with. The peer takes minutes where the image is full of detail, so it
runs on the zoomed 2048² unless `--peer` says otherwise. Other programs may run on the machine: the seconds of the processor
count, the wall shows how much it was shared.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import platform
import resource
import time
from pathlib import Path
from statistics import median

import numpy as np
import skimage
from scipy import ndimage as ndi

from napari_segplugin.classical.regions.split_merge import split_merge, split_tree
from napari_segplugin.io import load_sample

SETTINGS = {"test": "std", "threshold": 0.06, "smallest_block": 2, "smallest_region": 1}
OTHERS = {"range": 0.2, "statistical": 0.06}
SAMPLES = {"nuclei": "nuclei2d", "axons": "axon_sem"}


def picture(kind: str, size: int) -> np.ndarray:
    """(1, size, size) float32."""
    if kind in SAMPLES:
        sample = np.asarray(load_sample(SAMPLES[kind]).image.array, np.float32)
        return np.pad(sample, [(0, size - n) for n in sample.shape], mode="symmetric")[None]
    photo = skimage.data.camera().astype(np.float32)
    times = size // photo.shape[0]
    return (np.tile(photo, (times, times)) if kind == "tiled" else ndi.zoom(photo, times, order=1))[None]


def recursive_split(image: np.ndarray, limit: float, smallest: int) -> list[tuple[int, int, int]]:
    """Blocks (y, x, size) by recursion."""

    def visit(y: int, x: int, size: int) -> None:
        if size <= smallest or image[y : y + size, x : x + size].std() <= limit:
            blocks.append((y, x, size))
            return
        half = size // 2
        for dy in (0, half):
            for dx in (0, half):
                visit(y + dy, x + dx, half)

    blocks: list[tuple[int, int, int]] = []
    visit(0, 0, image.shape[0])
    return blocks


def heap_merge(image: np.ndarray, blocks: list[tuple[int, int, int]], limit: float) -> np.ndarray:
    """Merge the most similar pair of neighbours until none may; labels."""
    labels = np.empty(image.shape, np.int64)
    stats = []
    for number, (y, x, size) in enumerate(blocks):
        part = image[y : y + size, x : x + size]
        labels[y : y + size, x : x + size] = number
        stats.append((part.size, float(part.sum()), float((part * part).sum())))
    near: list[set[int]] = [set() for _ in blocks]
    for one, other in ((labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])):
        for a, b in np.unique(np.stack([one[one != other], other[one != other]], 1), axis=0).tolist():
            near[a].add(b)
            near[b].add(a)

    def cost(a: int, b: int) -> float:
        n, s, q = (stats[a][k] + stats[b][k] for k in range(3))
        return max(q / n - (s / n) ** 2, 0.0) ** 0.5

    heap = [(c, a, b) for a in range(len(blocks)) for b in near[a] if a < b and (c := cost(a, b)) <= limit]
    heapq.heapify(heap)
    parent, alive = list(range(len(blocks))), [True] * len(blocks)
    while heap:
        _, a, b = heapq.heappop(heap)
        if not (alive[a] and alive[b]):
            continue
        # the union is a region of its own, so that old entries of the heap never speak of it
        new = len(stats)
        stats.append(tuple(stats[a][k] + stats[b][k] for k in range(3)))
        near.append((near[a] | near[b]) - {a, b})
        parent[a] = parent[b] = new
        parent.append(new)
        alive[a] = alive[b] = False
        alive.append(True)
        near[a] = near[b] = set()
        for c in near[new]:
            near[c] -= {a, b}
            near[c].add(new)
            if (d := cost(c, new)) <= limit:
                heapq.heappush(heap, (d, c, new))
    roots = np.array(parent)
    while (further := roots[roots] != roots).any():
        roots[further] = roots[roots[further]]
    return roots[labels]


def timed(call) -> tuple[object, dict[str, float]]:
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    return result, {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}


def repeated(call, repeats: int) -> tuple[object, dict[str, float]]:
    """The last result and the median seconds; one run before is not counted."""
    call()
    runs = [timed(call) for _ in range(repeats)]
    return runs[-1][0], {key: round(median(r[1][key] for r in runs), 3) for key in ("wall", "processor")}


def unevenness(image: np.ndarray, labels: np.ndarray) -> tuple[int, float]:
    """Number of regions, and the root of the mean squared difference to the mean of the region."""
    _, flat = np.unique(labels, return_inverse=True)
    flat, values = flat.ravel(), image.ravel().astype(float)
    count = np.bincount(flat)
    means = np.bincount(flat, values) / count
    return len(count), round(float(np.sqrt(((values - means[flat]) ** 2).mean())), 3)


def case(kind: str, size: int, repeats: int, peer: bool) -> dict:
    image = picture(kind, size)
    result: dict = {"load_average_before": round(os.getloadavg()[0], 2)}
    labels, seconds = repeated(lambda: split_merge(image, **SETTINGS), repeats)
    tree, split_seconds = repeated(lambda: split_tree(image, test="std", threshold=0.06, smallest_block=2), repeats)
    regions, rest = unevenness(image, labels)
    result["ours"] = {"seconds": seconds, "of_which_splitting": split_seconds, "blocks": len(tree), "regions": regions}
    result["ours"]["deviation_within_regions"] = rest
    labels, seconds = repeated(lambda: split_merge(image), repeats)
    result["ours_default"] = {"seconds": seconds, "regions": int(labels.max())}
    for test, threshold in OTHERS.items() if size < 4096 else ():
        settings = SETTINGS | {"test": test, "threshold": threshold}
        labels, seconds = repeated(lambda settings=settings: split_merge(image, **settings), repeats)
        result[f"ours_{test}"] = {"seconds": seconds, "regions": int(labels.max()), "threshold": threshold}
    if peer:
        limit = SETTINGS["threshold"] * float(np.ptp(image))
        exact = image[0].astype(np.float64)
        blocks, split_seconds = timed(lambda: recursive_split(exact, limit, 2))
        labels, merge_seconds = timed(lambda: heap_merge(exact, blocks, limit))
        regions, rest = unevenness(image, labels)
        total = {key: round(split_seconds[key] + merge_seconds[key], 2) for key in split_seconds}
        splitting = {key: round(value, 2) for key, value in split_seconds.items()}
        result["recursive"] = {
            "seconds": total,
            "of_which_splitting": splitting,
            "blocks": len(blocks),
            "regions": regions,
        }
        result["recursive"]["deviation_within_regions"] = rest
        result["ratio_of_processor_seconds"] = round(total["processor"] / result["ours"]["seconds"]["processor"], 1)
    return result


def named(word: str) -> tuple[str, int]:
    """Of "tiled-4096"."""
    kind, size = word.split("-")
    return kind, int(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--peer", nargs="*", type=named, default=[("zoomed", 2048)], help="where the peer runs too")
    args = parser.parse_args()
    result: dict = {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "threads_used": 1},
        "versions": {"numpy": np.__version__, "python": platform.python_version()},
        "settings": SETTINGS,
    }
    for size in (2048, 4096):
        for kind in ("zoomed", "tiled", *SAMPLES):
            result[f"{kind} {size}"] = case(kind, size, args.repeats, (kind, size) in args.peer)
            print(kind, size, json.dumps(result[f"{kind} {size}"]), flush=True)
    if not args.peer:
        result["peak_memory_GB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n")


def processor() -> str:
    """The processor's name where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
