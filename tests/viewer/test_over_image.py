"""Labels of another file of the patient are corrected on the voxels of the image, never on those of their own file."""

import numpy as np
import pytest

from napari_segplugin.core import Image, InputError, Place
from napari_segplugin.viewer.layers import image_to_layer, layer_to_image, opened_labels
from napari_segplugin.viewer.over_image import fits, over_image

nibabel = pytest.importorskip("nibabel")
napari_layers = pytest.importorskip("napari.layers")

AFFINE = np.array([[-0.5, 0, 0, 90], [0, 0.4, 0.1, -126], [0, -0.1, 2.0, -72], [0, 0, 0, 1.0]])
LABELS = (np.arange(60).reshape(3, 4, 5) % 7).astype(np.uint16)


def image_layer(affine=AFFINE):
    array, options, _ = image_to_layer(
        Image(np.zeros((3, 4, 5)), "ZYX", unit="mm", name="scan", place=Place.from_ras(affine))
    )
    return napari_layers.Image(array, **options)


def labels_layer(tmp_path, image):
    from napari_segplugin.io import read_segmentation

    nibabel.save(image, tmp_path / "truth.nii.gz")
    array, options, _ = opened_labels(read_segmentation(tmp_path / "truth.nii.gz"))
    return napari_layers.Labels(array, **options)


def axes(layer):
    return "".join(layer.axis_labels).upper()


@pytest.mark.parametrize("turn", [[[0, -1], [1, 1], [2, 1]], [[2, 1], [0, -1], [1, -1]], [[1, 1], [2, -1], [0, 1]]])
def test_a_file_that_runs_in_other_directions_comes_on_the_voxels_of_the_image(tmp_path, turn) -> None:
    image = image_layer()
    same = nibabel.Nifti1Image(LABELS.transpose(), AFFINE)
    kept = labels_layer(tmp_path, same)
    assert over_image(kept, image, axes(image)) == (kept, "")
    layer = labels_layer(tmp_path, same.as_reoriented(np.array(turn)))
    assert fits(layer, image, axes(image))
    found, note = over_image(layer, image, axes(image))
    assert "other directions" in note
    np.testing.assert_array_equal(found.data, LABELS)
    assert found.data_to_world((1, 2, 3)) == pytest.approx(image.data_to_world((1, 2, 3)))
    np.testing.assert_allclose(layer_to_image(found, "ZYX").place.matrix, layer_to_image(image).place.matrix)
    assert list(found.features["label"]) == list(layer.features["label"])


def test_labels_of_another_examination_are_said(tmp_path) -> None:
    image = image_layer()
    turned = nibabel.Nifti1Image(LABELS.transpose(), AFFINE).as_reoriented(np.array([[0, -1], [1, 1], [2, 1]]))
    layer = labels_layer(tmp_path, turned)
    for one, reference in ((image, "1.2"), (layer, "1.3")):
        one.metadata["segplugin"]["place"] = {**one.metadata["segplugin"]["place"], "reference": reference}
    assert "different frames of reference" in over_image(layer, image, axes(image))[1]


def test_other_voxels_are_said_and_another_place_is_refused(tmp_path) -> None:
    image = image_layer()
    coarse = nibabel.Nifti1Image(np.ones((3, 3, 2), np.uint8), AFFINE * [2, 2, 2, 1])
    _, note = over_image(labels_layer(tmp_path, coarse), image, axes(image))
    assert "label of the nearest" in note
    away = nibabel.Nifti1Image(np.ones((3, 3, 2), np.uint8), AFFINE + np.eye(4, k=3) * 500)
    with pytest.raises(InputError, match="do not lie in the image"):
        over_image(labels_layer(tmp_path, away), image, axes(image))


def test_what_was_made_over_the_image_is_taken_as_it_is() -> None:
    image = image_layer()
    painted = napari_layers.Labels(LABELS, scale=image.scale, affine=image.affine, axis_labels=image.axis_labels)
    assert over_image(painted, image, axes(image)) == (painted, "")
    plain = napari_layers.Image(np.zeros((3, 4, 5)))
    other = napari_layers.Labels(np.zeros((3, 4, 6), int))
    assert not fits(other, plain, "ZYX")
    assert over_image(painted, plain, "ZYX") == (painted, "")
