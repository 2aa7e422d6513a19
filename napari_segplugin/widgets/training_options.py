"""How a training goes beyond loss and time: balance, few labels, transfer, augmentation. Folded away, with safe defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QVBoxLayout, QWidget

from napari_segplugin.core import AugmentSpec
from napari_segplugin.widgets._parts import Fold, button, combo, describe, fill_combo, labelled
from napari_segplugin.widgets._pictures import Picture

_STRENGTHS = (
    (
        "angle",
        "Turn up to",
        0.0,
        180.0,
        5.0,
        "Largest angle in degrees. Choose a small one if up and down have a meaning.",
    ),
    ("scale", "Zoom up to", 1.0, 4.0, 0.05, "Patches are enlarged or reduced by up to this factor. 1: off."),
    (
        "contrast",
        "Contrast",
        0.0,
        1.0,
        0.05,
        "Random gamma, contrast and brightness. High values make outlines less precise.",
    ),
    ("noise", "Noise", 0.0, 0.5, 0.01, "Added noise, as a fraction of the intensity range."),
    ("blur", "Blur", 0.0, 5.0, 0.25, "A third of the patches is blurred by up to this many pixels."),
    ("elastic", "Elastic", 0.0, 30.0, 1.0, "Patches are deformed by up to this many pixels."),
    (
        "downsample",
        "Coarser up to",
        1.0,
        8.0,
        0.25,
        "A third of the patches is shown at a coarser resolution, down to this factor. 1: off.",
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
        self.balance = QCheckBox("Balance classes")
        describe(
            self.balance,
            "balance",
            "Balance classes",
            "Rare classes are shown as often as common ones and count more in the loss.",
        )
        self.regulariser = _spin(0.0, 10.0, 0.1, 0.0)
        describe(
            self.regulariser,
            "regulariser",
            "Spread strokes",
            "Extends sparse strokes to neighbours that look alike. 0: off; 0.5 is a good start.",
        )
        self.teacher = _spin(0.0, 10.0, 0.1, 0.0)
        describe(
            self.teacher,
            "teacher",
            "Self-training (pseudo-labels)",
            "Also learns from unpainted pixels of which the network itself is certain. 0: off.",
        )
        self.rehearse = QCheckBox("Keep what the model knows")
        self.rehearse.setChecked(True)
        describe(
            self.rehearse,
            "rehearse",
            "Keep what the model knows",
            "Half of the training patches are pieces of images that the model learnt from before, so that it does "
            "not forget them. Untick if all your images look like this one.",
        )
        self.freeze = combo(
            "freeze",
            "Encoder",
            "The encoder is the part of the network that reads the image. It can be left "
            "unchanged for a while, to keep what it knows of edges and textures.",
        )
        fill_combo(
            self.freeze, [("trained from the start", 0.0), ("unchanged for the first third", 1 / 3), ("unchanged", 1.0)]
        )
        self.decay = combo("layer_decay", "First layers", "The layers near the image can be set to change less.")
        fill_combo(self.decay, [("learn like the others", 1.0), ("learn slower", 0.8), ("learn much slower", 0.6)])
        self._intensities()
        for widget in (
            self.balance,
            self.rehearse,
            labelled("Spread strokes", self.regulariser),
            labelled("Self-training", self.teacher),
            labelled("Encoder", self.freeze),
            labelled("First layers", self.decay),
            labelled("Intensities", self.intensities),
        ):
            fold.rows.addWidget(widget)
        return fold

    def _intensities(self) -> None:
        """How a new model reads images."""
        self.intensities = combo(
            "intensities",
            "Intensities",
            "How a new model reads images. CT values (Hounsfield units) mean the same in every image, so that a dark or a "
            "bright neighborhood changes nothing. Other images are read by their own range.",
        )
        fill_combo(
            self.intensities, [("as the images suggest", "auto"), ("CT values", "ct"), ("range of each image", "image")]
        )

    def _augmentation(self, preview: Callable[[], object]) -> Fold:
        fold = Fold(
            "Augmentation",
            "augment_fold",
            "Training patches are varied at random, so that the network learns more from few examples.",
        )
        self.automatic = QCheckBox("Automatic (safe strength)")
        self.automatic.setChecked(True)
        describe(self.automatic, "augment_auto", "Safe strength", "Untick to set each kind of variation yourself.")
        self.strengths = QWidget()
        rows = QVBoxLayout(self.strengths)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(4)
        self.rotate, self.flip = QCheckBox("Rotate"), QCheckBox("Mirror along any axis")
        start = AugmentSpec()
        for box, name, on in ((self.rotate, "rotate", start.rotate), (self.flip, "flip", start.flip)):
            box.setChecked(on)
            describe(
                box,
                f"augment_{name}",
                box.text(),
                "Untick if up and down, or left and right, have a meaning.",
            )
            rows.addWidget(box)
        self.spins: dict[str, QDoubleSpinBox] = {}
        for name, title, low, high, step, tip in _STRENGTHS:
            spin = _spin(low, high, step, getattr(start, name))
            describe(spin, f"augment_{name}", title, tip)
            self.spins[name] = spin
            rows.addWidget(labelled(title, spin))
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
        values: dict[str, Any] = {name: float(spin.value()) for name, spin in self.spins.items()}
        return replace(AugmentSpec(), rotate=self.rotate.isChecked(), flip=self.flip.isChecked(), **values)

    def settings(self) -> Settings:
        """The fields of a :class:`~napari_segplugin.core.TrainSpec` that are set here."""
        return {
            "balance": self.balance.isChecked(),
            "regulariser": float(self.regulariser.value()),
            "teacher": float(self.teacher.value()),
            "rehearsal": 0.5 if self.rehearse.isChecked() else 0.0,
            "freeze": float(self.freeze.currentData()),
            "layer_decay": float(self.decay.currentData()),
            "intensities": str(self.intensities.currentData()),
            "augmentation": self.augmentation(),
        }

    def show_examples(self, picture: np.ndarray | None) -> None:
        """Show a grid of augmented patches, (Y, X, 3) of uint8."""
        self.picture.set_array(picture)
        self.picture.setVisible(picture is not None)


def _spin(low: float, high: float, step: float, value: float) -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(low, high)
    spin.setSingleStep(step)
    spin.setDecimals(2)
    spin.setKeyboardTracking(False)
    spin.setValue(value)
    return spin


__all__ = ["TrainingOptions"]
