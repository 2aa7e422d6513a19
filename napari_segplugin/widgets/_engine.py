"""The one door between the dock and everything that computes; tests put another engine behind it.

Every import is inside a method: opening the dock must not import torch.
"""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segplugin.core import (
    AugmentSpec,
    ClassicalRecipe,
    ClassTable,
    Image,
    InputError,
    Job,
    ModelBundle,
    ModelSpec,
    Registry,
    Segmentation,
    Task,
    TileSpec,
    TrainSpec,
    drain,
    model_spec_from_json,
)
from napari_segplugin.viewer.corrections import PaintCopy

if TYPE_CHECKING:
    from napari_segplugin.classical import CleanupRow, TechniqueRow
    from napari_segplugin.data.corrections import Corrections
    from napari_segplugin.losses import LossRow
    from napari_segplugin.networks import NetworkRow


LIVE_VOXELS = 200_000
"""Voxels that are looked at while somebody paints: few enough for an answer within a second of the stroke."""


class Engine:
    """What the dock can ask for. Methods that compute import torch and are called in a worker."""

    def __init__(self) -> None:
        self._specs: dict[str, ModelSpec] | None = None
        self._previewer: Any = None

    # --- cheap: may be called on the GUI thread -----------------------------------------------------------------

    def networks(self) -> Registry[NetworkRow]:
        """The registry of networks."""
        from napari_segplugin.networks import NETWORKS

        return NETWORKS

    def network_facts(self, name: str) -> str:
        """What was measured of a network, a line each."""
        from napari_segplugin.networks.facts import facts

        return facts(name)

    def losses(self) -> Registry[LossRow]:
        """The registry of losses."""
        from napari_segplugin.losses import LOSSES

        return LOSSES

    def shipped_bundles(self) -> dict[str, Path]:
        """Name and folder of the bundles that come with the package."""
        from napari_segplugin.io import shipped_bundles

        return shipped_bundles()

    def shipped_specs(self) -> dict[str, ModelSpec]:
        """What each shipped bundle can do, without reading its weights."""
        if self._specs is None:
            texts = {n: (p / "spec.json").read_text(encoding="utf-8") for n, p in self.shipped_bundles().items()}
            self._specs = {name: model_spec_from_json(json.loads(text)["spec"]) for name, text in texts.items()}
        return self._specs

    def techniques(self) -> Registry[TechniqueRow]:
        """The registry of classical techniques."""
        from napari_segplugin.classical import TECHNIQUES

        return TECHNIQUES

    def cleanups(self) -> Registry[CleanupRow]:
        """The registry of clean-up steps."""
        from napari_segplugin.classical import CLEANUPS

        return CLEANUPS

    def shipped_recipes(self) -> dict[str, ClassicalRecipe]:
        """Classical recipes that come with the package, by name."""
        from napari_segplugin.io import shipped_recipes

        return {name: self.load_recipe(name) for name in shipped_recipes()}

    def load_recipe(self, source: str) -> ClassicalRecipe:
        """A classical recipe from a file, or by the name of one that comes with the package."""
        from napari_segplugin.io import load_recipe

        return load_recipe(source)

    def save_recipe(self, recipe: ClassicalRecipe, path: str) -> Path:
        """Write a classical recipe."""
        from napari_segplugin.io import save_recipe

        return save_recipe(recipe, path)

    def sample_names(self) -> tuple[str, ...]:
        """Names of the sample images."""
        from napari_segplugin.io import sample_names

        return tuple(sample_names())

    # --- files: in a worker -------------------------------------------------------------------------------------

    def load_bundle(self, folder: str | Path) -> ModelBundle:
        """Read a bundle."""
        from napari_segplugin.io import load_bundle

        return load_bundle(folder)

    def save_bundle(self, bundle: ModelBundle, folder: str | Path) -> Path:
        """Write a bundle."""
        from napari_segplugin.io import save_bundle

        return save_bundle(bundle, folder)

    def read_image(self, path: str | Path) -> Image:
        """Read an image file or folder."""
        from napari_segplugin.io import read_image

        return read_image(path)

    def load_sample(self, name: str) -> dict[str, Any]:
        """A sample image with its truth."""
        from napari_segplugin.io import load_sample

        return load_sample(name)

    def write_segmentation(self, segmentation: Segmentation, path: str | Path) -> list[Path]:
        """Write a result with its recipe, and the measurements of its objects."""
        from napari_segplugin.engine.export import export

        return export(segmentation, path)

    # --- no torch, in a worker ----------------------------------------------------------------------------------

    def classical(
        self, image: Image, recipe: ClassicalRecipe, region: Any, seeds: Any = None, box: Any = None
    ) -> Job[Segmentation]:
        """Segment by a technique and clean-up steps."""
        from napari_segplugin.engine.classical.segment import segment

        return segment(image, recipe, region=region, seeds=seeds, box=box)

    def companion(self, image: Image, recipe: ClassicalRecipe) -> Any:
        """What a technique shows beside its labels."""
        from napari_segplugin.engine.classical.pictures import companion

        return companion(image, recipe)

    def classical_live(
        self, image: Image, recipe: ClassicalRecipe, region: Any, seeds: Any = None, box: Any = None
    ) -> tuple[Any, tuple[int, ...], str]:
        """Labels of the visible plane, their first voxel, and a sentence on how they were made."""
        import numpy as np

        from napari_segplugin.engine.classical.preview import Previewer

        if self._previewer is None or self._previewer.image.array is not image.array:
            self._previewer = Previewer(image)
        spans = [slice(*s.indices(n)[:2]) for s, n in zip(region, image.spatial_shape, strict=True)]
        if len(spans) == 3 and spans[0].stop - spans[0].start > 1:
            raise InputError(
                "The live picture shows planes along Z.",
                hint="Turn the view so that the slider moves along Z, or press Run",
            )
        plane = spans[0].start if len(spans) == 3 else 0
        found = self._previewer.run(recipe, plane=plane, region=tuple(spans[-2:]), seeds=seeds, box=box)
        labels = np.repeat(np.repeat(found.labels, found.factor, 0), found.factor, 1)
        labels = labels[: spans[-2].stop - spans[-2].start, : spans[-1].stop - spans[-1].start]
        return (
            labels.reshape(*(1,) * (len(spans) - 2), *labels.shape),
            tuple(s.start for s in spans),
            " ".join(found.notes),
        )

    def track(self, segmentation: Segmentation, settings: dict[str, Any], before: Any = None) -> Job[Any]:
        """Link the objects of a time series; see :func:`napari_segplugin.engine.track.track.track`."""
        from napari_segplugin.engine.track.track import TrackSpec, track

        return track(segmentation, TrackSpec(**settings), before=before)

    def histogram(self, image: Image, channel: int) -> tuple[Any, float, float]:
        """Counts of equal bins, and the two ends."""
        from napari_segplugin.engine.classical.histogram import histogram

        return histogram(image, channel)

    # --- torch: in a worker -------------------------------------------------------------------------------------

    def available_devices(self) -> list[tuple[str, str]]:
        """(key, title) of each device."""
        from napari_segplugin.engine.device import available_devices

        return available_devices()

    def new_bundle(self, spec: ModelSpec, name: str, encoder_weights: str = "") -> ModelBundle:
        """A network with random weights, or with an encoder that is trained already."""
        from napari_segplugin.engine.train.train import new_bundle

        return new_bundle(spec, name=name, encoder_weights=encoder_weights)

    def estimate(
        self, image: Image, bundle: ModelBundle, tiles: TileSpec, device: str, region: tuple[slice, ...] | None
    ) -> Any:
        """Tiles, memory and seconds of a prediction."""
        from napari_segplugin.engine.predict.estimate import estimate

        return estimate(image, bundle, tiles=tiles, device=device, region=region)

    def predict(
        self, image: Image, bundle: ModelBundle, tiles: TileSpec, device: str, region: tuple[slice, ...] | None
    ) -> Job[Segmentation]:
        """Segment an image or a region of it."""
        from napari_segplugin.engine.predict.predict import predict

        return predict(image, bundle, tiles=tiles, device=device, region=region)

    def predict_to_file(self, image: Image, bundle: ModelBundle, tiles: TileSpec, device: str, path: str) -> Job[Any]:
        """Segment an image of any size into a file, and open that."""
        from napari_segplugin.engine.predict.to_file import predict_to_file
        from napari_segplugin.io import read_image
        from napari_segplugin.viewer.layers import features_of

        found, files = yield from predict_to_file(image, bundle, path, tiles=tiles, device=device)
        opened = replace(found, labels=read_image(files[0]).array)
        return opened, features_of(opened), files

    def edge_map(
        self, image: Image, bundle: ModelBundle, tiles: TileSpec, device: str, region: tuple[slice, ...] | None
    ) -> Job[Image]:
        """Where a network sees edges."""
        from napari_segplugin.engine.predict.edge_map import edge_map

        return edge_map(image, bundle, tiles=tiles, device=device, region=region)

    def instant(
        self,
        image: Image,
        paint: PaintCopy,
        task: Task,
        classes: ClassTable,
        region: Any,
        forest: Any = None,
        *,
        most: int = 0,
        nearby: bool = False,
    ) -> Job[Any]:
        """Answer strokes by a random forest."""
        from napari_segplugin.engine.instant import instant

        given = _corrections(paint)
        return instant(image, given, task, classes, region=region, forest=forest, most=most, one_thing=nearby)

    def instant_now(
        self,
        image: Image,
        paint: PaintCopy,
        task: Task,
        classes: ClassTable,
        region: Any,
        forest: Any,
        *,
        nearby: bool = False,
    ) -> Any:
        """The same at once."""
        return drain(self.instant(image, paint, task, classes, region, forest, most=LIVE_VOXELS, nearby=nearby))

    def pixel_forest(self, image: Image) -> Any:
        """A random forest for an image, whose features every stroke can use; cheap, nothing is computed yet."""
        from napari_segplugin.engine.instant import PixelForest

        return PixelForest(image)

    def examples(self, image: Image, augmentation: AugmentSpec) -> Any:
        """A picture of augmented patches."""
        from napari_segplugin.engine.train.examples import augmented_patches

        return augmented_patches(image, augmentation)

    def finetune(
        self,
        image: Image,
        paint: PaintCopy,
        bundle: ModelBundle,
        spec: TrainSpec,
        stop: threading.Event,
        preview: tuple[slice, ...] | None,
    ) -> Job[Any]:
        """Train a copy of a bundle on corrections."""
        from napari_segplugin.engine.train.finetune import finetune

        return finetune(image, _corrections(paint), bundle, spec, stop=stop, preview=preview)

    def train_folder(
        self, folder: str, bundle: ModelBundle, spec: TrainSpec, stop: threading.Event, keep: Path
    ) -> Job[Any]:
        """Train a copy of a bundle on the images of a folder."""
        from napari_segplugin.engine.train.folder import train_folder

        return train_folder(folder, bundle, spec, stop=stop, keep=keep)

    def propose(
        self,
        image: Image,
        bundle: ModelBundle,
        region: tuple[slice, ...],
        point: tuple[int, ...] | None,
        box: tuple[slice, ...] | None,
        free: Any,
        device: str,
    ) -> list[Any]:
        """Masks for the object at a click or in a box."""
        from napari_segplugin.engine.predict.propose import propose

        return propose(image, bundle, region, point=point, box=box, free=free, device=device)


def _corrections(paint: PaintCopy) -> Corrections:
    from napari_segplugin.data.corrections import Corrections

    return Corrections(
        paint.paint,
        reviewed=paint.reviewed,
        edited=paint.edited,
        before=paint.before,
        object_class=paint.object_class,
        accepted=paint.accepted,
        points=paint.points,
        boxes=paint.boxes,
        nothing=paint.nothing,
        point_class=paint.point_class,
        box_class=paint.box_class,
    )
