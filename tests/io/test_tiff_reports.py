"""Faults that people reported of other programs, each with the address of its report."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile

from napari_segplugin.io import read_image

STACK = np.arange(6 * 9 * 11, dtype=np.uint8).reshape(6, 9, 11)


def test_a_unit_for_x_alone_is_doubted(tmp_path) -> None:
    """https://github.com/ilastik/ilastik/issues/3091: writers name the unit of X, and OME's default for Y is another."""
    about = {
        "axes": "ZYX",
        "PhysicalSizeX": 16.5,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 16.5,
        "PhysicalSizeZ": 25.0,
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, ome=True, metadata=about)
    note = read_image(tmp_path / "a.ome.tif").metadata["notes"][0]
    assert "16500 nm high and 16.5 nm wide; one of the two may have another unit" in note


def test_a_uuid_without_a_file_name(tmp_path) -> None:
    """https://github.com/ome/bioformats/issues/3062: the planes are in the file itself."""
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, ome=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        text = tif.ome_metadata.replace('PlaneCount="6"/>', 'PlaneCount="6"><UUID>urn:uuid:1</UUID></TiffData>')
    tifffile.tiffcomment(tmp_path / "a.ome.tif", text)
    image = read_image(tmp_path / "a.ome.tif")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.array, STACK)


def test_nanometres_and_milliseconds(tmp_path) -> None:
    """https://github.com/scifio/scifio/issues/318: unit of the size and time step were not recognised."""
    about = {"axes": "TYX", "TimeIncrement": 9.997, "TimeIncrementUnit": "ms"}
    about |= {f"PhysicalSize{a}": 108.333 for a in "XY"} | {f"PhysicalSize{a}Unit": "nm" for a in "XY"}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, ome=True, metadata=about)
    image = read_image(tmp_path / "a.ome.tif")
    assert (image.spacing, image.unit, image.metadata["frame_interval"]) == ((108.333, 108.333), "nm", 0.009997)


def test_planes_in_the_order_zct(tmp_path) -> None:
    """https://github.com/micro-manager/micro-manager/issues/894: depth runs faster than channels where ImageJ says so."""
    text = "ImageJ=1.53\nimages=6\nchannels=3\nslices=2\nhyperstack=true\norder=zct\n"
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for plane in STACK:
            tif.write(plane, description=text, metadata=None, contiguous=False)
            text = ""
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "CZYX"
    np.testing.assert_array_equal(image.array, STACK.reshape(3, 2, 9, 11))


def test_imagej_keeps_one_page_of_a_large_stack(tmp_path) -> None:
    """https://github.com/scifio/scifio/issues/317 and https://github.com/DylanMuir/TIFFStack/issues/7; a cut one is damaged."""
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        page, order = tif.pages[0], tif.byteorder
        start, data = page.offset, page.dataoffsets[0]
    whole = bytearray((tmp_path / "a.tif").read_bytes())
    count = struct.unpack_from(f"{order}H", whole, start)[0]
    struct.pack_into(f"{order}I", whole, start + 2 + 12 * count, 0)  # no further page
    (tmp_path / "a.tif").write_bytes(whole)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, STACK)
    (tmp_path / "b.tif").write_bytes(whole[: data + STACK.size - 50])
    with pytest.raises(Exception, match=r"'b\.tif' cannot be read as TIFF"):
        read_image(tmp_path / "b.tif")


def test_a_scale_of_imagej(tmp_path) -> None:
    """https://github.com/napari/napari/issues/5165: 0.1 × 0.1 × 0.3 was opened as 1 × 1 × 1."""
    about = {"axes": "ZYX", "spacing": 0.3, "unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(10, 10), metadata=about)
    assert read_image(tmp_path / "a.tif").spacing == (0.3, 0.1, 0.1)


def test_a_picture_with_a_scale_bar_before_the_data(tmp_path) -> None:
    """https://github.com/hyperspy/hyperspy/issues/2511: both are named, so that nobody measures the picture unknowingly."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(np.stack([STACK[0], STACK[1], STACK[2]], -1), photometric="rgb", metadata=None)
        tif.write(STACK[1].astype(np.uint16), metadata=None)
    note = read_image(tmp_path / "a.tif").metadata["notes"][0]
    assert note == "'a.tif' contains 2 images: 1 (9 × 11 × 3), 2 (9 × 11). Number 1 is opened."


def test_a_centimetre_of_imagej_is_one(tmp_path) -> None:
    """https://github.com/ome/bioformats/pull/3676: the unit of the description and that of the tag are the same here."""
    options = {"resolution": (0.05, 0.05), "resolutionunit": "CENTIMETER", "metadata": {"unit": "cm"}}
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], imagej=True, **options)
    assert (read_image(tmp_path / "a.tif").spacing, read_image(tmp_path / "a.tif").unit) == ((20.0, 20.0), "cm")
