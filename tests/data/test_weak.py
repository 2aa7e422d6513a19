"""A click or a box an object: the guesses on real nuclei, and what is taken as known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, Image, InputError, Kind, Task
from napari_segplugin.data import normalise
from napari_segplugin.data.corrections import Corrections, to_sample
from napari_segplugin.data.strokes import near_strokes, touched_pieces
from napari_segplugin.data.weak import objects_from_boxes, objects_from_points
from napari_segplugin.io.samples import load_sample

CELL = ClassTable.named(["cell"])
TWO = ClassTable.named(["a", "b"], Kind.STUFF)


def real(name: str) -> tuple[np.ndarray, np.ndarray, tuple[float, ...], list]:
    """Normalised image, truth, spacing, and the (number, box) of each object that is not a crumb."""
    sample = load_sample(name)
    image, truth = sample.image, np.asarray(sample.truth).astype(int)
    array = normalise.apply(image.read(), normalise.statistics(image, None))
    found = [(n, b) for n, b in enumerate(ndi.find_objects(truth), 1) if b and (truth[b] == n).sum() > 30]
    return array, truth, image.canonical_spacing, found


def middles(truth: np.ndarray, found: list) -> np.ndarray:
    """The voxel of each object that is farthest from its outline."""
    depth = [ndi.distance_transform_edt(np.pad(truth[b] == n, 1))[(slice(1, -1),) * truth.ndim] for n, b in found]
    at = [np.unravel_index(d.argmax(), d.shape) for d in depth]
    return np.array([[a + s.start for a, s in zip(p, b, strict=True)] for p, (_, b) in zip(at, found, strict=True)])


def mean_iou(instances: np.ndarray, truth: np.ndarray, found: list) -> float:
    pairs = [(instances == k, truth == n) for k, (n, _) in enumerate(found, 1)]
    return float(np.mean([(a & b).sum() / (a | b).sum() for a, b in pairs]))


def disc(shape: tuple[int, ...], *discs: tuple[tuple[int, ...], float]) -> np.ndarray:
    """An image (1, ...) with bright balls."""
    grids = np.indices(shape)
    out = np.zeros(shape)
    for middle, radius in discs:
        out[sum((g - m) ** 2 for g, m in zip(grids, middle, strict=True)) <= radius**2] = 1
    return out[None]


class TestRealNuclei:
    @pytest.mark.parametrize(("name", "boxed", "clicked"), [("nuclei2d", 0.75, 0.7), ("nuclei3d", 0.75, 0.7)])
    def test_objects_are_found_again(self, name, boxed, clicked):
        array, truth, spacing, found = real(name)
        found = found if truth.ndim == 2 else found[:8]
        boxes = objects_from_boxes(array, [b for _, b in found], spacing)
        points = objects_from_points(array, middles(truth, found), spacing)
        assert mean_iou(boxes.instances, truth, found) > boxed
        assert mean_iou(points.instances, truth, found) > clicked
        for labels in (boxes, points):
            right = (labels.classes > 0) == (truth > 0)
            assert right[labels.known].mean() > 0.93

    def test_few_of_many_leave_the_rest_unknown(self):
        array, truth, spacing, found = real("nuclei2d")
        few = found[::6]
        labels = objects_from_boxes(array, [b for _, b in few], spacing)
        others = (truth > 0) & ~np.isin(truth, [n for n, _ in few])
        assert (labels.known & others).sum() < 0.05 * others.sum()


class TestBoxes:
    def test_the_object_reaches_all_sides_and_outside_is_background(self):
        image = disc((40, 40), ((20, 18), 8))
        labels = objects_from_boxes(image, [(slice(12, 29), slice(10, 27))], (1, 1))
        assert mean_iou(labels.instances, (image[0] > 0).astype(int), [(1, ...)]) > 0.85
        assert labels.known[10, 18]
        assert not labels.known[0, 0]

    def test_nothing_to_see_in_a_box_is_an_ellipse_that_is_unknown(self):
        labels = objects_from_boxes(np.zeros((1, 30, 30)), [(slice(5, 25), slice(8, 20))], (1, 1))
        inside = labels.instances > 0
        assert inside[5:25].any(1).all()
        assert inside[:, 8:20].any(0).all()
        assert not inside[:5].any()
        assert not (labels.known & inside).any()

    def test_overlapping_boxes_share_no_voxel_that_is_known(self):
        image = disc((40, 60), ((20, 20), 10), ((20, 36), 10))
        pair = [(slice(10, 31), slice(10, 31)), (slice(10, 31), slice(26, 47))]
        labels = objects_from_boxes(image, pair, (1, 1))
        assert labels.instances[20, 14] == 1
        assert labels.instances[20, 42] == 2
        assert not labels.known[20, 28]

    def test_another_object_beside_a_box_is_not_background(self):
        image = disc((40, 60), ((20, 20), 8), ((20, 38), 8))
        labels = objects_from_boxes(image, [(slice(12, 29), slice(12, 29))], (1, 1))
        assert not (labels.known & (labels.classes == 0) & (image[0] > 0)).any()

    def test_a_box_on_one_plane_speaks_of_that_plane_and_of_no_shape(self):
        image = disc((9, 30, 30), ((4, 15, 15), 6))
        labels = objects_from_boxes(image, [(slice(4, 5), slice(9, 22), slice(9, 22))], (1, 1, 1))
        assert not labels.known[[3, 5]].any()
        assert labels.instances[4, 15, 15] == 1
        assert not (labels.shape_known & (labels.instances > 0)).any()

    @pytest.mark.parametrize(
        "box", [(slice(30, 40), slice(0, 4)), (slice(5, 5), slice(0, 4)), (slice(-9, -2), slice(0, 4))]
    )
    def test_a_box_without_voxels_is_refused(self, box):
        with pytest.raises(InputError, match="outside the image"):
            objects_from_boxes(np.zeros((1, 20, 20)), [box], (1, 1))

    def test_a_box_needs_all_axes(self):
        with pytest.raises(InputError, match="a start and an end along each axis"):
            objects_from_boxes(np.zeros((1, 20, 20)), [(slice(0, 4),)], (1, 1))

    def test_classes_are_as_many_as_boxes(self):
        with pytest.raises(InputError, match="Give a class to each"):
            objects_from_boxes(np.zeros((1, 20, 20)), [(slice(0, 4), slice(0, 4))], (1, 1), class_ids=[1, 2])


class TestPoints:
    def test_no_click_is_nothing(self):
        labels = objects_from_points(np.zeros((1, 8, 8)), np.zeros((0, 2)), (1, 1))
        assert not labels.known.any()
        assert not labels.instances.any()

    def test_two_that_touch_are_parted_between_the_clicks(self):
        image = disc((40, 60), ((20, 20), 9), ((20, 38), 9))
        labels = objects_from_points(image, np.array([[20, 20], [20, 38]]), (1, 1))
        assert labels.instances[20, 16] == 1
        assert labels.instances[20, 42] == 2

    def test_dark_objects_on_bright_ground(self):
        image = 1 - disc((40, 40), ((20, 18), 8))
        labels = objects_from_points(image, np.array([[19, 17]]), (1, 1))
        assert mean_iou(labels.instances, (image[0] == 0).astype(int), [(1, ...)]) > 0.85

    def test_flat_image_gives_a_seed_at_most(self):
        labels = objects_from_points(np.zeros((1, 20, 20)), np.array([[5, 5]]), (1, 1))
        assert (labels.instances > 0).sum() <= 1

    def test_thick_planes_are_measured_in_space(self):
        grids = np.indices((9, 41, 41))
        ball = ((grids[0] - 4) * 4) ** 2 + (grids[1] - 20) ** 2 + (grids[2] - 20) ** 2 <= 81
        labels = objects_from_points(ball[None].astype(float), np.array([[4, 20, 20]]), (4, 1, 1))
        assert (labels.instances > 0)[ball].mean() > 0.9
        assert labels.instances[~ball].mean() < 0.01

    @pytest.mark.parametrize("point", [[8, 0], [-1, 3], [np.nan, 2]])
    def test_a_click_outside_is_refused(self, point):
        with pytest.raises(InputError, match="outside the image"):
            objects_from_points(np.zeros((1, 8, 8)), np.array([point]), (1, 1))


class TestCorrections:
    IMAGE = Image(disc((40, 60), ((20, 15), 8), ((20, 44), 8))[0], "YX")

    def blank(self):
        return np.zeros((40, 60), np.uint16)

    def test_marks_join_paint_and_paint_goes_first(self):
        paint = self.blank()
        paint[18:22, 42:46] = 7
        box = (slice(12, 29), slice(7, 24))
        marks = Corrections(paint, boxes=[box], points=np.array([[20, 44], [20, 14]]))
        sample = to_sample(self.IMAGE, marks, Task.INSTANCE, CELL)
        # the clicks on paint and in the box add no further object
        assert len(np.unique(sample.instances[sample.instances > 0])) == 2
        assert sample.known[20, 15]
        assert sample.known[20, 44]

    def test_an_empty_area_is_known_background_but_for_paint(self):
        paint, nothing = self.blank(), np.zeros((40, 60), bool)
        nothing[:, 30:] = True
        paint[20, 44] = 1
        sample = to_sample(self.IMAGE, Corrections(paint, nothing=nothing), Task.SEMANTIC, CELL)
        assert np.array_equal(sample.known, nothing)
        assert sample.classes[20, 44] == 1
        assert sample.classes.sum() == 1

    def test_semantic_marks_carry_their_class(self):
        marks = Corrections(self.blank(), points=np.array([[20, 15], [20, 44]]), point_class=(2, 1))
        sample = to_sample(self.IMAGE, marks, Task.SEMANTIC, TWO)
        assert sample.instances is None
        assert (sample.classes[20, 15], sample.classes[20, 44]) == (2, 1)

    def test_painted_background_in_a_box_stays_background(self):
        paint = self.blank()
        paint[20, 15] = BACKGROUND_PAINT
        sample = to_sample(self.IMAGE, Corrections(paint, boxes=[(slice(12, 29), slice(7, 24))]), Task.INSTANCE, CELL)
        assert sample.classes[20, 15] == 0
        assert sample.instances[20, 15] == 0
        assert sample.classes[15, 15] == 1

    def test_a_class_that_does_not_exist_is_refused(self):
        marks = Corrections(self.blank(), points=np.array([[20, 15]]), point_class=(5,))
        with pytest.raises(InputError, match="class that it cannot have"):
            to_sample(self.IMAGE, marks, Task.SEMANTIC, TWO)

    def test_an_empty_area_has_the_shape_of_the_image(self):
        with pytest.raises(InputError, match="nothing area differ"):
            Corrections(self.blank(), nothing=np.zeros((3, 3), bool))


def test_pieces_of_a_class_stay_where_its_strokes_are():
    labels = np.array([[1, 1, 0, 1, 2, 2], [0, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 0]])
    paint = np.zeros((3, 6), int)
    paint[0, 0], paint[1, 5] = 1, 2
    assert touched_pieces(labels, paint).tolist() == [[1, 1, 0, 0, 2, 2], [0, 0, 0, 0, 0, 2], [0, 0, 0, 0, 0, 0]]


def test_strokes_have_the_shape_of_the_result():
    with pytest.raises(InputError, match="differ in shape"):
        touched_pieces(np.zeros((3, 3), int), np.zeros((4, 4), int))


class TestNearStrokes:
    PAINT = np.array([[0, 1, 0, 0, 0, 0, 0, BACKGROUND_PAINT, 0]])

    def test_even_probabilities_are_parted_in_the_middle(self):
        near = near_strokes(np.full((2, 1, 9), 0.5), self.PAINT, (1, 1))
        assert (near[1] > near[0])[0].tolist() == [True] * 4 + [False] * 5
        assert near.sum(0) == pytest.approx(1)

    def test_a_class_without_strokes_is_out(self):
        near = near_strokes(np.full((3, 1, 9), 1 / 3), self.PAINT, (1, 1))
        assert not near[2].any()

    def test_no_strokes_and_other_shapes_are_refused(self):
        with pytest.raises(InputError, match="no strokes"):
            near_strokes(np.full((2, 1, 9), 0.5), np.zeros((1, 9), int), (1, 1))
        with pytest.raises(InputError, match="differ in shape"):
            near_strokes(np.full((2, 1, 8), 0.5), self.PAINT, (1, 1))
