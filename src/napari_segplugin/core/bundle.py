"""A model bundle: everything that is needed to run a network on a new image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_segplugin.core.specs import ModelSpec


@dataclass(frozen=True)
class Normalisation:
    """How intensities become network input: once an image and channel, never once a tile.

    Parameters
    ----------
    low, high : float
        Percentiles of the channel that are mapped to 0 and 1. Where `low` equals `high` in the image, the input is 0.
    clip : float
        Values are cut to [-clip, 1 + clip] afterwards, so that one hot pixel cannot dominate.
    """

    low: float = 1.0
    high: float = 99.8
    clip: float = 1.0


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """Spec, weights, normalisation and history. Never changed in place: training returns a new one.

    Parameters
    ----------
    name : str
        What a person calls it.
    spec : ModelSpec
    weights : mapping of str to ndarray
        The state of the network, by parameter name.
    normalisation : Normalisation
    history : tuple of mapping
        One JSON record for each training that led here, oldest first.
    decode : mapping
        Parameters of the task's decoder, tuned on training data (thresholds, smallest object).
    licence : str
        Under which licence the weights may be used.
    description : str
        What it was trained on and what for, one or two sentences.
    """

    name: str
    spec: ModelSpec
    weights: Mapping[str, np.ndarray]
    normalisation: Normalisation = Normalisation()
    history: tuple[Mapping[str, Any], ...] = ()
    decode: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "not stated"
    description: str = ""
