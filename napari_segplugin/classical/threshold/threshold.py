"""Thresholds for the whole image: one value, several, or a strong and a weak one, found from the histogram."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from napari_segplugin.classical.shared.smoothing import gaussian
from napari_segplugin.core import InputError

BINS = 256
"""Bins of a histogram of values that are not small whole numbers."""
MOST_BINS = 2**16
NEARLY = 0.9
"""Weight of numbers in a window from which its mean is taken for that of numbers alone."""


def find_threshold(values: np.ndarray, method: str) -> float:
    """The value that parts bright from dark.

    Parameters
    ----------
    values : (N,) ndarray
        Finite numbers of any real dtype. Whole numbers are counted one by one, others in 256 bins.
    method : str
        "otsu": least variance within both parts [1]_. "root_otsu": the same of the square roots of the height above the
        least value, so that a few very bright objects do not hide the dim ones. "li": least cross-entropy [2]_.
        "triangle": farthest below the line from the peak of the histogram to its end [3]_. "yen": most correlation [4]_.
        "isodata": halfway between the means of both parts [5]_. "minimum": the valley between two peaks [6]_. "mean":
        the mean.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If the histogram has not the form that the method looks for.

    References
    ----------
    .. [1] Otsu 1979, IEEE SMC 9(1), eq. 18.
    .. [2] Li and Tam 1998, Pattern Recognition Letters 19(8).
    .. [3] Zack, Rogers and Latt 1977, J Histochem Cytochem 25(7).
    .. [4] Yen, Chang and Chang 1995, IEEE TIP 4(3).
    .. [5] Ridler and Calvard 1978, IEEE SMC 8(8).
    .. [6] Prewitt and Mendelsohn 1966, Ann NY Acad Sci 128(3).

    Examples
    --------
    >>> find_threshold(np.array([0, 0, 1, 9, 10, 10]), "mean")
    5.0
    """
    from skimage import filters

    values = countable(values)
    if method == "root_otsu":
        low = float(values.min())
        roots = np.sqrt(values.astype(np.float32) - np.float32(low))
        return low + float(filters.threshold_otsu(roots)) ** 2
    try:
        return float(getattr(filters, f"threshold_{method}")(values))
    except RuntimeError as error:
        raise InputError(
            "The method 'minimum' needs a histogram with two peaks.",
            hint="Choose another method, such as otsu, or smooth the image more.",
        ) from error


def countable(values: np.ndarray) -> np.ndarray:
    """Values in a dtype whose histogram is not larger than the image: small whole numbers, otherwise float32."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind in "iu" and (values.dtype.itemsize <= 2 or int(values.max()) - int(values.min()) < MOST_BINS):
        return values
    return values.astype(np.float32, copy=False)


def channel_values(sample: np.ndarray, smooth: float, spacing: tuple[float, ...]) -> np.ndarray:
    """The finite values of the sample's channel after smoothing, (N,).

    Those are taken whose window holds hardly any gap, and all where there is none of that kind.
    """
    known = np.isfinite(sample[0])
    if known.all():
        return gaussian(sample[0], smooth, spacing).ravel()
    if smooth <= 0:
        return np.asarray(sample[0][known])
    weight = gaussian(known.astype(np.float32), smooth, spacing)
    values = gaussian(np.where(known, sample[0], 0), smooth, spacing) / np.maximum(weight, np.float32(1e-6))
    clean = known & (weight > NEARLY)
    return np.asarray(values[clean if clean.any() else known])


class MeasuredLevel(TypedDict):
    """The value that parts a whole image, and the least and the greatest of the image."""

    threshold: float
    low: float
    high: float


class Levels(TypedDict):
    """The values that part a whole image in classes, ascending."""

    thresholds: np.ndarray


def measure(
    sample: np.ndarray,
    spacing: tuple[float, ...],
    *,
    method: str,
    value: float,
    factor: float,
    smooth: float,
    **_: object,
) -> MeasuredLevel:
    """The threshold of the whole image.

    Returns
    -------
    dict
        "threshold", "low" and "high": the value, and the least and greatest of the image.
    """
    values = channel_values(sample, smooth, spacing)
    low, high = float(values.min()), float(values.max())
    at = value if method == "manual" else low + factor * (find_threshold(values, method) - low)
    return {"threshold": at, "low": low, "high": high}


def threshold(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    measured: MeasuredLevel,
    objects: str = "bright",
    smooth: float = 0.0,
    **_: object,
) -> np.ndarray:
    """One value for the whole image.

    Parameters
    ----------
    image : (1, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    measured : mapping
        Of :func:`measure`, whose settings say how the value is found.
    objects : str
        "bright": above the value. "dark": up to the value.
    smooth : float
        Sigma of a Gaussian before, in voxels along X.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        1 in objects.
    """
    values = gaussian(image[0], smooth, spacing)
    at = measured["threshold"]
    return np.asarray(values > at if objects == "bright" else values <= at).astype(np.int32)


def hysteresis(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    measured: MeasuredLevel,
    weak: float = 0.6,
    objects: str = "bright",
    smooth: float = 0.0,
    **_: object,
) -> np.ndarray:
    """Two values: pieces beyond the weak one count where a voxel in them is beyond the strong one.

    Parameters
    ----------
    image : (1, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    measured : mapping
        Of :func:`measure`: the strong value.
    weak : float
        Where the weak value lies between the value of the background's end of the histogram (0) and the strong one (1).
    objects : str
    smooth : float

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    References
    ----------
    Canny 1986, IEEE PAMI 8(6), section VIII.
    """
    from skimage.filters import apply_hysteresis_threshold

    values, strong, end = gaussian(image[0], smooth, spacing), measured["threshold"], measured["low"]
    if objects == "dark":
        values, strong, end = -values, -strong, -measured["high"]
        # "up to the value" is dark in `threshold`: the step to the next number makes "above" of it
        strong = float(np.nextafter(np.float32(strong), np.float32(-np.inf)))
    found = apply_hysteresis_threshold(values, end + weak * (strong - end), strong)
    return np.asarray(found).astype(np.int32)


def measure_several(
    sample: np.ndarray, spacing: tuple[float, ...], *, classes: int, smooth: float, **_: object
) -> Levels:
    """The values that part the image in several classes ("thresholds", ascending)."""
    counts, centres = histogram(channel_values(sample, smooth, spacing))
    return {"thresholds": multi_otsu_thresholds(counts, centres, classes)}


def histogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each value occurs, and the values: whole numbers one by one up to 256 of them, otherwise 256 bins."""
    values = countable(values)
    low, high = values.min(), values.max()
    if values.dtype.kind in "iu" and int(high) - int(low) < BINS:
        counts = np.bincount((values - low).astype(np.uint8, copy=False), minlength=int(high) - int(low) + 1)
        return counts, np.arange(int(low), int(high) + 1, dtype=float)
    counts, edges = np.histogram(values, BINS)
    return counts, (edges[:-1] + edges[1:]) / 2


def multi_otsu_thresholds(counts: np.ndarray, centres: np.ndarray, classes: int) -> np.ndarray:
    """The cuts of a histogram with the most variance between the classes, for any number of classes.

    The sum over classes of (sum of values)² / count is greatest where the variance between classes is [1]_ (eq. 24).
    Best cuts of the first bins in j classes follow from those in j - 1, so n bins cost n² j steps and not n^j.

    Parameters
    ----------
    counts : (N,) ndarray
    centres : (N,) ndarray
        Ascending values.
    classes : int

    Returns
    -------
    (classes - 1,) ndarray
        The greatest value of each class but the last.

    Raises
    ------
    InputError
        If there are fewer values than classes.

    References
    ----------
    .. [1] Liao, Chen and Chung 2001, J Inf Sci Eng 17(5).

    Examples
    --------
    >>> multi_otsu_thresholds(np.array([5, 1, 0, 4, 4]), np.arange(5.0), 2).tolist()
    [1.0]
    """
    there = counts > 0
    weights, values = counts[there].astype(float), centres[there].astype(float)
    if len(values) < classes:
        raise InputError(
            "More classes requested than the image has distinct values.",
            got=f"{len(values)} values for {classes} classes",
            hint="Choose fewer classes.",
        )
    gain = _gains(weights, values - values.mean())
    best, cuts = gain[0], []
    for _ in range(classes - 1):
        # best[j]: bins 0..j in the classes so far; a further class starts behind i and ends with j
        total = best[:-1, None] + gain[1:, :]
        cuts.append(total.argmax(axis=0))
        best = total.max(axis=0)
    at, found = len(values) - 1, []
    for cut in reversed(cuts):
        at = int(cut[at])
        found.append(values[at])
    return np.array(found[::-1])


def _gains(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(sum of values)² / count of the bins i to j, (N, N); minus infinity where j lies before i."""
    mass = np.concatenate([[0.0], np.cumsum(weights)])
    moment = np.concatenate([[0.0], np.cumsum(weights * values)])
    n = len(weights)
    first, last = np.arange(n)[:, None], np.arange(n)[None, :] + 1
    inside = last > first
    share = np.where(inside, mass[last] - mass[first], 1.0)
    return np.where(inside, (moment[last] - moment[first]) ** 2 / share, -np.inf)


def multi_otsu(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    measured: Levels,
    smooth: float = 0.0,
    **_: object,
) -> np.ndarray:
    """Classes by brightness.

    Parameters
    ----------
    image : (1, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    measured : mapping
        Of :func:`measure_several`.
    smooth : float

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        0 for the darkest class, 1 for the next and so on.
    """
    values = gaussian(image[0], smooth, spacing)
    labels = np.zeros(values.shape, np.int32)
    for at in measured["thresholds"]:
        labels += values > np.float32(at)
    return labels


__all__ = [
    "channel_values",
    "countable",
    "find_threshold",
    "histogram",
    "hysteresis",
    "measure",
    "measure_several",
    "multi_otsu",
    "multi_otsu_thresholds",
    "threshold",
]
