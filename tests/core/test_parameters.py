"""Typed settings: what is accepted, what comes back, what is refused."""

import numpy as np
import pytest

from napari_segplugin.core import InputError, Parameter, check_parameters


@pytest.mark.parametrize(
    ("default", "kind", "given", "want"),
    [
        (True, "bool", 0, False),
        (3, "int", 5.0, 5),
        (3, "int", np.int64(4), 4),
        (0.5, "float", 2, 2.0),
        (0.5, "float", np.float32(0.25), 0.25),
    ],
)
def test_a_value_comes_back_in_the_type_of_the_default(default, kind, given, want):
    p = Parameter("p", default)
    assert p.kind == kind
    assert p.check(given) == want
    assert type(p.check(given)) is type(default)


@pytest.mark.parametrize(
    ("p", "value"),
    [
        (Parameter("p", 3), 2.5),
        (Parameter("p", 3), True),
        (Parameter("p", 3), "3"),
        (Parameter("p", 3), None),
        (Parameter("p", 3.0), float("inf")),
        (Parameter("p", 3.0), [1.0]),
        (Parameter("p", True), "yes"),
        (Parameter("p", 3, low=2), 1),
        (Parameter("p", 3, high=5), 6),
        (Parameter("p", "a", choices=("a", "b")), "c"),
        (Parameter("p", "a", choices=("a", "b")), 1),
    ],
)
def test_anything_else_is_refused_with_what_is_accepted(p, value):
    with pytest.raises(InputError, match=r"The setting P \(p\) cannot have this value") as error:
        p.check(value)
    assert p.accepts() in str(error.value)


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (Parameter("p", 3, low=1, high=9), "a whole number from 1 to 9"),
        (Parameter("p", 3.0, low=1), "a number, 1 or more"),
        (Parameter("p", 3.0, high=9), "a number, 9 or less"),
        (Parameter("p", 3), "a whole number"),
        (Parameter("p", False), "true or false"),
        (Parameter("p", "a", choices=("a", "b")), "a, b"),
    ],
)
def test_what_is_accepted_in_words(p, words):
    assert p.accepts() == words


def test_a_default_must_be_accepted_itself_and_a_word_needs_choices():
    with pytest.raises(InputError, match="cannot have this value"):
        Parameter("p", 3, low=4)
    with pytest.raises(InputError, match="has no choices"):
        Parameter("p", "a")


def test_defaults_fill_what_is_left_out_and_unknown_names_are_refused():
    table = (Parameter("size", 3), Parameter("name_of_it", "a", choices=("a", "b")))
    assert check_parameters(table, {"name_of_it": "b"}) == {"size": 3, "name_of_it": "b"}
    assert table[1].title == "Name of it"
    with pytest.raises(InputError, match=r"no such setting.*Got sise.*size, name_of_it"):
        check_parameters(table, {"sise": 4})
