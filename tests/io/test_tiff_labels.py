"""Label TIFFs keep sizes, place and time, read back by tifffile, by OME's schema and by ImageJ's rules."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from napari_segplugin.core import ClassTable, Image, Kind, ObjectTable, Place, Segmentation, Task
from napari_segplugin.engine.provenance import about_input
from napari_segplugin.io import read_image, read_labels, write_segmentation

SHAPES = {"T": 2, "Z": 3, "Y": 9, "X": 11}
OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


def made(axes, place=None, unit="um", interval=None, spacing=(0.7, 0.1083333, 0.25), dtype=np.uint16) -> Segmentation:
    shape = tuple(SHAPES[a] for a in axes)
    labels = np.arange(np.prod(shape)).reshape(shape).astype(dtype) % 7
    about = {"frame_interval": interval} if interval else {}
    sizes = spacing[-sum(a in "ZYX" for a in axes) :]
    image = Image(np.zeros(shape, np.uint8), axes, spacing=sizes, unit=unit, metadata=about, place=place)
    classes = ClassTable.named(["a"], Kind.THING)
    recipe = {"input": about_input(image)}
    table = ObjectTable(np.arange(1, 7), np.ones(6, int), np.full(6, np.nan, np.float32), ("predicted",) * 6)
    return Segmentation(Task.INSTANCE, labels, table, classes, axes, sizes, unit, recipe=recipe)


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TYX", "TZYX"])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_labels_come_back_with_sizes_time_and_place(tmp_path, axes, name) -> None:
    sizes = (0.7, 0.1083333, 0.25)
    start = {a: n for a, n in {"Z": 5.5, "Y": -3.25, "X": 1200.0}.items() if a in axes}
    place = Place.of_spacing(dict(zip("ZYX", sizes, strict=True)), start)
    segmentation = made(axes, place, interval=2.5 if "T" in axes else None)
    write_segmentation(segmentation, tmp_path / name)
    image = read_image(tmp_path / name)
    assert (image.axes, image.unit) == (axes, "um")
    assert image.spacing == pytest.approx(segmentation.spacing, rel=1e-9)
    assert image.metadata.get("frame_interval") == (2.5 if "T" in axes else None)
    np.testing.assert_allclose(image.affine[:3, 3], [start.get(a, 0.0) for a in "ZYX"], rtol=1e-9)
    np.testing.assert_array_equal(read_labels(tmp_path / name)[0], segmentation.labels)
    assert "notes" not in image.metadata


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_ome_where_the_name_says_so_by_its_schema(tmp_path, dtype) -> None:
    place = Place.of_spacing({"Z": 0.7, "Y": 0.1083333, "X": 0.25}, {"Z": 5.5, "X": 1200.0})
    write_segmentation(made("TZYX", place, interval=2.5, dtype=dtype), tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.is_ome
        assert not tif.is_imagej
        assert tif.series[0].axes == "TZYX"
        root = ElementTree.fromstring(tif.ome_metadata)
    pixels = root.find(f"{OME}Image/{OME}Pixels")
    about = {k: pixels.get(k) for k in pixels.attrib if k.startswith(("Physical", "Time", "Size"))}
    assert about == {
        **{"SizeX": "11", "SizeY": "9", "SizeC": "1", "SizeZ": "3", "SizeT": "2"},
        **{"PhysicalSizeX": "0.25", "PhysicalSizeXUnit": "µm", "PhysicalSizeY": "0.1083333", "PhysicalSizeYUnit": "µm"},
        **{"PhysicalSizeZ": "0.7", "PhysicalSizeZUnit": "µm", "TimeIncrement": "2.5", "TimeIncrementUnit": "s"},
    }
    planes = {(p.get("TheT"), p.get("TheZ")): p for p in pixels.iter(f"{OME}Plane")}
    assert len(planes) == 6
    assert float(planes["1", "2"].get("PositionZ")) == pytest.approx(5.5 + 2 * 0.7)
    assert (planes["1", "0"].get("PositionX"), planes["1", "0"].get("PositionXUnit")) == ("1200.0", "µm")


def test_imagej_by_its_own_rules(tmp_path) -> None:
    """Origin in voxels, unit by name, resolution in pixels by unit, interval in seconds."""
    place = Place.of_spacing({"Z": 0.7, "Y": 0.1083333, "X": 0.25}, {"Z": 5.6, "X": 1200.0})
    write_segmentation(made("TZYX", place, interval=2.5), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        text = tif.pages[0].description
        x, y = (tif.pages[0].tags[n].value for n in ("XResolution", "YResolution"))
    about = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))
    assert (about["frames"], about["slices"], about["unit"], about["finterval"]) == ("2", "3", "um", "2.5")
    assert float(about["spacing"]) == 0.7
    assert (float(about["xorigin"]), float(about["zorigin"])) == (pytest.approx(-4800), pytest.approx(-8))
    assert (x[1] / x[0], y[1] / y[0]) == (pytest.approx(0.25, rel=1e-9), pytest.approx(0.1083333, rel=1e-9))


MIRRORED = [[1.2, 0, 0, 4.0], [0, -0.5, 0, 9.0], [0, 0, 0.5, -7.0], [0, 0, 0, 1.0]]
OBLIQUE = [[1.2, 0, 0, 4.0], [0, 0.4, -0.3, 9.0], [0, 0.3, 0.4, -7.0], [0, 0, 0, 1.0]]
SHEARED = [[1.2, 0, 0, 4.0], [0.3, 0.5, 0, 9.0], [0, 0, 0.5, -7.0], [0, 0, 0, 1.0]]


@pytest.mark.parametrize("frame", ["", "patient"])
@pytest.mark.parametrize("matrix", [MIRRORED, OBLIQUE, SHEARED], ids=["mirrored", "oblique", "sheared"])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_a_place_that_tiff_has_no_words_for_comes_back(tmp_path, name, matrix, frame) -> None:
    place = Place(np.array(matrix), frame, "1.2.3" if frame else "")
    segmentation = made("ZYX", place, unit="mm", spacing=place.spacing)
    write_segmentation(segmentation, tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.place is not None
    assert (image.place.frame, image.place.reference) == (frame, place.reference)
    np.testing.assert_allclose(image.affine, place.matrix, atol=1e-6)
    with tifffile.TiffFile(tmp_path / name) as tif:
        assert "PositionX" not in (tif.ome_metadata or ""), "a position alone would be half of the truth"


@pytest.mark.parametrize(
    ("unit", "written"), [("angstrom", "Å"), ("inch", "in"), ("pixel", "pixel"), ("m", "m"), ("furlong", "pixel")]
)
def test_units_of_ome(tmp_path, unit, written) -> None:
    write_segmentation(made("YX", unit=unit), tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert f'PhysicalSizeXUnit="{written}"' in tif.ome_metadata
