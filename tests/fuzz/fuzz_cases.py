"""What is handed in: families of damaged inputs, each with the call that reads them.

A case is made from the random numbers of its own, so any of them can be repeated alone. ``Case.call`` is the words of a
command, or the name of a call of the door with what it takes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pydicom
import tifffile
from fuzz_mutations import array, in_bytes, in_json, json_file, zarr_tree
from fuzz_seeds import IMAGES, SMALL, STEPS, resumed
from safetensors.numpy import load_file, save_file


@dataclass(frozen=True)
class Case:
    """One input.

    Parameters
    ----------
    family : str
    told : str
        How it was damaged.
    call : list of str
        The command; or "door", what is called, and the seed of its arguments.
    refuse : bool
        Whether nothing but a refusal is right.
    """

    family: str
    told: str
    call: list[str]
    refuse: bool = False


@dataclass(frozen=True)
class Place:
    """Where the seeds lie, and the folder of the case."""

    seeds: Path
    work: Path

    @property
    def out(self) -> str:
        return str(self.work / "out")

    @property
    def image(self) -> str:
        return str(self.seeds / "img" / "a.tif")

    @property
    def model(self) -> str:
        return str(self.seeds / "model")

    def copied(self, name: str) -> Path:
        """A seed in the folder of the case, to be damaged there; of labels also what lies beside them."""
        source, target = self.seeds / name, self.work / Path(name).name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        if name.startswith("lab/"):
            for beside in ("p.recipe.json", "p.objects.csv"):
                shutil.copy(self.seeds / "lab" / beside, self.work / beside)
            if name.endswith(".panoptic.json"):
                shutil.copytree(self.seeds / "lab" / "p.panoptic", self.work / "p.panoptic")
        return target


def read_image(r: Random, p: Place, path: Path) -> list[str]:
    """A call that reads an image."""
    axes = r.choice(("ZYX", "YX", "CYX", "QQ", "", "YY", "TCZYX"))
    run = ["run", str(p.seeds / "recipe.json"), str(path), "--output", p.out, "--quiet"]
    predict = ["predict", str(path), "--model", p.model, "--output", p.out, "--quiet"]
    tune = ["finetune", str(path), str(p.seeds / "strokes.tif"), "--model", p.model, "--output", p.out, *STEPS]
    measure = ["measure", str(p.seeds / "lab" / "p.tif"), "--image", str(path), "--quiet"]
    other = [*predict, "--format", r.choice(("zarr", "npy", "png", "nii.gz")), "--json"]
    plain = ["door", "image", str(path)]
    return r.choice((plain, plain, predict, other, run, [*run, "--axes", axes], measure, measure, tune))


def read_labels(r: Random, p: Place, path: Path) -> list[str]:
    """A call that reads labels."""
    good, labels = str(p.seeds / "lab" / "p.tif"), str(path)
    task = r.choice(("instance", "semantic", "panoptic"))
    to = r.choice((".geojson", ".coco.json", ".roi.zip", ".nii.gz", ".panoptic.json", ".stl", ".png", ".tif", ".npy"))
    return r.choice(
        (
            ["evaluate", labels, good, "--task", task, "--json", "--quiet"],
            ["evaluate", good, labels, "--quiet"],
            ["measure", labels, "--quiet"],
            ["measure", labels, "--image", p.image, "--json", "--quiet"],
            ["export", labels, "--to", to, "--output", p.out],
            ["export", labels, "--to", to, "--output", p.out, "--task", task],
            ["track", labels, "--output", p.out, "--quiet"],
            ["finetune", p.image, labels, "--model", p.model, "--output", p.out, *STEPS],
            ["run", str(p.seeds / "recipe.json"), p.image, "--seeds", labels, "--output", p.out, "--quiet"],
            ["door", "labels", labels],
            ["door", "labels", labels],
        )
    )


def either(r: Random, p: Place, path: Path) -> list[str]:
    """A call that reads it as one or the other."""
    return (read_image if r.random() < 0.5 else read_labels)(r, p, path)


def image(r: Random, p: Place) -> Case:
    """Damaged bytes of an image."""
    path = p.copied(f"img/{r.choice(IMAGES)}")
    how, data = in_bytes(r, path.read_bytes())
    path.write_bytes(data)
    return Case("image", f"{path.name} {how}", read_image(r, p, path))


def labels(r: Random, p: Place) -> Case:
    """Damaged bytes of labels."""
    path = p.copied(f"lab/p.{r.choice(('tif', 'npy', 'png', 'nii.gz', 'coco.json'))}")
    how, data = in_bytes(r, path.read_bytes())
    path.write_bytes(data)
    return Case("labels", f"{path.name} {how}", read_labels(r, p, path))


def renamed(r: Random, p: Place) -> Case:
    """An image under the name of another format."""
    endings = ".tif .png .nii .nii.gz .npy .dcm .zarr .coco.json .panoptic.json .json .txt .jpg .geojson .roi.zip .stl"
    name, ending = r.choice(IMAGES), r.choice([*endings.split(), ".seg.dcm", ""])
    path = p.work / f"q{ending}"
    shutil.copy(p.seeds / "img" / name, path)
    return Case("renamed", f"{name} as {ending}", either(r, p, path))


def zarr(r: Random, p: Place) -> Case:
    """A damaged zarr, plain or OME."""
    path = p.copied(r.choice(("img/a.zarr", "lab/p.ome.zarr")))
    return Case("zarr", zarr_tree(r, path), either(r, p, path))


def coco(r: Random, p: Place) -> Case:
    """COCO files of objects and panoptic ones."""
    path = p.copied(r.choice(("lab/p.coco.json", "lab/p.panoptic.json")))
    return Case("coco", json_file(r, path, r.choice((1, 1, 2))), read_labels(r, p, path))


def beside(r: Random, p: Place) -> Case:
    """The record and the table beside labels."""
    path = p.copied(r.choice(("lab/p.tif", "lab/p.npy")))
    if r.random() < 0.6:
        told = json_file(r, p.work / "p.recipe.json")
    else:
        table = p.work / "p.objects.csv"
        told, data = in_bytes(r, table.read_bytes())
        table.write_bytes(data if r.random() < 0.9 else b"label,class,score,status\n1," + b"1" * 200_000 + b",,\n")
    return Case("beside", told, read_labels(r, p, path))


def recipe(r: Random, p: Place) -> Case:
    """Recipes of classical steps, and the record of a result made with one."""
    path = p.work / "r.json"
    shutil.copy(p.seeds / r.choice(("recipe.json", "lab/p.recipe.json")), path)
    return Case("recipe", json_file(r, path), ["run", str(path), p.image, "--output", p.out, "--quiet"])


def use_model(r: Random, p: Place, model: Path) -> list[str]:
    """A call that opens a model."""
    tune = ["finetune", p.image, str(p.seeds / "strokes.tif"), "--model", str(model), "--output", p.out, *STEPS]
    train = ["train", str(p.seeds / "train"), "--output", p.out, "--from", str(model), *STEPS]
    predict = ["predict", p.image, "--model", str(model), "--output", p.out, "--quiet"]
    return r.choice((predict, predict, predict, ["models", str(model)], ["models", str(p.work)], tune, train))


def model(r: Random, p: Place) -> Case:
    """The files of a model."""
    folder = p.copied("model")
    if r.random() < 0.6:
        told = json_file(
            r,
            folder / r.choice(("spec.json", "spec.json", "spec.json", "history.json", "learnt.json")),
            r.choice((1, 1, 2)),
        )
    else:
        file = folder / r.choice(
            ("spec.json", "weights.safetensors", "exemplars.npz", "history.json", "learnt.json", "LICENSE.txt")
        )
        how, data = in_bytes(r, file.read_bytes())
        file.write_bytes(data)
        if r.random() < 0.1:
            file.unlink()
            how = "gone"
        told = f"{file.name} {how}"
    return Case("model", told, use_model(r, p, folder))


def weights(r: Random, p: Place) -> Case:
    """Weights that do not fit the network, or are no numbers, with a checksum that is right."""
    folder = p.copied("model")
    file, about = folder / "weights.safetensors", folder / "spec.json"
    tensors = load_file(file)
    name = r.choice(sorted(tensors))
    old = tensors[name]
    changes: dict[str, Callable[[], np.ndarray]] = {
        "shape": lambda: old.reshape(-1)[: max(1, old.size // 2)].copy(),
        "dtype": lambda: old.astype(r.choice(("f8", "f2", "i4", "u1", "bool"))),
        "nan": lambda: np.full_like(old, np.nan if old.dtype.kind == "f" else 0),
        "inf": lambda: np.full_like(old, np.inf if old.dtype.kind == "f" else 0),
        "none": lambda: np.zeros((0,), "f4"),
        "large": lambda: np.array(old.astype("f4") * np.float32(1e30)),
        "turned": lambda: np.array(old.T, order="C"),
    }
    how = r.choice((*changes, "less", "more"))
    if how == "less":
        del tensors[name]
    elif how == "more":
        tensors["zz"] = old.copy()
    else:
        tensors[name] = changes[how]()
    save_file(tensors, file)
    data = json.loads(about.read_text())
    kinds = {n: [str(a.dtype), list(a.shape)] for n, a in tensors.items()}
    data["weights"] = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "tensors": kinds}
    told = f"{how} {name}"
    if r.random() < 0.4:
        more, part = in_json(r, {word: data[word] for word in ("spec", "normalisation", "decode")})
        data |= part
        told += f" + {more}"
    about.write_text(json.dumps(data))
    return Case("weights", told, use_model(r, p, folder))


def checkpoint(r: Random, p: Place) -> Case:
    """The state of a training that stopped."""
    keep = p.copied("keep")
    file = next(keep.iterdir())
    told, data = in_bytes(r, file.read_bytes())
    if r.random() < 0.5:
        size = int.from_bytes(file.read_bytes()[:8], "little")
        head = json.loads(file.read_bytes()[8 : 8 + size])
        words = json.loads(head["__metadata__"]["words"])
        told, words = in_json(r, words)
        head["__metadata__"]["words"] = json.dumps(words)
        text = json.dumps(head).encode()
        text += b" " * (-len(text) % 8)
        data = len(text).to_bytes(8, "little") + text + file.read_bytes()[8 + size :]
    file.write_bytes(data)
    return Case("checkpoint", told, [*resumed(p.seeds, keep), "--output", p.out])


def numbers(r: Random, p: Place) -> Case:
    """Arrays of odd shapes, dtypes and values as files."""
    told, made = array(r)
    path = p.work / "x.npy"
    np.save(path, made, allow_pickle=True)
    if made.dtype.kind in "uif" and r.random() < 0.3 and made.size:
        path = p.work / "x.tif"
        tifffile.imwrite(path, made)
    return Case("numbers", told, (read_image if r.random() < 0.4 else read_labels)(r, p, path))


def dicom(r: Random, p: Place) -> Case:
    """A series of which a slice is damaged, missing, doubled, or says something else."""
    folder = p.copied("img/dcm")
    files = sorted(folder.glob("*.dcm"))
    file = r.choice(files)
    how = r.choice(("set", "set", "set", "delete", "delete", "bytes", "series", "twice", "gone", "text", "everywhere"))
    if how == "bytes":
        how, data = in_bytes(r, file.read_bytes())
        file.write_bytes(data)
    elif how == "text":
        file.write_text("hello" * 50)
    elif how == "gone":
        file.unlink()
    elif how == "twice":
        shutil.copy(file, folder / "zz.dcm")
    else:
        how = f"{how} " + _elements(r, how, files if how == "everywhere" else [file])
    return Case("dicom", how, read_image(r, p, folder if r.random() < 0.8 else file))


_ELEMENTS = (
    *(
        "PixelSpacing",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "RescaleSlope",
        "RescaleIntercept",
        "Rows",
        "Columns",
    ),
    *("BitsAllocated", "BitsStored", "SamplesPerPixel", "InstanceNumber", "SliceThickness", "PixelRepresentation"),
    "NumberOfFrames",
)


def _elements(r: Random, how: str, files: list[Path]) -> str:
    name, told = r.choice(_ELEMENTS), ""
    value = r.choice((["1"], "", ["0", "0"], ["nan"] * 3, 0, -1, 3, 7, 65535, 2**31 - 1, ["0"] * 6, ["1e308", "1e308"]))
    for file in files:
        data = pydicom.dcmread(file, force=True)
        try:
            if how == "series":
                data.SeriesInstanceUID = "1.2.3"
            elif how == "set":
                setattr(data, name, value)
                told = f"{name}={value}"
            else:
                here = sorted(e.keyword for e in data if e.tag.group != 2 and e.keyword)
                told = told or r.choice(here)
                delattr(data, told)
            data.save_as(file)
        except Exception as error:  # noqa: BLE001 (pydicom does not write everything that files hold)
            told += f" ({type(error).__name__})"
    return told


def points(r: Random, p: Place) -> Case:
    """Tables of points."""
    path = p.work / "p.csv"
    how, data = in_bytes(r, (p.seeds / "points.csv").read_bytes())
    odd = {
        "nan": b"axis-0,axis-1,class\nnan,inf,1\n",
        "below": b"axis-0,axis-1\n-5,1e9\n",
        "huge": b"axis-0,axis-1,class\n1e308,-1e308,99999999999999999999\n",
        "null": b"axis-0,axis-1\n\x001,2\n",
        "long": b"axis-0,axis-1\n" + b"1" * 200_000 + b",2\n",
        "class": b"axis-0,axis-1,class\n10,10,-3\n",
        "class 0": b"axis-0,axis-1,class\n10,10,0\n",
    }
    refuse = r.random() < 0.4
    if refuse:
        how, data = r.choice(list(odd.items()))
    path.write_bytes(data)
    call = ["finetune", p.image, "--points", str(path), "--model", p.model, "--output", p.out, *STEPS]
    return Case("points", how, call, refuse)


def boxes(r: Random, p: Place) -> Case:
    """Lists of boxes."""
    path = p.work / "p.json"
    odd = (
        *([[[30, 10], [30, 10]]], [[[5, 5], [5, 5]]], [[[0, 1], [0, 9], [0, 9]]], "abc", [[]]),
        *([[[float("nan"), 3], [1, 2]]], [[[500, 600], [500, 600]]], [[[0, float("inf")], [0, 9]]], {"a": 1}, 3),
        *([{"box": [[1, 9], [1, 9]], "class": -7}], [{"box": [[1, 9], [1, 9]], "class": 1e30}], [[[1.5, 9.9], [1, 9]]]),
        *([{"box": [[1, 9], [1, 9]], "class": [1]}], [{"class": 1}], [[[True, 9], [1, 9]]], [[["1", "9"], [1, 9]]]),
    )
    refuse = r.random() < 0.5
    if refuse:
        value = r.choice(odd)
        path.write_text(json.dumps(value))
        told = json.dumps(value)
    else:
        shutil.copy(p.seeds / "boxes.json", path)
        told = json_file(r, path)
    call = ["finetune", p.image, "--boxes", str(path), "--model", p.model, "--output", p.out, *STEPS]
    return Case("boxes", told, call, refuse)


def folder(r: Random, p: Place) -> Case:
    """Folders to train from."""
    place = p.copied("train")
    first = place / "masks" / "i0.tif"
    how = r.choice(("partner", "array", "array", "image", "size", "bytes", "empty", "pixel", "zero", "channels", "odd"))
    more: list[str] = []
    if how == "partner":
        shutil.copy(place / "images" / "i0.tif", place / "images" / "zz.tif")
    elif how in ("array", "image"):
        home = "masks" if how == "array" else "images"
        (place / home / "i0.tif").unlink()
        how, made = array(r)
        np.save(place / home / "i0.npy", made, allow_pickle=True)
    elif how == "size":
        tifffile.imwrite(first, np.ones((50, 60), np.uint16))
    elif how == "bytes":
        file = r.choice(sorted(place.rglob("*.tif")))
        how, data = in_bytes(r, file.read_bytes())
        file.write_bytes(data)
    elif how == "empty":
        shutil.rmtree(place / "masks")
    elif how == "pixel":
        side = r.choice((1, 2, 3, 9))
        for file in place.rglob("*.tif"):
            tifffile.imwrite(file, np.ones((side, side), np.uint16))
    elif how == "zero":
        tifffile.imwrite(first, np.zeros((64, 64), np.uint16))
    elif how == "channels":
        tifffile.imwrite(place / "images" / "i0.tif", np.ones((64, 64, 3), np.uint8), photometric="rgb")
    else:
        network = r.choice(("unet", "segnet", "fastfcn", "gated_scnn", "mask_rcnn", "kayalibay"))
        task = r.choice(("instance", "semantic", "panoptic"))
        more = ["--network", network, "--task", task]
    options = [f"{k}={json.dumps(v)}" for k, v in SMALL.items()] if how != "odd" else []
    call = ["train", str(place), "--output", p.out, *STEPS, *more, *(["--option", *options] if options else [])]
    return Case("folder", f"{how} {more}", call)
