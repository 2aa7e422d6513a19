"""Classical segmentation: an image and a recipe become a segmentation, tile by tile where the technique allows it.

Imports no torch, so that a first result does not wait for it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np

from napari_segplugin.classical import (
    CLEANUPS,
    REACH,
    TECHNIQUES,
    NothingToSegment,
    apply,
    check_dimensions,
    check_marks,
    complete,
    finite,
    halo_of,
    measure,
    reduce_channels,
    run_cleanup,
    sees_whole,
)
from napari_segplugin.core import (
    ClassicalRecipe,
    ClassTable,
    Image,
    InputError,
    Job,
    Kind,
    Note,
    ObjectTable,
    Region,
    Segmentation,
    SegPluginError,
    Stage,
    Step,
    Task,
    recipe_to_json,
)
from napari_segplugin.core.types import Json, JsonDict, json_object
from napari_segplugin.data.tiles import plan
from napari_segplugin.engine.classical.source import Source
from napari_segplugin.engine.provenance import about_input, versions
from napari_segplugin.engine.session import asked
from napari_segplugin.engine.stores import Shifted
from napari_segplugin.io.memory import free_host_memory

TILE = 2**22
"""Voxels of a tile, halo included: large enough for speed, small enough to be stopped."""
BYTES_PER_VOXEL = 40
"""What a technique that sees the whole image holds at once, about: values, gradients, queues, labels."""


def segment(
    image: Image,
    recipe: ClassicalRecipe,
    *,
    region: Region | None = None,
    seeds: np.ndarray | None = None,
    box: Region | None = None,
    stop: threading.Event | None = None,
) -> Job[Segmentation]:
    """Segment an image with a technique and clean-up steps.

    A time series is done frame by frame. A technique that looks at a point or a window runs tile by tile, with what it
    has to know of the whole image measured once a frame; so tiles give what the whole would give.

    Parameters
    ----------
    image : Image
    recipe : ClassicalRecipe
    region : tuple of slice, optional
        A slice for each of Z, Y, X that the image has; everything by default. One plane of a volume is done in 2D where
        the technique sees the whole image.
    seeds : ([T,] [Z,] Y, X) ndarray of int, optional
        Class or object of each point or stroke, 0 elsewhere; of the whole image. Without T, the same for every frame.
    box : tuple of slice, optional
        A slice for each of Z, Y, X, in the coordinates of the image.
    stop : threading.Event, optional
        Ends the job before the next tile or step; nothing has changed.

    Yields
    ------
    Stage, Step, Note

    Returns
    -------
    Segmentation
        SEMANTIC for masks and classes, INSTANCE for objects; axes in the order T, Z, Y, X. Its recipe holds the recipe,
        what was measured a frame, and the first voxel as "origin".

    Raises
    ------
    InputError
        If recipe, image, region, seeds and box do not go together, or memory does not suffice.
    SegPluginError
        If it was stopped.
    """
    work = _Work(image, complete(recipe), check_region(image, region), stop)
    parts: list[np.ndarray] = []
    for frame in range(image.n_frames):
        marks = seeds[frame] if seeds is not None and seeds.ndim > image.ndim else seeds
        yield Stage("Segmenting" if image.n_frames == 1 else f"Segmenting frame {frame + 1} of {image.n_frames}")
        source = Source(image, recipe.channel, frame)
        try:
            labels = yield from work.run(source, marks, box)
        except NothingToSegment as error:
            work.empty.append(error)
            if len(work.empty) == image.n_frames:
                raise
            yield Note(f"Frame {frame + 1}: {error}")
            parts.append(np.zeros(work.shape, np.int32))
            continue
        parts.append((yield from work.clean(labels, source)))
    found = work.result(parts)
    told = json_object(found.recipe.get("input"))
    drawn = None if box is None else [[b.start, b.stop] for b in box]
    more = {**asked(image, told, region), "box": drawn, "seeds": seeds is not None}
    return replace(found, recipe={**found.recipe, **more})


class _Work:
    """One recipe on one image, and what is gathered over frames."""

    def __init__(self, image: Image, recipe: ClassicalRecipe, region: Region, stop: threading.Event | None) -> None:
        self.image, self.recipe, self.region, self.stop = image, recipe, region, stop
        self.row, self.settings = TECHNIQUES[recipe.technique], recipe.parameters
        self.shape = tuple(s.stop - s.start for s in region)
        self.whole = sees_whole(self.row, self.settings)
        # one plane for a technique that sees all it is given: as if it were an image in 2D
        self.flat = image.ndim == 3 and self.shape[0] == 1 and (self.whole or 3 not in self.row.ndim)
        self.spacing = image.canonical_spacing[1:] if self.flat else image.canonical_spacing
        self.objects = self.row.kind == "objects"
        self.measured: list[Mapping[str, object]] = []
        self.class_of: dict[int, int] = {}
        self.unknown: np.ndarray | None = None  # where the frame has no value
        self.empty: list[NothingToSegment] = []
        source = Source(image, recipe.channel)
        check_dimensions(self.row, (source.n_channels, *self.shape[self.flat :]))
        self.check_memory(source.n_channels)

    def check_memory(self, channels: int) -> None:
        """Refuse early what cannot end well."""
        need = math.prod(self.shape) * 4 * self.image.n_frames
        if self.whole:
            need += math.prod(self.shape) * (8 * channels + BYTES_PER_VOXEL)
        if need > 0.8 * free_host_memory():
            seen = f"{self.row.title} needs the whole image at once: choose" if self.whole else "Choose"
            raise InputError(
                "The image is larger than the free memory.",
                got=f"shape {self.shape}, which takes about {need / 2**30:.1f} GiB",
                hint=f"{seen} a part of it.",
            )

    def check_stop(self) -> None:
        """End the job where somebody asked for it."""
        if self.stop is not None and self.stop.is_set():
            raise SegPluginError("The segmentation was stopped; nothing is changed.")

    def run(self, source: Source, seeds: np.ndarray | None, box: Region | None) -> Job[np.ndarray]:
        """What the technique finds in a frame of the region, also where it has no value: cleared after the last step."""
        self.unknown = None
        check_marks(self.row, self.image.spatial_shape, seeds, box)
        notes: list[str] = []
        sample = self.squeezed(source.read(self.region)) if self.whole else source.sample()
        sample = reduce_channels(self.row, sample, notes.append)
        if not self.measured:
            yield from (Note(text) for text in notes)
        self.measured.append({})
        self.measured[-1] = measure(self.row, sample, self.spacing, self.settings)
        if self.whole:
            return (yield from self.at_once(sample, seeds, box))
        del sample
        return (yield from self.by_tiles(source, seeds))

    def at_once(self, image: np.ndarray, seeds: np.ndarray | None, box: Region | None) -> Job[np.ndarray]:
        """The whole region in one call."""
        self.check_stop()
        seeds = None if seeds is None else seeds[self.region].reshape(image.shape[1:])
        if box is not None:
            box = tuple(slice(b.start - r.start, b.stop - r.start) for b, r in zip(box, self.region, strict=True))
            box = box[1:] if self.flat else box
        check_marks(self.row, image.shape[1:], seeds, box)
        labels = apply(
            self.row, image, self.spacing, self.settings, self.measured[-1], seeds=seeds, box=box, clear=False
        )
        self.miss(tuple(slice(0, n) for n in self.shape), finite(image))
        yield Step(1, 1)
        return labels.reshape(self.shape)

    def miss(self, place: Region, known: np.ndarray | None) -> None:
        """Remember where a part of the region has no value."""
        if known is None:
            return
        if self.unknown is None:
            self.unknown = np.zeros(self.shape, bool)
        self.unknown[place] = ~known.reshape([s.stop - s.start for s in place])

    def by_tiles(self, source: Source, seeds: np.ndarray | None) -> Job[np.ndarray]:
        """The region tile by tile."""
        labels = np.zeros(self.shape, np.int32)
        halo = halo_of(self.row, self.settings, self.spacing)
        if source.has_gaps:
            halo = tuple(h + REACH for h in halo)
        shape = self.image.spatial_shape
        tiles = plan(shape, tile_size(shape, halo), halo, region=self.region)
        write = Shifted(labels, self.region)
        for done, tile in enumerate(tiles, 1):
            self.check_stop()
            part = reduce_channels(self.row, source.read(tile.read))
            marks = None if seeds is None else seeds[tile.read]
            found = apply(self.row, part, self.spacing, self.settings, self.measured[-1], seeds=marks, clear=False)
            write[tile.write] = found[tile.keep]
            known = finite(part)
            place = tuple(
                slice(w.start - r.start, w.stop - r.start) for w, r in zip(tile.write, self.region, strict=True)
            )
            self.miss(place, None if known is None else known[tile.keep])
            yield Step(done, len(tiles))
        return labels

    def squeezed(self, image: np.ndarray) -> np.ndarray:
        """Without the axis Z where a plane is done in 2D."""
        return image[:, 0] if self.flat else image

    def clean(self, labels: np.ndarray, source: Source) -> Job[np.ndarray]:
        """The steps after the technique; objects get numbers of their own in each frame."""
        labels, objects, classes = labels[0] if self.flat else labels, self.objects, labels
        for step in self.recipe.cleanup:
            self.check_stop()
            row = CLEANUPS[step.name]
            yield Stage(row.title)
            image = self.squeezed(source.read(self.region)) if row.image else None
            labels = run_cleanup(
                step.name, labels, objects=objects, spacing=self.spacing, image=image, **step.parameters
            )
            objects = objects or row.kind == "objects"
        labels = labels.reshape(self.shape)
        if self.unknown is not None:
            labels = np.where(self.unknown, np.int32(0), labels)
        if objects:
            several = self.row.kind == "classes"
            labels = self.number(labels, classes if several else None)
        return labels

    def number(self, labels: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
        """Numbers that no earlier frame has, and the class of each."""
        first = max(self.class_of, default=0)
        labels = np.where(labels > 0, labels + np.int32(first), np.int32(0))
        self.class_of.update(majority(labels, classes))
        return labels

    def result(self, parts: list[np.ndarray]) -> Segmentation:
        """The frames together, with a table and the recipe."""
        time_axis = "T" if "T" in self.image.axes else ""
        labels = np.stack(parts) if time_axis else parts[0]
        objects = self.objects or any(CLEANUPS[s.name].kind == "objects" for s in self.recipe.cleanup)
        most = max(self.class_of.values(), default=1) if objects else max(1, int(labels.max()))
        if objects:
            numbers = np.array(sorted(self.class_of), np.int64)
            of = np.array([self.class_of[n] for n in numbers.tolist()], np.int64)
            table = ObjectTable(numbers, of, np.full(len(numbers), np.nan, np.float32), ("predicted",) * len(numbers))
            names = ["object"] if self.row.kind != "classes" else [f"class {i}" for i in range(1, most + 1)]
            classes = ClassTable.named(names, Kind.THING)
        else:
            labels = labels.astype(np.uint16)
            names = ["foreground"] if self.row.kind == "mask" else [f"class {i}" for i in range(1, most + 1)]
            classes = ClassTable.named(names, Kind.STUFF)
            present = ObjectTable.of(labels)
            table = replace(present, class_id=present.label)
        return Segmentation(
            Task.INSTANCE if objects else Task.SEMANTIC,
            labels,
            table,
            classes,
            time_axis + "ZYX"[3 - self.image.ndim :],
            self.image.canonical_spacing,
            self.image.unit,
            f"{self.image.name} ({self.recipe.name or self.row.title})",
            self.provenance(),
        )

    def provenance(self) -> JsonDict:
        """How the result was made, as JSON values."""
        return {
            "what": "classical segmentation",
            "origin": [s.start for s in self.region],
            "classical": recipe_to_json(self.recipe),
            "measured": [plain(m) for m in self.measured],
            "input": about_input(self.image),
            "versions": versions(),
        }


def check_region(image: Image, region: Region | None) -> Region:
    """The region with all its bounds.

    Raises
    ------
    InputError
        If it does not lie in the image.
    """
    shape = image.spatial_shape
    if region is None:
        return tuple(slice(0, n) for n in shape)
    ends = [(s.start or 0, n if s.stop is None else s.stop) for s, n in zip(region, shape, strict=False)]
    if len(region) != len(shape) or not all(0 <= a < b <= n for (a, b), n in zip(ends, shape, strict=True)):
        text = ", ".join(f"{s.start}:{s.stop}" for s in region)
        raise InputError("The region lies outside the image.", got=f"{text} for an image of {shape}")
    return tuple(slice(a, b) for a, b in ends)


def tile_size(shape: tuple[int, ...], halo: tuple[int, ...], most: int = TILE) -> tuple[int, ...]:
    """Halve the longest side until a tile has at most `most` voxels, or its halo would be most of it.

    Examples
    --------
    >>> tile_size((5000, 4000), (8, 8))
    (1262, 2008)
    """
    size = list(shape)
    while math.prod(size) > most:
        can = [a for a in range(len(size)) if size[a] > 6 * halo[a] + 32]
        if not can:
            break
        longest = max(can, key=lambda a: size[a])
        size[longest] = -(-size[longest] // 2) + halo[longest]
    return tuple(size)


def majority(labels: np.ndarray, classes: np.ndarray | None) -> dict[int, int]:
    """The class that most voxels of each object have; 1 where there are no classes."""
    if classes is None:
        present = np.unique(labels)
        return dict.fromkeys(present[present > 0].tolist(), 1)
    inside = labels > 0
    width = int(classes.max()) + 1
    pairs, counts = np.unique(labels[inside].astype(np.int64) * width + classes[inside], return_counts=True)
    found: dict[int, int] = {}
    for pair, _ in sorted(zip(pairs.tolist(), counts.tolist(), strict=True), key=lambda p: p[1]):
        found[pair // width] = pair % width or found.get(pair // width, 1)
    return found


def plain(value: object) -> Json:
    """JSON values: arrays become lists."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return cast("Json", value.tolist() if isinstance(value, np.ndarray | np.generic) else value)


__all__ = ["check_region", "segment", "tile_size"]
