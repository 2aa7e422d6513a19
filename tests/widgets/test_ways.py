"""Ways from a file to a result, as people go them: the real window, the real engine, a mouse that counts its clicks.

    SEGPLUGIN_SCREENSHOTS=docs/images/ways bash scripts/with-screen.sh python -m pytest -m slow tests/widgets/test_ways.py

A click is a press of a button or of the mouse on the picture; strokes that are painted are counted by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from dock_helpers import wait_idle
from hands import Hands, PlaneHands
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QToolButton

pytest.importorskip("torch")

from napari_segplugin import load_model, read_segmentation
from napari_segplugin.core import Task
from napari_segplugin.engine.session import Session
from napari_segplugin.io import load_sample
from napari_segplugin.viewer.places import FOLDER
from napari_segplugin.widgets.frame.frame import CORRECT, FIND

pytestmark = [pytest.mark.qt, pytest.mark.slow]
WAIT = 400_000


class Way:
    """A person in front of the dock.

    Attributes
    ----------
    clicks, strokes : int
        What it took so far.
    """

    def __init__(self, viewer: Any, dock: Any, qtbot: Any, monkeypatch: Any, folder: Path) -> None:
        self.viewer, self.dock, self.qtbot, self.folder = viewer, dock, qtbot, folder
        self.hands, self._patch = Hands(viewer, qtbot), monkeypatch
        self.clicks = self.strokes = 0

    def open(self, name: str, array: np.ndarray) -> Path:
        """Drop a file on the window."""
        path = self.folder / name
        tifffile.imwrite(
            path, array, metadata={"axes": {2: "YX", 3: "YXS" if array.shape[-1] == 3 else "ZYX"}[array.ndim]}
        )
        self.dock.files.open_image(str(path))
        self.qtbot.waitUntil(
            lambda: self.dock.image_step.layer is not None and self.dock.image_step.ready, timeout=WAIT
        )
        self.rest()
        return path

    def press(self, push: Any) -> None:
        """Click on a button that is in sight; no page is scrolled for it."""
        assert push.isVisible(), push.objectName()
        self.hands.press(push)
        self.clicks += 1

    def primary(self) -> None:
        """Press the highlighted button."""
        self.press(self.dock.frame.footer.primary)

    def tab(self, name: str) -> None:
        self.press(self.dock.frame.findChild(QToolButton, f"tab_{name}"))

    def rest(self) -> None:
        """Wait until nothing runs."""
        jobs = self.dock.jobs
        self.qtbot.waitUntil(lambda: jobs.owner is None and not self.dock.background.busy, timeout=WAIT)
        self.qtbot.wait(150)

    def stroke(self, voxels: Any) -> None:
        """Paint a line on the layer that is in hand."""
        self.hands.drag(self.viewer.layers.selection.active, voxels)
        self.strokes += 1

    def choose_file(self, name: str) -> Path:
        """What the next dialog for saving answers."""
        path = self.folder / name
        self._patch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(path), "")))
        return path

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.dock.desk.result.layer.data)


@pytest.fixture
def way(make_napari_viewer: Any, qtbot: Any, tmp_path: Path, monkeypatch: Any) -> Iterator[Way]:
    if QGuiApplication.platformName() == "offscreen":
        pytest.skip("the canvas needs a screen: bash scripts/with-screen.sh")
    from napari_segplugin.widgets.dock import SegmentationDock

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    dock = SegmentationDock(viewer, session=Session(tmp_path / "session"))
    viewer.window.add_dock_widget(dock, name="Segmentation", add_vertical_stretch=False)
    qtbot.wait(300)
    yield Way(viewer, dock, qtbot, monkeypatch, tmp_path)
    wait_idle(qtbot, dock)


def test_a_nuclei_found_corrected_learnt_and_saved(way: Way) -> None:
    dock = way.dock
    way.press(dock.guide.start.buttons["nuclei2d"])
    way.rest()
    way.primary()  # Run
    way.rest()
    found = way.labels.copy()
    assert len(np.unique(found)) > 30
    way.hands.picture("a1-found")
    way.primary()  # Check them
    way.rest()
    for _ in range(10):
        way.press(dock.edits.panel.buttons["accept"])
        way.rest()
    way.hands.picture("a2-corrected")
    assert list(dock.edits.target.editor.rows.column("status").values()).count("accepted") == 10
    way.primary()  # Train on 10 nuclei
    way.press(dock.improve_step.time.choice.buttons[0])  # 30 s
    way.primary()
    way.rest()
    way.hands.picture("a3-trained")
    assert not dock.improve_step.verdict.isHidden()
    assert dock.improve_step.verdict.counts.isVisible()
    way.tab(FIND)
    way.press(dock.result_step.run_button)
    way.rest()
    way.hands.picture("a4-run-again")
    kept = way.labels
    status = dock.edits.target.editor.rows.column("status")
    for number in [n for n, s in status.items() if s == "accepted"]:
        assert np.array_equal(kept == number, found == number)
    file = way.choose_file("nuclei.tif")
    way.press(dock.result_step.save_button)
    way.rest()
    assert np.array_equal(np.asarray(read_segmentation(file).labels), kept)
    assert way.clicks <= 25, way.clicks
    print("clicks", way.clicks)


def test_b_stained_tissue_from_strokes(way: Way) -> None:
    from skimage.data import immunohistochemistry

    dock, photo = way.dock, immunohistochemistry()[:256, :256]
    brown = (photo[..., 0].astype(int) - photo[..., 2]) > 40
    way.open("tissue.tif", photo)
    dock.method_step.look_for(Task.SEMANTIC)
    way.rest()
    way.clicks += 2  # Look for, Classes
    way.press(dock.guide.buttons["paint"])
    way.rest()
    rows = way.dock.improve_step.paints.findChildren(type(dock.improve_step.layer_button))
    values = [b for b in rows if b.objectName().startswith("paint_") and b.isVisible()]
    assert len(values) >= 2
    for push, mask in ((values[0], ~brown), (values[1], brown)):
        way.press(push)
        done = 0
        for row in range(20, 250, 6):
            columns = np.flatnonzero(mask[row])
            runs = [r for r in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1) if len(r) > 12]
            if runs and done < 5:
                way.stroke([(row, runs[0][3]), (row, runs[0][-4])])
                done += 1
    way.rest()
    way.hands.picture("b1-strokes")
    way.primary()  # Whole image
    way.rest()
    way.hands.picture("b2-answer")
    classes = np.unique(way.labels)
    assert len(classes) >= 2
    file = way.choose_file("tissue.tif.labels.tif")
    dock.frame.turn_to(FIND)
    way.press(dock.result_step.save_button)
    way.rest()
    assert read_segmentation(file).labels.shape == photo.shape[:2]
    assert way.clicks <= 15, way.clicks


def test_c_axons_and_myelin_to_objects_and_areas(way: Way) -> None:
    dock = way.dock
    way.press(dock.guide.start.buttons["axon_sem"])
    way.rest()
    dock.method_step.look_for(Task.PANOPTIC)
    way.clicks += 2
    way.rest()
    if dock.method_step.choice() is None or dock.method_step.choice().scratch:
        dock.method_step.look_for(Task.SEMANTIC)
    way.rest()
    way.press(dock.result_step.run_button)
    way.rest()
    way.hands.picture("c1-axons-and-myelin")
    segmentation = dock.desk.result.segmentation
    assert {"axon", "myelin"} <= {c.name for c in segmentation.classes}
    file = way.choose_file("axons.tif")
    way.press(dock.result_step.save_button)
    way.rest()
    assert {"axon", "myelin"} <= {c.name for c in read_segmentation(file).classes}
    assert way.clicks <= 8, way.clicks


def test_d_a_volume_from_strokes_on_three_planes_to_a_mesh(way: Way) -> None:
    import trimesh

    dock, sample = way.dock, load_sample("nuclei3d")
    truth = np.asarray(sample.truth)
    dock.files.open_sample("nuclei3d")
    way.clicks += 2  # File, Open sample
    way.rest()
    dock.method_step.look_for(Task.SEMANTIC)
    way.clicks += 2
    way.rest()
    way.tab(CORRECT)
    way.primary()  # Paint strokes
    way.rest()
    way.press(dock.view_row.choice.buttons[1])
    three = dock.view_row.planes
    way.qtbot.waitUntil(lambda: all(c.canvas.native.isValid() for c in three.canvases), timeout=WAIT)
    middle = np.array([n // 2 for n in truth.shape])
    pushes = [
        b
        for b in dock.improve_step.paints.findChildren(type(dock.improve_step.layer_button))
        if b.objectName().startswith("paint_") and b.isVisible()
    ]
    layer = dock.paint.layer
    for push, inside in ((pushes[0], truth > 0), (pushes[1], truth == 0)):
        way.press(push)
        for canvas in range(3):
            hands = PlaneHands(three, canvas, way.qtbot)
            plane = np.take(inside, middle[canvas], canvas)
            shown = [a for a in range(3) if a != canvas]
            for row in np.flatnonzero(plane.sum(1) > 8)[:: max(1, int((plane.sum(1) > 8).sum()) // 3)][:3]:
                columns = np.flatnonzero(plane[row])
                ends = []
                for column in (columns[1], columns[1 + int(np.argmax(np.diff(columns[1:]) > 1)) or -2]):
                    voxel = middle.copy()
                    voxel[shown] = row, column
                    ends.append(tuple(voxel))
                hands.drag(layer, ends)
                way.strokes += 1
    way.rest()
    way.hands.picture("d1-strokes-on-three-planes")
    painted = np.argwhere(np.asarray(layer.data) > 0)
    assert all(len(np.unique(painted[:, a])) > 1 for a in range(3))
    way.primary()  # Whole volume
    way.rest()
    way.hands.picture("d2-whole-volume")
    file = way.choose_file("nuclei.stl")
    way.tab(FIND)
    way.press(dock.result_step.save_button)
    way.rest()
    found = [trimesh.load(p) for p in way.folder.glob("nuclei*.stl")]
    assert found
    assert all(len(m.faces) > 100 for m in found), file
    assert way.clicks <= 15, way.clicks


def test_e_own_masks_to_a_model(way: Way) -> None:
    dock, sample = way.dock, load_sample("nuclei2d")
    way.open("mine.tif", np.asarray(sample.image.array)[:160, :160])
    truth = np.asarray(sample.truth)[:160, :160]
    way.viewer.add_labels(truth, name="drawn elsewhere")
    way.qtbot.waitUntil(lambda: dock.result_step.masks.isVisible(), timeout=WAIT)
    way.hands.picture("e1-own-masks")
    way.press(dock.result_step.masks.learn)
    way.rest()
    steps(dock, 4)
    way.press(dock.improve_step.train_button)
    way.rest()
    way.hands.picture("e2-learnt")
    assert dock.train.new is not None
    folder = dock.session.place(dock.train.new)
    assert load_model(folder).spec.task is Task.INSTANCE
    assert np.array_equal(way.viewer.layers["drawn elsewhere"].data, truth)
    assert way.clicks <= 5, way.clicks


def test_f_a_film_to_tracks(way: Way) -> None:
    dock, image = way.dock, np.asarray(load_sample("nuclei2d").image.array)
    film = np.stack([image[60 + 2 * t : 220 + 2 * t, 40:200] for t in range(4)])
    way.viewer.add_image(film, axis_labels=("t", "y", "x"), name="film")
    way.qtbot.waitUntil(lambda: dock.image_step.ready, timeout=WAIT)
    way.rest()
    way.primary()  # Run
    way.rest()
    dock.tracks.fold.head.setChecked(True)
    way.clicks += 1
    way.press(dock.tracks.button)
    way.rest()
    way.hands.picture("f1-tracks")
    linked = way.labels
    shared = [set(np.unique(linked[t])) & set(np.unique(linked[t + 1])) - {0} for t in range(3)]
    assert all(len(s) > 5 for s in shared)
    assert way.clicks <= 6, way.clicks


def test_g_a_folder(way: Way, monkeypatch: Any) -> None:
    dock, image = way.dock, np.asarray(load_sample("nuclei2d").image.array)
    plate = way.folder / "plate"
    plate.mkdir()
    for i in range(3):
        tifffile.imwrite(plate / f"{i}.tif", image[40 * i : 40 * i + 120, :120])
    (plate / "broken.tif").write_bytes(b"II*\x00nothing")
    way.open("first.tif", image[:120, :120])
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", staticmethod(lambda *_: str(plate)))
    bar = dock.result_step.scope_choice
    way.press(bar.buttons[bar.findData(FOLDER)])
    way.primary()  # Run on 4 files
    way.rest()
    way.hands.picture("g1-folder")
    assert sorted(s.state for s in dock.folders.table.tally.states) == ["done", "done", "done", "unreadable"]
    assert len(list((way.folder / "plate_results").glob("*.tif"))) == 3
    assert way.clicks <= 4, way.clicks


def steps(dock: Any, n: int) -> None:
    """A training of so many steps, whatever the machine."""
    dock.improve_step.budget_unit.setCurrentIndex(dock.improve_step.budget_unit.findData("steps"))
    dock.improve_step.budget_spin.setValue(n)
