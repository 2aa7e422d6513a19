"""What unfolds under *Look for*: objects or classes, and which model or technique finds them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_segplugin.core import ClassTable, Image, Kind, ModelBundle, ModelSpec, Task, TileSpec
from napari_segplugin.core.words import plural
from napari_segplugin.data.channels import fitting
from napari_segplugin.door.window import Session
from napari_segplugin.networks import NetworkRow
from napari_segplugin.viewer.desk import Choice
from napari_segplugin.viewer.work import ImageWork, ModelKey
from napari_segplugin.widgets._parts import (
    DockPart,
    button,
    combo,
    fill_combo,
    heading,
    labelled,
    muted,
    row,
    tell,
    wrapped,
)
from napari_segplugin.widgets.class_table import ClassEditor
from napari_segplugin.widgets.classical_page import ClassicalPage
from napari_segplugin.widgets.engine import Engine
from napari_segplugin.widgets.frame.groups import ChoiceBar
from napari_segplugin.widgets.model_choice import SCRATCH, ModelMemory, Offer
from napari_segplugin.widgets.network_options import NetworkOptions
from napari_segplugin.widgets.tile_options import TileOptions

TASKS = (
    ("Objects", Task.INSTANCE, "Objects: each one by itself (instance)."),
    ("Classes", Task.SEMANTIC, "Classes: areas without telling objects apart (semantic)."),
    ("Both", Task.PANOPTIC, "Both: objects one by one and areas without gaps (panoptic)."),
)
NETWORK, CLASSICAL = "network", "classical"


class MethodStep(DockPart):
    """Task, weights, network, classes, device, and what a run will cost.

    Parameters
    ----------
    engine : Engine
    session : Session

    Signals
    -------
    changed : anything that a run depends on
    load_requested(str) : a bundle folder
    refused(str) : an edit was taken back, with the reason
    """

    changed = Signal()
    load_requested = Signal(str)
    refused = Signal(str)

    def __init__(self, engine: Engine, session: Session) -> None:
        super().__init__("Look for", "step_method")
        self._engine, self._session = engine, session
        self._image: Image | None = None
        self._readable: dict[int, bool] = {}
        self._loaded: dict[Any, ModelBundle] = {}
        self._edited: dict[tuple[Task, ModelKey], ClassTable] = {}
        self._networks: dict[Task, str] = {}
        self._memory = ModelMemory(self._models, self._reads)
        self.way_choice = ChoiceBar(
            "way_choice", "With", "A network learns from examples; a classical technique needs no training.", 2
        )
        fill_combo(self.way_choice, [("A network", NETWORK), ("A classical technique", CLASSICAL)])
        self.classical = ClassicalPage(engine.techniques(), engine.cleanups())
        self.classical.hide()
        self.task_choice = ChoiceBar(
            "task_choice", "Look for", "The kind of result: single objects, pixel classes, or both."
        )
        self.task_text = muted("", "task_text")
        for text, task, told in TASKS:
            self.task_choice.addItem(text, task)
            self.task_choice.setItemData(self.task_choice.count() - 1, told)
        self.weights_choice = combo(
            "weights_choice", "Model", "A trained model that fits this image, or an untrained one to train."
        )
        self.file_button = button("Open…", "weights_file", "Open a model folder that was saved before.", self._ask)
        self.network_choice = combo("network_choice", "Network", "The kind of network to train.")
        self.ndim_choice = combo(
            "ndim_choice", "Works in", "Volumes use the depth; planes are faster and need fewer painted examples."
        )
        fill_combo(self.ndim_choice, [("volumes (3D)", 3), ("planes (2D)", 2)])
        self.note = wrapped(name="method_note")
        self.classes = ClassEditor()
        self.device_choice = combo("device_choice", "Device", "Where to compute. Automatic uses a GPU if there is one.")
        fill_combo(self.device_choice, [("automatic", "auto"), ("CPU", "cpu")])
        self.estimate = wrapped(name="estimate")
        self.options = NetworkOptions()
        self.tile_options = TileOptions()
        self._network_row = labelled("Network", self.network_choice)
        self._ndim_row = labelled("Works in", self.ndim_choice)
        self._lay_out()
        self._connect()
        tell(self.note, "")
        tell(self.estimate, "")
        self.refresh()

    def _lay_out(self) -> None:
        network = QWidget()
        lines = QVBoxLayout(network)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(6)
        self._network = network
        for widget in (self.way_choice, network):
            self.rows.addWidget(widget)
        for widget in (
            self.task_choice,
            self.task_text,
            heading("Model"),
            row(self.weights_choice, self.file_button, stretch=(1, 0)),
            self.note,
            self._network_row,
            self._ndim_row,
            heading("Classes"),
            self.classes,
        ):
            lines.addWidget(widget)
        self.gear = QWidget()
        settings = QVBoxLayout(self.gear)
        settings.setContentsMargins(0, 0, 0, 0)
        settings.setSpacing(6)
        for widget in (labelled("Device", self.device_choice), self.tile_options, self.estimate):
            settings.addWidget(widget)
        self.tile_options.head.setChecked(True)

    def _connect(self) -> None:
        self.way_choice.currentIndexChanged.connect(lambda _: self._on_way())
        self.task_choice.currentIndexChanged.connect(lambda _: self._on_task())
        self.weights_choice.currentIndexChanged.connect(lambda _: self._on_model())
        self.network_choice.currentIndexChanged.connect(lambda _: self._on_network())
        self.options.changed.connect(self.changed)
        self.tile_options.changed.connect(self.changed)
        self.ndim_choice.currentIndexChanged.connect(lambda _: self.refresh())
        self.device_choice.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.classes.changed.connect(self._on_classes)
        self.classes.refused.connect(self.refused)

    def line(self) -> tuple[str, str]:
        """What the header says: what is looked for, and with what."""
        if self._image is None:
            return "open an image first", ""
        if self.is_classical:
            return "Objects or classes", f"{self.classical.technique.title}, classical"
        choice = self.choice()
        names = [] if choice is None else [c.name for c in choice.spec.classes if c.id]
        what = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "Objects"
        if len(names) == 1 and self.task is Task.INSTANCE:
            what = f"{plural(names[0])}, each one"
        told = "" if choice is None else "from scratch" if choice.scratch else f"with {choice.title}"
        return f"{what[:1].upper()}{what[1:]}", told

    def _on_way(self) -> None:
        self._network.setVisible(not self.is_classical)
        self.classical.setVisible(self.is_classical)
        self.changed.emit()
        self.classical.changed.emit()

    # --- what the other steps ask ---------------------------------------------------------------------------------

    @property
    def is_classical(self) -> bool:
        """Whether a classical technique is chosen, and not a network."""
        return bool(self.way_choice.currentData() == CLASSICAL)

    @property
    def task(self) -> Task:
        """The chosen task."""
        return Task(str(self.task_choice.currentData()))

    @property
    def device(self) -> str:
        """The chosen device."""
        return str(self.device_choice.currentData() or "auto")

    def tiles(self, ndim: int) -> TileSpec:
        """The tile settings for a network of `ndim` dimensions."""
        return self.tile_options.spec(ndim)

    def choice(self) -> Choice | None:
        """What is chosen; None while there is no image or no network."""
        key = self.weights_choice.currentData()
        if self._image is None or key is None:
            return None
        if key == SCRATCH:
            return self._scratch()
        spec = self._spec(key)
        classes = self._edited.get((self.task, key), spec.classes)
        spec = replace(spec, classes=classes)

        def load() -> ModelBundle:
            bundle = self._bundle(key)
            return (
                bundle
                if bundle.spec.classes == classes
                else replace(bundle, spec=replace(bundle.spec, classes=classes))
            )

        return Choice(spec, load, False, self.weights_choice.currentText())

    def _scratch(self) -> Choice | None:
        if self._image is None or self.network_choice.currentData() is None:
            return None
        ndim = int(self.ndim_choice.currentData()) if self._image.ndim == 3 else 2
        spec = ModelSpec(
            network=str(self.network_choice.currentData()),
            ndim=ndim,
            in_channels=self._image.n_channels,
            task=self.task,
            classes=self.classes.table,
            options=self.options.options(),
            head=self.options.object_head,
            spacing=self._image.canonical_spacing[-ndim:],
            unit=self._image.unit,
        )
        weights = self.options.encoder_weights
        return Choice(spec, lambda: self._engine.new_bundle(spec, "my model", weights), True, "From scratch")

    def _spec(self, key: Any) -> ModelSpec:
        kind, name = key
        return self._session.bundles[name].spec if kind == "session" else self._engine.shipped_specs()[name]

    def _bundle(self, key: Any) -> ModelBundle:
        kind, name = key
        if kind == "session":
            bundle: ModelBundle = self._session.bundles[name]
            return bundle
        if key not in self._loaded:
            self._loaded[key] = self._engine.load_model(name)
        return self._loaded[key]

    # --- filling --------------------------------------------------------------------------------------------------

    def set_image(self, image: Image | None, work: ImageWork | None = None) -> None:
        """Offer what fits this image; what was chosen on it before, or else the best fitting model, is chosen.

        Parameters
        ----------
        image : Image, optional
        work : ImageWork, optional
            The work on it, which remembers what is chosen.
        """
        self._image, self._readable = image, {}
        self.classical.set_image(image)
        self._memory.begin(image, work or ImageWork())
        if image is not None:
            self._set_task(self._memory.task(self.task, [t for _, t, _ in TASKS]))
        self.refresh()

    def look_for(self, task: Task) -> None:
        """Look for something else."""
        self.task_choice.setCurrentIndex([t for _, t, _ in TASKS].index(task))

    def set_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer the devices that were found."""
        fill_combo(self.device_choice, [("automatic", "auto"), *((title, key) for key, title in devices)])

    def show_session_bundle(self, bundle: ModelBundle) -> None:
        """Choose a bundle of the session."""
        self._take(bundle.spec.task, ("session", next(i for i, b in enumerate(self._session.bundles) if b is bundle)))

    def _take(self, task: Task, key: ModelKey) -> None:
        self._memory.took_model(task, key)
        self._set_task(task)
        self.refresh()

    def _set_task(self, task: Task) -> None:
        self.task_choice.blockSignals(True)
        self.task_choice.setCurrentIndex([t for _, t, _ in TASKS].index(task))
        self.task_choice.blockSignals(False)

    def _models(self) -> list[Offer]:
        """Every model there is, the newest of one's own first."""
        specs: list[Offer] = [(("shipped", n), n.replace("_", " "), s) for n, s in self._engine.shipped_specs().items()]
        own: list[Offer] = [(("session", i), b.name, b.spec) for i, b in enumerate(self._session.bundles)]
        return [*reversed(own), *specs]

    def refresh(self) -> None:
        """Fill the lists for the image and the task."""
        if self._image is not None:
            fitting = self._memory.fitting(self.task)
            entries = [(self._title(t, s), key) for key, t, s in fitting]
            key = self._memory.model(self.task)
            self._memory.shown(self.task, key)
            fill_combo(self.weights_choice, [*entries, ("From scratch (untrained)", SCRATCH)], key)
            left = sum(s.task is self.task for _, _, s in self._models()) - len(fitting)
            text = f"{left} more for other kinds of images (this one: {_kind(self._image)})."
            text += " Choose what a model sees under Channels, in the line Image." * (self._image.n_channels > 1)
            tell(self.note, text if left and not fitting else "")
        networks = [r for r in self._engine.networks() if self._takes(r)]
        fill_combo(self.network_choice, [(r.label, r.name) for r in networks], self._networks.get(self.task))
        for i, r in enumerate(networks):
            told = "</p><p>".join([r.summary, *self._engine.network_facts(r.name).splitlines()])
            self.network_choice.setItemData(i, f"<p>{told}</p>", 3)
        self._on_weights()

    def _takes(self, network: NetworkRow) -> bool:
        """Whether a network row can do the task, as far as the row says so."""
        return not network.tasks or str(self.task) in network.tasks

    def _reads(self, channels: int) -> bool:
        """Whether a model of so many channels can read the image, as it is or in the one way that there is."""
        image = self._image
        if image is None or image.n_channels == channels:
            return image is not None
        if channels not in self._readable:
            self._readable[channels] = fitting(image, channels).n_channels == channels
        return self._readable[channels]

    def _title(self, title: str, spec: ModelSpec) -> str:
        plane = self._image is not None and spec.ndim < self._image.ndim
        return f"{title} (plane by plane)" if plane else title

    def _on_task(self) -> None:
        self._memory.took_task(self.task)
        self.refresh()

    def _on_model(self) -> None:
        self._memory.took_model(self.task, self.weights_choice.currentData())
        self._on_weights()

    def _on_weights(self) -> None:
        key = self.weights_choice.currentData()
        scratch, both = key == SCRATCH, self.task is Task.PANOPTIC
        self.task_text.setText(next(told for _, task, told in TASKS if task is self.task))
        self._network_row.setVisible(scratch)
        self._ndim_row.setVisible(scratch and self._image is not None and self._image.ndim == 3)
        self._show_options()
        self.classes.setVisible(key is not None)
        self.weights_choice.setToolTip(f"<p>{self.weights_choice.currentText()}</p>")
        if key is not None:
            first = _first_classes(self.task) if scratch else self._spec(key).classes
            self.classes.set_table(self._edited.get((self.task, key), first), fixed=not scratch, kinds=both)
        self.changed.emit()

    def _on_network(self) -> None:
        self._networks[self.task] = str(self.network_choice.currentData())
        self._show_options()
        self.changed.emit()

    def _show_options(self) -> None:
        """The options of the network, where one is trained from scratch."""
        name = self.network_choice.currentData()
        scratch = self.weights_choice.currentData() == SCRATCH and name is not None
        self.options.set_network(self._engine.networks()[str(name)] if scratch else None, self.task)

    def prefer(self, name: str) -> None:
        """Choose a shipped model by its name, if there is one and it fits the image."""
        spec = self._engine.shipped_specs().get(name)
        if spec is not None and any(key == ("shipped", name) for key, _, _ in self._memory.fitting(spec.task)):
            self._take(spec.task, ("shipped", name))

    def _on_classes(self) -> None:
        self._edited[self.task, self.weights_choice.currentData()] = self.classes.table
        self.changed.emit()

    def _ask(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a model folder", str(Path.home()))
        if path:
            self.load_requested.emit(path)


def _first_classes(task: Task) -> ClassTable:
    """Classes to begin with."""
    if task is Task.SEMANTIC:
        return ClassTable.named(["foreground"], Kind.STUFF)
    if task is Task.INSTANCE:
        return ClassTable.named(["object"])
    both = ClassTable.named(["object", "region"])
    return ClassTable((both[0], both[1], replace(both[2], kind=Kind.STUFF)))


def _kind(image: Image) -> str:
    channels = "one channel" if image.n_channels == 1 else f"{image.n_channels} channels"
    return f"{image.ndim}D, {channels}"
