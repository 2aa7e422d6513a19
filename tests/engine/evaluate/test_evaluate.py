import csv
import io
import json
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from napari_segplugin.core import ClassInfo, ClassTable, InputError, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.engine.evaluate.evaluate import evaluate, evaluate_many
from napari_segplugin.engine.evaluate.report import AGGREGATIONS, ALL, Report, ReportRow
from napari_segplugin.metrics import METRICS, MetricRow, measure

TRUTH = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 2, 2], [0, 1, 1, 0, 2, 2], [0, 0, 0, 0, 0, 0]])
PREDICTION = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 2, 2], [0, 1, 1, 1, 2, 0], [0, 0, 0, 0, 3, 3]])
TASKS = list(Task)
TABLE = ClassTable(
    (
        ClassInfo(0, "background", "#00000000", Kind.STUFF),
        ClassInfo(1, "nucleus", "#e69f00", Kind.THING),
        ClassInfo(2, "vessel", "#56b4e9", Kind.STUFF),
    )
)
WITH_BACKGROUND, WITHOUT = "mean of classes with background", "mean of classes without background"


def segmentation(labels, task, spacing=(1.0, 1.0), unit="um", axes="YX", of=None):
    ids = np.unique(labels)[1:]
    table = ObjectTable.of(labels)
    if of is not None:
        table = ObjectTable(table.label, np.array([of[i] for i in ids.tolist()]), table.score, table.status)
    return Segmentation(task, labels, table, TABLE, axes, spacing, unit)


def run(task, prediction=PREDICTION, truth=TRUTH, **options):
    if task is Task.PANOPTIC:
        of = dict.fromkeys(range(1, 9), 1)
        options = {"prediction_classes": of, "truth_classes": of, **options}
    return evaluate(prediction, truth, task=task, **options)


def test_semantic_numbers_by_hand():
    report = evaluate(np.minimum(PREDICTION, 2), TRUTH, task="semantic", classes=TABLE)
    assert report.value("Dice", "nucleus") == pytest.approx(8 / 10)
    assert report.value("IoU", "vessel") == pytest.approx(3 / 6)
    without, with_background = (report.value(f"IoU, {w}") for w in (WITHOUT, WITH_BACKGROUND))
    background = report.value("IoU", "background")
    assert without == pytest.approx((4 / 6 + 3 / 6) / 2)
    assert with_background == pytest.approx((background + 4 / 6 + 3 / 6) / 3)


def test_semantic_rows_equal_the_single_metrics():
    report = evaluate(np.minimum(PREDICTION, 2), TRUTH, task="semantic", spacing=(2, 0.5), unit="mm", tolerance=0.7)
    masks = TRUTH == 2, np.minimum(PREDICTION, 2) == 2
    for name in ("dice", "iou", "hd95", "hausdorff", "assd", "nsd", "boundary_f1"):
        options = {"spacing": (2, 0.5)} if "spacing" in METRICS[name].options else {}
        if name == "nsd":
            options["tolerance"] = 0.7
        value = measure(name, *masks, unit="mm", **options)
        row = next(r for r in report.rows if (r.metric, r.class_name) == (value.name, "class 2"))
        assert (row.value, row.definition, row.unit) == (value.value, value.definition, value.unit)


def test_instance_numbers_by_hand():
    # IoU: 1-1 is 4/6, 2-2 is 3/4; 3 is invented.
    report = evaluate(PREDICTION, TRUTH, task="instance", thresholds=(0.7, 0.5))
    assert report.value("AP@0.5") == pytest.approx(2 / 3)
    assert report.value("AP@0.7") == pytest.approx(1 / 4)
    assert report.value("mean AP@0.5–0.7") == pytest.approx((2 / 3 + 1 / 4) / 2)
    assert report.value("Precision@0.5") == pytest.approx(2 / 3)
    assert report.value("Recall@0.5") == 1
    assert report.value("F1@0.5") == pytest.approx(4 / 5)
    assert report.value("AJI") == report.value("AJI+") == pytest.approx(7 / (6 + 4 + 2))
    assert report.value("PQ") == pytest.approx((4 / 6 + 3 / 4) / 2.5)
    assert report.value("Dice of the foreground") == pytest.approx(14 / (8 + 11))
    assert (report.value("Objects in truth"), report.value("Objects predicted")) == (2, 3)


def test_panoptic_numbers_by_hand_from_segmentations_and_from_arrays():
    of = {1: 1, 2: 2, 3: 1}
    prediction, truth = (segmentation(a, Task.PANOPTIC, of=of) for a in (PREDICTION, TRUTH))
    report = evaluate(prediction, truth, task="panoptic")
    assert report.value("PQ", "nucleus") == pytest.approx((4 / 6) / 1.5)
    assert report.value("PQ", "vessel") == pytest.approx(3 / 4)
    assert report.value("PQ, mean of classes") == pytest.approx((4 / 9 + 3 / 4) / 2)
    assert report.value("PQ, mean of things") == pytest.approx(4 / 9)
    assert report.value("PQ, mean of stuff") == pytest.approx(3 / 4)
    assert report.value("IoU", "nucleus") == pytest.approx(4 / 8)
    arrays = evaluate(PREDICTION, TRUTH, task="panoptic", classes=TABLE, prediction_classes=of, truth_classes=of)
    assert arrays == report


def test_many_images_are_averaged_and_pooled_and_each_is_named():
    small = np.zeros((4, 6), int)
    small[0, 0] = 1
    pairs = [(np.minimum(PREDICTION, 1), np.minimum(TRUTH, 1)), (np.zeros_like(small), small)]
    report = evaluate_many(pairs, task="semantic")
    a = 14 / (8 + 11)
    assert report.value("Dice, mean over images", "class 1") == pytest.approx(a / 2)
    assert report.value("Dice, pooled over images", "class 1") == pytest.approx(14 / (8 + 11 + 1))
    assert report.value("HD95, mean over images", "class 1") == math.inf
    assert not [r for r in report.rows if r.metric.startswith("HD95, pooled")]
    assert report.value(f"Dice, mean over images, {WITHOUT}") == pytest.approx(a / 2)


def test_many_images_pool_objects_and_count_the_images_where_a_number_exists():
    empty = np.zeros((4, 6), int)
    report = evaluate_many([(PREDICTION, TRUTH), (TRUTH, TRUTH), (empty, empty)], task="instance", thresholds=(0.7,))
    assert report.value("AP@0.7, mean over images") == pytest.approx((1 / 4 + 1) / 2)
    assert report.value("AP@0.7, pooled over images") == pytest.approx(3 / (4 + 2))
    assert report.value("Objects predicted, total over images") == 5
    assert {r.images for r in report.rows if r.metric.startswith("AP@0.7")} == {2}


def test_panoptic_quality_of_many_images_is_pooled_over_counts():
    of = {1: 1, 2: 2, 3: 1}
    first = [segmentation(a, Task.PANOPTIC, of=of) for a in (PREDICTION, TRUTH)]
    second = [segmentation(a, Task.PANOPTIC, of=of) for a in (TRUTH, TRUTH)]
    report = evaluate_many([first, second], task="panoptic")
    assert report.value("PQ, pooled over images", "nucleus") == pytest.approx((4 / 6 + 1) / 2.5)
    assert report.value("PQ, mean over images", "nucleus") == pytest.approx((4 / 9 + 1) / 2)
    assert report.value("SQ, pooled over images", "nucleus") == pytest.approx((4 / 6 + 1) / 2)


def test_one_tolerance_holds_for_all_images():
    moved = np.roll(TRUTH == 1, 1, axis=1).astype(int)
    pairs = [[segmentation(a, Task.SEMANTIC, (s, s)) for a in (moved, (TRUTH == 1).astype(int))] for s in (0.5, 2.0)]
    report = evaluate_many(pairs, task="semantic")
    # The square moves by one voxel: 0.5 um in the first image, within its voxel; 2 um in the second, where half is off.
    assert report.value("NSD, mean over images", "nucleus") == pytest.approx((1 + 0.5) / 2)
    assert "within 0.5 um" in next(r for r in report.rows if r.title == "NSD").definition


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("shape", [(4, 6), (3, 4, 6), (1, 1), (1, 4, 6)])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_every_task_takes_2d_3d_and_empty_images_without_a_warning(task, shape, dtype, recwarn):
    source = np.random.default_rng(0)
    full = source.integers(0, 2, shape).astype(dtype)
    full.flat[0] = 1
    for prediction, truth in (
        (full, full),
        (np.zeros_like(full), full),
        (full, np.zeros_like(full)),
        (full * 0, full * 0),
    ):
        report = run(task, prediction.astype(dtype), truth.astype(dtype))
        assert report.rows
        assert all(r.definition and type(r.value) is float for r in report.rows)
    assert not [w for w in recwarn if "napari_segplugin" in w.filename]


@pytest.mark.parametrize("task", TASKS)
def test_a_perfect_prediction_is_perfect_in_every_row(task):
    for row in run(task, TRUTH, TRUTH).rows:
        if row.unit != "objects":
            assert row.value == (1.0 if row.unit == "" else 0.0), row.metric


@pytest.mark.parametrize("task", TASKS)
def test_what_is_not_known_is_not_judged(task):
    known = np.ones(TRUTH.shape, bool)
    known[:, 3] = known[3] = known[2, 5] = False
    report = run(task, known=known)
    values = [r.value for r in report.rows if r.unit != "objects" and not math.isnan(r.value)]
    assert values == [1.0] * len(values)
    assert not [r for r in report.rows if r.title == "HD95"]
    assert bool(report.notes) == (task is Task.SEMANTIC)


def test_large_sparse_numbers_in_every_instance_row():
    table = np.array([0, 10**9, 2**40, 77])
    assert evaluate(table[PREDICTION], table[TRUTH], task="instance") == evaluate(PREDICTION, TRUTH, task="instance")


def test_semantic_evaluation_of_instance_segmentations_uses_their_classes():
    of = {1: 1, 2: 2, 3: 2}
    prediction, truth = (segmentation(a, Task.INSTANCE, of=of) for a in (PREDICTION, TRUTH))
    report = evaluate(prediction, truth, task="semantic")
    assert report.value("Dice", "vessel") == pytest.approx(2 * 3 / (4 + 5))
    assert next(r for r in report.rows if r.title == "HD95").unit == "um"


def test_spacing_and_unit_given_win_over_those_of_the_segmentations():
    prediction, truth = (segmentation(a, Task.SEMANTIC, (1.0, 1.0)) for a in (np.minimum(PREDICTION, 2), TRUTH))
    one = evaluate(prediction, truth, task="semantic")
    other = evaluate(prediction, truth, task="semantic", spacing=(3, 3), unit="mm")
    assert other.value("HD95", "vessel") == pytest.approx(3 * one.value("HD95", "vessel"))
    assert {r.unit for r in other.rows} == {"", "mm"}


def test_surfaces_can_be_left_out():
    assert {r.title for r in run(Task.SEMANTIC, surfaces=False).rows} == {"Dice", "IoU"}


# -- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_shapes_floats_and_negative_labels_are_refused_with_both_shapes(task):
    with pytest.raises(InputError, match=r"differ in shape.*truth \(4, 6\).*prediction \(5, 6\)"):
        run(task, np.ones((5, 6), int))
    with pytest.raises(InputError, match=r"whole numbers.*truth \(4, 6\) int64, prediction \(4, 6\) float64"):
        run(task, PREDICTION.astype(float))
    with pytest.raises(InputError, match=r"negative.*\(4, 6\).*\(4, 6\)"):
        run(task, PREDICTION - 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "counting"}, "no such task.*'counting'.*semantic, instance, panoptic"),
        ({"task": "instance", "thresholds": ()}, "IoU thresholds"),
        ({"task": "instance", "thresholds": (0.5, 50)}, "IoU thresholds"),
        ({"task": "semantic", "spacing": (1, 1, 1)}, "pixel size"),
        ({"task": "semantic", "tolerance": -1}, "tolerance"),
        ({"task": "semantic", "known": np.ones(3, bool)}, "mask 'known'"),
        ({"task": "semantic", "classes": TABLE}, "label 3 with 3 classes"),
        ({"task": "semantic", "classes": ClassTable.named(["all"])}, "cannot be named 'all'"),
        ({"task": "panoptic"}, "class of each object of the truth.*Give the class"),
        ({"task": "panoptic", "truth_classes": {1: 1, 2: 1}}, "class of each object of the prediction"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        evaluate(PREDICTION, TRUTH, **options)


def test_object_numbers_in_a_semantic_evaluation_are_noticed():
    with pytest.raises(InputError, match=r"object numbers.*Compare them as objects"):
        evaluate(PREDICTION * 1000, TRUTH, task="semantic")


def test_time_series_are_refused():
    series = segmentation(np.stack([TRUTH] * 2), Task.SEMANTIC, axes="TYX")
    with pytest.raises(InputError, match="one time point at a time"):
        evaluate(series, series, task="semantic")


def test_segmentations_of_different_voxel_size_are_refused_unless_it_does_not_matter():
    one, other = segmentation(TRUTH, Task.SEMANTIC), segmentation(TRUTH, Task.SEMANTIC, (2.0, 2.0))
    with pytest.raises(InputError, match=r"differ in pixel size.*\(1.0, 1.0\) um and \(2.0, 2.0\) um"):
        evaluate(one, other, task="semantic")
    assert evaluate(one, other, task="semantic", spacing=(1, 1), unit="um").value("HD95", "nucleus") == 0
    assert evaluate(one, other, task="semantic", surfaces=False).rows


def test_a_folder_needs_images_and_one_unit():
    with pytest.raises(InputError, match="no image to evaluate"):
        evaluate_many([], task="semantic")
    pairs = [[segmentation(TRUTH, Task.SEMANTIC, unit=u)] * 2 for u in ("um", "mm")]
    with pytest.raises(InputError, match=r"different units.*mm, um"):
        evaluate_many(pairs, task="semantic")


# -- the report --------------------------------------------------------------------------------------------------

REPORT = Report(
    Task.SEMANTIC,
    (
        ReportRow(ALL, "IoU", 0.25, "Share, of voxels.", aggregation=("mean of classes",)),
        ReportRow("a, b", "HD95", math.inf, "Distance.", "um"),
        ReportRow("a, b", "IoU", math.nan, "Share, of voxels."),
    ),
    ("Read this.",),
)


def test_json_is_strict_and_complete():
    def refuse(text):
        raise AssertionError(text)

    found = json.loads(REPORT.to_json(), parse_constant=refuse)
    assert [r["value"] for r in found["rows"]] == [0.25, "inf", None]
    assert found["rows"][0]["metric"] == "IoU, mean of classes"
    assert found["rows"][0]["definition"] == "Share, of voxels. " + AGGREGATIONS["mean of classes"]
    assert (found["task"], found["notes"]) == ("semantic", ["Read this."])


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(REPORT.to_csv())))
    assert [r["class"] for r in rows] == ["all", "a, b", "a, b"]
    assert [r["value"] for r in rows] == ["0.25", "inf", ""]
    assert rows[1]["unit"] == "um"


def test_a_class_that_is_named_like_a_formula_is_text_in_the_csv():
    report = Report(Task.SEMANTIC, (ReportRow("=1+1", "IoU", -0.5, "Share."),), ())
    row = next(csv.DictReader(io.StringIO(report.to_csv())))
    assert (row["class"], row["value"]) == ("'=1+1", "-0.5")


def test_text_is_aligned_and_says_each_definition_once():
    lines = REPORT.text().splitlines()
    assert lines[:4] == [
        "class  metric                 value  unit",
        "all    IoU, mean of classes  0.2500",
        "a, b   HD95                     inf  um",
        "a, b   IoU                        –",
    ]
    assert REPORT.text().count("Share, of voxels.") == 1
    assert "Note: Read this." in lines
    assert all(len(line) <= 60 for line in REPORT.text(60).splitlines())
    assert "images" in Report(Task.INSTANCE, (ReportRow(ALL, "AP", 1.0, "x.", images=3),)).text().splitlines()[0]


def test_a_row_that_is_not_there_is_an_error_that_names_those_that_are():
    with pytest.raises(InputError, match=r"no 'Dice' of 'all'.*'HD95' of 'a, b'"):
        REPORT.value("Dice")


@pytest.fixture
def more_metrics(monkeypatch):
    """Metrics of another package: one for masks, one for objects with options, and one that fails."""

    theirs = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "more_metrics", theirs)

    def add(name, kind, call, **more):
        setattr(theirs, name, call)
        row = MetricRow(
            name, name.title(), f"more_metrics:{name}", "Made up.", kind=kind, package="more-metrics", **more
        )
        monkeypatch.setitem(METRICS._rows, name, row)

    add("share", "semantic", lambda a, b: float((a & b).mean()))
    add(
        "count",
        "instance",
        lambda a, b, spacing: float(b.max() * spacing[0]),
        options={"spacing": None},
        unit="spacing",
    )
    add("broken", "instance", lambda a, b: 1 / 0)


def test_metrics_of_other_packages_stand_in_the_report_and_one_that_fails_says_why(more_metrics):
    a, b = np.array([[1, 1, 2, 0]]), np.array([[1, 2, 2, 2]])
    report = evaluate(b, a, task="semantic", classes=ClassTable.named(["a", "b"]))
    assert (report.value("Share", "a"), report.value("Share", "b")) == (0.25, 0.25)
    assert next(r for r in report.rows if r.metric == "Share").definition == "Made up (by more-metrics)."
    report = evaluate(b, a, task="instance", spacing=(0.5, 0.5), unit="um")
    assert report.value("Count", ALL) == 1.0
    assert next(r for r in report.rows if r.metric == "Count").unit == "um"
    broken = next(r for r in report.rows if r.metric == "Broken")
    assert math.isnan(broken.value)
    assert broken.definition == "Made up (by more-metrics). Not measured: division by zero"
    assert report.value("AP@0.5", ALL) >= 0


def test_metrics_of_other_packages_are_left_out_where_not_everything_is_judged(more_metrics):
    a = np.array([[1, 1, 0, 0]])
    report = evaluate(a, a, task="semantic", known=np.array([[True, True, True, False]]))
    assert "Share" not in {r.metric for r in report.rows}


def test_metrics_of_other_packages_are_averaged_over_images(more_metrics):
    a, b = np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]])
    report = evaluate_many([(a, a), (b, a)], task="semantic", classes=ClassTable.named(["a"]))
    assert next(r.value for r in report.rows if r.metric.startswith("Share")) == 0.375


@pytest.mark.parametrize("tolerance", [-1.0, -np.inf, np.inf, np.nan])
def test_a_tolerance_that_is_no_distance_is_refused_also_without_surfaces(tolerance):
    labels = np.ones((4, 4), int)
    with pytest.raises(InputError, match="tolerance must be a distance"):
        evaluate(labels, labels, task="instance", tolerance=tolerance, surfaces=False)
