"""A registry lists rows without importing what they name."""

import sys

import pytest

from napari_segplugin.core import InputError, Registry, Row


@pytest.fixture
def shelf():
    registry = Registry("number")
    registry.add(Row("pi", "Pi", "math:pi"))
    registry.add(Row("lost", "Lost", "no_such_module_anywhere:x"))
    return registry


def test_listing_imports_nothing(shelf):
    assert [r.title for r in shelf] == ["Pi", "Lost"]
    assert "no_such_module_anywhere" not in sys.modules


def test_loading_gives_the_target(shelf):
    assert shelf.load("pi") == pytest.approx(3.14159, abs=1e-5)


def test_membership_length_and_names(shelf):
    assert ("pi" in shelf, "tau" in shelf, len(shelf), shelf.names()) == (True, False, 2, ("pi", "lost"))


def test_an_unknown_name_lists_what_there_is(shelf):
    with pytest.raises(InputError, match=r"no number named 'tau'. Accepted: pi, lost"):
        shelf["tau"]


def test_a_name_is_given_once(shelf):
    with pytest.raises(InputError, match="already a number named 'pi'"):
        shelf.add(Row("pi", "Another", "math:e"))
