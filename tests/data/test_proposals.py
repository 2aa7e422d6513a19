"""Proposals from a probability map."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from napari_segplugin.core import InputError
from napari_segplugin.data.prompt import proposals, window


def blob(shape: tuple[int, ...], middle: tuple[int, ...], width: float, height: float = 0.9) -> np.ndarray:
    grid = np.ogrid[tuple(slice(0, n) for n in shape)]
    return height * np.exp(-sum((g - m) ** 2 for g, m in zip(grid, middle, strict=True)) / (2 * width**2))


@pytest.mark.parametrize("shape", [(60, 70), (20, 40, 40)])
def test_masks_are_nested_and_hold_the_click(shape: tuple[int, ...]) -> None:
    middle = tuple(n // 2 for n in shape)
    found = proposals(blob(shape, middle, 5), middle)
    assert len(found) >= 4
    by_size = sorted((p.mask for p in found), key=np.sum)
    for small, large in pairwise(by_size):
        assert (small <= large).all()
        assert small.sum() < large.sum()
    assert all(m[middle] for m in by_size)


def test_a_faint_object_is_found_relative_to_its_own_height() -> None:
    p = blob((60, 60), (30, 30), 5, 0.1) + blob((60, 60), (10, 10), 4, 0.95)
    found = proposals(p, (30, 30))
    assert 50 < found[0].mask.sum() < 900
    assert not found[0].mask[10, 10]


def test_a_sharp_outline_comes_first() -> None:
    p = np.full((40, 40), 0.05)
    p[10:30, 10:30] = 0.6
    p[15:25, 15:25] = 0.7
    first = proposals(p, (20, 20))[0].mask
    wanted = np.zeros((40, 40), bool)
    wanted[10:30, 10:30] = True
    assert (first & wanted).sum() / (first | wanted).sum() > 0.9


def test_other_objects_and_holes() -> None:
    p = np.zeros((30, 30))
    p[5:25, 5:25] = 0.9
    p[13:17, 13:17] = 0.0
    free = np.ones((30, 30), bool)
    free[:, 20:] = False
    mask = proposals(p, (8, 8), free=free)[0].mask
    assert mask[15, 15]
    assert not mask[:, 20:].any()


def test_a_box_bounds_the_object() -> None:
    p = np.zeros((40, 40))
    p[5:35, 5:35] = 0.8
    box = (slice(10, 20), slice(12, 22))
    found = proposals(p, box=box)
    assert all(not np.delete(f.mask, range(10, 20), 0).any() for f in found)
    assert found[0].mask[box].mean() > 0.9


def test_a_click_beside_the_middle_or_just_outside() -> None:
    p = blob((40, 40), (20, 20), 3)
    free = np.ones((40, 40), bool)
    free[18, 18] = False
    assert proposals(p, (18, 18), free=free)[0].mask[20, 20]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "point or a box"),
        ({"point": (50, 2)}, "outside the image"),
        ({"point": (2, 2)}, "finds nothing"),
        ({"point": (15, 15), "free": np.zeros((30, 30), bool)}, "already an object here"),
        ({"point": (15, 15), "least": 10_000}, "can be distinguished"),
    ],
)
def test_what_cannot_be_proposed_says_so(kwargs: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        proposals(blob((30, 30), (15, 15), 3), **kwargs)


def test_the_window_of_a_click_and_of_a_box() -> None:
    assert window((500, 500), (250, 250)) == (slice(123, 378), slice(123, 378))
    assert window((40, 500, 500), (20, 250, 3)) == (slice(5, 36), slice(187, 314), slice(0, 67))
    assert window((40, 500, 500), (20, 250, 3), planes=True)[0] == slice(20, 21)
    assert window((100, 100), box=(slice(40, 60), slice(0, 10))) == (slice(30, 70), slice(0, 15))
