"""Maps: what a GeoTIFF says of its place, nodata and bands, kept into every file of a result and read back by GDAL."""

import json
import sys

import numpy as np
import pytest
import tifffile

from napari_segplugin.core import (
    ClassTable,
    InputError,
    Kind,
    MissingExtraError,
    ObjectTable,
    Place,
    Segmentation,
    Task,
)
from napari_segplugin.engine.provenance import about_input
from napari_segplugin.io import read_image, read_segmentation, write_segmentation
from napari_segplugin.io.files import Drawing, Found
from napari_segplugin.io.geotiff import bands_of, with_map

rasterio = pytest.importorskip("rasterio")
pyogrio = pytest.importorskip("pyogrio")
pyproj = pytest.importorskip("pyproj")
shapely = pytest.importorskip("shapely")

AEQD = "+proj=aeqd +lat_0=47 +lon_0=9 +datum=WGS84 +units=m"
# each of them was lost or mirrored by another program, or ended one: https://github.com/geotiffjs/geotiff.js/issues/40 ("turned"),
# https://github.com/rasterio/rasterio/issues/524 ("one meter"), https://github.com/opengeos/segment-geospatial/issues/12 ("own")
MAPS = {
    "utm": ("EPSG:32633", (0.5, 0, 500000, 0, -0.5, 5200000)),
    "feet": ("EPSG:2263", (1, 0, 980000, 0, -1, 190000)),
    "degrees": ("EPSG:4326", (1e-4, 0, 8, 0, -1e-4, 47)),
    "turned": ("EPSG:32633", (0.4, 0.3, 500000, 0.3, -0.4, 5200000)),
    "south up": ("EPSG:32733", (2, 0, 500000, 0, 2, 7000000)),
    "one meter": ("EPSG:32633", (1, 0, 0, 0, -1, 0)),
    "own": (AEQD, (2, 0, 100, 0, -2, 900)),
}


def write_map(path, reference="EPSG:32633", grid=MAPS["utm"][1], array=None, tags=None, **more):
    array = np.arange(20 * 30, dtype=np.uint16).reshape(1, 20, 30) if array is None else array
    count, height, width = array.shape
    profile = {"width": width, "height": height, "count": count, "dtype": array.dtype, "crs": reference}
    with rasterio.open(path, "w", driver="GTiff", transform=rasterio.Affine(*grid), **profile, **more) as target:
        target.write(array)
        target.update_tags(**(tags or {}))
    return path


def labels_over(image, start=(0, 0), shape=(20, 30)):
    labels = np.zeros(shape, np.uint8)
    labels[2:6, 3:9] = 1
    labels[8:12, 3:9] = 1
    labels[8:12, 9:13] = 2
    recipe = {"input": about_input(image), "origin": list(start)}
    table = ObjectTable(np.array([1, 2]), np.array([1, 2]), np.array([0.5, np.nan], np.float32), ("predicted",) * 2)
    classes = ClassTable.named(["roof", "tree"], Kind.STUFF)
    return Segmentation(Task.SEMANTIC, labels, table, classes, "YX", image.canonical_spacing, image.unit, recipe=recipe)


@pytest.mark.parametrize("name", MAPS)
def test_each_pixel_lies_where_gdal_says(tmp_path, name):
    path = write_map(tmp_path / "a.tif", *MAPS[name])
    image = read_image(path)
    with rasterio.open(path) as source:
        for row, column in ((0, 0), (3, 7), (19, 29)):
            x, y = source.xy(row, column)
            np.testing.assert_allclose(image.place.matrix @ [0, row, column, 1], [0, y, x, 1], rtol=0, atol=1e-7)
        assert pyproj.CRS(image.place.reference) == pyproj.CRS(source.crs.to_wkt())
    assert image.place.frame == "map"


@pytest.mark.parametrize(
    ("name", "unit", "size"),
    [("utm", "m", 0.5), ("feet", "survey_foot", 1), ("degrees", "deg", 1e-4), ("turned", "m", 0.5)],
)
def test_pixel_size_and_unit_are_those_of_the_map(tmp_path, name, unit, size):
    image = read_image(write_map(tmp_path / "a.tif", *MAPS[name]))
    assert (image.unit, image.spacing) == (unit, (pytest.approx(size), pytest.approx(size)))


# a fault of others: https://github.com/corteva/rioxarray/issues/805
def test_pixel_is_point_is_not_half_a_pixel_off(tmp_path):
    area = read_image(write_map(tmp_path / "a.tif"))
    point = write_map(tmp_path / "p.tif", tags={"AREA_OR_POINT": "Point"})
    with tifffile.TiffFile(point) as tif:
        assert int(tif.pages.first.geotiff_tags["GTRasterTypeGeoKey"]) == 2
    np.testing.assert_allclose(read_image(point).place.matrix, area.place.matrix, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("start", [(0, 0), (4, 5)])
def test_labels_lie_on_the_map_of_their_image(tmp_path, name, start):
    """A region, too; GDAL reads grid and reference."""
    path = write_map(tmp_path / "a.tif", *MAPS[name], tags={"AREA_OR_POINT": "Point"})
    found = labels_over(read_image(path), start, (15, 20))
    write_segmentation(found, tmp_path / "l.tif")
    with rasterio.open(path) as image, rasterio.open(tmp_path / "l.tif") as labels:
        assert labels.crs == image.crs
        assert labels.xy(0, 0) == pytest.approx(image.xy(*start), abs=1e-6)
        assert labels.xy(14, 19) == pytest.approx(image.xy(start[0] + 14, start[1] + 19), abs=1e-6)
        np.testing.assert_array_equal(labels.read(1), found.labels)
    again = read_segmentation(tmp_path / "l.tif")
    np.testing.assert_allclose(again.place.matrix, found.place.matrix, atol=1e-9)
    assert (again.place.frame, again.unit) == ("map", found.unit)


@pytest.mark.parametrize("name", MAPS)
def test_labels_of_a_place_alone_get_keys_of_its_reference(tmp_path, name):
    """Without the keys of a file: a place that a program made."""
    reference, grid = MAPS[name]
    image = read_image(write_map(tmp_path / "a.tif", reference, grid))
    found = labels_over(image)
    place = Place(image.place.matrix, "map", pyproj.CRS(reference).to_wkt() if reference == AEQD else reference)
    bare = Segmentation(
        found.task, found.labels, found.objects, found.classes, "YX", found.spacing, found.unit, place=place
    )
    write_segmentation(bare, tmp_path / "l.tif")
    with rasterio.open(tmp_path / "a.tif") as source, rasterio.open(tmp_path / "l.tif") as labels:
        assert pyproj.CRS(labels.crs.to_wkt()).equals(pyproj.CRS(source.crs.to_wkt()), ignore_axis_order=True)


def test_labels_of_another_program_lie_on_their_map(tmp_path):
    """Without a recipe beside them."""
    array = np.zeros((1, 20, 30), np.uint8)
    array[0, 2:5, 3:9] = 1
    found = read_segmentation(write_map(tmp_path / "l.tif", array=array))
    assert (found.place.frame, found.place.reference, found.unit) == ("map", "EPSG:32633", "m")
    write_segmentation(found, tmp_path / "l.gpkg")
    shapes, columns, _ = read_gpkg(tmp_path / "l.gpkg")
    assert columns["area_m2"].tolist() == [4.5]
    assert shapes[0].bounds == (500001.5, 5199997.5, 500004.5, 5199999)


def test_an_image_without_a_map_gets_none(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30), np.uint8))
    image = read_image(tmp_path / "a.tif")
    assert image.place is None
    assert not {"nodata", "bands", "geotiff"} & set(image.metadata)
    write_segmentation(labels_over(image), tmp_path / "l.tif")
    with tifffile.TiffFile(tmp_path / "l.tif") as tif:
        assert not {33550, 33922, 34264, 34735, 42113} & {tag.code for tag in tif.pages.first.tags}


def test_without_rasterio_and_pyproj_the_map_is_kept(tmp_path, monkeypatch):
    paths = {name: write_map(tmp_path / f"{name}.tif", *MAPS[name]) for name in MAPS}
    with_all = {name: read_image(path) for name, path in paths.items()}
    for module in ("rasterio", "pyproj"):
        monkeypatch.setitem(sys.modules, module, None)
    for name, path in paths.items():
        image = read_image(path)
        np.testing.assert_array_equal(image.place.matrix, with_all[name].place.matrix)
        assert image.unit == with_all[name].unit
        if name == "own":
            assert image.place.reference == ""
            assert any("napari-segplugin[geo]" in note for note in image.metadata["notes"])
        else:
            assert image.place.reference == MAPS[name][0]
        write_segmentation(labels_over(image), tmp_path / f"{name}_l.tif")
    monkeypatch.undo()
    for name, path in paths.items():
        with rasterio.open(path) as source, rasterio.open(tmp_path / f"{name}_l.tif") as labels:
            assert labels.crs == source.crs
            assert labels.transform.almost_equals(source.transform, 1e-9)


def test_a_reference_that_only_rasterio_can_write_says_so(tmp_path, monkeypatch):
    image = read_image(write_map(tmp_path / "a.tif"))
    found = labels_over(image)
    place = Place(image.place.matrix, "map", pyproj.CRS(AEQD).to_wkt())
    bare = Segmentation(
        found.task, found.labels, found.objects, found.classes, "YX", found.spacing, found.unit, place=place
    )
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(MissingExtraError, match=r"rasterio.*napari-segplugin\[geo\]"):
        write_segmentation(bare, tmp_path / "l.tif")


@pytest.mark.parametrize(
    ("value", "dtype"), [(-9999, "float32"), (0, "uint16"), (np.nan, "float32"), (-3.4e38, "float32")]
)
def test_nodata_comes_as_the_file_says(tmp_path, value, dtype):
    array = np.arange(600, dtype=dtype).reshape(1, 20, 30) + 1
    array[0, :5] = value
    path = write_map(tmp_path / "a.tif", array=array, nodata=value)
    image = read_image(path)
    assert image.nodata == value or (np.isnan(value) and np.isnan(image.nodata))
    with rasterio.open(path) as source:
        mask = source.dataset_mask() > 0
    np.testing.assert_array_equal(np.isfinite(image.read()[0]), mask)
    write_segmentation(labels_over(image), tmp_path / "l.tif")
    with rasterio.open(tmp_path / "l.tif") as labels:
        assert labels.nodata == 0


def test_names_of_bands_and_what_they_show(tmp_path):
    path = tmp_path / "a.tif"
    array = np.zeros((4, 20, 30), np.uint8)
    with rasterio.open(path, "w", driver="GTiff", width=30, height=20, count=4, dtype="uint8") as target:
        target.write(array)
        target.descriptions = ("blue", "green", "red", "near infrared")
    assert read_image(path).metadata["bands"] == ["blue", "green", "red", "near infrared"]
    assert bands_of("<GDALMetadata><Item") == {} == bands_of("")
    colors = '<GDALMetadata><Item name="COLORINTERP" sample="3" role="colorinterp">Undefined</Item></GDALMetadata>'
    assert bands_of(colors) == {"band_colors": ["", "", "", "Undefined"]}


def test_a_world_file_places_an_image_without_a_reference(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30), np.uint8))
    (tmp_path / "a.tfw").write_text("0.5\n0\n0\n-0.5\n500000.25\n5199999.75\n")
    image = read_image(tmp_path / "a.tif")
    with rasterio.open(tmp_path / "a.tif") as source:
        x, y = source.xy(3, 7)
    np.testing.assert_allclose(image.place.matrix @ [0, 3, 7, 1], [0, y, x, 1])
    assert any("not in which coordinate reference system" in n for n in image.metadata["notes"])


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ([(33550, 12, 3, (0.0, 0.0, 0.0), True), (33922, 12, 6, (0.0,) * 6, True)], "position .* not valid"),
        ([(33550, 12, 3, (1.0, 1.0, 0.0), True), (33922, 12, 6, (0, 0, 0, float("nan"), 0, 0), True)], "not valid"),
        ([(34264, 12, 5, (1.0,) * 5, True)], "damaged"),
        ([(33922, 12, 12, (0.0,) * 12, True)], "control points"),
    ],
)
def test_a_place_that_makes_no_sense_is_a_note(tmp_path, tags, words):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30), np.uint8), extratags=tags)
    image = read_image(tmp_path / "a.tif")
    assert image.place is None
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(image.metadata["notes"])


def test_a_mask_of_pixels_is_a_note(tmp_path):
    path = tmp_path / "a.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_map(path)
        with rasterio.open(path, "r+") as target:
            target.write_mask(np.arange(600).reshape(20, 30) > 90)
    assert any("mask" in n for n in read_image(path).metadata["notes"])


@pytest.mark.parametrize(("dtype", "value", "want"), [("uint8", 255, 0), ("uint16", 0, 65535), ("int16", -9999, 9998)])
def test_nodata_turns_with_its_values_where_white_is_0(tmp_path, dtype, value, want):
    array = np.arange(600, dtype=dtype).reshape(1, 20, 30) // 3 + 1
    array[0, :5] = value
    path = write_map(tmp_path / "a.tif", array=array, nodata=value, photometric="MINISWHITE")
    top = -1 if dtype == "int16" else np.iinfo(dtype).max
    turned = with_map(Found((top - array[0]).astype(dtype), "YX"), path, inverted=True)
    assert turned.metadata["nodata"] == want
    assert (turned.array == want).sum() == 150
    assert with_map(Found(array[0], "YX"), path).metadata["nodata"] == value
    plain = write_map(tmp_path / "b.tif", array=array, nodata=value)
    assert with_map(Found(array[0], "YX"), plain, inverted=True).metadata["nodata"] == value


def test_a_turned_image_is_not_placed(tmp_path):
    path = write_map(tmp_path / "a.tif")
    with tifffile.TiffFile(path) as tif:
        tags = [(t.code, int(t.dtype), t.count, t.value, True) for t in tif.pages.first.tags if t.code > 33000]
    tifffile.imwrite(path, np.zeros((20, 30), np.uint8), extratags=[*tags, (274, 3, 1, 2, True)])
    image = read_image(path)
    assert image.place is None
    assert any("mirrored" in n for n in image.metadata["notes"])


def test_square_degrees_are_no_area(tmp_path):
    write_segmentation(labels_over(read_image(write_map(tmp_path / "a.tif", *MAPS["degrees"]))), tmp_path / "l.tif")
    rows = (tmp_path / "l.objects.csv").read_text().splitlines()
    assert rows[0].endswith("size (deg^2)")
    assert all(row.endswith(",") for row in rows[1:])


# a fault of others: areas in Web Mercator are 2.1 times too large at 47° north
def test_a_map_that_distorts_areas_is_a_note_and_areas_are_those_on_the_ground(tmp_path):
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform(8, 47)
    image = read_image(write_map(tmp_path / "a.tif", "EPSG:3857", (1, 0, x, 0, -1, y)))
    assert any("2.1" in n for n in image.metadata["notes"])
    write_segmentation(labels_over(image), tmp_path / "l.gpkg")
    area = read_gpkg(tmp_path / "l.gpkg")[1]["area_m2"]
    assert area[0] == pytest.approx(24 * np.cos(np.radians(47)) ** 2, rel=0.01)


def read_gpkg(path):
    meta, _, shapes, columns = pyogrio.raw.read(path)
    return shapely.from_wkb(shapes), dict(zip(meta["fields"], columns, strict=True)), meta["crs"]


@pytest.mark.parametrize("name", ["utm", "feet", "turned", "own"])
def test_geopackage_gives_pieces_on_the_map_with_class_score_and_area(tmp_path, name):
    path = write_map(tmp_path / "a.tif", *MAPS[name])
    image = read_image(path)
    write_segmentation(labels_over(image, (1, 2)), tmp_path / "l.gpkg")
    shapes, columns, crs = read_gpkg(tmp_path / "l.gpkg")
    assert list(columns["class"]) == ["roof", "roof", "tree"]
    assert columns["score"][0] == pytest.approx(0.5)
    assert np.isnan(columns["score"][2])
    assert columns["pixels"].tolist() == [24, 24, 16]
    side = {"utm": 0.5, "feet": 1200 / 3937, "turned": 0.5, "own": 2}[name]
    np.testing.assert_allclose(columns["area_m2"], columns["pixels"] * side**2, rtol=1e-6)
    with rasterio.open(path) as source:
        assert pyproj.CRS(crs).equals(pyproj.CRS(source.crs.to_wkt()), ignore_axis_order=True)
        corners = [source.transform @ (x + 2, y + 1) for x, y in ((3, 2), (9, 2), (9, 6), (3, 6))]
    assert shapes[0].symmetric_difference(shapely.Polygon(corners)).area < 1e-6


def test_areas_in_degrees_are_those_on_the_ellipsoid(tmp_path):
    image = read_image(write_map(tmp_path / "a.tif", *MAPS["degrees"]))
    assert any("in degrees" in n for n in image.metadata["notes"])
    write_segmentation(labels_over(image), tmp_path / "l.gpkg")
    area = read_gpkg(tmp_path / "l.gpkg")[1]["area_m2"]
    geod = pyproj.Geod(ellps="WGS84")
    x, y = np.array([3, 9, 9, 3]) * 1e-4 + 8, 47 - np.array([2, 2, 6, 6]) * 1e-4
    assert area[0] == pytest.approx(abs(geod.polygon_area_perimeter(x, y)[0]), rel=1e-6)


@pytest.mark.parametrize("name", MAPS)
def test_geojson_is_in_longitude_and_latitude(tmp_path, name):
    """RFC 7946: no other reference, outer rings against the clock, holes with it."""
    reference, grid = MAPS[name]
    image = read_image(write_map(tmp_path / "a.tif", reference, grid))
    found = labels_over(image, (1, 2))
    found.labels[3:5, 4:6] = 0
    write_segmentation(found, tmp_path / "l.geojson")
    about = json.loads((tmp_path / "l.geojson").read_text())
    assert set(about) == {"type", "features"}
    first = shapely.geometry.shape(about["features"][0]["geometry"])
    assert first.is_valid
    assert first.exterior.is_ccw
    assert not first.interiors[0].is_ccw
    change = pyproj.Transformer.from_crs(reference, "EPSG:4326", always_xy=True)
    corners = [
        change.transform(*(rasterio.Affine(*grid) @ (x + 2, y + 1))) for x, y in ((3, 2), (9, 2), (9, 6), (3, 6))
    ]
    distance = shapely.Polygon(corners).exterior.hausdorff_distance(first.exterior)
    assert distance < 2e-9
    properties = about["features"][0]["properties"]
    assert (properties["class"], properties["score"]) == ("roof", 0.5)
    assert properties["area_m2"] > 0


def test_geojson_without_pyproj_says_in_which_reference_it_is(tmp_path, monkeypatch):
    image = read_image(write_map(tmp_path / "a.tif"))
    monkeypatch.setitem(sys.modules, "pyproj", None)
    write_segmentation(labels_over(image), tmp_path / "l.geojson")
    about = json.loads((tmp_path / "l.geojson").read_text())
    assert about["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32633"
    assert "pyproj is not installed" in about["note"]
    assert [500001.5, 5199999.0] in about["features"][0]["geometry"]["coordinates"][0]
    assert about["features"][0]["properties"]["area_m2"] == 6


def test_geopackage_without_its_package_is_a_sentence(tmp_path, monkeypatch):
    image = read_image(write_map(tmp_path / "a.tif"))
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(MissingExtraError, match=r"pyogrio.*GeoPackage.*napari-segplugin\[geo\]"):
        write_segmentation(labels_over(image), tmp_path / "l.gpkg")


def test_geopackage_of_no_map_is_in_pixels_with_y_up(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30), np.uint8))
    write_segmentation(labels_over(read_image(tmp_path / "a.tif"), (1, 2)), tmp_path / "l.gpkg")
    shapes, columns, crs = read_gpkg(tmp_path / "l.gpkg")
    assert shapes[0].bounds == (5, -13, 11, -3)
    assert "area_m2" not in columns
    assert crs is None or "Undefined" in crs


def test_objects_stay_one_feature_and_small_parts_are_left_out(tmp_path):
    image = read_image(write_map(tmp_path / "a.tif"))
    labels = np.zeros((20, 30), np.uint8)
    labels[2:6, 3:9] = labels[10:12, 3:5] = 1
    objects = Segmentation(
        Task.INSTANCE,
        labels,
        ObjectTable.of(labels),
        ClassTable.named(["car"]),
        "YX",
        image.spacing,
        "m",
        place=image.place,
    )
    write_segmentation(objects, tmp_path / "l.gpkg")
    shapes, columns, _ = read_gpkg(tmp_path / "l.gpkg")
    assert [len(s.geoms) for s in shapes] == [2]
    write_segmentation(objects, tmp_path / "s.gpkg", drawing=Drawing(smallest=5))
    shapes, columns, _ = read_gpkg(tmp_path / "s.gpkg")
    assert columns["pixels"].tolist() == [24]


@pytest.mark.parametrize("value", [-1, np.nan, np.inf])
def test_a_tolerance_that_is_none_is_refused(value):
    with pytest.raises(InputError, match="tolerance of outlines"):
        Drawing(simplify=value)
    with pytest.raises(InputError, match="smallest area"):
        Drawing(smallest=value)
