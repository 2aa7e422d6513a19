"""Nuclei of stained slides with a model of fluorescent ones, by what it is shown of the colors.

    python tests/benchmarks/channels.py DATA/nuclei2d_histology

AP@0.5 and mean AP of the shipped model `nuclei2d`, which never saw a slide. Writes docs/benchmarks/channels.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from napari_segplugin.core import TileSpec, drain
from napari_segplugin.data.channels import seen
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.io import load_bundle, read_image, read_labels, shipped_bundles
from napari_segplugin.metrics.instance import average_precision

WAYS = {"grey": ("grey", False), "grey, inverted": ("grey", True), "haematoxylin": ("haematoxylin", False)}
THRESHOLDS = [0.5, 0.6, 0.7, 0.8, 0.9]


def main() -> None:
    """Find, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/channels.json"))
    args = parser.parse_args()
    bundle, rows = load_bundle(shipped_bundles()["nuclei2d"]), {way: [] for way in WAYS}
    for file in sorted((args.folder / "images").iterdir()):
        image = read_image(file)
        truth = np.asarray(read_labels(args.folder / "labels" / file.name)[0]).astype(np.int32)
        for way, (channels, invert) in WAYS.items():
            job = predict(seen(image, channels), bundle, tiles=TileSpec(invert=invert), device="cpu")
            rows[way].append(average_precision(truth, np.asarray(drain(job).labels), THRESHOLDS))
    record = {"images": len(rows["grey"]), "definition": "TP / (TP + FP + FN) per image, mean over images"}
    for way, found in rows.items():
        record[way] = {"AP@0.5": round(float(np.mean(found, 0)[0]), 4), "mean AP": round(float(np.mean(found)), 4)}
    args.write.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
