"""One fixed classical recipe on every image of `nuclei2d_fluo`, beside Otsu's threshold with a distance watershed.

    python tests/benchmarks/classical_nuclei.py DATA/nuclei2d_fluo [--recipe nuclei2d]

AP = TP / (TP + FP + FN) per image, averaged over images. The settings of the shipped recipe were picked by a random search
on every second image (by name, from the first); "held back" are the others. Writes docs/benchmarks/classical_nuclei.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import tifffile
from nuclei_from_scratch import THRESHOLDS, otsu_watershed, row, summary

from napari_segplugin.core import Image, drain
from napari_segplugin.engine.classical.segment import segment
from napari_segplugin.io import load_recipe


def main() -> None:
    """Segment, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipe", default="nuclei2d")
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/classical_nuclei.json"))
    args = parser.parse_args()
    recipe = load_recipe(args.recipe)
    names = (f"recipe {args.recipe}", "Otsu and distance watershed")
    rows: dict[str, list[list[float]]] = {name: [] for name in names}
    seconds = dict.fromkeys(names, 0.0)
    files = sorted((args.folder / "images").glob("*.tif"))
    for file in files:
        image, truth = tifffile.imread(file), tifffile.imread(args.folder / "labels" / file.name)
        for name in names:
            begin = time.process_time()
            found = drain(segment(Image(image, "YX"), recipe)).labels if name == names[0] else otsu_watershed(image)
            seconds[name] += time.process_time() - begin
            rows[name].append(row(truth, np.asarray(found)))
    record = {
        "images": len(files),
        "definition": f"TP / (TP + FP + FN) at IoU >= threshold, per image, mean over images; thresholds {THRESHOLDS}",
        **{
            name: {
                "all": summary(found),
                "picked on": summary(found[::2]),
                "held back": summary(found[1::2]),
                "processor seconds an image": round(seconds[name] / len(files), 3),
            }
            for name, found in rows.items()
        },
    }
    args.write.parent.mkdir(parents=True, exist_ok=True)
    args.write.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
