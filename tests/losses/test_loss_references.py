"""Agreement with MONAI (values stored by scripts/make_loss_references.py) and with the equations in float64 NumPy."""

import json
import math
from pathlib import Path

import loss_examples as examples
import numpy as np
import pytest

from napari_segplugin.losses import LOSSES

torch = pytest.importorskip("torch")

STORED = json.loads((Path(__file__).parent / "reference_values.json").read_text(encoding="utf-8"))
ids = [" ".join(map(str, c)) for c in examples.CASES]
each_case = pytest.mark.parametrize("case", examples.CASES, ids=ids)

# MONAI's smoothed IoU is (2 TP + s) / (2 (TP + FP + FN) + s): half our s.
MONAI = {
    "dice": {},
    "dice per image": {"per_image": True},
    "dice squared": {"squared": True},
    "iou": {"smooth": 0.5},
    "iou per image": {"smooth": 0.5, "per_image": True},
    "iou squared": {"smooth": 0.5, "squared": True},
    "generalised_dice": {},
    "generalised_dice per image": {"per_image": True},
    "generalised_dice foreground": {"background": False},
    "tversky": {},
    "focal": {},
    "focal alpha": {"alpha": examples.ALPHA},
    "focal one alpha": {"alpha": 0.25},
    "boundary": {"constant": False},
    "dice partly known": {},
    "tversky partly known": {},
}


def tensors(case):
    return tuple(torch.as_tensor(a) for a in examples.example(*case))


@each_case
@pytest.mark.parametrize("name", MONAI)
def test_agrees_with_monai(case, name):
    logits, target, known = tensors(case)
    options = {k: v[case[1]] if isinstance(v, dict) else v for k, v in MONAI[name].items()}
    weight = known if "partly" in name else torch.ones_like(target)
    ours = float(LOSSES.load(name.split()[0])(logits, target, weight, **options))
    # MONAI's mean of the focal loss is over the classes too
    ours /= case[1] if name.startswith("focal") else 1
    assert ours == pytest.approx(STORED[" ".join(map(str, case))][name], rel=1e-6)


@each_case
def test_focal_of_partly_known_images_agrees_with_monai(case):
    # MONAI takes the mean of each image first
    images = [tuple(a[i : i + 1] for a in tensors(case)) for i in range(examples.IMAGES)]
    ours = sum(float(LOSSES.load("focal")(*image)) for image in images)
    assert ours == pytest.approx(STORED[" ".join(map(str, case))]["focal partly known"], rel=1e-6)


class Flat:
    """Probabilities (V, K), truth (V,), weights (V,) of an example, with fractional weights and unknown voxels."""

    def __init__(self, case):
        logits, target, known = examples.example(*case)
        rows = np.moveaxis(logits, 1, -1).reshape(-1, case[1])
        e = np.exp(rows - rows.max(1, keepdims=True))
        self.z, self.p, self.g = rows, e / e.sum(1, keepdims=True), target.ravel()
        self.w = known.ravel() * (1 + np.arange(target.size) % 3) / 2
        self.K = case[1]
        self.log_p = np.log(self.p[np.arange(len(self.g)), self.g])
        self.tensors = torch.as_tensor(logits), torch.as_tensor(target), torch.as_tensor(self.w.reshape(target.shape))

    def loss(self, name, **options):
        return float(LOSSES.load(name)(*self.tensors, **options))

    def counts(self, c, power=1):
        p, g, w = self.p[:, c], self.g == c, self.w
        return math.fsum(w * p * g), math.fsum(w * p**power), math.fsum(w * g)


def lovasz_by_sets(errors, inside, weight):
    """The Lovász extension from its definition: the Jaccard loss of growing sets of wrong voxels, one by one."""

    def jaccard(wrong):
        kept = sum(weight[i] for i in range(len(errors)) if inside[i] and i not in wrong)
        union = sum(weight[i] for i in range(len(errors)) if inside[i] or i in wrong)
        return 1 - kept / union

    order, wrong, total = sorted(range(len(errors)), key=lambda i: -errors[i]), set(), 0.0
    for i in order:
        before = jaccard(wrong)
        wrong.add(i)
        total += errors[i] * (jaccard(wrong) - before)
    return total


@each_case
class TestEquations:
    """Each loss against its equation, with voxel weights."""

    def test_cross_entropy(self, case):
        x = Flat(case)
        c = np.array(examples.ALPHA[x.K])[x.g]
        expected = np.sum(x.w * c * -x.log_p) / np.sum(x.w * c)
        assert x.loss("cross_entropy", class_weights=examples.ALPHA[x.K]) == pytest.approx(expected)

    @pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
    def test_focal(self, case, gamma):
        x = Flat(case)
        c = np.array(examples.ALPHA[x.K])[x.g]
        expected = np.sum(x.w * c * (1 - np.exp(x.log_p)) ** gamma * -x.log_p) / np.sum(x.w)
        assert x.loss("focal", gamma=gamma, alpha=examples.ALPHA[x.K]) == pytest.approx(expected)

    @pytest.mark.parametrize("power", [1, 2])
    def test_dice_and_iou(self, case, power):
        x = Flat(case)
        sums = [x.counts(c, power) for c in range(x.K)]
        squared = power == 2
        expected = np.mean([1 - (2 * tp + 0.3) / (p + g + 0.3) for tp, p, g in sums])
        assert x.loss("dice", squared=squared, background=True, smooth=0.3) == pytest.approx(expected)
        expected = np.mean([1 - (tp + 0.3) / (p + g - tp + 0.3) for tp, p, g in sums])
        assert x.loss("iou", squared=squared, background=True, smooth=0.3) == pytest.approx(expected)

    def test_generalised_dice(self, case):
        x = Flat(case)
        sums = [x.counts(c) for c in range(x.K)]
        top = sum(2 * tp / g**2 for tp, _, g in sums)
        assert x.loss("generalised_dice") == pytest.approx(1 - top / sum((p + g) / g**2 for _, p, g in sums))

    def test_tversky_and_focal_tversky(self, case):
        x = Flat(case)
        index = [(tp + 1) / (tp + 0.2 * (p - tp) + 0.9 * (g - tp) + 1) for tp, p, g in map(x.counts, range(1, x.K))]
        options = {"alpha": 0.2, "beta": 0.9}
        assert x.loss("tversky", **options) == pytest.approx(1 - np.mean(index))
        expected = np.mean([(1 - t) ** (1 / 2.5) for t in index])
        assert x.loss("focal_tversky", gamma=2.5, **options) == pytest.approx(expected)

    def test_lovasz_softmax(self, case):
        x = Flat(case)
        values = [lovasz_by_sets(abs((x.g == c) - x.p[:, c]), x.g == c, x.w) for c in range(x.K)]
        assert x.loss("lovasz_softmax") == pytest.approx(np.mean(values))
        assert x.loss("lovasz_softmax", background=False) == pytest.approx(np.mean(values[1:]))

    def test_lovasz_hinge(self, case):
        x = Flat(case)
        odds = np.log(x.p) - np.log1p(-x.p)
        if x.K == 2:
            assert np.allclose(odds[:, 1], x.z[:, 1] - x.z[:, 0])
        hinge = np.maximum(0, 1 - np.where(x.g[:, None] == np.arange(x.K), 1, -1) * odds)
        expected = np.mean([lovasz_by_sets(hinge[:, c], x.g == c, x.w) for c in range(1, x.K)])
        assert x.loss("lovasz_hinge") == pytest.approx(expected)

    def test_iou_balanced(self, case):
        x = Flat(case)
        assert x.loss("iou_balanced") == pytest.approx(np.sum(x.w * -x.log_p) / np.sum(x.w))
        # the gradient is that of cross-entropy with weights that are held fixed
        image = np.arange(len(x.g)) // (len(x.g) // examples.IMAGES)
        iou = np.zeros(len(x.g))
        for n in range(examples.IMAGES):
            for c in range(x.K):
                here, w = image == n, x.w * (image == n)
                tp = np.sum(w * x.p[:, c] * (x.g == c))
                iou[here & (x.g == c)] = tp / (np.sum(w * x.p[:, c]) + np.sum(w * (x.g == c)) - tp)
        raw, positive = x.w * -x.log_p, x.g > 0
        b = np.where(positive, iou**1.5 * raw[positive].sum() / (raw * iou**1.5)[positive].sum(), 1.0)
        one_hot = x.g[:, None] == np.arange(x.K)
        expected = (x.w * b)[:, None] * (x.p - one_hot) / x.w.sum()
        logits = x.tensors[0].clone().requires_grad_()
        LOSSES.load("iou_balanced")(logits, *x.tensors[1:]).backward()
        assert np.allclose(logits.grad.movedim(1, -1).reshape(-1, x.K).numpy(), expected)

    @pytest.mark.parametrize("anisotropic", [False, True])
    def test_boundary(self, case, anisotropic):
        # distances by comparing every voxel with every other
        _, target, known = examples.example(*case)
        x = Flat(case)
        sides = np.array([3.0, 0.5, 1.0][-(target.ndim - 1) :]) if anisotropic else np.ones(target.ndim - 1)
        places = np.stack(np.indices(target.shape[1:]), -1).reshape(-1, target.ndim - 1) * sides / sides.min()
        apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
        p, total = x.p.reshape(examples.IMAGES, -1, x.K), 0.0
        for n, (g, k) in enumerate(zip(target, known, strict=True)):
            g, k, w = g.ravel(), k.ravel(), x.w.reshape(examples.IMAGES, -1)[n]
            for c in range(1, x.K):
                to_class, to_others = apart[:, k & (g == c)].min(1), apart[:, k & (g != c)].min(1)
                distance = np.where(g == c, 1 - to_others, to_class)
                total += np.sum(w * (p[n, :, c] - (g == c)) * distance)
        expected = total / x.w.sum() / (x.K - 1)
        assert x.loss("boundary", spacing=tuple(sides)) == pytest.approx(expected, rel=1e-6)

    def test_top_k(self, case):
        x = Flat(case)
        certain = np.flatnonzero(x.w > 0)
        hardest = sorted(certain, key=lambda i: x.log_p[i])[: math.ceil(0.25 * len(certain))]
        expected = np.sum((x.w * -x.log_p)[hardest]) / x.w[hardest].sum()
        assert x.loss("top_k", share=0.25) == pytest.approx(expected)
