"""Steps that many tests of the dock share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from napari_segplugin.viewer.focus import camera_of, canvas_size


def add_image(dock: Any, qtbot: Any, data: Any, **kwargs: Any) -> Any:
    layer = dock.viewer.add_image(data, **kwargs)
    qtbot.waitUntil(lambda: dock.image_step.layer is layer, timeout=3000)
    return layer


def wait_idle(qtbot: Any, dock: Any) -> None:
    with contextlib.suppress(RuntimeError):
        for name in ("_estimate_timer", "_refresh_timer", "_names_timer"):
            getattr(dock, name).stop()
        dock.job.cancel()
        qtbot.waitUntil(lambda: not dock.job.busy and not dock.background.busy, timeout=8000)
        dock._let_go()
        for timer in (
            dock.paint._count_timer,
            dock.journal._sync_timer,
            dock.edits._show_timer,
            dock._estimate_timer,
            dock._refresh_timer,
        ):
            timer.stop()
        dock._names_timer.stop()


def run(dock: Any, qtbot: Any, press: Callable[[], None] | None = None) -> None:
    """Press Run (or something else) and wait for the end of the job."""
    with qtbot.waitSignal(dock.job.busy_changed, timeout=8000, check_params_cb=lambda busy: not busy):
        (press or dock.result_step.run_button.click)()
    qtbot.waitUntil(lambda: dock.jobs.owner is None, timeout=3000)


def restore(dock: Any, qtbot: Any) -> None:
    """Take up the work that is offered."""
    dock.messages.findChild(object, "restore_yes").click()
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)


def small_bundle() -> Any:
    """A network of a few weights that finds cells in 2D."""
    from napari_segplugin.core import ClassTable, ModelSpec, Task
    from napari_segplugin.engine.train.train import new_bundle

    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["cell"]), {"widths": (4, 6)})
    return new_bundle(spec, name="small", seed=1)


def assert_in_view(viewer: Any, point: Sequence[float]) -> None:
    """A point of the world is on the canvas, and no more of it than is needed lies beyond the edge of the layers."""
    camera, view = camera_of(viewer), canvas_size(viewer) / camera_of(viewer).zoom
    middle, extent = np.asarray(camera.center)[-2:], viewer.layers.extent
    assert (np.abs(middle - np.asarray(point)) <= view / 2).all(), (middle, point, view)
    low, high = np.asarray(extent.world)[:, -2:] + [[-0.5], [0.5]] * np.asarray(extent.step)[-2:]
    beyond = np.maximum(low - (middle - view / 2), 0) + np.maximum(middle + view / 2 - high, 0)
    np.testing.assert_allclose(beyond, np.maximum(view - (high - low), 0), atol=1e-6)


def docked_shown(viewer: Any, engine: Any, folder: Any) -> Any:
    """A dock in a window that is shown."""
    from napari_segplugin.engine.session import Session
    from napari_segplugin.widgets.dock import SegmentationDock

    dock = SegmentationDock(viewer, engine=engine, session=Session(folder / "session"))
    viewer.window.add_dock_widget(dock, name="Segmentation")
    return dock
