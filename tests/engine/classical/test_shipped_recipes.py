from __future__ import annotations

import pytest

from napari_segplugin.core import InputError, drain
from napari_segplugin.engine.classical.segment import segment
from napari_segplugin.io import load_recipe, load_sample, shipped_recipes
from napari_segplugin.metrics import measure


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_runs_on_the_sample_of_its_name_and_finds_most_objects(name):
    recipe, sample = load_recipe(name), load_sample(name)
    assert recipe.name
    assert recipe.description
    found = drain(segment(sample.image, recipe))
    # Otsu's threshold and its pieces find 0.50 of the nuclei
    assert measure("ap", sample.truth, found.labels).value > 0.7


def test_an_unknown_recipe_names_those_that_ship():
    with pytest.raises(InputError, match="nuclei2d"):
        load_recipe("no such recipe")
