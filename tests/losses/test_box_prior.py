"""What a box says: hand-computed slabs and pairs, what a turned patch keeps of them, and that they teach an outline."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import AugmentSpec, Image, Sample  # noqa: E402
from napari_segplugin.data.box_positions import ALONE, box_positions  # noqa: E402
from napari_segplugin.data.corrections import Corrections, to_sample  # noqa: E402
from napari_segplugin.data.sampling import PatchSampler, prepare  # noqa: E402
from napari_segplugin.data.strokes import split_strokes  # noqa: E402
from napari_segplugin.losses.box_prior import ALIKE, box_pairs, box_projection  # noqa: E402


def positions(boxes, shape):
    return torch.from_numpy(box_positions(boxes, shape))[None]


BOX = (slice(2, 8), slice(3, 7))  # 6 rows, 4 columns: 10 slabs


def test_each_voxel_knows_its_box_and_the_smaller_one_counts():
    found = box_positions([(slice(0, 4), slice(0, 4)), (slice(2, 4), slice(3, 4))], (5, 5))
    assert found[0, :4, :4].sum() == 14 * 1 + 2 * 2
    np.testing.assert_allclose(found[1, :4, 0], [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(found[2, 2:4, 3], ALONE)
    assert not found[:, 4].any()


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_the_projection_of_an_even_map_is_the_dice_of_its_value(value):
    p = torch.full((1, 10, 10), value)
    assert float(box_projection(p, positions([BOX], (10, 10)))) == pytest.approx(
        1 - 2 * value / (value**2 + 1), abs=1e-6
    )


def test_slabs_are_counted_one_by_one():
    p = torch.zeros(1, 10, 10)
    p[0, 4, 3:7] = 1.0  # one row of six is filled, and with it every column
    m = [1] + [0] * 5 + [1] * 4
    wanted = 1 - 2 * sum(m) / (sum(m) + len(m))
    assert float(box_projection(p, positions([BOX], (10, 10)))) == pytest.approx(wanted)
    cross = torch.zeros(1, 10, 10)
    cross[0, 2:8, 5] = cross[0, 4, 3:7] = 1.0
    assert float(box_projection(cross, positions([BOX], (10, 10)))) == pytest.approx(0.0)


def test_in_a_volume_each_axis_has_its_slabs():
    box = (slice(1, 4), slice(1, 5), slice(0, 6))
    p = torch.zeros(1, 5, 6, 6)
    p[0, 2, 1:5, 0:6] = 1.0  # a plane: it misses two of three slabs across Z
    m = [1] + [0] * 2 + [1] * 4 + [1] * 6
    assert float(box_projection(p, positions([box], (5, 6, 6)))) == pytest.approx(1 - 2 * sum(m) / (sum(m) + len(m)))


def test_a_flat_box_in_a_volume_is_that_of_the_plane():
    g = torch.Generator().manual_seed(0)
    p = torch.rand(1, 10, 10, generator=g)
    volume = torch.zeros(1, 3, 10, 10)
    volume[0, 1] = p
    flat = box_projection(p, positions([BOX], (10, 10)))
    # the one slab across Z is the whole box
    m = [p[0, y, 3:7].max() for y in range(2, 8)] + [p[0, 2:8, x].max() for x in range(3, 7)]
    assert float(flat) == pytest.approx(float(1 - 2 * sum(m) / (sum(v**2 for v in m) + 10)), abs=1e-6)
    m += [p[0, 2:8, 3:7].max()]
    deep = box_projection(volume, positions([(slice(1, 2), *BOX)], (3, 10, 10)))
    assert float(deep) == pytest.approx(float(1 - 2 * sum(m) / (sum(v**2 for v in m) + 11)), abs=1e-6)


def test_what_a_patch_cuts_off_says_nothing():
    whole = positions([(slice(0, 20), slice(0, 20))], (20, 20))
    part = whole[..., :10].clone()  # every row is cut; every column is whole
    p = torch.zeros(1, 20, 10)
    p[0, 5] = 1.0
    assert float(box_projection(p, part)) == pytest.approx(0.0)
    assert float(box_projection(p[:, :10], whole[..., :10, :10].clone())) == 0.0  # nothing is whole


def test_without_boxes_there_is_no_loss_and_no_gradient():
    p = torch.rand(2, 8, 8, requires_grad=True)
    none = torch.zeros(2, 3, 8, 8)
    loss = box_projection(p, none) + box_pairs(p, torch.rand(2, 1, 8, 8), none)
    loss.backward()
    assert float(loss) == 0
    assert not p.grad.any()


def test_pairs_are_the_sum_over_like_neighbours_in_the_box():
    g = torch.Generator().manual_seed(1)
    p, image = torch.rand(1, 7, 6, generator=g), torch.rand(1, 2, 7, 6, generator=g) * 3 * ALIKE
    boxes = positions([(slice(1, 6), slice(0, 4)), (slice(0, 7), slice(4, 6))], (7, 6))
    total, count = 0.0, 0
    for y in range(7):
        for x in range(6):
            for dy, dx in ((0, 2), (2, -2), (2, 0), (2, 2)):
                v, u = y + dy, x + dx
                if not (0 <= v < 7 and 0 <= u < 6):
                    continue
                one, other = float(boxes[0, 0, y, x]), float(boxes[0, 0, v, u])
                if one + other == 0 or (one and other and one != other):
                    continue
                if float((image[0, :, y, x] - image[0, :, v, u]).square().sum().sqrt()) <= ALIKE:
                    a, b = float(p[0, y, x]), float(p[0, v, u])
                    total, count = total - math.log(a * b + (1 - a) * (1 - b)), count + 1
    assert count > 5
    assert float(box_pairs(p, image, boxes)) == pytest.approx(total / count, rel=1e-4)


@pytest.mark.parametrize("term", [box_projection, lambda p, b: box_pairs(p, torch.zeros(1, 1, 10, 10), b)])
def test_half_precision_and_certain_maps_stay_finite(term):
    boxes = positions([BOX], (10, 10))
    for p in (torch.zeros(1, 10, 10), torch.ones(1, 10, 10), torch.rand(1, 10, 10).bfloat16()):
        p = p.clone().requires_grad_()
        term(p, boxes).backward()
        assert torch.isfinite(p.grad.float()).all()


def test_the_gradient_is_that_of_the_definition():
    p = torch.rand(1, 6, 6, dtype=torch.float64).mul(0.8).add(0.1).requires_grad_()
    boxes = positions([(slice(1, 5), slice(0, 6))], (6, 6)).double()
    image = torch.zeros(1, 1, 6, 6)
    loss = box_projection(p, boxes) + box_pairs(p, image, boxes)
    (gradient,) = torch.autograd.grad(loss, p)
    step = 1e-2
    for at in ((0, 2, 3), (0, 4, 0), (0, 0, 0)):
        up, down = p.detach().clone(), p.detach().clone()
        up[at] += step
        down[at] -= step
        slope = sum(s * float(box_projection(q, boxes) + box_pairs(q, image, boxes)) for s, q in ((1, up), (-1, down)))
        assert float(gradient[at]) == pytest.approx(slope / (2 * step), abs=0.02)


def test_lines_are_found_again_in_a_turned_patch():
    """The tightness holds along the sides of the box as it was drawn, whatever the patch does."""
    classes = np.zeros((64, 64), np.int64)
    yy, xx = np.ogrid[:64, :64]
    disc = (yy - 32) ** 2 + (xx - 32) ** 2 <= 12**2
    box = (slice(20, 45), slice(20, 45))
    sample = prepare(
        disc[None] * 1.0, classes, np.ones((64, 64)), np.zeros((0, 64, 64)), classes, (1.0, 1.0), boxes=[box]
    )
    batch = PatchSampler([sample], (64, 64), AugmentSpec(), seed=3).draw(8)
    assert float(box_projection((batch.image[:, 0] > 0.5).float(), batch.boxes)) < 0.03
    assert float(box_projection((batch.image[:, 0] > 0.5).float() * 0, batch.boxes)) == 1.0


def test_boxes_reach_the_batch_and_those_held_out_do_not():
    image = Image(np.random.default_rng(0).normal(0, 1, (80, 90)), "YX", name="boxes")
    array = np.array(image.read()[0])
    boxes = [(slice(y, y + 12), slice(x, x + 12)) for y in (5, 30, 55) for x in (5, 30, 55)]
    for box in boxes:
        array[box] += 20
    from napari_segplugin.core import ClassTable, Task

    classes = ClassTable.named(["cell"])
    corrections = Corrections(np.zeros((80, 90), np.uint16), boxes=boxes)
    sample = to_sample(Image(array, "YX", name="boxes"), corrections, Task.INSTANCE, classes)
    assert sample.boxes == tuple(boxes)
    split = split_strokes(sample, classes)
    assert 0 < len(split.train.boxes) < len(boxes)
    held = split.heldout.instances[split.heldout.known & (split.heldout.instances > 0)]
    outside = [b for b in boxes if b not in split.train.boxes]
    assert {int(sample.instances[b].max()) for b in outside} == set(np.unique(held).tolist())
    assert isinstance(sample, Sample)


def test_a_map_learns_an_outline_from_a_box_alone():
    """Gradient descent on the map itself: a disc of one brightness is parted from the corners of its box, where nothing is known."""
    yy, xx = np.ogrid[:32, :32]
    disc = torch.from_numpy((yy - 16) ** 2 + (xx - 16) ** 2 <= 8**2)
    image = disc.float()[None, None]
    boxes = positions([(slice(8, 25), slice(8, 25))], (32, 32))
    logits = torch.full((1, 32, 32), 0.5, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.2)
    outside = boxes[:, 0] == 0
    for _ in range(200):
        p = logits.sigmoid()
        loss = box_projection(p, boxes) + box_pairs(p, image, boxes) - (1 - p[outside]).log().sum() / 100
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = logits.detach()[0] > 0
    assert float((found & disc).sum()) / float((found | disc).sum()) > 0.9
