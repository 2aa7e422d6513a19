"""A dock in a viewer, with a fake engine and a session folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_engine import FakeEngine, blobs

from napari_segplugin.engine.session import Session


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def dock(make_napari_viewer: Any, engine: FakeEngine, tmp_path: Path, qtbot: Any) -> Iterator[Any]:
    from napari_segplugin.widgets.dock import SegmentationDock

    viewer = make_napari_viewer()
    widget = SegmentationDock(viewer, engine=engine, session=Session(tmp_path / "session"))
    viewer.window.add_dock_widget(widget, name="Segmentation")
    yield widget
    wait_idle(qtbot, widget)


@pytest.fixture
def with_image(dock: Any, qtbot: Any) -> Any:
    """A dock with a 2D image whose axes are known."""
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), scale=(0.5, 0.5), units=("um", "um"), name="cells")
    return dock


def add_image(dock: Any, qtbot: Any, data: Any, **kwargs: Any) -> Any:
    layer = dock.viewer.add_image(data, **kwargs)
    qtbot.waitUntil(lambda: dock.image_step.layer is layer, timeout=3000)
    return layer


def wait_idle(qtbot: Any, dock: Any) -> None:
    import contextlib

    with contextlib.suppress(RuntimeError):
        for name in ("_estimate_timer", "_refresh_timer", "_names_timer"):
            getattr(dock, name).stop()
        dock.job.cancel()
        qtbot.waitUntil(lambda: not dock.job.busy and not dock.background.busy, timeout=8000)
        dock._let_go()
        for timer in (dock.paint._count_timer, dock.paint._save_timer, dock._estimate_timer, dock._refresh_timer):
            timer.stop()
        dock._names_timer.stop()


def run(dock: Any, qtbot: Any, press: Callable[[], None] | None = None) -> None:
    """Press Run (or something else) and wait for the end of the job."""
    with qtbot.waitSignal(dock.job.busy_changed, timeout=8000, check_params_cb=lambda busy: not busy):
        (press or dock.result_step.run_button.click)()
    qtbot.waitUntil(lambda: not dock._job_kind, timeout=3000)
