"""Objects through time: moving discs with a known truth, divisions, gaps, touching objects, edits."""

from __future__ import annotations

import builtins
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_segplugin.core import (
    ClassTable,
    InputError,
    Kind,
    MissingExtraError,
    ObjectTable,
    Segmentation,
    Step,
    Task,
    drain,
)
from napari_segplugin.engine.export import measure
from napari_segplugin.engine.track.track import TrackSpec, track
from napari_segplugin.io.samples import load_sample

CELL = ClassTable.named(["cell", "debris"])


def discs(*frames: list[tuple[float, ...]], shape: tuple[int, ...] = (60, 60)) -> np.ndarray:
    """Frames of discs (or balls): each is (number, y, x, radius) or (number, z, y, x, radius); later ones win."""
    grid = np.indices(shape)
    out = np.zeros((len(frames), *shape), np.int32)
    for t, frame in enumerate(frames):
        for number, *centre, radius in frame:
            away = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
            out[t][away <= radius**2] = number
    return out


def of(labels: np.ndarray, **more: Any) -> Segmentation:
    axes = "TZYX"[0] + "ZYX"[-(labels.ndim - 1) :]
    start = {"spacing": (1.0,) * (labels.ndim - 1)} | more
    return Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), CELL, axes, **start)


def at(labels: np.ndarray, t: int, *place: int) -> int:
    return int(np.asarray(labels)[(t, *place)])


def unique_over_time(labels: np.ndarray) -> np.ndarray:
    """The numbers that a prediction gives: none twice."""
    out = np.zeros_like(labels)
    last = 0
    for t, frame in enumerate(labels):
        for n in np.unique(frame[frame > 0]):
            last += 1
            out[t][frame == n] = last
    return out


def test_one_number_is_one_object_through_time_whatever_numbers_came() -> None:
    truth = discs(*([(1, 10 + 3 * t, 12, 5), (2, 45, 15 + 4 * t, 6), (3, 12, 48 - 3 * t, 4)] for t in range(6)))
    for labels in (unique_over_time(truth), np.where(truth > 0, (truth + np.arange(6)[:, None, None]) % 3 + 1, 0)):
        found = drain(track(of(labels.astype(np.int32))))
        pairs = np.unique(np.stack([truth.ravel(), found.segmentation.labels.ravel()]), axis=1)
        assert pairs.shape[1] == 4  # the background and three objects: one to one
        assert found.graph == {}
        assert len(found.tracks) == 18
        assert found.segmentation.labels.dtype == np.int32
    # numbers that occur once are those of the first time point
    assert drain(track(of(unique_over_time(truth)))).segmentation.objects.label.tolist() == [1, 2, 3]


def test_the_table_of_tracks_holds_centres_in_voxels_sorted_by_track_and_time() -> None:
    labels = unique_over_time(discs(*([(1, 20, 20 + 2 * t, 4)] for t in range(3))))
    found = drain(track(of(labels, spacing=(0.5, 0.25))))
    assert found.tracks.tolist() == [[1, 0, 20, 20], [1, 1, 20, 22], [1, 2, 20, 24]]


def test_a_division_ends_the_mother_and_begins_two_daughters() -> None:
    frames = [[(1, 30, 30, 8), (2, 10, 50, 5)]] * 3
    frames += [[(1, 30 - 5 - t, 30, 5.5), (3, 30 + 6 + t, 30, 5.5), (2, 10, 50, 5)] for t in range(3)]
    labels = unique_over_time(discs(*frames))
    found = drain(track(of(labels)))
    now = found.segmentation.labels
    mother = at(now, 2, 30, 30)
    daughters = {at(now, 3, 25, 30), at(now, 3, 36, 30)}
    assert len({mother, *daughters}) == 3
    assert found.graph == {d: [mother] for d in daughters}
    assert {at(now, 5, 23, 30), at(now, 5, 38, 30)} == daughters
    assert at(now, 0, 10, 50) == at(now, 5, 10, 50)
    assert found.segmentation.recipe["tracks"]["graph"] == {str(d): [mother] for d in daughters}
    alone = drain(track(of(labels), TrackSpec(split=False)))
    assert alone.graph == {}
    assert mother in (at(alone.segmentation.labels, 5, 23, 30), at(alone.segmentation.labels, 5, 38, 30))


def test_a_neighbour_that_appears_is_no_daughter() -> None:
    frames = [[(1, 30, 20, 6)], [(1, 30, 20, 6)], [(1, 30, 20, 6), (2, 30, 33, 6)], [(1, 30, 20, 6), (2, 30, 33, 6)]]
    assert drain(track(of(unique_over_time(discs(*frames))))).graph == {}


def test_an_outline_that_breaks_for_a_moment_is_no_division() -> None:
    whole, halves = [(1, 30, 30, 8)], [(1, 25, 30, 5), (2, 36, 30, 5)]
    found = drain(track(of(unique_over_time(discs(whole, whole, halves, whole, whole)))))
    assert found.graph == {}
    assert at(found.segmentation.labels, 0, 30, 30) == at(found.segmentation.labels, 4, 30, 30)


@pytest.mark.parametrize(("missing", "gap", "one"), [(1, 1, True), (2, 1, False), (2, 2, True), (1, 0, False)])
def test_a_gap_is_closed_as_far_as_it_may_be(missing: int, gap: int, one: bool) -> None:
    frames = [[(1, 30, 20 + 2 * t, 5)] for t in range(7)]
    labels = discs(*frames)
    labels[3 : 3 + missing] = 0
    found = drain(track(of(unique_over_time(labels)), TrackSpec(gap=gap)))
    assert (len(np.unique(found.tracks[:, 0])) == 1) is one
    assert len(found.tracks) == 7 - missing


def test_empty_frames_at_both_ends_and_objects_that_come_and_go() -> None:
    frames = [[], [(1, 30, 20, 5)], [(1, 30, 22, 5), (2, 10, 50, 4)], [(2, 12, 50, 4)], []]
    found = drain(track(of(unique_over_time(discs(*frames)))))
    assert found.tracks[:, :2].tolist() == [[1, 1], [1, 2], [3, 2], [3, 3]]


def test_the_largest_distance_is_that_of_the_objects_in_their_unit_unless_it_is_said() -> None:
    labels = unique_over_time(discs([(1, 30, 15, 4)], [(1, 30, 40, 4)]))
    assert len(drain(track(of(labels))).segmentation.objects) == 2
    found = drain(track(of(labels, spacing=(0.1, 0.1), unit="um"), TrackSpec(max_distance=3)))
    assert len(found.segmentation.objects) == 1
    plain = drain(track(of(labels, spacing=(0.1, 0.1), unit="um"))).segmentation.recipe["tracks"]
    # the disc of as many voxels as one of radius 4 has
    assert plain["settings"]["max_distance"] == pytest.approx(2 * np.sqrt((labels[0] > 0).sum() / np.pi) * 0.1)
    assert plain["unit"] == "um"


def test_touching_objects_keep_apart() -> None:
    rng = np.random.default_rng(0)
    centres = np.stack(np.meshgrid(np.arange(8, 120, 11), np.arange(8, 120, 11)), -1).reshape(-1, 2).astype(float)
    frames = []
    for _ in range(5):
        centres += rng.uniform(-2, 2, centres.shape) + np.array([1.5, 1.0])
        frames.append([(i + 1, y, x, 6) for i, (y, x) in enumerate(centres)])
    truth = discs(*frames, shape=(140, 140))
    found = drain(track(of(unique_over_time(truth)))).segmentation.labels
    assert np.unique(np.stack([truth.ravel(), found.ravel()]), axis=1).shape[1] == len(centres) + 1


def test_volumes_with_thick_planes() -> None:
    frames = [[(1, 4, 10 + 3 * t, 10, 4), (2, 4, 10 + 3 * t, 24, 4), (3, 10, 30, 18, 4)] for t in range(4)]
    truth = discs(*frames, shape=(14, 40, 36))
    found = drain(track(of(unique_over_time(truth), spacing=(2.0, 0.5, 0.5), unit="um")))
    assert found.tracks.shape == (12, 5)
    assert np.unique(np.stack([truth.ravel(), found.segmentation.labels.ravel()]), axis=1).shape[1] == 4


def nuclei_film(n: int = 6) -> np.ndarray:
    """Real nuclei that drift and turn: crops of the shipped sample, which shows their truth."""
    from scipy import ndimage as ndi

    truth = load_sample("nuclei2d").truth
    out = []
    for t in range(n):
        turned = ndi.rotate(truth, 1.5 * t, reshape=False, order=0)
        out.append(ndi.shift(turned, (2 * t, 3 * t), order=0)[20:220, 20:220])
    return np.stack(out).astype(np.int32)


def test_real_nuclei_that_drift_and_turn_keep_their_numbers() -> None:
    truth = nuclei_film()
    found = drain(track(of(unique_over_time(truth)))).segmentation.labels
    kept = total = 0
    for t in range(len(truth) - 1):
        for n in np.intersect1d(truth[t][truth[t] > 0], truth[t + 1]):
            ours = [np.bincount(found[u][truth[u] == n]).argmax() for u in (t, t + 1)]
            kept, total = kept + (ours[0] == ours[1]), total + 1
    assert total > 50
    assert kept >= 0.98 * total


# --- edits -----------------------------------------------------------------------------------------------------------


def linked() -> Any:
    """Three objects through six time points; the first two touch each other."""
    frames = [[(1, 20 + t, 20, 6), (2, 20 + t, 31, 6), (3, 45, 15 + 3 * t, 5)] for t in range(6)]
    return drain(track(of(unique_over_time(discs(*frames)))))


def again(now: np.ndarray, first: Any, **more: Any) -> Any:
    return drain(
        track(replace(first.segmentation, labels=now), TrackSpec(**more), before=first.segmentation.labels)
    ).segmentation.labels


def test_linking_again_without_an_edit_changes_nothing() -> None:
    first = linked()
    np.testing.assert_array_equal(again(first.segmentation.labels, first), first.segmentation.labels)


def test_an_object_that_was_deleted_in_a_frame_leaves_the_others_as_they_were() -> None:
    first = linked()
    now = first.segmentation.labels.copy()
    now[3][now[3] == 2] = 0
    np.testing.assert_array_equal(again(now, first), now)
    now[2:5][now[2:5] == 2] = 0  # longer than a gap may be: the number stays, for it was known
    np.testing.assert_array_equal(again(now, first), now)


def test_a_merge_that_is_split_again_finds_both_tracks() -> None:
    first = linked()
    wrong = first.segmentation.labels.copy()
    wrong[3][wrong[3] == 2] = 1
    relinked = again(wrong, first)
    np.testing.assert_array_equal(relinked, wrong)
    right = wrong.copy()
    side = (first.segmentation.labels[3] == 1) & (wrong[3] == 1)
    right[3][side] = 99  # the part that keeps the number may be the wrong one
    np.testing.assert_array_equal(
        again(right, replace_labels(first, wrong)),
        first.segmentation.labels,
    )


def replace_labels(found: Any, labels: np.ndarray) -> Any:
    return replace(found, segmentation=replace(found.segmentation, labels=labels))


def test_a_number_that_a_person_gave_is_meant() -> None:
    first = linked()
    now = first.segmentation.labels.copy()
    now[3:][now[3:] == 3] = 50
    now[3:][now[3:] == 1] = 3  # from here on 3 is the object that was called 1
    now[3:][now[3:] == 50] = 1
    kept = again(now, first, keep=True)
    # both numbers were in those frames before, so they say nothing; an object without that number before does
    np.testing.assert_array_equal(kept, first.segmentation.labels)
    late = first.segmentation.labels.copy()
    late[:3][late[:3] == 3] = 0
    base = replace_labels(first, late)
    named = late.copy()
    named[1][40:44, 2:6] = 3  # far away and small, and yet it is 3
    assert 3 in again(named, base)[1]


def test_a_known_division_stays_and_its_numbers_too() -> None:
    frames = [[(1, 30, 30, 8)]] * 3 + [[(1, 25 - t, 30, 5.5), (3, 36 + t, 30, 5.5)] for t in range(3)]
    first = drain(track(of(unique_over_time(discs(*frames)))))
    again_found = drain(track(first.segmentation, before=first.segmentation.labels))
    assert again_found.graph == first.graph
    np.testing.assert_array_equal(again_found.segmentation.labels, first.segmentation.labels)
    assert drain(track(first.segmentation, TrackSpec(split=False))).graph == {}


def test_what_a_person_said_of_one_frame_holds_for_the_track() -> None:
    labels = unique_over_time(discs(*([(1, 20, 20, 5), (2, 40, 40, 5)] for _ in range(3))))
    table = ObjectTable(
        np.arange(1, 7),
        np.array([1, 1, 1, 1, 2, 1]),
        np.array([0.5, 0.8, 0.7, 0.9, np.nan, 1.0], np.float32),
        ("predicted", "predicted", "predicted", "predicted", "accepted", "corrected"),
    )
    found = drain(track(replace(of(labels), objects=table))).segmentation.objects
    assert found.label.tolist() == [1, 2]
    assert found.class_id.tolist() == [2, 1]  # one accepted object against two predicted ones
    assert found.score.tolist() == pytest.approx([0.6, 0.9])
    assert found.status == ("accepted", "corrected")


def test_an_earlier_state_gets_the_same_numbers() -> None:
    labels = unique_over_time(discs(*([(1, 20, 20, 5), (2, 40, 40, 5)] for _ in range(3))))
    edited = labels.copy()
    edited[1][edited[1] == 4] = 0
    found = drain(track(of(edited)))
    before = found.relabelled(labels)
    there = edited > 0
    np.testing.assert_array_equal(before[there], found.segmentation.labels[there])
    assert at(before, 1, 40, 40) not in (0, 1, 2)


def test_stuff_stays_as_it_is() -> None:
    labels = unique_over_time(discs(*([(1, 20, 20, 5)] for _ in range(3)))) * 2
    labels[:, :5] = 1
    classes = ClassTable.named(["cell", "sky"], Kind.THING)
    classes = ClassTable((*classes.classes[:2], replace(classes.classes[2], kind=Kind.STUFF)))
    table = ObjectTable.of(labels)
    table = replace(table, class_id=np.array([2, 1, 1, 1]))
    found = drain(track(replace(of(labels), task=Task.PANOPTIC, classes=classes, objects=table)))
    assert found.segmentation.objects.label.tolist() == [1, 2]
    assert found.segmentation.objects.class_id.tolist() == [2, 1]
    assert (found.segmentation.labels[:, :5] == 1).all()


def test_each_object_of_each_time_point_is_measured_with_its_track() -> None:
    found = linked()
    table = measure(found.segmentation, tracks=found.track)
    assert table["track"].values.tolist() == table["label"].values.tolist()
    assert table["frame"].values.tolist() == sorted([*range(6)] * 3)


def test_small_dtypes_hold_what_they_can() -> None:
    truth = discs(*([(1, 20, 20 + t, 5)] for t in range(3))).astype(np.uint8)
    assert drain(track(of(truth))).segmentation.labels.dtype == np.uint8
    crowd = np.zeros((2, 40, 160), np.uint8)
    crowd[0, 1:39:2, 1:25:2] = np.arange(1, 229).reshape(19, 12)
    crowd[1, 1:39:2, 81:105:2] = np.arange(1, 229).reshape(19, 12)
    found = drain(track(of(crowd)))
    assert found.segmentation.labels.dtype == np.int32
    assert len(found.segmentation.objects) == 456


def test_progress_is_told() -> None:
    events: list[Any] = []
    drain(track(of(unique_over_time(discs(*([(1, 20, 20, 5)] for _ in range(3)))))), events.append)
    steps = [e for e in events if isinstance(e, Step)]
    assert [(e.done, e.total) for e in steps][:5] == [(1, 3), (2, 3), (3, 3), (1, 2), (2, 2)]


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": "ZYX", "spacing": (1.0,) * 3}, "no time axis"),
        ({"task": Task.SEMANTIC}, "Classes cannot be linked"),
        ({"labels": np.ones((1, 8, 8), int)}, "only one time point"),
        ({"labels": np.zeros((3, 8, 8), int)}, "no objects"),
    ],
)
def test_what_cannot_be_linked_is_said(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        drain(track(replace(of(np.ones((2, 8, 8), int)), **change)))


def test_earlier_labels_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="different size"):
        drain(track(of(np.ones((2, 8, 8), int)), before=np.ones((2, 8, 9), int)))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"max_distance": -1.0}, "largest distance"),
        ({"max_distance": float("nan")}, "largest distance"),
        ({"max_distance": 2**70 * 2**70}, "largest distance"),
        ({"gap": -1}, "gap"),
        ({"gap": 1.5}, "gap is out of range"),
        ({"min_overlap": 0.2}, "overlap"),
    ],
)
def test_settings_are_checked(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        TrackSpec(**setting)


def test_without_laptrack_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "laptrack":
            raise ImportError("No module named 'laptrack'", name="laptrack")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r'pip install "napari-segplugin\[tracks\]"'):
        drain(track(of(np.ones((2, 8, 8), int))))


@pytest.mark.parametrize("size", [(float("nan"), 1.0), (1.0, float("inf")), (0.0, 1.0)])
def test_a_pixel_size_that_is_none_is_refused(size: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="pixel size is not a positive number"):
        next(track(replace(of(np.ones((2, 8, 8), int)), spacing=size)))
