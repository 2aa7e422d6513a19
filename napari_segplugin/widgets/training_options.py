"""How a training goes beyond loss and time: balance, few labels, transfer, augmentation. Folded away, with safe defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_segplugin.core import AugmentSpec, Parameter
from napari_segplugin.widgets._parts import Fold, button, describe
from napari_segplugin.widgets._pictures import Picture
from napari_segplugin.widgets.fields import Choices
from napari_segplugin.widgets.parameter_form import ParameterForm

_UP = "Untick if up and down, or left and right, have a meaning."
_TURN = "Largest angle in degrees. Choose a small one if up and down have a meaning."
_COARSER = "A third of the patches is shown at a coarser resolution, down to this factor. 1: off."
_USUAL = AugmentSpec()
_STRENGTHS = (
    Parameter("rotate", _USUAL.rotate, "Rotate", _UP),
    Parameter("flip", _USUAL.flip, "Mirror along any axis", _UP),
    Parameter("angle", _USUAL.angle, "Turn up to", _TURN, 0, 180, 5),
    Parameter(
        "scale", _USUAL.scale, "Zoom up to", "Patches are enlarged or reduced by up to this factor. 1: off.", 1, 4, 0.05
    ),
    Parameter(
        "contrast",
        _USUAL.contrast,
        "Contrast",
        "Random gamma, contrast and brightness. High values make outlines less precise.",
        0,
        1,
        0.05,
    ),
    Parameter("noise", _USUAL.noise, "Noise", "Added noise, as a fraction of the intensity range.", 0, 0.5, 0.01),
    Parameter("blur", _USUAL.blur, "Blur", "A third of the patches is blurred by up to this many pixels.", 0, 5, 0.25),
    Parameter("elastic", _USUAL.elastic, "Elastic", "Patches are deformed by up to this many pixels.", 0, 30, 1),
    Parameter("downsample", _USUAL.downsample, "Coarser up to", _COARSER, 1, 8, 0.25),
)
_FREEZE = (("trained from the start", 0.0), ("unchanged for the first third", 1 / 3), ("unchanged", 1.0))
_DECAY = (("learn like the others", 1.0), ("learn slower", 0.8), ("learn much slower", 0.6))
_INTENSITIES = (("as the images suggest", "auto"), ("CT values", "ct"), ("range of each image", "image"))
_LEARNING = (
    Parameter(
        "balance",
        False,
        "Balance classes",
        "Rare classes are shown as often as common ones and count more in the loss.",
    ),
    Parameter(
        "rehearse",
        True,
        "Keep what the model knows",
        "Half of the training patches are pieces of images that the model learnt from before, so that it does "
        "not forget them. Untick if all your images look like this one.",
    ),
    Parameter(
        "regulariser",
        0.0,
        "Spread strokes",
        "Extends sparse strokes to neighbours that look alike. 0: off; 0.5 is a good start.",
        0,
        10,
        0.1,
    ),
    Parameter(
        "teacher",
        0.0,
        "Self-training",
        "Pseudo-labels: also learns from unpainted pixels of which the network itself is certain. 0: off.",
        0,
        10,
        0.1,
    ),
    Parameter(
        "freeze",
        0.0,
        "Encoder",
        "The encoder is the part of the network that reads the image. It can be left "
        "unchanged for a while, to keep what it knows of edges and textures.",
    ),
    Parameter("layer_decay", 1.0, "First layers", "The layers near the image can be set to change less."),
    Parameter(
        "intensities",
        "auto",
        "Intensities",
        "How a new model reads images. CT values (Hounsfield units) mean the same in every image, so that a dark or a "
        "bright neighborhood changes nothing. Other images are read by their own range.",
        choices=tuple(key for _, key in _INTENSITIES),
    ),
)


class Settings(TypedDict):
    """Fields of a :class:`~napari_segplugin.core.TrainSpec`."""

    balance: bool
    regulariser: float
    teacher: float
    rehearsal: float
    freeze: float
    layer_decay: float
    intensities: str
    augmentation: AugmentSpec | None


class TrainingOptions(QWidget):
    """Two folds: how it learns, and how patches are varied.

    Parameters
    ----------
    preview : callable
        Is called when someone wants to see augmented patches.
    """

    def __init__(self, preview: Callable[[], object]) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._learning())
        layout.addWidget(self._augmentation(preview))

    def _learning(self) -> Fold:
        fold = Fold(
            "Few or uneven labels",
            "learning_fold",
            "For rare classes, sparse strokes, and keeping what a trained model knows.",
        )
        lists: dict[str, Choices] = {"freeze": _FREEZE, "layer_decay": _DECAY, "intensities": _INTENSITIES}
        self.learning = ParameterForm(_LEARNING, "", lists, sliders=False)
        fold.rows.addWidget(self.learning)
        return fold

    def _augmentation(self, preview: Callable[[], object]) -> Fold:
        fold = Fold(
            "Augmentation",
            "augment_fold",
            "Training patches are varied at random, so that the network learns more from few examples.",
        )
        self.automatic = QCheckBox("Automatic (safe strength)")
        self.automatic.setChecked(True)
        describe(self.automatic, "augment_auto", "Safe strength", "Untick to set each kind of variation yourself.")
        self.strengths = ParameterForm(_STRENGTHS, "augment_", sliders=False)
        self.automatic.toggled.connect(lambda on: self.strengths.setVisible(not on))
        self.strengths.setVisible(False)
        self.picture = Picture("Augmented patches", "augment_picture")
        self.picture.hide()
        self.look = button(
            "Show examples", "augment_look", "Show patches of this image as the network will see them.", preview
        )
        for widget in (self.automatic, self.strengths, self.look, self.picture):
            fold.rows.addWidget(widget)
        return fold

    def augmentation(self) -> AugmentSpec | None:
        """The strengths that were set; None where they are chosen for the person."""
        if self.automatic.isChecked():
            return None
        strengths: dict[str, Any] = self.strengths.values()
        return replace(_USUAL, **strengths)

    def settings(self) -> Settings:
        """The fields of a :class:`~napari_segplugin.core.TrainSpec` that are set here."""
        values = self.learning.values()
        return {
            "balance": bool(values["balance"]),
            "regulariser": float(values["regulariser"]),
            "teacher": float(values["teacher"]),
            "rehearsal": 0.5 if values["rehearse"] else 0.0,
            "freeze": float(values["freeze"]),
            "layer_decay": float(values["layer_decay"]),
            "intensities": str(values["intensities"]),
            "augmentation": self.augmentation(),
        }

    def show_examples(self, picture: np.ndarray | None) -> None:
        """Show a grid of augmented patches, (Y, X, 3) of uint8."""
        self.picture.set_array(picture)
        self.picture.setVisible(picture is not None)


__all__ = ["TrainingOptions"]
