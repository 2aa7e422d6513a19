"""The question which of several images in one file or folder shall be opened."""

from __future__ import annotations

from typing import Any

import pytest

from napari_segplugin.widgets.choose_image import ChooseDialog, choose

pytestmark = pytest.mark.qt


def test_the_marked_row_is_the_answer(qtbot: Any) -> None:
    dialog = ChooseDialog("'plate.zarr' holds two images.", ["A/1/0", "B/2/0"])
    qtbot.addWidget(dialog)
    assert dialog.chosen == 0
    dialog.list.setCurrentRow(1)
    assert dialog.chosen == 1


@pytest.mark.parametrize(("answer", "expected"), [(1, 0), (0, None)])
def test_cancel_is_none(qtbot: Any, monkeypatch: pytest.MonkeyPatch, answer: int, expected: int | None) -> None:
    monkeypatch.setattr(ChooseDialog, "exec", lambda self: answer)
    assert choose("Which?", ["a", "b"]) == expected


def test_nobody_is_asked_about_one_row() -> None:
    assert choose("Which?", ["a"]) == 0
    assert choose("Which?", []) is None
