"""Images side by side as one: does what surrounds an image change what is found in it?

    python tests/benchmarks/mosaic.py DATA/nuclei2d_fluo [--turned]

Of the images that the shipped model was tested on, four of one size at a time become a mosaic, with and without a gap between them (objects
that are cut at a seam can grow together there), by both rules of the intensity range. AP@0.5 of each image in its place, and alone;
`--turned` turns three of the four by quarters. Writes docs/benchmarks/mosaic.json.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile

from napari_segplugin.core import Image, ModelBundle, Normalisation, drain
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.io import load_bundle, shipped_bundles
from napari_segplugin.metrics.instance import average_precision

Pair = tuple[np.ndarray, np.ndarray]


def found(array: np.ndarray, bundle: ModelBundle) -> np.ndarray:
    """Labels of an image."""
    return np.asarray(drain(predict(Image(array, "YX"), bundle, device="cpu")).labels)


def laid(images: list[np.ndarray], gap: int) -> tuple[np.ndarray, list[tuple[slice, slice]]]:
    """Four images as one, with a gap as dark as the darkest hundredth of each, and where each lies."""
    h, w = (max(i.shape[a] for i in images) for a in (0, 1))
    whole = np.full((2 * h + gap, 2 * w + gap), min(int(np.percentile(i, 1)) for i in images), images[0].dtype)
    places = []
    for k, image in enumerate(images):
        y, x = (k // 2) * (h + gap), (k % 2) * (w + gap)
        places.append((slice(y, y + image.shape[0]), slice(x, x + image.shape[1])))
        whole[places[-1]] = image
    return whole, places


def main() -> None:
    """Lay, find, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--turned", action="store_true")
    parser.add_argument("--mosaics", type=int, default=2, help="of each size")
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/mosaic.json"))
    args = parser.parse_args()
    bundle = load_bundle(shipped_bundles()["nuclei2d"])
    groups: dict[tuple[int, ...], list[Pair]] = defaultdict(list)
    for file in sorted((args.folder / "images").glob("*.tif"))[0::2]:
        truth = tifffile.imread(args.folder / "labels" / file.name).astype(np.int32)
        groups[truth.shape].append((tifffile.imread(file), truth))
    rows: dict[str, list[float]] = defaultdict(list)
    rng = np.random.default_rng(0)
    for pairs in (g for g in groups.values() if len(g) >= 4):
        for _ in range(args.mosaics):
            four = [pairs[i] for i in rng.permutation(len(pairs))[:4]]
            if args.turned:
                four = [(np.rot90(a, k), np.rot90(t, k)) for k, (a, t) in enumerate(four)]
            for rule in ("percentiles", "robust"):
                model = replace(bundle, normalisation=Normalisation(rule=rule))
                rows[f"{rule}, alone"] += [average_precision(t, found(a, model), [0.5])[0] for a, t in four]
                for gap in (0, 24):
                    whole, places = laid([a for a, _ in four], gap)
                    labels = found(whole, model)
                    name = f"{rule}, mosaic" + (" with a gap" if gap else "")
                    rows[name] += [
                        average_precision(t, labels[p], [0.5])[0] for (_, t), p in zip(four, places, strict=True)
                    ]
    record = {"definition": "AP@0.5, mean over images", "images": len(rows["robust, alone"]), "turned": args.turned}
    record |= {name: round(float(np.mean(values)), 4) for name, values in rows.items()}
    args.write.parent.mkdir(parents=True, exist_ok=True)
    args.write.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
