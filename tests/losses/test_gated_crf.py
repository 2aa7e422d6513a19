"""The regulariser that carries strokes to their surroundings: hand-computed pairs, gates, and what it teaches."""

import math

import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.losses.gated_crf import gated_crf  # noqa: E402


def all_pairs(logits, image, seen, size, sigma_intensity=0.1, sigma_position=3.0, radius=5):
    """The definition, pair by pair."""
    p = logits.double().softmax(1)
    places = torch.cartesian_prod(*[torch.arange(n) for n in logits.shape[2:]])
    energy = total = 0.0
    for a in range(len(places)):
        for b in range(a + 1, len(places)):
            d = (places[b] - places[a]).double() * torch.tensor(size, dtype=torch.float64)
            if (d.abs() > radius).any():
                continue
            i, j = tuple(places[a].tolist()), tuple(places[b].tolist())
            colour = (image[(0, slice(None), *i)] - image[(0, slice(None), *j)]).double().square().sum()
            k = float(torch.exp(-d.square().sum() / (2 * sigma_position**2) - colour / (2 * sigma_intensity**2)))
            k *= float(seen[(0, *i)] * seen[(0, *j)])
            energy += k * (1 - float((p[(0, slice(None), *i)] * p[(0, slice(None), *j)]).sum()))
            total += k
    return energy / total


@pytest.mark.parametrize(("shape", "spacing", "radius"), [((4, 5), None, 5), ((2, 3, 4), (2.0, 1.0, 1.0), 3)])
def test_with_every_shift_it_is_the_sum_over_all_pairs(shape, spacing, radius):
    g = torch.Generator().manual_seed(0)
    logits, image = torch.randn(1, 3, *shape, generator=g), torch.rand(1, 2, *shape, generator=g) * 0.2
    seen = (torch.rand(1, *shape, generator=g) > 0.3).float()
    value = float(gated_crf(logits, image, seen, spacing=spacing, shifts=10**6))
    wanted = all_pairs(logits, image, seen, spacing or (1.0,) * len(shape), radius=radius)
    assert value == pytest.approx(wanted, rel=1e-4)


def test_two_voxels_by_hand():
    logits = torch.log(torch.tensor([[[[0.75, 0.5]], [[0.25, 0.5]]]]))
    image = torch.tensor([[[[0.0, 0.1]]]])
    value = float(gated_crf(logits, image, torch.ones(1, 1, 2)))
    assert value == pytest.approx(1 - (0.75 * 0.5 + 0.25 * 0.5))


@pytest.mark.parametrize("ndim", [2, 3])
def test_alike_and_certain_is_zero_and_uniform_is_one_minus_one_in_k(ndim):
    image, seen = torch.zeros(1, 1, *(6,) * ndim), torch.ones(1, *(6,) * ndim)
    certain = torch.zeros(1, 3, *(6,) * ndim)
    certain[:, 1] = 50
    assert float(gated_crf(certain, image, seen)) == pytest.approx(0, abs=1e-6)
    assert float(gated_crf(0 * certain, image, seen)) == pytest.approx(2 / 3, abs=1e-6)


def test_beyond_the_border_nothing_counts_and_no_number_spreads():
    logits = torch.full((1, 2, 6, 6), math.nan)
    logits[..., :3] = torch.randn(1, 2, 6, 3)
    logits.requires_grad_()
    seen = torch.zeros(1, 6, 6)
    seen[..., :3] = 1
    loss = gated_crf(logits, torch.rand(1, 1, 6, 6), seen)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[..., 3:].any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (1, 7)])
def test_a_single_voxel_has_no_neighbours(shape):
    assert float(gated_crf(torch.zeros(1, 2, *shape), torch.zeros(1, 1, *shape), torch.zeros(1, *shape))) == 0


def test_a_stroke_spreads_to_what_looks_alike_and_stops_at_the_edge():
    """Voxels of a bright and a dark half, one of each known: the rest is told by the regulariser alone."""
    image = torch.zeros(1, 1, 12, 12)
    image[..., 6:] = 1
    logits = torch.zeros(1, 2, 12, 12, requires_grad=True)
    optimiser = torch.optim.Adam([logits], 0.3)
    torch.manual_seed(0)
    for _ in range(150):
        known = torch.nn.functional.cross_entropy(logits[:, :, 5, [2, 9]], torch.tensor([[0, 1]]))
        loss = known + gated_crf(logits, image, torch.ones(1, 12, 12))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    guess = logits[0].argmax(0)
    assert (guess[:, :6] == 0).all()
    assert (guess[:, 6:] == 1).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_safe(dtype):
    logits = (torch.randn(1, 3, 8, 8) * 20).to(dtype).requires_grad_()
    loss = gated_crf(logits, torch.rand(1, 1, 8, 8), torch.ones(1, 8, 8))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
