"""One edit of several objects."""

from functools import partial

import numpy as np
import pytest

from napari_segplugin.core import InputError
from napari_segplugin.data.edits import fill_holes, grow
from napari_segplugin.data.several import each


def test_a_voxel_that_two_would_take_goes_to_the_first():
    labels = np.zeros((3, 7), int)
    labels[1, 1], labels[1, 3], labels[1, 5] = 1, 2, 3
    made = each(partial(grow, labels), [2, 1]).apply(labels.copy())
    assert made[1].tolist() == [1, 1, 2, 2, 2, 3, 0]
    assert made[0].tolist() == [0, 1, 0, 2, 0, 0, 0]


def test_those_on_which_it_cannot_be_done_are_left_as_they_are():
    labels = np.zeros((5, 9), int)
    labels[:, :5] = 1
    labels[2, 2] = 0
    labels[1:4, 6:8] = 2
    made = each(partial(fill_holes, labels), [1, 2]).apply(labels.copy())
    assert made[2, 2] == 1
    assert (made == 2).sum() == 6
    with pytest.raises(InputError, match="Object 2 has no holes"):
        each(partial(fill_holes, labels), [2])
    with pytest.raises(InputError, match="No object is selected"):
        each(partial(fill_holes, labels), [])
