"""Image, target and weight go through one and the same map; without augmentation a patch is a plain crop."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import AugmentSpec, InputError  # noqa: E402
from napari_segplugin.data.augment import (  # noqa: E402
    IDENTITY,
    cut,
    elastic_shift,
    inside,
    random_matrix,
    sample_grid,
    vary_intensity,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def volume(*shape):
    return torch.arange(math.prod(shape), dtype=torch.float32).reshape(1, *shape)


@pytest.mark.parametrize(("shape", "patch"), [((20, 24), (6, 9)), ((9, 12, 15), (3, 4, 6))])
@pytest.mark.parametrize("nearest", [False, True])
def test_the_identity_cuts_a_plain_crop(shape, patch, nearest):
    start = [n // 3 for n in shape]
    centre = [s + (p - 1) / 2 for s, p in zip(start, patch, strict=True)]
    matrix = random_matrix(len(shape), (1.0,) * len(shape), IDENTITY, generator())
    got = cut(volume(*shape), sample_grid(matrix, centre, patch), nearest=nearest)
    region = tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))
    assert torch.allclose(got, volume(*shape)[(slice(None), *region)], atol=2e-2)


def test_the_same_seed_gives_the_same_map_and_another_seed_another():
    first, again, other = (random_matrix(3, (1, 1, 1), AugmentSpec(), generator(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 1.0, 1.0), (5.0, 1.0, 1.0)])
@pytest.mark.parametrize("seed", range(5))
def test_a_rotation_keeps_physical_lengths(spacing, seed):
    matrix = random_matrix(len(spacing), spacing, AugmentSpec(scale=1.0), generator(seed)).double()
    size = torch.diag(torch.tensor(spacing, dtype=torch.float64))
    physical = size @ matrix @ torch.linalg.inv(size)
    assert torch.allclose(physical @ physical.T, torch.eye(len(spacing), dtype=torch.float64), atol=1e-5)


def test_planes_that_lie_far_apart_are_not_mixed():
    matrix = random_matrix(3, (5.0, 1.0, 1.0), AugmentSpec(scale=1.0), generator(4))
    assert matrix[0, 1:].abs().sum() == matrix[1:, 0].abs().sum() == 0


@pytest.mark.parametrize("seed", range(8))
def test_the_zoom_stays_within_its_limits(seed):
    matrix = random_matrix(2, (1.0, 1.0), AugmentSpec(rotate=False, flip=False, scale=1.5), generator(seed))
    assert 1 / 1.5 <= float(matrix[0, 0]) <= 1.5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ndim", [2, 3])
def test_image_and_labels_move_together(seed, ndim):
    grids = np.indices((24,) * ndim) - 11.5
    ball = torch.from_numpy(((grids**2).sum(0) + 4 * grids[-1] < 60).astype(np.float32))[None]
    matrix = random_matrix(ndim, (1.0,) * ndim, AugmentSpec(), generator(seed))
    grid = sample_grid(matrix, [11.0] * ndim, (20,) * ndim)
    smooth, labels = cut(ball, grid, nearest=False), cut(ball, grid, nearest=True)
    assert set(labels.unique().tolist()) == {0.0, 1.0}
    assert ((smooth > 0.5) == (labels > 0.5)).float().mean() > 0.97


def test_inside_marks_what_lies_in_the_image():
    grid = sample_grid(torch.eye(2), [0.0, 0.0], (3, 3))
    assert inside(grid, (10, 10)).int().tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 1]]


def test_outside_the_border_is_repeated():
    got = cut(volume(2, 2), sample_grid(torch.eye(2), [0.0, 0.0], (3, 3)), nearest=True)
    assert got[0].tolist() == [[0, 0, 1], [0, 0, 1], [2, 2, 3]]


def test_no_variation_returns_the_image_itself():
    image = torch.rand(2, 1, 8, 8)
    assert vary_intensity(image, IDENTITY, generator()) is image


@pytest.mark.parametrize("shape", [(6, 2, 16, 16), (4, 1, 8, 8, 8)])
def test_intensities_vary_and_stay_finite_without_touching_the_input(shape):
    image = torch.rand(shape, generator=generator()) * 3 - 1
    kept = image.clone()
    varied = vary_intensity(image, AugmentSpec(), generator(1))
    assert varied.shape == image.shape
    assert torch.isfinite(varied).all()
    assert torch.equal(image, kept)
    assert all(not torch.allclose(v, i) for v, i in zip(varied, image, strict=True))


def test_contrast_alone_keeps_the_order_of_intensities():
    image = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    varied = vary_intensity(image, AugmentSpec(noise=0.0, blur=0.0), generator(2))
    assert (varied.flatten().diff() >= 0).all()


def test_blur_keeps_the_mean():
    image = torch.rand(12, 1, 32, 32, generator=generator())
    blurred = vary_intensity(image, AugmentSpec(contrast=0.0, noise=0.0, blur=1.0), generator(3))
    assert torch.allclose(blurred.mean((1, 2, 3)), image.mean((1, 2, 3)), atol=0.01)
    assert (blurred.std((1, 2, 3)) <= image.std((1, 2, 3)) + 1e-6).all()
    assert (blurred.std((1, 2, 3)) < 0.9 * image.std((1, 2, 3))).any()


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (3.0, 1.0, 1.0)])
def test_an_elastic_shift_is_smooth_bounded_and_physical(spacing):
    patch = (64,) * (len(spacing) - 1) + (48,)
    shift = elastic_shift(patch, spacing, AugmentSpec(elastic=4.0), generator(2))
    assert shift.shape == (*patch, len(spacing))
    physical = shift * torch.tensor(spacing)
    assert 0.5 < float(physical.abs().max()) <= 4.0
    assert float(physical.diff(dim=0).abs().max()) < 0.6 * spacing[0]  # neighbours move alike, nothing folds
    assert elastic_shift(patch, spacing, IDENTITY, generator()) is None


def test_coarsened_patches_lose_detail_but_not_brightness():
    image = torch.rand(12, 1, 32, 32, generator=generator(1))
    coarse = vary_intensity(image, AugmentSpec(contrast=0, noise=0, downsample=4.0), generator(3))
    changed = [i for i in range(12) if not torch.equal(image[i], coarse[i])]
    assert 1 <= len(changed) <= 8
    for i in changed:
        assert float(coarse[i].mean()) == pytest.approx(float(image[i].mean()), abs=0.02)
        assert float(coarse[i].std()) < float(image[i].std())


@pytest.mark.parametrize(
    "wrong", [{"scale": 0.5}, {"downsample": 9}, {"blur": -1}, {"elastic": 31}, {"noise": 2}, {"angle": 200}]
)
def test_a_strength_out_of_range_is_refused(wrong):
    with pytest.raises(InputError, match=f"augmentation '{next(iter(wrong))}'"):
        AugmentSpec(**wrong)


@pytest.mark.parametrize("seed", range(6))
def test_a_small_angle_stays_small(seed):
    matrix = random_matrix(2, (1.0, 1.0), AugmentSpec(angle=10.0, flip=False, scale=1.0), generator(seed))
    assert abs(math.degrees(math.atan2(float(matrix[1, 0]), float(matrix[0, 0])))) <= 10


def test_only_the_axes_that_were_named_are_mirrored():
    spec = AugmentSpec(rotate=False, scale=1.0, flip_axes="X")
    signs = [random_matrix(3, (1.0,) * 3, spec, generator(s)).diagonal().tolist() for s in range(12)]
    assert {tuple(s[:2]) for s in signs} == {(1.0, 1.0)}
    assert {s[2] for s in signs} == {1.0, -1.0}


def test_other_axes_than_spatial_ones_are_refused():
    with pytest.raises(InputError, match="Only spatial axes"):
        AugmentSpec(flip_axes="TX")
