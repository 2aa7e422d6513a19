"""Hand-computed values of each loss, its behaviour at special targets, and its refusals."""

import doctest
import importlib
import math

import pytest

from napari_segplugin.core import InputError
from napari_segplugin.losses import LOSSES

torch = pytest.importorskip("torch")

MODULES = sorted({row.target.partition(":")[0] for row in LOSSES} | {"napari_segplugin.losses.weights"})
UNIFORM = torch.zeros(1, 2, 1, 4)
ONE_OF_FOUR = torch.tensor([[[1, 0, 0, 0]]])
KNOWN = torch.ones(1, 1, 4)


def load(name):
    return LOSSES.load(name)


def certain(target, classes, strength=60.0):
    one_hot = torch.nn.functional.one_hot(target, classes).movedim(-1, 1).float()
    return strength * (2 * one_hot - 1)


def with_probabilities(*rows):
    """Logits (1, K, 1, X) whose softmax is `rows`."""
    return torch.tensor(rows).log().reshape(1, len(rows), 1, -1)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_in_the_docstrings_run(module):
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("name", LOSSES.names())
def test_every_docstring_states_paper_and_values(name):
    text = load(name).__doc__
    assert all(word in text for word in ("math::", "perfect prediction", "nothing is known", "worst"))


# Uniform probabilities of K classes: what a network says that knows nothing.
@pytest.mark.parametrize(
    ("name", "classes", "expected"),
    [
        ("cross_entropy", 4, math.log(4)),
        ("focal", 4, 0.75**2 * math.log(4)),
        ("top_k", 4, math.log(4)),
        ("iou_balanced", 4, math.log(4)),
        ("lovasz_softmax", 4, 0.75),
        ("lovasz_softmax", 2, 0.5),
        ("lovasz_hinge", 2, 1.0),
        ("lovasz_hinge", 4, 1 + math.log(3)),
    ],
)
def test_value_of_uniform_probabilities(name, classes, expected):
    target = torch.arange(12).reshape(1, 3, 4) % classes
    value = float(load(name)(torch.zeros(1, classes, 3, 4), target, torch.ones(1, 3, 4)))
    # for the hinge, a voxel outside its class has odds of 1 to K - 1: an error of 1 - ln(K - 1), below that of a miss
    assert value == pytest.approx(expected, rel=1e-6)


# Surely wrong at every voxel, both classes half of 100 voxels, logits 60 apart.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cross_entropy", 60.0),
        ("focal", 60.0),
        ("top_k", 60.0),
        ("iou_balanced", 60.0),
        ("dice", 1 - 1 / 101),
        ("iou", 1 - 1 / 101),
        ("generalised_dice", 1.0),
        ("tversky", 1 - 1 / (0.3 * 50 + 0.7 * 50 + 1)),
        ("focal_tversky", (1 - 1 / 51) ** 0.75),
        ("lovasz_softmax", 1.0),
        ("lovasz_hinge", 61.0),
        # column distances 1 to 5 outside, 0 to 4 inside
        ("boundary", (15 + 10) / 10),
    ],
)
def test_value_of_the_worst_prediction(name, expected):
    target = (torch.arange(10) >= 5).long().repeat(1, 10, 1)
    value = float(load(name)(certain(1 - target, 2, 30.0), target, torch.ones(1, 10, 10)))
    assert value == pytest.approx(expected, rel=1e-5)


# The truth is all background and the prediction says class 1 everywhere, or the right thing.
@pytest.mark.parametrize("name", [n for n in LOSSES.names() if n != "boundary"])
def test_an_empty_target_is_judged_on_the_background(name):
    target, weight = torch.zeros(1, 5, 5, dtype=torch.long), torch.ones(1, 5, 5)
    assert float(load(name)(certain(target, 2), target, weight)) == pytest.approx(0, abs=1e-6)
    assert float(load(name)(certain(1 - target, 2), target, weight)) > 0.9


def test_an_empty_target_says_nothing_about_boundaries():
    logits = torch.randn(1, 2, 5, 5, requires_grad=True)
    for target in (torch.zeros(1, 5, 5, dtype=torch.long), torch.ones(1, 5, 5, dtype=torch.long)):
        loss = load("boundary")(logits, target, torch.ones(1, 5, 5))
        loss.backward()
        assert float(loss.detach()) == 0
        assert not logits.grad.any()


@pytest.mark.parametrize(
    "name", ["dice", "iou", "generalised_dice", "tversky", "focal_tversky", "lovasz_softmax", "lovasz_hinge"]
)
def test_absent_classes_are_left_out(name):
    target = torch.tensor([[[1, 1, 0, 0]]])
    few, many = torch.tensor([0.5, 1.0]), torch.tensor([0.5, 1.0, -60.0, -60.0])
    values = [float(load(name)(z.reshape(1, -1, 1, 1).expand(1, -1, 1, 4).clone(), target, KNOWN)) for z in (few, many)]
    assert values[0] == pytest.approx(values[1], rel=1e-6)


@pytest.mark.parametrize(
    "name", ["dice", "iou", "generalised_dice", "tversky", "focal_tversky", "lovasz_softmax", "lovasz_hinge"]
)
def test_per_image_is_the_mean_over_the_images_that_know_anything(name):
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(3, 3, 4, 4, generator=generator), torch.randint(0, 3, (3, 4, 4), generator=generator)
    weight = torch.ones(3, 4, 4)
    weight[1] = 0
    each = [float(load(name)(*(a[i : i + 1] for a in (logits, target, weight)))) for i in (0, 2)]
    assert float(load(name)(logits, target, weight, per_image=True)) == pytest.approx(sum(each) / 2, rel=1e-5)


def test_dice_by_hand():
    # one of four voxels is class 1, all at probability ½: (2 * 0.5 + 1) / (4 * 0.5 + 1 + 1) = 0.5
    assert float(load("dice")(UNIFORM, ONE_OF_FOUR, KNOWN)) == pytest.approx(0.5)
    # squared: (1 + 1) / (4 * 0.25 + 1 + 1)
    assert float(load("dice")(UNIFORM, ONE_OF_FOUR, KNOWN, squared=True)) == pytest.approx(1 - 2 / 3)


def test_iou_by_hand():
    assert float(load("iou")(UNIFORM, ONE_OF_FOUR, KNOWN, smooth=0)) == pytest.approx(1 - 0.5 / 2.5)
    # Tanimoto: 0.5 / (4 * 0.25 + 1 - 0.5)
    assert float(load("iou")(UNIFORM, ONE_OF_FOUR, KNOWN, smooth=0, squared=True)) == pytest.approx(1 - 0.5 / 1.5)


def test_tversky_prices_false_alarms_and_misses():
    alarm = load("tversky")(
        certain(torch.tensor([[[1, 1, 0, 0]]]), 2), ONE_OF_FOUR, KNOWN, alpha=0.2, beta=0.8, smooth=0
    )
    assert float(alarm) == pytest.approx(1 - 1 / 1.2)
    two = torch.tensor([[[1, 1, 0, 0]]])
    miss = load("tversky")(certain(ONE_OF_FOUR, 2), two, KNOWN, alpha=0.2, beta=0.8, smooth=0)
    assert float(miss) == pytest.approx(1 - 1 / 1.8)


def test_focal_by_hand():
    logits = with_probabilities([0.1, 0.8, 0.5, 0.5], [0.9, 0.2, 0.5, 0.5])
    expected = (0.1**2 * -math.log(0.9) + 0.2**2 * -math.log(0.8)) / 2
    weight = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    assert float(load("focal")(logits, ONE_OF_FOUR, weight)) == pytest.approx(expected, rel=1e-5)


def test_focal_without_gamma_is_cross_entropy():
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    target, weight = torch.arange(32).reshape(2, 4, 4) % 3, torch.ones(2, 4, 4)
    assert float(load("focal")(logits, target, weight, gamma=0)) == pytest.approx(
        float(load("cross_entropy")(logits, target, weight))
    )


def test_focal_with_a_small_gamma_keeps_a_finite_gradient_at_the_goal():
    target = torch.tensor([[[1, 0, 0, 0]]])
    logits = certain(target, 2).requires_grad_()
    load("focal")(logits, target, KNOWN, gamma=0.3).backward()
    assert torch.isfinite(logits.grad).all()


def test_focal_tversky_keeps_a_finite_gradient_at_the_goal():
    for strength in (3.0, 8.0, 12.0, 60.0):
        logits = certain(ONE_OF_FOUR, 2, strength).requires_grad_()
        load("focal_tversky")(logits, ONE_OF_FOUR, KNOWN).backward()
        assert torch.isfinite(logits.grad).all()


def test_lovasz_of_certain_predictions_is_the_jaccard_loss_itself():
    # 3 true, 4 guessed, 2 shared: IoU of class 1 is 2/5, of the background 7/10
    truth = torch.tensor([[[1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]]])
    guess = torch.tensor([[[0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]]])
    weight = torch.ones(1, 1, 12)
    assert float(load("lovasz_softmax")(certain(guess, 2), truth, weight, background=False)) == pytest.approx(1 - 2 / 5)
    assert float(load("lovasz_softmax")(certain(guess, 2), truth, weight)) == pytest.approx(1 - (2 / 5 + 7 / 10) / 2)


def test_lovasz_hinge_wants_a_margin_of_one_and_no_more():
    for margin, expected in ((0.5, 0.5), (1.0, 0.0), (5.0, 0.0)):
        value = load("lovasz_hinge")(certain(ONE_OF_FOUR, 2, margin / 2), ONE_OF_FOUR, KNOWN)
        assert float(value) == pytest.approx(expected, abs=1e-6)


def test_boundary_grows_with_the_distance_of_a_false_alarm():
    truth, values = torch.zeros(1, 1, 9, dtype=torch.long), []
    truth[..., :2] = 1
    for x in range(2, 9):
        guess = truth.clone()
        guess[..., x] = 1
        values.append(float(load("boundary")(certain(guess, 2), truth, torch.ones(1, 1, 9))))
    assert values == pytest.approx([d / 9 for d in range(1, 8)])


def test_boundary_knows_deep_voxels_but_not_their_unit():
    target = torch.zeros(1, 4, 5, 5, dtype=torch.long)
    target[:, 1, 2:4, 2:4] = 1
    logits = torch.randn(1, 2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    weight = torch.ones(1, 4, 5, 5)
    flat, deep, nanometres = (
        float(load("boundary")(logits, target, weight, spacing=s)) for s in ((1, 1, 1), (3, 1, 1), (3000, 1000, 1000))
    )
    assert deep == pytest.approx(nanometres)
    assert deep > flat


def test_signed_distances_by_hand():
    from napari_segplugin.losses.boundary import signed_distances

    target = torch.tensor([[[0, 0, 1, 1, 1, 2]]])
    weight = torch.tensor([[[1.0, 1, 1, 1, 0, 1]]])
    first, second = signed_distances(target, weight, 3)[0, :, 0].tolist()
    # nothing is measured from the unknown voxel: class 1 is 2 away from the last voxel, and so is the end of class 2
    assert first == [2, 1, 0, -1, 0, 2]
    assert second == [5, 4, 3, 2, 0, -1]


def test_top_k_looks_at_the_hardest_known_voxels():
    logits = with_probabilities([0.9, 0.8, 0.3, 0.01], [0.1, 0.2, 0.7, 0.99])
    target, weight = torch.zeros(1, 1, 4, dtype=torch.long), torch.tensor([[[1.0, 1.0, 1.0, 0.0]]])
    # a third of three known voxels is one, and the unknown one would have been worse
    assert float(load("top_k")(logits, target, weight, share=1 / 3)) == pytest.approx(-math.log(0.3), rel=1e-5)


def test_iou_balanced_moves_the_gradient_to_the_image_that_overlaps_better():
    target = torch.tensor([[[1, 1, 0, 0]], [[1, 1, 0, 0]]])
    logits = with_probabilities([0.1, 0.4, 0.9, 0.9], [0.9, 0.6, 0.1, 0.1]).repeat(2, 1, 1, 1)
    logits[1] = with_probabilities([0.9, 0.4, 0.1, 0.9], [0.1, 0.6, 0.9, 0.1])[0]
    weight, pulls = torch.ones(2, 1, 4), []
    for eta in (0.0, 1.5):
        z = logits.clone().requires_grad_()
        load("iou_balanced")(z, target, weight, eta=eta).backward()
        # the second voxel has the same probability in both images
        pulls.append(z.grad[:, 1, 0, 1].neg())
    assert float(pulls[0][0]) == pytest.approx(float(pulls[0][1]))
    assert float(pulls[1][0]) > 2 * float(pulls[1][1])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("cross_entropy", {"class_weights": (1.0,)}, "2 numbers"),
        ("cross_entropy", {"class_weights": (1.0, -1.0)}, "from 0 up"),
        ("focal", {"alpha": (1.0, math.inf)}, "from 0 up"),
        ("cross_entropy", {"class_weights": "sometimes"}, "Accepted: inverse, median"),
        ("top_k", {"share": 0.0}, "above 0"),
        ("top_k", {"share": 1.5}, "at most 1"),
        ("boundary", {"spacing": (1.0,)}, "2 positive numbers"),
        ("boundary", {"spacing": (1.0, 0.0)}, "2 positive numbers"),
    ],
)
def test_options_that_do_not_fit_are_refused(name, options, words):
    with pytest.raises(InputError, match=words):
        load(name)(UNIFORM, ONE_OF_FOUR, KNOWN, **options)
