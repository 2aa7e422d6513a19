"""Class tables: numbered without gaps, with names of their own."""

import pytest

from napari_segplugin.core import BACKGROUND_PAINT, PALETTE, ClassInfo, ClassTable, InputError, Kind, Task


def row(number, name="a"):
    return ClassInfo(number, name, "#ffffff")


def test_named_adds_the_background_and_a_colour_each():
    table = ClassTable.named(["axon", "myelin"], Kind.STUFF)
    assert [(c.id, c.name, c.kind) for c in table] == [
        (0, "background", Kind.STUFF),
        (1, "axon", Kind.STUFF),
        (2, "myelin", Kind.STUFF),
    ]
    assert len({c.color for c in table}) == 3


def test_more_classes_than_colours_never_get_the_transparent_background():
    table = ClassTable.named([f"class {i}" for i in range(20)])
    assert PALETTE[0] not in {c.color for c in table.classes[1:]}


def test_things_are_the_counted_classes_without_the_background():
    table = ClassTable(
        (row(0, "back"), row(1, "cell"), ClassInfo(2, "tissue", "#000000", Kind.STUFF), row(3, "vessel"))
    )
    assert table.thing_ids == (1, 3)


def test_background_is_painted_with_its_own_value_since_0_is_unpainted():
    table = ClassTable.named(["cell"])
    assert (table.paint_value(0), table.paint_value(1)) == (BACKGROUND_PAINT, 1)


@pytest.mark.parametrize("rows", [(row(0),), (row(0, "a"), row(2, "b")), (row(1, "a"), row(2, "b"))])
def test_gaps_in_the_numbers_are_refused(rows):
    with pytest.raises(InputError, match="without gaps"):
        ClassTable(rows)


@pytest.mark.parametrize("color", ["", "red", "#12", "#1234567", "#gggggg", "#123456 "])
def test_a_color_that_no_screen_shows_is_refused(color):
    with pytest.raises(InputError, match=r"color of the class 'cell'.*Accepted: #rrggbb"):
        ClassInfo(1, "cell", color)


@pytest.mark.parametrize(("kind", "words"), [(Task, "semantic, instance, panoptic"), (Kind, "thing, stuff")])
@pytest.mark.parametrize("word", ["", "x", None, 3])
def test_another_word_is_told_those_that_there_are(kind, words, word):
    with pytest.raises(InputError, match=f"Accepted: {words}"):
        kind(word)


@pytest.mark.parametrize("names", [["cell", "cell"], ["cell", " "], ["background"]])
def test_a_name_twice_or_none_is_refused(names):
    with pytest.raises(InputError, match="name of its own"):
        ClassTable.named(names)
