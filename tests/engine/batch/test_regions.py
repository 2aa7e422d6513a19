"""Results in drawn regions: whole objects by their centres, areas cut at the line, and the same as in the whole image."""

import numpy as np
import pytest

from napari_segplugin.core import (
    ClassicalRecipe,
    ClassInfo,
    ClassTable,
    CleanupStep,
    Image,
    InputError,
    Kind,
    Note,
    ObjectTable,
    Segmentation,
    Stage,
    Task,
    TileSpec,
    drain,
)
from napari_segplugin.data.drawn import Outline, inside
from napari_segplugin.engine.batch.order import RunOrder, margin_of, run_order
from napari_segplugin.engine.batch.regions import in_regions, known_of
from napari_segplugin.engine.classical.segment import segment
from napari_segplugin.io import load_bundle, load_sample, shipped_bundles

CELLS = ClassicalRecipe("threshold", {}, (CleanupStep("label"),))
SHAPE = (60, 80)


def rectangle(top, left, bottom, right, planes=None):
    return Outline(np.array([(top, left), (top, right), (bottom, right), (bottom, left)], float) - 0.25, planes)


def truth():
    """Squares of 8 pixels, 16 apart, numbered from 1."""
    labels = np.zeros(SHAPE, np.int32)
    for n, (y, x) in enumerate([(y, x) for y in (4, 20, 36) for x in (4, 20, 36, 52)], 1):
        labels[y : y + 8, x : x + 8] = n
    return labels


def knows(labels, task=Task.INSTANCE, classes=None, class_id=None):
    """A network that knows the answer."""
    table = ObjectTable.of(labels)
    if task is Task.SEMANTIC:
        table = ObjectTable(table.label, table.label.copy(), table.score, table.status)
    if class_id is not None:
        ids = np.array([class_id(n) for n in table.label.tolist()])
        table = ObjectTable(table.label, ids, np.full(len(ids), 0.5, np.float32), table.status)

    def run(region):
        yield Note("Something about the image.")
        part = labels[(..., *region)].copy()
        keep = ObjectTable.of(part).label
        kinds = classes or ClassTable.named(["cell"], Kind.STUFF if task is Task.SEMANTIC else Kind.THING)
        axes = "TZYX"[4 - labels.ndim :] if labels.ndim != 3 or len(region) == 3 else "TYX"
        sizes = (1.0,) * len(region)
        recipe = {"origin": [s.start for s in region]}
        return Segmentation(task, part, table.only(set(keep.tolist())), kinds, axes, sizes, recipe=recipe)

    return run


def test_objects_are_kept_whole_where_their_centre_is_inside():
    labels = truth()
    # the line goes through the first column of objects right of its middle, and left of that of the second
    found = drain(in_regions(Image(labels, "YX"), [rectangle(0, 0, 16, 22)], knows(labels), (20, 20)))
    assert len(found.objects) == 1
    y, x = found.recipe["origin"]
    whole = np.zeros(SHAPE, int)
    whole[y : y + found.labels.shape[0], x : x + found.labels.shape[1]] = found.labels
    np.testing.assert_array_equal(whole > 0, labels == 1)
    found = drain(in_regions(Image(labels, "YX"), [rectangle(0, 0, 16, 25)], knows(labels), (20, 20)))
    assert [int((found.labels == n).sum()) for n in found.objects.label] == [64, 64]
    known = known_of(found)
    assert known.shape == found.labels.shape
    assert int(known.sum()) == 16 * 25
    assert (found.labels[~known] > 0).sum() == 3 * 8  # what reaches out of the region


def test_areas_end_at_the_line():
    labels = (np.arange(80)[None] // 20 % 2 + 1).repeat(60, 0).astype(np.uint16)
    classes = ClassTable.named(["a", "b"], Kind.STUFF)
    drawn = [Outline([(5, 5), (5, 70), (50, 30)]), rectangle(50, 60, 58, 78)]
    found = drain(in_regions(Image(labels, "YX"), drawn, knows(labels, Task.SEMANTIC, classes)))
    y, x = found.recipe["origin"]
    part = tuple(slice(a, a + n) for a, n in zip((y, x), found.labels.shape, strict=True))
    np.testing.assert_array_equal(found.labels, np.where(inside(drawn, part), labels[part], 0))
    assert found.objects.class_id.tolist() == [1, 2]


def test_regions_far_apart_have_numbers_of_their_own_and_one_number_for_each_area():
    labels = truth()
    labels[labels == 0] = 100
    kinds = (("background", Kind.STUFF), ("cell", Kind.THING), ("ground", Kind.STUFF))
    rows = ClassTable(tuple(ClassInfo(n, name, "#00ff00ff", kind) for n, (name, kind) in enumerate(kinds)))
    run = knows(labels, Task.PANOPTIC, rows, lambda n: 2 if n == 100 else 1)
    events = []
    found = drain(
        in_regions(Image(labels, "YX"), [rectangle(0, 0, 15, 15), rectangle(33, 49, 50, 64)], run, (2, 2)),
        events.append,
    )
    assert sorted(found.objects.class_id.tolist()) == [1, 1, 2]
    ground = int(found.objects.label[found.objects.class_id == 2][0])
    assert (found.labels == ground).sum() == 15 * 15 - 64 + 17 * 15 - 64
    assert len(np.unique(found.labels)) == 4
    assert [e.text for e in events if isinstance(e, Note)] == ["Something about the image."]
    assert [e.text for e in events if isinstance(e, Stage)] == ["Region 1 of 2", "Region 2 of 2"]
    np.testing.assert_allclose(found.objects.score, 0.5)


def test_an_object_that_reaches_further_than_was_looked_at_is_told():
    labels = np.zeros(SHAPE, np.int32)
    labels[10:20, 5:70] = 1
    said = []
    found = drain(in_regions(Image(labels, "YX"), [rectangle(0, 0, 30, 40)], knows(labels), (4, 4)), said.append)
    assert int((found.labels > 0).sum()) == 10 * 39
    assert "1 object at the edge of a region is cut off" in said[-1].text


def test_shapes_on_planes_of_a_volume_are_a_box_through_these_planes():
    labels = np.zeros((9, *SHAPE), np.int32)
    labels[1:8] = truth()
    drawn = [rectangle(0, 0, 16, 16, (2, 3)), rectangle(1, 1, 15, 15, (5, 6))]
    found = drain(in_regions(Image(labels, "ZYX"), drawn, knows(labels), (8, 8)))
    assert found.labels.shape[0] == 4
    assert found.recipe["origin"] == [2, 0, 0]
    assert len(found.objects) == 1
    assert (found.labels > 0).sum() == 4 * 64
    assert known_of(found).all(0).sum() == 16 * 16


def test_a_film_has_the_region_at_every_time():
    labels = np.stack([truth(), truth() + 20 * (truth() > 0)])
    found = drain(in_regions(Image(labels, "TYX"), [rectangle(0, 0, 16, 32)], knows(labels), (4, 4)))
    assert found.axes == "TYX"
    assert len(found.objects) == 4
    assert [len(np.unique(frame)) - 1 for frame in found.labels] == [2, 2]
    assert known_of(found).shape == found.labels.shape[1:]


def test_nothing_in_a_region_is_no_object():
    found = drain(in_regions(Image(truth(), "YX"), [rectangle(13, 0, 18, 80)], knows(truth() * 0)))
    assert len(found.objects) == 0
    assert not found.labels.any()


@pytest.mark.parametrize("name", ["nuclei2d", "nuclei3d"])
def test_a_network_gives_in_a_region_what_it_gives_in_the_whole(name):
    """Each object whose centre lies inside is there, with the very voxels that it has in the whole image."""
    from napari_segplugin.engine.predict.predict import predict

    image, bundle = load_sample(name).image, load_bundle(shipped_bundles()[name])
    whole = drain(predict(image, bundle, device="cpu"))
    drawn = rectangle(0, 0, *(int(0.6 * n) for n in image.spatial_shape[-2:]))
    order = RunOrder(bundle, device="cpu", outlines=(drawn,))
    found = drain(run_order(order, image))
    start = found.recipe["origin"]
    window = tuple(slice(a, a + n) for a, n in zip(start, found.labels.shape, strict=True))
    part, mask = np.asarray(whole.labels)[window], known_of(found)
    from scipy import ndimage

    expected = np.zeros(part.shape, bool)
    for n in np.unique(part[part > 0]):
        centre = ndimage.center_of_mass(np.asarray(whole.labels) == n)
        at = tuple(int(np.floor(c + 0.5)) - s for c, s in zip(centre, start, strict=True))
        if all(0 <= i < m for i, m in zip(at, mask.shape, strict=True)) and mask[at]:
            expected |= part == n
    assert expected.any()
    np.testing.assert_array_equal(found.labels > 0, expected)
    assert len(np.unique(part[expected])) == len(found.objects)


def test_a_technique_runs_in_regions_too():
    image = Image(truth().astype(np.uint8).clip(max=1) * 200, "YX")
    order = RunOrder(CELLS, outlines=(rectangle(0, 0, 16, 32),))
    found = drain(run_order(order, image))
    whole = drain(segment(image, CELLS))
    assert len(found.objects) == 2
    assert (found.labels > 0).sum() == (np.asarray(whole.labels)[:16, :32] > 0).sum()
    assert found.recipe["classical"]["technique"] == "threshold"


def test_the_margin_is_the_width_of_what_the_model_learnt():
    bundle, image = load_bundle(shipped_bundles()["nuclei2d"]), load_sample("nuclei2d").image
    wide = bundle.learnt.widths[-1]
    assert margin_of(bundle, TileSpec(), image) == (int(np.ceil(wide)),) * 2

    assert margin_of(bundle, TileSpec(zoom=2.0), image) == (int(np.ceil(wide / 2)),) * 2
    assert margin_of(load_bundle(shipped_bundles()["axon_sem"]), TileSpec(), load_sample("axon_sem").image)[0] >= 0


def test_a_region_beside_the_image_is_a_sentence():
    with pytest.raises(InputError, match="No drawn region lies in the image"):
        drain(run_order(RunOrder(CELLS, outlines=(rectangle(100, 100, 110, 110),)), Image(truth(), "YX")))


def test_closing_the_job_closes_the_one_inside():
    closed = []

    def run(region):
        try:
            yield Note("begun")
            yield Note("never")
        finally:
            closed.append(region)

    job = in_regions(Image(truth(), "YX"), [rectangle(0, 0, 9, 9)], run)
    next(job)
    job.close()
    assert len(closed) == 1
