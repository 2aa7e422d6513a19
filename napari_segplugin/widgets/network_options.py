"""Options of an untrained network: only those that a person can judge, built from its registry row."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QWidget

from napari_segplugin.core import Task
from napari_segplugin.core.types import JsonDict
from napari_segplugin.networks import NetworkRow
from napari_segplugin.tasks import HEADS
from napari_segplugin.widgets._parts import Fold, button, combo, describe, fill_combo, labelled, row

_SWITCHES = {
    "deep_supervision": (
        "Deep supervision",
        "Lower levels are also trained directly: helps deep networks to learn from the start.",
    ),
    "residual": ("Residual blocks", "Each block adds to its input: makes deep networks easier to train."),
    "attention": ("Attention gates", "Passes on only the relevant details: helps with cluttered images."),
}
_LISTS = {
    "encoder": (
        "Encoder",
        "The part of the network that reads the image. ResNets are larger and can start from weights learnt on "
        "photographs.",
        (("small", "plain"), ("ResNet-18", "resnet18"), ("ResNet-34", "resnet34"), ("ResNet-50", "resnet50")),
    ),
    "head": (
        "Context",
        "How the network uses wide surroundings: not at all (FCN), by averaging windows (PSP), or by spread-out "
        "filters (ASPP).",
        (("FCN", "fcn"), ("PSP", "psp"), ("ASPP", "aspp")),
    ),
}
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
        self.switches: dict[str, QCheckBox] = {}
        for name, (title, tip) in _SWITCHES.items():
            box = QCheckBox(title)
            describe(box, f"option_{name}", title, tip)
            box.toggled.connect(lambda _: self.changed.emit())
            self.switches[name] = box
            self.rows.addWidget(box)
        self.lists: dict[str, QComboBox] = {}
        self._lines: dict[str, QWidget] = {}
        for name, (title, tip, entries) in _LISTS.items():
            self._add_list(name, title, tip, entries)
        heads = tuple((r.label, r.name) for r in HEADS)
        tip = "<br>".join(f"<b>{r.label}</b>: {r.summary}" for r in HEADS)
        self._add_list("objects", "Objects by", tip, heads)
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

    def _add_list(self, name: str, title: str, tip: str, entries: Sequence[tuple[str, str]]) -> None:
        box = combo(f"option_{name}", title, tip)
        fill_combo(box, list(entries))
        box.currentIndexChanged.connect(lambda _: self._on_list())
        self.lists[name], self._lines[name] = box, labelled(title, box)
        self.rows.addWidget(self._lines[name])

    def _on_list(self) -> None:
        self._show_weights()
        self.changed.emit()

    def set_network(self, network: NetworkRow | None, task: Task) -> None:
        """Show what this network has; nothing of it hides the fold."""
        self._row = network
        options = {} if network is None else network.options
        for name, box in self.switches.items():
            box.setVisible(name in options)
        for name, line in self._lines.items():
            line.setVisible(name in options)
        detector = network is not None and network.family == "detector"
        objects = network is not None and task is not Task.SEMANTIC and not detector
        self._lines["objects"].setVisible(objects)
        self._objects = objects
        self._show_weights()
        self.setVisible(objects or any(n in options for n in (*_SWITCHES, *_LISTS)))

    def _show_weights(self) -> None:
        named = self._row is not None and "encoder" in self._row.options
        self._weights_line.setVisible(named and str(self.lists["encoder"].currentData()).startswith("resnet"))

    def options(self) -> JsonDict:
        """What differs from the defaults of the network."""
        if self._row is None:
            return {}
        chosen: JsonDict = {n: box.isChecked() for n, box in self.switches.items()}
        chosen |= {n: str(box.currentData()) for n, box in self.lists.items() if n != "objects"}
        return {n: v for n, v in chosen.items() if n in self._row.options and v != self._row.options[n]}

    @property
    def object_head(self) -> str:
        """How objects are written as maps; empty is the default of the task."""
        if self._row is None or not self._objects:
            return ""
        chosen = str(self.lists["objects"].currentData())
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


__all__ = ["NetworkOptions"]
