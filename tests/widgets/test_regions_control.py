"""Drawn regions in the dock: the layer, the run, what lies outside stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run
from napari.layers import Shapes

from napari_segplugin.viewer.outlines import is_regions
from napari_segplugin.viewer.places import REGIONS, WHOLE

pytestmark = pytest.mark.qt


def picture() -> np.ndarray:
    """Four bright squares: two above, two below."""
    image = np.zeros((60, 80), np.uint8)
    for y, x in ((6, 8), (6, 50), (36, 8), (36, 50)):
        image[y : y + 10, x : x + 12] = 200
    return image


@pytest.fixture
def regions(dock: Any, qtbot: Any) -> Any:
    add_image(dock, qtbot, picture(), axis_labels=("y", "x"), scale=(0.5, 0.5), units=("um", "um"), name="cells")
    return dock


def choose(dock: Any, scope: str) -> None:
    dock.result_step.scope_choice.setCurrentIndex(dock.result_step.scope_choice.findData(scope))


def shapes(dock: Any) -> Shapes:
    return next(a for a in dock.viewer.layers if isinstance(a, Shapes) and is_regions(a))


def draw(dock: Any, y: float, x: float, height: float, width: float, kind: str = "polygon", **at: Any) -> None:
    corners = np.array([[y, x], [y, x + width], [y + height, x + width], [y + height, x]], float)
    shapes(dock).add(corners, shape_type=kind)


def there(dock: Any) -> dict[tuple[int, int], int]:
    data = dock.desk.result.layer.data
    return {(y, x): int(data[y + 4, x + 4]) for y, x in ((6, 8), (6, 50), (36, 8), (36, 50))}


def test_the_layer_is_made_once_with_the_polygon_in_hand(regions: Any) -> None:
    choose(regions, REGIONS)
    layer = shapes(regions)
    assert layer.mode == "add_polygon"
    assert regions.viewer.layers.selection.active is layer
    assert layer.scale.tolist() == [0.5, 0.5]
    assert "Draw one or more regions" in regions.messages.message
    choose(regions, WHOLE)
    choose(regions, REGIONS)
    assert sum(isinstance(a, Shapes) for a in regions.viewer.layers) == 1


def test_nothing_drawn_is_said(regions: Any) -> None:
    choose(regions, REGIONS)
    regions.result_step.run_button.click()
    assert "No region is drawn" in regions.messages.message
    assert regions.jobs.owner is None


def test_only_what_was_drawn_is_looked_at(regions: Any, qtbot: Any) -> None:
    choose(regions, REGIONS)
    draw(regions, 2, 4, 20, 24)
    draw(regions, 32, 46, 20, 24)
    run(regions, qtbot)
    found = there(regions)
    assert [place for place, number in found.items() if number] == [(6, 8), (36, 50)]
    assert regions.desk.result.layer.data.shape == (60, 80)
    assert regions.desk.result.layer.scale.tolist() == [0.5, 0.5]


def test_what_lies_outside_stays_as_it_was(regions: Any, qtbot: Any) -> None:
    run(regions, qtbot)
    before = there(regions)
    assert all(before.values())
    result = regions.desk.result.layer.data.copy()
    choose(regions, REGIONS)
    draw(regions, 2, 4, 20, 24)
    run(regions, qtbot)
    after = there(regions)
    assert all(after.values())
    assert {k: v for k, v in after.items() if k != (6, 8)} == {k: v for k, v in before.items() if k != (6, 8)}
    assert np.array_equal(regions.desk.result.layer.data > 0, result > 0)
    assert len(set(after.values())) == 4


def test_corrections_outside_and_inside_stay_through_a_run_in_regions(regions: Any, qtbot: Any) -> None:
    run(regions, qtbot)
    qtbot.waitUntil(lambda: regions.edits.target is not None and not regions.background.busy, timeout=5000)
    target, before = regions.edits.target, there(regions)
    target.editor.accept([before[6, 8]])
    target.editor.grow(before[36, 50], distance=1.0)
    kept = {n: target.layer.data == before[n] for n in ((6, 8), (36, 50), (6, 50), (36, 8))}
    choose(regions, REGIONS)
    corners = [[0, 0], [0, 79], [24, 79], [24, 79], [58, 79], [58, 44], [24, 44], [24, 0]]  # all but the lower left
    shapes(regions).add(np.array(corners, float), shape_type="polygon")
    target.editor.delete([before[6, 50]])  # deleted: it does not come back
    run(regions, qtbot)
    layer = regions.desk.result.layer
    assert layer is target.layer
    for place in ((6, 8), (36, 50), (36, 8)):  # accepted; corrected; not looked at
        assert np.array_equal(layer.data == before[place], kept[place]), place
    assert not there(regions)[6, 50]


def test_an_object_in_the_box_but_outside_the_line_is_not_replaced(regions: Any, qtbot: Any) -> None:
    run(regions, qtbot)
    qtbot.waitUntil(lambda: regions.edits.target is not None and not regions.background.busy, timeout=5000)
    target, before = regions.edits.target, there(regions)
    target.editor.accept([before[6, 8]])
    # something that only a person's layer can hold: the model does not find it there
    target.editor.rows.write({before[36, 8]: {**target.editor.rows.get(before[36, 8]), "score": 0.125}})
    choose(regions, REGIONS)
    shapes(regions).add(np.array([[0, 0], [0, 79], [58, 79]], float), shape_type="polygon")  # not the lower left
    run(regions, qtbot)
    assert regions.desk.result.layer is target.layer
    assert there(regions)[36, 8] == before[36, 8]
    assert target.editor.rows.get(before[36, 8])["score"] == 0.125
    assert there(regions)[36, 50] != before[36, 50]  # in the line: found once more
    assert there(regions)[6, 8] == before[6, 8]


def test_a_layer_of_a_person_can_hold_the_regions(regions: Any, qtbot: Any) -> None:
    mine = regions.viewer.add_shapes(
        [np.array([[1.0, 2.0], [1.0, 14.0], [11.0, 14.0], [11.0, 2.0]])], shape_type="rectangle", name="mine"
    )
    regions.viewer.layers.selection.active = mine
    choose(regions, REGIONS)
    assert sum(isinstance(a, Shapes) for a in regions.viewer.layers) == 1
    run(regions, qtbot)
    # its corners are in micrometers, the pixels of the image are half of one
    assert [place for place, number in there(regions).items() if number] == [(6, 8)]


def test_a_volume_is_looked_at_on_the_planes_between(dock: Any, qtbot: Any) -> None:
    add_image(dock, qtbot, np.stack([picture()] * 6), axis_labels=("z", "y", "x"), name="stack")
    choose(dock, REGIONS)
    layer = shapes(dock)
    for z in (1, 3):
        corners = np.array([[z, 2, 4], [z, 2, 28], [z, 22, 28], [z, 22, 4]], float)
        layer.add(corners, shape_type="polygon")
    run(dock, qtbot)
    data = dock.desk.result.layer.data
    assert data.shape == (6, 60, 80)
    assert data[2, 10, 12]
    assert not data[:, 10, 54].any()
    assert not data[:, 40, 12].any()
