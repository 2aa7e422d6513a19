"""What any loss promises, for every row of the registry."""

import inspect
from pathlib import Path

import pytest

from napari_segplugin.core import InputError, LossSpec, LossTerm
from napari_segplugin.losses import LOSSES, LossRow, build_loss

torch = pytest.importorskip("torch")

NAMES = LOSSES.names()
SIZES = {2: (6, 5), 3: (4, 6, 5)}


def one(name):
    return build_loss(LossSpec((LossTerm(name),)))[name][1]


def example(ndim, dtype=torch.float32, classes=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, *SIZES[ndim], generator=g, dtype=torch.float64).to(dtype)
    target = torch.randint(0, classes, (2, *SIZES[ndim]), generator=g)
    weight = (torch.rand(2, *SIZES[ndim], generator=g) > 0.4).float()
    return logits, target, weight


def certain(target, classes=3, strength=60.0):
    """Logits that are sure of `target`."""
    one_hot = torch.nn.functional.one_hot(target, classes).movedim(-1, 1).float()
    return strength * (2 * one_hot - 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ndim", [2, 3])
def test_gives_one_finite_number_that_has_a_gradient(name, ndim):
    logits, target, weight = example(ndim)
    logits.requires_grad_()
    loss = one(name)(logits, target, weight)
    loss.backward()
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert float(logits.grad.abs().sum()) > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_right_is_zero_and_wrong_is_worse(name, ndim, classes):
    _, target, weight = example(ndim, classes=classes)
    loss = one(name)
    right = float(loss(certain(target, classes), target, weight))
    unsure = float(loss(torch.zeros(2, classes, *SIZES[ndim]), target, weight))
    wrong = float(loss(certain((target + 1) % classes, classes), target, weight))
    assert right == pytest.approx(0, abs=1e-5)
    assert wrong > unsure > 0.1


# Weights without a gradient make a value whose slope is not the gradient; such rows say so, and have tests of their own.
@pytest.mark.parametrize("name", [row.name for row in LOSSES if not row.detached])
@pytest.mark.parametrize("classes", [2, 4])
def test_gradient_agrees_with_finite_differences(name, classes):
    logits, target, weight = example(2, torch.float64, classes)
    loss = one(name)
    assert torch.autograd.gradcheck(lambda x: loss(x, target, weight.double()), (logits.requires_grad_(),))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_unknown_voxels_have_no_gradient_and_do_not_spread_what_they_hold(name, poison):
    logits, target, weight = example(2)
    clean = float(one(name)(logits, target, weight))
    spoiled = logits.clone().masked_fill_((weight == 0).unsqueeze(1), poison).requires_grad_()
    loss = one(name)(spoiled, target, weight)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(clean, rel=1e-6)
    assert torch.isfinite(spoiled.grad).all()
    assert not spoiled.grad.movedim(1, -1)[weight == 0].any()


@pytest.mark.parametrize("name", NAMES)
def test_the_target_of_an_unknown_voxel_does_not_matter(name):
    logits, target, weight = example(2)
    other = torch.where(weight > 0, target, (target + 1) % 3)
    loss = one(name)
    assert float(loss(logits, other, weight)) == pytest.approx(float(loss(logits, target, weight)), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_known_is_a_loss_of_zero_with_a_zero_gradient(name):
    logits, target, weight = example(2)
    logits.requires_grad_()
    loss = one(name)(logits, target, torch.zeros_like(weight))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_safe_and_close(name, dtype):
    logits, target, weight = example(2)
    half = (logits * 5).to(dtype).requires_grad_()
    loss = one(name)(half, target, weight)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(one(name)(half.detach().float(), target, weight)), rel=1e-3)
    assert torch.isfinite(half.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_volume_of_one_slice_is_an_image(name):
    logits, target, weight = example(2)
    flat = float(one(name)(logits, target, weight))
    deep = float(one(name)(logits[:, :, None], target[:, None], weight[:, None]))
    assert deep == pytest.approx(flat, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_that_is_not_there_makes_neither_nan_nor_infinity(name):
    logits, target, weight = example(2, classes=6)
    for present in (0, 1, 4):
        z = logits.clone().requires_grad_()
        loss = one(name)(z, torch.full_like(target, present), weight)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_of_two_is_every_voxel_twice(name):
    logits, target, _ = example(2)
    weight = torch.ones_like(target, dtype=torch.float32)
    twice = [a.repeat(2, *[1] * (a.ndim - 1)) for a in (logits, target, weight)]
    assert float(one(name)(logits, target, 2 * weight)) == pytest.approx(float(one(name)(*twice)), rel=1e-5)


@pytest.mark.parametrize("row", LOSSES, ids=lambda r: r.name)
def test_the_options_of_the_row_are_those_of_the_function(row):
    defaults = {k: p.default for k, p in inspect.signature(row.load()).parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert dict(row.options) == defaults


@pytest.mark.parametrize("row", [r for r in LOSSES if not r.package], ids=lambda r: r.name)
def test_the_manual_has_a_section_with_a_small_picture(row):
    docs = Path(__file__).parents[2] / "docs"
    picture = docs / "images" / "losses" / f"{row.name}.png"
    assert f"]({picture.relative_to(docs).as_posix()})" in (docs / "losses.md").read_text(encoding="utf-8")
    assert picture.stat().st_size < 60_000


@pytest.mark.parametrize("name", NAMES)
def test_voxel_order_does_not_matter(name):
    logits, target, weight = example(2)
    loss = one(name)
    flipped = loss(logits.flip(-1), target.flip(-1), weight.flip(-1))
    assert float(flipped) == pytest.approx(float(loss(logits, target, weight)), rel=1e-5)


def test_class_weights_average_like_torch_does():
    logits, target, weight = example(2)
    term = LossTerm("cross_entropy", options={"class_weights": (1.0, 5.0, 2.0)})
    ours = build_loss(LossSpec((term,)))["cross_entropy"][1](logits, target, torch.ones_like(weight))
    theirs = torch.nn.functional.cross_entropy(logits, target, torch.tensor([1.0, 5.0, 2.0]))
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ((), "at least one loss"),
        ((LossTerm("hinge"),), "no loss named 'hinge'"),
        ((LossTerm("dice", 0.0),), "must be positive"),
        ((LossTerm("dice", options={"gamma": 2}),), "Got gamma"),
    ],
)
def test_a_sum_that_cannot_be_built_is_refused(terms, words):
    with pytest.raises(InputError, match=words):
        build_loss(LossSpec(terms))


def test_the_same_loss_twice_gets_a_number_each():
    built = build_loss(LossSpec((LossTerm("dice"), LossTerm("dice", 0.5, {"squared": True}))))
    assert list(built) == ["dice", "dice 2"]
    assert [w for w, _ in built.values()] == [1.0, 0.5]


def test_a_row_names_class_weights_that_are_an_option():
    with pytest.raises(InputError, match=r"'x' has no option for class weights.*Got 'alpha'. Accepted: beta"):
        LossRow("x", "X", "math:pi", options={"beta": None}, class_weights="alpha")
