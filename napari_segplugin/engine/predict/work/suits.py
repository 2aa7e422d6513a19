"""Whether an image suits a model: what a person should know before a run, and after it, and the setting that helps."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from napari_segplugin.core import Image, Job, ModelBundle, Note, Segmentation, Task, TileSpec
from napari_segplugin.core.words import Setting, pixel
from napari_segplugin.data import normalise
from napari_segplugin.data.looks import Looks, Strangeness, measures, seen_parts
from napari_segplugin.data.resample import regridded
from napari_segplugin.engine.predict.plan import as_seen
from napari_segplugin.engine.predict.resize import LEAST, MOST, middle_width, resized
from napari_segplugin.engine.voxel_size import look_of

_KNOWN: weakref.WeakKeyDictionary[ModelBundle, Looks] = weakref.WeakKeyDictionary()
_MOST_COVERED = 0.9
_OTHER_SIZE = 2.0
_ANOTHER = (
    "This is another kind of image than those that the model learnt from. Check the result, or choose another model."
)


@dataclass(frozen=True)
class Suitability:
    """Whether an image suits a model.

    Parameters
    ----------
    fits : bool
    sentence : str
        For the person; empty where the model does not know what its training images looked like.
    setting : str, optional
        The setting that it is about.
    tiles : TileSpec, optional
        Settings under which the image suits the model, where there are some.
    title : str
        What these settings do, in a few words; empty without them.
    strange : mapping of str to float
        How strange the image is: "kind" above 1, or "inverted", "larger" or "smaller" above 0, is too much.
    """

    fits: bool
    sentence: str = ""
    setting: Setting | None = None
    tiles: TileSpec | None = None
    title: str = ""
    strange: Mapping[str, float] = field(default_factory=dict)


def suits(image: Image, bundle: ModelBundle, tiles: TileSpec | None = None) -> Suitability:
    """Look whether an image is like those that a model learnt from, before anything is run; a fraction of a second.

    Parameters
    ----------
    image : Image
        Of a time series the first frame is looked at.
    bundle : ModelBundle
    tiles : TileSpec, optional
        The settings of the run: the image is looked at as the model will see it.

    Returns
    -------
    Suitability

    Raises
    ------
    InputError
        If the image has no value that is a number.

    Examples
    --------
    >>> from napari_segplugin.io import load_bundle, load_sample, shipped_bundles
    >>> model, image = load_bundle(shipped_bundles()["nuclei2d"]), load_sample("nuclei2d").image
    >>> suits(image, model).fits
    True
    >>> dark = suits(Image(255 - image.array, "YX"), model)
    >>> dark.title, dark.tiles.invert
    ('Invert for the model', True)
    """
    tiles = tiles or TileSpec()
    if not bundle.learnt.typical or (image.n_channels != bundle.spec.in_channels and "C" in image.axes):
        return Suitability(True)
    found = _strangeness(image, bundle, tiles)
    numbers = {k: round(max(-99.0, float(v)), 3) for k, v in vars(found).items()}
    if found.fits:
        return Suitability(True, _fitting(bundle), strange=numbers)
    best = _helpful(image, bundle, tiles, found)
    if best is None:
        if found.kind <= 1:  # unusual in one way only, and no change makes it less so
            return Suitability(True, _fitting(bundle), strange=numbers)
        return Suitability(False, _ANOTHER, "model", strange=numbers)
    if best.invert != tiles.invert:
        text = "Bright and dark are the other way round than in the images that the model learnt from."
        return Suitability(False, text, "invert", best, "Invert for the model", numbers)
    times = best.zoom / (tiles.zoom or 1)
    size, title = ("smaller", "Enlarge for the model") if times > 1 else ("larger", "Shrink for the model")
    text = f"Objects are about {max(times, 1 / times):g} times {size} than the model expects."
    return Suitability(False, text, "zoom", best, title, numbers)


def _strangeness(image: Image, bundle: ModelBundle, tiles: TileSpec) -> Strangeness:
    """How strange the image is as the model will see it."""
    picture, reader = as_seen(image, bundle, tiles.invert)
    known = normalise.statistics(picture, reader.normalisation)
    look = look_of(picture, bundle.spec, tiles.rescale)
    if not look.plain:
        picture = regridded(picture, look.factors)
    if tiles.zoom not in (0, 1):
        picture = resized(picture, tiles.zoom, bundle.spec.ndim)
    looks = _KNOWN.get(bundle)
    if looks is None:
        looks = _KNOWN[bundle] = Looks(bundle.learnt.typical)
    return looks.of(measures(seen_parts(picture, known)))


def _helpful(image: Image, bundle: ModelBundle, tiles: TileSpec, found: Strangeness) -> TileSpec | None:
    """The settings that make the image less strange, of those that its measures point to."""
    zoom = tiles.zoom or 1
    wanted = [replace(tiles, invert=not tiles.invert)] if found.inverted > 0 else []
    for side, factors in ((found.larger, (0.5, 0.25)), (found.smaller, (2.0, 4.0))):
        if side > 0:
            wanted += [replace(tiles, zoom=zoom * f) for f in factors if LEAST <= zoom * f <= MOST]
    tried = [(_strangeness(image, bundle, one), one) for one in wanted]
    tried = [(s, one) for s, one in tried if s.fits or s.kind < min(found.kind, 1.0)]
    return min(tried, key=lambda pair: (not pair[0].fits, pair[0].kind))[1] if tried else None


def _fitting(bundle: ModelBundle) -> str:
    widths, ndim = bundle.learnt.widths, bundle.spec.ndim
    size = f" It learnt objects of about {widths[0]:.0f} to {widths[2]:.0f} {pixel(ndim)}s." if widths else ""
    return f"{bundle.name} fits this image.{size}"


def check_result(found: Segmentation, bundle: ModelBundle) -> Note | None:
    """What is striking about a result: nothing found, nearly everything found, objects of another size.

    Parameters
    ----------
    found : Segmentation
        Only one in memory is looked at.
    bundle : ModelBundle
    """
    labels = found.labels
    if not isinstance(labels, np.ndarray):
        return None
    cover, most = float((labels > 0).mean()), max(bundle.learnt.cover, default=0.0)
    if found.task is Task.INSTANCE and not cover:
        return Note("Nothing was found.")
    if (found.task is Task.INSTANCE or bundle.learnt.cover) and cover > max(_MOST_COVERED, (1 + most) / 2):
        text = f"{cover:.0%} of the image was found. Are bright and dark the other way round than the model expects?"
        return Note(text, setting="invert")
    if not bundle.learnt.widths or found.task is Task.SEMANTIC:
        return None
    width, (low, _, high) = middle_width(found, bundle.spec.ndim), bundle.learnt.widths
    if low / _OTHER_SIZE <= width <= high * _OTHER_SIZE:
        return None
    return Note(
        f"The objects are about {width:.0f} {pixel(len(found.spacing))}s wide; the model learnt ones of {low:.0f} to {high:.0f}. "
        f"They may be found better at another zoom.",
        setting="zoom",
    )


def noting(image: Image, bundle: ModelBundle, tiles: TileSpec, job: Job[Segmentation]) -> Job[Segmentation]:
    """Predict, and say what is strange about the image, or else about the result."""
    verdict = suits(image, bundle, tiles)
    if not verdict.fits:
        yield Note(verdict.sentence, setting=verdict.setting)
    found = yield from job
    note = check_result(found, bundle) if verdict.fits else None
    if note is not None:
        yield note
    return found


__all__ = ["Suitability", "check_result", "noting", "suits"]
