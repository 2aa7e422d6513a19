"""The same anatomy at several voxel sizes, with one model: looked at as it is, and in the voxel size of the model.

    python tests/benchmarks/voxel_size.py DATA/hippocampus3d_mri --steps 600

Images are resampled linearly, their labels by the nearest voxel, so these have a limit of their own: `ceiling` is the Dice of the
labels taken to the grid of the model and back. A fifth of the images test. Writes docs/benchmarks/voxel_size.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage as ndi

from napari_segplugin.core import ClassTable, Image, Kind, ModelSpec, Task, TileSpec, TrainSpec, drain
from napari_segplugin.data.resample import ceiling
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.samples import make_sample
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.engine.voxel_size import look_of
from napari_segplugin.io import load_bundle, read_image, read_labels, save_bundle

CLASSES = ClassTable.named(["anterior", "posterior"], Kind.STUFF)
SIZES = ((1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (2.0, 2.0, 2.0), (1.1, 1.1, 1.1), (1.25, 1.25, 1.25), (3.0, 1.0, 1.0))


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean over the classes of 2 |A and B| / (|A| + |B|)."""
    scores = [2 * ((found == c) & (truth == c)).sum() / ((found == c).sum() + (truth == c).sum()) for c in (1, 2)]
    return float(np.mean(scores))


def main() -> None:
    """Train at 1 mm, segment at every size, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--network", default="unet")
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--model", type=Path, help="one that was trained by this script, in place of a training")
    parser.add_argument("--save", type=Path, help="where the model is saved")
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/voxel_size.json"))
    args = parser.parse_args()
    pairs = []
    for path in sorted((args.folder / "images").iterdir()):
        image = read_image(path)
        labels = np.asarray(read_labels(args.folder / "labels" / path.name)[0]).astype(int)
        pairs.append((image, labels.reshape(image.spatial_shape)))
    learn = [make_sample(i, t, Task.SEMANTIC, CLASSES) for n, (i, t) in enumerate(pairs) if n % 5]
    first = learn[0].image
    spec = ModelSpec(
        args.network, 3, 1, Task.SEMANTIC, CLASSES, {"widths": tuple(args.widths)}, first.canonical_spacing, first.unit
    )
    budget = TrainSpec(seconds=0, steps=args.steps, batch=2, patch=(24, 40, 32), device="cpu")
    bundle = (
        load_bundle(args.model) if args.model else drain(train(learn, new_bundle(spec, name="hippocampus"), budget))
    )
    if args.save:
        save_bundle(bundle, args.save)
    rows: dict[str, dict[str, float]] = {}
    for size in SIZES:
        found = []
        for image, truth in pairs[::5]:
            zoom = [o / s for o, s in zip(image.canonical_spacing, size, strict=True)]
            grid = Image(ndi.zoom(image.read()[0].astype(np.float32), zoom, order=1), "ZYX", size, image.unit)
            own = ndi.zoom(truth, zoom, order=0)
            plain, seen = (
                np.asarray(drain(predict(grid, bundle, device="cpu", tiles=TileSpec(rescale=r))).labels)
                for r in (False, True)
            )
            found.append((dice(plain, own), dice(seen, own), ceiling(own, look_of(grid, spec).factors)))
        means = np.mean(found, 0).round(3).tolist()
        name = " x ".join(f"{s:g}" for s in size) + " mm"
        rows[name] = dict(zip(("as it is", "voxel size of the model", "ceiling"), means, strict=True))
        print(name, rows[name])
    record = {
        "steps": args.steps,
        "network": args.network,
        "cores": torch.get_num_threads(),
        "test images": len(pairs[::5]),
    }
    args.write.write_text(json.dumps({**record, "Dice": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
