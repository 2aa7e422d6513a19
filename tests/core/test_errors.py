"""Errors say what is wrong, what came, what is accepted and what to do next, in that order."""

import pytest

from napari_segplugin.core import InputError, MissingExtraError, OutOfMemoryError, SegPluginError


def test_all_four_parts_become_one_text_of_sentences():
    error = InputError("The tile is odd.", got=7, accepted="even numbers", hint="Choose 8.")
    assert str(error) == "The tile is odd. Got 7. Accepted: even numbers. Choose 8."


def test_parts_that_are_missing_leave_no_trace():
    assert str(InputError("Nothing is painted yet")) == "Nothing is painted yet."


def test_a_falsy_value_is_still_shown():
    assert "Got 0." in str(InputError("Too few.", got=0))


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InputError("x"), ValueError),
        (MissingExtraError("nibabel", "read NIfTI files", "medical"), ImportError),
        (OutOfMemoryError("x"), MemoryError),
    ],
)
def test_each_error_is_caught_as_ours_and_as_the_builtin(error, builtin):
    assert isinstance(error, SegPluginError)
    assert isinstance(error, builtin)


def test_a_missing_extra_gives_the_command_that_installs_it():
    text = str(MissingExtraError("nibabel", "read NIfTI files", "medical"))
    assert 'pip install "napari-segplugin[medical]"' in text
    assert "read NIfTI files" in text


def test_a_missing_package_that_belongs_to_the_project_is_named_itself():
    assert str(MissingExtraError("nibabel", "read NIfTI files")).endswith("Run: pip install nibabel")
