"""Bundles come back bit by bit, and nothing else is taken for one."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, InputError, Kind, ModelBundle, ModelSpec, Normalisation, Task
from napari_segplugin.io import bundles, load_bundle, load_thumbnail, memory, save_bundle, shipped_bundles

WEIGHTS = {
    "conv.weight": np.random.default_rng(0).normal(size=(4, 1, 3, 3)).astype(np.float32),
    "transposed": np.arange(12, dtype=np.float64).reshape(3, 4).T,
    "every.second": np.arange(10, dtype=np.int32)[::2],
    "half": np.array([0.1, -0.0, np.inf, np.nan], np.float16),
    "counter": np.array(7, np.int64),
    "mask": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "big.endian": np.arange(3, dtype=">f4"),
}


def make(**more) -> ModelBundle:
    classes = ClassTable.named(["axon", "myelin"], Kind.STUFF)
    spec = ModelSpec("unet", 3, 2, Task.SEMANTIC, classes, {"widths": [8, 16], "deep": True}, (2.0, 0.5, 0.5), "um")
    values = {
        "weights": WEIGHTS,
        "normalisation": Normalisation(2, 99, 0.5),
        "history": ({"steps": 10, "loss": [0.5, 0.1]}, {"note": "später"}),
        "decode": {"threshold": 0.3, "size": np.int64(4)},
        "licence": "CC-BY-4.0\nSome people",
        "description": "Axons µ.",
    }
    return ModelBundle("My model", spec, **(values | more))


def test_round_trip_is_bit_equal(tmp_path) -> None:
    bundle = make()
    folder = save_bundle(bundle, tmp_path / "m")
    back = load_bundle(folder)
    assert list(back.weights) == list(bundle.weights)
    for name, array in bundle.weights.items():
        got = back.weights[name]
        assert got.shape == array.shape
        assert got.dtype == array.dtype.newbyteorder("=")
        assert got.tobytes() == np.ascontiguousarray(array).astype(got.dtype).tobytes(), name
    assert back.spec == ModelSpec(**{**bundle.spec.__dict__})
    assert (back.normalisation, back.history, back.name) == (bundle.normalisation, bundle.history, bundle.name)
    assert (back.decode, back.licence, back.description) == (
        {"threshold": 0.3, "size": 4},
        bundle.licence,
        bundle.description,
    )
    assert load_bundle(folder / "spec.json").name == "My model"


def test_folder_holds_what_a_person_needs(tmp_path) -> None:
    folder = save_bundle(make(), tmp_path / "m", thumbnail=np.full((8, 9, 3), 5, np.uint8))
    names = {
        "spec.json",
        "weights.safetensors",
        "history.json",
        "learnt.json",
        "LICENSE.txt",
        "README.md",
        "thumbnail.png",
    }
    assert {p.name for p in folder.iterdir()} == names
    assert "CC-BY-4.0" in (folder / "LICENSE.txt").read_text()
    assert "1 axon, 2 myelin" in (folder / "README.md").read_text()
    assert np.array_equal(load_thumbnail(folder), np.full((8, 9, 3), 5))
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_thumbnail_missing_or_broken(tmp_path) -> None:
    folder = save_bundle(make(), tmp_path / "m")
    assert load_thumbnail(folder) is None
    (folder / "thumbnail.png").write_bytes(b"no picture")
    assert load_thumbnail(folder) is None
    assert load_bundle(folder).name == "My model"


@pytest.mark.parametrize("picture", [np.zeros((8, 9)), np.zeros((8, 9, 4), np.uint8), np.zeros((0, 9), np.uint8)])
def test_thumbnail_that_is_no_picture(tmp_path, picture) -> None:
    with pytest.raises(InputError, match="thumbnail"):
        save_bundle(make(), tmp_path / "m", thumbnail=picture)


def test_no_overwriting_unless_asked(tmp_path) -> None:
    folder = save_bundle(make(), tmp_path / "m")
    with pytest.raises(InputError, match="already a model 'm'"):
        save_bundle(make(), folder)
    save_bundle(make(description="second"), folder, overwrite=True)
    assert load_bundle(folder).description == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_other_folders_and_files_are_never_replaced(tmp_path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("thesis", "file"):
        with pytest.raises(InputError, match="already exists and is not a model"):
            save_bundle(make(), tmp_path / name, overwrite=True)
    (tmp_path / "empty").mkdir()
    assert load_bundle(save_bundle(make(), tmp_path / "empty")).name == "My model"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_disk_that_refuses_leaves_the_old_bundle(tmp_path, monkeypatch, code) -> None:
    folder = save_bundle(make(), tmp_path / "m")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def fail(*_args) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(bundles, "_readme", fail)
    with pytest.raises(InputError, match=r"disk is full|no permission to write"):
        save_bundle(make(), folder, overwrite=True)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_missing_folder_above(tmp_path) -> None:
    with pytest.raises(InputError, match="folder does not exist"):
        save_bundle(make(), tmp_path / "no" / "m")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"weights": {"a": np.array(["x"])}}, "weights cannot be stored"),
        ({"weights": {"a": np.zeros(3, np.complex128)}}, "weights cannot be stored"),
        ({"decode": {"when": object()}}, "cannot be written as a JSON file.*object"),
        ({"history": ({"a": {1, 2}},)}, "cannot be written as a JSON file.*set"),
    ],
)
def test_what_cannot_be_stored(tmp_path, more, words) -> None:
    with pytest.raises(InputError, match=words):
        save_bundle(make(**more), tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.ckpt", "model.PKL"])
def test_pickles_stay_closed(tmp_path, name) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04cos\nsystem\n.")
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(
            InputError, match=r"Only models in the safetensors format are opened, because a pickled.*run any code"
        ):
            load_bundle(path)


@pytest.mark.parametrize("name", ["spec.json", "weights.safetensors", "history.json"])
def test_missing_files(tmp_path, name) -> None:
    folder = save_bundle(make(), tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"not a complete.*no {name}"):
        load_bundle(folder)


def test_no_bundle_there(tmp_path) -> None:
    with pytest.raises(InputError, match="no such model"):
        load_bundle(tmp_path / "no")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="not a complete"):
        load_bundle(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["spec.json", "weights.safetensors", "history.json"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_cut_files(tmp_path, name, keep) -> None:
    folder = save_bundle(make(), tmp_path / "m")
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputError):
        load_bundle(folder)


def change(folder: Path, **values) -> None:
    spec = json.loads((folder / "spec.json").read_text())
    for name, value in values.items():
        where, *rest = name.split("__")
        if rest:
            spec[where][rest[0]] = value
        elif value is None:
            del spec[where]
        else:
            spec[where] = value
    (folder / "spec.json").write_text(json.dumps(spec))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"version": 2}, "does not know.*version 2"),
        ({"format": "other"}, "does not know.*'other'"),
        ({"surprise": 1}, "unknown: surprise"),
        ({"decode": None}, "missing: decode"),
        ({"spec__surprise": 1}, "Unknown fields in ModelSpec.*surprise"),
        ({"spec__task": "dance"}, "'task'. Accepted: 'semantic' or 'instance' or 'panoptic'"),
        ({"spec__ndim": 7}, "Got 7 at 'spec' → 'ndim'. Accepted: 2 or 3"),
        ({"spec__classes": {}}, "no field 'spec' → 'classes' → 'classes'"),
        ({"spec": 5}, "Got 5 at 'spec'. Accepted: a JSON object"),
        ({"weights": {}}, "no field 'weights' → 'sha256'"),
        ({"normalisation__gamma": 2}, "normalisation.*gamma"),
        ({"normalisation__low": "x"}, "Got 'x' at 'normalisation' → 'low'. Accepted: a number"),
        ({"weights__tensors": {"a": ["float32", [1]]}}, "do not match.*differences in a"),
        ({"weights__sha256": "0"}, "do not match.*checksum"),
    ],
)
def test_specs_that_are_wrong(tmp_path, values, words) -> None:
    folder = save_bundle(make(), tmp_path / "m")
    change(folder, **values)
    with pytest.raises(InputError, match=words):
        load_bundle(folder)


@pytest.mark.parametrize(("name", "text"), [("spec.json", "[]"), ("history.json", "{}"), ("learnt.json", "[]")])
def test_json_of_another_kind(tmp_path, name, text) -> None:
    folder = save_bundle(make(), tmp_path / "m")
    (folder / name).write_text(text)
    with pytest.raises(InputError, match="does not have the expected contents"):
        load_bundle(folder)


def test_weights_of_another_bundle(tmp_path) -> None:
    one = save_bundle(make(), tmp_path / "one")
    two = save_bundle(make(weights={"conv.weight": WEIGHTS["conv.weight"] + 1}), tmp_path / "two")
    (two / "weights.safetensors").write_bytes((one / "weights.safetensors").read_bytes())
    with pytest.raises(InputError, match="do not match"):
        load_bundle(two)


def test_shipped_bundles_are_all_readable() -> None:
    for name, folder in shipped_bundles().items():
        assert load_bundle(folder).spec.classes[0].name == "background", name


def test_folder_of_shipped_bundles(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bundles, "__file__", str(tmp_path / "io" / "bundles.py"))
    assert shipped_bundles() == {}
    (tmp_path / "resources" / "bundles").mkdir(parents=True)
    folder = save_bundle(make(), tmp_path / "resources" / "bundles" / "cells")
    assert shipped_bundles() == {"cells": folder}


def test_importing_io_brings_no_heavy_library() -> None:
    code = "import sys, napari_segplugin.io; print([m for m in ('torch', 'napari', 'qtpy', 'nibabel', 'pydicom') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_model_that_needs_another_package_says_so_and_others_do_not_change(tmp_path) -> None:
    folder = save_bundle(make(), tmp_path / "own")
    assert "packages" not in json.loads((folder / "spec.json").read_text())["spec"]
    spec = replace(make().spec, packages=("numpy",))
    assert load_bundle(save_bundle(replace(make(), spec=spec), tmp_path / "there")).spec == spec
    assert "Install numpy before" in (tmp_path / "there" / "README.md").read_text()
    spec = replace(spec, packages=("numpy", "no-such-a", "no-such-b"))
    folder = save_bundle(replace(make(), spec=spec), tmp_path / "not")
    with pytest.raises(
        InputError, match=r"needs no-such-a and no-such-b, which are not.*pip install no-such-a no-such-b"
    ):
        load_bundle(folder)


@pytest.mark.parametrize("packages", ["numpy", [3], ["numpy; rm -r"], ["-e ."], [""]])
def test_what_is_no_name_of_a_package_is_not_put_into_a_command(tmp_path, packages) -> None:
    folder = save_bundle(make(), tmp_path / "m")
    data = json.loads((folder / "spec.json").read_text())
    data["spec"]["packages"] = packages
    (folder / "spec.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"The model 'My model' needs packages whose names are not valid\. Got"):
        load_bundle(folder)


def test_image_pieces_that_unpack_into_very_much_are_refused(tmp_path, monkeypatch) -> None:
    folder = save_bundle(make(), tmp_path / "m")
    pieces = dict.fromkeys(("image", "labels", "maps", "spacing", "source"), np.zeros((1, 4, 300, 300), "f4"))
    np.savez_compressed(folder / "exemplars.npz", **pieces)
    monkeypatch.setattr(memory, "_LARGE", 2**18)
    with pytest.raises(InputError, match=r"'exemplars\.npz' says that it has very much data"):
        load_bundle(folder)
