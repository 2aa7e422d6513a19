"""Objects painted with two classes are learnt as two: bright cells and dim debris of one shape, beside a textured area."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import (  # noqa: E402
    BACKGROUND_PAINT,
    ClassInfo,
    ClassTable,
    Image,
    InputError,
    Kind,
    ModelSpec,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.data.corrections import Corrections  # noqa: E402
from napari_segplugin.engine.instant import instant  # noqa: E402
from napari_segplugin.engine.predict.predict import predict  # noqa: E402
from napari_segplugin.engine.train.finetune import finetune  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle  # noqa: E402

THINGS = ClassTable.named(["cell", "debris"])
MIXED = ClassTable((*THINGS, ClassInfo(3, "tissue", "#009e73", Kind.STUFF)))
SHAPES = {2: (96, 112), 3: (10, 64, 80)}


def scene(ndim, panoptic, seed=0):
    """Image, object numbers, class of each object, and the area: a bright half behind the objects."""
    rng, shape = np.random.default_rng(seed), SHAPES[ndim]
    objects, image = np.zeros(shape, np.int32), rng.normal(100, 6, shape)
    area = np.zeros(shape, bool)
    if panoptic:
        area[..., shape[-1] // 2 :] = True
        image[area] += 40
    kinds, grids = {}, np.indices(shape)
    for y in range(10, shape[-2] - 7, 16):
        for x in range(10, shape[-1] - 7, 16):
            at = (*(shape[0] // 2,) * (ndim - 2), y + rng.integers(-2, 3), x + rng.integers(-2, 3))
            ball = (
                sum(
                    ((g - c) / (0.6 if ndim == 3 and i == 0 else 1)) ** 2
                    for i, (g, c) in enumerate(zip(grids, at, strict=True))
                )
                <= 20
            )
            number = len(kinds) + 1
            kinds[number] = 1 + (number + seed) % 2
            objects[ball] = number
            image[ball] = rng.normal({1: 200, 2: 30}[kinds[number]], 6, int(ball.sum()))
    return Image(image.astype(np.float32), "ZYX"[-ndim:], name="mix"), objects, kinds, area & (objects == 0)


def painted(objects, kinds, area, count, panoptic):
    """The first objects of the scene painted whole, and lines of what lies between them."""
    paint = np.where(objects <= count, objects, 0).astype(np.uint16)
    said = {n: k for n, k in kinds.items() if n <= count}
    lines = np.zeros(objects.shape, bool)
    lines[..., 1::4, :] = True
    lines[..., objects.shape[-2] * 2 // 3 :, :] = False
    paint[lines & (objects == 0) & ~area] = BACKGROUND_PAINT
    paint[lines & area] = 60000
    return Corrections(paint, painted_class=said | ({60000: 3} if panoptic else {}))


def right(found, objects, kinds):
    """Share of the true objects whose middle is found, and share of those whose class is right."""
    of = dict(zip(found.objects.label.tolist(), found.objects.class_id.tolist(), strict=True))
    labels = np.asarray(found.labels)
    seen = []
    for number, kind in kinds.items():
        voxels = labels[objects == number]
        values, counts = np.unique(voxels[voxels > 0], return_counts=True)
        best = of[int(values[counts.argmax()])] if len(values) else 0
        seen.append((best in (1, 2), best == kind))
    hit = np.array(seen)
    return hit[:, 0].mean(), hit[hit[:, 0], 1].mean()


def bundle_of(task, table, ndim):
    spec = ModelSpec("unet", ndim, 1, task, table, {"widths": (8, 16)})
    return new_bundle(spec, name="tiny", seed=1)


TRAINED = TrainSpec(seconds=0, steps=300, batch=4, patch=(32, 32), learning_rate=5e-3, balance=True, device="cpu")


def trained(ndim):
    return TRAINED if ndim == 2 else replace(TRAINED, steps=250, batch=2, patch=(8, 24, 24), learning_rate=1e-2)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("task", [Task.INSTANCE, Task.PANOPTIC])
def test_painted_classes_come_back_in_the_result(task, ndim):
    panoptic = task is Task.PANOPTIC
    image, objects, kinds, area = scene(ndim, panoptic)
    marks = painted(objects, kinds, area, len(kinds) * 2 // 3, panoptic)
    result = drain(finetune(image, marks, bundle_of(task, MIXED if panoptic else THINGS, ndim), trained(ndim)))
    assert "cell" in result.heldout
    assert "debris" in result.heldout
    assert set(np.unique(result.bundle.exemplars.array("labels")[:, 0])) >= {1, 2}
    unseen = scene(ndim, panoptic, seed=1)
    for picture, o, k, a in ((image, objects, kinds, area), unseen):
        found = drain(predict(picture, result.bundle, device="cpu"))
        seen, same = right(found, o, k)
        assert seen > 0.9
        assert same > 0.95
        if panoptic:
            assert (found.semantic()[a] == 3).mean() > 0.7
            assert (found.semantic()[~a & (o == 0)] == 3).mean() < 0.1


def test_each_of_several_images_may_show_one_class():
    first, second = scene(2, False, seed=2), scene(2, False, seed=3)
    images, marks = [], []
    for (image, objects, kinds, area), kind in ((first, 1), (second, 2)):
        chosen = {n: k for n, k in kinds.items() if k == kind}
        kept = painted(np.where(np.isin(objects, list(chosen)), objects, 0), chosen, area, len(kinds), False).paint
        kept[(objects > 0) & ~np.isin(objects, list(chosen))] = 0
        images.append(image)
        marks.append(Corrections(kept, painted_class=chosen))
    result = drain(finetune(images, marks, bundle_of(Task.INSTANCE, THINGS, 2), TRAINED))
    image, objects, kinds, _ = scene(2, False, seed=4)
    seen, same = right(drain(predict(image, result.bundle, device="cpu")), objects, kinds)
    assert seen > 0.9
    assert same > 0.95


@pytest.mark.parametrize("task", [Task.INSTANCE, Task.PANOPTIC])
@pytest.mark.parametrize("ndim", [2, 3])
def test_the_instant_answer_tells_the_classes_apart(task, ndim):
    panoptic = task is Task.PANOPTIC
    image, objects, kinds, area = scene(ndim, panoptic)
    marks = painted(objects, kinds, area, len(kinds) * 2 // 3, panoptic)
    answer = drain(instant(image, marks, task, MIXED if panoptic else THINGS))
    seen, same = right(answer.segmentation, objects, kinds)
    assert seen > 0.9
    assert same > 0.95
    assert not panoptic or (answer.segmentation.semantic()[area] == 3).mean() > 0.9


def test_a_network_from_scratch_needs_an_object_of_every_class():
    image, objects, kinds, _ = scene(2, False)
    only = np.where(np.isin(objects, [n for n, k in kinds.items() if k == 1]), 1, 0) * objects
    marks = Corrections(only.astype(np.uint16), painted_class=dict.fromkeys(kinds, 1))
    with pytest.raises(InputError, match="debris has none"):
        drain(finetune(image, marks, bundle_of(Task.INSTANCE, THINGS, 2), TRAINED))


def test_nothing_is_learnt_while_a_class_is_not_said():
    image, objects, _, _ = scene(2, False)
    with pytest.raises(InputError, match=r"painted objects have no class.*1 \(cell\), 2 \(debris\)"):
        drain(finetune(image, Corrections(objects.astype(np.uint16)), bundle_of(Task.INSTANCE, THINGS, 2), TRAINED))
