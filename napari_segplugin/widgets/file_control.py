"""Opening images, samples and model folders without stopping the window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segplugin.viewer.layers import LayerData, image_to_layer, layer_to_image
from napari_segplugin.viewer.light import make_ready
from napari_segplugin.viewer.readers import asking, images_of, layers_of, question
from napari_segplugin.viewer.sample_data import sample_layers
from napari_segplugin.widgets.choose_image import choose
from napari_segplugin.widgets.source_control import SourceControl

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_segplugin.core import ModelBundle
    from napari_segplugin.door.window import Session
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.step_image import ImageStep
    from napari_segplugin.widgets.step_method import MethodStep


class FileControl:
    """Reading for the dock.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    session : Session
    image_step : ImageStep
    method_step : MethodStep
    """

    def __init__(
        self,
        desk: Desk,
        jobs: Jobs,
        engine: Engine,
        session: Session,
        image_step: ImageStep,
        method_step: MethodStep,
    ) -> None:
        self._desk, self._jobs, self._engine, self._session = desk, jobs, engine, session
        self._image_step, self._method_step = image_step, method_step
        self.sources = SourceControl(desk, jobs, engine, image_step)
        image_step.channels.join_requested.connect(self.join)
        if choose not in asking:
            asking.append(choose)
        self._jobs.beside("napari", make_ready, lambda _: None, lambda _: None)

    def open_image(self, path: str) -> None:
        """Read a file or folder in a worker and add what it is: an image, its labels, or a result; ask where it has several."""
        desk = self._desk
        desk.say(f"Reading {Path(path).name} …")

        def listed(images: list[tuple[str, str]]) -> None:
            if len(images) < 2:
                self._open(path)
                return
            answer = choose(*question(path, images), parent=self._image_step)
            if answer is None:
                desk.hush()
            else:
                self._open(path, images[answer][0])

        self._jobs.beside(f"look into {path}", lambda: images_of(path), listed)

    def _open(self, path: str, field: str = "") -> None:
        desk, engine = self._desk, self._engine

        def work() -> list[LayerData]:
            return layers_of(path, field, read_image=engine.read_image, is_result=engine.is_result)

        def done(layers: list[LayerData]) -> None:
            desk.hush()
            self._add(layers)

        self._jobs.beside(f"open {path} {field}", work, done)

    def join(self, layers: list[ImageLayer]) -> None:
        """Make one image of several layers, each a channel."""
        desk, engine = self._desk, self._engine
        if len(layers) < 2:
            desk.say("Select two or more image layers in the list (Ctrl+click), then join them.")
            return

        def work() -> list[LayerData]:
            joined = engine.join([layer_to_image(layer) for layer in layers])
            whole = np.asarray(joined.array[(slice(None),) * len(joined.axes)])
            return [image_to_layer(replace(joined, array=whole))]

        self._jobs.beside("join", work, self._add)

    def open_sample(self, name: str) -> None:
        """Add a sample image and, hidden, its ground truth, and choose the model of the same name."""
        engine = self._engine

        def done(layers: list[LayerData]) -> None:
            self._add(layers)
            self._method_step.prefer(name)

        self._jobs.beside(f"sample {name}", lambda: sample_layers(engine.sample(name)), done)

    def open_bundle(self, path: str) -> None:
        """Read a model folder."""
        desk, engine = self._desk, self._engine

        def done(bundle: ModelBundle) -> None:
            self._session.add(bundle)
            desk.say(f"The model “{bundle.name}” is ready.")

        self._jobs.beside(f"bundle {path}", lambda: engine.load_model(path), done)

    def save_bundle(self, path: str) -> None:
        """Write the model in use."""
        desk, engine, choice = self._desk, self._engine, self._desk.choice()
        if choice is None:
            return

        def work() -> tuple[Path, int]:
            bundle = choice.load()
            return engine.save_model(bundle, path), len(bundle.exemplars or ())

        def done(saved: tuple[Path, int]) -> None:
            folder, pieces = saved
            more = (
                f" It contains {pieces} small pieces of the images that it learnt from (exemplars.npz): delete that "
                f"file before you pass the model on if the images must not be seen."
            )
            desk.say(f"Saved the model in {folder}.{more if pieces else ''}")

        self._jobs.beside("save model", work, done)

    def _add(self, layers: list[LayerData]) -> None:
        from napari.layers import Image, Layer

        image: ImageLayer | None = None
        for data, kwargs, kind in layers:
            more: dict[str, Any] = dict(kwargs)
            locked = more.pop("locked", None)
            layer = Layer.create(data, more, kind)
            if locked is not None and hasattr(layer, "locked"):
                layer.locked = locked
            self._desk.viewer.add_layer(layer)
            image = layer if isinstance(layer, Image) else image
        if image is not None:
            self._desk.viewer.layers.selection.active = image
            self._image_step.refresh()
            self._image_step.choose(image)
