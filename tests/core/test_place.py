"""Where voxels lie: the same points as nibabel and plain matrices say, through every change of the grid."""

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, Image, InputError, ObjectTable, Place, Segmentation, Task

OBLIQUE = np.array([[-0.48, 0.1, 0.05, 90], [0.1, 0.39, 0.1, -126], [0.02, -0.1, 2.0, -72], [0, 0, 0, 1]])
SHEARED = np.array([[0.5, 0, 0, 3], [0, 0.5, 0.7, 4], [0, 0, 2.0, 5], [0, 0, 0, 1]])


def axes_in_every_order():
    """Affines of volumes whose axes run along those of the patient, in all 48 ways."""
    from itertools import permutations, product

    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            matrix = np.eye(4)
            matrix[:3, :3] = (np.eye(3) * signs)[list(order)] * [0.5, 0.7, 3.0]
            matrix[:3, 3] = [11, -7, 5]
            yield matrix


@pytest.mark.parametrize("affine", [OBLIQUE, SHEARED, np.diag([-2.0, 2, 3, 1])], ids=["oblique", "sheared", "mirrored"])
def test_a_voxel_lies_where_nifti_and_dicom_say(affine) -> None:
    place = Place.from_ras(affine)
    x, y, z = 3, 5, 7
    right, front, up, _ = affine @ [x, y, z, 1]
    assert place.matrix @ [z, y, x, 1] == pytest.approx([up, -front, -right, 1])
    assert place.lps() @ [x, y, z, 1] == pytest.approx([-right, -front, up, 1])
    np.testing.assert_allclose(place.ras(), affine, atol=1e-12)
    np.testing.assert_allclose(Place.from_lps(place.lps()).matrix, place.matrix)
    assert place.spacing == pytest.approx(tuple(np.linalg.norm(affine[:3, i]) for i in (2, 1, 0)))
    assert place.voxel_volume == pytest.approx(abs(np.linalg.det(affine[:3, :3])))
    assert Place.from_json(place.to_json()).matrix.tolist() == place.matrix.tolist()


def test_orientation_is_what_nibabel_says() -> None:
    nibabel = pytest.importorskip("nibabel")
    for affine in (*axes_in_every_order(), OBLIQUE, SHEARED):
        place = Place.from_ras(affine)
        assert place.orientation == "".join(nibabel.aff2axcodes(affine))[::-1]
        axes = nibabel.io_orientation(affine)[:, 0].tolist()  # for each axis x, y, z of the file that of the patient
        assert place.closest == tuple(2 - axes.index(float(2 - world)) for world in range(3))


def test_what_runs_between_the_axes_is_oblique() -> None:
    assert [Place.from_ras(a).oblique for a in (OBLIQUE, SHEARED)] == [True, True]
    assert not any(Place.from_ras(a).oblique for a in axes_in_every_order())


def test_regions_and_sizes() -> None:
    place = Place.from_ras(OBLIQUE)
    moved = place.at({"Z": 2, "X": 4})
    assert moved.matrix @ [1, 5, 6, 1] == pytest.approx(place.matrix @ [3, 5, 10, 1])
    larger = place.resized({"Z": 4.0})
    assert larger.spacing == pytest.approx((4.0, *place.spacing[1:]))
    assert larger.matrix[:3, 3] == pytest.approx(place.matrix[:3, 3])
    assert larger.orientation == place.orientation


@pytest.mark.parametrize(
    "matrix",
    [np.zeros((4, 4)), np.eye(3), np.full((4, 4), np.nan), np.ones((4, 4)), "no", None, np.diag([1.0, 1, 1, 2])],
)
def test_what_is_no_place(matrix) -> None:
    for make in (Place, Place.from_ras, Place.from_lps):
        with pytest.raises(InputError, match="affine of the image is not valid"):
            make(matrix)


def test_an_image_takes_its_sizes_from_its_place_or_gives_it_others() -> None:
    place = Place.from_ras(OBLIQUE)
    image = Image(np.zeros((3, 4, 5)), "ZYX", unit="mm", place=place)
    assert image.spacing == place.spacing
    np.testing.assert_array_equal(image.affine, place.matrix)
    told = Image(np.zeros((5, 4, 3)), "XYZ", spacing=(0.3, 0.4, 5.0), place=place)
    assert told.place.spacing == pytest.approx((5.0, 0.4, 0.3))
    assert image.plane(2).place.matrix @ [0, 1, 1, 1] == pytest.approx(place.matrix @ [2, 1, 1, 1])
    plain = Image(np.zeros((3, 4, 5)), "ZYX", spacing=(3, 2, 1))
    assert plain.place is None
    assert plain.affine.diagonal().tolist() == [3, 2, 1, 1]


def test_labels_lie_where_the_region_of_their_image_lay() -> None:
    place = Place.from_ras(OBLIQUE)
    recipe = {"input": {"place": place.to_json()}, "origin": [1, 2, 3]}
    labels = np.ones((2, 2, 2), np.uint8)
    found = Segmentation(
        Task.INSTANCE, labels, ObjectTable.of(labels), ClassTable.named(["a"]), "ZYX", place.spacing, "mm", "", recipe
    )
    assert found.place is not None
    assert found.place.matrix @ [0, 0, 0, 1] == pytest.approx(place.matrix @ [1, 2, 3, 1])
