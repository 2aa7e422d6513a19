"""Painted is known, unpainted is unknown; whole strokes and whole objects are held out, never parts of one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, Image, InputError, Kind, Sample, Task
from napari_segplugin.data.corrections import RIM, Corrections, to_sample
from napari_segplugin.data.strokes import count_strokes, split_strokes

STUFF = ClassTable.named(["axon", "myelin"], Kind.STUFF)
THINGS = ClassTable.named(["cell"])
IMAGE = Image(np.zeros((12, 16)), "YX")


def blank(dtype=np.uint16):
    return np.zeros((12, 16), dtype)


def boxes(*places):
    """Squares of 4 × 4 with their corners at `places`, numbered 1, 2 …."""
    labels = blank(np.int32)
    for number, (y, x) in enumerate(places, 1):
        labels[y : y + 4, x : x + 4] = number
    return labels


class TestSemantic:
    def test_exactly_the_painted_voxels_are_known(self):
        paint = blank()
        paint[2, 2:6], paint[8, 2:6] = 1, BACKGROUND_PAINT
        sample = to_sample(IMAGE, Corrections(paint), Task.SEMANTIC, STUFF)
        assert np.array_equal(sample.known, paint > 0)
        assert set(sample.classes[2, 2:6]) == {1}
        assert set(sample.classes[8, 2:6]) == {0}

    def test_a_change_of_the_result_is_a_correction_and_paint_goes_before_it(self):
        before, edited, paint = blank(), blank(), blank()
        edited[4, 4:8] = 2
        paint[4, 4] = 1
        sample = to_sample(IMAGE, Corrections(paint, edited=edited, before=before), Task.SEMANTIC, STUFF)
        assert sample.known.sum() == 4
        assert sample.classes[4, 4:8].tolist() == [1, 2, 2, 2]

    def test_a_reviewed_area_is_known_everywhere(self):
        reviewed = blank(bool)
        reviewed[:6] = True
        edited = blank()
        edited[2, 2] = 1
        sample = to_sample(IMAGE, Corrections(blank(), reviewed, edited, edited), Task.SEMANTIC, STUFF)
        assert np.array_equal(sample.known, reviewed)
        assert sample.classes[2, 2] == 1

    def test_an_area_of_whole_numbers_is_an_area(self):
        areas = {}
        for dtype in (bool, np.int16):
            reviewed = blank(dtype)
            reviewed[:6] = 2
            edited = boxes((1, 1))
            given = Corrections(blank(), reviewed, edited, edited, nothing=reviewed)
            areas[dtype] = [
                to_sample(IMAGE, given, task, table).known
                for task, table in ((Task.SEMANTIC, STUFF), (Task.INSTANCE, THINGS))
            ]
        np.testing.assert_array_equal(areas[bool], areas[np.int16])

    def test_a_stroke_of_a_class_that_is_not_there_is_refused(self):
        paint = blank()
        paint[0, 0] = 3
        with pytest.raises(InputError, match=r"painted value 3.*1 to 2 for axon, myelin"):
            to_sample(IMAGE, Corrections(paint), Task.SEMANTIC, STUFF)


class TestInstance:
    def test_a_painted_object_is_known_whole_with_a_rim_and_nothing_else_is(self):
        paint = boxes((4, 4)).astype(np.uint16)
        sample = to_sample(IMAGE, Corrections(paint), Task.INSTANCE, THINGS)
        assert sample.known.sum() == (4 + 2 * RIM) ** 2
        assert np.array_equal(sample.classes == 1, paint == 1)

    def test_an_object_of_which_a_part_changed_is_known_whole(self):
        before = boxes((1, 1), (6, 10))
        edited = before.copy()
        edited[5, 1:5] = 1  # one more row
        sample = to_sample(IMAGE, Corrections(blank(), edited=edited, before=before), Task.INSTANCE, THINGS)
        assert sample.known[edited == 1].all()
        assert not sample.known[edited == 2].any()

    def test_an_erased_object_is_known_background(self):
        before = boxes((1, 1), (6, 10))
        edited = np.where(before == 2, 0, before)
        sample = to_sample(IMAGE, Corrections(blank(), edited=edited, before=before), Task.INSTANCE, THINGS)
        assert np.array_equal(sample.known, before == 2)
        assert not sample.classes[sample.known].any()

    def test_a_split_makes_the_new_half_and_the_cut_known(self):
        before = blank(np.int32)
        before[4:8, 2:12] = 1
        edited = before.copy()
        edited[4:8, 7:12] = 2
        sample = to_sample(IMAGE, Corrections(blank(), edited=edited, before=before), Task.INSTANCE, THINGS)
        assert sample.known[4:8, 7 - RIM : 12].all()
        assert sample.instances[5, 6] != sample.instances[5, 7]

    def test_a_strip_of_a_neighbour_in_the_rim_has_a_class_and_no_shape(self):
        edited = boxes((4, 4), (4, 9))
        paint = np.where(edited == 1, 1, 0).astype(np.uint16)
        sample = to_sample(IMAGE, Corrections(paint, edited=edited, before=edited), Task.INSTANCE, THINGS)
        strip = sample.known & (edited == 2)
        assert strip.any()
        assert sample.classes[strip].all()
        assert not sample.instances[strip].any()
        assert not sample.shape_known[strip].any()
        assert count_strokes(sample, THINGS)["cell"][0] == 1

    def test_what_paint_left_of_a_wrong_object_is_unknown(self):
        edited = blank(np.int32)
        edited[4:8, 2:12] = 1  # two objects that were found as one
        paint = np.where(edited & (np.arange(16) < 7), 1, 0).astype(np.uint16)
        sample = to_sample(IMAGE, Corrections(paint, edited=edited, before=edited), Task.INSTANCE, THINGS)
        assert not sample.known[4:8, 7:12].any()
        assert sample.known[paint > 0].all()
        assert sample.known[3, 2:7].all()

    def test_neighbours_in_a_reviewed_area_are_right(self):
        edited = boxes((4, 4), (4, 9))
        paint = np.where(edited == 1, 1, 0).astype(np.uint16)
        marks = Corrections(paint, np.ones((12, 16), bool), edited, edited)
        sample = to_sample(IMAGE, marks, Task.INSTANCE, THINGS)
        assert sample.known.all()
        assert sample.shape_known is None
        assert len(np.unique(sample.instances)) == 3

    def test_painted_numbers_do_not_collide_with_numbers_of_the_result(self):
        edited = boxes((1, 1))
        paint = np.roll(edited, (5, 8), (0, 1)).astype(np.uint16)
        sample = to_sample(IMAGE, Corrections(paint, edited=edited, before=edited), Task.INSTANCE, THINGS)
        assert set(np.unique(sample.instances[paint > 0])).isdisjoint(np.unique(sample.instances[edited > 0]))

    def test_background_paint_erases_under_it(self):
        edited = boxes((4, 4))
        paint = blank()
        paint[4:8, 4] = BACKGROUND_PAINT
        sample = to_sample(IMAGE, Corrections(paint, edited=edited, before=edited), Task.INSTANCE, THINGS)
        assert not sample.instances[4:8, 4].any()
        assert np.array_equal(sample.known, paint > 0)

    def test_classes_of_objects_are_kept(self):
        table = ClassTable.named(["round", "long"])
        edited, paint = boxes((1, 1)), np.roll(boxes((1, 1)), 8, 1).astype(np.uint16)
        marks = Corrections(paint, edited=edited, before=blank(np.int32), object_class={1: 2}, painted_class={1: 2})
        sample = to_sample(IMAGE, marks, Task.INSTANCE, table)
        assert set(sample.classes[edited > 0]) == set(sample.classes[paint > 0]) == {2}


@pytest.mark.parametrize("task", [Task.SEMANTIC, Task.INSTANCE])
def test_nothing_painted_is_refused_with_advice(task):
    with pytest.raises(InputError, match=r"Nothing is painted yet\. Paint some strokes"):
        to_sample(IMAGE, Corrections(blank()), task, THINGS)


def test_corrections_of_another_image_are_refused():
    with pytest.raises(InputError, match=r"do not fit the image.*\(12, 16\) for an image of \(5, 5\)"):
        to_sample(Image(np.zeros((5, 5)), "YX"), Corrections(blank()), Task.SEMANTIC, THINGS)


@pytest.mark.parametrize("word", ["reviewed", "edited", "before"])
def test_arrays_of_different_shape_are_refused(word):
    with pytest.raises(InputError, match=f"the {word} .*differ in shape"):
        Corrections(blank(), **{word: np.zeros((3, 3), bool)})


def test_a_reviewed_area_without_a_result_is_refused():
    with pytest.raises(InputError, match="needs a result"):
        Corrections(blank(), np.ones((12, 16), bool))


def test_a_copy_does_not_see_later_strokes():
    marks = Corrections(blank(), edited=blank())
    copy = marks.copy()
    marks.paint[0, 0] = 1
    marks.edited[0, 0] = 1
    assert not copy.paint.any()
    assert not copy.edited.any()


strokes = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(1, 5), st.integers(0, 2)), max_size=14)


@settings(max_examples=60, deadline=None)
@given(strokes, st.integers(0, 5), st.booleans())
def test_a_split_parts_the_known_voxels_and_no_stroke_is_in_both(places, seed, objects):
    paint = blank()
    for number, (y, x, length, value) in enumerate(places, 1):
        paint[y, x : x + length] = number if objects else value or BACKGROUND_PAINT
    if not paint.any():
        return
    task, table = (Task.INSTANCE, THINGS) if objects else (Task.SEMANTIC, STUFF)
    sample = to_sample(IMAGE, Corrections(paint), task, table)
    split = split_strokes(sample, table, seed=seed)
    if split.heldout is None:
        assert split.train is sample
        return
    train, held = split.train.known, split.heldout.known
    assert not (train & held).any()
    assert np.array_equal(train | held, sample.known)
    assert held.any()
    assert train.any()
    if objects:
        numbers = [set(np.unique(sample.instances[m])) - {0} for m in (train, held)]
        assert numbers[0].isdisjoint(numbers[1])
    else:
        for c in range(3):
            pieces, _ = ndi.label(sample.known & (sample.classes == c), np.ones((3, 3)))
            assert (set(np.unique(pieces[train])) - {0}).isdisjoint(set(np.unique(pieces[held])) - {0})


def test_two_strokes_of_a_class_are_too_few_to_hold_one_out():
    paint = blank()
    paint[1, 1:4], paint[5, 1:4] = 1, 1
    split = split_strokes(to_sample(IMAGE, Corrections(paint), Task.SEMANTIC, STUFF), STUFF)
    assert split.heldout is None
    assert "at least three of a class" in split.sentence


def test_the_sentence_counts_what_was_held_out():
    paint = boxes((0, 0), (0, 8), (7, 0), (7, 8)).astype(np.uint16)
    split = split_strokes(to_sample(IMAGE, Corrections(paint), Task.INSTANCE, THINGS), THINGS)
    assert split.sentence == "Checked on objects that were kept aside: 1 cell."


def test_the_split_follows_the_seed():
    paint = boxes((0, 0), (0, 8), (7, 0), (7, 8)).astype(np.uint16)
    sample = to_sample(IMAGE, Corrections(paint), Task.INSTANCE, THINGS)
    same = [split_strokes(sample, THINGS, seed=3).heldout.known for _ in range(2)]
    assert np.array_equal(*same)
    assert len({split_strokes(sample, THINGS, seed=s).heldout.known.tobytes() for s in range(12)}) > 1


def test_strokes_and_voxels_are_counted_for_each_class():
    paint = blank()
    paint[1, 1:4], paint[5, 1:4], paint[9, 1:6] = 1, 1, BACKGROUND_PAINT
    sample = to_sample(IMAGE, Corrections(paint), Task.SEMANTIC, STUFF)
    assert count_strokes(sample, STUFF) == {"background": (1, 5), "axon": (2, 6), "myelin": (0, 0)}


def test_objects_are_counted_as_strokes():
    sample = Sample(IMAGE, (boxes((0, 0), (0, 8)) > 0).astype(int), boxes((0, 0), (0, 8)))
    assert count_strokes(sample, THINGS)["cell"] == (2, 32)


def test_an_accepted_object_is_known_whole_with_its_rim_and_no_other_is():
    edited = np.zeros((20, 30), np.int32)
    edited[4:9, 4:9], edited[4:9, 9:14], edited[12:17, 20:25] = 1, 2, 3
    image = Image(np.zeros(edited.shape), "YX")
    classes = ClassTable.named(["cell"])
    accepted = Corrections(np.zeros(edited.shape, np.uint16), None, edited, edited.copy(), accepted=(1, 9))
    sample = to_sample(image, accepted, Task.INSTANCE, classes)
    rim = ndi.binary_dilation(edited == 1, np.ones((3, 3)), iterations=RIM)
    np.testing.assert_array_equal(sample.known, rim)
    assert set(np.unique(sample.instances)) == {0, 1}
    # of the neighbour nobody said anything: its shape is not known
    assert not sample.shape_known[(edited == 2) & rim].any()
    with pytest.raises(InputError, match="Nothing is painted"):
        to_sample(
            image, Corrections(accepted.paint, None, edited, edited.copy(), accepted=(9,)), Task.INSTANCE, classes
        )


@pytest.mark.parametrize("word", ["paint", "edited", "before"])
def test_fractions_are_no_corrections(word):
    arrays = {"paint": np.zeros((4, 4), np.uint16), word: np.full((4, 4), 0.5)}
    with pytest.raises(InputError, match=f"Corrections hold whole numbers. Got {word} of float64"):
        Corrections(**arrays)
