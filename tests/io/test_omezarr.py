"""OME-Zarr: what its metadata says is read, written again, and valid to the models of the format."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import zarr

from napari_segplugin.core import (
    ClassTable,
    InputError,
    ObjectTable,
    Place,
    Segmentation,
    Task,
)
from napari_segplugin.io import read_image, read_segmentation, write_segmentation
from napari_segplugin.io.omezarr_parts import images_in, labels_in
from napari_segplugin.io.segmentations import is_result

VERSIONS = pytest.mark.parametrize("zarr_format", [2, 3], ids=["0.4", "0.5"])


def put(path: Any, zarr_format: int, about: dict, attributes: str = "") -> zarr.Group:
    """A group with OME attributes where its version has them."""
    group = zarr.open_group(path, mode="a", zarr_format=zarr_format)
    if zarr_format == 2:
        group.attrs.update(about)
    else:
        group.attrs.update({"ome": {"version": "0.5", **about}})
    return group


def scales(axes: str, levels: list[list[dict]], units: str | dict = "micrometer", whole: list | None = None) -> dict:
    """A multiscale with the transformations of each level."""
    kind = {"t": "time", "c": "channel"}
    named: list[dict] = [{"name": a, "type": kind.get(a, "space")} for a in axes.lower()]
    for axis in named:
        unit = units.get(axis["name"]) if isinstance(units, dict) else units if axis["type"] == "space" else None
        if unit:
            axis["unit"] = unit
    found: dict = {"axes": named, "datasets": [{"path": str(i)} for i in range(len(levels))], "version": "0.4"}
    for level, steps in zip(found["datasets"], levels, strict=True):
        level["coordinateTransformations"] = steps
    if whole:
        found["coordinateTransformations"] = whole
    return found


def scale(*values: float) -> dict:
    return {"type": "scale", "scale": list(values)}


def shift(*values: float) -> dict:
    return {"type": "translation", "translation": list(values)}


def image(
    path: Any, zarr_format: int = 2, shape: tuple[int, ...] = (8, 9), about: dict | None = None, **more: Any
) -> None:
    """An image of one level whose values are their own numbers."""
    axes = "tczyx"[-len(shape) :]
    found = about or scales(axes, [[scale(*(1.0,) * len(shape))]])
    group = put(path, zarr_format, {"multiscales": [found], **more})
    for level in found["datasets"]:
        factor = 2 ** int(level["path"])
        small = tuple(n if a in "tc" else -(-n // factor) for a, n in zip(axes, shape, strict=True))
        array = group.create_array(level["path"], shape=small, dtype="u2")
        array[...] = np.arange(np.prod(small)).reshape(small) % 60000


@VERSIONS
def test_sizes_and_start_of_a_level_and_of_the_whole(tmp_path, zarr_format) -> None:
    about = scales(
        "zyx", [[scale(2, 0.5, 0.5), shift(10, 20, 30)]], {"z": "micrometer", "y": "micrometer", "x": "micrometer"},
        [scale(1, 2, 2), shift(0, 1, -1)],
    )  # fmt: skip
    image(tmp_path / "a.zarr", zarr_format, (3, 8, 9), about)
    found = read_image(tmp_path / "a.zarr")
    assert (found.axes, found.spacing, found.unit) == ("ZYX", (2.0, 1.0, 1.0), "um")
    # level, then the whole: (1·20·2 + 1) and so on, worked out by hand
    np.testing.assert_allclose(found.affine @ [0, 0, 0, 1], [10, 41, 59, 1])
    np.testing.assert_allclose(found.affine @ [1, 2, 3, 1], [12, 43, 62, 1])


def test_a_start_in_another_unit_than_x_comes_to_that_of_x(tmp_path) -> None:
    about = scales(
        "zyx", [[scale(1, 500, 500), shift(3, 0, 0)]], {"z": "micrometer", "y": "nanometer", "x": "nanometer"}
    )
    image(tmp_path / "a.zarr", 2, (3, 8, 9), about)
    found = read_image(tmp_path / "a.zarr")
    assert (found.spacing, found.unit) == ((1000.0, 500.0, 500.0), "nm")
    assert found.place is not None
    np.testing.assert_allclose(found.place.matrix[:3, 3], [3000, 0, 0])


def test_an_axis_that_runs_backwards_keeps_its_direction(tmp_path) -> None:
    image(tmp_path / "a.zarr", 2, (8, 9), scales("yx", [[scale(0.5, -0.25)]]))
    found = read_image(tmp_path / "a.zarr")
    assert found.spacing == (0.5, 0.25)
    np.testing.assert_allclose(np.diag(found.affine)[1:3], [0.5, -0.25])


@pytest.mark.parametrize(
    ("steps", "said"),
    [([], "says no pixel size along Y"), ([scale(0.5, 0)], "gives a pixel size of 0 along X"),
     ([{"type": "affine"}], "'affine'")],
)  # fmt: skip
def test_a_size_that_is_absent_is_a_note(tmp_path, steps, said) -> None:
    image(tmp_path / "a.zarr", 2, (8, 9), scales("yx", [steps]))
    assert said in " ".join(read_image(tmp_path / "a.zarr").metadata["notes"])


def test_units_that_do_not_belong_together_are_a_note(tmp_path) -> None:
    image(tmp_path / "a.zarr", 2, (8, 9), scales("yx", [[scale(2, 3)]], {"y": "parsec-of-old", "x": "micrometer"}))
    found = read_image(tmp_path / "a.zarr")
    assert found.unit == "pixel"
    assert "do not belong together" in found.metadata["notes"][0]


def test_a_scale_of_another_length_is_refused(tmp_path) -> None:
    image(tmp_path / "a.zarr", 2, (8, 9), scales("yx", [[scale(1, 2, 3)]]))
    with pytest.raises(InputError, match="scale of 3 numbers for 2 axes"):
        read_image(tmp_path / "a.zarr")


def test_time_and_channels(tmp_path) -> None:
    window = {"start": 10, "end": 200, "min": 0, "max": 65535}
    channels = [{"label": "DAPI", "color": "0000FF", "window": window}, {"label": "GFP", "color": "00FF00"}]
    about = scales("tcyx", [[scale(250, 1, 0.5, 0.5)]], {"t": "millisecond", "y": "micrometer", "x": "micrometer"})
    image(tmp_path / "a.zarr", 2, (3, 2, 8, 9), about, omero={"channels": channels})
    found = read_image(tmp_path / "a.zarr").metadata
    assert found["frame_interval"] == 0.25
    assert found["channel_names"] == ["DAPI", "GFP"]
    assert found["channel_colors"] == ["#0000FF", "#00FF00"]
    assert found["channel_windows"] == [[10.0, 200.0], []]


@pytest.mark.parametrize("omero", [7, {"channels": [1]}, {"channels": [{"window": {"start": 5, "end": 5}}]}, {}])
def test_damaged_channels_do_not_keep_the_image_closed(tmp_path, omero) -> None:
    image(tmp_path / "a.zarr", omero=omero)
    found = read_image(tmp_path / "a.zarr")
    assert not {"window", "channel_names"} & set(found.metadata)


def test_the_window_of_one_channel(tmp_path) -> None:
    image(tmp_path / "a.zarr", omero={"channels": [{"window": {"start": 5, "end": 50}}]})
    assert read_image(tmp_path / "a.zarr").metadata["window"] == [5.0, 50.0]


def test_version_0_1_has_five_axes_without_names(tmp_path) -> None:
    about = {"version": "0.1", "datasets": [{"path": "0"}]}
    image(tmp_path / "a.zarr", 2, (1, 2, 3, 8, 9), about)
    found = read_image(tmp_path / "a.zarr")
    assert (found.axes, found.metadata["axes_doubt"]) == ("TCZYX", "")


def test_axes_of_other_names_are_told_by_their_types_and_asked_about(tmp_path) -> None:
    about = scales("cyx", [[scale(1, 2, 3)]])
    about["axes"][1]["name"], about["axes"][2]["name"] = "row", "column"
    image(tmp_path / "a.zarr", 2, (2, 8, 9), about)
    found = read_image(tmp_path / "a.zarr")
    assert (found.axes, found.spacing) == ("CYX", (2.0, 3.0))
    assert "row" in found.metadata["axes_doubt"]


@VERSIONS
def test_levels_are_read_lazily_and_a_bad_one_ends_them(tmp_path, zarr_format) -> None:
    image(tmp_path / "a.zarr", zarr_format, (64, 80), scales("yx", [[scale(2**i, 2**i)] for i in range(3)]))
    found = read_image(tmp_path / "a.zarr")
    assert [level.shape for level in found.levels] == [(32, 40), (16, 20)]
    assert not found.frame(0).plane(0).levels or found.axes == "YX"
    about = scales("yx", [[scale(1, 1)]] * 3)
    about["datasets"][1]["path"] = "missing"
    image(tmp_path / "b.zarr", zarr_format, (64, 80), scales("yx", [[scale(1, 1)]] * 3))
    put(tmp_path / "b.zarr", zarr_format, {"multiscales": [about]})
    assert read_image(tmp_path / "b.zarr").levels == ()


def plate(path: Any, zarr_format: int = 2) -> None:
    """Two wells with two fields each."""
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}, {"path": "B/2", "rowIndex": 1, "columnIndex": 1}]
    rows, columns = [{"name": "A"}, {"name": "B"}], [{"name": "1"}, {"name": "2"}]
    put(path, zarr_format, {"plate": {"version": "0.4", "wells": wells, "rows": rows, "columns": columns}})
    for n, well in enumerate(("A/1", "B/2")):
        zarr.open_group(path / well[0], mode="a", zarr_format=zarr_format)
        put(path / well, zarr_format, {"well": {"version": "0.4", "images": [{"path": "0"}, {"path": "1"}]}})
        for field in "01":
            image(path / well / field, zarr_format, (8, 9 + n))


@VERSIONS
def test_a_plate_lists_its_fields_and_opens_one(tmp_path, zarr_format) -> None:
    plate(tmp_path / "p.zarr", zarr_format)
    assert [name for name, _ in images_in(tmp_path / "p.zarr")] == ["A/1/0", "A/1/1", "B/2/0", "B/2/1"]
    assert images_in(tmp_path / "p.zarr")[2][1] == "Well B2 · field 0"
    assert [name for name, _ in images_in(tmp_path / "p.zarr" / "B" / "2")] == ["0", "1"]
    with pytest.raises(InputError, match=r"4 images.*A/1/0, A/1/1, B/2/0, B/2/1.*p\.zarr/A/1/0"):
        read_image(tmp_path / "p.zarr")
    found = read_image(tmp_path / "p.zarr", field="B/2/1")
    assert (found.array.shape, found.name) == ((8, 10), "p B/2/1")
    with pytest.raises(InputError, match="outside its own folder"):
        read_image(tmp_path / "p.zarr", field="../p.zarr/B/2/1")
    assert read_image(tmp_path / "p.zarr", series="B/2/1").array.shape == (8, 10)
    assert read_image(tmp_path / "p.zarr", series=1).array.shape == (8, 9)
    with pytest.raises(InputError, match=r"has no image '9'. Accepted: A/1/0, A/1/1"):
        read_image(tmp_path / "p.zarr", series=9)


def test_a_converted_file_with_two_images_asks_which(tmp_path) -> None:
    put(tmp_path / "c.zarr", 2, {"bioformats2raw.layout": 3})
    for name in "01":
        image(tmp_path / "c.zarr" / name)
    assert [name for name, _ in images_in(tmp_path / "c.zarr")] == ["0", "1"]
    with pytest.raises(InputError, match="2 images"):
        read_image(tmp_path / "c.zarr")
    put(tmp_path / "c.zarr" / "OME", 2, {"series": ["1"]})
    assert read_image(tmp_path / "c.zarr").axes == "YX"


def test_images_in_nothing_and_in_one(tmp_path) -> None:
    image(tmp_path / "a.zarr")
    assert images_in(tmp_path / "a.zarr") == images_in(tmp_path) == []
    zarr.create_array(tmp_path / "b.zarr", shape=(3, 4), dtype="u1")
    assert images_in(tmp_path / "b.zarr") == labels_in(tmp_path / "b.zarr") == []


# --- labels ------------------------------------------------------------------------------------------------------


def result(shape: tuple[int, ...] = (8, 9), axes: str = "YX", **more: Any) -> Segmentation:
    """Two objects of two classes."""
    labels = np.zeros(shape, np.uint16)
    labels[..., 1:3, 1:3], labels[..., 5:, 5:] = 3, 7
    table = ObjectTable(
        np.array([3, 7]), np.array([2, 1]), np.array([0.75, np.nan], np.float32), ("accepted", "predicted")
    )
    spacing = {"YX": (0.5, 0.25), "ZYX": (2.0, 0.5, 0.25), "TYX": (0.5, 0.25)}[axes]
    classes = ClassTable.named(["nucleus", "debris"])
    return Segmentation(Task.INSTANCE, labels, table, classes, axes, spacing, "um", **more)


def same(found: Segmentation, expected: Segmentation) -> None:
    """Labels, table, classes, sizes and place agree."""
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert (found.axes, found.spacing, found.unit) == (expected.axes, expected.spacing, expected.unit)
    assert (found.task, found.objects.status) == (expected.task, expected.objects.status)
    assert [c.name for c in found.classes] == [c.name for c in expected.classes]
    np.testing.assert_array_equal(found.objects.class_id, expected.objects.class_id)
    np.testing.assert_allclose(found.objects.score, expected.objects.score)
    assert (found.place is None) == (expected.place is None)
    if found.place is not None and expected.place is not None:
        np.testing.assert_allclose(found.place.matrix, expected.place.matrix)
        assert found.place.frame == expected.place.frame


def valid(path: Any, zarr_format: int) -> Any:
    """The attributes as the models of the format read them; they raise on what it does not allow."""
    from ome_zarr_models.v04.image_label import ImageLabelAttrs as V04
    from ome_zarr_models.v05.image_label import ImageLabelAttrs as V05

    about = dict(zarr.open_group(path, mode="r").attrs)
    return V04.model_validate(about) if zarr_format == 2 else V05.model_validate(about["ome"])


@VERSIONS
def test_labels_into_the_zarr_of_their_image(tmp_path, zarr_format) -> None:
    about = scales("zyx", [[scale(2, 0.5, 0.25), shift(5, 6, 7)]])
    image(tmp_path / "a.zarr", zarr_format, (3, 8, 9), about)
    before = read_image(tmp_path / "a.zarr")
    given = result((3, 8, 9), "ZYX", place=before.place)
    assert write_segmentation(given, tmp_path / "a.zarr/labels/nuclei") == [tmp_path / "a.zarr/labels/nuclei"]
    write_segmentation(given, tmp_path / "a.zarr/labels/second")
    write_segmentation(given, tmp_path / "a.zarr/labels/nuclei")
    assert labels_in(tmp_path / "a.zarr") == ["nuclei", "second"]
    assert is_result(tmp_path / "a.zarr/labels/nuclei")
    assert not is_result(tmp_path / "a.zarr")
    same(read_segmentation(tmp_path / "a.zarr/labels/nuclei"), given)
    model = valid(tmp_path / "a.zarr/labels/nuclei", zarr_format)
    level = model.multiscales[0].datasets[0]
    assert level.coordinateTransformations[0].scale == [2, 0.5, 0.25]
    assert level.coordinateTransformations[1].translation == [5, 6, 7]
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").array[...], before.array[...])
    assert not [p for p in (tmp_path / "a.zarr/labels").iterdir() if p.name.startswith(".seg")]


@VERSIONS
def test_labels_are_found_where_the_image_has_a_summary(tmp_path, zarr_format) -> None:
    image(tmp_path / "a.zarr", zarr_format)
    zarr.consolidate_metadata(str(tmp_path / "a.zarr"), zarr_format=zarr_format)
    write_segmentation(result(), tmp_path / "a.zarr/labels/nuclei")
    there = zarr.open_group(str(tmp_path / "a.zarr"), mode="r", use_consolidated=True)
    assert isinstance(there["labels/nuclei/0"], zarr.Array)
    assert labels_in(tmp_path / "a.zarr") == ["nuclei"]


def test_labels_that_nobody_listed_are_found(tmp_path) -> None:
    image(tmp_path / "a.zarr")
    image(tmp_path / "a.zarr" / "labels" / "other")
    zarr.open_group(tmp_path / "a.zarr" / "labels", mode="a", zarr_format=2).attrs["labels"] = ["gone"]
    assert labels_in(tmp_path / "a.zarr") == ["other"]


def test_what_cannot_take_labels(tmp_path) -> None:
    zarr.open_group(tmp_path / "g.zarr", mode="w", zarr_format=2)
    with pytest.raises(InputError, match="is no OME-Zarr image"):
        write_segmentation(result(), tmp_path / "g.zarr/labels/nuclei")
    image(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="cannot have this name"):
        write_segmentation(result(), tmp_path / "a.zarr/labels/.zattrs")
    (tmp_path / "a.zarr" / "labels" / "mine").mkdir(parents=True)
    with pytest.raises(InputError, match="something else than labels"):
        write_segmentation(result(), tmp_path / "a.zarr/labels/mine")
    with pytest.raises(InputError, match=r"8 × 20 pixels for an image of 8 × 9"):
        write_segmentation(result((8, 20)), tmp_path / "a.zarr/labels/nuclei")


@pytest.mark.parametrize(
    "place",
    [
        Place.of_spacing({"Z": 2.0, "Y": 0.5, "X": 0.25}, {"Z": -3.0, "X": 8.5}),
        Place(np.diag([2, -0.5, 0.25, 1]) + np.array([[0, 0, 0, 1], [0, 0, 0, 9], [0, 0, 0, 4], [0] * 4]), "patient"),
        Place([[0, 0, 0.25, 1], [2, 0.1, 0, 2], [0, 0.5, 0, 3], [0, 0, 0, 1]], "patient", "1.2.3"),
    ],
    ids=["stage", "mirrored", "sheared and exchanged"],
)
def test_a_place_survives_a_zarr_of_its_own(tmp_path, place) -> None:
    given = result((3, 8, 9), "ZYX", place=place.resized({"Z": 2.0, "Y": 0.5, "X": 0.25}))
    write_segmentation(given, tmp_path / "r.ome.zarr")
    same(read_segmentation(tmp_path / "r.ome.zarr"), given)
    for beside in tmp_path.glob("*.*[nv]"):
        if beside.is_file():
            beside.unlink()  # the zarr alone was copied
    assert [p.name for p in tmp_path.iterdir()] == ["r.ome.zarr"]
    same(read_segmentation(tmp_path / "r.ome.zarr"), given)
    valid(tmp_path / "r.ome.zarr", 2)


def test_a_pyramid_of_labels_invents_none(tmp_path) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2**16, (5, 601, 600)).astype(np.uint16)
    given = result((5, 8, 9), "ZYX")
    given = Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), given.classes, "ZYX", (1.0, 0.5, 0.5), "um")
    write_segmentation(given, tmp_path / "r.zarr")
    group = zarr.open_group(str(tmp_path / "r.zarr"), mode="r")
    about = group.attrs["multiscales"][0]
    assert [group[d["path"]].shape for d in about["datasets"]] == [(5, 601, 600), (5, 301, 300), (3, 151, 150)]
    assert [d["coordinateTransformations"][0]["scale"] for d in about["datasets"]] == [
        [1, 0.5, 0.5],
        [1, 1, 1],
        [2, 2, 2],
    ]
    np.testing.assert_array_equal(group["1"][...], labels[:, ::2, ::2])
    np.testing.assert_array_equal(group["2"][...], labels[::2, ::4, ::4])
    assert [level.shape for level in read_image(tmp_path / "r.zarr").levels] == [(5, 301, 300), (3, 151, 150)]
    valid(tmp_path / "r.zarr", 2)


def test_the_interval_of_a_time_series_is_written(tmp_path) -> None:
    write_segmentation(result((4, 8, 9), "TYX", recipe={"input": {"frame_interval": 0.5}}), tmp_path / "r.zarr")
    about = json.loads((tmp_path / "r.zarr" / ".zattrs").read_text())["multiscales"][0]
    assert about["axes"][0] == {"name": "t", "type": "time", "unit": "second"}
    assert about["datasets"][0]["coordinateTransformations"][0]["scale"] == [0.5, 0.5, 0.25]
    assert read_image(tmp_path / "r.zarr").metadata["frame_interval"] == 0.5


def test_colors_and_properties_of_other_programs(tmp_path) -> None:
    said = {
        "version": "0.4",
        "colors": [{"label-value": 1, "rgba": [255, 0, 128, 255]}, {"label-value": 2, "rgba": ["x"]}, {"rgba": [1]}],
        "properties": [{"label-value": 1, "class": "axon", "score": 0.5}, {"label-value": 2, "class": "myelin"}, 9],
    }
    image(tmp_path / "a.zarr", 2, (1, 3), **{"image-label": said})
    found = read_segmentation(tmp_path / "a.zarr")
    assert [c.name for c in found.classes] == ["background", "axon", "myelin"]
    assert found.objects.class_id.tolist() == [1, 2]
    np.testing.assert_allclose(found.objects.score, [0.5, np.nan])
    semantic = read_segmentation(tmp_path / "a.zarr", task="semantic")
    assert [c.name for c in semantic.classes] == ["background", "axon", "myelin"]
    from napari_segplugin.io.inside_zarr import labels_inside

    assert labels_inside(tmp_path / "a.zarr").colors == {1: "#ff0080"}


@pytest.mark.parametrize("name", ["micrometer", "micron", "µm", "um"])
def test_units_as_programs_write_them(tmp_path, name) -> None:
    image(tmp_path / "a.zarr", 2, (8, 9), scales("yx", [[{"type": "identity"}, scale(0.5, 0.25)]], name))
    assert read_image(tmp_path / "a.zarr").describe().endswith("pixel size 0.5 × 0.25 um · uint16")


@pytest.mark.parametrize(
    ("steps", "said"),
    [([], "says no pixel size; that of its image"), ([scale(1.0, 0.5)], "says no unit of its pixel size")],
)
def test_labels_without_size_or_unit_take_those_of_their_image(tmp_path, steps, said) -> None:
    image(tmp_path / "a.zarr", 2, (8, 9), scales("yx", [[scale(1.0, 0.5), shift(3, 4)]]))
    about = scales("yx", [steps], "")
    image(tmp_path / "a.zarr" / "labels" / "old", 2, (8, 9), about, **{"image-label": {}})
    found = read_image(tmp_path / "a.zarr" / "labels" / "old")
    assert (found.spacing, found.unit) == ((1.0, 0.5), "um")
    assert said in found.metadata["notes"][0]
    if not steps:
        np.testing.assert_allclose(found.affine @ [0, 0, 0, 1], [0, 3, 4, 1])
    assert read_segmentation(tmp_path / "a.zarr" / "labels" / "old").unit == "um"


def test_the_unit_of_an_axis_under_its_old_name(tmp_path) -> None:
    about = scales("yx", [[scale(2, 3)]], "")
    for axis in about["axes"]:
        axis["units"] = "nanometer"
    image(tmp_path / "a.zarr", 2, (8, 9), about)
    assert read_image(tmp_path / "a.zarr").unit == "nm"


def test_labels_of_another_size_take_nothing(tmp_path) -> None:
    image(tmp_path / "a.zarr", 2, (8, 9), scales("yx", [[scale(1.0, 0.5)]]))
    image(tmp_path / "a.zarr" / "labels" / "half", 2, (4, 5), scales("yx", [[]], ""), **{"image-label": {}})
    found = read_image(tmp_path / "a.zarr" / "labels" / "half")
    assert (found.spacing, found.unit) == ((1.0, 1.0), "pixel")
    assert "taken as 1" in found.metadata["notes"][0]


def test_labels_with_axes_for_channels_and_depth_of_one(tmp_path) -> None:
    image(tmp_path / "a.zarr", 2, (3, 2, 4, 8, 9))
    flat = scales("tczyx", [[scale(1, 1, 1, 1, 1)]])
    image(tmp_path / "a.zarr" / "labels" / "old", 2, (3, 1, 4, 8, 9), flat, **{"image-label": {}})
    found = read_segmentation(tmp_path / "a.zarr" / "labels" / "old")
    assert (found.axes, found.labels.shape) == ("TZYX", (3, 4, 8, 9))
