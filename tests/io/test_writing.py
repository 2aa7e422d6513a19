"""What is written comes back the same, with its recipe and table, or not at all."""

from __future__ import annotations

import csv
import errno
import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

from napari_segplugin.core import ClassTable, InputError, Kind, ObjectTable, Place, Segmentation, Task
from napari_segplugin.io import FORMATS, npy, read_image, read_labels, read_segmentation, write_segmentation
from napari_segplugin.io import tiff_writing as tiff_module

EXTENSIONS = [".tif", ".tiff", ".ome.tif", ".zarr", ".npy", ".nii.gz", ".nii"]


def need(extension: str) -> None:
    for ending, package in ((".nii", "nibabel"), (".roi", "roifile"), (".seg.dcm", "highdicom")):
        if ending in extension:
            pytest.importorskip(package)


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("axes", ["YX", "ZYX", "TYX", "TZYX"])
@pytest.mark.parametrize("largest", [1, 255, 256, 65535, 65536, 2**32 - 1])
def test_round_trip(tmp_path, rng, make_segmentation, extension, axes, largest) -> None:
    need(extension)
    labels = rng.integers(0, 2, (2, 3, 9, 11)[-len(axes) :]) * np.int64(largest)
    labels.flat[0] = largest
    path = tmp_path / f"cells{extension}"
    files = write_segmentation(make_segmentation(labels, axes), path)
    assert [f.name for f in files] == [f"cells{extension}", "cells.recipe.json", "cells.objects.csv"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f.name for f in files)
    back, order = read_labels(path)
    assert np.array_equal(back.reshape(labels.shape), labels)
    smallest = np.uint8 if largest < 256 else np.uint16 if largest < 65536 else np.uint32
    assert back.dtype == smallest
    if extension != ".npy" and not (".nii" in extension and axes == "TYX"):
        assert order == axes


@pytest.mark.parametrize("extension", [".tif", ".zarr", ".nii.gz"])
@pytest.mark.parametrize("largest", [3, 70000])
def test_voxel_size_and_unit_survive(tmp_path, make_segmentation, extension, largest) -> None:
    need(extension)
    labels = np.full((3, 9, 11), largest)
    path = tmp_path / f"a{extension}"
    write_segmentation(make_segmentation(labels, spacing=(2.0, 0.5, 0.25)), path)
    image = read_image(path)
    factor, unit = (1e-3, "mm") if extension == ".nii.gz" else (1.0, "um")
    assert image.spacing == pytest.approx((2.0 * factor, 0.5 * factor, 0.25 * factor))
    assert (image.axes, image.unit, image.metadata["axes_doubt"]) == ("ZYX", unit, "")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=nst.arrays(
        st.sampled_from([np.bool_, np.uint8, np.int16, np.uint32, np.int64]),
        nst.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6),
        elements=st.integers(0, 1),
    ),
    extension=st.sampled_from([".tif", ".zarr", ".npy"]),
)
def test_any_labels_round_trip(tmp_path_factory, make_segmentation, labels, extension) -> None:
    path = tmp_path_factory.mktemp("any") / f"a{extension}"
    write_segmentation(make_segmentation(labels, "ZYX"[-labels.ndim :]), path)
    assert np.array_equal(np.asarray(read_image(path).array).reshape(labels.shape), labels)


def test_png_holds_planes_up_to_16_bits(tmp_path, make_segmentation) -> None:
    labels = np.arange(99).reshape(9, 11) * 600
    write_segmentation(make_segmentation(labels, "YX"), tmp_path / "a.png")
    assert np.array_equal(read_labels(tmp_path / "a.png")[0], labels)
    with pytest.raises(InputError, match="holds only one plane"):
        write_segmentation(make_segmentation(labels[None]), tmp_path / "b.png")
    with pytest.raises(InputError, match="up to 65535"):
        write_segmentation(make_segmentation(labels * 2, "YX"), tmp_path / "c.png")
    with pytest.raises(InputError, match="JPEG changes the values"):
        write_segmentation(make_segmentation(labels, "YX"), tmp_path / "d.jpg")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("extension", [".zarr", ".tif", ".npy"])
def test_labels_on_disk_are_written_piece_by_piece(tmp_path, rng, make_segmentation, extension, monkeypatch) -> None:
    monkeypatch.setattr("napari_segplugin.io.writing._PIECE", 500)
    monkeypatch.setattr("napari_segplugin.io.omezarr_write._AT_ONCE", 500)
    labels = zarr.create_array(tmp_path / "big.zarr", shape=(70, 20, 30), chunks=(4, 20, 30), dtype="u4")
    labels[...] = rng.integers(0, 400, labels.shape)

    class Watched:
        shape, dtype, chunks, largest = labels.shape, labels.dtype, labels.chunks, 0

        def __getitem__(self, index):
            piece = np.asarray(labels[index])
            Watched.largest = max(Watched.largest, piece.size)
            return piece

    table = ObjectTable.of(labels[...])
    seg = Segmentation(Task.INSTANCE, Watched(), table, ClassTable.named(["a"]), "ZYX", (1, 1, 1))
    write_segmentation(seg, tmp_path / f"out{extension}")
    assert Watched.largest <= 32 * 20 * 30
    assert np.array_equal(read_image(tmp_path / f"out{extension}").array, labels[...])


def test_zarr_is_chunked_and_declares_its_labels(tmp_path, make_segmentation) -> None:
    write_segmentation(make_segmentation(np.ones((40, 300, 11), int)), tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert group["0"].chunks == (32, 256, 11)
    scales = group.attrs["multiscales"][0]
    assert (scales["version"], [a["unit"] for a in scales["axes"]]) == ("0.4", ["micrometer"] * 3)
    assert (tmp_path / "a.zarr" / "0" / "0" / "0" / "0").is_file(), "0.4 wants nested chunks"
    assert "image-label" in group.attrs


def test_zarr_of_a_region_lies_where_the_region_lay(tmp_path, make_segmentation) -> None:
    write_segmentation(make_segmentation(np.ones((3, 9, 11), int), recipe={"origin": [4, 0, 6]}), tmp_path / "a.zarr")
    level = zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["multiscales"][0]["datasets"][0]
    assert level["coordinateTransformations"][1] == {"type": "translation", "translation": [8.0, 0.0, 1.5]}


def test_measurements_become_columns_of_the_table(tmp_path, make_segmentation) -> None:
    seg = make_segmentation(np.array([[1, 1, 0, 5]]), "YX")
    write_segmentation(seg, tmp_path / "a.tif", columns={"roundness": [0.5, 0.25]})
    rows = list(csv.reader((tmp_path / "a.objects.csv").open(encoding="utf-8")))
    assert [r[-1] for r in rows] == ["roundness", "0.5", "0.25"]
    with pytest.raises(InputError, match="'roundness' does not fit"):
        write_segmentation(seg, tmp_path / "b.tif", columns={"roundness": [0.5]})


def test_axes_are_put_in_order(tmp_path, make_segmentation) -> None:
    labels = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    write_segmentation(make_segmentation(labels, "XYZ", spacing=(0.25, 0.5, 2.0)), tmp_path / "a.tif")
    image = read_image(tmp_path / "a.tif")
    assert (image.axes, image.spacing) == ("ZYX", (2.0, 0.5, 0.25))
    assert np.array_equal(image.array, labels.transpose())


def test_imagej_reads_small_labels_and_ome_the_rest(tmp_path, make_segmentation, monkeypatch) -> None:
    write_segmentation(make_segmentation(np.ones((3, 9, 11), int)), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_imagej
        assert tif.pages[0].compression == 8
    monkeypatch.setattr(tiff_module, "_IMAGEJ_LIMIT", 10)
    write_segmentation(make_segmentation(np.ones((3, 9, 11), int)), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert tif.is_ome
        assert tif.is_bigtiff


def test_table_and_recipe(tmp_path) -> None:
    labels = np.array([[0, 1, 1], [7, 7, 7]], np.uint16)
    table = ObjectTable(
        np.array([1, 7, 9]), np.array([1, 2, 1]), np.array([0.5, np.nan, 1], np.float32), ("predicted",) * 3
    )
    classes = ClassTable.named(["Zelle, groß", "b"], Kind.STUFF)
    recipe = {
        "model": "m",
        "score": np.float32(0.5),
        "shape": np.array([1, 2]),
        "bad": float("nan"),
        "at": tmp_path,
        "n": None,
    }
    seg = Segmentation(Task.PANOPTIC, labels, table, classes, "YX", (0.5, 2.0), "um", recipe=recipe)
    _, recipe_path, table_path = write_segmentation(seg, tmp_path / "a.v1.tif")
    rows = list(csv.reader(table_path.open(encoding="utf-8")))
    assert rows == [
        ["label", "class", "name", "score", "status", "voxels", "size (um^2)"],
        ["1", "1", "Zelle, groß", "0.5000", "predicted", "2", "2"],
        ["7", "2", "b", "", "predicted", "3", "3"],
        ["9", "1", "Zelle, groß", "1.0000", "predicted", "0", "0"],
    ]
    about = json.loads(recipe_path.read_text())
    assert about["task"] == "panoptic"
    assert about["labels"] == "a.v1.tif"
    assert about["recipe"] == {"model": "m", "score": 0.5, "shape": [1, 2], "bad": None, "at": str(tmp_path), "n": None}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((3, 9, 11)), "whole numbers"),
        (np.full((3, 9, 11), -1), "from -1"),
        (np.full((3, 9, 11), 2**32), "4294967296"),
        (np.zeros((0, 9, 11), int), "nothing to write"),
    ],
)
def test_what_are_no_labels(tmp_path, make_segmentation, labels, words) -> None:
    with pytest.raises(InputError, match=words):
        write_segmentation(make_segmentation(labels), tmp_path / "a.tif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 0.0, 1.0), (1.0, np.nan, 1.0)])
def test_spacing_that_does_not_fit(tmp_path, make_segmentation, spacing) -> None:
    with pytest.raises(InputError, match="voxel size"):
        write_segmentation(make_segmentation(np.ones((3, 9, 11), int), spacing=spacing), tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.dcm", "a.xyz", "noextension"])
def test_extension_that_cannot_be_written(tmp_path, make_segmentation, name) -> None:
    with pytest.raises(InputError, match=r"Accepted: \.tif"):
        write_segmentation(make_segmentation(np.ones((3, 9, 11), int)), tmp_path / name)


def test_missing_folder_and_folders_that_are_not_ours(tmp_path, make_segmentation) -> None:
    seg = make_segmentation(np.ones((3, 9, 11), int))
    with pytest.raises(InputError, match="folder does not exist"):
        write_segmentation(seg, tmp_path / "no" / "a.tif")
    for name, path in (("a.tif", "a.tif"), ("a.zarr", "a.zarr"), ("a.panoptic", "a.panoptic.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
        with pytest.raises(InputError, match=f"'{name}' is an existing folder.*would be replaced"):
            write_segmentation(seg, tmp_path / path)
        assert (tmp_path / name / "thesis.txt").is_file()


@pytest.mark.parametrize("extension", [".tif", ".zarr"])
def test_an_old_result_is_replaced(tmp_path, make_segmentation, extension) -> None:
    path = tmp_path / f"a{extension}"
    for value in (1, 2):
        write_segmentation(make_segmentation(np.full((3, 9, 11), value)), path)
        assert int(np.asarray(read_image(path).array).max()) == value
    assert len(list(tmp_path.iterdir())) == 3


def test_folder_without_write_permission(as_stranger, make_segmentation) -> None:
    locked = as_stranger / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    for extension in (".tif", ".zarr", ".npy", ".png"):
        labels = np.ones((9, 11), int)
        with pytest.raises(InputError, match="no permission to write"):
            write_segmentation(make_segmentation(labels, "YX"), locked / f"a{extension}")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("row", [r for r in FORMATS if r.writes], ids=lambda r: r.name)
def test_a_full_disk_leaves_the_old_result(tmp_path, make_segmentation, monkeypatch, row, code) -> None:
    extension = row.extensions[0]
    need(extension)
    path = tmp_path / f"a{extension}"
    seg = make_segmentation(np.ones((9, 11), int), "YX")
    if row.needs == "volume":
        # surfaces are refused where nobody knows how they lie in a patient
        seg = make_segmentation(np.ones((2, 9, 11), int), place=Place(np.eye(4), "patient"))
    if row.needs == "dicom":
        pytest.skip("is written over a DICOM series only")
    write_segmentation(seg, path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    writer = row.load().write

    def fill_up(labels, target) -> None:
        writer(labels, target)
        raise OSError(code, "no more")

    full = replace(row.load(), write=fill_up)
    monkeypatch.setattr(f"{row.target.replace(':', '.')}", full)
    with pytest.raises(InputError, match="disk is full" if code == errno.ENOSPC else "cannot be written"):
        write_segmentation(seg, path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_failure_of_the_last_file_leaves_nothing(tmp_path, make_segmentation, monkeypatch) -> None:
    def fail(*_args) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr("napari_segplugin.io.writing._write_table", fail)
    with pytest.raises(InputError, match="disk is full"):
        write_segmentation(make_segmentation(np.ones((3, 9, 11), int)), tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_swapped_is_put_back(tmp_path, make_segmentation, monkeypatch) -> None:
    from napari_segplugin.io import files

    path = tmp_path / "a.zarr"
    write_segmentation(make_segmentation(np.ones((3, 9, 11), int)), path)
    replace, calls = files.os.replace, []

    def second_fails(source, target) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(errno.EIO, "input/output error")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", second_fails)
    with pytest.raises(InputError, match="cannot be written"):
        write_segmentation(make_segmentation(np.full((3, 9, 11), 2)), path)
    monkeypatch.undo()
    assert int(np.asarray(read_image(path).array).max()) == 1


def test_error_of_a_library_becomes_a_sentence(tmp_path, make_segmentation, monkeypatch) -> None:
    def fail(*_args) -> None:
        raise ValueError("not today\nmore lines")

    monkeypatch.setattr(npy, "FORMAT", type(npy.FORMAT)(write=fail))
    with pytest.raises(InputError, match='"not today"'):
        write_segmentation(make_segmentation(np.ones((3, 9, 11), int)), tmp_path / "a.npy")


@pytest.mark.parametrize("source", ["/home/study/Doe, Jane/ct.nii.gz", "D:\\study\\Doe, Jane\\ct.nii.gz", "ct.nii.gz"])
def test_no_folder_of_the_image_stands_in_what_is_written(tmp_path, make_segmentation, source, monkeypatch) -> None:
    recipe = {
        "input": {"source": source, "name": "ct"},
        "before": {"input": {"source": source}},
        "model": {"source": "u/v"},
    }
    seg = make_segmentation(np.ones((3, 4, 5), int), recipe=recipe)
    for extension in (".tif", ".ome.zarr", ".npy", ".coco.json", ".geojson"):
        write_segmentation(seg, tmp_path / f"a{extension}")
    found = json.loads((tmp_path / "a.recipe.json").read_text(encoding="utf-8"))["recipe"]
    assert found["input"] == {"source": "ct.nii.gz", "name": "ct"}
    assert found["before"] == {"input": {"source": "ct.nii.gz"}}
    assert found["model"] == {"source": "u/v"}
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"Jane" in p.read_bytes()]
    assert seg.recipe["input"]["source"] == source, "what is in memory is not changed"
    monkeypatch.setenv("SEGPLUGIN_KEEP_PATHS", "1")
    write_segmentation(seg, tmp_path / "b.npy")
    assert json.loads((tmp_path / "b.recipe.json").read_text(encoding="utf-8"))["recipe"]["input"]["source"] == source


def test_the_image_is_found_again_where_it_lies_beside_its_labels(tmp_path, make_segmentation) -> None:
    for folder, there in (("one", True), ("two", False)):
        (tmp_path / folder).mkdir()
        image = tmp_path / folder / "ct.npy"
        np.save(image, np.ones((3, 4, 5)))
        seg = make_segmentation(np.ones((3, 4, 5), int), recipe={"input": {"source": str(image)}})
        write_segmentation(seg, tmp_path / folder / "a.npy")
        if not there:
            image.unlink()
        back = read_segmentation(tmp_path / folder / "a.npy")
        assert back.recipe["input"]["source"] == (str(image) if there else "ct.npy")
