"""Compare a result with the truth object by object: the report, a row for each object, and a picture of what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from napari_segplugin.core import ClassTable, InputError, Job, Segmentation, Stage, Step, Task
from napari_segplugin.data.measure import measure_objects
from napari_segplugin.data.table import Column, MeasureTable
from napari_segplugin.engine.evaluate.evaluate import Report, ReportRow, evaluate, evaluate_steps, fitted
from napari_segplugin.engine.evaluate.report import ALL
from napari_segplugin.metrics import AP_THRESHOLDS, contingency, define, match, mean, surface_distances

HIT, MISSED, FALSE = 1, 2, 3
"""Values of the overlay."""
OUTCOMES = {HIT: "hit", MISSED: "missed", FALSE: "false"}
FOREGROUND = "foreground"
_OBJECTS_A_STEP = 20


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison found.

    Parameters
    ----------
    report : Report
    objects : MeasureTable
        One row a pair of matched objects, a missed true object, or a false predicted one; none for the semantic task.
    overlay : ndarray of uint8, of the shape of the labels
        1 where they agree, 2 where something was missed, 3 where something is there that should not be.
    curve : tuple of (float, float)
        AP at each IoU threshold; empty for the semantic task.
    """

    report: Report
    objects: MeasureTable
    overlay: np.ndarray
    curve: tuple[tuple[float, float], ...]


def compare(
    prediction: Segmentation,
    truth: Segmentation,
    *,
    threshold: float = 0.5,
    thresholds: Sequence[float] = AP_THRESHOLDS,
    tolerance: float | None = None,
    surfaces: bool = True,
) -> Job[Comparison]:
    """Compare two segmentations of one image; a job, which can be cancelled between its steps.

    Parameters
    ----------
    prediction : Segmentation
        Its task, voxel size and unit are used.
    truth : Segmentation
        Of the same shape.
    threshold : float
        IoU at which objects count as the same, for the rows of objects and the overlay.
    thresholds : sequence of float
        For the average precision.
    tolerance : float, optional
        Of the surface Dice, in the unit of the voxel size; the longest edge of a voxel by default.
    surfaces : bool
        False leaves out distances between surfaces, which take the longest.

    Returns
    -------
    Job of Comparison

    Raises
    ------
    InputError
        If the shapes or places differ, or as in :func:`~napari_segplugin.engine.evaluate.evaluate.evaluate`.
    """
    truth, found = _fitted(truth, prediction)
    truth = _as_seen(truth, prediction)
    if prediction.unit == "pixel":  # a layer without a unit takes the size that the other one has
        prediction = replace(prediction, spacing=truth.spacing, unit=truth.unit)
    size = prediction.spacing
    reach = max(size) if tolerance is None else tolerance
    yield Stage("Comparing classes and objects")
    frames = list(zip(_frames(prediction), _frames(truth), strict=True))
    rows, notes = yield from _report(frames, tuple(thresholds), reach, surfaces)
    yield Stage("Comparing each object")
    tables, overlays = [], []
    for one, other in frames:
        if prediction.task is Task.SEMANTIC:
            overlays.append(_semantic_overlay(np.asarray(one.labels), np.asarray(other.labels)))
            continue
        table, overlay = yield from _objects(one, other, threshold, reach if surfaces else None)
        tables.append(table)
        overlays.append(overlay)
    timed = "T" in prediction.axes
    objects = _joined(tables, timed)
    rows = [*rows, *_means_of_objects(objects, prediction.unit, threshold)]
    overlay = np.stack(overlays) if timed else overlays[0]
    return Comparison(Report(prediction.task, tuple(rows), (*found, *notes)), objects, overlay, _curve(rows))


def _fitted(truth: Segmentation, prediction: Segmentation) -> tuple[Segmentation, tuple[str, ...]]:
    """The truth in the voxels of the prediction, and what the person should know of that."""
    if truth.axes != prediction.axes:
        return truth, ()
    found, _, notes = fitted(prediction, truth)
    return cast("Segmentation", found), notes


def _as_seen(truth: Segmentation, prediction: Segmentation) -> Segmentation:
    """The truth with the task, voxel size and classes of the prediction, after a look at its shape."""
    shapes = tuple(prediction.labels.shape), tuple(truth.labels.shape)
    if shapes[0] != shapes[1] or prediction.axes != truth.axes:
        raise InputError(
            "The result and the ground truth do not belong to the same image.",
            got=f"result {shapes[0]} '{prediction.axes}', ground truth {shapes[1]} '{truth.axes}'",
            hint="Choose the ground truth of this image.",
        )
    named = {c.name: c.id for c in prediction.classes}
    table = truth.objects
    if prediction.task is not Task.SEMANTIC and truth.classes != prediction.classes:
        # classes are the same where their names are; a truth without classes is of the first thing class
        first = (prediction.classes.thing_ids or (1,))[0]
        names = {c.id: c.name for c in truth.classes}
        ids = np.array([named.get(names.get(int(c), ""), first) for c in table.class_id], np.int64)
        table = replace(table, class_id=ids)
    return replace(
        truth,
        task=prediction.task,
        objects=table,
        classes=prediction.classes,
        spacing=truth.spacing if prediction.unit == "pixel" else prediction.spacing,
        unit=truth.unit if prediction.unit == "pixel" else prediction.unit,
    )


def _frames(found: Segmentation) -> Iterator[Segmentation]:
    if "T" not in found.axes:
        yield found
        return
    for labels in np.asarray(found.labels):
        yield replace(found, labels=labels, axes=found.axes.replace("T", ""))


def _report(
    frames: Sequence[tuple[Segmentation, Segmentation]], thresholds: tuple[float, ...], tolerance: float, surfaces: bool
) -> Job[tuple[list[ReportRow], tuple[str, ...]]]:
    """Numbers of the task; of objects also those of the foreground, and of each class where there are several."""
    task, classes = frames[0][0].task, frames[0][0].classes
    more = {"thresholds": thresholds, "tolerance": tolerance, "surfaces": surfaces}

    def numbers(pairs: list[tuple[Segmentation, Segmentation]], kind: Task) -> Job[Report]:
        if len(pairs) == 1:
            yield Step(0, 1)
            return evaluate(*pairs[0], task=kind, **more)  # type: ignore[arg-type]
        return (yield from evaluate_steps(pairs, len(pairs), task=kind, **more))  # type: ignore[arg-type]

    report = yield from numbers(list(frames), task)
    rows, notes = list(report.rows), report.notes
    if task is Task.SEMANTIC:
        return rows, notes
    if task is Task.PANOPTIC:
        things = [(_only(a, classes.thing_ids), _only(b, classes.thing_ids)) for a, b in frames]
        rows += [
            r for r in (yield from numbers(things, Task.INSTANCE)).rows if r.title.startswith(("AP", "mean AP", "AJI"))
        ]
    elif len(classes.thing_ids) > 1:
        for c in classes.thing_ids:
            chosen = [(_only(a, (c,)), _only(b, (c,))) for a, b in frames]
            found = yield from numbers(chosen, Task.INSTANCE)
            rows += [replace(r, class_name=classes[c].name) for r in found.rows]
    both = [(_foreground(a), _foreground(b)) for a, b in frames]
    rows += [r for r in (yield from numbers(both, Task.SEMANTIC)).rows if r.class_name == FOREGROUND]
    return rows, notes


def _only(found: Segmentation, class_ids: Sequence[int]) -> Segmentation:
    """Objects of some classes; the other voxels become background."""
    kept = found.objects.label[np.isin(found.objects.class_id, list(class_ids))]
    labels = np.asarray(found.labels)
    return replace(found, labels=np.where(np.isin(labels, kept), labels, 0))


def _foreground(found: Segmentation) -> Segmentation:
    mask = (np.asarray(found.labels) > 0).astype(np.uint8)
    return replace(found, task=Task.SEMANTIC, labels=mask, classes=ClassTable.named([FOREGROUND]))


def _semantic_overlay(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    out = np.zeros(truth.shape, np.uint8)
    out[prediction > 0] = FALSE
    out[(truth > 0) & (prediction != truth)] = MISSED
    out[(truth > 0) & (prediction == truth)] = HIT
    return out


def _objects(
    prediction: Segmentation, truth: Segmentation, threshold: float, tolerance: float | None
) -> Job[tuple[MeasureTable, np.ndarray]]:
    """A row for each object of one time point, and the overlay."""
    predicted, true = np.asarray(prediction.labels), np.asarray(truth.labels)
    hits, others = _pairs(prediction, truth, threshold)
    size = {
        "spacing": prediction.spacing,
        "edges": prediction.edges,
        "unit": prediction.unit,
        "classes": prediction.classes,
    }
    tables = [
        measure_objects(s.labels, objects=s.objects, **size)  # type: ignore[arg-type]
        for s in (prediction, truth)
    ]
    places = [{int(n): i for i, n in enumerate(t["label"].values)} for t in tables]
    missed = sorted(set(places[1]) - {b for _, b, _ in hits})
    false = sorted(set(places[0]) - {a for a, _, _ in hits})
    rows = [(a, b, HIT) for a, b, _ in hits] + [(0, b, MISSED) for b in missed] + [(a, 0, FALSE) for a in false]
    iou = {(a, b): value for a, b, value in hits}
    boxes = (
        np.stack([_box(tables, places, a, b) for a, b, _ in rows]) if rows else np.zeros((0, 2, predicted.ndim), int)
    )
    measured = np.full((len(rows), 3), np.nan)
    for i, (a, b, outcome) in enumerate(rows):
        if i % _OBJECTS_A_STEP == 0:
            yield Step(i, len(rows))
        if outcome == HIT and tolerance is not None:
            box = tuple(slice(low, high) for low, high in boxes[i].T)
            found = surface_distances(true[box] == b, predicted[box] == a, prediction.spacing)
            measured[i] = found.percentile(95), found.mean(), found.within(tolerance).value
    table = _object_table(rows, iou, others, measured, tables, places, prediction.unit, threshold, tolerance)
    overlay = _overlay(predicted, true, rows)
    return MeasureTable(table, boxes), overlay


def _pairs(
    prediction: Segmentation, truth: Segmentation, threshold: float
) -> tuple[list[tuple[int, int, float]], Mapping[int, float]]:
    """Matched (predicted object, true object, IoU), and the best IoU of every other object (true ones negative)."""
    table = contingency(np.asarray(truth.labels), np.asarray(prediction.labels))
    if prediction.task is Task.PANOPTIC:
        kinds = [
            dict(zip(s.objects.label.tolist(), s.objects.class_id.tolist(), strict=True)) for s in (prediction, truth)
        ]
        p = np.array([kinds[0].get(int(n), 0) for n in table.prediction_ids], np.int64)[table.prediction_index]
        t = np.array([kinds[1].get(int(n), 0) for n in table.truth_ids], np.int64)[table.truth_index]
        keep = p == t
        parts = table.truth_index[keep], table.prediction_index[keep], table.intersection[keep]
        table = replace(table, truth_index=parts[0], prediction_index=parts[1], intersection=parts[2])
    found = match(table, threshold)
    best: dict[int, float] = {}
    for numbers, index, sign in (
        (table.prediction_ids, table.prediction_index, 1),
        (table.truth_ids, table.truth_index, -1),
    ):
        most = np.zeros(len(numbers))
        np.maximum.at(most, index, table.iou)
        best |= {sign * int(n): float(v) for n, v in zip(numbers, most, strict=True)}
    hits = zip(found.prediction_ids.tolist(), found.truth_ids.tolist(), found.iou.tolist(), strict=True)
    return sorted(hits), best


def _box(tables: Sequence[MeasureTable], places: Sequence[Mapping[int, int]], predicted: int, true: int) -> np.ndarray:
    """The box around an object and its partner."""
    found = [t.boxes[p[n]] for t, p, n in zip(tables, places, (predicted, true), strict=True) if n]
    return np.stack([np.min([b[0] for b in found], axis=0), np.max([b[1] for b in found], axis=0)])


def _object_table(
    rows: Sequence[tuple[int, int, int]],
    iou: Mapping[tuple[int, int], float],
    best: Mapping[int, float],
    measured: np.ndarray,
    tables: Sequence[MeasureTable],
    places: Sequence[Mapping[int, int]],
    unit: str,
    threshold: float,
    tolerance: float | None,
) -> tuple[Column, ...]:
    overlap = np.array([iou[a, b] if kind == HIT else best.get(a or -b, 0.0) for a, b, kind in rows])
    where = [(0, places[0][a]) if a else (1, places[1][b]) for a, b, _ in rows]
    columns = [
        Column(
            "label",
            "object",
            np.array([a for a, _, _ in rows], np.int64),
            "Predicted object; 0 for an object that was missed.",
        ),
        Column(
            "truth",
            "truth",
            np.array([b for _, b, _ in rows], np.int64),
            "Object in the ground truth; 0 if there is none.",
        ),
        Column(
            "outcome",
            "outcome",
            np.array([OUTCOMES[kind] for _, _, kind in rows], object),
            f"hit: matched one to one at IoU >= {threshold:g}; missed: in the ground truth but not matched; false: "
            f"predicted but not matched.",
        ),
        Column(
            "iou",
            "IoU",
            overlap,
            "|A∩B| / |A∪B| with the matched object; without a match, the highest with any object.",
        ),
        Column("dice", "Dice", 2 * overlap / (1 + overlap), "2|A∩B| / (|A|+|B|) with the same object."),
    ]
    if tolerance is not None:
        shown = "µm" if unit == "um" else unit
        for name, values in zip(("hd95", "assd", "nsd"), measured.T, strict=True):
            title = {"hd95": f"HD95 ({shown})", "assd": f"ASSD ({shown})", "nsd": "NSD"}[name]
            definition = define(name, shown, **({"tolerance": tolerance} if name == "nsd" else {}))
            columns.append(Column(name, title, values, definition, "" if name == "nsd" else shown))
    for column in tables[0].columns[1:]:
        if column.name == "class" or column.name in ("area", "volume") or column.name.startswith("centroid"):
            values = np.array([tables[t][column.name].values[i] for t, i in where], column.values.dtype)
            columns.append(replace(column, values=values))
    return tuple(columns)


def _overlay(predicted: np.ndarray, true: np.ndarray, rows: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Whole objects in the colour of their outcome; where a false one lies on a missed one, the missed one shows."""
    hit_predicted, hit_true = [a for a, _, k in rows if k == HIT], [b for _, b, k in rows if k == HIT]
    is_hit = np.isin(predicted, hit_predicted) & (predicted > 0)
    out = np.where(is_hit, HIT, np.where(predicted > 0, FALSE, 0)).astype(np.uint8)
    out[(true > 0) & ~np.isin(true, hit_true) & ~is_hit] = MISSED
    return out


def _joined(tables: Sequence[MeasureTable], timed: bool) -> MeasureTable:
    """The rows of all time points, with the time point where there are several."""
    if not tables:
        none = np.zeros(0, np.int64)
        return MeasureTable((Column("label", "object", none, "Predicted object."),), np.zeros((0, 2, 2), int))
    first = tables[0].columns
    columns = [replace(c, values=np.concatenate([t[c.name].values for t in tables])) for c in first]
    if timed:
        frame = np.repeat(np.arange(len(tables)), [len(t) for t in tables])
        columns.insert(1, Column("frame", "frame", frame, "Time point, counted from 0."))
    return MeasureTable(tuple(columns), np.concatenate([t.boxes for t in tables]))


def _means_of_objects(objects: MeasureTable, unit: str, threshold: float) -> Iterator[ReportRow]:
    """Means over the matched objects."""
    shown = "µm" if unit == "um" else unit
    for name in ("iou", "dice", "hd95", "assd", "nsd"):
        if name not in objects:
            continue
        column = objects[name]
        values = column.values[objects["outcome"].values == OUTCOMES[HIT]]
        title = f"{column.title.split(' (')[0]} of matched objects"
        meaning = f"{column.definition} Mean over the objects matched at IoU >= {threshold:g}."
        yield ReportRow(ALL, title, mean(values.tolist()), meaning, shown if name in ("hd95", "assd") else "")


def _curve(rows: Sequence[ReportRow]) -> tuple[tuple[float, float], ...]:
    """AP at each threshold; of several time points the pooled one."""
    found = [r for r in rows if r.class_name == ALL and r.title.startswith("AP@")]
    steps = [()] if any(not r.aggregation for r in found) else [("pooled over images",)]
    return tuple((float(r.title.removeprefix("AP@")), r.value) for r in found if r.aggregation in steps)


__all__ = ["FALSE", "FOREGROUND", "HIT", "MISSED", "OUTCOMES", "Comparison", "compare"]
