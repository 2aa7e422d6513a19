"""Whether the queue of doubt leads to the objects that are wrong, and whether its doubt is what it says.

    python tests/benchmarks/doubt_queue.py DATA [--fit] [--write docs/benchmarks/doubt_queue.json]

DATA is the folder with the public data. Results of the shipped models, of small U-Nets with little training, of the shipped recipe
and of Otsu's threshold with a watershed are held against the ground truth. An object is wrong where no true object overlaps it by
an IoU of a half, where it holds most of two true objects, or where another one lies in the same true object (parts under a tenth
of the larger one do not count). Images are parted into two halves, model by model: weights were found on the one (`--fit` finds
them again), and every figure is of the other. Images that a shipped model learnt from are not used for it, but for four of `axon_sem`
in the half that the weights were found on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from nuclei_from_scratch import otsu_watershed
from scipy import ndimage as ndi
from scipy.optimize import minimize

from napari_segplugin.core import (
    ClassInfo,
    ClassTable,
    Image,
    Kind,
    LossSpec,
    ModelBundle,
    ModelSpec,
    ObjectTable,
    Sample,
    Segmentation,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.core.classes import PALETTE
from napari_segplugin.data.doubt import DOUBTFUL, WEIGHTS, Queue, signs
from napari_segplugin.data.outline_jumps import outline_planes
from napari_segplugin.data.queue import BEGIN, JUMP, ODD, queue_of
from napari_segplugin.data.signs import Scene, measured
from napari_segplugin.engine.classical.segment import segment
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.io import load_bundle, load_recipe, read_labels, shipped_bundles
from napari_segplugin.metrics.matching import contingency

NUCLEUS = ClassTable.named(["nucleus"])
AXON = ClassTable(
    (
        ClassInfo(0, "background", PALETTE[0], Kind.STUFF),
        ClassInfo(1, "axon", PALETTE[1], Kind.THING),
        ClassInfo(2, "myelin", PALETTE[2], Kind.STUFF),
    )
)
SMALL = {"widths": (8, 16, 32, 64)}
LEAST = 30
"""Objects of an image below which its first ten are no choice."""


@dataclass(frozen=True, eq=False)
class Case:
    """A result, what is true, and on which half of the images it is."""

    model: str
    name: str
    held: bool
    image: Image
    truth: np.ndarray
    found: Segmentation


def trained(samples: list[Sample], spec: ModelSpec, steps: int) -> ModelBundle:
    """A network from scratch."""
    start = new_bundle(spec, name="small", seed=0)
    return drain(train(samples, start, TrainSpec(seconds=0, steps=steps, loss=LossSpec(), seed=0, exemplars=0)))


def pieces(classes: np.ndarray) -> np.ndarray:
    """The axons of a map of classes, one by one."""
    return np.asarray(ndi.label(classes == 1, np.ones((3, 3)))[0]).astype(np.int64)


def sample(image: np.ndarray, labels: np.ndarray, axes: str = "YX") -> Sample:
    return Sample(Image(image, axes), (labels > 0).astype(int), labels)


def read(folder: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Names, images and objects of a folder."""
    files = sorted((folder / "images").glob("*.tif"))
    return [(f.stem, tifffile.imread(f), tifffile.imread(folder / "labels" / f.name).astype(np.int64)) for f in files]


def nuclei(data: Path) -> Iterator[Case]:
    """Fluorescence: the shipped model, two networks with little training, the recipe and Otsu."""
    sets = read(data / "nuclei2d_fluo")
    learn = [sample(i, t) for _, i, t in sets[1:16:2]]
    networks = {
        "nuclei2d": load_bundle(shipped_bundles()["nuclei2d"]),
        "U-Net, 200 steps": trained(learn, ModelSpec("unet", 2, 1, Task.INSTANCE, NUCLEUS, SMALL), 200),
        "U-Net, centres, 400 steps": trained(
            learn, ModelSpec("unet", 2, 1, Task.INSTANCE, NUCLEUS, SMALL, head="centre_offset"), 400
        ),
    }
    recipe = load_recipe("nuclei2d")
    for number, (name, array, truth) in enumerate(sets):
        image, held = Image(array, "YX", name=name), number // 2 % 2 == 1
        if len(np.unique(truth)) <= LEAST:
            continue
        if number % 2 == 0:
            for model, bundle in networks.items():
                yield Case(model, name, held, image, truth, drain(predict(image, bundle)))
        else:
            yield Case("recipe nuclei2d", name, held, image, truth, drain(segment(image, recipe)))
            labels = otsu_watershed(array).astype(np.int32)
            made = Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), NUCLEUS, "YX", (1.0, 1.0))
            yield Case("Otsu, watershed", name, held, image, truth, made)
    folder = data / "stardist_examples"
    image, truth = Image(tifffile.imread(folder / "img2d.tif"), "YX"), tifffile.imread(folder / "mask2d.tif")
    found = drain(predict(image, networks["nuclei2d"]))
    yield Case("nuclei2d", "stardist img2d", True, image, truth.astype(np.int64), found)


def stained(data: Path) -> Iterator[Case]:
    """Stained sections: a small network, and the shipped model on the inverted image."""
    sets = [(n, i[..., :3], t) for n, i, t in read(data / "nuclei2d_histology")]
    learn = [sample(i, t, "YXC") for _, i, t in sets[1::2]]
    bundle = trained(learn, ModelSpec("unet", 2, 3, Task.INSTANCE, NUCLEUS, SMALL), 300)
    shipped = load_bundle(shipped_bundles()["nuclei2d"])
    for number, (name, array, truth) in enumerate(sets):
        if number % 2 == 0:
            image = Image(array, "YXC", name=name)
            yield Case("U-Net, stained", name, number // 2 % 2 == 1, image, truth, drain(predict(image, bundle)))
        dark = Image(255 - array.mean(-1).astype(np.uint8), "YX", name=name)
        yield Case("nuclei2d, stained", name, number % 2 == 1, dark, truth, drain(predict(dark, shipped)))


def volumes(data: Path) -> Iterator[Case]:
    """Nuclei in 3D."""
    bundle, embryo = load_bundle(shipped_bundles()["nuclei3d"]), data / "embryo3d"
    stardist = data / "stardist_examples"
    for held, name, file, truth, spacing in (
        (True, "stardist img3d", stardist / "img3d.tif", stardist / "mask3d.tif", (1.0, 1.0, 1.0)),
        (True, "8 cells", embryo / "8_cell_stage_image.tif", embryo / "8_cell_stage_labels.tif", (2.18, 1.0, 1.0)),
        (False, "16 cells", embryo / "16_cell_stage_image.tif", embryo / "16_cell_stage_labels.tif", (2.18, 1.0, 1.0)),
    ):
        image = Image(tifffile.imread(file), "ZYX", spacing=spacing, name=name)
        labels = tifffile.imread(truth).astype(np.int64)
        yield Case("nuclei3d", name, held, image, labels, drain(predict(image, bundle)))


def axons(data: Path) -> Iterator[Case]:
    """The pieces of the class axon, and objects and areas by a small network."""
    sets = read(data / "axon_sem")
    shipped = load_bundle(shipped_bundles()["axon_sem"])
    learn = [
        Sample(Image(i[:800, :800], "YX"), c[:800, :800], pieces(c)[:800, :800]) for n, i, c in sets if "rat3" in n
    ]
    bundle = trained(learn, ModelSpec("unet", 2, 1, Task.PANOPTIC, AXON, SMALL), 250)
    for name, array, classes in sets:
        image, truth = Image(array, "YX", name=name), pieces(classes)
        yield Case("axon_sem", name, "rat4" in name, image, truth, drain(predict(image, shipped)))
        if "rat3" not in name:
            yield Case("U-Net, axons", name, "rat1" not in name, image, truth, drain(predict(image, bundle)))


def objects_of(case: Case) -> Segmentation:
    """A result whose labels are the single things that are judged; those of areas are taken out."""
    found = case.found
    if found.task is Task.SEMANTIC:
        labels = pieces(np.asarray(found.labels))
        labels[np.bincount(labels.ravel())[labels] < 10] = 0
        return Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), NUCLEUS, found.axes, found.spacing)
    things = found.objects.label[np.isin(found.objects.class_id, found.classes.thing_ids)]
    labels = np.where(np.isin(np.asarray(found.labels), things), np.asarray(found.labels), 0)
    return replace(found, labels=labels, objects=found.objects.only(set(things.tolist())))


def wrong_in(truth: np.ndarray, labels: np.ndarray) -> dict[int, bool]:
    """Whether each object is wrong."""
    table = contingency(truth, labels)
    n, t, p = len(table.prediction_ids), table.truth_index, table.prediction_index
    best = np.zeros(n)
    np.maximum.at(best, p, table.iou)
    of_truth, of_found = table.intersection / table.truth_areas[t], table.intersection / table.prediction_areas[p]
    merged = (of_truth > 0.5) & (table.truth_areas[t] >= 0.1 * table.prediction_areas[p])
    several = np.bincount(p, merged, n) >= 2
    part = (of_found > 0.5) & (table.prediction_areas[p] >= 0.1 * table.truth_areas[t])
    parts = np.bincount(t, part, len(table.truth_ids))
    split = np.zeros(n, bool)
    split[p[part]] = parts[t[part]] >= 2
    wrong = (best < 0.5) | several | split
    return dict(zip(table.prediction_ids.tolist(), wrong.tolist(), strict=True))


def missed_places(case: Case, queue: Queue) -> tuple[int, int, int]:
    """Places that were listed, those that are a missed object, and objects of which less than a third is found."""
    truth = case.truth
    table = contingency(truth, np.asarray(objects_of(case).labels))
    covered = np.bincount(table.truth_index, table.intersection, len(table.truth_ids)) / table.truth_areas
    gone = set(table.truth_ids[covered < 0.3].tolist())
    listed, right = 0, 0
    for entry in queue:
        if entry.kind == "missed":
            inside = truth[entry.place]
            listed, right = listed + 1, right + bool(gone & set(np.unique(inside).tolist()))
    return listed, right, len(gone)


def judged(case: Case) -> dict[str, Any]:
    """The figures of a result."""
    found = objects_of(case)
    wrong = wrong_in(case.truth, np.asarray(found.labels))
    begin = time.process_time()
    queue = queue_of(found, case.image)
    seconds = time.process_time() - begin
    entries = [e for e in queue if e.kind == "object"]
    first = [wrong[e.label] for e in entries[:10]]
    return {
        "model": case.model,
        "image": case.name,
        "objects": len(entries),
        "wrong": sum(wrong.values()),
        "base": float(np.mean(list(wrong.values()))),
        "first ten": float(np.mean(first)),
        "possible": min(10, sum(wrong[e.label] for e in entries if not e.cut)) / 10,
        "seconds": seconds,
        "missed": missed_places(case, queue),
        "entries": [(e.doubt, e.cut, wrong[e.label]) for e in entries],
    }


def weights(cases: list[Case]) -> dict[str, float]:
    """Weights of the signs, none negative, of images of which less than 40 % of the objects are wrong; all models count alike."""
    rows, right, counts = [], [], []
    for case in cases:
        found = objects_of(case)
        scene = Scene.of(np.asarray(found.labels), picture(case.image), found.spacing)
        known = measured(scene)
        score = dict(zip(found.objects.label.tolist(), found.objects.score.tolist(), strict=True))
        scores = np.array([score[n] for n in known.number.tolist()])
        table = signs(known, np.zeros(len(known.number)), scores)
        wrong = wrong_in(case.truth, np.asarray(found.labels))
        truth = np.array([wrong[n] for n in known.number.tolist()])
        if truth.mean() < 0.4:
            images = len({c.name for c in cases if c.model == case.model})
            rows.append(np.stack([table[name] for name in WEIGHTS], 1))
            right.append(truth)
            counts.append(np.full(len(truth), 1 / len(truth) / images))
    x, y, weight = np.concatenate(rows), np.concatenate(right), np.concatenate(counts)
    weight *= len(weight) / weight.sum()

    def loss(t: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ t[:-1] + t[-1]
        off = weight * (1 / (1 + np.exp(-z)) - y)
        value = (weight * (np.logaddexp(0, z) - y * z)).sum() + (t[:-1] ** 2).sum() / 20
        return value, np.append(x.T @ off + t[:-1] / 10, off.sum())

    n = x.shape[1]
    bounds = [(0, None)] * n + [(None, None)]
    best = minimize(loss, np.append(np.full(n, 0.1), -2.0), jac=True, method="L-BFGS-B", bounds=bounds).x
    return {**dict(zip(WEIGHTS, best.round(2).tolist(), strict=False)), "begin": round(float(best[-1]), 2)}


def picture(image: Image) -> np.ndarray:
    return np.asarray(image.read().mean(0, dtype=np.float32))


def spoiled(data: Path) -> dict[str, Any]:
    """Outlines by people, every eighth plane or so spoiled: how often the queue begins with these."""
    rng = np.random.default_rng(0)
    files = sorted((data / "hippocampus3d_mri" / "labels").glob("*.nii.gz"))[:40]
    areas = [np.asarray(read_labels(f)[0]) > 0 for f in files]
    for file in sorted((data / "heart_scribbles_mri").glob("*/*.npz")):
        areas += [np.load(file)["truth"] == c for c in (1, 3)]
    rows = []
    for number, area in enumerate(areas):
        made, planes = area.copy(), np.flatnonzero(area.any((1, 2)))
        if len(planes) < 5:
            continue
        for z in rng.choice(planes, max(1, len(planes) // 8), replace=False):
            made[z] = spoil(area[z], rng)
        if number % 2 == 0 or not made.any():
            continue  # the half on which the weights were found
        found = outline_planes(made)
        doubt = 1 / (1 + np.exp(-BEGIN - ODD * found.odd - JUMP * found.jump))
        dice = [2 * (made[z] & area[z]).sum() / max(1, made[z].sum() + area[z].sum()) for z in found.z]
        rows.append((doubt, np.array(dice) < 0.7))
    first = np.mean([wrong[np.argsort(-doubt, kind="stable")[:2]].mean() for doubt, wrong in rows])
    doubt, wrong = (np.concatenate([r[i] for r in rows]) for i in (0, 1))
    told = doubt >= DOUBTFUL
    return {
        "volumes": len(rows),
        "planes": len(wrong),
        "base": float(wrong.mean()),
        "first two": float(first),
        "doubtful: precision": float(wrong[told].mean()),
        "doubtful: recall": float(wrong[told].sum() / wrong.sum()),
    }


def spoil(plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift, halve, widen, thin or empty an outline."""
    width = int(plane.any(0).sum())
    kind = rng.integers(5)
    if kind == 0:
        return np.roll(plane, int(max(2, width * rng.uniform(0.3, 0.6))), 1)
    if kind == 1:
        half = plane.copy()
        half[:, int(np.flatnonzero(plane.any(0)).mean()) :] = False
        return half
    if kind == 2:
        return np.asarray(ndi.binary_dilation(plane, iterations=max(2, int(width * 0.3))))
    return np.asarray(ndi.binary_erosion(plane, iterations=max(1, int(width * 0.2)))) if kind == 3 else plane & False


def thousands() -> dict[str, float]:
    """3,025 objects in 2048 x 2048 pixels: processor time, the least of three."""
    y, x = np.ogrid[-15:16, -15:16]
    labels = np.zeros((2048, 2048), np.int32)
    for i, (row, column) in enumerate((18 + 37 * a, 18 + 37 * b) for a in range(55) for b in range(55)):
        labels[row - 15 : row + 16, column - 15 : column + 16][y**2 + x**2 <= 13**2] = i + 1
    image = Image(((labels > 0) * 100 + np.random.default_rng(0).normal(50, 5, labels.shape)).astype(np.uint16), "YX")
    found = Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), NUCLEUS, "YX", (1.0, 1.0))
    times = []
    for _ in range(3):
        begin = time.process_time()
        queue_of(found, image)
        times.append(time.process_time() - begin)
    return {"objects": len(found.objects), "processor seconds": round(min(times), 2)}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over images, and precision and recall of what counts as doubtful."""
    all_of = [e for r in rows for e in r["entries"]]
    told = [wrong for doubt, cut, wrong in all_of if doubt >= DOUBTFUL and not cut]
    base, first = (float(np.mean([r[k] for r in rows])) for k in ("base", "first ten"))
    return {
        "results": len(rows),
        "images": len({r["image"] for r in rows}),
        "objects": len(all_of),
        "base": round(base, 3),
        "first ten": round(first, 3),
        "times the base": round(first / base, 2),
        "possible": round(float(np.mean([r["possible"] for r in rows])), 3),
        "doubtful: share": round(len(told) / len(all_of), 3),
        "doubtful: precision": round(float(np.mean(told)), 3) if told else None,
        "doubtful: recall": round(sum(told) / max(1, sum(w for _, cut, w in all_of if not cut)), 3),
    }


def calibration(rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    """What the doubt says, and the share that is wrong."""
    doubt, wrong = (np.array([e[i] for r in rows for e in r["entries"]], float) for i in (0, 2))
    out = []
    for low, high in ((0, 0.1), (0.1, 0.2), (0.2, 0.35), (0.35, 0.6), (0.6, 0.8), (0.8, 1.0)):
        inside = (doubt > low) & (doubt <= high)
        out.append(
            {
                "objects": int(inside.sum()),
                "doubt": round(float(doubt[inside].mean()), 2),
                "wrong": round(float(wrong[inside].mean()), 2),
            }
        )
    return out


def main() -> None:
    """Find weights, or measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--fit", action="store_true", help="find the weights again on the other half of the images")
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    cases = [c for make in (nuclei, stained, volumes, axons) for c in make(args.data)]
    if args.fit:
        print(json.dumps(weights([c for c in cases if not c.held])))
        return
    rows = [judged(c) for c in cases if c.held]
    large = [r for r in rows if r["objects"] >= LEAST]
    fair = [r for r in large if r["base"] <= 1 / 3]
    missed = np.array([r["missed"] for r in rows if "axon" not in r["model"]]).sum(0)
    record = {
        "at least ten wrong, up to a third": summary([r for r in fair if r["wrong"] >= 10]),
        "at least three wrong, up to a third": summary([r for r in fair if r["wrong"] >= 3]),
        "up to a third wrong": summary(fair),
        "all": summary(large),
        "by model": {m: summary([r for r in large if r["model"] == m]) for m in sorted({r["model"] for r in large})},
        "calibration, up to a third wrong": calibration(fair),
        "missed": dict(zip(("listed", "missed objects", "of"), missed.tolist(), strict=True)),
        "planes": {k: round(v, 3) for k, v in spoiled(args.data).items()},
        "speed": thousands(),
        "rows": [
            {k: round(v, 3) if isinstance(v, float) else v for k, v in r.items() if k not in ("entries", "seconds")}
            for r in large
        ],
    }
    print(json.dumps({k: v for k, v in record.items() if k != "rows"}, indent=1))
    if args.write:
        args.write.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
