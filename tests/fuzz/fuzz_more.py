"""More families: what is too large, what is typed wrongly, arrays through the door, files that change during a run."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import fuzz_cases as cases
import nibabel
import numpy as np
import pydicom
import tifffile
import zarr
from fuzz_cases import Case, Place, either
from fuzz_mutations import array
from fuzz_seeds import SMALL, STEPS


def bomb(r: Random, p: Place) -> Case:
    """Small files that say that they are very large."""
    how = r.choice(tuple(_BOMBS))
    path = _BOMBS[how](r, p)
    if path.name == "model":
        return Case("bomb", how, cases.use_model(r, p, path))
    if path.name == "r.json":
        return Case("bomb", how, ["run", str(path), p.image, "--output", p.out, "--quiet"])
    return Case("bomb", how, either(r, p, path))


def _npy(r: Random, p: Place) -> Path:
    shape = (r.choice((10**5, 10**9, 2**40)), 10**6)
    head = f"{{'descr':'<f8','fortran_order':False,'shape':{shape},}}".encode()
    head += b" " * (64 - (10 + len(head) + 1) % 64) + b"\n"
    path = p.work / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    return path


def _png(r: Random, p: Place) -> Path:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = r.choice((12_000, 20_000, 2**31 - 1))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    path = p.work / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b""))
    return path


def _jpeg(r: Random, p: Place) -> Path:
    path = p.copied("img/a.jpg")
    data = bytearray(path.read_bytes())
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    return path


def _tiff(r: Random, p: Place) -> Path:
    path = p.work / "x.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), compression=r.choice(("zlib", "lzw", None)))
    side = r.choice((30_000, 10**5, 10**6, 2**31 - 1))
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name in ("ImageWidth", "ImageLength", *(["RowsPerStrip"] if r.random() < 0.5 else [])):
            tif.pages[0].tags[name].overwrite(side)
    return path


def _deflated(r: Random, p: Place) -> Path:
    """A strip that unpacks into much more than it has to."""
    path = p.work / "x.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), compression="zlib", metadata=None)
    packed = zlib.compress(bytes(2**24), 1)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tags = tif.pages[0].tags
        tags["StripByteCounts"].overwrite(len(packed))
        tags["StripOffsets"].overwrite(path.stat().st_size)
    with path.open("ab") as stream:
        stream.write(packed)
    return path


def _nifti(r: Random, p: Place) -> Path:
    header = nibabel.Nifti1Header()
    header.set_data_shape((30_000, 30_000, r.choice((1, 1000, 30_000))))
    header.set_data_dtype(r.choice(("f8", "u1")))
    path = p.work / r.choice(("x.nii", "x.nii.gz"))
    data = bytes(header.binaryblock) + bytes(100)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def _gzip(r: Random, p: Place) -> Path:
    header = nibabel.Nifti1Header()
    header.set_data_shape((2000, 2000, r.choice((1, 300))))
    header.set_data_dtype("u1")
    path = p.work / "x.nii.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(header.binaryblock + bytes(4))
        for _ in range(r.choice((1, 4))):
            stream.write(bytes(10_000_000))
    return path


def _zarr(r: Random, p: Place) -> Path:
    path = p.work / "x.zarr"
    shape = r.choice(((10**7, 10**7), (10**4, 10**6, 10**6), (64, 64)))
    zarr.create_array(str(path), shape=shape, chunks=(64,) * len(shape), dtype="u1")
    if shape == (64, 64) or r.random() < 0.3:
        about = json.loads((path / "zarr.json").read_text())
        about["chunk_grid"]["configuration"]["chunk_shape"] = [r.choice((10**6, 10**9))] * len(shape)
        (path / "zarr.json").write_text(json.dumps(about))
    return path


def _coco(r: Random, p: Place) -> Path:
    side = r.choice((40_000, 10**6, 10**9))
    rings = [[[0, 0, side, 0, side, side]], {"size": [64, 64], "counts": [10 ** r.choice((9, 11, 15)), 5]}, [[0] * 7]]
    mask = r.choice(rings)
    size = 64 if isinstance(mask, dict) else side
    about = {
        "images": [{"id": 1, "height": size, "width": size}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": mask}],
    }
    path = p.work / "x.coco.json"
    path.write_text(json.dumps(about))
    return path


def _dicom(r: Random, p: Place) -> Path:
    source = sorted((p.seeds / "img" / "dcm").glob("*.dcm"))[0]
    data = pydicom.dcmread(source)
    data.Rows, data.Columns = r.choice(((65535, 65535), (int(data.Rows), int(data.Columns))))
    data.NumberOfFrames = r.choice((1, 2**31 - 1))
    path = p.work / "x.dcm"
    data.save_as(path)
    if r.random() < 0.5:  # a deflated data set that unpacks into very much
        data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
        data.PixelData = bytes(2**23)
        data.save_as(path, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return path


def _pieces(r: Random, p: Place) -> Path:
    model = p.copied("model")
    with np.load(model / "exemplars.npz") as found:
        kinds = {n: found[n].dtype for n in found.files}
    shape = r.choice(((1, 300, 30_000), (1, 1, 400, 20_000)))
    np.savez_compressed(model / "exemplars.npz", **{n: np.zeros(shape, kind) for n, kind in kinds.items()})
    return model


def _header(r: Random, p: Place) -> Path:
    model = p.copied("model")
    heads = ((2**62).to_bytes(8, "little") + b"{}", (10**8).to_bytes(8, "little") + b"{" * 1000)
    (model / "weights.safetensors").write_bytes(r.choice(heads))
    return model


def _network(r: Random, p: Place) -> Path:
    model = p.copied("model")
    about = json.loads((model / "spec.json").read_text())
    most = r.choice((10**9, 10**6, 10**5))
    changes: list[Callable[[], object]] = [
        lambda: about["spec"].update(in_channels=most),
        lambda: about["spec"]["options"].update(widths=[most, most]),
        lambda: about["spec"]["options"].update(widths=[4] * 100),
        lambda: about["spec"]["options"].update(strides=[most, most]),
        lambda: about["spec"]["options"].update(encoder="resnet", encoder_width=most, encoder_blocks=[most] * 4),
        lambda: about["spec"].update(network="segnet", options={"widths": [4, 4], "convs": [most, most]}),
        lambda: about["spec"].update(
            network="mask_rcnn", options={"widths": [4, 4], "channels": most, "regions": most}
        ),
    ]
    r.choice(changes)()
    (model / "spec.json").write_text(json.dumps(about))
    return model


def _recipe(r: Random, p: Place) -> Path:
    about = json.loads((p.seeds / "recipe.json").read_text())
    about["parameters"] = dict.fromkeys(about.get("parameters", {}), 10**12)
    path = p.work / "r.json"
    path.write_text(json.dumps(about))
    return path


_BOMBS: dict[str, Callable[[Random, Place], Path]] = {
    **{"npy": _npy, "png": _png, "jpeg": _jpeg, "tiff": _tiff, "deflated": _deflated, "nifti": _nifti, "gzip": _gzip},
    **{"zarr": _zarr, "coco": _coco, "dicom": _dicom, "pieces": _pieces, "header": _header, "network": _network},
    **{"recipe": _recipe},
}

_OPTIONS = {
    "predict": "--tile --halo --zoom --device --axes --spacing --unit --cluster --precision --format",
    "finetune": "--seconds --steps --learning-rate --batch --patch --augment --freeze --layer-decay --regulariser --teacher "
    "--rehearsal --exemplars --seed --loss --device --axes --spacing --result --before --reviewed --nothing",
    "train": "--validation --ignore --keep --head --classes --stuff --ndim --seed --augment --freeze --patch --batch "
    "--learning-rate --tensorboard --from --loss --option --network --task --teacher --regulariser",
    "evaluate": "--tolerance --spacing --unit --classes --csv --task",
    "measure": "--output --image --spacing --unit --axes --by --histogram",
    "crop": "--object --class --box --margin --outside --axes --spacing --unit --format --output",
    "track": "--max-distance --gap --overlap --axes --spacing --unit",
    "export": "--to --spacing --unit --classes --output --task",
    "run": "--box --axes --spacing --seeds --format",
}
_TYPED = (
    *(
        "",
        "nan",
        "inf",
        "-inf",
        "-1",
        "0",
        "1e308",
        "abc",
        "99999999999999999999",
        "1,2,3,4,5",
        "-1,-1",
        "0,0",
        "x",
        ",",
    ),
    *("1,", "None", "true", "../..", "\x00", "0.0001", "7", "a::b", "64", "1,1", "100000,100000", "a\nb", "é" * 300),
)
_NUMBERS = (
    *(
        "--tile",
        "--halo",
        "--zoom",
        "--spacing",
        "--seconds",
        "--steps",
        "--learning-rate",
        "--batch",
        "--patch",
        "--freeze",
    ),
    *(
        "--layer-decay",
        "--regulariser",
        "--teacher",
        "--rehearsal",
        "--exemplars",
        "--seed",
        "--validation",
        "--ignore",
    ),
    *("--ndim", "--tolerance", "--max-distance", "--gap", "--overlap", "--box", "--margin", "--object"),
)


def typed(r: Random, p: Place) -> Case:
    """An option of the command line with a value that it may not have."""
    labels, out = str(p.seeds / "lab" / "p.tif"), p.out
    base = {
        "predict": ["predict", p.image, "--model", p.model, "--output", out, "--quiet"],
        "finetune": ["finetune", p.image, str(p.seeds / "strokes.tif"), "--model", p.model, "--output", out, *STEPS],
        "train": ["train", str(p.seeds / "train"), "--output", out, *STEPS, "--option", "widths=[4,8]"],
        "evaluate": ["evaluate", labels, labels, "--quiet"],
        "measure": ["measure", labels, "--image", p.image, "--quiet"],
        "crop": ["crop", labels, labels, "--output", out, "--mask", "--quiet"],
        "track": ["track", str(p.seeds / "film.tif"), "--output", out, "--quiet"],
        "export": ["export", labels, "--output", out, "--to", ".geojson"],
        "run": ["run", str(p.seeds / "recipe.json"), p.image, "--output", out, "--quiet"],
    }
    command = r.choice(sorted(base))
    option = r.choice(_OPTIONS[command].split())
    value = r.choice(_TYPED)
    if option == "--augment":
        words = "elastic=-1 scale=0 scale=nan rotate=1e9 foo=1 elastic=x elastic=[1] elastic=null scale=1e308 flip=7 x"
        value = r.choice(words.split())
    if option == "--cluster":
        value = r.choice(("local:0", "local:x", "nowhere", "tcp://127.0.0.1:1", "local:-1", "\x00"))
    if option == "--loss":
        value = r.choice(("dice:0", "dice:-1", "focal:nan", "dice:inf", "lovasz:1e30", "boundary", "dice:x", ":", ""))
    if option == "--option":
        words = "widths=[] widths=[0] widths=[-1] widths=x foo=1 widths=[1e9] widths=null deep_supervision=7 convs=0 convs=x"
        value = r.choice((*words.split(), "widths=[1000000,1000000]", f"widths={[4] * 12}", "widths=4", "norm=x"))
    if option == "--network":
        value = r.choice(("segnet", "kayalibay", "gated_scnn", "fastfcn", "mask_rcnn", "nothing"))
    if option in ("--keep", "--tensorboard", "--output", "--csv", "--seeds", "--image", "--to", "--histogram"):
        value = value and str(p.work / value)  # nothing is written beside the case
    refuse = option in _NUMBERS and value in ("nan", "inf", "-inf", "abc", "", "x", "\x00")
    return Case("typed", f"{command} {option} {value[:40]!r}", [*base[command], f"{option}={value}"], refuse)


def door(r: Random, p: Place) -> Case:
    """Arrays and settings through the door."""
    return Case("door", "", ["door", "call", str(r.randrange(10**9))])


def changed(r: Random, p: Place) -> Case:
    """An image file that is cut, rewritten or gone while it is segmented."""
    name = r.choice(("tiles.tif", "a.tif", "a.npy", "a.zarr", "a.nii"))
    path = p.copied(f"img/{name}")
    how = r.choice(("cut", "rewritten", "gone", "other"))
    return Case("changed", f"{name} {how}", ["door", "changed", str(path), how, str(r.randrange(6)), p.model])


def pixels(r: Random, p: Place) -> Case:
    """Small images through networks of each kind, one value a channel included."""
    place = p.copied("train")
    sides = (r.choice((1, 2, 3, 5, 8, 16, 17, 33)), r.choice((1, 2, 8, 16, 40)))
    told, made = array(r) if r.random() < 0.3 else (f"{sides}", np.ones(sides, np.uint16))
    for file in list(place.rglob("*.tif")):
        if made.ndim == 2 and made.dtype.kind in "uif":
            tifffile.imwrite(file, made)
    network = r.choice(("unet", "segnet", "kayalibay", "gated_scnn", "fastfcn", "mask_rcnn"))
    patch = r.choice(("32,32", "1,1", "2,2", "8,8", "128", "16", "7,9"))
    option = ["--option", *(f"{k}={json.dumps(v)}" for k, v in SMALL.items())] if network in ("unet", "segnet") else []
    call = ["train", str(place), "--output", p.out, *STEPS, "--patch", patch, "--network", network, *option]
    return Case("pixels", f"{told} {network} {patch}", call)


FAMILIES: dict[str, tuple[int, Callable[[Random, Place], Case]]] = {
    "image": (12, cases.image),
    "labels": (10, cases.labels),
    "renamed": (5, cases.renamed),
    "zarr": (12, cases.zarr),
    "coco": (12, cases.coco),
    "beside": (7, cases.beside),
    "recipe": (6, cases.recipe),
    "model": (9, cases.model),
    "weights": (4, cases.weights),
    "checkpoint": (3, cases.checkpoint),
    "numbers": (12, cases.numbers),
    "dicom": (6, cases.dicom),
    "points": (4, cases.points),
    "boxes": (4, cases.boxes),
    "folder": (3, cases.folder),
    "bomb": (10, bomb),
    "typed": (14, typed),
    "door": (12, door),
    "changed": (4, changed),
    "pixels": (2, pixels),
}
"""How often each comes, and what makes one."""


def make(seed: int, number: int, seeds: Path, work: Path, only: str = "") -> Case:
    """The case of a number; its folder is made anew."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    r = Random(f"{seed}:{number}")
    name = only or r.choices(tuple(FAMILIES), [often for often, _ in FAMILIES.values()])[0]
    return FAMILIES[name][1](r, Place(seeds, work))
