"""The class of an object goes where the object goes; where nobody said it and it could be another, nothing is learnt."""

import numpy as np
import pytest

from napari_segplugin.core import BACKGROUND_PAINT, ClassInfo, ClassTable, Image, InputError, Kind, Task
from napari_segplugin.data.corrections import RIM, Corrections, to_sample
from napari_segplugin.data.strokes import count_strokes, split_strokes

TWO = ClassTable.named(["cell", "debris"])
MIXED = ClassTable((*TWO, ClassInfo(3, "tissue", "#009e73", Kind.STUFF)))
OBJECTS = [Task.INSTANCE, Task.PANOPTIC]


def image(shape=(30, 40)):
    return Image(np.random.default_rng(0).random(shape), "ZYX"[-len(shape) :])


def squares(*numbers, shape=(30, 40), dtype=np.uint16):
    """Squares of 6 beside each other, ten apart, with these numbers."""
    out = np.zeros(shape, dtype)
    for i, number in enumerate(numbers):
        out[..., 4:10, 4 + 10 * i : 10 + 10 * i] = number
    return out


def class_at(sample, i):
    return int(sample.classes[..., 6, 6 + 10 * i].max())


@pytest.mark.parametrize("shape", [(30, 40), (4, 30, 40)])
@pytest.mark.parametrize("task", OBJECTS)
def test_painted_objects_are_of_the_class_that_was_said(task, shape):
    marks = Corrections(squares(1, 2, shape=shape), painted_class={1: 1, 2: 2})
    sample = to_sample(image(shape), marks, task, TWO)
    assert [class_at(sample, i) for i in (0, 1)] == [1, 2]
    assert count_strokes(sample, TWO)["debris"][0] == 1


@pytest.mark.parametrize("said", [{}, {1: 1}])
@pytest.mark.parametrize("task", OBJECTS)
def test_an_object_of_which_nobody_said_the_class_is_not_guessed(task, said):
    with pytest.raises(InputError, match=r"painted objects ha.* no class.*number .*2.*1 \(cell\), 2 \(debris\)"):
        to_sample(image(), Corrections(squares(1, 2), painted_class=said), task, TWO)


def test_where_there_is_one_class_it_need_not_be_said():
    assert class_at(to_sample(image(), Corrections(squares(1, 2)), Task.INSTANCE, ClassTable.named(["cell"])), 1) == 1
    one = ClassTable((*ClassTable.named(["cell"]), ClassInfo(2, "tissue", "#009e73", Kind.STUFF)))
    assert class_at(to_sample(image(), Corrections(squares(1, 2)), Task.PANOPTIC, one), 1) == 1


@pytest.mark.parametrize("where", ["painted_class", "object_class"])
def test_a_class_that_is_not_in_the_table_is_refused(where):
    arrays = (
        {"paint": squares(1)} if where == "painted_class" else {"paint": squares(), "edited": squares(1, dtype=int)}
    )
    arrays |= {} if where == "painted_class" else {"before": squares(dtype=int)}
    with pytest.raises(InputError, match=r"has a class that does not exist.*number"):
        to_sample(image(), Corrections(**arrays, **{where: {1: 7}}), Task.INSTANCE, TWO)


class TestResult:
    """Objects of a result: edited, accepted, and those that nobody touched."""

    BEFORE = squares(1, 2, 3, dtype=int)

    def edited(self):
        edited = self.BEFORE.copy()
        edited[4:12, 14:20] = 2
        return edited

    def test_edited_and_accepted_objects_keep_their_class(self):
        marks = Corrections(
            squares(), edited=self.edited(), before=self.BEFORE, object_class={1: 1, 2: 2, 3: 2}, accepted=(3,)
        )
        sample = to_sample(image(), marks, Task.INSTANCE, TWO)
        assert [class_at(sample, i) for i in (1, 2)] == [2, 2]
        assert [bool(sample.known[6, 6 + 10 * i]) for i in range(3)] == [False, True, True]

    def test_a_corrected_object_without_a_class_is_refused(self):
        marks = Corrections(squares(), edited=self.edited(), before=self.BEFORE, object_class={1: 1, 3: 1})
        with pytest.raises(InputError, match=r"1 of the objects of the result has no class. Got number 2"):
            to_sample(image(), marks, Task.INSTANCE, TWO)

    def test_what_nobody_touched_needs_no_class_and_teaches_none(self):
        edited = np.roll(self.BEFORE, 0)
        edited[4:10, 10:12] = 1  # up to two voxels beside object 2, so that its rim holds a strip of that
        marks = Corrections(squares(), edited=edited, before=self.BEFORE, object_class={1: 2})
        sample = to_sample(image(), marks, Task.INSTANCE, TWO)
        assert class_at(sample, 0) == 2
        assert not sample.known[self.BEFORE == 2].any()

    def test_a_changed_area_is_known_where_it_was_changed_and_nowhere_else(self):
        before = np.full((30, 40), 5)
        before[:, 20:] = 0
        edited = before.copy()
        edited[:, 20:22] = 5
        marks = Corrections(squares(), edited=edited, before=before, object_class={5: 3})
        sample = to_sample(image(), marks, Task.PANOPTIC, MIXED)
        assert np.array_equal(sample.known, edited != before)
        assert (sample.classes[sample.known] == 3).all()
        assert not sample.instances.any()

    def test_object_numbers_are_read_as_classes_only_by_what_is_said_of_them(self):
        marks = Corrections(squares(), edited=self.edited(), before=self.BEFORE, object_class={1: 1, 2: 2, 3: 1})
        sample = to_sample(image(), marks, Task.SEMANTIC, TWO)
        assert set(sample.classes[sample.known]) == {2}
        with pytest.raises(InputError, match="no class"):
            to_sample(
                image(),
                Corrections(squares(), edited=self.edited(), before=self.BEFORE, object_class={1: 1}),
                Task.SEMANTIC,
                TWO,
            )


class TestAreas:
    def test_a_stroke_of_an_area_is_no_object_and_has_no_rim(self):
        marks = Corrections(squares(1, 9), painted_class={1: 2, 9: 3})
        sample = to_sample(image(), marks, Task.PANOPTIC, MIXED)
        assert [class_at(sample, i) for i in (0, 1)] == [2, 3]
        assert np.array_equal(sample.instances > 0, marks.paint == 1)
        assert np.array_equal(sample.known, marks.paint > 0)  # beside the object may be tissue as well as background

    def test_with_a_result_the_rim_is_what_the_result_says(self):
        edited = np.full((30, 40), 4)
        marks = Corrections(squares(1), edited=edited, before=edited, painted_class={1: 1}, object_class={4: 3})
        sample = to_sample(image(), marks, Task.PANOPTIC, MIXED)
        assert sample.known.sum() == (6 + 2 * RIM) ** 2
        assert set(sample.classes[sample.known & (marks.paint == 0)]) == {3}

    def test_strokes_of_an_area_are_held_out_whole(self):
        paint = squares(1, 2, 3)
        for i, row in enumerate((14, 18, 22, 26)):
            paint[row, 4:30] = 60000 + i
        marks = Corrections(paint, painted_class={1: 1, 2: 1, 3: 1} | {60000 + i: 3 for i in range(4)})
        sample = to_sample(image(), marks, Task.PANOPTIC, MIXED)
        split = split_strokes(sample, MIXED)
        assert split.sentence == "Checked on objects that were kept aside: 1 cell, 1 tissue."
        for value in np.unique(paint[paint > 0]):
            assert split.heldout.known[paint == value].mean() in (0, 1)
        assert count_strokes(sample, MIXED)["tissue"] == (4, 4 * 26)

    def test_around_a_box_may_be_tissue(self):
        picture = Image(squares(9).astype(float), "YX")
        marks = Corrections(squares(), boxes=[(slice(3, 11), slice(3, 11))], box_class=(2,))
        sample = to_sample(picture, marks, Task.PANOPTIC, MIXED)
        assert set(sample.classes[sample.known]) == {2}
        there = to_sample(picture, marks, Task.INSTANCE, TWO)
        assert set(there.classes[there.known]) == {0, 2}


@pytest.mark.parametrize("task", [*OBJECTS, Task.SEMANTIC])
@pytest.mark.parametrize(
    "marks",
    [{"points": np.array([[6, 6], [6, 16]])}, {"boxes": [(slice(3, 11), slice(3, 11)), (slice(3, 11), slice(13, 21))]}],
)
def test_points_and_boxes_are_of_the_class_that_was_said(task, marks):
    picture, word = Image(squares(9, 9).astype(float), "YX"), next(iter(marks))
    with pytest.raises(
        InputError, match=rf"The {word} have no class. Got 2 {word}. Accepted: 1 \(cell\), 2 \(debris\)"
    ):
        to_sample(picture, Corrections(squares(), **marks), task, TWO)
    said = {f"{word.removesuffix('s').removesuffix('e')}_class": (1, 2)}
    sample = to_sample(picture, Corrections(squares(), **marks, **said), task, TWO)
    assert [class_at(sample, i) for i in (0, 1)] == [1, 2]


def test_classes_of_strokes_can_be_said_by_number():
    marks = Corrections(squares(7, 8, BACKGROUND_PAINT), painted_class={7: 2, 8: 1})
    sample = to_sample(image(), marks, Task.SEMANTIC, TWO)
    assert [class_at(sample, i) for i in range(3)] == [2, 1, 0]
    with pytest.raises(InputError, match=r"class that does not exist. Got painted value 8"):
        to_sample(image(), Corrections(squares(7, 8), painted_class={7: 2}), Task.SEMANTIC, TWO)


def test_an_object_of_a_large_number_is_no_background():
    """In a result 65535 is a number like any other."""
    edited = squares(BACKGROUND_PAINT, dtype=int)
    marks = Corrections(squares(), edited=edited, before=0 * edited, object_class={BACKGROUND_PAINT: 2})
    assert class_at(to_sample(image(), marks, Task.INSTANCE, TWO), 0) == 2


class TestFilm:
    def film(self):
        paint = np.stack([squares(1), squares(0, 2), squares()])
        return Corrections(
            paint,
            axes="TYX",
            painted_class={1: 1, 2: 2},
            points=np.array([[0, 6, 6], [1, 20, 20], [1, 6, 6]]),
            point_class=(1, 2, 1),
            boxes=((slice(1, 2), slice(3, 9), slice(3, 9)),),
            box_class=(2,),
            edited=paint.astype(int),
            before=paint.astype(int),
        )

    def test_a_time_point_takes_its_classes_along(self):
        second = self.film().frame(1)
        assert (second.axes, second.painted_class[2]) == ("YX", 2)
        assert second.point_class == (2, 1)
        assert (second.boxes, second.box_class) == (((slice(3, 9), slice(3, 9)),), (2,))
        assert second.edited.shape == (30, 40)
        assert not self.film().frame(0).empty
        assert self.film().frame(2).empty
        assert self.film().frame(None).axes == "TYX"

    def test_a_film_is_taken_one_time_point_at_a_time(self):
        with pytest.raises(InputError, match="Use one time point"):
            to_sample(image(), self.film(), Task.INSTANCE, TWO)

    def test_axes_have_to_fit(self):
        with pytest.raises(InputError, match=r"axes do not fit the corrections. Got 'TYX'"):
            Corrections(squares(), axes="TYX")
