"""A dock in a viewer, with a fake engine and a session folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "viewer"))

from dock_helpers import add_image, wait_idle
from fake_engine import FakeEngine, blobs

from napari_segplugin.engine.session import Session


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def docked(viewer: Any, engine: Any, folder: Path, qtbot: Any) -> Iterator[Any]:
    from napari_segplugin.widgets.dock import SegmentationDock

    widget = SegmentationDock(viewer, engine=engine, session=Session(folder / "session"))
    viewer.window.add_dock_widget(widget, name="Segmentation")
    yield widget
    wait_idle(qtbot, widget)


@pytest.fixture
def dock(make_napari_viewer: Any, engine: FakeEngine, tmp_path: Path, qtbot: Any) -> Iterator[Any]:
    yield from docked(make_napari_viewer(), engine, tmp_path, qtbot)


@pytest.fixture
def real(make_napari_viewer: Any, tmp_path: Path, qtbot: Any) -> Iterator[Any]:
    """A dock with the real engine."""
    yield from docked(make_napari_viewer(), None, tmp_path, qtbot)


@pytest.fixture
def with_image(dock: Any, qtbot: Any) -> Any:
    """A dock with a 2D image whose axes are known."""
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), scale=(0.5, 0.5), units=("um", "um"), name="cells")
    return dock
