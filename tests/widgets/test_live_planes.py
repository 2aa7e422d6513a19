"""The live answer and the outline of the chosen object on all three linked planes, with the real forest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run, wait_idle

from napari_segplugin.core import BACKGROUND_PAINT, Task
from napari_segplugin.viewer import panels
from napari_segplugin.viewer.focus import camera_of
from napari_segplugin.viewer.technical import is_technical, listed
from napari_segplugin.widgets import planes_view, view_row
from napari_segplugin.widgets.instant_control import INSTANT

pytestmark = pytest.mark.qt
SHAPE = (12, 60, 70)
ANSWER = 30_000


def ball() -> np.ndarray:
    """A bright ball, on a dark ground with a little noise."""
    z, y, x = np.indices(SHAPE)
    inside = ((z - 6) * 4) ** 2 + (y - 30) ** 2 + (x - 35) ** 2 < 18**2
    return (inside * 180 + np.random.default_rng(0).integers(0, 20, SHAPE)).astype(np.uint8)


@pytest.fixture
def volume(real: Any, qtbot: Any) -> Any:
    """A dock with a volume on three planes, and a class to paint."""
    real.viewer.show()
    real.viewer.window._qt_window.resize(1280, 720)
    add_image(real, qtbot, ball(), axis_labels=("z", "y", "x"), scale=(4.0, 1.0, 1.0), units=("um",) * 3, name="ball")
    task = real.method_step.task_choice
    task.setCurrentIndex(task.findData(Task.SEMANTIC))
    return real


def three(dock: Any, qtbot: Any) -> Any:
    choice = dock.view_row.choice
    choice.setCurrentIndex(choice.findData(view_row.THREE))
    qtbot.wait(300)
    return dock.view_row.planes.planes


def stroke(layer: Any, at: tuple[slice | int, ...], number: int) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[at] = True
    layer.data_setitem(np.nonzero(mask), number)


def answers(dock: Any) -> list[Any]:
    return [layer for layer in dock.viewer.layers if layer.name.startswith(INSTANT)]


def answered(dock: Any, layer: Any, point: tuple[float, ...]) -> int | None:
    """What an answer says of a point of the volume; None where it does not reach."""
    at = np.round(layer.world_to_data(np.asarray(point, float) * (4.0, 1.0, 1.0))).astype(int)
    inside = all(0 <= a < n for a, n in zip(at, layer.data.shape, strict=True))
    return int(layer.data[tuple(at)]) if inside else None


def test_every_plane_is_answered_and_follows_strokes_and_moves(volume: Any, qtbot: Any) -> None:
    dock = volume
    dock.viewer.dims.set_point(0, 6 * 4.0)
    planes = three(dock, qtbot)
    planes.go_to((24.0, 30.0, 35.0))
    dock.improve_step.layer_requested.emit()
    paint = dock.paint.layer
    stroke(paint, (6, slice(28, 32), slice(30, 40)), 1)
    stroke(paint, (6, slice(2, 5), slice(5, 60)), BACKGROUND_PAINT)
    dock.improve_step.instant_box.setChecked(True)
    qtbot.waitUntil(lambda: len(answers(dock)) == 3 and not dock.instant._answering, timeout=ANSWER)
    thin = sorted(tuple(n == 1 for n in layer.data.shape) for layer in answers(dock))
    assert thin == [(False, False, True), (False, True, False), (True, False, False)]
    for layer in answers(dock):
        assert answered(dock, layer, (6, 30, 35)) == 1
        assert is_technical(layer)
        assert layer not in listed(dock.viewer.layers)
        assert layer.visible
    across = next(layer for layer in answers(dock) if layer.data.shape[1] == 1)
    assert answered(dock, across, (1, 30, 3)) == 0
    # a stroke on one of the other planes, and all are answered again
    before = {id(layer): layer.data for layer in answers(dock)}
    copy = planes.twins_of(paint).copies[0]
    mask = np.zeros(SHAPE, bool)
    mask[1:11, 30, 2:8] = True
    copy.data_setitem(np.nonzero(mask), BACKGROUND_PAINT)
    qtbot.waitUntil(
        lambda: not dock.instant._answering and all(layer.data is not before[id(layer)] for layer in answers(dock)),
        timeout=ANSWER,
    )
    # the planes move: what is seen now is answered
    planes.go_to((24.0, 45.0, 35.0))
    across = next(layer for layer in answers(dock) if layer.data.shape[1] == 1)
    qtbot.waitUntil(
        lambda: answered(dock, across, (6, 45, 35)) is not None and not dock.instant._answering, timeout=ANSWER
    )
    assert abs(float(across.translate[1]) - 45) <= 1
    # back to one plane, one answer
    dock.view_row.choice.setCurrentIndex(0)
    qtbot.waitUntil(lambda: len(answers(dock)) == 1 and not dock.instant._answering, timeout=ANSWER)
    dock.improve_step.instant_box.setChecked(False)
    assert answers(dock) == []


def test_one_plane_is_answered_where_somebody_moves_to(volume: Any, qtbot: Any) -> None:
    dock = volume
    dock.viewer.dims.set_point(0, 6 * 4.0)
    dock.improve_step.layer_requested.emit()
    stroke(dock.paint.layer, (6, slice(28, 32), slice(30, 40)), 1)
    stroke(dock.paint.layer, (6, slice(2, 5), slice(5, 60)), BACKGROUND_PAINT)
    dock.improve_step.instant_box.setChecked(True)
    qtbot.waitUntil(lambda: len(answers(dock)) == 1 and not dock.instant._answering, timeout=ANSWER)
    [layer] = answers(dock)
    qtbot.wait(1000)  # the strokes are counted, and answered once more
    qtbot.waitUntil(lambda: not dock.instant._answering, timeout=ANSWER)
    data = layer.data
    camera_of(dock.viewer).zoom *= 0.9  # the same voxels are seen
    qtbot.wait(600)
    assert layer.data is data
    assert not dock.instant._answering
    dock.viewer.dims.set_point(0, 8 * 4.0)
    assert layer not in panels.labels_layers(dock.viewer)
    assert dock.edits.adoption.candidate() is None
    dock.viewer.layers.select_all()
    assert layer not in dock.viewer.layers.selection
    qtbot.waitUntil(lambda: float(layer.translate[0]) == 32.0 and not dock.instant._answering, timeout=ANSWER)
    assert answered(dock, layer, (8, 30, 35)) == 1


def test_the_chosen_object_is_outlined_on_every_plane(dock: Any, qtbot: Any) -> None:
    dock.viewer.show()
    add_image(dock, qtbot, ball(), axis_labels=("z", "y", "x"), scale=(4.0, 1.0, 1.0), units=("um",) * 3, name="ball")
    dock.viewer.dims.set_point(0, 6 * 4.0)
    run(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    planes = three(dock, qtbot)
    planes.go_to((24.0, 30.0, 35.0))
    target = dock.edits.target
    dock.edits.choose(target, int(target.layer.data[6, 30, 35]))
    outline = dock.edits.outline
    qtbot.waitUntil(lambda: len(outline.every) == 3 and all(o.labels for o in outline.every), timeout=5000)
    for one in outline.every:
        assert one._mesh is not None
        assert one._mesh.visible
    dock.view_row.choice.setCurrentIndex(0)
    assert len(outline.every) == 1
    assert outline.every[0].labels


def test_where_three_planes_cannot_be_the_button_says_why(
    dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(dock, qtbot, ball(), axis_labels=("z", "y", "x"), name="ball")
    choice = dock.view_row.choice
    push = choice.buttons[choice.findData(view_row.THREE)]
    assert push.isEnabled()
    monkeypatch.setattr(planes_view, "unsupported", lambda: "This napari cannot show three linked planes.")
    dock.refresh()
    assert not push.isEnabled()
    assert "cannot show three" in push.toolTip()
    monkeypatch.undo()
    dock.refresh()
    assert push.isEnabled()
    wait_idle(qtbot, dock)
