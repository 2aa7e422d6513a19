"""What the dock asks of an engine. The real one is :mod:`napari_segplugin.door.window`; tests hand in another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_segplugin.core import (
    AugmentSpec,
    ClassicalRecipe,
    ClassTable,
    FileState,
    Image,
    Job,
    LossSpec,
    ModelBundle,
    ModelSpec,
    Region,
    Registry,
    Segmentation,
    Task,
    TileSpec,
    TrainSpec,
)

if TYPE_CHECKING:
    from napari_segplugin.classical.row import CleanupRow, TechniqueRow
    from napari_segplugin.data.corrections import Corrections
    from napari_segplugin.data.drawn import Outline
    from napari_segplugin.door.window import (
        DoctorReport,
        Estimate,
        FineTuneResult,
        ForestAnswer,
        PixelForest,
        Previewer,
        Proposed,
        RunOrder,
        Screen,
        Suitability,
        Tracking,
        TrackSpec,
    )
    from napari_segplugin.io.samples import SampleImage
    from napari_segplugin.losses import LossRow
    from napari_segplugin.networks import NetworkRow


class Engine(Protocol):
    """Lists and files are cheap; the rest computes and is called in a worker."""

    # --- lists --------------------------------------------------------------------------------------------------

    def networks(self) -> Registry[NetworkRow]:
        """The registry of networks."""

    def network_facts(self, name: str, /) -> str:
        """What was measured of a network, a line each."""

    def losses(self) -> Registry[LossRow]:
        """The registry of losses."""

    def techniques(self) -> Registry[TechniqueRow]:
        """The registry of classical techniques."""

    def cleanups(self) -> Registry[CleanupRow]:
        """The registry of clean-up steps."""

    def shipped_specs(self) -> Mapping[str, ModelSpec]:
        """What each shipped model can do, without reading its weights."""

    def recipes(self) -> Mapping[str, ClassicalRecipe]:
        """Classical recipes that ship, by name."""

    def samples(self) -> tuple[str, ...]:
        """Names of the sample images."""

    def part_problems(self) -> tuple[str, ...]:
        """A sentence for each thing that another package offers and that cannot be used."""

    def recommend_loss(
        self, class_counts: Sequence[float] | np.ndarray, /, *, known_share: float, task: Task
    ) -> tuple[LossSpec, str]:
        """A loss for labels like these, and why."""

    # --- files --------------------------------------------------------------------------------------------------

    def load_model(self, model: str | Path, /) -> ModelBundle:
        """Read a model that ships, by name, or one from a folder."""

    def save_model(self, model: ModelBundle, folder: str | Path, /) -> Path:
        """Write a model."""

    def load_recipe(self, source: str, /) -> ClassicalRecipe:
        """A classical recipe from a file, or by name."""

    def save_recipe(self, recipe: ClassicalRecipe, path: str, /) -> Path:
        """Write a classical recipe."""

    def read_image(self, path: str | Path, /) -> Image:
        """Read an image file or folder."""

    def join(self, images: Sequence[Image], /) -> Image:
        """Images as the channels of one."""

    def is_result(self, path: Path, /) -> bool:
        """Whether a file says that it is labels."""

    def sample(self, name: str, /) -> SampleImage:
        """A sample image with its truth."""

    def write_segmentation(
        self, segmentation: Segmentation, path: str | Path, /, *, voxel_space: bool = False
    ) -> list[Path]:
        """Write a result with how it was made, and the measurements of its objects."""

    # --- quick answers ------------------------------------------------------------------------------------------

    def devices(self) -> list[tuple[str, str]]:
        """(key, title) of each device."""

    def doctor(self, folder: str | Path, /, *, window: Screen | None) -> DoctorReport:
        """Look whether this computer is fit for the program."""

    def new_bundle(self, spec: ModelSpec, name: str, encoder_weights: str = "", /) -> ModelBundle:
        """A network with random weights, or with an encoder that is trained already."""

    def estimate(
        self, image: Image, model: ModelBundle, /, *, tiles: TileSpec | None, device: str, region: Region | None
    ) -> Estimate:
        """Tiles, memory and seconds of a prediction."""

    def suits(self, image: Image, model: ModelBundle, /, *, tiles: TileSpec | None) -> Suitability:
        """Whether an image is like those that a model learnt from, and the settings that help."""

    def propose(
        self,
        image: Image,
        model: ModelBundle,
        region: Region,
        /,
        *,
        point: tuple[int, ...] | None,
        box: Region | None,
        free: np.ndarray | None,
        device: str,
        rescale: bool,
        invert: bool,
    ) -> list[Proposed]:
        """Masks for the object at a click or in a box."""

    def examples(self, image: Image, augmentation: AugmentSpec, /) -> np.ndarray:
        """A picture of augmented patches."""

    def previewer(self, image: Image, /) -> Previewer:
        """A live preview of classical techniques."""

    def companion(self, image: Image, recipe: ClassicalRecipe, /) -> np.ndarray:
        """What a technique shows beside its labels."""

    def histogram(self, image: Image, channel: int, /) -> tuple[np.ndarray, float, float]:
        """Counts of equal bins, and the two ends."""

    def pixel_forest(self, image: Image, /) -> PixelForest:
        """A random forest for an image."""

    def instant_now(
        self,
        image: Image,
        corrections: Corrections,
        task: Task,
        classes: ClassTable,
        /,
        *,
        region: Region | None,
        forest: PixelForest | None,
        one_thing: bool = False,
    ) -> ForestAnswer:
        """Answer strokes by a random forest, at once."""

    # --- jobs ---------------------------------------------------------------------------------------------------

    def predict(
        self, image: Image, model: ModelBundle, /, *, tiles: TileSpec | None, device: str, region: Region | None
    ) -> Job[Segmentation]:
        """Segment an image or a region of it."""

    def predict_to_file(
        self, image: Image, model: ModelBundle, path: str, /, *, tiles: TileSpec | None, device: str
    ) -> Job[tuple[Segmentation, list[Path]]]:
        """Segment an image of any size into a file."""

    def plan(self, images: str | Path, output: str | Path | None, /) -> tuple[list[Path], Path | None, Path | None]:
        """The images of a folder, the folder of their results, and the record of the batch."""

    def batch_of(
        self, images: str | Path, order: RunOrder, output: str | Path | None, /, *, stop: threading.Event | None
    ) -> Job[tuple[FileState, ...]]:
        """Do the same to every image of a folder."""

    def in_drawn(
        self,
        image: Image,
        outlines: Sequence[Outline],
        run: Callable[[Region], Job[Segmentation]],
        how: ModelBundle | None,
        tiles: TileSpec | None,
        /,
    ) -> Job[Segmentation]:
        """Segment the inside of drawn regions with whatever segments a box."""

    def segment(
        self,
        image: Image,
        technique: ClassicalRecipe,
        /,
        *,
        region: Region | None,
        seeds: np.ndarray | None = None,
        box: Region | None = None,
    ) -> Job[Segmentation]:
        """Segment by a technique and clean-up steps."""

    def instant(
        self,
        image: Image,
        corrections: Corrections,
        task: Task,
        classes: ClassTable,
        /,
        *,
        region: Region | None,
        forest: PixelForest | None = None,
        one_thing: bool = False,
    ) -> Job[ForestAnswer]:
        """Answer strokes by a random forest."""

    def edge_map(
        self, image: Image, model: ModelBundle, /, *, tiles: TileSpec | None, device: str, region: Region | None
    ) -> Job[Image]:
        """Where a network sees edges."""

    def track(
        self, segmentation: Segmentation, spec: TrackSpec, /, *, before: np.ndarray | None = None
    ) -> Job[Tracking]:
        """Link the objects of a time series."""

    def finetune(
        self,
        image: Image,
        corrections: Corrections,
        model: ModelBundle,
        spec: TrainSpec,
        /,
        *,
        stop: threading.Event,
        preview: Region | None,
    ) -> Job[FineTuneResult]:
        """Train a copy of a model on corrections."""

    def train(
        self, data: str, model: ModelBundle, spec: TrainSpec, /, *, stop: threading.Event, keep: Path
    ) -> Job[FineTuneResult]:
        """Train a copy of a model on the images of a folder."""


if TYPE_CHECKING:
    from napari_segplugin.door import window

    # the real one has all of it: mypy compares every signature
    _REAL: Engine = window

__all__ = ["Engine", "Region"]
