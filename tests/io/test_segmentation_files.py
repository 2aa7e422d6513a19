"""A segmentation that was written comes back whole: task, classes, table, voxel size, recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, InputError, Kind, ObjectTable, Place, Segmentation, Task
from napari_segplugin.io import is_result, read_segmentation, write_segmentation
from napari_segplugin.io.formats import FORMATS, with_extension


@pytest.mark.parametrize("extension", [".tif", ".ome.tif", ".ome.zarr", ".npy", ".nii.gz", ".png"])
def test_everything_comes_back(tmp_path, extension) -> None:
    if extension == ".nii.gz":
        pytest.importorskip("nibabel")
    labels = np.zeros((5, 6), np.int64)
    labels[1:3, 1:3], labels[4] = 3, 8
    table = ObjectTable(
        np.array([3, 8]), np.array([1, 2]), np.array([0.25, np.nan], np.float32), ("accepted", "predicted")
    )
    classes = ClassTable.named(["a", "b"], Kind.STUFF)
    seg = Segmentation(Task.PANOPTIC, labels, table, classes, "YX", (0.3, 0.2), "um", recipe={"model": "m"})
    write_segmentation(seg, tmp_path / f"x{extension}")
    back = read_segmentation(tmp_path / f"x{extension}")
    assert np.array_equal(np.asarray(back.labels).reshape(5, 6), labels)
    assert (back.task, back.classes, back.name, back.recipe) == (Task.PANOPTIC, classes, "x", {"model": "m"})
    assert back.spacing[-2:] == pytest.approx((0.3, 0.2))
    assert back.unit == "um"
    assert back.objects.class_id.tolist() == [1, 2]
    assert back.objects.status == ("accepted", "predicted")
    assert back.objects.score[0] == pytest.approx(0.25)
    assert np.isnan(back.objects.score[1])


def test_labels_of_another_program(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0, 1], [2, 2]]))
    assert read_segmentation(tmp_path / "a.npy").task is Task.INSTANCE
    semantic = read_segmentation(tmp_path / "a.npy", task="semantic")
    assert [c.name for c in semantic.classes] == ["background", "class 1", "class 2"]
    assert semantic.objects.class_id.tolist() == [1, 2]
    named = ClassTable.named(["axon", "myelin"])
    assert read_segmentation(tmp_path / "a.npy", task="semantic", classes=named).classes == named


def test_object_numbers_are_no_classes(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0, 3000]]))
    with pytest.raises(InputError, match="look like object numbers"):
        read_segmentation(tmp_path / "a.npy", task="semantic")


def test_a_damaged_recipe_is_a_sentence(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0, 1]]))
    (tmp_path / "a.recipe.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.recipe\.json.*cannot be read as JSON"):
        read_segmentation(tmp_path / "a.npy")


def test_every_choice_for_saving_is_an_extension_of_its_row(tmp_path) -> None:
    for row in FORMATS:
        for title, extension in row.choices if row.writes else ():
            assert title
            assert any(extension.endswith(e) for e in row.extensions)
            assert with_extension(tmp_path / "a.v1.tif", extension).name == f"a.v1{extension}"


def test_the_same_labels_in_several_formats_all_open_as_a_result(tmp_path, make_segmentation) -> None:
    """Labels and surfaces are often saved under one name; one recipe stands for all of them, and for no other labels."""
    labels = np.zeros((6, 8, 9), np.uint16)
    labels[1:4, 2:6, 2:7] = 3
    seg = make_segmentation(labels, spacing=(2.0, 1.0, 1.0), unit="mm", place=Place(np.diag([2.0, 1, 1, 1]), "patient"))
    for ending in (".nii.gz", ".tif", ".stl"):
        write_segmentation(seg, tmp_path / f"a{ending}")
    assert [is_result(tmp_path / f"a{e}") for e in (".nii.gz", ".tif")] == [True, True]
    assert read_segmentation(tmp_path / "a.nii.gz").classes[1].name == "nucleus"
    # other labels in another format under the same name: what was there before is not what the recipe speaks of
    other = labels.copy()
    other[0, 0, 0] = 9
    write_segmentation(replace(seg, labels=other, objects=ObjectTable.of(other)), tmp_path / "a.npy")
    assert [is_result(tmp_path / f"a{e}") for e in (".npy", ".nii.gz", ".tif")] == [True, False, False]
    # and a file that another program replaced is none
    write_segmentation(seg, tmp_path / "b.npy")
    write_segmentation(seg, tmp_path / "b.tif")
    np.save(tmp_path / "b.npy", labels + 1)
    assert [is_result(tmp_path / f"b{e}") for e in (".npy", ".tif")] == [False, True]
