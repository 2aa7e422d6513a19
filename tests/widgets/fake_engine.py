"""An engine without torch: thresholds instead of networks, and events like the real ones.

mypy reads this file and compares it with what the dock asks of an engine (`_CHECK` at the end).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy import ndimage

from napari_segplugin.core import (
    AugmentSpec,
    ClassicalRecipe,
    ClassTable,
    FileState,
    Image,
    InputError,
    Job,
    Kind,
    LossSpec,
    Metric,
    ModelBundle,
    ModelSpec,
    Note,
    ObjectTable,
    Preview,
    Region,
    Registry,
    Row,
    Segmentation,
    Stage,
    Step,
    Task,
    TileSpec,
    TrainSpec,
    drain,
)
from napari_segplugin.core.training import FineTuneResult, ModelVerdict, Views
from napari_segplugin.core.types import JsonDict
from napari_segplugin.door import window
from napari_segplugin.door.joining import join
from napari_segplugin.engine.batch.regions import in_regions
from napari_segplugin.engine.doctor.report import DoctorReport, Finding, Level
from napari_segplugin.io.samples import SampleImage
from napari_segplugin.losses import LossRow
from napari_segplugin.networks import NetworkRow

if TYPE_CHECKING:
    from napari_segplugin.classical.row import CleanupRow, TechniqueRow
    from napari_segplugin.data.corrections import Corrections
    from napari_segplugin.data.drawn import Outline
    from napari_segplugin.door.window import (
        Estimate,
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
    from napari_segplugin.widgets.engine import Engine
else:
    # to import them brings torch, which takes seconds and which no window needs; mypy looks at the real ones
    Estimate = Proposed = Suitability = SimpleNamespace

AnyRow = TypeVar("AnyRow", bound=Row)


def registry(kind: str, row: type[AnyRow], *names: str) -> Registry[AnyRow]:
    shelf = Registry(kind, row)
    for name in names:
        shelf.add(row(name, name.replace("_", " ").capitalize(), "math:pi", f"What {name} does.", "Nobody 2026"))
    return shelf


def spec(ndim: int = 2, channels: int = 1, task: Task = Task.INSTANCE, classes: ClassTable | None = None) -> ModelSpec:
    return ModelSpec("unet", ndim, channels, task, classes or ClassTable.named(["nucleus"]))


def default_shelf() -> dict[str, ModelSpec]:
    tissue = ClassTable.named(["axon", "myelin"], Kind.STUFF)
    return {
        "nuclei_2d": spec(2),
        "nuclei_3d": spec(3),
        "axons": spec(2, task=Task.SEMANTIC, classes=tissue),
        "histology": spec(2, channels=3),
    }


@dataclass
class FakeEngine:
    """What the dock asks of an engine; `trouble` is raised by the next job."""

    pause: float = 0.0
    tiles: int = 4
    trouble: BaseException | None = None
    nothing: bool = False
    verdict: Suitability | None = None
    judged: ModelVerdict | None = None
    problems: tuple[str, ...] = ()
    shelf: dict[str, ModelSpec] = field(default_factory=default_shelf)
    closed: list[str] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    saved: list[Any] = field(default_factory=list)
    nearby: bool = False

    def networks(self) -> Registry[NetworkRow]:
        return registry("network", NetworkRow, "unet", "resunet")

    def losses(self) -> Registry[LossRow]:
        return registry("loss", LossRow, "cross_entropy", "dice", "focal")

    def network_facts(self, name: str) -> str:
        return f"nuclei: AP 0.80 with {name}\nFrom scratch."

    def shipped_specs(self) -> dict[str, ModelSpec]:
        return self.shelf

    def samples(self) -> tuple[str, ...]:
        return ("nuclei2d", "axon_sem")

    def load_model(self, folder: str | Path) -> ModelBundle:
        name = Path(folder).name
        if name not in self.shelf:
            raise InputError("This folder is not a model.", got=name)
        return ModelBundle(name, self.shelf[name], {"w": np.zeros(1, np.float32)})

    def save_model(self, bundle: ModelBundle, folder: str | Path) -> Path:
        self.saved.append((bundle, folder))
        return Path(folder)

    def read_image(self, path: str | Path) -> Image:
        if "missing" in str(path):
            raise InputError("The file cannot be read.", got=path)
        return Image(blobs((40, 50)), "YX", spacing=(0.5, 0.5), unit="um", name=Path(path).stem, source=str(path))

    def join(self, images: Sequence[Image]) -> Image:
        return join(images)

    def is_result(self, path: Path) -> bool:
        return False

    def sample(self, name: str) -> SampleImage:
        image = Image(blobs((30, 40)), "YX", spacing=(0.3, 0.3), unit="um", name=name)
        truth = (np.asarray(image.array) > 100).astype(np.uint16)
        return SampleImage(name, name, image, truth, None, Task.INSTANCE, ("object",), "none", "nobody")

    def write_segmentation(
        self, segmentation: Segmentation, path: str | Path, *, voxel_space: bool = False
    ) -> list[Path]:
        self.saved.append((segmentation, path))
        return [Path(path)]

    def devices(self) -> list[tuple[str, str]]:
        return [("cpu", "CPU, 2 cores"), ("cuda:0", "NVIDIA Something")]

    def _stumble(self) -> None:
        """Raise the trouble, once."""
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble

    def doctor(self, folder: str | Path, *, window: Screen | None) -> DoctorReport:
        self.calls.append(("doctor", (folder, window)))
        self._stumble()
        return DoctorReport((Finding("disk", "0 GB", Level.WARNING, "The disk is full. Free some space."),))

    def new_bundle(self, model: ModelSpec, name: str, encoder_weights: str = "") -> ModelBundle:
        self.calls.append(("new_bundle", (model, encoder_weights)))
        return ModelBundle(name, model, {"w": np.zeros(1, np.float32)})

    def estimate(
        self, image: Image, bundle: ModelBundle, *, tiles: TileSpec | None, device: str, region: Region | None
    ) -> Estimate:
        self.calls.append(("estimate", region))
        text = f"{self.tiles} tiles · about 0.2 GB · 3 s on CPU"
        return Estimate(tiles=self.tiles, memory_bytes=200_000_000, seconds=3.0, device="CPU", text=text)

    def predict_to_file(
        self, image: Image, bundle: ModelBundle, path: str, *, tiles: TileSpec | None, device: str
    ) -> Job[tuple[Segmentation, list[Path]]]:
        found = yield from self.predict(image, bundle, tiles=tiles, device=device, region=None)
        return found, self.write_segmentation(found, path)

    def edge_map(
        self, image: Image, bundle: ModelBundle, *, tiles: TileSpec | None, device: str, region: Region | None
    ) -> Job[Image]:
        self.calls.append(("edge_map", (image, bundle, tiles, device, region)))
        yield Step(1, 1)
        plane = np.nan_to_num(image.read(region, 0).astype(float)).mean(axis=0)
        edges = ndimage.gaussian_gradient_magnitude(plane, 1)
        origin = [0] * image.ndim if region is None else [s.start for s in region]
        axes = "ZYX"[3 - image.ndim :]
        array = (edges / max(edges.max(), 1e-9)).astype(np.float32)
        return Image(array, axes, image.canonical_spacing, image.unit, metadata={"origin": origin})

    def predict(
        self, image: Image, bundle: ModelBundle, *, tiles: TileSpec | None, device: str, region: Region | None
    ) -> Job[Segmentation]:
        self.calls.append(("predict", (image, bundle, tiles, device, region)))
        try:
            yield Stage("Looking at the image")
            for i in range(self.tiles):
                time.sleep(self.pause)
                yield Step(i + 1, self.tiles)
                if i == 1:
                    self._stumble()
            frames = [self._labels(image, bundle, t, region) for t in range(image.n_frames)]
        finally:
            self.closed.append("predict")
        labels = np.stack(frames) if "T" in image.axes else frames[0]
        axes = "".join(a for a in "TZYX" if a in image.axes)
        recipe: JsonDict = {"model": {"name": bundle.name}}
        if region is not None:
            recipe["origin"] = [s.start for s in region]
        table = ObjectTable.of(labels)
        if bundle.spec.task is Task.SEMANTIC:
            table = replace(table, class_id=table.label)
        table = replace(table, score=np.full(len(table), 0.9, np.float32))
        return Segmentation(
            bundle.spec.task,
            labels,
            table,
            bundle.spec.classes,
            axes,
            image.canonical_spacing,
            image.unit,
            recipe=recipe,
        )

    def _labels(self, image: Image, bundle: ModelBundle, frame: int, region: Region | None) -> np.ndarray:
        plane = np.nan_to_num(image.read(region, frame).astype(float)).mean(axis=0)
        if self.nothing:
            return np.zeros(plane.shape, np.int32)
        mask = plane > plane.mean()
        if bundle.spec.task is Task.SEMANTIC:
            return np.asarray(mask, np.uint16)
        return np.asarray(ndimage.label(mask)[0], np.int32)

    def plan(self, images: str | Path, output: str | Path | None) -> tuple[list[Path], Path | None, Path | None]:
        files = sorted(Path(images).glob("*.tif"))
        if not files:
            raise InputError("There are no images in this folder.", got=images)
        return files, Path(output or f"{images}_results"), None

    def batch_of(
        self, images: str | Path, order: RunOrder, output: str | Path | None, *, stop: threading.Event | None
    ) -> Job[tuple[FileState, ...]]:
        self.calls.append(("batch_of", (order, output)))
        states = [FileState(i, str(path), "waits") for i, path in enumerate(self.plan(images, output)[0])]
        yield from states
        for i, state in enumerate(states):
            if stop is not None and stop.is_set():
                break
            yield replace(state, state="running")
            time.sleep(self.pause)
            bad = "bad" in state.path
            states[i] = replace(
                state, state="unreadable" if bad else "done", objects=None if bad else 7, reason="No image." * bad
            )
            yield states[i]
        return tuple(states)

    def recipes(self) -> Mapping[str, ClassicalRecipe]:
        return window.recipes()

    def load_recipe(self, source: str) -> ClassicalRecipe:
        return window.load_recipe(source)

    def save_recipe(self, recipe: ClassicalRecipe, path: str) -> Path:
        return window.save_recipe(recipe, path)

    def techniques(self) -> Registry[TechniqueRow]:
        return window.techniques()

    def cleanups(self) -> Registry[CleanupRow]:
        return window.cleanups()

    def track(self, segmentation: Segmentation, spec: TrackSpec, *, before: np.ndarray | None = None) -> Job[Tracking]:
        self.calls.append(("track", (segmentation, spec, before)))
        return window.track(segmentation, spec, before=before)

    def histogram(self, image: Image, channel: int) -> tuple[np.ndarray, float, float]:
        return window.histogram(image, channel)

    def in_drawn(
        self,
        image: Image,
        outlines: Sequence[Outline],
        run: Callable[[Region], Job[Segmentation]],
        how: ModelBundle | None,
        tiles: TileSpec | None,
        /,
    ) -> Job[Segmentation]:
        self.calls.append(("in_drawn", outlines))
        return in_regions(image, outlines, run)

    def segment(
        self,
        image: Image,
        recipe: ClassicalRecipe,
        *,
        region: Region | None,
        seeds: np.ndarray | None = None,
        box: Region | None = None,
    ) -> Job[Segmentation]:
        self.calls.append(("classical", (image, recipe, region, _given(seeds=seeds, box=box))))
        return window.segment(image, recipe, region=region, seeds=seeds, box=box)

    def companion(self, image: Image, recipe: ClassicalRecipe) -> np.ndarray:
        return window.companion(image, recipe)

    def previewer(self, image: Image) -> Previewer:
        from napari_segplugin.engine.classical.preview import Previewer

        calls = self.calls

        class Noting(Previewer):
            def visible(
                self,
                recipe: ClassicalRecipe,
                region: Region,
                seeds: np.ndarray | None = None,
                box: Region | None = None,
            ) -> tuple[np.ndarray, tuple[int, ...], str]:
                calls.append(("classical_live", (image, recipe, region, _given(seeds=seeds, box=box))))
                return super().visible(recipe, region, seeds, box)

        return Noting(image)

    def part_problems(self) -> tuple[str, ...]:
        return self.problems

    def recommend_loss(
        self, counts: Sequence[float] | np.ndarray, *, known_share: float, task: Task
    ) -> tuple[LossSpec, str]:
        return window.recommend_loss(counts, known_share=known_share, task=task)

    def instant(
        self,
        image: Image,
        paint: Corrections,
        task: Task,
        classes: ClassTable,
        *,
        region: Region | None,
        forest: PixelForest | None = None,
        one_thing: bool = False,
    ) -> Job[ForestAnswer]:
        from napari_segplugin.engine.instant import ForestAnswer

        self.calls.append(("instant", (image, paint, task, classes, region, forest)))
        self.nearby = one_thing
        yield Step(1, 1)
        spans = [
            slice(*s.indices(n)[:2])
            for s, n in zip(region or [slice(None)] * image.ndim, image.spatial_shape, strict=True)
        ]
        labels = np.ones([s.stop - s.start for s in spans], np.int32)
        table = ObjectTable(np.array([1]), np.array([1]), np.ones(1, np.float32), ("predicted",))
        axes = "ZYX"[3 - image.ndim :]
        recipe: JsonDict = {"origin": [s.start for s in spans]}
        found = Segmentation(task, labels, table, classes, axes, image.canonical_spacing, image.unit, "instant", recipe)
        return ForestAnswer(found, {"held-out Dice": 0.8}, "On 1 stroke.")

    def instant_now(
        self,
        image: Image,
        paint: Corrections,
        task: Task,
        classes: ClassTable,
        *,
        region: Region | None,
        forest: PixelForest | None,
        one_thing: bool = False,
    ) -> ForestAnswer:
        return drain(self.instant(image, paint, task, classes, region=region, forest=forest, one_thing=one_thing))

    def pixel_forest(self, image: Image) -> PixelForest:
        from napari_segplugin.engine.instant import PixelForest

        calls = self.calls

        class Noting(PixelForest):
            def warm(self, region: Region) -> None:
                calls.append(("warm", (region,)))

        return Noting(image)

    def examples(self, image: Image, augmentation: AugmentSpec) -> np.ndarray:
        self.calls.append(("examples", (image, augmentation)))
        return np.full((20, 30, 3), 90, np.uint8)

    def suits(self, image: Image, bundle: ModelBundle, *, tiles: TileSpec | None) -> Suitability:
        self.calls.append(("suits", (image, bundle, tiles)))
        return self.verdict or Suitability(fits=True, sentence="", setting=None, tiles=None, title="")

    def propose(
        self,
        image: Image,
        bundle: ModelBundle,
        region: Region,
        *,
        point: tuple[int, ...] | None,
        box: Region | None,
        free: np.ndarray | None,
        device: str,
        rescale: bool,
        invert: bool,
    ) -> list[Proposed]:
        """Discs of two sizes around the click, or the box."""
        self.calls.append(("propose", (image, region, point, box, free)))
        self._stumble()
        out = []
        for radius in (3, 5):
            mask = np.zeros([s.stop - s.start for s in region], bool)
            if box is not None:
                mask[tuple(slice(b.start - r.start, b.stop - r.start) for b, r in zip(box, region, strict=True))] = True
            elif point is not None:
                grid = np.ogrid[tuple(slice(r.start, r.stop) for r in region)]
                mask |= sum((g - p) ** 2 for g, p in zip(grid, point, strict=True)) <= radius**2
            out.append(Proposed(mask=mask if free is None else mask & free, region=region, class_id=1, score=0.8))
        return out

    def finetune(
        self,
        image: Image,
        paint: Corrections,
        bundle: ModelBundle,
        train: TrainSpec,
        *,
        stop: threading.Event,
        preview: Region | None,
    ) -> Job[FineTuneResult]:
        self.calls.append(("finetune", (image, paint, bundle, train)))
        return (yield from self._learn(bundle, image.ndim, stop))

    def train(
        self, data: str, bundle: ModelBundle, spec: TrainSpec, *, stop: threading.Event, keep: Path
    ) -> Job[FineTuneResult]:
        self.calls.append(("train", (data, bundle, spec, keep)))
        return (yield from self._learn(bundle, bundle.spec.ndim, stop))

    def _learn(self, bundle: ModelBundle, ndim: int, stop: threading.Event) -> Job[FineTuneResult]:
        try:
            yield Note("Every fifth stroke was held out.")
            yield Metric(0, "held-out Dice", 0.5)
            for i in range(1, 6):
                time.sleep(self.pause)
                self._stumble()
                yield Step(i, 5)
                yield Metric(i, "loss", 1 / i)
                yield Metric(i, "held-out Dice", 0.5 + 0.05 * i)
                yield Preview((0,) * ndim, np.ones((1,) * (ndim - 2) + (5, 5), np.int32))
                while self.pause and not stop.is_set() and i == 5:
                    time.sleep(0.005)
                    yield Step(i, 5)
                if stop.is_set():
                    break
        finally:
            self.closed.append("finetune")
        new = replace(bundle, name=bundle.name + ", tuned 1", history=(*bundle.history, {"steps": 5}))
        square = np.zeros((8, 12), np.int32)
        square[2:6, 3:9] = 1
        views = Views(np.random.default_rng(0).random((1, 8, 12)).astype(np.float32), 0 * square, square)
        return FineTuneResult(new, {"Dice": 0.5}, {"Dice": 0.75}, "On 2 of 10 strokes.", views, verdict=self.judged)


def _given(**marks: Any) -> dict[str, Any]:
    """The marks that are there."""
    return {name: mark for name, mark in marks.items() if mark is not None}


def blobs(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).random(shape)
    smooth = ndimage.gaussian_filter(noise, 3)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return np.asarray(smooth * 255, np.uint8)


if TYPE_CHECKING:
    # the fake answers as the real one does: mypy compares every signature
    _CHECK: Engine = FakeEngine()
