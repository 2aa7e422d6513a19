"""Opening images, samples and model folders without stopping the window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_segplugin.viewer.layers import LayerData, image_to_layer, layer_to_image
from napari_segplugin.viewer.light import make_ready
from napari_segplugin.viewer.readers import asking, images_of, layers_of, question
from napari_segplugin.viewer.sample_data import sample_layers
from napari_segplugin.widgets.choose_image import choose
from napari_segplugin.widgets.source_control import SourceControl


class FileControl:
    """Reading for the dock.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self.sources = SourceControl(dock)
        dock.image_step.channels.join_requested.connect(self.join)
        if choose not in asking:
            asking.append(choose)
        dock.background.run("napari", make_ready, lambda _: None, lambda _: None)

    def open_image(self, path: str) -> None:
        """Read a file or folder in a worker and add what it is: an image, its labels, or a result; ask where it has several."""
        dock = self._dock
        dock.say(f"Reading {Path(path).name} …")

        def listed(images: Any) -> None:
            if len(images) < 2:
                self._open(path)
                return
            answer = choose(*question(path, images), parent=dock)
            if answer is None:
                dock.messages.clear()
            else:
                self._open(path, images[answer][0])

        dock.background.run(f"look into {path}", lambda: images_of(path), listed, dock.fail)

    def _open(self, path: str, field: str = "") -> None:
        dock, engine = self._dock, self._dock.engine

        def work() -> Any:
            return layers_of(path, field, read_image=engine.read_image, is_result=engine.is_result)

        def done(layers: Any) -> None:
            dock.messages.clear()
            self._add(layers)

        dock.background.run(f"open {path} {field}", work, done, dock.fail)

    def join(self, layers: list[Any]) -> None:
        """Make one image of several layers, each a channel."""
        dock, engine = self._dock, self._dock.engine
        if len(layers) < 2:
            dock.say("Select two or more image layers in the list (Ctrl+click), then join them.")
            return

        def work() -> Any:
            joined = engine.join([layer_to_image(layer) for layer in layers])
            whole = np.asarray(joined.array[(slice(None),) * len(joined.axes)])
            return [image_to_layer(replace(joined, array=whole))]

        dock.background.run("join", work, self._add, dock.fail)

    def open_sample(self, name: str) -> None:
        """Add a sample image and, hidden, its ground truth, and choose the model of the same name."""
        dock, engine = self._dock, self._dock.engine

        def done(layers: Any) -> None:
            self._add(layers)
            dock.method_step.prefer(name)

        dock.background.run(f"sample {name}", lambda: sample_layers(engine.sample(name)), done, dock.fail)

    def open_bundle(self, path: str) -> None:
        """Read a model folder."""
        dock, engine = self._dock, self._dock.engine

        def done(bundle: Any) -> None:
            dock.session.add(bundle)
            dock.say(f"The model “{bundle.name}” is ready.")

        dock.background.run(f"bundle {path}", lambda: engine.load_model(path), done, dock.fail)

    def save_bundle(self, path: str) -> None:
        """Write the model in use."""
        dock, engine, choice = self._dock, self._dock.engine, self._dock.method_step.choice()
        if choice is None:
            return

        def work() -> tuple[Any, int]:
            bundle = choice.load()
            return engine.save_model(bundle, path), len(bundle.exemplars or ())

        def done(saved: tuple[Any, int]) -> None:
            folder, pieces = saved
            more = (
                f" It contains {pieces} small pieces of the images that it learnt from (exemplars.npz): delete that "
                f"file before you pass the model on if the images must not be seen."
            )
            dock.say(f"Saved the model in {folder}.{more if pieces else ''}")

        dock.background.run("save model", work, done, dock.fail)

    def _add(self, layers: list[LayerData]) -> None:
        from napari.layers import Layer

        image = None
        for data, kwargs, kind in layers:
            more: dict[str, Any] = dict(kwargs)
            locked = more.pop("locked", None)
            layer = Layer.create(data, more, kind)
            if locked is not None and hasattr(layer, "locked"):
                layer.locked = locked
            self._dock.viewer.add_layer(layer)
            image = layer if kind == "image" else image
        if image is not None:
            self._dock.viewer.layers.selection.active = image
            self._dock.image_step.refresh()
            self._dock.image_step.choose(image)
