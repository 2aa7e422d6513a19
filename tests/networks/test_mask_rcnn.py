"""Mask R-CNN: what a network promises, where the truth is unknown, and that it learns."""

import numpy as np
import pytest
from small_networks import small

torch = pytest.importorskip("torch")

from napari_segplugin.core import ClassInfo, ClassTable, InputError, Kind, ModelSpec, Task  # noqa: E402
from napari_segplugin.io.samples import load_sample  # noqa: E402
from napari_segplugin.networks import build, is_detector  # noqa: E402
from napari_segplugin.networks.base import HasOwnLosses, Truth, depth_groups, encoder_groups  # noqa: E402
from napari_segplugin.networks.boxes import iou, paste  # noqa: E402
from napari_segplugin.networks.mask_rcnn_targets import (  # noqa: E402
    Objects,
    Regions,
    find_objects,
    mask_loss,
    match_anchors,
    proposal_losses,
    sample,
    sample_regions,
)

CLASSES = ClassTable.named(["a", "b"])
SMALL = small("mask_rcnn")


def net(ndim, channels=1, seed=0, classes=CLASSES, task=Task.INSTANCE, **options):
    torch.manual_seed(seed)
    return build(ModelSpec("mask_rcnn", ndim, channels, task, classes, {**SMALL, **options}), 7)


def truth_of(instances, classes=None, weight=None, whole=None, n_classes=3, things=(1, 2), channels=1):
    instances = torch.as_tensor(np.array(instances)).long()
    one = torch.ones(instances.shape)
    return Truth(
        torch.rand(len(instances), channels, *instances.shape[1:]),
        (instances > 0).long() if classes is None else classes,
        one if weight is None else weight,
        instances,
        one if whole is None else whole,
        n_classes,
        things,
    )


def squares(ndim, size=32, count=2):
    """Two cubes of the classes 1 and 2."""
    instances = np.zeros((count, *(size,) * ndim), int)
    instances[(slice(None), *(slice(4, 14),) * ndim)] = 3
    instances[(slice(None), *(slice(18, 26),) * ndim)] = 8
    truth = truth_of(instances)
    return Truth(**{**vars(truth), "classes": (truth.instances == 3).long() + 2 * (truth.instances == 8)})


def losses_of(module, truth):
    torch.manual_seed(0)
    outputs = module(truth.image)
    found = module.own_losses(outputs, truth)
    dense = [torch.nn.functional.cross_entropy(x, truth.classes) for x in outputs.logits]
    return found, sum(found.values()) + sum(dense)


@pytest.mark.parametrize("size", [(16, 16), (13, 17), (1, 5), (8, 16, 16), (5, 9, 11), (1, 12, 7)])
@pytest.mark.parametrize("semantic", [True, False])
def test_any_size_gives_classes_of_that_size_and_boxes_within(size, semantic):
    module = net(len(size), semantic=semantic).eval()
    x = torch.rand(2, 1, *size)
    with torch.inference_mode():
        logits = module(x)
        found = module.detect(x, score=0.2)
    assert logits.shape == (2, 3, *size)
    assert torch.isfinite(logits).all()
    assert len(found) == 2
    for d in found:
        assert (d.boxes[:, 0] >= 0).all()
        assert (d.boxes[:, 1] <= torch.tensor(size)).all()
        assert d.masks.shape[1:] == (8,) * len(size)
        assert set(d.classes.tolist()) <= {1, 2}


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_every_channel_matters(ndim, channels):
    module = net(ndim, channels).eval()
    x = torch.rand(1, channels, *(8,) * ndim)
    with torch.inference_mode():
        base = module(x)
        for c in range(channels):
            changed = x.clone()
            changed[:, c] += 1
            assert not torch.allclose(module(changed), base)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("semantic", [True, False])
def test_gradient_reaches_every_parameter(ndim, semantic):
    module = net(ndim, semantic=semantic).train()
    losses_of(module, squares(ndim))[1].backward()
    silent = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize("ndim", [2, 3])
def test_saved_and_loaded_is_equal(ndim):
    first, second = net(ndim, seed=1).eval(), net(ndim, seed=2).eval()
    x = torch.rand(1, 1, *(17,) * ndim)
    with torch.inference_mode():
        assert not torch.equal(first(x), second(x))
        second.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in first.state_dict().items()})
        one, two = first.detect(x, score=0.2)[0], second.detect(x, score=0.2)[0]
        assert torch.equal(first(x), second(x))
    assert len(one.boxes)
    assert all(torch.equal(getattr(one, k), getattr(two, k)) for k in vars(one))


def test_the_same_seed_gives_the_same_weights_and_losses():
    one, two = net(2, seed=3), net(2, seed=3)
    assert all(torch.equal(v, two.state_dict()[k]) for k, v in one.state_dict().items())
    truth = squares(2)
    assert float(losses_of(one, truth)[1].detach()) == float(losses_of(two, truth)[1].detach())


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("unknown", [False, True])
def test_no_objects_and_nothing_known_give_finite_losses(ndim, unknown):
    module = net(ndim).train()
    empty = np.zeros((2, *(16,) * ndim), int)
    zero = torch.zeros(empty.shape)
    truth = truth_of(empty, weight=zero, whole=zero) if unknown else truth_of(empty)
    found, _ = losses_of(module, truth)
    sum(found.values()).backward()
    found = {k: v.detach() for k, v in found.items()}
    assert all(torch.isfinite(v) for v in found.values())
    assert float(found["mask"]) == float(found["object box"]) == float(found["proposal box"]) == 0
    assert (float(found["proposal score"]) == 0) == unknown
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in module.parameters())


def test_half_precision_gives_about_the_same_losses():
    module, truth = net(2).train(), squares(2)
    plain, _ = losses_of(module, truth)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = module(truth.image)
    half = module.own_losses(outputs, truth)
    for name, value in plain.items():
        assert float(half[name].detach()) == pytest.approx(float(value.detach()), rel=0.2, abs=0.05), name


def test_it_is_a_detector_with_losses_of_its_own_and_an_encoder():
    module = net(2)
    assert isinstance(module, HasOwnLosses)
    assert is_detector(ModelSpec("mask_rcnn", 2, 1, Task.INSTANCE, CLASSES))
    assert not is_detector(ModelSpec("unet", 2, 1, Task.INSTANCE, CLASSES))
    assert encoder_groups(module) == ("encoder.0", "encoder.1", "encoder.2")
    assert [n for n, _ in depth_groups(module)][-1] == "mask"


def test_reach_covers_what_the_features_of_an_object_see():
    module = net(2, anchor_sizes=(4, 4)).eval()
    for parameter in module.parameters():
        parameter.data.abs_()
    size = 4 * module.halo[0] // module.multiple[0] * module.multiple[0]
    x = torch.rand(1, 1, size, size, requires_grad=True)
    features = module._features(x)[0]
    coarse = module.proposal(features[-1])[0]
    middle = coarse.shape[1] // 2
    (gradient,) = torch.autograd.grad(coarse[0, middle], x)
    rows = gradient.abs().sum((0, 1, 3)).nonzero()[:, 0]
    assert (rows.max() - rows.min()) / 2 <= module.halo[0] - module.largest[0] // 2


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"anchors do not fit.*2 sizes"):
        net(2, anchor_sizes=(4, 8, 16))
    with pytest.raises(InputError, match="anchors do not fit"):
        net(3, anchor_sizes=((4, 8), (8, 16)))
    with pytest.raises(InputError, match="anchors do not fit"):
        net(2, ratios=())
    with pytest.raises(InputError, match="no class has objects"):
        net(2, classes=ClassTable.named(["a"], Kind.STUFF))
    mixed = ClassTable((*ClassTable.named(["a"]), ClassInfo(2, "soil", "#ffffff", Kind.STUFF)))
    with pytest.raises(InputError, match="need the option 'semantic'"):
        net(2, classes=mixed, semantic=False)
    with pytest.raises(InputError, match=r"finds objects.*semantic"):
        net(2, task=Task.SEMANTIC)


def test_thing_classes_alone_have_boxes():
    mixed = ClassTable(
        (*ClassTable.named(["soil"], Kind.STUFF), ClassInfo(2, "root", "#ffffff"), ClassInfo(3, "worm", "#ff0000"))
    )
    module = net(2, classes=mixed, task=Task.PANOPTIC)
    assert module.things == (2, 3)
    with torch.inference_mode():
        found = module.eval().detect(torch.rand(1, 1, 32, 32), score=0.1)[0]
    assert set(found.classes.tolist()) == {2, 3}
    assert module(torch.rand(1, 1, 8, 8)).shape[1] == 4


def test_anchors_have_the_sides_and_ratios_asked_for():
    module = net(3, anchor_sizes=((2, 4, 4), (4, 8, 8)), ratios=(1, 4))
    assert module.sides[0].tolist() == [[2, 4, 4], [2, 8, 2]]
    assert module.largest == (8, 32, 16)


# what is to be learnt


def test_objects_are_found_with_class_box_and_number():
    found = find_objects(squares(2, count=1), (1, 2))[0]
    assert found.boxes.tolist() == [[[4, 4], [14, 14]], [[18, 18], [26, 26]]]
    assert (found.kinds.tolist(), found.numbers.tolist()) == ([1, 2], [3, 8])
    assert float(found.known.mean()) == 1


def test_an_object_of_unknown_shape_is_unknown_and_its_place_too():
    truth = squares(2, count=1)
    whole = torch.ones_like(truth.whole)
    whole[0, 4:9, 4:14] = 0
    found = find_objects(Truth(**{**vars(truth), "whole": whole}), (1, 2))[0]
    assert found.numbers.tolist() == [8]
    assert float(found.known[4:14, 4:14].sum()) == 0
    assert float(found.known.sum()) == 32 * 32 - 100


def test_stuff_slivers_and_what_lies_outside_are_no_objects():
    instances = np.zeros((1, 16, 16), int)
    instances[0, 2:8, 2:8], instances[0, 10, 2:9], instances[0, 9:15, 9:16] = 1, 2, 3
    classes = torch.as_tensor(instances > 0).long()
    classes[0, 2:8, 2:8] = 2
    weight = torch.ones(1, 16, 16)
    weight[0, :, 12:] = 0  # beyond the image
    found = find_objects(truth_of(instances, classes, weight=weight, whole=weight), (1,))[0]
    # 1 is stuff here, 2 is one voxel thick, 3 goes on outside and ends where the image does
    assert found.boxes.tolist() == [[[9, 9], [15, 12]]]


def test_anchors_are_matched_as_in_the_paper():
    anchors = torch.tensor(
        [[[0.0, 0], [10, 10]], [[0, 4], [10, 14]], [[0, 20], [10, 30]], [[20, 2], [30, 8]], [[20, 30], [30, 40]]]
    )
    objects = Objects(
        torch.tensor([[[0.0, 0], [10, 10]], [[20, 0], [40, 10]]]),
        torch.tensor([1, 1]),
        torch.tensor([1, 2]),
        torch.ones(40, 40),
    )
    objects.known[20:, 34:] = 0
    label, owner = match_anchors(anchors, objects, 0.3, 0.7)
    # the first fits; the second neither does nor does it not; the fourth fits its object best, though badly; the last
    # lies where little is known
    assert label.tolist() == [1, -1, 0, 1, -1]
    assert owner[[0, 3]].tolist() == [0, 1]


def test_sampling_takes_at_most_the_share_and_fills_up():
    label = torch.tensor([1] * 10 + [0] * 50 + [-1] * 40)
    positive, negative = sample(label, 20, 0.25)
    assert (len(positive), len(negative)) == (5, 15)
    assert (label[positive] == 1).all()
    assert (label[negative] == 0).all()
    positive, negative = sample(label[:11], 20, 0.5)
    assert (len(positive), len(negative)) == (10, 1)


def test_proposal_losses_by_hand():
    anchors = torch.tensor([[[0.0, 0.0], [4.0, 4.0]], [[8.0, 8.0], [12.0, 12.0]]])
    objects = Objects(
        torch.tensor([[[0.0, 0.0], [4.0, 4.0]]]), torch.tensor([1]), torch.tensor([1]), torch.ones(16, 16)
    )
    scores, deltas = torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2, 2, 2)
    deltas[0, 0, 0, 0] = 1.0
    score, box = proposal_losses(anchors, scores, deltas, [objects], bounds=(0.3, 0.7), count=4)
    assert float(score) == pytest.approx((np.log(2) + np.log(1 + np.exp(2))) / 2, rel=1e-5)
    assert float(box) == pytest.approx((1 - 0.5 / 9) / 2, rel=1e-5)


def test_regions_are_positive_by_overlap_and_the_truth_is_among_them():
    objects = Objects(torch.tensor([[[0.0, 0], [10, 10]]]), torch.tensor([2]), torch.tensor([7]), torch.ones(40, 40))
    objects.known[20:] = 0
    proposals = torch.tensor([[[0.0, 0], [10, 8]], [[0, 30], [10, 40]], [[30, 0], [40, 10]]])
    found = sample_regions([proposals], [objects], least=0.5, count=8, share=0.5)
    assert sorted(found.boxes[:2].flatten(1).tolist()) == [[0, 0, 10, 8], [0, 0, 10, 10]]
    assert found.boxes[2:].tolist() == [[[0, 30], [10, 40]]]
    assert (found.kinds.tolist(), found.numbers.tolist()) == ([2, 2, 0], [7, 7])


def test_the_mask_loss_looks_at_the_class_and_where_the_truth_is_known():
    truth = squares(2, count=1)
    box = torch.tensor([[[4.0, 4.0], [14.0, 24.0]]])  # the left half is the object
    regions = Regions(box, torch.tensor([0]), torch.tensor([1]), box, torch.tensor([3]))
    logits = torch.zeros(1, 2, 4, 4)
    logits[0, 0, :, :2], logits[0, 0, :, 2:] = 20, -20
    assert float(mask_loss(logits, regions, truth)) < 1e-6
    assert float(mask_loss(-logits, regions, truth)) == pytest.approx(20)
    whole = truth.whole.clone()
    whole[0, :, 14:] = 0
    logits[0, 0, :, 2:] = 20  # wrong, where nothing is known
    assert float(mask_loss(logits, regions, Truth(**{**vars(truth), "whole": whole}))) < 1e-6


def test_own_losses_of_regions_can_be_replaced():
    module, truth = net(2).train(), squares(2)
    seen = {}

    def by_overlap(logits, wanted, fit):
        seen["class"] = (wanted, fit)
        return logits.sum() * 0 + 3

    def boxes(given, wanted, fit, count):
        seen["box"] = (given.shape, fit, count)
        return given.sum() * 0 + 4

    module.class_loss, module.box_loss = by_overlap, boxes
    found, _ = losses_of(module, truth)
    assert (float(found["object class"]), float(found["object box"])) == (3, 4)
    wanted, fit = seen["class"]
    assert ((fit > 0) <= (wanted > 0)).all()
    assert seen["box"][0] == (int((wanted > 0).sum()), 4)
    assert seen["box"][2] == len(wanted)


def test_in_3d_thresholds_are_those_of_the_same_misfit_along_each_axis():
    assert net(2)._misfit(0.5) == pytest.approx(0.5)
    assert net(3)._misfit(0.5) == pytest.approx(0.5**1.5)
    # a cube of side 0.89 in one of side 1: 0.7 in a plane
    side = 0.7**0.5
    inner = torch.stack((torch.zeros(3), torch.full((3,), side)))[None]
    outer = torch.stack((torch.zeros(3), torch.ones(3)))[None]
    assert float(iou(inner, outer)) == pytest.approx(net(3)._misfit(0.7))


# learning


def overfit(ndim, patches, classes, steps, **options):
    """Learn patches by heart; (found, truth) as label images of each."""
    image, instances = patches
    torch.manual_seed(0)
    module = build(ModelSpec("mask_rcnn", ndim, 1, Task.INSTANCE, classes, options), 2)
    truth = Truth(
        image, (instances > 0).long(), torch.ones(instances.shape), instances, torch.ones(instances.shape), 2, (1,)
    )
    optimiser = torch.optim.AdamW(module.parameters(), 4e-3)
    module.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 4e-3 * min(1, (step + 1) / 10) * (1 if step < 0.7 * steps else 0.2)
        outputs = module(image)
        losses = module.own_losses(outputs, truth)
        total = sum(losses.values()) + torch.nn.functional.cross_entropy(outputs.logits[0], truth.classes)
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimiser.step()
    module.eval()
    with torch.inference_mode():
        found = module.detect(image)
    return [(painted(d, image.shape[2:]), t.numpy()) for d, t in zip(found, instances, strict=True)]


def painted(found, size):
    """Labels, the best object on top, without those that are mostly hidden."""
    labels, sizes = np.zeros(tuple(size), int), {}
    for k in found.scores.argsort().tolist():
        mask = paste(found.masks[k], found.boxes[k], (0,) * len(size), size).numpy() >= 0.5
        labels[mask], sizes[k + 1] = k + 1, mask.sum()
    for number, whole in sizes.items():
        if (labels == number).sum() < whole / 2:
            labels[labels == number] = 0
    return labels


def average_precision(labels, truth, threshold=0.5):
    """TP / (TP + FP + FN), by a plain loop."""
    ids, numbers = np.unique(truth[truth > 0]), np.unique(labels[labels > 0])
    hits = 0
    for i in ids:
        for n in np.unique(labels[(truth == i) & (labels > 0)]):
            shared = ((truth == i) & (labels == n)).sum()
            hits += shared / ((truth == i) | (labels == n)).sum() > threshold
    return hits / (len(ids) + len(numbers) - hits)


def patches_of(name, places):
    loaded = load_sample(name)
    array = loaded.image.read()[0].astype(np.float32)
    array = (array - array.min()) / np.percentile(array, 99.8)
    truth = loaded.truth.astype(np.int64)
    image = torch.stack([torch.from_numpy(array[p])[None] for p in places])
    return image, torch.stack([torch.from_numpy(truth[p]) for p in places])


def test_two_patches_of_nuclei_are_learnt_by_heart():
    places = [(slice(80, 176), slice(150, 246)), (slice(150, 246), slice(80, 176))]
    small = {"widths": (8, 16, 32), "channels": 24, "hidden": 96, "regions": 48, "anchor_sizes": (10, 18)}
    pairs = overfit(2, patches_of("nuclei2d", places), ClassTable.named(["nucleus"]), 60, **small)
    for labels, truth in pairs:
        assert len(np.unique(truth)) > 10
        assert average_precision(labels, truth) > 0.8
