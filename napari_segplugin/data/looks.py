"""How images look, in a few numbers, and whether a new one looks like those that a model learnt from.

An image is measured at octaves: how much there is of each size of detail, whether it is bright or dark, and how it is spread.
A model keeps these measures of its training images, and of the same images inverted, enlarged and reduced. A new image is of
another kind if it lies further from the training images (Mahalanobis distance; Lee et al. 2018, arXiv 1807.03888) than each of
them lies from the others, and inverted or of another size if it lies on that side of the line that parts the training images
from their changed copies (Fisher's linear discriminant).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_segplugin.core import Image, Normalisation, Region
from napari_segplugin.data import normalise
from napari_segplugin.data.inverted import inverted, inverted_rule
from napari_segplugin.data.tiles import spread_blocks

LEVELS = 5
N = 3 * LEVELS + 7
"""Measures of an image."""
SIDE = 256
WINDOWS = 6
CHANGES = ("inverted", "larger", "smaller")
_SMALLEST = 96
_TINY = 16
_IMAGES = 48
_ROWS = 24
_MOST = 180
_PRIOR = np.array([0.12] * LEVELS + [0.25] * LEVELS + [0.2] * LEVELS + [0.03] * 5 + [0.05, 0.25])
"""Standard deviation of each measure over images of one kind, roughly; all that is known of it where images are few."""
_WORTH = 16
"""As many images count as much as what is known beforehand."""
_FEW = 12
"""Images from which on one of them can be left out to see how far a new one lies from the others."""
_FURTHER = 1.5
"""Where they are fewer: a new image may lie this many times further from the nearest part of them than parts of one do."""
_FAR = 3.0
"""However different the training images are from each other, what is further off than this is of another kind."""


def _halved(x: np.ndarray) -> np.ndarray:
    x = x[: len(x) // 2 * 2, : x.shape[1] // 2 * 2]
    return np.asarray((x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4)


def measures(planes: Sequence[np.ndarray]) -> np.ndarray:
    """The measures of an image, pooled over parts of it.

    Parameters
    ----------
    planes : sequence of (Y, X) ndarray of float
        As the network sees them, 0 to 1. Small ones are mirrored at their border until there is enough of them.

    Returns
    -------
    (22,) ndarray of float64
        Logarithm of the strength of each octave, their skewness (cube root), the logarithm of their kurtosis; percentiles 5, 25,
        50, 75, 95, standard deviation and skewness (cube root) of the values.

    Examples
    --------
    >>> found = measures([np.random.default_rng(0).random((128, 128))])
    >>> found.shape, bool(found[0] > found[4])
    ((22,), True)
    """
    details: list[list[np.ndarray]] = [[] for _ in range(LEVELS)]
    for plane in planes:
        x = np.asarray(plane, np.float32)
        while min(x.shape) < _SMALLEST:
            x = np.pad(x, [(0, max(0, min(n, _SMALLEST - n))) for n in x.shape], mode="symmetric")
        for level in details:
            level.append((x - ndimage.gaussian_filter(x, 1.0)).ravel())
            x = _halved(x)
    out = np.zeros((3, LEVELS))
    for i, level in enumerate(details):
        out[:, i] = _shape_of(np.concatenate(level))
    values = np.concatenate([np.ravel(p) for p in planes])
    spread, skewness, _ = _shape_of(values - values.mean(dtype=np.float64))
    percentiles = np.percentile(values, (5, 25, 50, 75, 95))
    return np.concatenate([out.ravel(), percentiles, [10.0**spread, skewness]])


def _shape_of(values: np.ndarray) -> tuple[float, float, float]:
    """Logarithm of the spread, cube root of the skewness, logarithm of the kurtosis, of values around 0."""
    values = values.astype(np.float64)
    square = values * values
    m2 = float(square.mean()) + 1e-9
    third, fourth = float((square * values).mean()), float((square * square).mean())
    return 0.5 * np.log10(m2), float(np.cbrt(third / m2**1.5)), float(np.log10(max(fourth / m2**2, 1e-3)))


def parts(image: Image, count: int = WINDOWS) -> list[Region]:
    """Parts of an image that stand for the whole: evenly spread windows of single planes."""
    shape = image.spatial_shape
    block = (*(1,) * (len(shape) - 2), *(min(n, SIDE if n > 3 * SIDE // 2 else n) for n in shape[-2:]))
    return spread_blocks(shape, block, count)


def seen_parts(image: Image, known: normalise.Statistics, count: int = WINDOWS) -> list[np.ndarray]:
    """These parts as the network sees them, (Y, X) each: the mean of its channels."""
    return [_flat(normalise.apply(image.read(region), known)) for region in parts(image, count)]


def _flat(part: np.ndarray) -> np.ndarray:
    """(C, [Z,] Y, X) of one plane as (Y, X)."""
    return np.asarray(part.mean(axis=0).reshape(part.shape[-2:]))


def _repeated(x: np.ndarray, times: int) -> np.ndarray:
    return np.asarray(x.repeat(times, 0).repeat(times, 1))


def _changed(image: Image, normalisation: Normalisation, planes: Sequence[np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Measures of copies of an image: inverted, enlarged and reduced four times, each smoothly and roughly."""
    other = inverted(image)
    known = normalise.statistics(other, inverted_rule(normalisation, image.array.dtype))
    part = max(planes, key=lambda p: float(p.std()))[:SIDE, :SIDE]
    half = SIDE // 4 * 2
    top, left = (max(0, (n - half) // 2) for n in part.shape)
    part = part[top : top + half, left : left + half]
    smooth = np.asarray(ndimage.zoom(part, 4, order=1, mode="nearest", grid_mode=True))
    small = [_halved(_halved(p)) for p in planes]
    return {
        "inverted": [measures(seen_parts(other, known))],
        "larger": [measures([smooth]), measures([_repeated(part, 4)])],
        "smaller": [measures(small), measures([p[::4, ::4] for p in planes])],
    }


def typical_of(images: Sequence[Image], normalisation: Normalisation) -> dict[str, tuple[float, ...]]:
    """What a model keeps of how its training images look.

    Parameters
    ----------
    images : sequence of Image
        On the grid that the network sees; of many, some are looked at.
    normalisation : Normalisation

    Returns
    -------
    dict
        "looks": the measures of each image, one after the other; where images are few, of parts of each too. "image": of which
        image they are. "inverted", "larger", "smaller": measures of the images that were changed. Nothing where all are tiny.
    """
    chosen = [images[i] for i in np.unique(np.linspace(0, len(images) - 1, min(len(images), _IMAGES)).astype(int))]
    found: dict[str, list[np.ndarray]] = {name: [] for name in ("looks", *CHANGES)}
    which: list[float] = []
    for number, image in enumerate(chosen):
        planes = seen_parts(image, normalise.statistics(image, normalisation))
        if min(planes[0].shape) < _TINY:
            continue
        more = planes if len(planes) > 1 else _quarters(planes[0])
        rows = [measures(planes), *(measures([p]) for p in more[: _ROWS // len(chosen)])]
        found["looks"] += rows
        which += [float(number)] * len(rows)
        for name, changed in _changed(image, normalisation, planes).items():
            found[name] += changed
    if not which:
        return {}
    return {"image": tuple(which), **{k: _packed(np.array(v)) for k, v in found.items()}}


def _quarters(plane: np.ndarray) -> list[np.ndarray]:
    """The quarters of a plane, where they are large enough to tell something."""
    y, x = (n // 2 for n in plane.shape)
    return (
        [plane[a, b] for a in (slice(y), slice(y, None)) for b in (slice(x), slice(x, None))] if min(y, x) > 63 else []
    )


def _packed(rows: np.ndarray) -> tuple[float, ...]:
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).astype(int))]
    return tuple(rows.ravel().round(4).tolist())


def together(
    old: Mapping[str, tuple[float, ...]], new: Mapping[str, tuple[float, ...]]
) -> dict[str, tuple[float, ...]]:
    """What a model keeps that was trained again: how the images of both trainings look.

    Of as many rows as are kept, those of the new images are all there, so that what was learnt last is known best.
    """
    if not old or not new:
        return dict(new or old)
    number = max(old["image"]) + 1
    room = max(0, _MOST - len(new["image"]))
    kept = np.unique(np.linspace(0, len(old["image"]) - 1, min(len(old["image"]), room)).astype(int))
    rows = np.reshape(old["looks"], (-1, N))[kept]
    found = {
        "image": (*np.asarray(old["image"])[kept].tolist(), *(number + n for n in new["image"])),
        "looks": (*rows.ravel().tolist(), *new["looks"]),
    }
    for name in CHANGES:
        found[name] = _packed(np.reshape((*new[name], *old[name]), (-1, N)))
    return found


@dataclass(frozen=True, eq=False)
class Strangeness:
    """How far an image is from what a model knows; above 1 is further than it should be.

    Parameters
    ----------
    kind : float
        From the training images.
    inverted, larger, smaller : float
        Beyond the line that parts the training images from such copies of them; above 0 is on the side of the copies.
    """

    kind: float
    inverted: float
    larger: float
    smaller: float

    @property
    def fits(self) -> bool:
        """Whether nothing is strange."""
        return self.kind <= 1 and max(self.inverted, self.larger, self.smaller) <= 0


class Looks:
    """How the training images of a model look, and how far from them a new one is.

    Parameters
    ----------
    typical : mapping of str to tuple of float
        From :func:`typical_of`.
    """

    def __init__(self, typical: Mapping[str, tuple[float, ...]]) -> None:
        rows, of = np.reshape(typical["looks"], (-1, N)), np.asarray(typical["image"])
        copies = {name: np.reshape(typical[name], (-1, N)) for name in CHANGES}
        images = np.unique(of)
        self._many = len(images) >= _FEW
        if self._many:
            self._lines = _Lines(rows, copies, len(images))
            parted = [(_Lines(rows[of != n], copies, len(images) - 1), rows[of == n]) for n in images]
            far = [lines.distance(own).max() for lines, own in parted]
            self._limit = min(_FAR, _highest(far))
            self._near = float(np.median([lines.nearest(row) for lines, own in parted for row in own]))
            sides = {k: [lines.side(own, k).max() for lines, own in parted] for k in CHANGES}
        else:  # left out, one of a few would tell of the others only how unlike they are
            middles = np.array([rows[of == n].mean(0) for n in of])
            self._lines = _Lines(rows, copies, len(images), rows - middles)
            alone = [self._lines.nearest(row, np.delete(rows, i, 0)) for i, row in enumerate(rows) if len(rows) > 1]
            self._limit = _FURTHER * max(1.0, _highest(alone) if alone else 1.0)
            sides = {k: list(self._lines.side(rows, k)) for k in CHANGES}
        self._border = {}
        for name in CHANGES:
            most, beyond = _highest(sides[name]), self._lines.side(copies[name], name)
            least, some = (float(v) for v in np.percentile(beyond, (5, 20)))
            # a model that learnt from bright and dark objects alike has images on both sides
            between = max(most, most + (least - most) / (2 if self._many else 3))
            self._border[name] = between if some > most else np.inf

    def of(self, found: np.ndarray) -> Strangeness:
        """How strange an image is, from its measures.

        Parameters
        ----------
        found : (22,) ndarray of float
            From :func:`measures`.
        """
        sides = [float(self._lines.side(found[None], k)[0]) - self._border[k] for k in CHANGES]
        kind = self._lines.nearest(found) / (self._near if self._many else self._limit)
        if (
            self._many
        ):  # right beside an image that was learnt from is near enough, however unlike the others that one is
            kind = min(kind, float(self._lines.distance(found[None])[0]) / self._limit)
        return Strangeness(kind, *sides)


def _highest(values: Sequence[float]) -> float:
    """The largest but for two of a hundred."""
    return float(np.percentile(values, 98, method="higher"))


class _Lines:
    """Distance from some rows, and on which side of the lines to their changed copies something lies."""

    def __init__(
        self, rows: np.ndarray, copies: Mapping[str, np.ndarray], images: int, within: np.ndarray | None = None
    ) -> None:
        self._rows, self._middle = rows, rows.mean(0)
        spread = _spread(rows, images)
        self._inverse = np.linalg.inv(spread if within is None else _spread(within, images))
        self._sides = {}
        for name, changed in copies.items():
            other = changed.mean(0)
            weight = np.linalg.solve((spread + _spread(changed, images)) / 2, other - self._middle)
            scale = np.sqrt(weight @ spread @ weight)
            self._sides[name] = weight / scale, -(weight @ (other + self._middle)) / 2 / scale

    def _length(self, off: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", off, self._inverse, off) / N))

    def distance(self, rows: np.ndarray) -> np.ndarray:
        """From the middle of the rows."""
        return self._length(rows - self._middle)

    def nearest(self, row: np.ndarray, rows: np.ndarray | None = None) -> float:
        """From the nearest row."""
        return float(self._length(row - (self._rows if rows is None else rows)).min())

    def side(self, rows: np.ndarray, name: str) -> np.ndarray:
        """How far on the side of the copies."""
        weight, start = self._sides[name]
        return np.asarray(rows @ weight + start)


def _spread(rows: np.ndarray, images: int) -> np.ndarray:
    off = rows - rows.mean(0)
    return np.asarray((images * (off.T @ off) / len(rows) + _WORTH * np.diag(_PRIOR**2)) / (images + _WORTH))


__all__ = ["CHANGES", "Looks", "Strangeness", "measures", "parts", "seen_parts", "together", "typical_of"]
