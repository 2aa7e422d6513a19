"""Gated-SCNN: edges of labels by hand, the gate, Canny beside scikit-image's, the regulariser by hand."""

import math

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_segplugin.core import InputError
from napari_segplugin.io.samples import load_sample

torch = pytest.importorskip("torch")

from napari_segplugin.networks.base import HasOwnLosses, Outputs, Truth  # noqa: E402
from napari_segplugin.networks.edge_losses import (  # noqa: E402
    balanced_edge_loss,
    class_edges,
    dual_task,
    label_edges,
    straight_through,
)
from napari_segplugin.networks.gated_scnn import Gate, GatedSCNN  # noqa: E402
from napari_segplugin.networks.image_edges import (  # noqa: E402
    canny,
    canny_reach,
    gradient_magnitude,
    gradient_reach,
    weighted,
)

SMALL = {"widths": (4, 8, 8), "shape_width": 8, "context_width": 8}


def truth_of(classes, weight=None, instances=None, whole=None, n_classes=2, things=(1,)):
    classes = torch.as_tensor(classes)[None].long()
    weight = torch.ones(classes.shape) if weight is None else torch.as_tensor(weight, dtype=torch.float32)[None]
    instances = torch.zeros_like(classes) if instances is None else torch.as_tensor(instances)[None].long()
    whole = weight if whole is None else torch.as_tensor(whole, dtype=torch.float32)[None]
    return Truth(torch.zeros(1, 1, *classes.shape[1:]), classes, weight, instances, whole, n_classes, things)


# ---------------------------------------------------------------- edges of labels


def test_a_boundary_is_as_wide_as_the_radius_on_each_side():
    classes = np.zeros((5, 10), int)
    classes[:, 5:] = 1
    for radius, wanted in ((1, [4, 5]), (2, [3, 4, 5, 6])):
        target, known = label_edges(truth_of(classes), radius)
        assert np.flatnonzero(target[0, 0, 2].numpy()).tolist() == wanted
        assert known.all()


def test_edges_in_3d_follow_a_box_around_each_voxel():
    classes = np.zeros((7, 7, 7), int)
    classes[3, 3, 3] = 1
    target, _ = label_edges(truth_of(classes), 1)
    assert np.array_equal(
        np.argwhere(target[0, 0].numpy()), np.argwhere(ndi.binary_dilation(classes, np.ones((3, 3, 3))))
    )


def test_objects_of_one_class_that_touch_have_an_edge_between_them():
    classes, instances = np.ones((4, 8), int), np.ones((4, 8), int)
    instances[:, 4:] = 2
    assert not label_edges(truth_of(classes), 1)[0].any()
    target, _ = label_edges(truth_of(classes, instances=instances), 1)
    assert np.flatnonzero(target[0, 0, 1].numpy()).tolist() == [3, 4]


def test_an_edge_is_known_from_what_is_known_and_its_absence_only_where_all_is():
    classes = np.array([[0, 0, 0, 0, 0, 1, 1, 1, 1, 1]] * 3)
    weight = np.ones(classes.shape)
    weight[:, 7] = 0
    target, known = label_edges(truth_of(classes, weight), 1)
    assert np.flatnonzero(target[0, 0, 1].numpy()).tolist() == [4, 5]
    # beside the unknown column nothing is said of edges, but at 5 an edge is there whatever lies further right
    assert np.flatnonzero(~known[0, 0, 1].numpy()).tolist() == [6, 7, 8]
    weight[:, 5] = 0
    target, known = label_edges(truth_of(classes, weight), 1)
    assert not target.any(), "two voxels that differ and do not touch prove nothing within one voxel"
    assert np.flatnonzero(known[0, 0, 1].numpy()).tolist() == [0, 1, 2, 3, 9]


def test_where_the_shape_of_objects_is_unknown_no_edge_between_them_is_learnt():
    classes, instances, whole = np.ones((4, 12), int), np.ones((4, 12), int), np.ones((4, 12))
    instances[:, 6:] = 2
    whole[:, 4:8] = 0
    target, known = label_edges(truth_of(classes, instances=instances, whole=whole), 1)
    assert not target.any()
    assert np.flatnonzero(known[0, 0, 1].numpy()).tolist() == [0, 1, 2, 9, 10, 11]


def test_edges_and_the_rest_count_half_each_over_the_whole_batch():
    logits = torch.tensor([2.0, -1.0, 0.5, 3.0, -2.0, 0.0]).reshape(2, 1, 1, 3)
    target = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 1.0]).reshape(2, 1, 1, 3)
    known = torch.tensor([1, 1, 1, 1, 0, 1], dtype=torch.bool).reshape(2, 1, 1, 3)
    edge = (math.log1p(math.exp(-2.0)) + math.log(2)) / 2
    rest = (math.log1p(math.exp(-1.0)) + math.log1p(math.exp(0.5)) + math.log1p(math.exp(3.0))) / 3
    assert float(balanced_edge_loss(logits, target, known)) == pytest.approx((edge + rest) / 2, abs=1e-6)
    # the weights of the paper, divided by their sum: 3/5 for each of 2 edges, 2/5 for each of 3 others
    paper = (2 * edge * 3 / 5 + 3 * rest * 2 / 5) / (2 * 3 / 5 + 3 * 2 / 5)
    assert float(balanced_edge_loss(logits, target, known)) == pytest.approx(paper, abs=1e-6)


def test_a_sure_and_right_edge_costs_nothing():
    """With a second sigmoid before the loss, as in the published code, this could not fall below about 0.3 and 0.7."""
    target = torch.zeros(1, 1, 4, 4)
    target[..., 2] = 1
    loss = balanced_edge_loss(40 * target - 20, target, torch.ones_like(target, dtype=torch.bool))
    assert float(loss) < 1e-6


# ---------------------------------------------------------------- dual task


def test_the_strength_of_a_straight_edge_by_hand():
    step = torch.zeros(1, 1, 9, 20)
    step[..., 10:] = 1
    kernel = np.exp(-0.5 * np.arange(-3, 4) ** 2)
    kernel /= kernel.sum()
    smoothed = np.convolve(np.r_[np.zeros(16), np.ones(16)], kernel, "same")[6:-6]
    wanted = np.abs(np.gradient(smoothed))[1:-1] / math.sqrt(2)
    assert np.allclose(class_edges(step)[0, 0, 4, 1:-1].numpy(), wanted, atol=2e-6)


def test_the_regulariser_is_zero_where_classes_and_labels_agree_and_grows_with_the_shift():
    classes = np.zeros((24, 24), int)
    classes[:, 12:] = 1
    truth = truth_of(classes)
    sure = torch.full((1, 1, 24, 24), -20.0)
    values = []
    for shift in (0, 1, 3):
        guess = torch.zeros(1, 24, 24, dtype=torch.long)
        guess[..., 12 + shift :] = 1
        logits = 30.0 * torch.nn.functional.one_hot(guess, 2).movedim(-1, 1)
        values.append(float(dual_task(logits, sure, truth)))
    assert values[0] == 0
    assert 0 < values[1] < values[2]
    strength = class_edges(truth.classes[:, None].float())[0, 0, 12].double().numpy()
    moved = np.roll(strength, 1)
    seen = (strength > 0.05) | (moved > 0.05)
    assert values[1] == pytest.approx(np.abs(strength - moved)[seen].mean(), abs=1e-5)


def test_far_from_any_edge_the_regulariser_says_nothing():
    """In the published code every voxel counts, because the root in the gradient is never below its threshold."""
    classes = np.zeros((20, 60), int)
    classes[:, 10:] = 1
    narrow, wide = truth_of(classes[:, :30]), truth_of(classes)
    losses = []
    for truth in (narrow, wide):
        guess = (torch.arange(truth.classes.shape[-1]) >= 12).long().expand(1, 20, -1)
        logits = 30.0 * torch.nn.functional.one_hot(guess, 2).movedim(-1, 1)
        losses.append(float(dual_task(logits, torch.full_like(logits[:, :1], -9.0), truth)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_where_the_edge_head_is_sure_the_classes_are_learnt_again():
    classes = np.zeros((12, 12), int)
    logits = torch.randn(1, 2, 12, 12, generator=torch.Generator().manual_seed(0)) * 0.01
    logits[:, 0] += 1  # the right class everywhere, so that the first part is 0
    edge = torch.full((1, 1, 12, 12), -9.0)
    edge[..., 3, 4] = edge[..., 7, 7] = 9.0
    each = torch.nn.functional.cross_entropy(logits, torch.zeros(1, 12, 12, dtype=torch.long), reduction="none")
    wanted = float((each[0, 3, 4] + each[0, 7, 7]) / 2)
    assert float(dual_task(logits, edge, truth_of(classes))) == pytest.approx(wanted, abs=1e-6)


def test_the_gradient_goes_through_the_most_probable_class_and_repeats_with_the_seed():
    logits = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
    grads = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn = straight_through(logits, 1.0)
        assert torch.allclose(drawn, torch.nn.functional.one_hot(logits.argmax(1), 3).movedim(-1, 1).float(), atol=1e-6)
        (g,) = torch.autograd.grad((drawn * torch.arange(3).reshape(1, 3, 1, 1)).sum(), logits)
        grads.append(g)
    assert torch.equal(grads[0], grads[1])
    assert not torch.equal(grads[0], grads[2])
    assert grads[0].abs().sum() > 0


@pytest.mark.parametrize("ndim", [2, 3])
def test_unknown_voxels_give_no_gradient_even_if_they_are_no_numbers(ndim):
    net = GatedSCNN(ndim, 1, 3, **SMALL)
    shape = (20,) * ndim
    g = torch.Generator().manual_seed(0)
    classes = torch.randint(0, 2, (1, *shape), generator=g)
    weight = torch.ones(1, *shape)
    weight[:, 4:12] = 0
    truth = Truth(torch.zeros(1, 1, *shape), classes, weight, 0 * classes, weight, 2, (1,))
    logits = torch.randn(1, 3, *shape, generator=g)
    edges = torch.randn(1, 1, *shape, generator=g)
    logits[:, :, 6], edges[:, :, 6] = math.nan, math.nan
    logits.requires_grad_()
    edges.requires_grad_()
    losses = net.own_losses(Outputs((logits,), {"edges": edges}), truth)
    assert set(losses) == {"edge", "dual task"}
    assert all(math.isfinite(v.item()) for v in losses.values())
    sum(losses.values()).backward()
    for grad in (logits.grad, edges.grad):
        assert torch.equal(grad[:, :, 4:12], torch.zeros_like(grad[:, :, 4:12]))
        assert grad.abs().sum() > 0
    assert not logits.grad[:, 2].any(), "the further map is no class"


def test_nothing_known_costs_nothing():
    net = GatedSCNN(2, 1, 2, **SMALL)
    truth = truth_of(np.zeros((8, 8), int), np.zeros((8, 8)))
    logits, edges = torch.randn(1, 2, 8, 8, requires_grad=True), torch.randn(1, 1, 8, 8, requires_grad=True)
    assert float(sum(net.own_losses(Outputs((logits,), {"edges": edges}), truth).values())) == 0


# ---------------------------------------------------------------- gate


def test_a_closed_gate_lets_through_and_an_open_one_doubles():
    gate = Gate(2, 3, 2).eval()
    shape, regular = torch.randn(1, 3, 5, 5), torch.randn(1, 1, 5, 5)
    bias = gate.attend[2].bias  # of the last normalisation, before the sigmoid
    results = []
    for value in (-50.0, 50.0):
        torch.nn.init.zeros_(gate.attend[1].weight)
        torch.nn.init.constant_(bias, value)
        with torch.no_grad():
            results.append(gate(shape, regular))
    plain = torch.nn.functional.conv2d(shape, gate.weigh.weight)
    assert torch.allclose(results[0], plain, atol=1e-6)
    assert torch.allclose(results[1], 2 * plain, atol=1e-6)


# ---------------------------------------------------------------- gradient of the image


def real_image():
    image = load_sample("nuclei2d").image.array.astype(np.float64)
    low, high = np.percentile(image, (1, 99.8))
    return ((image - low) / (high - low)).clip(0, 1)


@pytest.mark.parametrize(("sigma", "low", "high"), [(1.0, 0.03, 0.08), (2.0, 0.02, 0.05)])
def test_canny_agrees_with_scikit_image_on_a_real_image(sigma, low, high):
    from skimage.feature import canny as reference

    image = real_image()
    # their Sobel is eight times the change a voxel; their hysteresis has no end, so ours gets many rounds here
    theirs = reference(image, sigma, 8 * low, 8 * high, mode="nearest")
    ours = canny(torch.from_numpy(image)[None, None], sigma, low, high, rounds=300)[0, 0].numpy() > 0
    inner = (slice(2, -2), slice(2, -2))  # they leave out the border
    ours, theirs = ours[inner], theirs[inner]
    assert theirs.sum() > 100
    near = ndi.binary_dilation(theirs), ndi.binary_dilation(ours)
    assert (ours & near[0]).sum() > 0.99 * ours.sum()
    assert (theirs & near[1]).sum() > 0.99 * theirs.sum()
    assert 2 * (ours & theirs).sum() > 0.97 * (ours.sum() + theirs.sum())


def test_few_rounds_lose_little_of_a_real_image():
    image = torch.from_numpy(real_image())[None, None]
    some, all_of_it = canny(image), canny(image, rounds=300)
    assert bool((some <= all_of_it).all())
    assert some.sum() > 0.9 * all_of_it.sum(), (some.sum(), all_of_it.sum())


def test_canny_and_the_gradient_look_no_further_than_they_say():
    g = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 90, 90, generator=g, dtype=torch.float64)
    for function, reach in ((canny, canny_reach()), (gradient_magnitude, gradient_reach())):
        other = torch.rand(1, 1, 90, 90, generator=g, dtype=torch.float64)
        other[..., 30:60, 30:60] = image[..., 30:60, 30:60]
        inner = (..., slice(30 + reach, 60 - reach), slice(30 + reach, 60 - reach))
        assert torch.equal(function(image)[inner], function(other)[inner])


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_gradient_is_that_of_scipy(ndim):
    x = np.random.default_rng(0).random((12, 14, 10)[:ndim])
    smoothed = ndi.gaussian_filter(x, 1.0, mode="nearest", truncate=3.0)
    wanted = np.sqrt(sum(ndi.correlate1d(smoothed, [-0.5, 0, 0.5], a, mode="nearest") ** 2 for a in range(ndim)))
    found = gradient_magnitude(torch.from_numpy(x)[None, None])[0, 0].numpy()
    assert np.allclose(found, wanted, atol=1e-5)


def test_a_narrow_image_repeats_its_border():
    x = torch.rand(1, 1, 1, 3)
    assert weighted(x, 2, (1, 1, 1)).allclose(3 * x)
    assert canny(x).shape == x.shape


# ---------------------------------------------------------------- the network


@pytest.mark.parametrize("ndim", [2, 3])
def test_edges_are_probabilities_and_belong_to_what_training_returns(ndim):
    net = GatedSCNN(ndim, 1, 2, **SMALL)
    assert isinstance(net, HasOwnLosses)
    x = torch.rand(2, 1, *(13, 18, 11)[:ndim])
    net.train()
    out = net(x)
    assert isinstance(out, Outputs)
    assert out.extra["edges"].shape == (2, 1, *x.shape[2:])
    net.eval()
    with torch.no_grad():
        edges = net.edges(x)
    assert edges.shape == (2, 1, *x.shape[2:])
    assert 0 <= float(edges.min()) <= float(edges.max()) <= 1


@pytest.mark.parametrize("options", [{}, {"encoder": "resnet18", "encoder_width": 4}])
def test_tiled_edges_equal_whole_edges(options):
    net = GatedSCNN(2, 1, 2, **SMALL, **options).eval()
    m, pad = net.multiple[0], -(-net.halo[0] // net.multiple[0]) * net.multiple[0]
    x = torch.rand(1, 1, 2 * pad + 8 + 2 * m, 16)
    with torch.no_grad():
        for read in (net.edges, net):
            whole = read(x)[:, :, m + pad : m + pad + 8]
            tile = read(x[:, :, m : m + 2 * pad + 8])[:, :, pad : pad + 8]
            assert torch.allclose(whole, tile, atol=1e-5)


def test_edges_of_discs_are_learnt():
    yy, xx = np.indices((48, 48))
    classes = (((yy - 14) ** 2 + (xx - 16) ** 2 <= 81) | ((yy - 34) ** 2 + (xx - 32) ** 2 <= 81)).astype(int)
    truth = truth_of(classes)
    torch.manual_seed(0)
    x = torch.from_numpy(classes)[None, None].float() + 0.2 * torch.randn(1, 1, 48, 48)
    net = GatedSCNN(2, 1, 2, **SMALL).train()
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(100):
        out = net(x)
        loss = torch.nn.functional.cross_entropy(out.logits[0], truth.classes) + sum(
            net.own_losses(out, truth).values()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    target, _ = label_edges(truth)
    found = (out.extra["edges"] > 0).float()
    assert 2 * float((found * target).sum()) / float((found + target).sum()) > 0.85


def test_a_resnet_as_encoder_learns_too():
    net = GatedSCNN(2, 3, 2, encoder="resnet18", encoder_width=4, **SMALL).train()
    (net(torch.rand(4, 3, 64, 64)).logits[0] - 1).square().mean().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_switched_off_losses_are_not_computed():
    net = GatedSCNN(2, 1, 2, edge_weight=0, dual_weight=0, **SMALL).train()
    assert net.own_losses(net(torch.rand(2, 1, 16, 16)), truth_of(np.zeros((16, 16), int))) == {}


@pytest.mark.parametrize(
    ("ndim", "options", "words"),
    [
        (3, {"image_gradient": "canny"}, "only in 2D"),
        (2, {"image_gradient": "sobel"}, "no image gradient named 'sobel'"),
        (2, {"encoder": "vgg"}, "no encoder named 'vgg'"),
        (2, {"encoder": "resnet18", "strides": [(2, 2)] * 5}, "its own strides"),
        (2, {"widths": (8,)}, "at least two levels"),
    ],
)
def test_options_that_do_not_go_together_are_refused(ndim, options, words):
    with pytest.raises(InputError, match=words):
        GatedSCNN(ndim, 1, 2, **options)
