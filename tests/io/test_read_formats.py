"""Axes, voxel size, unit and values come out as each format stores them."""

from __future__ import annotations

import gc
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as pillow

from napari_segplugin.core import InputError
from napari_segplugin.io import FORMATS, omezarr, read_image, read_labels, tiff
from napari_segplugin.io.files import Format
from napari_segplugin.io.formats import extension_of, stem_of
from napari_segplugin.io.lazy import LazyArray
from napari_segplugin.io.row import FormatRow
from napari_segplugin.io.units import one_unit, short_unit

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    ">u2",
]


def values(rng, shape, dtype):
    return rng.integers(0, 100, shape).astype(dtype) if dtype != "bool" else rng.random(shape) > 0.5


@pytest.mark.parametrize("row", list(FORMATS), ids=lambda row: row.name)
def test_every_row_loads_and_keeps_its_word(row) -> None:
    functions = row.load()
    assert isinstance(functions, Format)
    assert bool(functions.read) == row.reads
    assert bool(functions.write) == row.writes
    assert all(e == e.lower() and e.startswith(".") for e in row.extensions)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(9, 11), (4, 9, 11), (2, 3, 4, 9, 11)], ids=["2D", "3D", "5D"])
def test_npy_round_trip(tmp_path, rng, dtype, shape) -> None:
    array = values(rng, shape, dtype)
    np.save(tmp_path / "a.npy", array)
    image = read_image(tmp_path / "a.npy")
    assert np.array_equal(image.array, array)
    assert image.array.dtype == np.dtype(dtype).newbyteorder("=")
    assert bool(image.metadata["axes_doubt"]) == (len(shape) > 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", ["YX", "ZYX", "TZCYX"])
def test_tiff_with_named_axes(tmp_path, rng, dtype, axes) -> None:
    array = values(rng, (2, 3, 4, 9, 11)[-len(axes) :], dtype)
    path = tmp_path / "a.tif"
    byteorder = ">" if dtype.startswith(">") else "<"
    tifffile.imwrite(path, array, metadata={"axes": axes}, byteorder=byteorder, photometric="minisblack")
    image = read_image(path)
    assert image.axes == axes
    assert image.metadata["axes_doubt"] == ""
    assert np.array_equal(image.array, array)


def test_imagej_tiff_gives_voxel_size_and_unit(tmp_path) -> None:
    path = tmp_path / "a.tif"
    about = {"axes": "ZCYX", "spacing": 1.5, "unit": "micron"}
    tifffile.imwrite(path, np.zeros((4, 2, 9, 11), np.uint16), imagej=True, resolution=(4, 2), metadata=about)
    image = read_image(path)
    assert (image.axes, image.spacing, image.unit) == ("ZCYX", (1.5, 0.5, 0.25), "um")


def test_imagej_writes_micro_as_an_escape(tmp_path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((9, 11), np.uint8), imagej=True, resolution=(4, 4), metadata={"unit": "\\u00B5m"})
    assert read_image(path).unit == "um"


def test_ome_tiff_brings_units_together(tmp_path) -> None:
    about = {"axes": "CZYX", "PhysicalSizeZ": 1, "PhysicalSizeZUnit": "µm"}
    about |= {f"PhysicalSize{a}": 250 for a in "XY"} | {f"PhysicalSize{a}Unit": "nm" for a in "XY"}
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((2, 4, 9, 11), np.uint8), ome=True, metadata=about)
    image = read_image(tmp_path / "a.ome.tif")
    assert (image.axes, image.spacing, image.unit) == ("CZYX", (1000.0, 250.0, 250.0), "nm")
    assert image.name == "a"


@pytest.mark.parametrize(
    ("resolution", "unit", "spacing"),
    [((40000, 20000), "CENTIMETER", (0.5, 0.25)), ((72, 72), "INCH", (1.0, 1.0)), ((0, 0), "CENTIMETER", (1.0, 1.0))],
)
def test_plain_tiff_believes_only_fine_resolutions(tmp_path, resolution, unit, spacing) -> None:
    path = tmp_path / "a.tif"
    options = {"metadata": None, "resolution": resolution, "resolutionunit": unit}
    tifffile.imwrite(path, np.zeros((9, 11), np.uint8), **options)
    assert read_image(path).spacing == pytest.approx(spacing)


def test_plain_stack_is_doubted_and_arguments_win(tmp_path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((5, 9, 11), np.uint8), photometric="minisblack")
    assert "depth Z" in read_image(path).metadata["axes_doubt"]
    image = read_image(path, axes="tyx", spacing=(0.5, 0.25), unit="micrometer")
    assert (image.axes, image.spacing, image.unit) == ("TYX", (0.5, 0.25), "um")
    assert image.metadata["axes_doubt"] == ""


def test_tiff_colours(tmp_path, rng) -> None:
    array = rng.integers(0, 255, (9, 11, 4)).astype(np.uint8)
    array[..., 3] = np.where(array[..., 3] > 99, 255, 0)
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "rgba.tif", array, **options)
    image = read_image(tmp_path / "rgba.tif")
    assert (image.axes, image.metadata["alpha"]) == ("YXC", "dropped")
    assert np.array_equal(image.array, array[..., :3])
    tifffile.imwrite(
        tmp_path / "planar.tif", np.moveaxis(array[..., :3], -1, 0), photometric="rgb", planarconfig="separate"
    )
    assert read_image(tmp_path / "planar.tif").axes == "CYX"
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([array[..., :3]] * 5), photometric="rgb")
    stack = read_image(tmp_path / "stack.tif")
    assert stack.axes == "ZYXC"
    assert stack.metadata["axes_doubt"]


def test_tiff_with_channels_and_samples_is_refused(tmp_path) -> None:
    array = np.zeros((2, 9, 11, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, photometric="rgb", metadata={"axes": "CYXS"})
    with pytest.raises(InputError, match="both channels and colour"):
        read_image(tmp_path / "a.tif")


def test_tiff_with_several_images_says_so(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(np.ones((9, 11), np.uint8), metadata=None)
        tif.write(np.zeros((5, 7), np.uint16), metadata=None)
    image = read_image(tmp_path / "a.tif")
    assert image.array.shape == (9, 11)
    assert image.metadata["notes"] == ["'a.tif' contains 2 images: 1 (9 × 11), 2 (5 × 7). Number 1 is opened."]


def test_tiff_with_foreign_compression_names_the_package(tmp_path, monkeypatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 11), np.uint8), compression="zlib")
    monkeypatch.setattr(tiff.tifffile, "TIFF", type("T", (), {"DECOMPRESSORS": {}}))
    with pytest.raises(InputError, match="imagecodecs"):
        read_image(tmp_path / "a.tif")


def test_large_tiff_stays_on_disk(tmp_path, rng, monkeypatch) -> None:
    monkeypatch.setattr(tiff, "IN_MEMORY", 100)
    array = rng.integers(0, 255, (4, 9, 11)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", array, metadata={"axes": "ZYX"}, compression="zlib", photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    assert isinstance(image.array, LazyArray)
    assert (image.array.ndim, image.array.nbytes, len(image.array)) == (3, array.nbytes, 4)
    assert np.array_equal(image.array, array)
    assert np.array_equal(image.read((slice(1, 3), slice(2, 5), slice(0, 4)))[0], array[1:3, 2:5, :4])
    assert np.array_equal(np.asarray(image.array, dtype=np.float32), array)
    assert "LazyArray(a.tif" in repr(image.array)


@pytest.mark.filterwarnings("error::ResourceWarning", "error::pytest.PytestUnraisableExceptionWarning")
def test_a_large_tiff_is_closed_with_its_array(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tiff, "IN_MEMORY", 100)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 11, 13), np.uint8), photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    held = Path("/proc/self/fd")
    opened = [p for p in held.iterdir() if p.exists() and p.resolve() == tmp_path / "a.tif"] if held.is_dir() else []
    del image
    gc.collect()
    assert not [p for p in opened if p.exists() and p.resolve() == tmp_path / "a.tif"]


@pytest.mark.parametrize(
    ("mode", "axes", "dropped"),
    [("L", "YX", False), ("1", "YX", False), ("LA", "YX", True), ("RGB", "YXC", False), ("RGBA", "YXC", True)],
)
def test_png_colours_and_alpha(tmp_path, mode, axes, dropped) -> None:
    colours = np.arange(297, dtype=np.uint16).reshape(9, 11, 3).astype(np.uint8)
    pillow.fromarray(colours).convert(mode).save(tmp_path / "a.PNG")
    image = read_image(tmp_path / "a.PNG")
    assert image.axes == axes
    assert ("alpha" in image.metadata) == dropped
    assert image.n_channels == (3 if "C" in axes else 1)


def test_png_16_bit_and_cmyk_jpeg(tmp_path) -> None:
    array = np.arange(99, dtype=np.uint16).reshape(9, 11) * 600
    imageio.imwrite(tmp_path / "a.png", array)
    assert np.array_equal(read_image(tmp_path / "a.png").array, array)
    pillow.new("CMYK", (11, 9), (0, 0, 0, 0)).save(tmp_path / "a.jpg")
    image = read_image(tmp_path / "a.jpg")
    assert image.array.shape == (9, 11, 3)
    assert image.array.min() > 250, "no ink is white"


def ome_zarr(path, array, axes, zarr_format, scale, units, extra_scale=None) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    level = group.create_array("s0", shape=array.shape, chunks=tuple(min(4, n) for n in array.shape), dtype=array.dtype)
    level[...] = array
    entries = [
        {"name": a.lower(), "type": "space"} | ({"unit": u} if u else {}) for a, u in zip(axes, units, strict=True)
    ]
    steps = [{"type": "scale", "scale": scale}]
    scales = {"axes": entries, "datasets": [{"path": "s0", "coordinateTransformations": steps}], "name": "cells"}
    if extra_scale:
        scales["coordinateTransformations"] = [{"type": "scale", "scale": extra_scale}]
    group.attrs.update({"multiscales": [scales]} if zarr_format == 2 else {"ome": {"multiscales": [scales]}})


@pytest.mark.parametrize("zarr_format", [2, 3], ids=["0.4", "0.5"])
def test_ome_zarr_lazily(tmp_path, rng, zarr_format) -> None:
    array = rng.integers(0, 900, (2, 5, 9, 11)).astype(np.uint16)
    units = [None, "micrometer", "nanometer", "nanometer"]
    ome_zarr(tmp_path / "a b#1.zarr", array, "CZYX", zarr_format, [1, 2, 250, 250], units, [1, 1, 2, 2])
    image = read_image(tmp_path / "a b#1.zarr")
    assert (image.axes, image.spacing, image.unit) == ("CZYX", (2000.0, 500.0, 500.0), "nm")
    assert isinstance(image.array, LazyArray)
    assert np.array_equal(image.read(), array)
    assert image.metadata["axes_doubt"] == ""


def test_plain_zarr_array_and_folder_without_the_extension(tmp_path) -> None:
    for name in ("a.zarr", "a_folder"):
        array = zarr.create_array(tmp_path / name, shape=(5, 9, 11), chunks=(5, 9, 11), dtype="float64")
        array[...] = 7
        image = read_image(tmp_path / name)
        assert image.axes == "ZYX"
        assert image.metadata["axes_doubt"]
        assert float(image.array[4, 8, 10]) == 7


def test_zarr_group_without_multiscales(tmp_path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("only", shape=(9, 11), dtype="u1")
    assert read_image(tmp_path / "a.zarr").axes == "YX"
    group.create_array("other", shape=(9, 11), dtype="u1")
    with pytest.raises(InputError, match=r"which of its arrays.*only, other"):
        read_image(tmp_path / "a.zarr")


def test_bioformats_layout_and_plates(tmp_path, rng) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    ome_zarr(tmp_path / "a.zarr" / "0", rng.random((9, 11)), "YX", 2, [2, 3], ["mm", "mm"])
    assert read_image(tmp_path / "a.zarr").spacing == (2.0, 3.0)
    zarr.open_group(tmp_path / "p.zarr", mode="w").attrs["plate"] = {}
    with pytest.raises(InputError, match="plate or a well"):
        read_image(tmp_path / "p.zarr")


def test_zarr_axes_of_foreign_names_are_doubted(tmp_path, rng) -> None:
    ome_zarr(tmp_path / "a.zarr", rng.random((5, 9, 11)), "QYX", 2, [1, 1, 1], [None] * 3)
    assert read_image(tmp_path / "a.zarr").metadata["axes_doubt"]
    assert omezarr.FORMAT.read is not None


def test_axes_that_do_not_fit_are_refused(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 9, 11)))
    with pytest.raises(InputError, match="does not fit the array"):
        read_image(tmp_path / "a.npy", axes="YX")
    with pytest.raises(InputError, match="voxel size does not fit"):
        read_image(tmp_path / "a.npy", axes="ZYX", spacing=(1, -1, 1))


@pytest.mark.parametrize(
    ("name", "extension", "stem"),
    [
        ("Brain.V2.NII.GZ", ".nii.gz", "Brain.V2"),
        ("a.ome.tif", ".tif", "a"),
        ("x.TIFF", ".tiff", "x"),
        ("b.c", ".c", "b"),
    ],
)
def test_names_with_several_dots(tmp_path, name, extension, stem) -> None:
    assert extension_of(tmp_path / name) == extension
    assert stem_of(tmp_path / name) == stem


def test_units() -> None:
    assert [short_unit(u) for u in ("µm", "μm", "Micron", "mm", "furlong", "")] == [
        "um",
        "um",
        "um",
        "mm",
        "furlong",
        "pixel",
    ]
    assert one_unit({"Z": 1.0, "X": 2.0}, {"Z": "furlong", "X": "um"}) == ({"Z": 1.0, "X": 2.0}, "pixel")
    assert one_unit({}, {}) == ({}, "pixel")


def test_format_that_can_only_be_written(tmp_path, monkeypatch) -> None:
    np.save(tmp_path / "a.npy", np.zeros((9, 11)))
    monkeypatch.setattr("napari_segplugin.io.npy.FORMAT", Format())
    for reader in (read_image, read_labels):
        with pytest.raises(InputError, match="written but not read"):
            reader(tmp_path / "a.npy")


def test_an_array_on_disk_is_gone_through_plane_by_plane(tmp_path) -> None:
    import zarr

    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=(3, 4), chunks=(2, 2), dtype="u1")
    array[:] = np.arange(12).reshape(3, 4)
    assert [row.tolist() for row in LazyArray(array, tmp_path, "zarr")] == np.arange(12).reshape(3, 4).tolist()


@pytest.mark.parametrize(("extensions", "got"), [((), "none at all"), ((".TIF",), ".TIF"), (("tif",), "tif")])
def test_a_format_has_extensions_that_files_have(extensions, got) -> None:
    with pytest.raises(InputError, match=f"'x' has an extension that no file has. Got {got}"):
        FormatRow("x", "X", "math:pi", extensions=extensions)
