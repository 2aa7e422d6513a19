"""The window's own thread goes through no array: whatever looks at every voxel is done in a worker."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run
from fake_engine import blobs

from napari_segplugin.core import BACKGROUND_PAINT
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.viewer import recorder
from napari_segplugin.widgets import paint_class, paint_control, run_control
from napari_segplugin.widgets.instant_control import INSTANT


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[threading.Thread]]:
    """The threads in which the functions were called that look at every voxel."""
    called: dict[str, list[threading.Thread]] = defaultdict(list)
    watched = [
        (paint_control, "count_paint"),
        (run_control, "features_of"),
        (run_control, "drawn"),
        (Corrections, "copied"),
    ]

    def watched_one(usual: Any, name: str) -> Any:
        def watch(*given: Any) -> Any:
            called[name].append(threading.current_thread())
            return usual(*given)

        return watch

    for place, name in watched:
        monkeypatch.setattr(place, name, watched_one(getattr(place, name), name))
    return called


def test_what_looks_at_every_voxel_is_done_in_a_worker(dock: Any, qtbot: Any, threads: Any) -> None:
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    run(dock, qtbot)
    assert dock.desk.results[-1].layer.data.dtype == np.uint16
    dock.paint.pick(BACKGROUND_PAINT)
    dock.paint.layer.paint((30, 30), BACKGROUND_PAINT)
    qtbot.waitUntil(lambda: len(dock.paint.counts) == 1, timeout=5000)
    dock.improve_step.instant_box.setChecked(True)
    qtbot.waitUntil(lambda: INSTANT in dock.viewer.layers, timeout=5000)
    assert dock.viewer.layers[INSTANT].data.dtype.itemsize <= 2
    assert set(threads) == {"count_paint", "features_of", "drawn", "copied"}
    for name, found in threads.items():
        assert threading.main_thread() not in found, name


def test_an_empty_paint_layer_is_not_looked_through(
    with_image: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def watched(usual: Any) -> Any:
        def watch(array: Any) -> Any:
            looked.append(array.size)
            return usual(array)

        return watch

    for place, name in ((paint_class, "labels_in"), (paint_control, "count_paint"), (recorder, "runs")):
        monkeypatch.setattr(place, name, watched(getattr(place, name)))
    with_image.paint.add_layer()
    assert with_image.paint.layer.selected_label == 1
    qtbot.waitUntil(lambda: not with_image.background.busy, timeout=5000)
    assert not any(looked)
    with_image.paint.layer.paint((5, 5), 1)
    qtbot.waitUntil(lambda: bool(with_image.paint.counts), timeout=5000)
    assert any(looked)
    assert with_image.paint.classes.next_number(with_image.paint.layer) == 2
