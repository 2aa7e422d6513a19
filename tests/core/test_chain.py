"""Recipes of classical steps as JSON and back."""

import json

import pytest

from napari_segplugin.core import ClassicalRecipe, CleanupStep, InputError, recipe_from_json, recipe_to_json

RECIPE = ClassicalRecipe(
    "threshold",
    {"method": "li"},
    (CleanupStep("fill_holes"), CleanupStep("open", {"radius": 3})),
    1,
    "mine",
    "for tests",
)


def test_json_and_back():
    assert recipe_from_json(json.loads(json.dumps(recipe_to_json(RECIPE)))) == RECIPE


def test_the_recipe_of_a_result_is_one_too():
    beside = {"labels": "a.tif", "recipe": {"what": "classical segmentation", "classical": recipe_to_json(RECIPE)}}
    assert recipe_from_json(beside) == RECIPE


def change(**fields):
    return {**recipe_to_json(RECIPE), **fields}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"technique": "threshold"}, "not a recipe of classical steps"),
        ([1], "not a recipe of classical steps"),
        (change(version=99), "another version"),
        (change(speed=3), "unknown speed"),
        ({k: v for k, v in recipe_to_json(RECIPE).items() if k != "technique"}, "no technique"),
        (change(cleanup="open"), "'cleanup'"),
        (change(cleanup=["open"]), "'cleanup'"),
        (change(cleanup=[{"name": "open", "radius": 3}]), "'cleanup'"),
        (change(parameters=[1]), "'parameters'"),
        (change(channel="red"), "channel"),
        (change(channel=-2), "channel"),
        (change(channel=True), "channel"),
    ],
)
def test_what_is_none_says_why(data, words):
    with pytest.raises(InputError, match=words):
        recipe_from_json(data)
