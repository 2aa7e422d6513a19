"""Options of an untrained network: only those that a person can judge, built from its registry row."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_segplugin.core import Parameter, Task
from napari_segplugin.core.types import JsonDict
from napari_segplugin.networks import NetworkRow
from napari_segplugin.tasks import HEADS
from napari_segplugin.widgets._parts import Fold, button, row
from napari_segplugin.widgets.parameter_form import ParameterForm

_ENCODERS = (("small", "plain"), ("ResNet-18", "resnet18"), ("ResNet-34", "resnet34"), ("ResNet-50", "resnet50"))
_CONTEXTS = (("FCN", "fcn"), ("PSP", "psp"), ("ASPP", "aspp"))
_SETTINGS = (
    Parameter(
        "deep_supervision",
        False,
        help="Lower levels are also trained directly: helps deep networks to learn from the start.",
    ),
    Parameter(
        "residual",
        False,
        "Residual blocks",
        "Each block adds to its input: makes deep networks easier to train.",
    ),
    Parameter(
        "attention",
        False,
        "Attention gates",
        "Passes on only the relevant details: helps with cluttered images.",
    ),
    Parameter(
        "encoder",
        "plain",
        help="The part of the network that reads the image. ResNets are larger and can start from weights learnt on "
        "photographs.",
        choices=tuple(key for _, key in _ENCODERS),
    ),
    Parameter(
        "head",
        "fcn",
        "Context",
        "How the network uses wide surroundings: not at all (FCN), by averaging windows (PSP), or by spread-out "
        "filters (ASPP).",
        choices=tuple(key for _, key in _CONTEXTS),
    ),
)
PRETRAINED_WIDTH = 64
"""First width of the ResNets for which there are weights."""


class NetworkOptions(Fold):
    """A fold of switches and lists; what the network does not have is hidden."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(
            "Network options", "network_options", "Variants of the network. The defaults are a good choice."
        )
        self._row: NetworkRow | None = None
        self._objects = False
        heads = [(r.label, r.name) for r in HEADS]
        choices = {"encoder": _ENCODERS, "head": _CONTEXTS, "objects": heads}
        self.form = ParameterForm((*_SETTINGS, _objects()), "option_", choices)
        self.form.changed.connect(self._on_form)
        self.rows.addWidget(self.form)
        self.weights_path = ""
        self.weights_button = button(
            "Start from ImageNet weights…",
            "encoder_weights",
            "A file with weights of the ResNet (.safetensors or .pth, named as in torchvision). Press Cancel in the "
            "dialog to start from random weights.",
            self._ask,
        )
        self._weights_line = row(self.weights_button, stretch=(1,))
        self.rows.addWidget(self._weights_line)

    def _on_form(self) -> None:
        self._show_weights()
        self.changed.emit()

    def set_network(self, network: NetworkRow | None, task: Task) -> None:
        """Show what this network has; nothing of it hides the fold."""
        self._row = network
        options = {} if network is None else network.options
        for name, line in self.form.lines.items():
            line.setVisible(name in options)
        detector = network is not None and network.family == "detector"
        objects = network is not None and task is not Task.SEMANTIC and not detector
        self.form.lines["objects"].setVisible(objects)
        self._objects = objects
        self._show_weights()
        self.setVisible(objects or any(n in options for n in self.form.fields))

    def _show_weights(self) -> None:
        named = self._row is not None and "encoder" in self._row.options
        self._weights_line.setVisible(named and str(self.form.fields["encoder"].value).startswith("resnet"))

    def options(self) -> JsonDict:
        """What differs from the defaults of the network."""
        if self._row is None:
            return {}
        usual = self._row.options
        return {n: v for n, v in self.form.values().items() if n in usual and v != usual[n]}

    @property
    def object_head(self) -> str:
        """How objects are written as maps; empty is the default of the task."""
        if self._row is None or not self._objects:
            return ""
        chosen = str(self.form.fields["objects"].value)
        return "" if chosen == HEADS.names()[0] else chosen

    @property
    def encoder_weights(self) -> str:
        """A file to start the encoder from; empty for random weights."""
        return self.weights_path if not self._weights_line.isHidden() else ""

    def _ask(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Weights of the encoder", "", "Weights (*.safetensors *.pth *.pt)")
        self.weights_path = path
        name = path.replace("\\", "/").rsplit("/", 1)[-1]
        self.weights_button.setText(f"Starts from {name}" if path else "Start from ImageNet weights…")
        self.changed.emit()


def _objects() -> Parameter:
    """How objects are written as maps, also in ways of other packages."""
    tip = "<br>".join(f"<b>{r.label}</b>: {r.summary}" for r in HEADS)
    return Parameter("objects", HEADS.names()[0], "Objects by", tip, choices=tuple(HEADS.names()))


__all__ = ["NetworkOptions"]
