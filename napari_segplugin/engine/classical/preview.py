"""A look at one plane while a slider moves: within a time, at a lower resolution where the technique is slow."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from napari_segplugin.classical import (
    CLEANUPS,
    REACH,
    TECHNIQUES,
    TechniqueRow,
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
from napari_segplugin.core import ClassicalRecipe, CleanupStep, Image, InputError, Parameter, Region
from napari_segplugin.core.types import Json, JsonDict, scalar
from napari_segplugin.engine.classical.segment import check_region
from napari_segplugin.engine.classical.source import Source

SAMPLE = 2**20
"""Voxels by which a volume is measured for a preview; the final run looks at more."""
FIRST_GUESS = {"slow": 4e-6, "whole": 2e-7, "window": 3e-8, "point": 3e-8}
"""Seconds a pixel until a technique has run on this machine."""
START_UP = 0.004
"""Seconds that a run takes however small the plane is."""
COARSEST = 16
LEAST = 64


@dataclass(frozen=True, eq=False)
class PlanePreview:
    """Labels of a plane, perhaps at a lower resolution.

    Parameters
    ----------
    labels : (Y, X) ndarray of int32
        Each stands for `factor` × `factor` pixels; the first covers `origin`.
    factor : int
        1 at full resolution.
    origin : tuple of int
        First pixel, Y, X.
    measured : mapping
        What was measured of the image (a threshold), for the histogram.
    objects : bool
        Whether labels are objects; otherwise they are classes.
    seconds : float
        What it took.
    notes : tuple of str
        What the person should know.
    """

    labels: np.ndarray
    factor: int
    origin: tuple[int, int]
    measured: Mapping[str, object]
    objects: bool
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(eq=False)
class Previewer:
    """Previews of one image; keeps what does not change from one to the next.

    Parameters
    ----------
    image : Image
    budget : float
        Seconds that a preview may take. How long a technique takes is learnt from the last time it ran.

    Examples
    --------
    >>> values = np.zeros((8, 8), np.uint8)
    >>> values[2:5, 2:5] = 9
    >>> int(Previewer(Image(values, "YX")).run(ClassicalRecipe("threshold")).labels.sum())
    9
    """

    image: Image
    budget: float = 0.15
    _rates: dict[str, dict[int, float]] = field(default_factory=dict)
    _reading: float = 0.0
    _warm: set[str] = field(default_factory=set)
    _samples: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)

    def run(
        self,
        recipe: ClassicalRecipe,
        *,
        plane: int = 0,
        frame: int = 0,
        region: Region | None = None,
        seeds: np.ndarray | None = None,
        box: Region | None = None,
    ) -> PlanePreview:
        """Labels of a plane, as the recipe gives them there.

        A volume is previewed plane by plane in 2D, measured as a whole. What the final run gives may differ where the
        technique looks along Z, or where the resolution was lowered.

        Parameters
        ----------
        recipe : ClassicalRecipe
        plane : int
            Z of the plane; of no matter in 2D.
        frame : int
        region : tuple of slice, optional
            The part of the plane that is seen, Y, X.
        seeds : ([Z,] Y, X) ndarray of int, optional
            Of the whole image; those in the plane are used.
        box : tuple of slice, optional
            Of the whole image.

        Returns
        -------
        PlanePreview

        Raises
        ------
        InputError
            As :func:`~napari_segplugin.engine.classical.segment.segment`, and if there is no such plane.
        """
        start = time.perf_counter()
        recipe = complete(recipe)
        row = TECHNIQUES[recipe.technique]
        if 2 not in row.ndim:
            raise InputError(f"{row.title} works only in 3D and has no preview.", hint="Segment the whole image.")
        flat, seeds, box = self._plane(plane, frame, seeds, box)
        seen = check_region(flat, region)
        check_marks(row, flat.spatial_shape, seeds, box)
        factor = self._factor(row, recipe, seen)
        part = _Part(Source(flat, recipe.channel), row, recipe, seen, factor)
        measured = self._measured(row, recipe, frame)
        labels, measured = part.run(measured, seeds, box)
        self._learn(_key(recipe), part, labels.size)
        notes = part.notes
        if factor > 1:
            notes.append(f"Preview at 1/{factor} of the resolution.")
        objects = row.kind == "objects" or any(CLEANUPS[s.name].kind == "objects" for s in recipe.cleanup)
        return PlanePreview(
            labels, factor, (seen[0].start, seen[1].start), measured, objects, time.perf_counter() - start, tuple(notes)
        )

    def visible(
        self, recipe: ClassicalRecipe, region: Region, seeds: np.ndarray | None = None, box: Region | None = None
    ) -> tuple[np.ndarray, tuple[int, ...], str]:
        """Labels of the plane, or the part of it, that a region shows; in the resolution of the image.

        Parameters
        ----------
        recipe : ClassicalRecipe
        region : tuple of slice
            Along [Z,] Y, X; of a volume one plane along Z.
        seeds, box
            As in :meth:`run`.

        Returns
        -------
        labels : ([1,] Y, X) ndarray of int
        origin : tuple of int
            Their first voxel.
        note : str
            How they were made.

        Raises
        ------
        InputError
            If the region is not a plane along Z, or as in :meth:`run`.
        """
        spans = [slice(*s.indices(n)[:2]) for s, n in zip(region, self.image.spatial_shape, strict=True)]
        if len(spans) == 3 and spans[0].stop - spans[0].start > 1:
            raise InputError(
                "The live preview shows only planes along Z.",
                hint="Turn the view so that the slider moves along Z, or segment the whole image",
            )
        plane = spans[0].start if len(spans) == 3 else 0
        found = self.run(recipe, plane=plane, region=tuple(spans[-2:]), seeds=seeds, box=box)
        labels = np.repeat(np.repeat(found.labels, found.factor, 0), found.factor, 1)
        labels = labels[: spans[-2].stop - spans[-2].start, : spans[-1].stop - spans[-1].start]
        labels = labels.reshape(*(1,) * (len(spans) - 2), *labels.shape)
        return labels, tuple(s.start for s in spans), " ".join(found.notes)

    def _learn(self, key: str, part: _Part, size: int) -> None:
        """Remember how long it took; the first run of a technique is not typical, it loads libraries."""
        self._reading = part.reading
        if key in self._warm:
            self._rates.setdefault(key, {})[part.factor] = max(part.working - START_UP, 0.0) / size
        self._warm.add(key)

    def _plane(
        self, plane: int, frame: int, seeds: np.ndarray | None, box: Region | None
    ) -> tuple[Image, np.ndarray | None, Region | None]:
        """The plane as an image in 2D, with its own seeds and box."""
        image = self.image.frame(frame)
        if image.ndim == 2:
            return image, seeds, box
        if not 0 <= plane < image.spatial_shape[0]:
            raise InputError("There is no such plane.", got=plane, accepted=f"0 to {image.spatial_shape[0] - 1}")
        return image.plane(plane), None if seeds is None else seeds[plane], None if box is None else box[1:]

    def _factor(self, row: TechniqueRow, recipe: ClassicalRecipe, seen: Region) -> int:
        """The least power of two by which the sides are divided so that the budget is kept."""
        sides = [s.stop - s.start for s in seen]
        kind = "slow" if row.slow else "whole" if recipe.cleanup else row.scope
        known = self._rates.get(_key(recipe), {})
        room = max(self.budget - self._reading - START_UP, self.budget / 4)
        factor = 1
        while factor < COARSEST and min(sides) // factor > 2 * LEAST:
            # what was seen at this resolution, otherwise at the next one to it
            near = min(known, key=lambda f: abs(math.log2(f / factor)), default=0)
            rate = known[near] if near else FIRST_GUESS[kind]
            if rate * math.prod(sides) / factor**2 <= room:
                break
            factor *= 2
        return factor

    def _measured(self, row: TechniqueRow, recipe: ClassicalRecipe, frame: int) -> Mapping[str, object] | None:
        """What a volume is measured to be, at full resolution; None where the plane is measured by itself."""
        if self.image.ndim == 2 or sees_whole(row, recipe.parameters):
            return None
        key = (recipe.channel, frame)
        if key not in self._samples:
            self._samples.clear()
            self._samples[key] = Source(self.image, *key).sample(SAMPLE)
        sample = reduce_channels(row, self._samples[key])
        return measure(row, sample, self.image.canonical_spacing, recipe.parameters)


class _Part:
    """The part of a plane that is seen, at the resolution that was chosen."""

    def __init__(self, source: Source, row: TechniqueRow, recipe: ClassicalRecipe, seen: Region, factor: int) -> None:
        self.source, self.row, self.seen, self.factor = source, row, seen, factor
        self.recipe = coarser(recipe, factor)
        self.spacing = source.image.canonical_spacing
        self.notes: list[str] = []
        self.reading = self.working = 0.0
        settings = self.recipe.parameters
        self.whole = sees_whole(row, settings)
        halo = (0, 0) if self.whole else halo_of(row, settings, self.spacing)
        if source.has_gaps and not self.whole:
            halo = tuple(h + REACH for h in halo)
        # whole blocks before the part, so that its own blocks start where it starts
        self.read = tuple(
            slice(s.start - min(h, s.start // factor) * factor, min(n, s.stop + h * factor))
            for s, h, n in zip(seen, halo, source.image.spatial_shape, strict=True)
        )

    def run(
        self, measured: Mapping[str, object] | None, seeds: np.ndarray | None, box: Region | None
    ) -> tuple[np.ndarray, Mapping[str, object]]:
        """Labels of what is seen, and what was measured."""
        # processor time of this thread: what other programs take must not lower the resolution for good
        start = time.thread_time()
        image = reduce_channels(self.row, shrink(self.source.read(self.read), self.factor), self.notes.append)
        self.reading = time.thread_time() - start
        check_dimensions(self.row, image.shape)
        if measured is None:
            measured = measure(self.row, self._sample(image), self.spacing, self.recipe.parameters)
        if seeds is not None:
            seeds = shrink_seeds(seeds[self.read], self.factor)
        if box is not None:
            box = self._box(box, image.shape[1:])
        settings = self.recipe.parameters
        labels = apply(self.row, image, self.spacing, settings, measured, seeds=seeds, box=box, clear=False)
        cut = tuple(
            slice(
                (s.start - r.start) // self.factor,
                (s.start - r.start) // self.factor + -(-(s.stop - s.start) // self.factor),
            )
            for s, r in zip(self.seen, self.read, strict=True)
        )
        labels, image = labels[cut], image[(slice(None), *cut)]
        objects = self.row.kind == "objects"
        for step in self.recipe.cleanup:
            labels = run_cleanup(
                step.name, labels, objects=objects, spacing=self.spacing, image=image, **step.parameters
            )
            objects = objects or CLEANUPS[step.name].kind == "objects"
        known = finite(image)
        labels = labels if known is None else np.where(known, labels, np.int32(0))
        self.working = time.thread_time() - start - self.reading
        return np.ascontiguousarray(labels), measured

    def _sample(self, image: np.ndarray) -> np.ndarray:
        """The whole plane, or what is seen where the technique is given no more in the end either."""
        if self.whole or self.seen == check_region(self.source.image, None):
            return image
        return reduce_channels(self.row, shrink(self.source.read(), self.factor))

    def _box(self, box: Region, shape: tuple[int, ...]) -> Region:
        """The box in the pixels of the part."""
        inner = []
        for b, r, n in zip(box, self.read, shape, strict=True):
            low = min(max(0, (b.start - r.start) // self.factor), n - 1)
            inner.append(slice(low, min(n, max(low + 1, -(-(b.stop - r.start) // self.factor)))))
        return tuple(inner)


def _key(recipe: ClassicalRecipe) -> str:
    """What the time depends on most."""
    words = [str(v) for v in recipe.parameters.values() if isinstance(v, str)]
    return " ".join([recipe.technique, *words, *(s.name for s in recipe.cleanup)])


def coarser(recipe: ClassicalRecipe, factor: int) -> ClassicalRecipe:
    """The recipe for an image whose sides are `factor` times shorter: lengths and areas are divided.

    Examples
    --------
    >>> coarser(complete(ClassicalRecipe("threshold", {"smooth": 4})), 2).parameters["smooth"]
    2.0
    """
    if factor == 1:
        return recipe
    steps = tuple(
        CleanupStep(s.name, _coarser(CLEANUPS[s.name].parameters, s.parameters, factor)) for s in recipe.cleanup
    )
    settings = _coarser(TECHNIQUES[recipe.technique].parameters, recipe.parameters, factor)
    return replace(recipe, parameters=settings, cleanup=steps)


def _coarser(parameters: tuple[Parameter, ...], settings: Mapping[str, Json], factor: int) -> JsonDict:
    by = {"pixel": factor, "pixel^n": factor**2}
    done = dict(settings)
    for p in parameters:
        if p.unit in by:
            value = scalar(settings, p.name) / by[p.unit]
            value = round(value) if p.kind == "int" else value
            low = p.low if p.low is not None else value
            # what is not 0 stays so: 0 often means "not at all"
            done[p.name] = p.check(max(value, low, 1 if p.kind == "int" and settings[p.name] else low))
    return done


def shrink(image: np.ndarray, factor: int) -> np.ndarray:
    """The mean of blocks of `factor` × `factor` pixels, (C, Y, X); the border is repeated to fill the last ones.

    Pixels that are not numbers are left out; a block of them alone is NaN.

    Examples
    --------
    >>> shrink(np.arange(6.0).reshape(1, 2, 3), 2).tolist()
    [[[2.0, 3.5]]]
    """
    if factor == 1:
        return image
    tail = [(0, -n % factor) for n in image.shape[1:]]
    if any(after for _, after in tail):
        image = np.pad(image, [(0, 0), *tail], mode="edge")
    if finite(image) is None:
        return _sums(image, factor) / np.float32(factor**2)
    known = np.isfinite(image)
    count = _sums(known, factor)
    return np.where(count > 0, _sums(np.where(known, image, 0), factor) / np.maximum(count, 1), np.float32(np.nan))


def _sums(image: np.ndarray, factor: int) -> np.ndarray:
    """The sum of each block, (C, Y, X) float32."""
    rows = sum((image[:, k::factor] for k in range(1, factor)), image[:, ::factor].astype(np.float32))
    return sum((rows[:, :, k::factor] for k in range(1, factor)), rows[:, :, ::factor])


def shrink_seeds(seeds: np.ndarray, factor: int) -> np.ndarray:
    """The largest seed of each block, so that none is lost, (Y, X)."""
    for axis in (0, 1):
        if factor > 1:
            seeds = np.maximum.reduceat(seeds, np.arange(0, seeds.shape[axis], factor), axis=axis)
    return seeds


def preview(
    image: Image,
    recipe: ClassicalRecipe,
    *,
    plane: int = 0,
    region: Region | None = None,
    budget: float = 0.15,
    frame: int = 0,
    seeds: np.ndarray | None = None,
    box: Region | None = None,
) -> PlanePreview:
    """One preview; see :meth:`Previewer.run`. For many of one image, a :class:`Previewer` is quicker."""
    return Previewer(image, budget).run(recipe, plane=plane, frame=frame, region=region, seeds=seeds, box=box)


__all__ = ["PlanePreview", "Previewer", "coarser", "preview", "shrink", "shrink_seeds"]
