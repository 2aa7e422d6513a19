"""Train the shipped bundles from licence-clean data, score them on images that they have not seen, and write both down.

    python scripts/train_bundles.py DATA nuclei2d --steps 12000

DATA is the folder with `nuclei2d_fluo`, `embryo3d`, `stardist_examples` and `axon_sem`. The split, seed and figures are
written to `figures.json` in the bundle's folder. The same command with `--score` only scores the bundle that is there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
import torch
from imageio.v3 import imread
from tqdm import tqdm

from napari_segplugin.core import (
    ClassTable,
    Image,
    Kind,
    ModelBundle,
    ModelSpec,
    Sample,
    Step,
    Task,
    TileSpec,
    TrainSpec,
    drain,
)
from napari_segplugin.data.learnt import learnt_from
from napari_segplugin.engine.network import load as load_network
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.examples import prepare_sample
from napari_segplugin.engine.train.exemplars import cut_exemplars, source_of
from napari_segplugin.engine.train.thresholds import calibrated
from napari_segplugin.engine.train.train import new_bundle, patch_size, train
from napari_segplugin.io import load_bundle, save_bundle
from napari_segplugin.metrics import measure
from napari_segplugin.viewer.pictures import outlined

HOME = Path(__file__).parents[1] / "napari_segplugin" / "resources" / "bundles"
SAMPLES = Path(__file__).parents[1] / "sample_data"
Split = tuple[list[Sample], list[Sample], str]


def licence(name: str, *samples: str) -> str:
    """The name of a licence, then whose images the model learnt from and the full text of each of their licences."""
    texts = [name]
    for sample in samples:
        about = json.loads((SAMPLES / sample / "sample.json").read_text(encoding="utf-8"))
        text = (SAMPLES / sample / "LICENSE.txt").read_text(encoding="utf-8").strip()
        texts.append(f"Weights and exemplars are made from images of {about['attribution']}, under:\n\n{text}")
    return f"\n\n{'-' * 72}\n\n".join(texts)


def nuclei2d(data: Path) -> Split:
    """Every second image (sorted by name) trains, the others test; CC0."""
    files = sorted((data / "nuclei2d_fluo" / "images").glob("*.tif"))
    samples = []
    for file in files:
        labels = tifffile.imread(file.parents[1] / "labels" / file.name).astype(np.int64)
        samples.append(
            Sample(Image(tifffile.imread(file), "YX", name=file.stem), (labels > 0).astype(np.int64), labels)
        )
    return samples[1::2], samples[0::2], licence("CC0-1.0", "nuclei2d")


def nuclei3d(data: Path) -> Split:
    """The 16-cell embryo and the StarDist volume train, the 8-cell embryo tests; MIT and BSD-3."""
    rows = [
        ("embryo3d/16_cell_stage_image.tif", "embryo3d/16_cell_stage_labels.tif", (2.18, 1.0, 1.0)),
        ("stardist_examples/img3d.tif", "stardist_examples/mask3d.tif", (1.0, 1.0, 1.0)),
        ("embryo3d/8_cell_stage_image.tif", "embryo3d/8_cell_stage_labels.tif", (2.18, 1.0, 1.0)),
    ]
    samples = []
    for image, mask, spacing in rows:
        labels = tifffile.imread(data / mask).astype(np.int64)
        picture = Image(tifffile.imread(data / image), "ZYX", spacing=spacing, name=Path(image).stem)
        samples.append(Sample(picture, (labels > 0).astype(np.int64), labels))
    return samples[:2], samples[2:], licence("MIT AND BSD-3-Clause", "nuclei3d", "stardist_nuclei3d")


def axon_sem(data: Path) -> Split:
    """Rats 1, 2 and 3 train, rat 4 tests; MIT."""
    samples = []
    for file in sorted((data / "axon_sem" / "images").glob("*.tif")):
        labels = tifffile.imread(file.parents[1] / "labels" / file.name).astype(np.int64)
        samples.append(Sample(Image(tifffile.imread(file), "YX", name=file.stem), labels))
    test = [s for s in samples if "rat4" in s.image.name]
    return [s for s in samples if s not in test], test, licence("MIT", "axon_sem")


NUCLEUS = ClassTable.named(["nucleus"])
AXON = ClassTable.named(["axon", "myelin"], Kind.STUFF)
RECIPES: dict[str, tuple[Callable[[Path], Split], ModelSpec, str]] = {
    "nuclei2d": (
        nuclei2d,
        ModelSpec("unet", 2, 1, Task.INSTANCE, NUCLEUS, {"widths": [16, 32, 64, 128]}),
        "Fluorescent nuclei in 2D, bright on dark, about 8 to 60 pixels wide.",
    ),
    "nuclei3d": (
        nuclei3d,
        ModelSpec(
            "unet",
            3,
            1,
            Task.INSTANCE,
            NUCLEUS,
            {"widths": [16, 32, 64], "strides": [[1, 2, 2], [2, 2, 2]]},
            (2.18, 1.0, 1.0),
        ),
        "Fluorescent nuclei in 3D, bright on dark, about 10 to 40 voxels wide. Trained on two small volumes: fine-tune it on yours.",
    ),
    "axon_sem": (
        axon_sem,
        ModelSpec("unet", 2, 1, Task.SEMANTIC, AXON, {"widths": [16, 32, 64, 128, 128]}),
        "Axons and their myelin in scanning electron micrographs of nerve.",
    ),
}


def score(bundle: ModelBundle, test: list[Sample], tiles: TileSpec) -> dict[str, object]:
    """Figures on the test images, by definition; mean over images."""
    rows = []
    for sample in tqdm(test, desc="scoring"):
        result = drain(predict(sample.image, bundle, tiles=tiles))
        labels = np.asarray(result.labels)
        if sample.instances is not None:
            thresholds = [0.5, 0.6, 0.7, 0.8, 0.9]
            rows.append([measure("ap", sample.instances, labels, threshold=t).value for t in thresholds])
        else:
            rows.append(
                [
                    2
                    * float(((labels == c) & (sample.classes == c)).sum())
                    / float((labels == c).sum() + (sample.classes == c).sum())
                    for c in (1, 2)
                ]
            )
    table = np.array(rows, float)
    if test[0].instances is not None:
        return {
            "AP@0.5": float(np.nanmean(table[:, 0])),
            "mean AP 0.5:0.1:0.9": float(np.nanmean(table)),
            "definition": "TP / (TP + FP + FN) at IoU >= threshold, per image, mean over images",
        }
    return {
        "Dice axon": float(table[:, 0].mean()),
        "Dice myelin": float(table[:, 1].mean()),
        "definition": "Dice per image, mean over images",
    }


def thumbnail(bundle: ModelBundle, sample: Sample, side: int = 128) -> np.ndarray:
    """What the bundle finds in the middle of a test image, as a small picture."""
    region = tuple(slice(max(0, (n - side) // 2), (n + side) // 2) for n in sample.image.spatial_shape)
    labels = np.asarray(drain(predict(sample.image, bundle, region=region)).labels)
    return outlined(sample.image.read(region), labels)


def knowing(bundle: ModelBundle, learn: list[Sample], seed: int) -> ModelBundle:
    """The bundle with what it knows of the images that it learnt from, measured anew."""
    return replace(bundle, learnt=learnt_from(learn, seed, bundle.normalisation))


def main() -> None:
    """Train, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("name", choices=list(RECIPES))
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--score",
        action="store_true",
        help="only score the bundle that is there, set its thresholds, cut its exemplars and draw its picture",
    )
    parser.add_argument(
        "--learnt", action="store_true", help="only measure again what it learnt from (a part of --score, some seconds)"
    )
    args = parser.parse_args()
    HOME.mkdir(parents=True, exist_ok=True)
    load, spec, description = RECIPES[args.name]
    learn, test, terms = load(args.data)
    folder = HOME / args.name
    if args.learnt:
        picture, figures = imread(folder / "thumbnail.png"), (folder / "figures.json").read_text()
        save_bundle(knowing(load_bundle(folder), learn, args.seed), folder, overwrite=True, thumbnail=picture)
        (folder / "figures.json").write_text(figures)
        return
    if args.score:
        bundle = load_bundle(folder)
        spec = TrainSpec(seconds=1, seed=args.seed)
        prepared = [prepare_sample(s, bundle) for s in learn]
        pieces = cut_exemplars(prepared, [source_of(s) for s in learn], spec.exemplars, args.seed)
        patch, _ = patch_size(prepared, spec, load_network(bundle).multiple)
        found = drain(calibrated(bundle, prepared, patch, device=torch.device("cpu"), seed=args.seed))
        bundle = replace(knowing(bundle, learn, args.seed), exemplars=pieces, decode={**bundle.decode, **found})
    else:
        start = replace(new_bundle(spec, name=args.name, seed=args.seed), licence=terms, description=description)
        bar = tqdm(desc="training")

        def show(event: object) -> None:
            if isinstance(event, Step):
                bar.total, bar.n = event.total, event.done
                bar.refresh()

        seconds = 0.0 if args.steps else args.seconds
        bundle = drain(train(learn, start, TrainSpec(seconds=seconds, steps=args.steps, seed=args.seed)), show)
        bar.close()
    save_bundle(bundle, folder, overwrite=True, thumbnail=thumbnail(bundle, test[0]))
    figures = {
        "trained on": [s.image.name for s in learn],
        "tested on": [s.image.name for s in test],
        **score(bundle, test, TileSpec()),
    }
    if args.name == "nuclei2d":
        # what `--zoom auto` gives: images with small nuclei are looked at again, enlarged
        figures["with zoom auto"] = score(bundle, test, TileSpec(zoom=0))
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps({k: v for k, v in figures.items() if not isinstance(v, list)}, indent=1))


if __name__ == "__main__":
    main()
