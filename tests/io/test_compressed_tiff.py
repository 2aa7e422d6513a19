"""TIFF as microscopes, scanners and Photoshop compress it: the reader gives the very values, with nothing more to install."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as pillow

from napari_segplugin.core import InputError
from napari_segplugin.io import read_image
from napari_segplugin.io import tiff as reader


def scene(dtype: str) -> np.ndarray:
    """Something with edges, noise and the whole range of values."""
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    array = rng.integers(0, top, (61, 75), endpoint=True, dtype=dtype)
    array[10:40, 20:60] = top // 2
    array[0, 0], array[-1, -1] = 0, top
    return array


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"])
def test_what_pillow_compresses_without_loss(tmp_path, compression, dtype):
    array = scene(dtype)
    pillow.fromarray(array).save(tmp_path / "a.tif", compression=compression)
    image = read_image(tmp_path / "a.tif")
    assert image.array.dtype == array.dtype
    np.testing.assert_array_equal(image.array, array)


@pytest.mark.parametrize(
    ("compression", "options"),
    [
        *[(name, {"predictor": p}) for name in ("lzw", "zlib", "zstd") for p in (False, True)],
        ("lzma", {}),
        ("packbits", {}),
        ("png", {}),
        ("jpeg2000", {"compressionargs": {"level": 0, "reversible": True}}),
        ("jpegxl", {"compressionargs": {"lossless": True}}),
    ],
)
def test_what_tifffile_compresses_without_loss(tmp_path, compression, options):
    array = np.stack([scene("uint16"), scene("uint16")[::-1]])
    about = {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(tmp_path / "a.tif", array, compression=compression, **about, **options)
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.array, array)


@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4"])
def test_fax_of_black_and_white(tmp_path, compression):
    array = scene("uint8") > 100
    pillow.fromarray(array).save(tmp_path / "a.tif", compression=compression)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.pages[0].compression in (2, 3, 4)
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "a.tif").array) > 0, array)


def test_jpeg_in_grey(tmp_path):
    """As it is decoded by another program: the loss is in the file."""
    array = scene("uint8")
    pillow.fromarray(array).save(tmp_path / "a.tif", compression="jpeg", quality=90)
    found = np.asarray(read_image(tmp_path / "a.tif").array)
    np.testing.assert_array_equal(found, np.asarray(pillow.open(tmp_path / "a.tif")))


def test_jpeg_in_colour(tmp_path):
    array = np.stack([scene("uint8"), scene("uint8")[::-1], scene("uint8")[:, ::-1]], axis=-1)
    smooth = np.asarray(pillow.fromarray(array).resize((75, 61), pillow.Resampling.BILINEAR, (0, 0, 20, 16)))
    pillow.fromarray(smooth).save(tmp_path / "a.tif", compression="jpeg", quality=95)
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "YXC"
    np.testing.assert_allclose(
        np.asarray(image.array).astype(int), np.asarray(pillow.open(tmp_path / "a.tif")).astype(int), atol=2
    )


def test_a_large_compressed_file_is_read_by_pieces(tmp_path, monkeypatch):
    array = np.stack([scene("uint16")] * 3)
    tifffile.imwrite(tmp_path / "a.tif", array, compression="lzw", photometric="minisblack", metadata={"axes": "ZYX"})
    monkeypatch.setattr(reader, "IN_MEMORY", 100)
    image = read_image(tmp_path / "a.tif")
    assert not isinstance(image.array, np.ndarray)
    np.testing.assert_array_equal(image.array[1:2, 5:20, 7:30], array[1:2, 5:20, 7:30])


def test_a_compression_that_nobody_knows_is_a_sentence(tmp_path, monkeypatch):
    """What an environment without imagecodecs meets."""
    tifffile.imwrite(tmp_path / "a.tif", scene("uint8"), compression="lzw")
    monkeypatch.setitem(tifffile.TIFF.DECOMPRESSORS._codecs, 5, None)
    with pytest.raises(InputError, match=r"cannot be read here.*LZW.*pip install -U imagecodecs"):
        read_image(tmp_path / "a.tif")


def test_the_codecs_that_the_reader_promises_are_in_the_installed_package():
    names = ("LZW", "JPEG8", "CCITTFAX4", "ZSTD", "LZMA", "JPEG2K", "JPEGLS", "JPEGSOF3", "LERC", "WEBP")
    assert [n for n in names if not getattr(imagecodecs, n).available] == []
