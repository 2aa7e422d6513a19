"""An engine without torch: thresholds instead of networks, and events like the real ones."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import ndimage

from napari_segplugin.core import (
    ClassicalRecipe,
    ClassTable,
    Image,
    InputError,
    Kind,
    Metric,
    ModelBundle,
    ModelSpec,
    Note,
    ObjectTable,
    Preview,
    Registry,
    Row,
    Segmentation,
    Stage,
    Step,
    Task,
    drain,
)
from napari_segplugin.door import window
from napari_segplugin.door.joining import join
from napari_segplugin.engine.doctor.report import DoctorReport, Finding, Level
from napari_segplugin.io.samples import SampleImage
from napari_segplugin.losses import LossRow
from napari_segplugin.networks import NetworkRow


def registry(kind: str, row: type[Row], *names: str) -> Registry:
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
    verdict: Any = None
    judged: Any = None
    problems: tuple[str, ...] = ()
    shelf: dict[str, ModelSpec] = field(default_factory=default_shelf)
    closed: list[str] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    saved: list[Any] = field(default_factory=list)

    def networks(self) -> Registry:
        return registry("network", NetworkRow, "unet", "resunet")

    def losses(self) -> Registry:
        return registry("loss", LossRow, "cross_entropy", "dice", "focal")

    def network_facts(self, name: str) -> str:
        return f"nuclei: AP 0.80 with {name}\nFrom scratch."

    def shipped_specs(self) -> dict[str, ModelSpec]:
        return self.shelf

    def samples(self) -> tuple[str, ...]:
        return ("nuclei2d", "axon_sem")

    def load_model(self, folder: Any) -> ModelBundle:
        name = Path(folder).name
        if name not in self.shelf:
            raise InputError("This folder is not a model.", got=name)
        return ModelBundle(name, self.shelf[name], {"w": np.zeros(1, np.float32)})

    def save_model(self, bundle: ModelBundle, folder: Any) -> Path:
        self.saved.append((bundle, folder))
        return Path(folder)

    def read_image(self, path: Any) -> Image:
        if "missing" in str(path):
            raise InputError("The file cannot be read.", got=path)
        return Image(blobs((40, 50)), "YX", spacing=(0.5, 0.5), unit="um", name=Path(path).stem, source=str(path))

    def join(self, images: Any) -> Image:
        return join(images)

    def is_result(self, path: Any) -> bool:
        return False

    def sample(self, name: str) -> SampleImage:
        image = Image(blobs((30, 40)), "YX", spacing=(0.3, 0.3), unit="um", name=name)
        truth = (image.array > 100).astype(np.uint16)
        return SampleImage(name, name, image, truth, None, Task.INSTANCE, ("object",), "none", "nobody")

    def write_segmentation(self, segmentation: Segmentation, path: Any, *, voxel_space: bool = False) -> list[Path]:
        self.saved.append((segmentation, path))
        return [Path(path)]

    def devices(self) -> list[tuple[str, str]]:
        return [("cpu", "CPU, 2 cores"), ("cuda:0", "NVIDIA Something")]

    def doctor(self, folder: Any, *, window: Any) -> Any:
        self.calls.append(("doctor", (folder, window)))
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        return DoctorReport((Finding("disk", "0 GB", Level.WARNING, "The disk is full. Free some space."),))

    def new_bundle(self, model: ModelSpec, name: str, encoder_weights: str = "") -> ModelBundle:
        self.calls.append(("new_bundle", (model, encoder_weights)))
        return ModelBundle(name, model, {"w": np.zeros(1, np.float32)})

    def estimate(self, image: Image, bundle: ModelBundle, *, tiles: Any, device: str, region: Any) -> Any:
        self.calls.append(("estimate", region))
        return SimpleNamespace(text=f"{self.tiles} tiles · about 0.2 GB · 3 s on CPU")

    def predict(self, image: Image, bundle: ModelBundle, *, tiles: Any, device: str, region: Any) -> Any:
        self.calls.append(("predict", (image, bundle, tiles, device, region)))
        try:
            yield Stage("Looking at the image")
            for i in range(self.tiles):
                time.sleep(self.pause)
                yield Step(i + 1, self.tiles)
                if self.trouble is not None and i == 1:
                    trouble, self.trouble = self.trouble, None
                    raise trouble
            frames = [self._labels(image, bundle, t, region) for t in range(image.n_frames)]
        finally:
            self.closed.append("predict")
        labels = np.stack(frames) if "T" in image.axes else frames[0]
        axes = "".join(a for a in "TZYX" if a in image.axes)
        recipe: dict[str, Any] = {"model": {"name": bundle.name}}
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

    def _labels(self, image: Image, bundle: ModelBundle, frame: int, region: Any) -> np.ndarray:
        plane = np.nan_to_num(image.read(region, frame).astype(float)).mean(axis=0)
        if self.nothing:
            return np.zeros(plane.shape, np.int32)
        mask = plane > plane.mean()
        if bundle.spec.task is Task.SEMANTIC:
            return mask.astype(np.uint16)
        return np.asarray(ndimage.label(mask)[0], np.int32)

    def recipes(self) -> dict[str, ClassicalRecipe]:
        return window.recipes()

    def load_recipe(self, source: str) -> ClassicalRecipe:
        return window.load_recipe(source)

    def save_recipe(self, recipe: ClassicalRecipe, path: str) -> Path:
        return window.save_recipe(recipe, path)

    def techniques(self) -> Registry:
        return window.techniques()

    def cleanups(self) -> Registry:
        return window.cleanups()

    def track(self, *asked: Any, before: Any = None) -> Any:
        self.calls.append(("track", (*asked, before)))
        return window.track(*asked, before=before)

    def histogram(self, image: Image, channel: int) -> Any:
        return window.histogram(image, channel)

    def segment(self, image: Image, recipe: ClassicalRecipe, *, region: Any, **marks: Any) -> Any:
        self.calls.append(("classical", (image, recipe, region, marks)))
        return window.segment(image, recipe, region=region, **marks)

    def companion(self, *asked: Any) -> Any:
        return window.companion(*asked)

    def previewer(self, image: Image) -> Any:
        real = window.previewer(image)

        def visible(recipe: Any, region: Any, **marks: Any) -> Any:
            self.calls.append(("classical_live", (image, recipe, region, marks)))
            return real.visible(recipe, region, **marks)

        return SimpleNamespace(image=image, visible=visible)

    def part_problems(self) -> tuple[str, ...]:
        return self.problems

    def recommend_loss(self, counts: Any, *, known_share: float, task: Task) -> Any:
        return window.recommend_loss(counts, known_share=known_share, task=task)

    def instant(
        self, image: Image, paint: Any, task: Any, classes: Any, *, region: Any, forest: Any = None, one_thing=False
    ) -> Any:
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
        recipe = {"origin": [s.start for s in spans]}
        found = Segmentation(task, labels, table, classes, axes, image.canonical_spacing, image.unit, "instant", recipe)
        return SimpleNamespace(segmentation=found, quality={"held-out Dice": 0.8}, heldout="On 1 stroke.")

    def instant_now(self, *asked: Any, **more: Any) -> Any:
        return drain(self.instant(*asked, **more))

    def pixel_forest(self, image: Image) -> Any:
        return SimpleNamespace(image=image, warm=lambda region: self.calls.append(("warm", (region,))))

    def examples(self, image: Image, augmentation: Any) -> Any:
        self.calls.append(("examples", (image, augmentation)))
        return np.full((20, 30, 3), 90, np.uint8)

    def suits(self, image: Image, bundle: ModelBundle, *, tiles: Any) -> Any:
        self.calls.append(("suits", (image, bundle, tiles)))
        return self.verdict

    def propose(
        self,
        image: Image,
        bundle: ModelBundle,
        region: Any,
        *,
        point: Any,
        box: Any,
        free: Any,
        device: str,
        rescale: bool,
        invert: bool,
    ) -> list[Any]:
        """Discs of two sizes around the click, or the box."""
        self.calls.append(("propose", (image, region, point, box, free)))
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        out = []
        for radius in (3, 5):
            mask = np.zeros(free.shape, bool)
            if box is not None:
                mask[tuple(slice(b.start - r.start, b.stop - r.start) for b, r in zip(box, region, strict=True))] = True
            else:
                grid = np.ogrid[tuple(slice(r.start, r.stop) for r in region)]
                mask |= sum((g - p) ** 2 for g, p in zip(grid, point, strict=True)) <= radius**2
            out.append(SimpleNamespace(mask=mask & free, region=region, class_id=1, score=0.8))
        return out

    def finetune(
        self, image: Image, paint: Any, bundle: ModelBundle, train: Any, *, stop: threading.Event, preview: Any
    ) -> Any:
        self.calls.append(("finetune", (image, paint, bundle, train)))
        try:
            yield Note("Every fifth stroke was held out.")
            yield Metric(0, "held-out Dice", 0.5)
            for i in range(1, 6):
                time.sleep(self.pause)
                if self.trouble is not None:
                    trouble, self.trouble = self.trouble, None
                    raise trouble
                yield Step(i, 5)
                yield Metric(i, "loss", 1 / i)
                yield Metric(i, "held-out Dice", 0.5 + 0.05 * i)
                yield Preview((0,) * image.ndim, np.ones((1,) * (image.ndim - 2) + (5, 5), np.int32))
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
        views = SimpleNamespace(image=np.random.default_rng(0).random((1, 8, 12)), before=0 * square, after=square)
        return SimpleNamespace(
            bundle=new,
            before={"Dice": 0.5},
            after={"Dice": 0.75},
            heldout="On 2 of 10 strokes.",
            views=views,
            verdict=self.judged,
            better=self.judged is None or self.judged.better,
        )


def blobs(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).random(shape)
    smooth = ndimage.gaussian_filter(noise, 3)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return (smooth * 255).astype(np.uint8)
