"""Classes of objects from tables and images."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, InputError, ObjectTable, Segmentation, Task
from napari_segplugin.io import write_segmentation
from napari_segplugin.io.object_classes import class_number, read_object_classes, table_beside

TWO = ClassTable.named(["cell", "debris"])
LABELS = np.array([[0, 1, 1, 2, 2, 2, BACKGROUND_PAINT, 9]])


def write(folder, text, name="t.csv"):
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    "text",
    [
        "label,class,name\n1,1,debris\n2,2,cell\n",  # names go before numbers, which are another table's
        "value,class\n1,debris\n2,cell\n7,cell\n",
        "number,name\n1,debris\n2,cell\n9,\n65535,background\n",
        "\ufeffindex,class\n1,2\n2,1\n",
    ],
)
def test_a_table_names_or_numbers_the_class(tmp_path, text):
    assert read_object_classes(write(tmp_path, text), LABELS, TWO) == {1: 2, 2: 1}


def test_an_image_says_the_class_of_most_voxels(tmp_path):
    tifffile.imwrite(tmp_path / "k.tif", np.array([[0, 2, 0, 1, 2, 1, 1, 0]], np.uint8))
    assert read_object_classes(tmp_path / "k.tif", LABELS, TWO) == {1: 2, 2: 1}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("label,size\n1,2\n", "lacks a column.*Got label, size"),
        ("", "lacks a column, or has no rows. Got nothing"),
        ("label,name\n1,nucleus\n", "no such class. Got 'nucleus'.*1 or cell"),
        ("label,class\n1,3\n", "no such class. Got '3'"),
        ("label,class\nx,3\n", "table of classes"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, text, match):
    with pytest.raises(InputError, match=match):
        read_object_classes(write(tmp_path, text), LABELS, TWO)


def test_an_image_of_another_size_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "k.tif", np.zeros((3, 3), np.uint8))
    with pytest.raises(InputError, match="differ in size"):
        read_object_classes(tmp_path / "k.tif", LABELS, TWO)


def test_the_table_beside_labels_is_found_by_its_name(tmp_path):
    assert table_beside(tmp_path / "s.ome.tif") is None
    beside = write(tmp_path, "", "s.objects.csv")
    assert table_beside(tmp_path / "s.ome.tif") == table_beside(tmp_path / "s.nii.gz") == beside


def test_a_class_that_is_named_like_a_number_is_found_by_its_name():
    assert class_number("2", ClassTable.named(["2", "1"])) == 1


def test_names_that_look_like_formulas_come_back_from_our_own_table(tmp_path):
    names = ["=HYPERLINK(1)", "@cell", "-nucleus", "'=quoted", "+1", "\tx"]
    classes = ClassTable.named(names)
    labels = np.arange(8).reshape(2, 4)[:, :]
    labels[labels == 7] = 0
    kinds = ObjectTable.of(labels)
    table = replace(kinds, class_id=np.arange(1, 7))
    seg = Segmentation(Task.INSTANCE, labels, table, classes, "YX", (1.0, 1.0))
    *_, path = write_segmentation(seg, tmp_path / "a.tif", columns={"growth": -np.arange(6.0)})
    rows = list(csv.DictReader(path.open(newline="", encoding="utf-8")))
    assert [r["name"][0] for r in rows] == ["'", "'", "'", "'", "+", "'"]
    assert [r["growth"] for r in rows] == ["-0", "-1", "-2", "-3", "-4", "-5"], "numbers are left alone"
    assert read_object_classes(path, labels, classes) == {n: n for n in range(1, 7)}
