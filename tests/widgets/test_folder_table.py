"""The table of a folder: driven by the events of a batch, by mouse and by keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_segplugin import jobs
from napari_segplugin.core import ClassicalRecipe, CleanupStep, FileState, Note, drain
from napari_segplugin.widgets.folder_table import COLORS, FolderTable, cell, tip
from napari_segplugin.widgets.folder_tally import Sought, Tally

NUCLEI = Sought("nucleus", "nuclei")
FILES = [f"/data/plate1/plate1_A{n:02}.tif" for n in range(1, 49)]
PAGES = {"dark": ("#262930", "#30343f"), "light": ("#efebe9", "#dedbd8")}
"""Of the dock and of a table in it, as napari's themes have them."""


@pytest.fixture
def table(qtbot: Any) -> FolderTable:
    made = FolderTable()
    qtbot.addWidget(made)
    made.resize(330, 400)
    made.set_folder("/data/plate1", "/data/plate1_results", FILES, NUCLEI)
    made.show()
    return made


def some(table: FolderTable) -> None:
    """The picture of the drawing: five done, two problems, one running."""
    for n, count in ((0, 152), (1, 98), (3, 131), (5, 144)):
        table.take(FileState(n, FILES[n], "done", 1.0, count, seconds=2.0))
    table.take(FileState(2, FILES[2], "unreadable", reason="The file is damaged.", seconds=0.1))
    table.take(FileState(4, FILES[4], "none", 1.0, 0, seconds=2.0))
    table.take(FileState(6, FILES[6], "running", 0.42))


def texts(table: FolderTable) -> list[tuple[str, ...]]:
    shown = table.shown
    return [tuple(str(shown.data(shown.index(r, c)) or "") for c in range(3)) for r in range(shown.rowCount())]


def test_files_wait_then_run_then_end(table: FolderTable) -> None:
    assert texts(table)[0] == ("plate1_A01.tif", "", "waits")
    some(table)
    assert texts(table)[:8] == [
        ("plate1_A01.tif", "152", "done"),
        ("plate1_A02.tif", "98", "done"),
        ("plate1_A03.tif", "–", "unreadable"),
        ("plate1_A04.tif", "131", "done"),
        ("plate1_A05.tif", "0", "done, none"),
        ("plate1_A06.tif", "144", "done"),
        ("plate1_A07.tif", "", "running 42 %"),
        ("plate1_A08.tif", "", "waits"),
    ]
    assert [table.model_.headerData(n, Qt.Orientation.Horizontal) for n in range(3)] == ["File", "Nuclei", "State"]


def test_filters_count_and_show(table: FolderTable, qtbot: Any) -> None:
    some(table)
    assert [b.text() for b in table.filters.values()] == ["All 48", "Done 5", "Problems 2"]
    qtbot.mouseClick(table.filters["problems"], Qt.MouseButton.LeftButton)
    assert [r[2] for r in texts(table)] == ["unreadable", "done, none"]
    table.take(FileState(6, FILES[6], "failed", reason="Too little memory."))
    assert [r[2] for r in texts(table)] == ["unreadable", "done, none", "failed"]
    qtbot.mouseClick(table.filters["done"], Qt.MouseButton.LeftButton)
    assert len(texts(table)) == 5
    table.set_folder("/data/plate2", "/data/plate2_results", FILES[:3], NUCLEI)
    assert table.filters["all"].isChecked()
    assert len(texts(table)) == 3


def test_the_filters_are_one_stop_and_arrows_move_inside(table: FolderTable, qtbot: Any) -> None:
    table.activateWindow()
    first, last = table.filters["all"], table.filters["problems"]
    first.setFocus()
    qtbot.waitUntil(first.hasFocus, timeout=3000)
    for _ in range(2):
        qtbot.keyClick(QGuiApplication.focusObject(), Qt.Key.Key_Right)
    assert last.isChecked()
    assert last.hasFocus()
    qtbot.keyClick(last, Qt.Key.Key_Tab)
    assert table.view.hasFocus()
    qtbot.keyClick(table.view, Qt.Key.Key_Tab)
    assert not table.view.hasFocus()


def test_a_double_click_or_enter_opens_the_file(table: FolderTable, qtbot: Any) -> None:
    some(table)
    table.filters["problems"].setChecked(True)
    seen: list[FileState] = []
    table.opened.connect(seen.append)
    place = table.view.visualRect(table.shown.index(0, 0)).center()
    qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.keyClick(table.view, Qt.Key.Key_Down)
    qtbot.keyClick(table.view, Qt.Key.Key_Return)
    assert [Path(s.path).name for s in seen] == ["plate1_A03.tif", "plate1_A05.tif"]


def test_the_reason_of_the_chosen_file_is_told(table: FolderTable, qtbot: Any) -> None:
    some(table)
    seen: list[FileState] = []
    table.chosen.connect(seen.append)
    place = table.view.visualRect(table.shown.index(2, 1)).center()
    qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert seen[-1].reason == "The file is damaged."
    said = table.shown.data(table.shown.index(2, 2), Qt.ItemDataRole.ToolTipRole)
    assert said == "/data/plate1/plate1_A03.tif\nThe file is damaged."


def test_the_table_follows_the_running_file_until_somebody_looks(table: FolderTable, qtbot: Any) -> None:
    def top() -> int:
        return int(table.view.rowAt(0))

    table.take(FileState(47, FILES[47], "running"))
    assert top() > 20
    table.view.selectRow(0)
    table.view.scrollToTop()
    table.take(FileState(47, FILES[47], "running", 0.5))
    assert top() == 0


def test_another_folder_for_the_results_is_asked_for(table: FolderTable, qtbot: Any) -> None:
    assert table.where.text() == "plate1 → plate1_results"
    with qtbot.waitSignal(table.change_asked, timeout=1000):
        qtbot.mouseClick(table.change, Qt.MouseButton.LeftButton)
    table.set_output("/data/plate1", "/elsewhere/" + "a_very_long_name_" * 8)
    assert "…" in table.where.text()
    assert table.where.toolTip().startswith("/data/plate1\n→ /elsewhere/a_very")
    assert table.where.accessibleName().endswith("a_very_long_name_")


@pytest.mark.parametrize("width", [300, 330])
def test_nothing_is_cut_at_the_width_of_the_dock(table: FolderTable, width: int, qtbot: Any) -> None:
    some(table)
    table.resize(width, 380)
    qtbot.waitUntil(lambda: table.width() == width, timeout=2000)
    assert table.minimumSizeHint().width() <= width
    for made in (*table.filters.values(), table.change, table.copy):
        assert made.width() >= made.minimumSizeHint().width()
    wide = table.view.fontMetrics().horizontalAdvance
    for column, text in ((1, "100000"), (2, "running 100 %"), (2, "unreadable")):
        assert table.view.columnWidth(column) >= wide(text) + 6
    assert table.view.columnWidth(0) >= wide("plate1_A01.tif") + 6
    horizontal = table.view.horizontalScrollBar()
    assert horizontal is not None
    assert horizontal.maximum() == 0


def test_the_table_takes_the_height_to_spare(table: FolderTable, qtbot: Any) -> None:
    low = table.view.height()
    table.resize(330, 700)
    qtbot.waitUntil(lambda: table.view.height() >= low + 290, timeout=2000)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_words_stand_out_from_the_page(theme: str) -> None:
    def light(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    for page in map(light, PAGES[theme]):
        for color in COLORS[theme]:
            one = light(color)
            assert (max(one, page) + 0.05) / (min(one, page) + 0.05) >= 4.5, color


def test_names_for_a_screen_reader(table: FolderTable) -> None:
    some(table)
    assert table.filters["done"].accessibleName() == "Done 5 files"
    assert [w.accessibleName() for w in (table.view, table.change, table.copy)] == ["Files", "Change", "Copy command"]


def test_sentences_of_a_batch() -> None:
    tally = Tally(NUCLEI)
    for n, path in enumerate(FILES):
        tally.take(FileState(n, path, "waits"))
    assert tally.seconds_left() is None
    for n in range(6):
        tally.take(FileState(n, FILES[n], "done", 1.0, 9, seconds=8.0))
    tally.take(FileState(2, FILES[2], "unreadable"))
    tally.take(FileState(4, FILES[4], "none", objects=0, seconds=8.0))
    tally.take(FileState(6, FILES[6], "running", 0.5))
    assert tally.running() == "File 7 of 48. 1 could not be read, 1 has no nuclei."
    assert tally.seconds_left() == pytest.approx(41.5 * 8)
    tally.take(FileState(6, FILES[6], "failed"))
    tally.take(FileState(7, FILES[7], "none", objects=0))
    assert tally.ended() == "6 of 48 done. 1 could not be read, 1 failed, 2 have no nuclei."
    assert tally.left == 40
    assert len(tally.ended()) <= 90


def test_what_was_done_before_takes_no_time_and_says_so() -> None:
    tally = Tally()
    tally.take(FileState(0, "a.tif", "done", 1.0, 3, earlier=True))
    tally.take(FileState(1, "b.tif", "waits"))
    assert tally.seconds_left() is None
    assert "Done before" in tip(tally.states[0])
    noted = FileState(0, "a.tif", "done", notes=(Note("The axes were guessed."),))
    assert tip(noted).endswith("The axes were guessed.")
    assert cell(noted, 1) == "–"


def test_a_real_batch_fills_the_table(table: FolderTable, tmp_path: Path) -> None:
    folder = tmp_path / "plate1"
    folder.mkdir()
    image = np.pad(np.full((9, 9), 200, np.uint8), 20)
    tifffile.imwrite(folder / "a.tif", image)
    (folder / "b.tif").write_bytes(b"nothing")
    table.set_folder(folder, tmp_path / "plate1_results", names=NUCLEI)
    counts: list[str] = []
    table.changed.connect(lambda: counts.append(table.filters["done"].text()))
    recipe = ClassicalRecipe("threshold", cleanup=(CleanupStep("label"),))
    drain(jobs.batch(folder, recipe), lambda e: table.take(e) if isinstance(e, FileState) else None)
    assert texts(table) == [("a.tif", "1", "done"), ("b.tif", "–", "unreadable")]
    assert counts[-1] == "Done 1"
    assert table.tally.ended() == "1 of 2 done. 1 could not be read."
