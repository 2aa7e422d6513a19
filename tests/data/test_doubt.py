"""The order of doubt and its sentences, with numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_segplugin.core import ClassInfo, ClassTable, Image, InputError, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.core.words import plural
from napari_segplugin.data import queue as module
from napari_segplugin.data.doubt import BEGIN, CUT, NOTHING, WEIGHTS, Queue, QueueEntry, odds, robust_z, signs, usual
from napari_segplugin.data.queue import queue_of
from napari_segplugin.data.signs import Scene, measured

NUCLEI = ClassTable.named(["nucleus"])


def discs(count: int = 12, radius: int = 5) -> np.ndarray:
    """A row of equal discs, away from the border."""
    labels = np.zeros((30, 20 * count + 10), np.int32)
    y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
    for i in range(count):
        labels[(y - 15) ** 2 + (x - 15 - 20 * i) ** 2 <= radius**2] = i + 1
    return labels


def result(labels: np.ndarray, axes: str = "", task: Task = Task.INSTANCE, **more: object) -> Segmentation:
    axes = axes or "ZYX"[-labels.ndim :]
    spatial = sum(a in "ZYX" for a in axes)
    table = ObjectTable.of(labels)
    return replace(Segmentation(task, labels, table, NUCLEI, axes, (1.0,) * spatial), **more)  # type: ignore[arg-type]


def scored(labels: np.ndarray, **scores: float) -> ObjectTable:
    table = ObjectTable.of(labels)
    given = {int(k[1:]): v for k, v in scores.items()}
    return replace(table, score=np.array([given.get(int(n), 1.0) for n in table.label], np.float32))


def test_nothing_speaks_against_equal_objects() -> None:
    queue = queue_of(result(discs()))
    assert {e.reason for e in queue} == {NOTHING}
    assert {round(e.doubt, 6) for e in queue} == {round(1 / (1 + np.exp(-BEGIN)), 6)}
    assert (queue.doubtful, len(queue)) == (0, 12)


def test_each_reason_by_itself() -> None:
    labels = discs(20)
    y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
    labels[labels == 5] = 0
    labels[14:16, 94:96] = 5  # a speck
    labels[(y - 15) ** 2 + (x - 135) ** 2 <= 49] = 7  # 1.8 times the area
    labels[(y - 7) ** 2 + (x - 195) ** 2 <= 25] = 10  # a second disc beside it
    labels[13:18, 229:236] = np.where(labels[13:18, 229:236] == 12, 0, labels[13:18, 229:236])  # a hole from the side
    labels[13:18, 221:229] = np.where(labels[13:18, 221:229] == 12, 0, labels[13:18, 221:229])
    labels[:, 256:][labels[:, 256:] == 13] = 21  # cut in two
    labels[0:15, 293:298] = 15  # up to the border
    found = result(labels, objects=scored(labels, n3=0.3))
    queue = queue_of(found)
    said = {e.label: e.reason for e in queue}
    assert said[3] == "The model is only 30% certain of it."
    assert said[5] == "Less than a quarter of the size of the other nuclei: perhaps debris, or a part of one."
    assert said[7] == "Twice as large as the other nuclei: perhaps two that touch."
    assert said[10] == "Twice as large as the other nuclei: perhaps two that touch."
    assert said[12] == "An irregular outline: perhaps two nuclei that touch, or a part is missing."
    assert said[13] == "A long border with nucleus 21: perhaps one that was cut in two."
    assert said[21] == "A long border with nucleus 13: perhaps one that was cut in two."
    assert said[1] == NOTHING
    assert queue.entries[-1].label == 15
    assert queue.entries[-1].cut
    assert {e.label for e in queue.entries[: queue.doubtful]} >= {12}
    doubts = [e.doubt for e in queue if not e.cut]
    assert doubts == sorted(doubts, reverse=True)


def test_light_gives_reasons_too() -> None:
    labels = discs(14)
    image = np.random.default_rng(0).normal(100, 1, labels.shape) + 80.0 * (labels > 0)
    image[labels == 3] -= 65
    image[8:23, 95:104][labels[8:23, 95:104] == 0] = 180  # goes on to the right of the fifth
    half = (labels == 8) & (np.indices(labels.shape)[0] > 15)
    image[half] = 100
    said = {e.label: e.reason for e in queue_of(result(labels), Image(image, "YX"))}
    assert said[3] == "Stands out less than the other nuclei: perhaps it is none."
    assert said[5] == "No edge along a part of its outline: perhaps it goes on beyond."
    assert said[8] == "A part of it looks like the background: perhaps the outline is too wide."
    assert said[1] == NOTHING


def test_a_missed_one_is_a_place_and_comes_early() -> None:
    labels = discs(14)
    image = np.random.default_rng(0).normal(100, 1, labels.shape) + 80.0 * (labels > 0)
    labels[labels == 4] = 0
    first = queue_of(result(labels), Image(image, "YX")).entries[0]
    assert (first.label, first.kind, first.reason) == (0, "missed", "Perhaps a nucleus that was missed.")
    assert all(s.start <= m < s.stop for s, m in zip(first.place, (15, 75), strict=True))


def test_the_doubt_is_the_odds_of_the_signs() -> None:
    labels = discs()
    labels[labels == 2] = 0
    found = measured(Scene.of(labels))
    table = signs(found, np.zeros(11), np.array([0.45] + [1.0] * 10))
    doubt, parts = odds(table)
    assert parts["unsure"][0] == pytest.approx(WEIGHTS["unsure"] * 0.5)
    assert doubt[0] == pytest.approx(1 / (1 + np.exp(-BEGIN - WEIGHTS["unsure"] * 0.5)))


def test_sizes_are_compared_within_a_class_and_not_among_a_few() -> None:
    small, big = discs(20), discs(20, 8)
    labels = np.where(np.isin(big, range(11, 21)), big, np.where(small <= 10, small, 0))
    classes = ClassTable.named(["nucleus", "cell body"])
    table = replace(ObjectTable.of(labels), class_id=np.repeat([1, 2], 10))
    assert {e.reason for e in queue_of(result(labels, classes=classes, objects=table))} == {NOTHING}
    labels[labels == 20] = 0
    labels[14:17, 394:398] = 20
    said = {e.label: e.reason for e in queue_of(result(labels, classes=classes, objects=table))}
    assert said[20].startswith("Less than a quarter of the size of the other cell bodies")
    few = discs(5)
    few[few == 2] = 0
    few[14:17, 34:37] = 2
    assert queue_of(result(few)).of(2).reason == NOTHING  # type: ignore[union-attr]


def test_the_border_counts_along_space_only_and_comes_last() -> None:
    labels = np.zeros((3, 20, 20), np.int32)
    labels[0, 8:12, 8:12] = 1
    labels[1, 0:4, 8:12] = 2
    labels[2, 8:12, 8:12] = 3
    queue = queue_of(result(labels, "TYX"))
    assert [(e.label, e.cut) for e in queue] == [(1, False), (3, False), (2, True)]
    assert queue.of(2).reason == CUT  # type: ignore[union-attr]
    assert queue.of(3).place == (slice(2, 3), slice(8, 12), slice(8, 12))  # type: ignore[union-attr]
    # planes that have nothing to do with each other, as a 2D model leaves them
    flat = queue_of(result(labels, "ZYX"))
    assert [(e.label, e.cut) for e in flat if e.kind == "object"] == [(1, False), (3, False), (2, True)]


def test_an_object_on_several_frames_has_one_entry() -> None:
    film = np.stack([discs()] * 3)
    film[1][film[1] == 4] = 0
    film[1, 14:17, 74:77] = 4
    queue = queue_of(result(film, "TYX"))
    assert len(queue) == 12
    assert queue.entries[0].label == 4
    assert queue.entries[0].place[0] == slice(1, 2)


def organ(jump: bool = True) -> np.ndarray:
    area = np.zeros((14, 40, 40), np.int32)
    area[2:12, 10:25, 12:28] = 1
    if jump:
        area[8] = np.roll(area[8], 8, 1)
    return area


def test_an_area_of_a_volume_is_gone_through_plane_by_plane() -> None:
    classes = ClassTable.named(["liver"], Kind.STUFF)
    queue = queue_of(result(organ(), task=Task.SEMANTIC, classes=classes))
    first = queue.entries[0]
    assert (first.label, first.kind, first.place[0]) == (1, "plane", slice(8, 9))
    assert first.reason in ("The outline jumps from plane 7 to 8.", "The outline jumps from plane 8 to 9.")
    assert queue.doubtful == 1
    assert len(queue) == 10
    calm = queue_of(result(organ(False), task=Task.SEMANTIC, classes=classes))
    assert {e.reason for e in calm} == {NOTHING}
    gap = organ(False)
    gap[6] = 0
    first = queue_of(result(gap, task=Task.SEMANTIC, classes=classes)).entries[0]
    assert first.reason == "Nothing on plane 6, but on planes before and after it."
    # a single object is an organ, too; stuff beside objects as well
    assert queue_of(result(organ())).entries[0].kind == "plane"


def test_stuff_is_no_object_and_is_gone_through_in_volumes_only() -> None:
    nucleus = ClassInfo(1, "nucleus", "#e69f00")
    ground = ClassInfo(0, "background", "#000000", Kind.STUFF)
    classes = ClassTable((ground, nucleus, ClassInfo(2, "stroma", "#56b4e9", Kind.STUFF)))
    labels = discs()
    labels[labels == 0] = 50
    table = replace(ObjectTable.of(labels), class_id=np.array([1] * 12 + [2]))
    queue = queue_of(result(labels, task=Task.PANOPTIC, classes=classes, objects=table))
    assert sorted(e.label for e in queue) == list(range(1, 13))
    deep = np.stack([labels] * 4)
    kinds = {e.label: e.kind for e in queue_of(result(deep, task=Task.PANOPTIC, classes=classes, objects=table))}
    assert kinds[50] == "plane"
    assert kinds[3] == "object"


def test_pieces_of_a_class_in_a_plane() -> None:
    labels = (discs(12) > 0).astype(np.int32)
    labels[14:16, 40:50] = 1  # joins the second and the third
    queue = queue_of(result(labels, task=Task.SEMANTIC, classes=ClassTable.named(["axon"], Kind.STUFF)))
    first = queue.entries[0]
    assert first.label == 1
    assert first.place[1].start in range(28, 32)
    assert first.reason == "Twice as large as the other axons: perhaps two that touch."
    assert len(queue) == 11


def test_colors_and_a_region_of_the_image() -> None:
    labels = discs(14)
    image = np.zeros((60, 400, 3), np.uint8) + 100
    image[20:50, 30 : 30 + labels.shape[1]][labels > 0] = 200
    found = result(labels, recipe={"origin": [20, 30]})
    assert queue_of(found, Image(image, "YXC")).doubtful == 0
    with pytest.raises(InputError, match="other voxels"):
        queue_of(replace(found, recipe={}), Image(image, "YXC"))
    with pytest.raises(InputError, match="other voxels"):
        queue_of(replace(found, recipe={"origin": [40, 200]}), Image(image, "YXC"))


def test_a_frame_that_is_too_large_is_told_by_its_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = discs()
    labels[labels == 5] = 0
    labels[14:17, 94:97] = 5
    labels[0:2, 150:160] = 40
    monkeypatch.setattr(module, "LARGEST", 1000)
    queue = queue_of(result(labels))
    assert queue.entries[0].label == 5
    assert queue.entries[0].reason.startswith("Less than a quarter")
    assert queue.entries[-1].label == 40
    assert queue.entries[-1].cut
    film = queue_of(result(np.stack([labels, labels]), "TYX"))
    assert film.entries[0].place[0] == slice(0, 1)


def test_empty_results() -> None:
    for task, shape in (
        (Task.INSTANCE, (8, 9)),
        (Task.INSTANCE, (4, 8, 9)),
        (Task.SEMANTIC, (8, 9)),
        (Task.SEMANTIC, (4, 8, 9)),
    ):
        empty = np.zeros(shape, np.int32)
        queue = queue_of(result(empty, task=task), Image(np.zeros(shape), "ZYX"[-len(shape) :]))
        assert (len(queue), queue.doubtful) == (0, 0)


def test_the_threshold_counts() -> None:
    place = (slice(0, 1),)
    entries = [QueueEntry(1, place, "", 0.5), QueueEntry(2, place, "", 0.9, cut=True), QueueEntry(3, place, "", 0.7)]
    queue = Queue.ordered(entries, 0.6)
    assert [e.label for e in queue] == [3, 1, 2]
    assert queue.doubtful == 1
    assert queue.of(9) is None


def test_robust_z_of_a_small_group_and_of_equal_values() -> None:
    assert np.isnan(robust_z(np.arange(7.0), np.zeros(7))).all()
    values = np.array([2.0] * 9 + [2.1])
    assert robust_z(values, np.zeros(10))[-1] == pytest.approx(5, rel=1e-6)
    # median 4.5, median absolute deviation 2.5
    assert robust_z(np.arange(10.0), np.zeros(10))[9] == pytest.approx(4.5 / (1.4826 * 2.5))
    assert np.isnan(usual(np.array([np.nan] * 9), np.zeros(9))).all()


@pytest.mark.parametrize(
    ("one", "many"),
    [("nucleus", "nuclei"), ("axon", "axons"), ("cell body", "cell bodies"), ("gray", "grays"), ("mass", "masses")],
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many
    assert plural(many) == many
