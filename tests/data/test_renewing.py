"""A new result around what was checked, against the plain definition."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segplugin.core import InputError
from napari_segplugin.data.renewing import SHARE, class_map, renewed


@pytest.mark.parametrize("shape", [(40, 50), (6, 20, 20)], ids=["2D", "3D"])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_it_says(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = lambda top: np.kron(rng.integers(0, top, [n // 2 for n in shape]), np.ones((2,) * len(shape), int))  # noqa: E731
    now, new, fixed = blocks(9), blocks(7), rng.random(shape) < 0.1
    keep, areas = [2, 5, 8], {6: 4}
    labels, numbers = renewed(now, new, keep, fixed, areas)
    kept = np.isin(now, keep) | fixed
    assert np.array_equal(labels[kept], now[kept])
    for number in range(1, 7):
        mask = new == number
        lost = (mask & kept).sum() / mask.sum()
        assert (number in numbers) == (number in areas or lost < SHARE)
        expected = numbers.get(number, 0)
        assert set(labels[mask & ~kept].tolist()) == {expected}
    assert numbers.pop(6) == 4
    assert not set(numbers.values()) & set(np.unique(now).tolist())
    assert len(set(numbers.values())) == len(numbers)


def test_nothing_kept_and_everything_kept() -> None:
    now, new = np.array([[1, 1, 0, 2]]), np.array([[3, 0, 3, 3]])
    assert renewed(now, new, [])[0].tolist() == [[3, 0, 3, 3]]
    labels, numbers = renewed(now, new, [1, 2])
    assert (labels.tolist(), numbers) == ([[1, 1, 0, 2]], {})
    assert renewed(np.zeros((0, 3), int), np.zeros((0, 3), int), [4])[1] == {}


def test_results_of_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="different shapes"):
        renewed(np.zeros((3, 3), int), np.zeros((3, 4), int), [])


def test_classes_around_what_stays_under_their_new_numbers() -> None:
    rng = np.random.default_rng(0)
    now, new, fixed = rng.integers(0, 4, (9, 20, 20)), rng.integers(0, 3, (9, 20, 20)), rng.random((9, 20, 20)) < 0.3
    made = class_map(now, new, fixed, {1: 2, 2: 3, 7: 1})
    assert np.array_equal(made[~fixed], new[~fixed])
    for old, number in {0: 0, 1: 2, 2: 3, 3: 3}.items():
        assert (made[fixed & (now == old)] == number).all()
