"""Image files find their labels by name; what has no counterpart is named."""

import numpy as np
import pytest

from napari_segplugin.core import InputError
from napari_segplugin.io.formats import stem_of
from napari_segplugin.io.pairs import canonical_labels, find_pairs, match_names


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ["images/a.tif", "images/b.png", "masks/a.png", "masks/b.tif"],
        ["Images/a.tif", "Images/b.tif", "LABELS/a.nii.gz", "LABELS/b.ome.tif"],
        ["images/a_image.tif", "images/b_image.tif", "labels/a_labels.tif", "labels/b_labels.tif"],
        ["a_image.tif", "a_labels.tif", "b_img.tif", "b_mask.tif"],
    ],
)
def test_each_layout_gives_the_same_pairs(tmp_path, names):
    touch(tmp_path, *names, ".DS_Store", "notes.txt", "images/.hidden")
    pairs = find_pairs(touch(tmp_path, *names))
    assert [p.name for p in pairs] == ["a", "b"]
    assert all(p.image != p.labels for p in pairs)


def test_sidecars_in_the_folders_are_passed_over(tmp_path):
    touch(tmp_path, "images/a.tif", "images/a.json", "masks/a.tif", "masks/a.recipe.json", "masks/.hidden.tif")
    assert len(find_pairs(tmp_path)) == 1


def test_a_folder_of_classes_is_joined_by_name(tmp_path):
    pairs = find_pairs(touch(tmp_path, "images/a.tif", "labels/a.tif", "classes/a.tif"))
    assert pairs[0].classes == tmp_path / "classes" / "a.tif"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["images/a.tif", "images/b.tif", "masks/a.tif"], "1 of images has no counterpart in masks.*'b'"),
        (
            ["images/a.tif", "masks/a.tif", "masks/b.tif", "masks/c.tif"],
            "2 of masks have no counterpart in images.*'b', 'c'",
        ),
        (["images/a.tif", "images/a.png", "masks/a.tif"], "Two files have the name 'a'"),
        (["images/a.tif", "masks/a.tif", "classes/b.tif"], "no counterpart in classes"),
        (["a_image.tif"], "no counterpart in the labels"),
        (["images/a.tif"], "no images with labels.*images/ and masks/"),
        (["something.tif"], "no images with labels"),
    ],
)
def test_what_does_not_pair_is_named(tmp_path, names, words):
    with pytest.raises(InputError, match=words):
        find_pairs(touch(tmp_path, *names))


def test_many_lonely_files_are_counted_not_listed(tmp_path):
    touch(tmp_path, *[f"images/{i:02}.tif" for i in range(9)], "masks/00.tif")
    with pytest.raises(InputError, match=r"8 of images have.*'05' and 3 more"):
        find_pairs(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_pairs(tmp_path / "nowhere")


def test_predictions_and_truth_are_matched_both_ways(tmp_path):
    one = [tmp_path / "a_labels.tif", tmp_path / "b_labels.tif"]
    assert [t.name for _, t in match_names(one, [tmp_path / "b.png", tmp_path / "a.png"])] == ["a.png", "b.png"]
    with pytest.raises(InputError, match="1 of the predictions has no counterpart"):
        match_names(one, one[:1])
    with pytest.raises(InputError, match="1 of the ground truth has no counterpart"):
        match_names(one[:1], one)


@pytest.mark.parametrize(
    ("name", "stem"), [("a.tif", "a"), ("a.b.NII.GZ", "a.b"), ("a.ome.tiff", "a"), ("a.ome.zarr", "a")]
)
def test_double_extensions_count_as_one(tmp_path, name, stem):
    assert stem_of(tmp_path / name) == stem


def test_labels_are_turned_to_depth_row_column():
    labels = np.arange(24).reshape(2, 3, 4)
    assert canonical_labels(labels, "XYZ").shape == (4, 3, 2)
    assert canonical_labels(labels, "TYX").shape == (2, 3, 4)
    with pytest.raises(InputError, match="'TZYX'"):
        canonical_labels(labels[None], "TZYX")
