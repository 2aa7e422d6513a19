"""Pieces of an image: the right voxels, in the right place, of every kind of image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zarr

import napari_segplugin as seg
from napari_segplugin.core import ClassTable, Image, InputError, ObjectTable, Place, Segmentation, Task
from napari_segplugin.engine.roi import crop

MATRICES = {
    "straight": np.diag([3.0, 2, 1, 1]),
    "mirrored": np.array([[3, 0, 0, 5], [0, -2, 0, 40], [0, 0, 1, -7], [0, 0, 0, 1.0]]),
    "oblique": np.array([[2.9, 0.5, 0, 5], [-0.7, 1.9, 0, 40], [0, 0, 1, -7], [0, 0, 0, 1.0]]),
    "sheared": np.array([[3, 0, 0, 5], [1.0, 2, 0, 40], [0, 0, 1, -7], [0, 0, 0, 1.0]]),
}


def scene(matrix=MATRICES["straight"], dtype=np.int16) -> tuple[Image, Segmentation]:
    rng = np.random.default_rng(0)
    values = rng.integers(-900, 900, (8, 12, 14)).astype(dtype)
    labels = np.zeros(values.shape, np.uint16)
    labels[2:4, 3:6, 5:9], labels[6, 0, 0], labels[5:7, 8:10, 2:4] = 4, 9, 11
    place = Place(matrix, "patient")
    table = ObjectTable(np.array([4, 9, 11]), np.array([1, 2, 1]), np.full(3, 0.5, np.float32), ("predicted",) * 3)
    classes = ClassTable.named(["liver", "spleen"])
    image = Image(values, "ZYX", unit="mm", name="ct", place=place)
    return image, Segmentation(Task.INSTANCE, labels, table, classes, "ZYX", image.spacing, "mm", place=place)


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_each_voxel_of_a_piece_lies_where_it_lay(matrix) -> None:
    image, labels = scene(matrix)
    for piece in crop(image, labels, margin=1):
        start = [s.start for s in piece.region]
        for found in (piece.image, piece.segmentation):
            np.testing.assert_allclose(found.place.matrix @ [0, 0, 0, 1], matrix @ [*start, 1])
            np.testing.assert_allclose(found.place.matrix[:3, :3], matrix[:3, :3])
        assert np.array_equal(piece.image.array, image.array[piece.region])
        assert np.array_equal(piece.segmentation.labels, labels.labels[piece.region])


def test_objects_classes_and_boxes() -> None:
    image, labels = scene()
    assert [p.name for p in crop(image, labels)] == ["4", "9", "11"]
    [four] = crop(image, labels, objects=[4])
    assert four.region == (slice(2, 4), slice(3, 6), slice(5, 9))
    [liver] = crop(image, labels, classes=["liver"])
    assert liver.region == (slice(2, 7), slice(3, 10), slice(2, 9))
    assert liver.segmentation.objects.label.tolist() == [4, 11]
    assert liver.segmentation.recipe["origin"] == [2, 3, 2]
    [box] = crop(image, box=(slice(1, 3), slice(0, 99), slice(-4, None)))
    assert box.region == (slice(1, 3), slice(0, 12), slice(10, 14))
    assert box.segmentation is None
    semantic = replace(labels, task=Task.SEMANTIC, labels=labels.semantic(), objects=ObjectTable.of(labels.semantic()))
    semantic = replace(semantic, objects=replace(semantic.objects, class_id=semantic.objects.label))
    assert [p.name for p in crop(image, semantic)] == ["liver", "spleen"]


def test_a_margin_in_voxels_or_as_a_length_ends_at_the_edge() -> None:
    image, labels = scene()
    [four] = crop(image, labels, objects=[4], margin=2)
    assert four.region == (slice(0, 6), slice(1, 8), slice(3, 11))
    [four] = crop(image, labels, objects=[4], margin="2 mm")  # voxels of 3, 2 and 1 mm
    assert four.region == (slice(1, 5), slice(2, 7), slice(3, 11))
    [nine] = crop(image, labels, objects=[9], margin="0.3cm")
    assert nine.region == (slice(5, 8), slice(0, 3), slice(0, 4))


def test_outside_of_a_mask_is_air_or_the_smallest_value_or_what_was_asked() -> None:
    image, labels = scene()
    hounsfield = replace(image, metadata={"value_unit": "HU"})
    inside = labels.labels == 4
    for picture, more, value in (
        (image, {}, image.array.min()),
        (hounsfield, {}, -1024),
        (image, {"outside": 7}, 7),
        (replace(image, array=(image.array + 1000).astype(np.uint16)), {}, 0),
        (
            replace(image, array=np.where(image.array == 5, np.nan, image.array).astype(np.float32)),
            {},
            image.array.min(),
        ),
    ):
        [piece] = crop(picture, labels, objects=[4], margin=1, mask=True, **more)
        mask = inside[piece.region]
        assert set(piece.image.array[~mask].tolist()) == {value}
        np.testing.assert_array_equal(piece.image.array[mask], picture.array[piece.region][mask])
        assert piece.image.array.dtype == picture.array.dtype
        assert piece.segmentation.objects.label.tolist() == [4]


def test_labels_whose_axes_run_the_other_way_cut_the_right_voxels() -> None:
    image, labels = scene(MATRICES["oblique"])
    back = MATRICES["oblique"] @ np.array([[1, 0, 0, 0], [0, -1, 0, 11], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    turned = replace(labels, labels=labels.labels[:, ::-1], place=Place(back, "patient"))
    [piece], [same] = crop(image, turned, objects=[4], mask=True), crop(image, labels, objects=[4], mask=True)
    assert np.array_equal(piece.image.array, same.image.array)
    assert any("were turned" in n for n in piece.notes)
    np.testing.assert_allclose(piece.segmentation.place.matrix, piece.image.place.matrix)


def test_channels_time_colours_and_arrays_on_disk(tmp_path) -> None:
    values = np.arange(2 * 3 * 6 * 7).reshape(2, 3, 6, 7).astype(np.uint16)
    labels = np.zeros((6, 7), np.uint8)
    labels[2:4, 3:6] = 1
    film = Image(zarr.create_array(str(tmp_path / "a.zarr"), data=values), "TCYX", (0.5, 0.25), "um")
    [piece] = seg.crop(film, labels, mask=True, outside=1)
    assert piece.image.axes == "TCYX"
    assert np.array_equal(piece.image.array, values[:, :, 2:4, 3:6])
    assert piece.image.place.matrix[:3, 3].tolist() == [0, 1.0, 0.75]
    assert (piece.segmentation.spacing, piece.segmentation.unit) == ((0.5, 0.25), "um")
    moving = np.zeros((2, 6, 7), np.uint8)
    moving[0, 1, 1], moving[1, 3, 4] = 1, 1
    [piece] = seg.crop(
        film,
        seg.Segmentation(
            Task.INSTANCE, moving, ObjectTable.of(moving), ClassTable.named(["a"]), "TYX", (0.5, 0.25), "um"
        ),
        mask=True,
    )
    assert piece.region == (slice(1, 4), slice(1, 5))
    assert piece.image.array[0, :, 0, 0].tolist() == values[0, :, 1, 1].tolist()
    assert piece.image.array[1, :, 0, 0].tolist() == [0, 0, 0]
    photo = Image(values[:, :, :, :3].transpose(1, 2, 0, 3)[0], "YCX")
    wanted = np.zeros((6, 3), np.uint8)
    wanted[1:3] = 5
    [piece] = seg.crop(photo, wanted, mask=True)
    assert np.array_equal(piece.image.array, photo.array[1:3])


def test_the_second_affine_of_nifti_moves_too() -> None:
    image, labels = scene()
    qform = np.diag([1.0, 2, 3, 1]).tolist()
    image = replace(image, metadata={"nifti_header": {"qform": qform, "qform_code": 1}})
    [piece] = crop(image, labels, objects=[4])
    assert np.array(piece.image.metadata["nifti_header"]["qform"])[:3, 3].tolist() == [5, 6, 6]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"objects": [5]}, "There is no object '5'"),
        ({"classes": ["kidney"]}, "There is no class 'kidney'"),
        ({"box": (slice(1, 2),)}, "box does not fit"),
        ({"box": (slice(3, 3), slice(0, 2), slice(0, 2))}, "box does not fit"),
        ({"margin": -1}, "margin is not valid"),
        ({"margin": "nan"}, "margin is not valid"),
        ({"margin": "2 bananas"}, "unit of the margin"),
        ({"mask": True, "outside": 0.5}, "does not fit the image"),
        ({"mask": True, "outside": -40000}, "does not fit the image"),
    ],
)
def test_what_cannot_be_cut_out(options, words) -> None:
    image, labels = scene()
    with pytest.raises(InputError, match=words):
        list(crop(image, labels, **options))


def test_what_does_not_belong_together() -> None:
    image, labels = scene()
    with pytest.raises(InputError, match="Labels are needed"):
        list(crop(image))
    with pytest.raises(InputError, match="another size"):
        list(crop(replace(image, place=None), replace(labels, labels=labels.labels[1:], place=None)))
    with pytest.raises(InputError, match="do not lie in the same voxels"):
        list(crop(image, replace(labels, place=labels.place.at({"X": 1}))))
    plain = Image(image.array, "ZYX")
    with pytest.raises(InputError, match="is not known, so the margin"):
        list(crop(plain, labels, margin="2mm"))
    none = replace(labels, labels=np.zeros_like(labels.labels), objects=ObjectTable.of(np.zeros(1, int)))
    with pytest.raises(InputError, match="Nothing in the labels"):
        list(crop(image, none, classes=["liver"]))
    assert list(crop(image, none)) == []
