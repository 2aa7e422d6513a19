"""The desk: what is chosen, and work that lives as long as its layer and never longer."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from fake_selection import FakeSelection
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_segplugin.core import ClassTable, InputError, ObjectTable, Segmentation, Task
from napari_segplugin.viewer.desk import Desk
from napari_segplugin.viewer.layers import segmentation_to_layer
from napari_segplugin.viewer.places import PLANE, WHOLE
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.views import ResultView


@pytest.fixture
def chosen() -> FakeSelection:
    return FakeSelection()


@pytest.fixture
def desk(chosen: FakeSelection) -> Desk:
    return Desk(ViewerModel(), chosen, chosen, chosen)


@pytest.fixture
def frozen() -> Iterator[None]:
    """What lives already is out of the collector's sight, so that collecting takes a moment."""
    gc.freeze()
    yield
    gc.unfreeze()


def an_image(desk: Desk, chosen: FakeSelection, shape: tuple[int, ...] = (6, 8), axes: str = "YX") -> Image:
    chosen.layer, chosen.axes = desk.viewer.add_image(np.zeros(shape, np.uint8)), axes
    return chosen.layer


def a_result(desk: Desk, image: Image, layer: Labels | None = None) -> Result:
    labels = np.zeros((6, 8), np.int32)
    labels[1:3, 1:3] = 1
    found = Segmentation(
        Task.INSTANCE, labels, ObjectTable.of(labels), ClassTable.named(["cell"]), "YX", (1.0, 1.0), "pixel", "x", {}
    )
    if layer is None:
        layer = desk.viewer.add_layer(segmentation_to_layer(found, image, "YX"))
    return Result(image, "YX", layer, found)


# --- what is chosen ---------------------------------------------------------------------------------------------------


def test_the_desk_says_what_is_chosen_at_this_moment(desk: Desk, chosen: FakeSelection) -> None:
    assert (desk.layer, desk.work, desk.paint, desk.result, desk.choice()) == (None,) * 5
    image = an_image(desk, chosen, (3, 4, 6, 8), "TZYX")
    desk.viewer.dims.set_point(0, 2)
    now = desk.chosen()
    assert (now.layer, now.axes, now.frame) == (image, "TZYX", 2)
    assert now.part.axes == "ZYX"
    assert now.image.axes == "TZYX"
    assert (desk.ndim, desk.device, desk.task, desk.scope) == (3, "cpu", Task.INSTANCE, WHOLE)
    chosen.scope = PLANE
    assert desk.region() == desk.region(PLANE)
    assert desk.region() is not None
    assert desk.region(WHOLE) is None
    assert [s.stop - s.start for s in desk.seen()] == [1, 6, 8]


@pytest.mark.parametrize("ask", [Desk.chosen, Desk.image, Desk.region, Desk.seen])
def test_without_an_image_there_is_nothing_to_look_at(desk: Desk, ask: object) -> None:
    with pytest.raises(InputError, match="no image"):
        ask(desk)  # type: ignore[operator]


# --- the work ---------------------------------------------------------------------------------------------------------


def test_work_belongs_to_its_image(desk: Desk, chosen: FakeSelection) -> None:
    first = an_image(desk, chosen)
    paint = desk.viewer.add_labels(np.zeros((6, 8), np.uint16))
    desk.work_on(first).paints["objects"] = paint
    assert desk.paint is paint
    second = an_image(desk, chosen)
    assert desk.paint is None
    assert {layer.name for layer, _ in desk.images} == {first.name, second.name}
    chosen.layer = first
    assert desk.paint is paint
    assert desk.work is desk.work_on(first)


def test_a_layer_that_was_removed_is_not_painted_on(desk: Desk, chosen: FakeSelection) -> None:
    image = an_image(desk, chosen)
    paint = desk.viewer.add_labels(np.zeros((6, 8), np.uint16))
    desk.work_on(image).paints["objects"] = paint
    desk.viewer.layers.remove(paint)
    assert desk.paint is None
    assert desk.living(paint) is None
    desk.viewer.layers.append(paint)
    assert desk.paint is paint


def test_what_is_painted_goes_with_what_is_looked_for(desk: Desk, chosen: FakeSelection) -> None:
    layers = {kind: desk.viewer.add_labels(np.zeros((6, 8), np.uint16)) for kind in ("classes", "objects")}
    desk.work_on(an_image(desk, chosen)).paints = dict(layers)
    for task, kind in ((Task.SEMANTIC, "classes"), (Task.INSTANCE, "objects"), (Task.PANOPTIC, "objects")):
        chosen.task = task
        assert desk.paint is layers[kind]
    desk.viewer.layers.remove(layers["objects"])
    assert desk.paint is None
    chosen.is_classical = True  # a technique begins with whatever there is
    assert desk.paint is layers["classes"]


def test_the_work_on_a_dead_layer_is_gone(desk: Desk, chosen: FakeSelection, frozen: None) -> None:
    def work() -> list[weakref.ref[object]]:
        image = an_image(desk, chosen)
        paint = desk.viewer.add_labels(np.zeros((6, 8), np.uint16))
        desk.work_on(image).paint = paint
        desk.strokes(paint).highest = 7
        found = [weakref.ref(a) for a in (image, desk.work_on(image), paint, desk.strokes(paint))]
        desk.viewer.layers.clear()
        chosen.layer = None
        return found

    dead = work()
    desk.viewer.add_points()  # napari holds the layer that was active last
    gc.collect()
    gc.collect()  # the paint was held by the work on the image, which went just now
    assert [ref() for ref in dead] == [None] * 4
    assert desk.images == []


class Small:
    """Stands for a layer: objects of its size get the memory, and so the id, of one that has just gone."""


def test_an_id_that_is_used_again_does_not_bring_the_old_work(desk: Desk) -> None:
    again = 0
    for _ in range(50):
        old = Small()
        desk.work_on(old).key = "the old one"  # type: ignore[arg-type]
        desk.strokes(old).highest = 7  # type: ignore[arg-type]
        desk.about(old).number = 3  # type: ignore[arg-type]
        before = id(old)
        del old
        new = Small()
        again += id(new) == before
        found = desk.work_on(new).key, desk.strokes(new).highest, desk.about(new).number  # type: ignore[arg-type]
        assert found == ("", 0, None)
    assert again, "no id was used again: the test shows nothing"


# --- results ----------------------------------------------------------------------------------------------------------


def test_the_newest_result_that_is_in_the_viewer_counts(desk: Desk, chosen: FakeSelection) -> None:
    image = an_image(desk, chosen)
    changed: list[int] = []
    desk.results_changed.connect(lambda: changed.append(len(desk.results)))
    first, second = a_result(desk, image), a_result(desk, image)
    desk.add(first)
    desk.add(second)
    assert desk.result is second
    assert changed == [1, 2]
    desk.viewer.layers.remove(second.layer)
    assert desk.result is first
    assert desk.results == [first, second]  # it can be brought back
    other = an_image(desk, chosen)
    assert desk.result is None
    assert desk.result_of(image) is first
    assert desk.result_of(other) is None


def test_a_result_in_the_layer_of_another_takes_its_place_and_its_views(desk: Desk, chosen: FakeSelection) -> None:
    image = an_image(desk, chosen)
    old = a_result(desk, image)
    desk.add(old)
    desk.about(old).views = views = ResultView(
        desk.viewer, old.layer, old.segmentation.classes, old.segmentation.task, "YX", lambda work, done: None
    )
    desk.about(old).number = 3
    new = a_result(desk, image, old.layer)
    desk.add(new, old)
    assert desk.results == [new]
    assert desk.about(new).views is views
    assert desk.about(new).number is None
    above = a_result(desk, image)
    desk.add(above, new)  # in a layer of its own: both stay
    assert desk.results == [new, above]
    assert desk.about(above).views is None


def test_a_result_keeps_its_image_and_both_go_with_the_desk(chosen: FakeSelection, frozen: None) -> None:
    def work() -> list[weakref.ref[object]]:
        desk = Desk(ViewerModel(), chosen, chosen, chosen)
        image = an_image(desk, chosen)
        result = a_result(desk, image)
        desk.add(result)
        desk.viewer.layers.clear()
        chosen.layer = None
        found: list[weakref.ref[object]] = [weakref.ref(image), weakref.ref(result), weakref.ref(desk.about(result))]
        del image, result
        gc.collect()
        assert desk.results[0].image_layer is found[0]()
        return found

    dead = work()
    gc.collect()
    gc.collect()
    assert [ref() for ref in dead] == [None] * 3


# --- what is said -----------------------------------------------------------------------------------------------------


def test_what_is_said_is_heard_until_the_desk_is_closed(chosen: FakeSelection) -> None:
    desk = Desk(ViewerModel(), chosen, chosen, chosen, lambda error: (f"Sorry: {error}", "details"))
    heard: list[object] = []
    desk.said.connect(lambda *said: heard.append(said))
    desk.stale.connect(heard.append)
    answer = ("Yes", "yes", lambda: None)
    desk.say("Shall I?", answers=[answer])
    desk.fail(ValueError("no"))
    desk.hush()
    desk.refresh()
    desk.refresh_soon()
    assert heard == [
        ("Shall I?", "", (answer,), False),
        ("Sorry: no", "details", (), True),
        ("", "", (), False),
        True,
        False,
    ]
    desk.close()
    desk.say("Is anybody there?")
    desk.refresh()
    assert len(heard) == 5


def test_an_error_speaks_for_itself_where_nothing_else_is_asked_for(desk: Desk) -> None:
    heard: list[str] = []
    desk.said.connect(lambda text, details, answers: heard.append(text))
    desk.fail(InputError("It is too large."))
    assert heard == ["It is too large."]


def test_what_goes_wrong_where_the_state_is_shown_keeps_its_kind(desk: Desk) -> None:
    def wrong(at_once: bool) -> None:
        raise InputError("This layer cannot be shown.")

    desk.stale.connect(wrong)
    with pytest.raises(InputError, match="cannot be shown"):
        desk.refresh()


def test_a_layer_is_removed_by_its_name(desk: Desk) -> None:
    desk.viewer.add_image(np.zeros((2, 2)), name="a")
    desk.viewer.add_image(np.zeros((2, 2)), name="b")
    desk.remove_named("a")
    desk.remove_named("nobody")
    assert [layer.name for layer in desk.viewer.layers] == ["b"]
