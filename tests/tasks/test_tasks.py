"""What any task promises: reading back what was written gives the same, up to the numbering of the objects."""

import numpy as np
import pytest

from napari_segplugin.core import ClassInfo, ClassTable, Image, InputError, Kind, ModelSpec, Sample, Task
from napari_segplugin.metrics import contingency
from napari_segplugin.tasks import HEADS, TASKS, HeadRow, codec_of, get_task, head_row, n_maps
from napari_segplugin.tasks.instance import normalised_distance, seed_levels

TABLE = ClassTable(
    (
        ClassInfo(0, "background", "#00000000", Kind.STUFF),
        ClassInfo(1, "cell", "#e69f00"),
        ClassInfo(2, "vessel", "#56b4e9"),
        ClassInfo(3, "tissue", "#009e73", Kind.STUFF),
    )
)


def ball(shape, centre, radius):
    grids = np.indices(shape)
    return sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True)) <= radius**2


def separate(shape):
    labels = np.zeros(shape, int)
    for number, at in enumerate((0.25, 0.7), 3):
        labels[ball(shape, [n * at for n in shape], 5)] = number
    return labels


def touching(shape):
    labels = np.zeros(shape, int)
    middle = tuple(slice(3, n - 3) for n in shape[:-1])
    labels[(*middle, slice(4, 14))] = 1
    labels[(*middle, slice(14, 24))] = 2
    return labels


def concave(shape):
    labels = np.zeros(shape, int)
    plane = (slice(4, -4),) * (len(shape) - 2)
    labels[(*plane, slice(4, 22), slice(4, 10))] = 1
    labels[(*plane, slice(16, 22), slice(4, 24))] = 1
    return labels


def thin(shape):
    labels = np.zeros(shape, int)
    plane = (slice(4, -4),) * (len(shape) - 2)
    labels[(*plane, slice(9, 11), slice(2, 26))] = 1
    labels[(*plane, slice(14, 17), slice(2, 26))] = 2
    return labels


def at_the_border(shape):
    labels = np.zeros(shape, int)
    labels[ball(shape, [0] * len(shape), 7)] = 1
    labels[ball(shape, [n - 1 for n in shape], 8)] = 2
    return labels


def fills_everything(shape):
    return np.ones(shape, int)


def nothing(shape):
    return np.zeros(shape, int)


PAIRS = [(task, head) for task in TASKS.names() for head in (HEADS.names() if TASKS[task].head else ("",))]
"""Every task with every way of writing its objects."""
SCENES = [separate, touching, concave, thin, at_the_border, fills_everything, nothing]
SHAPES = [(28, 28), (14, 28, 28)]


def sample_of(labels, task, classes=TABLE):
    """Objects of alternating class; in a panoptic sample the upper half outside objects is tissue."""
    of = np.array([0, *(1 + (i % 2) for i in range(labels.max()))]) if labels.any() else np.zeros(1, int)
    kinds = of[labels]
    if task == "panoptic":
        upper = np.indices(labels.shape)[-2] < labels.shape[-2] // 2
        kinds = np.where((labels == 0) & upper, 3, kinds)
    image = Image(np.zeros(labels.shape, np.uint8), "ZYX"[-labels.ndim :])
    return Sample(image, kinds, None if task == "semantic" else labels)


def perfect_maps(sample, task, head="", classes=TABLE):
    targets = get_task(task, head).encode(sample, classes)
    one_hot = (targets.classes[None] == np.arange(len(classes)).reshape(-1, *(1,) * targets.classes.ndim)).astype(
        np.float32
    )
    return np.concatenate([one_hot, targets.maps])


@pytest.mark.parametrize(("task", "head"), PAIRS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scene", SCENES)
def test_read_back_gives_what_was_written(task, head, shape, scene):
    sample = sample_of(scene(shape), task)
    labels, table = get_task(task, head).decode(perfect_maps(sample, task, head), TABLE, {})
    of = np.zeros(int(labels.max(initial=0)) + 1, int)
    of[table.label] = table.class_id
    truth = np.where(np.isin(sample.classes, (1, 2)), sample.classes, 0) if task == "instance" else sample.classes
    assert np.array_equal(of[labels], truth)
    if task != "semantic":
        pairs = contingency(
            np.where(np.isin(sample.classes, (1, 2)), sample.instances, 0),
            np.where(np.isin(of[labels], (1, 2)), labels, 0),
        )
        assert len(pairs.truth_ids) == len(pairs.prediction_ids)
        assert all(pairs.iou[pairs.truth_index == i].max() == 1 for i in range(len(pairs.truth_ids)))


ONE_WIDE = pytest.mark.xfail(
    strict=True, reason="smoothing by one voxel leaves less than the seed threshold of such an object"
)


@pytest.mark.parametrize("head", [pytest.param(h, marks=ONE_WIDE if h == "distance" else ()) for h in HEADS.names()])
def test_an_object_one_voxel_wide_is_found(head):
    labels = np.zeros((20, 28), int)
    labels[9, 2:26] = 1
    sample = sample_of(labels, "instance")
    found, _ = get_task("instance", head).decode(perfect_maps(sample, "instance", head), TABLE, {})
    assert np.array_equal(found > 0, labels > 0)


@pytest.mark.parametrize(("task", "head"), PAIRS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_table_lists_exactly_the_labels_with_scores_between_0_and_1(task, head, shape):
    sample = sample_of(separate(shape), task)
    maps = perfect_maps(sample, task, head) * 0.8 + 0.05
    labels, table = get_task(task, head).decode(maps, TABLE, {})
    assert sorted(table.label.tolist()) == [v for v in np.unique(labels).tolist() if v]
    assert ((table.score > 0.5) & (table.score <= 1)).all()
    assert set(table.status) == {"predicted"}
    assert labels.dtype.kind in "iu"


@pytest.mark.parametrize(("task", "head"), PAIRS)
def test_as_many_maps_as_are_announced(task, head):
    maps = perfect_maps(sample_of(separate((28, 28)), task), task, head)
    assert len(maps) == n_maps(ModelSpec("unet", 2, 1, Task(task), TABLE, head=head))
    kinds = ("class",) * len(TABLE) + get_task(task, head).map_kinds(2)
    bounded = maps[[kind != "offset" for kind in kinds]]
    assert bounded.min() >= 0
    assert bounded.max() <= 1


@pytest.mark.parametrize(("task", "head"), PAIRS)
def test_what_is_not_known_has_no_weight(task, head):
    whole = sample_of(separate((28, 28)), task)
    known = np.zeros((28, 28), bool)
    known[:14] = True
    targets = get_task(task, head).encode(Sample(whole.image, whole.classes, whole.instances, known), TABLE)
    assert np.array_equal(targets.weight > 0, known)
    assert not targets.maps_weight[~known].any()


@pytest.mark.parametrize(("task", "head"), PAIRS)
def test_class_numbers_outside_the_table_are_unknown(task, head):
    sample = sample_of(nothing((8, 8)), task)
    classes = sample.classes.copy()
    classes[0, :3] = (-1, 4, 255)
    targets = get_task(task, head).encode(Sample(sample.image, classes, sample.instances), TABLE)
    assert targets.weight[0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert targets.classes.max() < len(TABLE)


@pytest.mark.parametrize(("task", "head"), PAIRS)
def test_noise_is_read_without_complaint(task, head):
    count = n_maps(ModelSpec("unet", 2, 1, Task(task), TABLE, head=head))
    maps = np.random.default_rng(0).random((count, 20, 20)).astype(np.float32)
    labels, table = get_task(task, head).decode(maps, TABLE, {})
    assert labels.shape == (20, 20)
    assert len(table) == len(np.unique(labels[labels > 0]))


@pytest.mark.parametrize("head", HEADS.names())
def test_equal_objects_of_unequal_size_keep_their_outline_within_a_voxel(head):
    labels = np.zeros((40, 60), int)
    labels[10:30, 5:35] = 1
    labels[16:22, 35:41] = 2
    sample = sample_of(labels, "instance")
    got, _ = get_task("instance", head).decode(perfect_maps(sample, "instance", head), TABLE, {})
    pairs = contingency(labels, got)
    assert len(pairs.prediction_ids) == 2
    assert all(pairs.iou[pairs.truth_index == i].max() > 0.75 for i in range(2))


def test_the_distance_is_1_once_an_object_and_falls_to_its_outline():
    distance = normalised_distance(separate((28, 28)), (1.0, 1.0))
    for number in (3, 4):
        assert distance[separate((28, 28)) == number].max() == 1
    assert not distance[separate((28, 28)) == 0].any()


def test_the_distance_is_physical():
    labels = np.zeros((9, 21, 21), int)
    labels[2:7, 2:19, 2:19] = 1
    flat, cube = (normalised_distance(labels, s) for s in ((10.0, 1.0, 1.0), (1.0, 1.0, 1.0)))
    assert flat[2, 10, 10] == 1  # 9 voxels of 1 to the side, 10 to the next plane
    assert cube[2, 10, 10] == pytest.approx(1 / 3)


def test_large_sparse_numbers_cost_nothing():
    labels = separate((28, 28)) * 1_000_000_007
    assert np.array_equal(normalised_distance(labels, (1, 1)), normalised_distance(separate((28, 28)), (1, 1)))


@pytest.mark.parametrize("head", HEADS.names())
def test_small_objects_are_left_out_when_asked(head):
    sample = sample_of(separate((28, 28)), "instance")
    labels, table = get_task("instance", head).decode(perfect_maps(sample, "instance", head), TABLE, {"min_size": 1000})
    assert not labels.any()
    assert len(table) == 0


@pytest.mark.parametrize("head", HEADS.names())
def test_stuff_of_a_panoptic_result_is_one_object_a_class(head):
    sample = sample_of(separate((28, 28)), Task.PANOPTIC)
    labels, table = get_task("panoptic", head).decode(perfect_maps(sample, "panoptic", head), TABLE, {})
    tissue = table.label[table.class_id == 3]
    assert len(tissue) == 1
    assert np.array_equal(labels == tissue[0], sample.classes == 3)


@pytest.mark.parametrize("head", HEADS.names())
def test_an_instance_result_has_no_stuff(head):
    sample = sample_of(separate((28, 28)), Task.PANOPTIC)
    _, table = get_task("instance", head).decode(perfect_maps(sample, "panoptic", head), TABLE, {})
    assert set(table.class_id.tolist()) == {1, 2}


def test_a_head_is_refused_where_there_are_no_objects():
    with pytest.raises(InputError, match="no way of separating them"):
        get_task("semantic", "distance")
    with pytest.raises(InputError, match="no head named 'voting'"):
        get_task("instance", "voting")


@pytest.mark.parametrize("shape", [(30, 34), (20, 22, 24)])
def test_a_map_that_is_flat_still_early_in_a_training_gives_its_objects(shape):
    """The network knows where the objects are, and says a third of the distance: seeds are sought lower."""
    labels, codec = separate(shape), get_task(Task.INSTANCE)
    table = ClassTable.named(["cell"])
    sample = Sample(Image(np.zeros(shape), "ZYX"[-len(shape) :]), (labels > 0).astype(int), labels)
    good = codec.encode(sample, table)
    probability = np.stack([good.classes == 0, good.classes == 1]).astype(np.float32)
    flat = np.concatenate([probability, 0.3 * good.maps])
    assert codec.decode(flat, table, {})[0].max() == 0
    found = codec.calibrate([flat], [labels], table)
    assert 0.1 <= found["seed"] < 0.2
    assert codec.decode(flat, table, found)[0].max() == 2
    # a network that has learnt the distance keeps the usual threshold, and so does one of which nothing is known
    usual = codec.defaults()["seed"]
    assert codec.calibrate([np.concatenate([probability, good.maps])], [labels], table)["seed"] == usual
    assert codec.calibrate([flat], [np.zeros(shape, int)], table) == {"seed": usual, "score": 0.0}
    # an object cut by the border of the patch says nothing of the middle that lies beyond
    assert codec.calibrate([flat], [at_the_border(shape)], table)["seed"] == usual


@pytest.mark.parametrize("head", HEADS.names())
@pytest.mark.parametrize("shape", [(30, 34), (20, 22, 24)])
def test_objects_less_certain_than_any_that_is_known_are_left_out(head, shape):
    labels, codec, table = separate(shape), get_task(Task.INSTANCE, head), ClassTable.named(["cell"])
    sample = Sample(Image(np.zeros(shape), "ZYX"[-len(shape) :]), (labels > 0).astype(int), labels)
    written = codec.encode(sample, table)
    certainty = np.select([labels == 3, labels == 4], [0.97, 0.7], 0.0)
    maps = np.concatenate([np.stack([1 - certainty, certainty]), written.maps]).astype(np.float32)
    assert len(codec.decode(maps, table, {})[1]) == 2
    only_sure = codec.calibrate([maps], [np.where(labels == 3, 3, 0)], table)
    assert only_sure["score"] == pytest.approx(0.9)
    found, objects = codec.decode(maps, table, only_sure)
    assert len(objects) == 1
    assert np.array_equal(found > 0, labels == 3)
    # where an object of the training is as faint, nothing as certain as it is left out
    both = codec.calibrate([maps], [labels], table)
    assert both["score"] < 0.7
    assert len(codec.decode(maps, table, both)[1]) == 2


def spec_of(task=Task.INSTANCE, **more):
    return ModelSpec("unet", 2, 1, task, TABLE, **more)


def test_the_head_of_a_package_that_is_not_there_is_a_sentence():
    for call in (head_row, codec_of):
        with pytest.raises(
            InputError, match=r"separates objects by 'stars', which comes from another package.*Install old-heads"
        ):
            call(spec_of(head="stars", packages=("old-heads",)))
    with pytest.raises(InputError, match=r"does not separate objects. Got the task semantic"):
        head_row(spec_of(Task.SEMANTIC))
    assert head_row(spec_of()).name == "distance"


def test_maps_that_nobody_knows_how_to_learn_are_refused(monkeypatch):
    monkeypatch.setattr("napari_segplugin.tasks.instance.InstanceCodec.map_kinds", lambda self, ndim: ("flow",))
    with pytest.raises(InputError, match=r"maps of an unknown kind. Got flow. Accepted: distance, probability, heat"):
        n_maps(spec_of(head="distance"))


def test_a_head_names_its_block_decoder_as_a_place():
    with pytest.raises(InputError, match=r"block decoder of the head 'x' is not a place.*Got 'package.module'"):
        HeadRow("x", "X", "math:pi", blocks="package.module")


@pytest.mark.parametrize("seed", [-1e308, -1e6, float("-inf"), float("nan"), 1e308])
def test_a_senseless_threshold_of_a_damaged_model_asks_for_few_levels(seed):
    assert 1 <= len(seed_levels({"seed": seed})) <= 18
    assert seed_levels({"seed": 0.5}) == pytest.approx((0.5, 0.6, 0.7))
