"""Throughput against MONAI's sliding window: same network, weights and image, one run, alternating repeats.

    python tests/benchmarks/throughput.py [--repeats 5] [--out docs/benchmarks/throughput.json]

MONAI runs as its users run it: windows of 256² and 96³, overlap 0.25, constant blending, 4 at a time, float32.
MONAI starts from the normalised array, ours from the image: reading, measuring and normalising intensities is in our
time and not in MONAI's. Both end with labels in memory. Besides the default precision, ours is timed in float32 as well,
so that the gain of the tile plan and of folding can be told from that of bfloat16. The network is trained for a moment
on the scene, because the classes of a random one lie so close together that any rounding turns them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from pathlib import Path
from statistics import median

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import ClassTable, Image, ModelSpec, Sample, Task, TileSpec, TrainSpec, drain
from napari_segplugin.data import normalise
from napari_segplugin.engine.device import resolve
from napari_segplugin.engine.network import load, prepare
from napari_segplugin.engine.predict.plan import set_up
from napari_segplugin.engine.predict.predict import predict, reader
from napari_segplugin.engine.predict.tiles import Run, run_tiles
from napari_segplugin.engine.train.train import new_bundle, train

import torch  # isort: skip  (after the engine, which sets up how torch allocates)

CASES = {"2D": ((2048, 2048), (256, 256)), "3D": ((96, 256, 256), (96, 96, 96))}
TARGETS = {"2D": 2.2, "3D": 2.0}


def scene(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Blobs of several sizes on an uneven background with noise, uint8."""
    rng = np.random.default_rng(seed)
    field = sum(ndi.gaussian_filter(rng.normal(0, 1, shape).astype(np.float32), s) * s for s in (2, 6))
    field = np.clip(field, 0, None) + 0.1 * rng.normal(0, 1, shape)
    return np.clip(255 * field / field.max(), 0, 255).astype(np.uint8)


def bundle_of(ndim: int):
    """The default U-Net, trained for a moment to tell dark, middle and bright places of the scene."""
    spec = ModelSpec("unet", ndim, 1, Task.SEMANTIC, ClassTable.named(["a", "b"]))
    array = scene((384, 384) if ndim == 2 else (64, 96, 96), seed=1)
    smooth = ndi.gaussian_filter(array.astype(np.float32), 1.5)
    classes = np.digitize(smooth, np.percentile(smooth, [60, 85]))
    sample = Sample(Image(array, "ZYX"[-ndim:]), classes)
    bundle = new_bundle(spec, name="benchmark")
    return drain(train([sample], bundle, TrainSpec(seconds=0, steps=60 if ndim == 2 else 40)))


def run_ours(image: Image, bundle, device: str, precision: str) -> np.ndarray:
    return np.asarray(drain(predict(image, bundle, tiles=TileSpec(precision=precision), device=device)).labels)


def run_monai(array: np.ndarray, network, roi, device) -> np.ndarray:
    from monai.inferers import sliding_window_inference

    with torch.inference_mode():
        x = torch.from_numpy(array)[None].to(device)
        logits = sliding_window_inference(x, roi, 4, network, overlap=0.25, mode="constant")
        return logits.argmax(1)[0].to(torch.uint8).cpu().numpy()


def probabilities(image: Image, bundle, device: str, precision: str) -> np.ndarray:
    setup = set_up(image, bundle, TileSpec(precision=precision), device, None)
    out = np.empty((setup.network.n_maps, *image.spatial_shape), np.float32)

    def write(tile, maps):
        out[(slice(None), *tile.write)] = maps

    stats = normalise.statistics(image, bundle.normalisation)
    run = Run(setup.network, lambda d, t: prepare(bundle, d, t), setup.batch)
    drain(run_tiles(run, setup.tiles, setup.axes, reader(image, stats, 0), write))
    return out


def compare(image: Image, bundle, network, array, roi, device: str) -> dict:
    """How far the probabilities lie apart: from the whole image at once, and from MONAI's."""
    from monai.inferers import sliding_window_inference

    with torch.inference_mode():
        x = torch.from_numpy(array)[None].to(resolve(device))
        whole = network(x).softmax(1)[0].cpu().numpy()
        theirs = sliding_window_inference(x, roi, 4, network, overlap=0.25, mode="constant").softmax(1)[0].cpu().numpy()
    found = {}
    for precision in ("auto", "float32"):
        ours = probabilities(image, bundle, device, precision)
        found[f"max_difference_to_whole_image_{precision}"] = float(np.abs(ours - whole).max())
        found[f"label_agreement_with_whole_image_{precision}"] = float((ours.argmax(0) == whole.argmax(0)).mean())
        found[f"max_difference_to_monai_{precision}"] = float(np.abs(ours - theirs).max())
        found[f"label_agreement_with_monai_{precision}"] = float((ours.argmax(0) == theirs.argmax(0)).mean())
    found["max_difference_of_monai_to_whole_image"] = float(np.abs(theirs - whole).max())
    found["label_agreement_of_monai_with_whole_image"] = float((theirs.argmax(0) == whole.argmax(0)).mean())
    return found


def timed(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def paired(slow: list[float], fast: list[float]) -> float:
    """Median of the ratios of neighbouring runs."""
    return median(a / b for a, b in zip(slow, fast, strict=True))


def case(name: str, repeats: int, device: str) -> dict:
    shape, roi = CASES[name]
    image = Image(scene(shape), "ZYX"[-len(shape) :])
    bundle = bundle_of(len(shape))
    where = resolve(device)
    network = load(bundle).eval().to(where)
    array = normalise.apply(image.read(), normalise.statistics(image, bundle.normalisation))
    runs = {
        "monai": lambda: run_monai(array, network, roi, where),
        "ours": lambda: run_ours(image, bundle, device, "auto"),
        "ours_float32": lambda: run_ours(image, bundle, device, "float32"),
    }
    for call in runs.values():  # once without the watch: imports, allocator, kernels
        call()
    busy = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    seconds = {key: [] for key in runs}
    for _ in range(repeats):
        for key, call in runs.items():
            seconds[key].append(timed(call))
    middle = {key: median(values) for key, values in seconds.items()}
    setup = set_up(image, bundle, TileSpec(), device, None)
    result = {
        "shape": shape,
        "load_average_before": busy,
        "monai_roi": roi,
        "our_tiles": {"count": len(setup.tiles), "size": setup.tile_shape, "halo": setup.halo, "exact": setup.exact},
        "precision": str(setup.network.dtype).removeprefix("torch."),
        "median_seconds": {k: round(v, 3) for k, v in middle.items()},
        "all_seconds": {k: [round(s, 3) for s in v] for k, v in seconds.items()},
        "megavoxels_per_second": {k: round(math.prod(shape) / v / 1e6, 3) for k, v in middle.items()},
        # each repeat is a pair of neighbours in time, so the median of their ratios stands other programs best
        "ratio": round(paired(seconds["monai"], seconds["ours"]), 2),
        "ratio_float32": round(paired(seconds["monai"], seconds["ours_float32"]), 2),
        "ratio_of_fastest": round(min(seconds["monai"]) / min(seconds["ours"]), 2),
        "ratio_of_fastest_float32": round(min(seconds["monai"]) / min(seconds["ours_float32"]), 2),
        "target": TARGETS[name],
    }
    return result | compare(image, bundle, network, array, roi, device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--case", choices=list(CASES), action="append", help="only this one; may stand twice")
    args = parser.parse_args()
    import monai

    result = {
        "machine": {"processor": processor(), "threads": torch.get_num_threads(), "device": args.device},
        "versions": {"torch": torch.__version__, "monai": monai.__version__, "python": platform.python_version()},
        "network": "U-Net, widths 16, 32, 64, 128; 1 channel in, 3 maps out",
    }
    for name in args.case or CASES:
        result[name] = case(name, args.repeats, args.device)
        print(name, json.dumps(result[name], indent=1), flush=True)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        old = json.loads(args.out.read_text()) if args.out.exists() and args.case else {}
        args.out.write_text(json.dumps(old | result, indent=1) + "\n")


def processor() -> str:
    """The processor's name where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
