"""What a case calls, and whether what came back makes sense. Everything here runs in a process of its own."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz_mutations import VALUES, array

import napari_segplugin as seg
from napari_segplugin import io as files
from napari_segplugin import jobs
from napari_segplugin.cli import main
from napari_segplugin.core import drain, recipe_from_json
from napari_segplugin.io import npy, tiff

QUICK = {"steps": 1, "seconds": 0, "batch": 1, "device": "cpu"}


class Nonsense(Exception):
    """Something was accepted, and what came of it makes no sense."""


def perform(call: list[str], out: Path, seeds: Path) -> int:
    """Make the call of a case; what it answers is looked at."""
    if call[0] != "door":
        code = main(call)
        if code == 0:
            _check_results(call, out)
        return code
    {"image": _image, "labels": _labels, "changed": _changed, "call": _call}[call[1]](call[2:], seeds)
    return 0


def _check(good: bool, what: str) -> None:
    if not good:
        raise Nonsense(what)


def _sizes(spacing: tuple[float, ...]) -> None:
    _check(all(math.isfinite(s) and s > 0 for s in spacing), f"spacing {spacing}")


def _image(words: list[str], seeds: Path) -> None:
    found = files.read_image(words[0])
    _sizes(found.spacing)
    corner = np.asarray(found.array[tuple(slice(0, 8) for _ in found.axes)])
    _check(corner.ndim == len(found.axes) and 0 not in corner.shape, f"a corner of shape {corner.shape}")
    found.describe()


def _labels(words: list[str], seeds: Path) -> None:
    found = files.read_segmentation(words[0])
    _sizes(found.spacing)
    _check(np.asarray(found.labels).min(initial=0) >= 0, "negative labels")
    _check(len(found.spacing) == sum(a in "ZYX" for a in found.axes), f"{found.spacing} for {found.axes}")
    found.semantic()


def _check_results(call: list[str], out: Path) -> None:
    """What a command wrote can be read again, and is of the size of what it read."""
    made = sorted(out.iterdir()) if out.is_dir() else []
    if any(word.startswith("--output=") for word in call):
        return  # it went elsewhere
    if call[0] in ("predict", "run", "track"):
        source = call[2] if call[0] == "run" else call[1]
        written = [p for p in made if p.stem.split(".")[0].endswith(("_labels", "_tracks")) and p.suffix != ".csv"]
        written = [p for p in written if p.suffix != ".json"]
        _check(len(written) == 1, f"{len(written)} label files")
        found = files.read_segmentation(written[0])
        axes = next(
            (w.partition("=")[2] if "=" in w else call[i + 1] for i, w in enumerate(call) if w.startswith("--axes")),
            None,
        )
        shape = files.read_image(source, axes=axes or None).spatial_shape if call[0] != "track" else None
        spatial = tuple(n for a, n in zip(found.axes, found.labels.shape, strict=True) if a in "ZYX")
        _check(
            shape is None or math.prod(shape) == math.prod(spatial) or written[0].suffix == ".png",
            f"{spatial} for {shape}",
        )
        _sizes(found.spacing)
    elif call[0] == "export":
        _check(any(p.is_dir() or p.stat().st_size for p in made), "nothing written")
    elif call[0] in ("train", "finetune"):
        bundle = files.load_bundle(out)
        _check(
            all(np.isfinite(a).all() for a in bundle.weights.values() if a.dtype.kind == "f"),
            "weights that are no numbers",
        )
        json.dumps([dict(row) for row in bundle.history])


def _changed(words: list[str], seeds: Path) -> None:
    """The answer for the image as it was, or a refusal."""
    path, how, count, model = Path(words[0]), words[1], int(words[2]), words[3]
    bundle = files.load_bundle(model)
    right = np.asarray(seg.predict(path, bundle, progress=False).labels)
    tiff.IN_MEMORY = npy.IN_MEMORY = 16  # everything that can stay on disk does
    job = jobs.predict(files.read_image(path), bundle, tiles=seg.TileSpec((32, 32), (4, 4)))
    for _ in range(count):
        try:
            next(job)
        except StopIteration:
            return
    inner = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in inner:
        data = file.read_bytes()
        if how == "cut":
            os.truncate(file, len(data) // 2)
        elif how == "rewritten":
            file.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
        elif how == "other":
            other = file.with_name("other")
            other.write_bytes(data[:100] + data[100:][::-1])
            os.replace(other, file)
        else:
            file.unlink()
    found = np.asarray(drain(job).labels)
    _check(np.array_equal(found, right), f"a mix of two images after {how}")


def _call(words: list[str], seeds: Path) -> None:
    r = Random(int(words[0]))
    _CALLS[r.choice(sorted(_CALLS))](r, seeds)


def _number(r: Random, *good: float) -> Any:
    return r.choice((*good, *(v for v in VALUES if isinstance(v, int | float) and not isinstance(v, bool))))


def _word(r: Random, *good: str) -> str:
    return r.choice((*good, *(v for v in VALUES if isinstance(v, str))))


def _door_image(r: Random, seeds: Path) -> None:
    _, made = array(r)
    axes = _word(r, *["TCZYX"[-made.ndim :] if made.ndim else ""] * 20)
    seg.predict(made, seeds / "model", axes=axes, progress=False)


def _door_spacing(r: Random, seeds: Path) -> None:
    size = r.choice(((1, 1), (0, 1), (1,), (_number(r),), (_number(r), 1), (_number(r), _number(r))))
    found = seg.Image(np.zeros((8, 8)), _word(r, *["YX"] * 20), size, _word(r, "um"))
    _sizes(found.spacing)
    seg.measure(np.eye(8, dtype=int), found)


def _door_predict(r: Random, seeds: Path) -> None:
    odd = _number(r)
    size = r.choice(((64, 64), (odd, odd), (odd,), (1, 1), (0, 0), (-5, 7), (32, 32, 32)))
    tiles = seg.TileSpec(size, r.choice(((), (odd,), (odd, odd), (8, 8))), zoom=_number(r, 1.0, 2.0))
    region = r.choice((None, None, (slice(0, 10), slice(50, 20)), (slice(0, 10),), (slice(-5, 5), slice(0, 99))))
    found = seg.predict(seeds / "img" / "a.tif", seeds / "model", tiles=tiles, region=region, progress=False)
    _sizes(found.spacing)


def _door_corrections(r: Random, seeds: Path) -> None:
    _, made = array(r)
    spec = seg.TrainSpec(**QUICK)
    given: Any = seg.Corrections(made) if r.random() < 0.5 else None
    if given is None:
        paint, before = np.zeros((64, 64), np.uint16), np.zeros((64, 64), int)
        given = seg.Corrections(paint, edited=made, before=before, reviewed=r.choice((None, made)))
    seg.finetune(seeds / "img" / "a.tif", given, seeds / "model", spec, progress=False)


def _door_labels(r: Random, seeds: Path) -> None:
    _, made = array(r)
    call = r.choice((seg.measure, seg.track, seg.evaluate))
    if call is seg.evaluate:
        _, other = array(r) if r.random() < 0.5 else ("", made)
        seg.evaluate(made, other, task=_word(r, "instance", "semantic", "panoptic"), progress=False)
    elif call is seg.track:
        spec = seg.TrackSpec(*r.choice(((), (_number(r),), (0.0, _number(r)), (0.0, 1, True, _number(r)))))
        film = np.ones((3, 16, 16), int) if r.random() < 0.5 else made
        seg.track(film, spec, axes="TYX" if film.ndim == 3 else None, progress=False)
    else:
        seg.measure(made, r.choice((None, made)))


def _door_specs(r: Random, seeds: Path) -> None:
    value = _number(r)
    word = r.choice(("steps", "seconds", "batch", "patch", "learning_rate", "seed", "exemplars", "freeze", "teacher"))
    if r.random() < 0.5:
        given = (value, value) if word == "patch" else value
        spec = seg.TrainSpec(**{**QUICK, "seconds": 1, word: given})  # type: ignore[arg-type]
        seg.train(seeds / "train", seeds / "model", spec, progress=False)
        return
    names = r.choice((["", ""], [_word(r)], ["a"], ["a"] * 300))
    options = r.choice(({}, {"widths": r.choice(VALUES)}, {"widths": [4, 8], "deep_supervision": r.choice(VALUES)}))
    task, network = _word(r, *["instance"] * 20), _word(r, *["unet"] * 20)
    seg.new_model(network, task=task, classes=names, ndim=_number(r, 2), channels=_number(r, 1), options=options)


def _door_recipe(r: Random, seeds: Path) -> None:
    _, made = array(r)
    if r.random() < 0.3:
        recipe_from_json(r.choice(VALUES))
        return
    box = r.choice((None, (slice(5, 1), slice(0, 9)), (slice(0, 9), slice(0, 9)), (slice(0, 2**70), slice(0, 9))))
    technique = _word(r, *["nuclei2d", "threshold", "watershed"] * 5)
    seg.segment(seeds / "img" / "a.tif", technique, seeds=r.choice((None, made)), box=box, progress=False)


_CALLS = {
    "image": _door_image,
    "spacing": _door_spacing,
    "predict": _door_predict,
    "corrections": _door_corrections,
    "labels": _door_labels,
    "specs": _door_specs,
    "recipe": _door_recipe,
}
