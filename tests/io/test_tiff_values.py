"""What the numbers of a TIFF mean, checked against Pillow and libtiff."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as pillow
from PIL import ImageCms

from napari_segplugin.io import read_image, read_labels, tiff
from napari_segplugin.io.lazy import LazyArray

CASES = Path(__file__).parent / "cases"


@pytest.fixture(params=["in memory", "on disk"])
def place(request, monkeypatch):
    """Both ways of reading give the same numbers."""
    if request.param == "on disk":
        monkeypatch.setattr(tiff, "IN_MEMORY", 10)
    return request.param


def scene(shape=(48, 64)) -> np.ndarray:
    """(…, 3) uint8 with smooth colours."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([4 * y + x, 3 * x, 255 - 2 * y - x], axis=-1).clip(0, 255).astype(np.uint8)


def opened(path, place):
    image = read_image(path)
    assert isinstance(image.array, LazyArray) == (place == "on disk")
    return image, np.asarray(image.array)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int16"])
def test_white_stored_as_zero_is_inverted(tmp_path, place, dtype):
    top = {"bool": 1, "uint8": 255, "uint16": 65535, "int16": -1}[dtype]
    bright = np.arange(63).reshape(7, 9).astype(dtype)
    stored = ~bright if dtype == "bool" else (top - bright.astype(int)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite")
    image, found = opened(tmp_path / "a.tif", place)
    np.testing.assert_array_equal(found, bright)
    assert found.dtype == bright.dtype
    assert "stores white as 0" in image.metadata["notes"][0]
    if dtype == "uint8":
        np.testing.assert_array_equal(read_labels(tmp_path / "a.tif")[0], stored, "labels are numbers, not brightness")


def test_the_same_picture_stored_both_ways(place):
    white = np.asarray(read_image(CASES / "miniswhite.tif").array)
    np.testing.assert_array_equal(white, np.asarray(read_image(CASES / "same_minisblack.tif").array))
    assert (white.min(), white.max()) == (20, 220)


def test_fractions_cannot_be_inverted_and_that_is_said(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((7, 9), np.float32), photometric="miniswhite")
    assert "left as they are" in read_image(tmp_path / "a.tif").metadata["notes"][0]


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_inks_are_converted_as_pillow_does(tmp_path, place, compression):
    inks = pillow.fromarray(scene()).convert("CMYK")
    inks.save(tmp_path / "a.tif", compression=compression, **({"quality": 100} if compression == "jpeg" else {}))
    right = np.asarray(pillow.open(tmp_path / "a.tif").convert("RGB")).astype(int)
    image, found = opened(tmp_path / "a.tif", place)
    assert image.axes == "YXC"
    np.testing.assert_allclose(found.astype(int), right, atol=1 if compression != "jpeg" else 3)
    assert "inks (CMYK)" in image.metadata["notes"][0]


def test_inks_of_16_bits_in_planes(tmp_path, place):
    inks = np.zeros((4, 7, 9), np.uint16)
    inks[0], inks[3] = 65535, np.arange(63).reshape(7, 9) * 1000
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated", planarconfig="separate")
    image, found = opened(tmp_path / "a.tif", place)
    assert (image.axes, found.dtype) == ("CYX", np.uint16)
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_array_equal(found[1:], np.stack([65535 - inks[3]] * 2))


def test_brightness_and_colour_differences(tmp_path, place):
    pillow.fromarray(scene()).convert("YCbCr").save(tmp_path / "a.tif")
    image, found = opened(tmp_path / "a.tif", place)
    right = imagecodecs.tiff_decode((tmp_path / "a.tif").read_bytes(), asrgb=True)[..., :3]
    np.testing.assert_allclose(found.astype(int), scene().astype(int), atol=3)
    np.testing.assert_allclose(found.astype(int), right.astype(int), atol=2)
    assert "YCbCr" in image.metadata["notes"][0]


@pytest.mark.parametrize(
    ("compression", "photometric"), [(33003, "ycbcr"), (33003, "rgb"), (33005, "rgb"), (34712, "rgb")]
)
def test_jpeg_2000_of_slide_scanners(tmp_path, place, compression, photometric):
    """Aperio's 33003 holds YCbCr, which OpenSlide takes from the compression, not from the other tag."""
    stored = np.asarray(pillow.fromarray(scene()).convert("YCbCr")) if compression == 33003 else scene()
    options = {"compressionargs": {"level": 0, "reversible": True, "mct": False}, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric, compression=compression, **options)
    found = opened(tmp_path / "a.tif", place)[1]
    np.testing.assert_allclose(found.astype(int), scene().astype(int), atol=3 if compression == 33003 else 0)


def test_labels_that_were_saved_in_colour(tmp_path):
    labels = (scene()[..., 0] // 9).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", np.stack([labels] * 3, -1), photometric="rgb")
    pillow.fromarray(np.stack([labels] * 3, -1)).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        np.testing.assert_array_equal(read_labels(tmp_path / name)[0], labels)


def test_colour_differences_stored_more_coarsely(tmp_path):
    """Baseline YCbCr of 2 × 2: four of brightness, then one of each colour difference."""
    ycbcr = np.asarray(pillow.fromarray(scene()).convert("YCbCr"))
    blocks = ycbcr.reshape(24, 2, 32, 2, 3)
    grey = blocks[..., 0].transpose(0, 2, 1, 3).reshape(24, 32, 4)
    data = np.concatenate([grey, blocks[:, 0, :, 0, 1:]], axis=-1).astype(np.uint8).tobytes()
    whole = [(258, 3, 3, (8, 8, 8)), (530, 3, 2, (2, 2)), (277, 3, 1, 3), (262, 3, 1, 6)]
    _write_raw(tmp_path / "a.tif", data, 64, 48, whole)
    found = np.asarray(read_image(tmp_path / "a.tif").array)
    np.testing.assert_allclose(found.astype(int), scene().astype(int), atol=12)


def _write_raw(path, data, width, height, tags):
    """A TIFF of one strip, written byte by byte."""
    import struct

    rows = {256: (3, 1, width), 257: (3, 1, height), 259: (3, 1, 1), 273: (4, 1, 8), 278: (3, 1, height)}
    rows[279] = (4, 1, len(data))
    rows |= {tag: (kind, count, value) for tag, kind, count, value in tags}
    start = 8 + len(data)
    behind = start + 2 + 12 * len(rows) + 4
    ifd, more = struct.pack("<H", len(rows)), b""
    for tag, (kind, count, value) in sorted(rows.items()):
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"<{count}{'HI'[kind == 4]}", *values)
        if len(packed) > 4:
            packed, more = struct.pack("<I", behind + len(more)), more + packed
        ifd += struct.pack("<HHI", tag, kind, count) + packed.ljust(4, b"\0")
    path.write_bytes(b"II*\0" + struct.pack("<I", start) + data + ifd + struct.pack("<I", 0) + more)


def test_cielab_as_little_cms_and_pillow_write_it(tmp_path, place):
    soft = (scene() // 2 + 60).astype(np.uint8)
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    ImageCms.applyTransform(pillow.fromarray(soft), to_lab).save(tmp_path / "a.tif")
    image, found = opened(tmp_path / "a.tif", place)
    np.testing.assert_allclose(found.astype(int), soft.astype(int), atol=4)
    assert "CIELab" in image.metadata["notes"][0]


def test_a_palette_of_colours(tmp_path, place):
    indices = np.arange(63, dtype=np.uint8).reshape(7, 9) % 5
    table = np.zeros((3, 256), np.uint16)
    table[:, :5] = np.array([[255, 0, 0, 9, 90], [0, 255, 0, 9, 20], [0, 0, 255, 9, 250]]) * 257
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=table)
    image, found = opened(tmp_path / "a.tif", place)
    np.testing.assert_array_equal(found, np.asarray(pillow.open(tmp_path / "a.tif").convert("RGB")))
    assert (image.axes, image.metadata["channel_names"]) == ("YXC", ["red", "green", "blue"])
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif")[0], indices)


def test_a_palette_of_greys_and_a_colour_map_of_intensities(tmp_path, place):
    values = np.arange(63, dtype=np.uint8).reshape(7, 9)
    ramp = (np.arange(256) * 257).astype(np.uint16)
    tifffile.imwrite(tmp_path / "grey.tif", values, photometric="palette", colormap=np.stack([ramp[::-1]] * 3))
    image, found = opened(tmp_path / "grey.tif", place)
    np.testing.assert_array_equal(found, 255 - values)
    assert image.axes == "YX"
    green = np.stack([0 * ramp, ramp, 0 * ramp])
    tifffile.imwrite(tmp_path / "green.tif", values, photometric="palette", colormap=green)
    image, found = opened(tmp_path / "green.tif", place)
    np.testing.assert_array_equal(found, values)
    assert "color map" in image.metadata["notes"][0]


def aerial(band: np.ndarray, dtype="uint8") -> np.ndarray:
    return np.concatenate([scene(band.shape), band[..., None].astype(np.uint8)], axis=-1).astype(dtype)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
def test_a_fourth_band_of_data_stays(tmp_path, place, kind):
    near_infrared = np.random.default_rng(0).integers(20, 240, (48, 64))
    bands = aerial(near_infrared)
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="rgb", extrasamples=[kind])
    image, found = opened(tmp_path / "a.tif", place)
    np.testing.assert_array_equal(found, bands)
    assert image.metadata["channel_names"] == ["red", "green", "blue", "band 4"]
    words = "does not say what its band 4 is" if kind == "unspecified" else "values look like data"
    assert words in image.metadata["notes"][0]


@pytest.mark.parametrize("planar", [False, True])
def test_transparency_goes(tmp_path, place, planar):
    clear = np.zeros((48, 64), np.uint8)
    clear[5:40, 9:50] = 255
    bands = aerial(clear)
    stored, config = (np.moveaxis(bands, -1, 0), "separate") if planar else (bands, "contig")
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"], "planarconfig": config}
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    image, found = opened(tmp_path / "a.tif", place)
    np.testing.assert_array_equal(np.moveaxis(found, 0, -1) if planar else found, bands[..., :3])
    assert "is transparency, which is not used" in image.metadata["notes"][0]
    opaque = aerial(np.full((48, 64), 255))
    tifffile.imwrite(tmp_path / "b.tif", opaque, photometric="rgb", extrasamples=["unassalpha"])
    assert "notes" not in read_image(tmp_path / "b.tif").metadata


def test_colours_multiplied_by_a_soft_transparency(tmp_path, place):
    soft = np.tile(np.linspace(0, 255, 64).astype(int), (48, 1))
    bands = aerial(soft)
    bands[..., :3] = (bands[..., :3].astype(int) * soft[..., None] // 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="rgb", extrasamples=["assocalpha"])
    assert opened(tmp_path / "a.tif", place)[1].shape == (48, 64, 3)


def test_grey_stored_as_colours_is_one_channel(tmp_path):
    grey = scene()[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", np.stack([grey] * 3, axis=-1), photometric="rgb")
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.array, grey)
    assert "one channel" in image.metadata["notes"][0]
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, grey)
    tifffile.imwrite(tmp_path / "white.tif", np.full((9, 11, 3), 255, np.uint8), photometric="rgb")
    assert read_image(tmp_path / "white.tif").n_channels == 3, "an empty tile of a slide is in colour"


def test_16_bits_in_colour_keep_their_names(tmp_path, place):
    array = scene().astype(np.uint16) * 200
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb")
    image, found = opened(tmp_path / "a.tif", place)
    np.testing.assert_array_equal(found, array)
    assert (image.axes, image.metadata["channel_names"]) == ("YXC", ["red", "green", "blue"])


def imagej(path, array, **about):
    tifffile.imwrite(path, array, imagej=True, metadata=about)
    return path


def test_signed_values_of_imagej(place):
    image, found = opened(CASES / "signed16.tif", place)
    assert (found.dtype, found.min(), found.max()) == (np.int16, -980, -780)
    assert "-32768 + 1 · value" in image.metadata["notes"][0]


def test_a_calibration_by_a_line_and_by_a_curve(tmp_path, place):
    array = np.arange(99, dtype=np.uint16).reshape(9, 11)
    about = {"cf": 0, "c0": 0.5, "c1": 0.25, "vunit": "nM"}
    image, found = opened(imagej(tmp_path / "a.tif", array, **about), place)
    np.testing.assert_array_equal(found, (0.5 + 0.25 * array).astype(np.float32))
    assert image.metadata["value_unit"] == "nM"
    image, found = opened(imagej(tmp_path / "b.tif", array, cf=1, c0=1, c1=0, c2=2.5), place)
    np.testing.assert_array_equal(found, (1 + 2.5 * array.astype(float) ** 2).astype(np.float32))
    image, found = opened(imagej(tmp_path / "c.tif", array, cf=4, c0=1, c1=2), place)
    np.testing.assert_array_equal(found, array)
    assert "a curve (4) that is not applied" in image.metadata["notes"][0]
    image, found = opened(imagej(tmp_path / "d.tif", array, cf=0, c0=0, c1=1), place)
    np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif")[0], array)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_as_pillow_turns_it(tmp_path, place, orientation):
    array = scene()
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    right = np.asarray(pillow.open(tmp_path / "a.tif"))
    image, found = opened(tmp_path / "a.tif", place)
    np.testing.assert_array_equal(found, right)
    assert ("notes" in image.metadata) == (orientation > 1)


def test_a_turned_image_turns_its_pixel_size(tmp_path):
    options = {"resolution": (20000, 10000), "resolutionunit": "CENTIMETER", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", scene()[..., 0], extratags=[(274, 3, 1, 6, True)], **options)
    image = read_image(tmp_path / "a.tif")
    assert (image.array.shape, image.spacing) == ((64, 48), (0.5, 1.0))
