"""DICOM as scanners and archives compress it: opened with nothing more to install, to the very value where it is lossless."""

from __future__ import annotations

import sys

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from napari_segplugin.core import InputError
from napari_segplugin.io import dicom_codecs, read_image

LOSSLESS, LOSSLESS_SV1, EXTENDED = (UID(f"1.2.840.10008.1.2.4.{n}") for n in ("57", "70", "51"))
JPEG_LS, JPEG_2000, HIGH_THROUGHPUT = (UID(f"1.2.840.10008.1.2.4.{n}") for n in ("80", "90", "201"))


def own(name: str) -> str:
    """A file that pydicom brings along."""
    path = get_testdata_file(name, download=False)
    assert path, name
    return str(path)


@pytest.fixture
def only_imagecodecs(monkeypatch):
    """As where none of pydicom's own decoders can be used: what a plain install on any system has at the least."""
    for uid in dicom_codecs._CODECS:
        decoder = get_decoder(UID(uid))
        dicom_codecs.add_decoders(pydicom)
        monkeypatch.setattr(decoder, "_available", {"imagecodecs": decoder._available["imagecodecs"]})


def written(tmp_path, array, syntax, frame, bits):
    """A data set with one compressed frame; signed if the array is."""
    data = pydicom.dcmread(own("MR_small.dcm"))
    data.Rows, data.Columns = array.shape[:2]
    data.SamplesPerPixel = 3 if array.ndim == 3 else 1
    if array.ndim == 3:
        data.PhotometricInterpretation, data.PlanarConfiguration = "RGB", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = array.dtype.itemsize * 8, bits, bits - 1
    data.PixelRepresentation = int(array.dtype.kind == "i")
    data.PixelData = encapsulate([frame])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = syntax
    data.save_as(tmp_path / "a.dcm")
    return tmp_path / "a.dcm"


def values(bits, signed=False, colours=()):
    rng = np.random.default_rng(bits)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    kind = f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}"
    array = rng.integers(low, high, (33, 47, *colours)).astype(kind)
    array[0, 0], array[0, 1] = low, high - 1
    return array


def code(array, bits):
    """The values as a code stream without sign stores them: the lowest bits of each."""
    return (array.astype(np.int64) & (2**bits - 1)).astype(f"u{array.dtype.itemsize}")


@pytest.mark.usefixtures("only_imagecodecs")
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", [LOSSLESS, LOSSLESS_SV1])
def test_lossless_jpeg(tmp_path, syntax, bits, signed):
    array = values(bits, signed)
    path = written(tmp_path, array, syntax, imagecodecs.ljpeg_encode(code(array, bits), bitspersample=bits), bits)
    np.testing.assert_array_equal(read_image(path).array, array)


@pytest.mark.usefixtures("only_imagecodecs")
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_jpeg_ls(tmp_path, bits, signed):
    array = values(bits, signed)
    frame = imagecodecs.jpegls_encode(array.view(f"u{array.dtype.itemsize}"))
    path = written(tmp_path, array, JPEG_LS, frame, bits)
    np.testing.assert_array_equal(read_image(path).array, array)


@pytest.mark.usefixtures("only_imagecodecs")
@pytest.mark.parametrize(("bits", "colours"), [(8, ()), (12, ()), (16, ()), (8, (3,)), (12, (3,))])
@pytest.mark.parametrize("syntax", [JPEG_2000, HIGH_THROUGHPUT])
def test_jpeg_2000(tmp_path, syntax, bits, colours):
    array = values(bits, colours=colours)
    if syntax == HIGH_THROUGHPUT:
        frame = imagecodecs.htj2k_encode(array, reversible=True)
    else:
        frame = imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="j2k", bitspersample=bits)
    np.testing.assert_array_equal(read_image(written(tmp_path, array, syntax, frame, bits)).array, array)


@pytest.mark.usefixtures("only_imagecodecs")
@pytest.mark.parametrize(
    ("compressed", "plain"),
    [("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"), ("MR_small_jp2klossless.dcm", "MR_small.dcm")],
)
def test_files_of_others_give_what_is_stored_without_compression(compressed, plain):
    np.testing.assert_array_equal(read_image(own(compressed)).array, read_image(own(plain)).array)


def test_12_bit_jpeg_of_others():
    """Pillow, which pydicom asks, knows 8 bits only."""
    image = read_image(own("JPGExtended.dcm"))
    assert image.array.shape == (1024, 256)
    assert 255 < int(np.asarray(image.array).max()) < 4096


@pytest.mark.usefixtures("only_imagecodecs")
@pytest.mark.parametrize("name", ["SC_rgb_jls_lossy_line.dcm", "SC_rgb_jls_lossy_sample.dcm"])
def test_colours_of_jpeg_ls_are_the_same_by_line_and_by_pixel(name):
    image = read_image(own(name))
    assert image.axes == "YXC"
    truth = read_image(own("SC_rgb_rle.dcm"))
    assert np.abs(np.asarray(image.array).astype(int) - np.asarray(truth.array).astype(int)).max() <= 10


def test_our_decoders_are_added_once_and_come_last():
    dicom_codecs.add_decoders(pydicom)
    dicom_codecs.add_decoders(pydicom)
    found = [*get_decoder(JPEG_2000)._available]
    assert found[-1] == "imagecodecs"
    assert found.count("imagecodecs") == 1


def test_without_imagecodecs_nothing_is_promised(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert not dicom_codecs.is_available(str(LOSSLESS))


class Runner:
    """What pydicom hands to a decoder."""

    photometric_interpretation = "RGB"

    def __init__(self, syntax, samples=1):
        self.transfer_syntax, self.samples_per_pixel = syntax, samples
        self.rows, self.columns = 3, 4


def test_a_frame_of_another_size_is_left_to_the_next_decoder():
    frame = imagecodecs.ljpeg_encode(np.zeros((5, 4), np.uint8))
    with pytest.raises(ValueError, match=r"shape \(5, 4\)"):
        dicom_codecs.decode_frame(frame, Runner(LOSSLESS))


def test_12_bit_jpeg_in_colour_is_left_to_the_next_decoder():
    with pytest.raises(NotImplementedError, match="in colour"):
        dicom_codecs.decode_frame(b"", Runner(EXTENDED, 3))


def test_a_damaged_frame_is_a_sentence(tmp_path):
    array = values(12)
    frame = imagecodecs.ljpeg_encode(array, bitspersample=12)
    with pytest.raises(InputError, match="damaged"):
        read_image(written(tmp_path, array, LOSSLESS, frame[:40], 12))
