"""Take the pictures of the tutorial: a person's clicks in the real dock, in a window of 1280 x 720 points.

    SEGPLUGIN_VIRTUAL_SCREEN=1 bash scripts/with-screen.sh python scripts/tutorial_pictures.py

Widgets are found by their object names, so the dock may be rearranged; the hands and eyes are those of the test of the
loop. What the text of the tutorial speaks of (objects found, scores, files) is printed, so that it can be checked.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]
SIZE = (1280, 720)
RING = (235, 50, 50)
QUALITY = 82
PATIENCE = 600.0
SAMPLE = "nuclei2d"
SHOWN = ("AP@0.5", "mean AP@0.5–0.95")
STROKES_AT = (30, 60, 90)
"""Rows of the sample in whose dark left part nothing lies."""


def prepare(folder: str) -> None:
    """Settings and session of nobody, and the hands of the tests within reach."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "widgets")]
    home = {"NAPARI_SEGPLUGIN_HOME": f"{folder}/sessions", "NAPARI_CONFIG": f"{folder}/settings.yaml", "HOME": folder}
    os.environ.update(home)
    os.chdir(folder)


def wait_for(ready: Callable[[], Any], what: str) -> None:
    """Let the window live until something is so."""
    from qtpy.QtTest import QTest

    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise SystemExit(f"Waited in vain: {what}")
        QTest.qWait(50)


def say(text: str) -> None:
    """One line for whoever checks the text."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Lesson:
    """A viewer with the dock, and the pictures that are taken of it.

    Parameters
    ----------
    out : Path
        Where pictures go.
    """

    def __init__(self, out: Path) -> None:
        from napari_segplugin.io import load_sample

        self.out = out
        self.truth = np.asarray(load_sample(SAMPLE).truth)
        self.open_window()

    def open_window(self) -> None:
        """napari with the dock, placed at the corner of the screen."""
        import napari
        from hands import Hands
        from qtpy.QtTest import QTest

        self.viewer = napari.Viewer(show=True)
        self.window = self.viewer.window._qt_window
        self.window.setGeometry(0, 0, *SIZE)
        bot = SimpleNamespace(wait=QTest.qWait, mouseClick=QTest.mouseClick, keyClick=QTest.keyClick)
        self.hands = Hands(self.viewer, bot)
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-segplugin", "Segmentation")
        self.wait(400)

    def open_sample(self) -> None:
        """File > Open Sample > Segmentation > Nuclei, 2D fluorescence."""
        self.viewer.open_sample("napari-segplugin", SAMPLE)
        wait_for(lambda: self.dock.image_step.ready and not self.dock.background.busy, "the sample")
        wait_for(lambda: self.find("estimate").text(), "the estimate")

    # --- looking --------------------------------------------------------------------------------------------------

    def wait(self, milliseconds: int) -> None:
        """Let the window live for a while."""
        from qtpy.QtTest import QTest

        QTest.qWait(milliseconds)

    def find(self, name: str) -> Any:
        """A widget of the dock by its object name."""
        from qtpy.QtWidgets import QWidget

        for widget in self.dock.findChildren(QWidget):
            if widget.objectName() == name:
                return widget
        raise SystemExit(f"There is no widget named {name}.")

    @property
    def layer(self) -> Any:
        """The layer of the newest result."""
        return self.dock.desk.result_of(self.dock.image_step.layer).layer

    def sees(self) -> Any:
        """What a person sees who knows the truth."""
        from test_loop import Mistakes

        return Mistakes(np.asarray(self.layer.data), self.truth)

    def heart(self, number: int, true_number: int | None = None) -> np.ndarray:
        """A pixel in the middle of an object, or of the part of it that is one true object."""
        from test_loop import heart

        mask = self.layer.data == number
        return heart(mask if true_number is None else mask & (self.truth == true_number))

    def picture(self, name: str, rings: Sequence[Any] = ()) -> None:
        """Save a picture of the screen, with a ring around each widget that the text speaks of."""
        self.wait(700)
        picture = screen()
        pen = ImageDraw.Draw(picture)
        for ring in rings:
            widget = self.find(ring) if isinstance(ring, str) else ring
            if not widget.isVisible():
                raise SystemExit(f"{name}: {widget.objectName() or type(widget).__name__} is not to be seen.")
            at = widget.mapTo(self.window, widget.rect().topLeft())
            low = (max(at.x() - 4, 1), max(at.y() - 4, 1))
            high = (min(at.x() + widget.width() + 3, SIZE[0] - 2), min(at.y() + widget.height() + 3, SIZE[1] - 2))
            pen.rounded_rectangle((*low, *high), 6, outline=RING, width=3)
        path = self.out / f"{name}.jpg"
        picture.save(path, quality=QUALITY, subsampling=0, optimize=True)
        say(f"{name}: {path.stat().st_size // 1024} KiB")

    # --- doing ----------------------------------------------------------------------------------------------------

    def press(self, name: str) -> None:
        """Press a button by its name."""
        self.hands.press(self.find(name))

    def idle(self) -> None:
        """Wait for the end of what runs, and of the flight of the camera."""
        dock = self.dock
        wait_for(lambda: not dock.job.busy and dock.jobs.owner is None and not dock.background.busy, "the job")
        wait_for(lambda: dock.edits.queue._flyer._flight is None, "the flight")

    def home(self) -> None:
        """The house below the layer list: the whole image."""
        self.wait(300)
        self.viewer.reset_view()

    def run(self) -> None:
        """Run, and say what was found."""
        self.dock.frame.turn_to("find")
        self.press("run_button")
        self.wait(200)
        self.idle()
        wait_for(lambda: self.dock.edits.target is not None, "the result")
        self.home()
        self.hands.show(self.dock.result_step.card)
        say(f"found: {self.dock.result_step.summary.text()}")

    def panel(self, button: str, title: str) -> Any:
        """Open a panel beside the dock."""
        self.press(button)
        self.wait(500)
        return self.dock.panels._open[title][0]

    def remove(self, *layers: Any) -> None:
        """Select layers and press the bin."""
        self.viewer.layers.selection = set(layers)
        self.viewer.layers.remove_selected()
        self.idle()


def screen() -> Image.Image:
    """What is on the screen where the window lies: with open menus, which no widget's own picture has."""
    from qtpy.QtGui import QGuiApplication, QImage

    shot = QGuiApplication.primaryScreen().grabWindow(0, 0, 0, *SIZE).toImage()
    shot = shot.convertToFormat(QImage.Format.Format_RGBA8888)
    bits = shot.constBits()
    if hasattr(bits, "setsize"):
        bits.setsize(shot.sizeInBytes())
    pixels = np.frombuffer(bits, np.uint8).reshape(shot.height(), shot.width(), 4)
    return Image.fromarray(np.ascontiguousarray(pixels[..., :3]))


# --- the chapters of the tutorial -------------------------------------------------------------------------------------


def open_and_run(lesson: Lesson) -> None:
    """The empty dock, the sample, the first result."""
    lesson.picture("01-the-dock", ["image_line", "find_line", "tab_row", "footer"])
    menus = open_menus(lesson, ("File", "Open Sample", "Segmentation"))
    lesson.picture("02-open-the-sample")
    for menu in reversed(menus):
        menu.close()
    lesson.open_sample()
    lesson.home()
    lesson.picture("03-the-sample-is-open", ["image_line", "find_line", "footer"])
    lesson.run()
    lesson.picture("04-the-first-result", ["run_button", "result_card"])


def open_menus(lesson: Lesson, titles: Sequence[str]) -> list[Any]:
    """Open menus one after another, and point at the first entry of the last."""
    bar, opened = lesson.window.menuBar(), []
    menu = bar
    for title in titles:
        entry = next(a for a in menu.actions() if a.text().replace("&", "") == title)
        menu.setActiveAction(entry)
        at = menu.actionGeometry(entry)
        place = menu.mapToGlobal(at.topRight() if opened else at.bottomLeft())
        menu = entry.menu()
        menu.popup(place)
        opened.append(menu)
        lesson.wait(300)
    menu.setActiveAction(next(a for a in menu.actions() if a.text()))
    return opened


def look_and_correct(lesson: Lesson) -> None:
    """The queue leads to a doubtful object; it is split, others are split and accepted."""
    from test_loop import between

    dock, hands = lesson.dock, lesson.hands
    dock.frame.turn_to("correct")
    lesson.press("edit_next")
    lesson.idle()
    hands.show(dock.edits.panel.inside)
    lesson.picture("05-the-most-doubtful-object", ["queue_card"])
    lesson.home()
    (many, parts), *pairs = lesson.sees().fused
    lesson.press("edit_split")
    for i, true in enumerate(parts):
        # each click but the last with Shift; the object has its number until the last one
        hands.click(lesson.layer, lesson.heart(many, true), shift=i < len(parts) - 1)
    for number, halves in pairs[:2]:
        hands.drag(lesson.layer, between(*(lesson.heart(number, t) for t in halves[:2])))
    lesson.home()
    lesson.picture("06-split", ["edit_split"])
    lesson.press("edit_split")
    for number, _ in lesson.sees().right[:6]:
        hands.click(lesson.layer, lesson.heart(number))
        wait_for(lambda n=number: dock.edits.chosen == n, "the chosen object")
        lesson.press("edit_accept")
        lesson.idle()
        lesson.home()


def paint(lesson: Lesson) -> None:
    """Missed nuclei, and places without any."""
    from qtpy.QtCore import Qt
    from test_loop import outline

    from napari_segplugin.core import BACKGROUND_PAINT

    dock, hands = lesson.dock, lesson.hands
    missed = sorted(lesson.sees().missed, key=lambda t: -int((lesson.truth == t).sum()))[:2]
    say(f"missed nuclei outlined: {len(missed)}")
    lesson.press("edit_outline")
    for number in missed:
        for corner in outline(lesson.truth == number):
            hands.click(lesson.layer, corner)
        hands.key(Qt.Key.Key_Enter)
    lesson.press("edit_select")
    empty = np.argwhere((lesson.truth == 0) & (np.asarray(lesson.layer.data) == 0))
    if not dock.improve_step.strokes.head.isChecked():
        hands.press(dock.improve_step.strokes.head)
    lesson.press(f"paint_{BACKGROUND_PAINT}")
    for row in STROKES_AT:
        hands.drag(dock.paint.layer, empty[empty[:, 0] == row][[5, 20, 35]].astype(float))
    wait_for(lambda: dock.paint.counts.get(BACKGROUND_PAINT, (0, 0))[0] == len(STROKES_AT), "the strokes")
    hands.show(dock.improve_step.strokes)
    lesson.picture("07-painted-corrections", ["corrections_button", f"paint_{BACKGROUND_PAINT}", "counts"])


def learn(lesson: Lesson, seconds: int) -> None:
    """Fine-tune, and look at the scores before and after."""
    dock, hands = lesson.dock, lesson.hands
    dock.frame.turn_to("train")
    times = dock.improve_step.time
    usual = times.choice.findData(seconds)
    if usual >= 0:
        hands.press(times.choice.buttons[usual])
    else:
        times.spin.setValue(seconds)
    lesson.press("train_button")
    wait_for(lambda: not dock.improve_step.quality_plot.empty, "the first look at quality")
    lesson.wait(1000 * seconds // 2)
    hands.show(lesson.find("loss_plot"), lesson.find("quality_plot"))
    lesson.picture("08-fine-tuning", ["stop_button", "loss_plot", "quality_plot"])
    lesson.idle()
    hands.show(dock.improve_step.verdict, lesson.find("save_model"))
    lesson.picture("09-before-and-after", ["verdict_card", "verdict_counts"])
    table = dock.improve_step.verdict.table
    for i in range(table.rowCount()):
        say("  " + " ".join(table.item(i, j).text() for j in range(3)))
    say(f"  {dock.improve_step.verdict.text.text()}")


def compare(lesson: Lesson) -> None:
    """Run again, evaluate both results against the ground truth, go back."""
    dock, hands = lesson.dock, lesson.hands
    if lesson.find("use_button").isEnabled():
        lesson.press("use_button")
    lesson.run()
    dock.paint.layer.visible = False
    lesson.layer.contour = 0
    lesson.picture("10-run-again", ["footer"])
    lesson.press("keep_run")
    panel = lesson.panel("judge_button", "Evaluate against ground truth")
    if not panel.overlay_check.isChecked():
        hands.press(panel.overlay_check)
    tell_scores(lesson, panel)
    lesson.home()
    lesson.picture("11-hits-and-misses", [panel.run_button, panel.overlay_check])
    lesson.layer.undo()
    tell_scores(lesson, panel)
    hits = next(a for a in lesson.viewer.layers if a.name.endswith("hits and misses"))
    dock.parentWidget().raise_()
    lesson.press("back_button")
    lesson.remove(hits)
    lesson.home()
    hands.show(dock.improve_step.verdict.text, lesson.find("use_button"))
    lesson.picture("12-go-back", ["use_button", "footer"])


def tell_scores(lesson: Lesson, panel: Any) -> None:
    """Press Evaluate, and say what it finds."""
    panel.report = None
    lesson.hands.press(panel.run_button)
    wait_for(lambda: panel.report is not None and not panel.job.busy, "the evaluation")
    for row in panel.report.rows:
        if row.class_name == "all" and row.metric in SHOWN:
            say(f"  {row.metric}: {row.value:.3f}")


def finish(lesson: Lesson) -> None:
    """Measure and save."""
    from qtpy.QtWidgets import QFileDialog

    panel = lesson.panel("measure_button", "Measure objects")
    lesson.wait(2500)
    lesson.home()
    lesson.picture("13-measure", [panel])
    lesson.dock.parentWidget().raise_()
    Path("results").mkdir()
    asked = QFileDialog.getSaveFileName  # the dialog of the system looks different everywhere
    QFileDialog.getSaveFileName = staticmethod(lambda *_, **__: ("results/nuclei.tif", ""))
    try:
        lesson.press("save_button")
    finally:
        QFileDialog.getSaveFileName = asked
    lesson.idle()
    lesson.picture("14-saved", ["save_button", "footer"])
    say("files: " + ", ".join(sorted(p.name for p in Path("results").iterdir())))


def another_day(lesson: Lesson) -> None:
    """A new window: the dock offers the work of before."""
    lesson.viewer.close()
    lesson.wait(500)
    lesson.open_window()
    lesson.open_sample()
    lesson.wait(1500)
    lesson.home()
    lesson.picture("15-the-next-day", ["restore_yes"])
    lesson.press("restore_yes")
    lesson.wait(1500)
    lesson.idle()
    say("layers: " + ", ".join(layer.name for layer in lesson.viewer.layers))


def main() -> None:
    """All pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "tutorial")
    parser.add_argument("--seconds", type=int, default=30, help="to fine-tune (default: 30)")
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        lesson = Lesson(out)
        try:
            open_and_run(lesson)
            look_and_correct(lesson)
            paint(lesson)
            learn(lesson, options.seconds)
            compare(lesson)
            finish(lesson)
            another_day(lesson)
        finally:
            lesson.viewer.close()
            lesson.wait(300)
            os.chdir(ROOT)


if __name__ == "__main__":
    main()
