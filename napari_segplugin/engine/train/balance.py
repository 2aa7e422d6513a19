"""One switch against class imbalance: what it does to the losses, and a sentence that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_segplugin.core import ClassTable, LossSpec, LossTerm
from napari_segplugin.data.sampling import Prepared
from napari_segplugin.losses import LOSSES
from napari_segplugin.losses.weights import class_weights

_MOST = 20.0
"""Largest class weight: a class of a few voxels would otherwise drown all others and make training jump."""
_OPTIONS = ("class_weights", "alpha")


def class_counts(prepared: Sequence[Prepared], n_classes: int) -> np.ndarray:
    """Known voxels of each class over all samples, (n_classes,) of int64."""
    total = np.zeros(n_classes, np.int64)
    for sample in prepared:
        known = sample.labels[0][sample.labels[1] > 0].long().numpy()
        total += np.bincount(known, minlength=n_classes)[:n_classes]
    return total


def balanced(spec: LossSpec, counts: np.ndarray, classes: ClassTable) -> tuple[LossSpec, str]:
    """Give every loss that knows class weights those of median frequency, unless the person set some.

    Parameters
    ----------
    spec : LossSpec
    counts : (K,) ndarray
        Known voxels of each class.
    classes : ClassTable

    Returns
    -------
    spec : LossSpec
    sentence : str
        What was done, for the person.

    Examples
    --------
    >>> balanced(LossSpec((LossTerm("cross_entropy"),)), np.array([90, 10]), ClassTable.named(["cell"]))[1]
    'Balance: half of the patches have each of the 2 classes at their centre; class weights background 0.56, cell 5.'
    """
    weights = [round(w, 2) for w in class_weights(counts, "median", most=_MOST)]
    terms = [_weighted(term, weights) for term in spec.terms]
    present = int((counts > 0).sum())
    share = {1: "all", 2: "half", 3: "a third", 4: "a quarter"}.get(present, f"1 in {present}")
    text = f"Balance: {share} of the patches have each of the {present} classes at their centre"
    if terms != list(spec.terms):
        listed = ", ".join(f"{c.name} {w:g}" for c, w, n in zip(classes, weights, counts, strict=True) if n)
        text += f"; class weights {listed}"
    return replace(spec, terms=tuple(terms)), text + "."


def _weighted(term: LossTerm, weights: Sequence[float]) -> LossTerm:
    """The term with class weights, where its loss has such an option and the person left it empty."""
    row = LOSSES[term.name]
    for name in _OPTIONS:
        if name in row.options and row.options[name] is None and term.options.get(name) is None:
            return replace(term, options={**term.options, name: list(weights)})
    return term


__all__ = ["balanced", "class_counts"]
