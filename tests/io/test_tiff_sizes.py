"""Sizes, units, place, time and channel names of a TIFF, whichever program wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_segplugin.io import read_image
from napari_segplugin.io.units import in_metres, in_seconds, long_unit, ome_unit, one_unit, short_unit

CASES = Path(__file__).parent / "cases"
PLANE = np.arange(99, dtype=np.uint8).reshape(9, 11)

# OME's schema, 2016-06: every unit of length that it names, in metres
OME_LENGTHS = {
    "Ym": 1e24, "Zm": 1e21, "Em": 1e18, "Pm": 1e15, "Tm": 1e12, "Gm": 1e9, "Mm": 1e6, "km": 1e3, "hm": 1e2, "dam": 10.0,
    "m": 1.0, "dm": 0.1, "cm": 1e-2, "mm": 1e-3, "µm": 1e-6, "nm": 1e-9, "pm": 1e-12, "fm": 1e-15, "am": 1e-18,
    "zm": 1e-21, "ym": 1e-24, "Å": 1e-10, "thou": 2.54e-5, "li": 0.0254 / 12, "in": 0.0254, "ft": 0.3048, "yd": 0.9144,
    "mi": 1609.344, "ua": 149597870700.0, "ly": 9.4607304725808e15, "pc": 3.0856775814913673e16, "pt": 0.0254 / 72,
}  # fmt: skip
OME_TIMES = {"Ys": 1e24, "ks": 1e3, "s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9, "min": 60, "h": 3600, "d": 86400}


@pytest.mark.parametrize(("unit", "metres"), OME_LENGTHS.items())
def test_every_length_of_ome(unit, metres) -> None:
    assert in_metres(unit) == pytest.approx(metres, rel=1e-12)
    assert ome_unit(short_unit(unit)) == unit
    assert one_unit({"Z": 3.0, "X": 1.0}, {"Z": "mm", "X": unit})[0]["Z"] > 0


@pytest.mark.parametrize(("unit", "seconds"), OME_TIMES.items())
def test_times_of_ome(unit, seconds) -> None:
    assert in_seconds(unit) == pytest.approx(seconds)


def test_names_of_ome_zarr_and_spellings_of_programs() -> None:
    assert [long_unit(u) for u in ("um", "Mm", "Å", "dam", "thou", "pixel")] == [
        "micrometer",
        "megameter",
        "angstrom",
        None,
        None,
        None,
    ]
    spellings = ("\\u00B5m", "μm", "microns", "Micrometer", "MICROMETRES", "um\0", "Âµm")
    assert {short_unit(u) for u in spellings} == {"um"}
    assert [short_unit(u) for u in ("MM", "Mm", "inches", "A", "\\u00C5", "Reference frame")] == [
        "mm",
        "Mm",
        "inch",
        "angstrom",
        "angstrom",
        "pixel",
    ]
    assert one_unit({"X": 2.0, "Y": 1.0}, {"X": "thou", "Y": "in"}) == ({"X": 50.8, "Y": 25400.0}, "um")


def ome(path, array, axes, **about):
    tifffile.imwrite(path, array, ome=True, metadata={"axes": axes, **about})
    return read_image(path)


def imagej(path, array, axes, resolution=(4, 4), **about):
    tifffile.imwrite(path, array, imagej=True, resolution=resolution, metadata={"axes": axes, **about})
    return read_image(path)


@pytest.mark.parametrize(("unit", "spacing"), [("CENTIMETER", 0.5), ("INCH", 1.27)])
@pytest.mark.parametrize("kind", ["plain", "shaped", "imagej"])
def test_the_unit_of_the_tags_counts_whatever_the_description(tmp_path, kind, unit, spacing) -> None:
    options = {"plain": {"metadata": None}, "shaped": {}, "imagej": {"imagej": True}}[kind]
    tifffile.imwrite(tmp_path / "a.tif", PLANE, resolution=(20000, 10000), resolutionunit=unit, **options)
    image = read_image(tmp_path / "a.tif")
    assert (image.unit, image.spacing) == ("um", pytest.approx((2 * spacing, spacing)))


def test_the_case_of_half_a_micrometre() -> None:
    image = read_image(CASES / "half_micron.tif")
    assert (image.spacing, image.unit) == ((0.5, 0.5), "um")


def test_the_resolution_of_a_printer_is_none_of_imagej_either(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PLANE, imagej=True, resolution=(72, 72), resolutionunit="INCH")
    assert (read_image(tmp_path / "a.tif").spacing, read_image(tmp_path / "a.tif").unit) == ((1.0, 1.0), "pixel")


def test_old_imagej_counts_by_the_centimetre_beside_micrometres(tmp_path) -> None:
    options = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER", "metadata": {"unit": "um"}}
    tifffile.imwrite(tmp_path / "a.tif", PLANE, imagej=True, **options)
    assert (read_image(tmp_path / "a.tif").spacing, read_image(tmp_path / "a.tif").unit) == ((0.5, 0.5), "um")


@pytest.mark.parametrize("size", [0.065, 0.1083333, 0.3, 1234.5678, 2.5e-5, 0.16125, 1 / 3])
def test_significant_digits_of_imagej(tmp_path, size) -> None:
    image = imagej(tmp_path / "a.tif", PLANE, "YX", resolution=(1 / size, 1 / size), unit="um")
    assert image.spacing == pytest.approx((size, size), rel=1e-9)


def test_imagej_names_a_unit_for_each_axis(tmp_path) -> None:
    stack = np.stack([PLANE] * 3)
    image = imagej(tmp_path / "a.tif", stack, "ZYX", unit="nm", yunit="nm", zunit="micron", spacing=0.5)
    assert (image.spacing, image.unit) == ((500.0, 0.25, 0.25), "nm")


def test_one_micrometre_by_one(tmp_path) -> None:
    image = imagej(tmp_path / "a.tif", PLANE, "YX", resolution=(1, 1), unit="um")
    assert (image.spacing, image.unit) == ((1.0, 1.0), "um")


@pytest.mark.parametrize(
    ("spacing", "found", "words"), [(-0.7, 0.7, "0.7 is used"), (0, 1, "taken as 1"), (float("nan"), 1, "taken as 1")]
)
def test_a_size_that_is_none_is_said(tmp_path, spacing, found, words) -> None:
    image = imagej(tmp_path / "a.tif", np.stack([PLANE] * 3), "ZYX", unit="um", spacing=spacing)
    assert image.spacing == (found, 0.25, 0.25)
    assert words in image.metadata["notes"][0]
    image = ome(tmp_path / "a.ome.tif", np.stack([PLANE] * 3), "ZYX", PhysicalSizeZ=spacing, PhysicalSizeX=2.0)
    assert image.spacing == (found, 1.0, 2.0)
    assert words in image.metadata["notes"][0]
    assert "no size along Y" in image.metadata["notes"][1]


def test_a_missing_size_is_said(tmp_path) -> None:
    image = ome(tmp_path / "a.ome.tif", np.stack([PLANE] * 3), "ZYX", PhysicalSizeY=0.5, PhysicalSizeX=0.5)
    assert image.metadata["notes"] == ["'a.ome.tif' gives no size along Z; it is taken as 1 um."]


def test_different_units_in_ome(tmp_path) -> None:
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 250, "PhysicalSizeYUnit": "nm"}
    image = ome(tmp_path / "a.ome.tif", PLANE, "YX", **sizes)
    assert (image.spacing, image.unit) == ((0.25, 0.25), "um")
    sizes |= {"PhysicalSizeYUnit": "reference frame"}
    image = ome(tmp_path / "b.ome.tif", PLANE, "YX", **sizes)
    assert image.unit == "pixel"
    assert "cannot be brought to one" in image.metadata["notes"][0]


@pytest.mark.parametrize(("unit", "seconds"), [("s", 2.5), ("ms", 0.0025), ("min", 150.0)])
def test_frame_interval(tmp_path, unit, seconds) -> None:
    film = np.stack([PLANE] * 4)
    image = ome(tmp_path / "a.ome.tif", film, "TYX", TimeIncrement=2.5, TimeIncrementUnit=unit)
    assert (image.axes, image.metadata["frame_interval"]) == ("TYX", pytest.approx(seconds))
    image = imagej(tmp_path / "a.tif", film, "TYX", finterval=2.5, tunit=unit)
    assert (image.axes, image.metadata["frame_interval"]) == ("TYX", pytest.approx(seconds))


def test_frame_interval_and_depth_from_the_planes(tmp_path) -> None:
    planes = {"DeltaT": [0.0, 0.0, 30.0, 30.0], "PositionZ": [5.0, 5.7, 5.0, 5.7], "PositionZUnit": ["µm"] * 4}
    array = np.stack([PLANE] * 4).reshape(2, 2, 9, 11)
    image = ome(tmp_path / "a.ome.tif", array, "TZYX", Plane=planes, PhysicalSizeX=0.5, PhysicalSizeY=0.5)
    assert image.metadata["frame_interval"] == 30.0
    assert image.spacing == (0.7, 0.5, 0.5)
    assert "distance of the planes" in image.metadata["notes"][0]
    assert image.place is not None
    assert image.place.matrix[:3, 3].tolist() == [5.0, 0.0, 0.0]


def test_position_on_the_stage(tmp_path) -> None:
    planes = {"PositionX": [1200.5], "PositionXUnit": ["µm"], "PositionY": [-3.0], "PositionYUnit": ["mm"]}
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    image = ome(tmp_path / "a.ome.tif", PLANE, "YX", Plane=planes, **sizes)
    assert image.affine[:3, 3].tolist() == [0.0, -3000.0, 1200.5]
    planes = {"PositionX": [1200.5], "PositionY": [-3.0]}
    assert ome(tmp_path / "b.ome.tif", PLANE, "YX", Plane=planes, **sizes).place is None, "a unit that nobody knows"


def test_origin_of_imagej(tmp_path) -> None:
    image = imagej(tmp_path / "a.tif", PLANE, "YX", unit="um", xorigin=-8, yorigin=4)
    assert image.affine[:3, 3].tolist() == [0.0, -1.0, 2.0]


@pytest.mark.parametrize("order", ["CZYX", "ZCYX", "TZCYX", "TCYX", "TYX", "CYX"])
def test_hyperstacks(tmp_path, order) -> None:
    rng = np.random.default_rng(0)
    shape = tuple({"T": 2, "Z": 3, "C": 4, "Y": 9, "X": 11}[a] for a in order)
    array = rng.integers(0, 255, shape).astype(np.uint8)
    image = ome(tmp_path / "a.ome.tif", array, order)
    assert image.axes == order
    np.testing.assert_array_equal(image.array, array)
    own = "".join(a for a in "TZCYX" if a in order)
    turned = array.transpose([order.index(a) for a in own])
    image = imagej(tmp_path / "a.tif", turned, own)
    assert image.axes == own
    np.testing.assert_array_equal(image.array, turned)


def test_names_of_channels(tmp_path) -> None:
    array = np.stack([PLANE] * 2)
    image = ome(tmp_path / "a.ome.tif", array, "CYX", Channel={"Name": ["DAPI", "GFP"]})
    assert image.metadata["channel_names"] == ["DAPI", "GFP"]
    image = imagej(tmp_path / "a.tif", array, "CYX", Labels=["DAPI", "GFP"])
    assert image.metadata["channel_names"] == ["DAPI", "GFP"]
    assert "channel_names" not in ome(tmp_path / "b.ome.tif", array, "ZYX").metadata


def test_headers_of_microscopes_and_scanners(tmp_path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", PLANE, description="Aperio Image Library v11|AppMag = 20|MPP = 0.4990", metadata=None
    )
    assert (read_image(tmp_path / "a.tif").spacing, read_image(tmp_path / "a.tif").unit) == ((0.499, 0.499), "um")
    fei = b"[User]\r\nUser=x\r\n[Scan]\r\nPixelWidth=1.5e-09\r\nPixelHeight=2.5e-09\r\n"
    tifffile.imwrite(tmp_path / "b.tif", PLANE, extratags=[(34682, 2, len(fei), fei, True)], metadata=None)
    assert (read_image(tmp_path / "b.tif").spacing, read_image(tmp_path / "b.tif").unit) == ((0.0025, 0.0015), "um")
    plane = '<PlaneInfo><prop id="spatial-calibration-state" type="bool" value="on"/>'
    plane += "".join(f'<prop id="spatial-calibration-{a}" type="float" value="0.325"/>' for a in "xy")
    plane += '<prop id="spatial-calibration-units" type="string" value="um"/></PlaneInfo>'
    tifffile.imwrite(
        tmp_path / "c.tif", PLANE, description=f"<MetaData>{plane}</MetaData>", software="MetaSeries", metadata=None
    )
    assert (read_image(tmp_path / "c.tif").spacing, read_image(tmp_path / "c.tif").unit) == ((0.325, 0.325), "um")
    sem = b"0\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 2.791 nm\r\n"
    tifffile.imwrite(tmp_path / "d.tif", PLANE, extratags=[(34118, 2, len(sem), sem, True)], metadata=None)
    assert (read_image(tmp_path / "d.tif").spacing, read_image(tmp_path / "d.tif").unit) == ((2.791, 2.791), "nm")


def test_a_confocal_stack_of_zeiss(tmp_path) -> None:
    """A CZ_LSMINFO of the first version: 3 planes, 0.2 × 0.2 × 1 µm."""
    head = tifffile.TIFF.CZ_LSMINFO
    about = np.zeros(1, np.dtype([(n, t) for n, t in head]))
    values = {
        "MagicNumber": 0x0300494C,
        "StructureSize": about.itemsize,
        "DimensionX": 11,
        "DimensionY": 9,
        "DimensionZ": 3,
    }
    values |= {"DimensionChannels": 1, "DimensionTime": 1, "VoxelSizeX": 2e-7, "VoxelSizeY": 2e-7, "VoxelSizeZ": 1e-6}
    for key, value in values.items():
        about[key] = value
    data = about.tobytes()
    with tifffile.TiffWriter(tmp_path / "a.lsm") as tif:
        for i in range(3):
            tags = [(34412, 1, len(data), data, True)] if i == 0 else ()
            tif.write(PLANE + i, metadata=None, extratags=tags, contiguous=False)
            tif.write(PLANE[:3, :4], metadata=None, subfiletype=1, contiguous=False)
    image = read_image(tmp_path / "a.lsm")
    assert (image.axes, image.spacing, image.unit) == ("ZYX", (1.0, 0.2, 0.2), "um")
    np.testing.assert_array_equal(image.array, np.stack([PLANE, PLANE + 1, PLANE + 2]))


def test_a_slide_of_many_channels(tmp_path) -> None:
    """QPTIFF: a page a channel, whose description names it; then a thumbnail, then the next level."""
    planes = np.random.default_rng(0).integers(0, 255, (3, 128, 160)).astype(np.uint8)
    inner = "<ImageType>{}</ImageType><Name>{}</Name>{}"
    xml = f'<?xml version="1.0"?><PerkinElmer-QPI-ImageDescription>{inner}</PerkinElmer-QPI-ImageDescription>'
    names = [("Opal 520", "<Biomarker>CD8</Biomarker>"), ("DAPI", ""), ("Opal 690", "<Biomarker>CK</Biomarker>")]
    options = {"software": "PerkinElmer-QPI", "metadata": None, "tile": (64, 64), "contiguous": False}
    with tifffile.TiffWriter(tmp_path / "a.qptiff") as tif:
        for plane, name in zip(planes, names, strict=True):
            size = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
            tif.write(plane, description=xml.format("FullResolution", *name), **size, **options)
        small = np.stack([planes[0, ::8, ::8]] * 3, -1)
        tif.write(
            small,
            photometric="rgb",
            description=xml.format("Thumbnail", "", ""),
            software="PerkinElmer-QPI",
            metadata=None,
        )
        for plane, name in zip(planes[:, ::2, ::2], names, strict=True):
            tif.write(plane, description=xml.format("ReducedResolution", *name), subfiletype=1, **options)
    image = read_image(tmp_path / "a.qptiff")
    assert (image.axes, image.spacing, image.unit) == ("CYX", (0.5, 0.5), "um")
    assert image.metadata["channel_names"] == ["CD8", "DAPI", "CK"]
    assert image.metadata["pyramid"] == 2
    assert "notes" not in image.metadata
    np.testing.assert_array_equal(image.array, planes)
