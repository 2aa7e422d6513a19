"""Settings survive a round trip through JSON text, and unknown fields are named."""

import json
import math

import numpy as np
import pytest

from napari_segplugin.core import (
    ClassTable,
    InputError,
    Kind,
    LossSpec,
    LossTerm,
    ModelSpec,
    Normalisation,
    Task,
    TileSpec,
    TrainSpec,
    augment_spec_from_json,
    classes_from_json,
    loss_spec_from_json,
    model_spec_from_json,
    to_json,
    train_spec_from_json,
)

MODEL = ModelSpec(
    "unet", 3, 2, Task.PANOPTIC, ClassTable.named(["a", "b"], Kind.STUFF), {"widths": [4, 8]}, (2.0, 0.5, 0.5), "um"
)
LOSS = LossSpec((LossTerm("dice", 2.0, {"squared": True}), LossTerm("cross_entropy")))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (MODEL, model_spec_from_json),
        (MODEL.classes, classes_from_json),
        (LOSS, loss_spec_from_json),
        (TrainSpec(seconds=3, patch=(8, 16), loss=LOSS), train_spec_from_json),
    ],
)
def test_written_and_read_is_equal(value, read):
    assert read(json.loads(json.dumps(to_json(value)))) == value


def test_an_unknown_field_is_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"Got colour.*Accepted: .*learning_rate"):
        train_spec_from_json({**to_json(TrainSpec()), "colour": "red"})


def test_fields_that_are_left_out_take_their_defaults():
    assert train_spec_from_json({"steps": 5}) == TrainSpec(steps=5)


@pytest.mark.parametrize(("ndim", "channels", "words"), [(4, 1, "2 or 3"), (2, 0, "at least one channel")])
def test_a_network_needs_two_or_three_dimensions_and_a_channel(ndim, channels, words):
    with pytest.raises(InputError, match=words):
        ModelSpec("unet", ndim, channels, Task.SEMANTIC, ClassTable.named(["a"]))


def test_a_training_without_an_end_is_refused():
    with pytest.raises(InputError, match="needs a time limit"):
        TrainSpec(seconds=0, steps=0)


@pytest.mark.parametrize(
    ("weight", "options"),
    [(math.nan, {}), (math.inf, {}), (1.0, {"class_weights": [1.0, math.nan]}), (1.0, {"alpha": -math.inf})],
)
def test_a_loss_with_a_number_that_is_none_cannot_be_made(weight, options):
    with pytest.raises(InputError, match=r"loss 'dice'.*not a finite number"):
        LossTerm("dice", weight, options)
    data = {"terms": [{"name": "dice", "weight": weight, "options": options}]}
    with pytest.raises(InputError, match="not a finite number"):
        train_spec_from_json({"loss": data})


@pytest.mark.parametrize("word", ["seconds", "learning_rate", "validate_every"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_training_with_a_number_that_is_none_cannot_be_set_up(word, value):
    with pytest.raises(InputError, match=f"setting {word} is not a finite number"):
        TrainSpec(**{"steps": 5, word: value})


@pytest.mark.parametrize(
    ("word", "value", "words"),
    [
        ("patch", (0, 8), "size of a patch.*0 × 8"),
        ("patch", (8, 2**70), "size of a patch"),
        ("patch", (1.5,), "size of a patch"),
        ("seconds", 1e308, "seconds is too long"),
        ("validate_every", 1e300, "validate_every is too long"),
        ("seed", -1, "seed is out of range"),
        ("seed", 2**70, "seed is out of range"),
        ("batch", -1, "batch is out of range"),
        ("batch", 2**40, "batch is out of range"),
        ("steps", 1.5, "steps is out of range"),
        ("learning_rate", -1, "learning rate is out of range"),
        ("learning_rate", 1e308, "learning rate is out of range"),
    ],
)
def test_a_training_with_a_size_that_is_none_cannot_be_set_up(word, value, words):
    with pytest.raises(InputError, match=words):
        TrainSpec(**{"steps": 5, word: value})


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("elastic", [1]),
        ("elastic", None),
        ("angle", "x"),
        ("scale", True),
        ("flip", 7),
        ("flip_axes", 3),
        ("rotate", "yes"),
    ],
)
def test_an_augmentation_of_another_type_is_refused(word, value):
    with pytest.raises(InputError, match=f"augmentation '{word}' is"):
        augment_spec_from_json({word: value})


@pytest.mark.parametrize(
    "values", [(-1, 50, 1), (60, 50, 1), (0, 101, 1), (0, 50, -1), (0, 50, math.inf), (math.nan, 50, 1)]
)
def test_a_normalisation_out_of_range_is_refused(values):
    with pytest.raises(InputError, match="normalisation of the model is out of range"):
        Normalisation(*values)


@pytest.mark.parametrize("given", [(float("nan"), 4), (-1,), ("a",), 5, (2.0, 2.0)])
@pytest.mark.parametrize("word", ["size", "halo"])
def test_tiles_are_made_of_whole_numbers(word, given):
    with pytest.raises(InputError, match=f"The tile {word} is not valid"):
        TileSpec(**{word: given})
    assert TileSpec(**{word: (np.int64(4), 0)}) == TileSpec(**{word: (4, 0)})
