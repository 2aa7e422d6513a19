"""Whether a fine-tuning ever puts a worse model in the place of a better one: situations in which it might.

    python tests/benchmarks/never_worse.py DATA --steps 100 --seeds 0 1

DATA is the folder with nuclei2d_fluo, nuclei2d_histology, stardist_examples, embryo3d and axon_sem. In each situation somebody
marks something on one image: accepts what is right, corrects what is wrong, marks it wrongly, marks one class only, has a tiny
image or hardly any time. A shipped model is fine-tuned on that, and the rest of the image, all that nobody marked, is scored
against the truth with the old and with the new model (mean AP over IoU 0.5 to 0.95 and AP@0.5 of objects, mean Dice of
classes). "Chosen" is what the verdict of the training says. Target: no chosen model is worse on the rest by more than 0.02 in
any of these figures. Writes docs/benchmarks/never_worse.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage as ndi

import napari_segplugin as seg
from napari_segplugin.core import BACKGROUND_PAINT, Image, ModelBundle, Task, TrainSpec, drain
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.finetune import finetune
from napari_segplugin.io import load_bundle, load_sample, shipped_bundles
from napari_segplugin.metrics import contingency

WORSE = 0.02
PROBE = "b61d3fb0d0eb"


@dataclass(frozen=True, eq=False)
class Scene:
    """An image, its truth, what the old model finds, and a generator of random numbers."""

    image: Image
    truth: np.ndarray
    found: np.ndarray
    rng: np.random.Generator

    def overlaps(self) -> dict[int, float]:
        """IoU of each object of the truth with the best one found."""
        table = contingency(self.truth, self.found)
        best = np.zeros(len(table.truth_ids))
        np.maximum.at(best, table.truth_index, table.iou)
        return dict(zip(table.truth_ids.tolist(), best.tolist(), strict=True))

    def right(self, count: int) -> list[int]:
        """Numbers of found objects that are right, some of them at random."""
        table = contingency(self.truth, self.found)
        good = np.unique(table.prediction_ids[table.prediction_index[table.iou > 0.7]])
        return [int(n) for n in self.rng.permutation(good)[:count]]

    def marks(self, paint: np.ndarray, accepted: list[int] | None = None) -> Corrections:
        """What the dock hands over."""
        return Corrections(paint, edited=self.found, before=self.found, accepted=accepted or ())


def accept(count: int) -> Callable[[Scene], Corrections]:
    """Objects that are right are accepted."""
    return lambda s: s.marks(np.zeros(s.truth.shape, np.uint16), s.right(count))


def worst(count: int, grow: int = 0) -> Callable[[Scene], Corrections]:
    """The objects that were found worst are painted whole, as they are or too large."""

    def mark(s: Scene) -> Corrections:
        paint = np.zeros(s.truth.shape, np.uint16)
        for k, (n, _) in enumerate(sorted(s.overlaps().items(), key=lambda i: i[1])[:count], 1):
            mask = s.truth == n
            paint[ndi.binary_dilation(mask, iterations=grow) if grow else mask] = k
        return s.marks(paint)

    return mark


def mixed(good: int, bad: int) -> Callable[[Scene], Corrections]:
    """Some are accepted, some are corrected."""

    def mark(s: Scene) -> Corrections:
        made = worst(bad)(s)
        left = set(np.unique(s.found[made.paint > 0]).tolist())
        return replace(made, accepted=[n for n in s.right(good + bad) if n not in left][:good])

    return mark


def blobs(count: int, radius: int = 7) -> Callable[[Scene], Corrections]:
    """Discs of background are painted as objects."""

    def mark(s: Scene) -> Corrections:
        paint = np.zeros(s.truth.shape, np.uint16)
        far = ndi.distance_transform_edt(np.pad(s.truth == 0, 1))[(slice(1, -1),) * s.truth.ndim] > radius
        grid = np.indices(paint.shape)
        for k in range(1, count + 1):
            places = np.argwhere(far & ~ndi.binary_dilation(paint > 0, iterations=radius + 2))
            if not len(places):
                break
            centre = places[s.rng.integers(len(places))].reshape(-1, *(1,) * paint.ndim)
            paint[((grid - centre) ** 2).sum(0) < radius**2] = k
        return s.marks(paint)

    return mark


def rejected(count: int) -> Callable[[Scene], Corrections]:
    """Objects that are right are painted as background, and as many others are accepted."""

    def mark(s: Scene) -> Corrections:
        chosen = s.right(2 * count)
        paint = np.where(np.isin(s.found, chosen[:count]), BACKGROUND_PAINT, 0).astype(np.uint16)
        return s.marks(paint, chosen[count:])

    return mark


def strokes(per_class: int, only: int | None = None, swap: bool = False) -> Callable[[Scene], Corrections]:
    """Short strokes inside of each class; of one class and little else, or of the wrong class."""

    def mark(s: Scene) -> Corrections:
        paint = np.zeros(s.truth.shape, np.uint16)
        for c in range(int(s.truth.max()) + 1):
            inside = np.argwhere(ndi.binary_erosion(s.truth == c, iterations=2))
            for _ in range(per_class if only in (None, c) else 1):
                if len(inside):
                    y, x = inside[s.rng.integers(len(inside))]
                    part = (slice(y, y + 2), slice(x, x + 12))
                    told = {1: 2, 2: 1}.get(c, c) if swap else c
                    paint[part] = np.where(s.truth[part] == c, told or BACKGROUND_PAINT, paint[part])
        return s.marks(paint)

    return mark


def fluo(data: Path, name: str) -> tuple[Image, np.ndarray]:
    """An image of the fluorescent nuclei."""
    image, truth = (tifffile.imread(data / "nuclei2d_fluo" / kind / f"{name}.tif") for kind in ("images", "labels"))
    return Image(image, "YX", name=name), truth.astype(np.int32)


def tiny(data: Path, name: str, side: int = 96) -> tuple[Image, np.ndarray]:
    """A small piece of an image of fluorescent nuclei: the one with most of them."""
    image, truth = fluo(data, name)
    starts = [(y, x) for y in range(0, truth.shape[0] - side + 1, 16) for x in range(0, truth.shape[1] - side + 1, 16)]
    y, x = max(starts, key=lambda p: len(np.unique(truth[p[0] : p[0] + side, p[1] : p[1] + side])))
    part = (slice(y, y + side), slice(x, x + side))
    return Image(image.array[part], "YX", name=name), truth[part]


def histology(data: Path, index: int) -> tuple[Image, np.ndarray]:
    """A stained image as a bright one on dark: another look than that of the model's own images."""
    file = sorted((data / "nuclei2d_histology" / "images").glob("*.tif"))[index]
    grey = 255 - tifffile.imread(file)[..., :3].mean(-1)
    truth = tifffile.imread(data / "nuclei2d_histology" / "labels" / file.name)
    return Image(grey.astype(np.float32), "YX", name=file.stem), truth.astype(np.int32)


def axons(data: Path, index: int, part: tuple[slice, ...] = ()) -> tuple[Image, np.ndarray]:
    """A piece of nerve under the electron microscope."""
    file = sorted((data / "axon_sem" / "images").glob("*.tif"))[index]
    truth = tifffile.imread(data / "axon_sem" / "labels" / file.name)
    cut = part or (slice(0, 400), slice(0, 400))
    beside = json.loads(file.with_suffix(".json").read_text()) if file.with_suffix(".json").exists() else {}
    size = beside.get("PixelSize", (1.0, 1.0))
    image = Image(tifffile.imread(file)[cut], "YX", spacing=size, unit="micrometer", name=file.stem)
    return image, truth[cut].astype(np.int32)


def shelf(name: str) -> Callable[[Path], tuple[Image, np.ndarray]]:
    """A sample that comes with the package."""
    return lambda _: ((s := load_sample(name)).image, s.truth.astype(np.int32))


def stardist(data: Path, name: str, part: tuple[slice, ...] = ()) -> tuple[Image, np.ndarray]:
    """Nuclei of the StarDist package."""
    place = data / "stardist_examples"
    image, truth = tifffile.imread(place / f"img{name}.tif"), tifffile.imread(place / f"mask{name}.tif")
    return Image(image[part], "ZYX"[-image.ndim :], name=name), truth[part].astype(np.int32)


def embryo(data: Path, cells: int) -> tuple[Image, np.ndarray]:
    """An embryo of 8 or 16 cells."""
    image, truth = (tifffile.imread(data / "embryo3d" / f"{cells}_cell_stage_{k}.tif") for k in ("image", "labels"))
    return Image(image, "ZYX", name=f"{cells} cells", spacing=(2.18, 1, 1)), truth.astype(np.int32)


def demo(s: Scene) -> Corrections:
    """The corrections that come with the sample, as the demo hands them over."""
    paint = load_sample("nuclei2d").corrections
    assert paint is not None
    return s.marks(paint)


Situation = tuple[str, Callable[[Path], tuple[Image, np.ndarray]], Callable[[Scene], Corrections], int]


def situations(steps: int) -> dict[str, Situation]:
    """Model, image, what is marked, steps."""
    n2, n3, ax = "nuclei2d", "nuclei3d", "axon_sem"
    return {
        "probe: 4 right nuclei accepted": (n2, lambda d: fluo(d, PROBE), accept(4), steps),
        "12 right nuclei accepted": (n2, lambda d: fluo(d, PROBE), accept(12), steps),
        "12 right nuclei accepted, another image": (n2, lambda d: fluo(d, "4d4ebfcae437"), accept(12), steps),
        "the demo's 8 corrections": (n2, shelf(n2), demo, steps),
        "12 worst nuclei, the demo's image": (n2, shelf(n2), worst(12), steps),
        "12 worst nuclei, 4d4e": (n2, lambda d: fluo(d, "4d4ebfcae437"), worst(12), steps),
        "12 worst nuclei, 77ce": (n2, lambda d: fluo(d, "77ceeb87f560"), worst(12), steps),
        "12 worst nuclei, probe's image": (n2, lambda d: fluo(d, PROBE), worst(12), steps),
        "9 accepted, 7 corrected": (n2, lambda d: fluo(d, "35ca5f142a7d"), mixed(9, 7), steps),
        "12 worst nuclei, 4 steps": (n2, shelf(n2), worst(12), 4),
        "wrong: 12 discs of background": (n2, shelf(n2), blobs(12), steps),
        "wrong: 12 discs of background, probe's image": (n2, lambda d: fluo(d, PROBE), blobs(12), steps),
        "wrong: 12 nuclei painted 3 px too large": (n2, shelf(n2), worst(12, 3), steps),
        "wrong: 10 right nuclei rejected": (n2, lambda d: fluo(d, PROBE), rejected(10), steps),
        "tiny image, 4 accepted": (n2, lambda d: tiny(d, PROBE), accept(4), steps),
        "tiny image, 4 worst": (n2, lambda d: tiny(d, "4d4ebfcae437"), worst(4), steps),
        "another look: stained tissue, 12 worst": (n2, lambda d: histology(d, 0), worst(12), steps),
        "another look: stained tissue, 20 worst": (n2, lambda d: histology(d, 5), worst(20), steps),
        "crowded nuclei, 12 worst": (n2, lambda d: stardist(d, "2d"), worst(12), steps),
        "3D: 8 cells, all accepted": (n3, lambda d: embryo(d, 8), accept(8), steps // 4),
        "3D: 16 cells, 12 worst": (n3, lambda d: embryo(d, 16), worst(12), steps // 4),
        "3D: touching nuclei, 12 worst": (n3, lambda d: stardist(d, "3d"), worst(12), steps // 4),
        "axons: 6 strokes a class": (ax, lambda d: axons(d, 0), strokes(6), steps),
        "axons: 12 strokes a class, another image": (ax, lambda d: axons(d, 4), strokes(12), steps),
        "axons: strokes of one class only": (ax, lambda d: axons(d, 2), strokes(12, only=1), steps),
        "axons: strokes of the wrong class": (ax, lambda d: axons(d, 3), strokes(8, swap=True), steps),
        "axons: tiny image": (ax, lambda d: axons(d, 1, (slice(0, 96), slice(0, 96))), strokes(5), steps),
    }


def scores(scene: Scene, bundle: ModelBundle, marks: Corrections) -> dict[str, float]:
    """The figures of a model on the rest: without the objects that somebody marked, and without the strokes."""
    labels, truth = np.asarray(drain(predict(scene.image, bundle, device="cpu")).labels), scene.truth
    touched = marks.paint > 0
    if marks.accepted:
        touched |= np.isin(scene.found, list(marks.accepted))
    if bundle.spec.task is not Task.SEMANTIC:
        touched |= np.isin(truth, np.unique(truth[touched & (truth > 0)])) & (truth > 0)
    report = seg.evaluate(labels, truth, task=bundle.spec.task, known=~touched, surfaces=False, progress=False)
    if bundle.spec.task is Task.SEMANTIC:
        return {"Dice": float(report.value("Dice, mean of classes without background"))}
    return {name: float(report.value(name)) for name in ("AP@0.5", "mean AP@0.5–0.95")}


def one(situation: Situation, data: Path, seed: int) -> dict[str, object]:
    """A fine-tuning in a situation, and what came of it."""
    name, opened, mark, steps = situation
    bundle, (image, truth) = load_bundle(shipped_bundles()[name]), opened(data)
    found = np.asarray(drain(predict(image, bundle, device="cpu")).labels).astype(np.int32)
    scene = Scene(image, truth, found, np.random.default_rng(seed))
    marks, began = mark(scene), time.monotonic()
    result = drain(finetune(image, marks, bundle, TrainSpec(seconds=0, steps=steps, seed=seed, device="cpu")))
    before, after = (scores(scene, b, marks) for b in (bundle, result.bundle))
    verdict = result.verdict
    assert verdict is not None
    row: dict[str, object] = {"seed": seed, "kept aside": verdict.aside.count, "verdict": verdict.text}
    row |= {"before": before, "after": after, "chosen": result.better, "seconds": round(time.monotonic() - began)}
    row["worse"] = bool(max(before[k] - after[k] for k in before) > WORSE)
    return row


def main() -> None:
    """Try, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", default="", help="situations whose name has this in it")
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/never_worse.json"))
    args = parser.parse_args()
    rows: dict[str, list[dict[str, object]]] = {}
    for name, situation in situations(args.steps).items():
        if args.only in name:
            for seed in args.seeds:
                row = one(situation, args.data, seed)
                rows.setdefault(name, []).append(row)
                print(name, json.dumps(row), flush=True)
    every = [row for found in rows.values() for row in found]
    record = {
        "steps": args.steps,
        "seeds": args.seeds,
        "trainings": len(every),
        "chosen": sum(bool(r["chosen"]) for r in every),
        "worse by more than 0.02": sum(bool(r["worse"]) for r in every),
        "worse and chosen": sum(bool(r["worse"] and r["chosen"]) for r in every),
        "situations": rows,
    }
    args.write.parent.mkdir(parents=True, exist_ok=True)
    args.write.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print({k: v for k, v in record.items() if k != "situations"})


if __name__ == "__main__":
    main()
