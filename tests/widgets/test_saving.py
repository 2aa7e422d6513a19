"""Save in the dock: what the dialog suggests and offers, and what is written, over images from files and tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dock_helpers import add_image, run
from fake_engine import blobs
from qtpy.QtWidgets import QFileDialog

from napari_segplugin.core import Image
from napari_segplugin.io.image_writing import write_image
from napari_segplugin.widgets.save_control import named_as

pytestmark = pytest.mark.qt


class Dialog:
    """Stands for the dialog of the system, which looks different everywhere; a person takes what is suggested."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start, self.choices, self.take, self.typed = "", list[str](), 0, ""
        monkeypatch.setattr(QFileDialog, "getSaveFileName", self._open)

    def _open(self, parent: Any, title: str, start: str, kinds: str, first: str = "") -> tuple[str, str]:
        self.start, self.choices = start, kinds.split(";;")
        assert first in ("", self.choices[0])
        return self.typed or start, self.choices[self.take]


@pytest.fixture
def dialog(monkeypatch: pytest.MonkeyPatch) -> Dialog:
    return Dialog(monkeypatch)


@pytest.mark.parametrize(
    ("name", "axes", "left_out"),
    [
        ("cells.ome.tif", "YX", (".stl", ".seg.dcm")),
        ("cells.png", "YX", (".stl", ".seg.dcm")),
        ("brain.nii.gz", "ZYX", (".png", ".seg.dcm")),
        ("stack.ome.zarr", "ZYX", (".png", ".seg.dcm")),
    ],
)
def test_the_format_the_folder_and_the_name_are_those_of_the_image(
    dock: Any, engine: Any, qtbot: Any, tmp_path: Path, dialog: Dialog, name: str, axes: str, left_out: tuple[str, ...]
) -> None:
    shape = (40, 50) if axes == "YX" else (4, 40, 50)
    array = blobs(shape)
    write_image(Image(array, axes, (1.0,) * len(shape), "mm"), tmp_path / name)
    dock.viewer.open(str(tmp_path / name), plugin="napari-segplugin")
    qtbot.waitUntil(lambda: dock.image_step.ready, timeout=5000)
    run(dock, qtbot)
    dock.result_step.save_button.click()
    stem, _, ending = name.partition(".")
    assert Path(dialog.start) == tmp_path / f"{stem}_labels.{ending}"
    assert dialog.choices[0].endswith(f"(*.{ending})")
    for extension in left_out:
        assert not any(extension in choice for choice in dialog.choices), dialog.choices
    qtbot.waitUntil(lambda: bool(engine.saved), timeout=3000)
    assert engine.saved[0][1] == dialog.start
    dialog.take = next(i for i, choice in enumerate(dialog.choices) if ".geojson" in choice)
    dock.result_step.save_button.click()
    qtbot.waitUntil(lambda: len(engine.saved) == 2, timeout=3000)
    assert Path(engine.saved[1][1]).name == f"{stem}_labels.geojson"


def test_an_image_without_a_file_goes_home(dock: Any, engine: Any, qtbot: Any, dialog: Dialog) -> None:
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="my cells")
    run(dock, qtbot)
    dialog.typed = str(Path.home() / "other.npy")
    dock.result_step.save_button.click()
    assert Path(dialog.start) == Path.home() / "my cells_labels.tif"
    qtbot.waitUntil(lambda: bool(engine.saved), timeout=3000)
    assert engine.saved[0][1] == dialog.typed, "what a person typed counts"


def test_the_choice_names_the_file() -> None:
    start = Path("/x/a_labels.tif")
    assert named_as("/x/a_labels.tif", ".stl.zip", start) == "/x/a_labels.stl.zip"
    assert named_as("/x/a.stl", "", start) == "/x/a.stl"
    assert named_as("/x/A.STL", ".stl", start) == "/x/A.STL"
    assert named_as("/x/my.result", ".tif", start) == "/x/my.result.tif"
    assert named_as("/x/a.geojson", ".tif", start) == "/x/a.geojson"
