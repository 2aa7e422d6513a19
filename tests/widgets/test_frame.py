"""Header, tabs, footer and groups: what they show, and how the keyboard goes through them."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QLabel, QPushButton, QWidget

from napari_segplugin.widgets._parts import button, fill_combo
from napari_segplugin.widgets.frame.footer import HEIGHT, Footer
from napari_segplugin.widgets.frame.frame import CORRECT, FIND, TRAIN, DockFrame
from napari_segplugin.widgets.frame.groups import ChoiceBar
from napari_segplugin.widgets.frame.header import HeaderLine
from napari_segplugin.widgets.frame.icons import SHAPES, icon

pytestmark = pytest.mark.qt


@pytest.fixture
def footer(qtbot: Any) -> Footer:
    made = Footer()
    qtbot.addWidget(made)
    made.resize(330, HEIGHT)
    made.show()
    return made


def push(name: str) -> QPushButton:
    return button(name, name, name)


def test_the_footer_shows_two_buttons_and_one_is_highlighted(footer: Footer) -> None:
    pushes = {n: push(n) for n in ("run", "save", "check")}
    footer.add(*pushes.values())
    footer.offer([pushes["run"], pushes["check"]], pushes["check"])
    assert [n for n, p in pushes.items() if p.isVisible()] == ["run", "check"]
    assert [n for n, p in pushes.items() if p.property("primary")] == ["check"]
    QApplication.processEvents()
    assert pushes["run"].x() < pushes["check"].x()
    footer.offer([pushes["save"], pushes["run"]], pushes["run"])
    QApplication.processEvents()
    assert pushes["save"].x() < pushes["run"].x()
    assert [n for n, p in pushes.items() if p.property("primary")] == ["run"]


def test_a_message_takes_the_place_of_the_state_and_its_answers_that_of_the_buttons(footer: Footer) -> None:
    run, asked = push("run"), []
    footer.add(run)
    footer.offer([run], run)
    footer.rest("Ready.")
    footer.show_message("Start anew?", answers=[("Yes", "yes", lambda: asked.append(1)), ("No", "no", lambda: None)])
    assert footer.text.text() == "Start anew?"
    assert not run.isVisible()
    assert not run.property("primary")
    yes = footer.findChild(QPushButton, "yes")
    assert yes.property("primary")
    yes.click()
    assert asked == [1]
    assert footer.text.text() == "Ready."
    assert run.isVisible()
    assert run.property("primary")
    assert footer.height() == HEIGHT


def test_a_problem_stays_until_it_is_dismissed_and_a_success_ends_with_the_state(
    footer: Footer, monkeypatch: Any
) -> None:
    now = [100.0]
    monkeypatch.setattr("napari_segplugin.widgets.frame.footer.time.monotonic", lambda: now[0])
    footer.rest("One.")
    footer.show_message("Saved.")
    footer.rest("Two.")
    assert footer.text.text() == "Saved."  # said a moment ago
    now[0] += 10
    footer.rest("Three.")
    assert footer.text.text() == "Three."
    footer.show_message("It failed.", problem=True)
    now[0] += 10
    footer.rest("Four.")
    assert footer.text.text() == "It failed."
    footer.clear()
    assert footer.text.text() == "Four."


def test_a_long_message_keeps_the_footer_and_can_be_read_whole(footer: Footer, qtbot: Any) -> None:
    text = (
        "A sentence that has so many words that it needs more than the two lines that there are for it in a dock. " * 2
    )
    footer.show_message(text, "Traceback: none")
    lines, whole = footer.text.lines()
    assert len(lines) == 2
    assert not whole
    assert lines[-1].endswith("…")
    assert text in footer.text.toolTip()
    assert footer.height() == HEIGHT
    footer._more.click()
    report = footer.findChild(QWidget, "message_report")
    assert text.strip() in report.toPlainText()
    assert "Traceback" in report.toPlainText()
    report.window().close()


def test_a_bar_of_choices_is_one_stop_of_the_tab_key_and_arrows_move_inside(qtbot: Any) -> None:
    bar = ChoiceBar("where", "Where to look", "Where.", 2)
    qtbot.addWidget(bar)
    fill_combo(bar, [("Whole", "whole"), ("Part", "part"), ("File", "file")])
    bar.show()
    qtbot.waitExposed(bar)
    seen: list[int] = []
    bar.currentIndexChanged.connect(seen.append)
    stops = [b for b in bar.buttons if b.focusPolicy() & Qt.FocusPolicy.TabFocus]
    assert stops == [bar.buttons[0]]
    bar.buttons[0].setFocus()
    qtbot.keyClick(bar.buttons[0], Qt.Key.Key_Right)
    qtbot.keyClick(bar.buttons[1], Qt.Key.Key_Space)
    assert (bar.currentData(), seen) == ("part", [1])
    assert [b.isChecked() for b in bar.buttons] == [False, True, False]
    bar.buttons[1].click()  # a second click on what is chosen keeps it
    assert bar.currentData() == "part"
    fill_combo(bar, [("Whole", "whole"), ("Part", "part")])
    assert bar.currentData() == "part"
    assert bar.buttons[1].accessibleName() == "Where to look: Part"


@pytest.fixture
def frame(qtbot: Any) -> DockFrame:
    lines = {HeaderLine("Image", "image_line", "The image."): QLabel("image body")}
    made = DockFrame(
        lines, {n: QLabel(n) for n in (FIND, CORRECT, TRAIN)}, {n: QLabel(f"{n} gear") for n in (FIND, CORRECT, TRAIN)}
    )
    qtbot.addWidget(made)
    made.resize(330, 655)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_tabs_gear_and_header_show_one_thing_at_a_time(frame: DockFrame, qtbot: Any) -> None:
    seen = lambda: [w.text() for w in frame.findChildren(QLabel) if w.isVisible() and w.text() in shown]  # noqa: E731
    shown = {"image body", *(n for n in (FIND, CORRECT, TRAIN)), *(f"{n} gear" for n in (FIND, CORRECT, TRAIN))}
    assert seen() == [FIND]
    at = frame.footer.mapTo(frame, frame.footer.rect().topLeft())
    frame.turn_to(TRAIN)
    assert seen() == [TRAIN]
    frame.gear.click()
    assert seen() == ["train gear"]
    qtbot.keyClick(frame, Qt.Key.Key_Escape)
    assert seen() == [TRAIN]
    line = frame.findChild(HeaderLine)
    line.click()
    assert seen() == ["image body"]
    frame.reveal(next(w for w in frame.findChildren(QLabel) if w.text() == "correct gear"))
    assert seen() == ["correct gear"]
    assert frame.footer.mapTo(frame, frame.footer.rect().topLeft()) == at


def test_ctrl_enter_presses_the_highlighted_button(frame: DockFrame, qtbot: Any) -> None:
    pressed: list[int] = []
    run = button("Run", "run", "Run.", lambda: pressed.append(1))
    frame.footer.add(run)
    frame.footer.offer([run], run)
    frame.press_next()
    run.setEnabled(False)
    frame.press_next()
    assert pressed == [1]


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_every_icon_is_drawn(qtbot: Any, name: str) -> None:
    picture = icon(name, "#ffffff").pixmap(20, 20).toImage()
    inked = sum(picture.pixelColor(x, y).alpha() > 128 for x in range(20) for y in range(20))
    assert 10 < inked < 250
