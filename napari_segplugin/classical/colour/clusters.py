"""Clusters of colours: K-means and Gaussian mixtures. Classes are numbered from dark to bright.

Clusters are found once, on the values of the whole image or a random part of them (:func:`measure`), and every voxel of
any tile goes to the cluster that suits it. With a weight for position, neighbours tend to the same class.
"""

from __future__ import annotations

import numpy as np

from napari_segplugin.classical.colour.space import Clusters, check_colours, features_of, order_of, space_of, values_of

PART = 2**15
"""Voxels of the random part: centres are as good as those of all, in a tenth of the time."""
MOST = 2**22
"""Voxels that are clustered at most, all at once or in small batches."""
EM_VOXELS = 2**13
"""Voxels on which a mixture is fitted."""


class Gaussians(Clusters):
    """Scale (K, F, F) and offset (K,) of the log density of each Gaussian."""

    scale: np.ndarray
    offset: np.ndarray


def measure(
    sample: np.ndarray,
    spacing: tuple[float, ...],
    *,
    classes: int,
    space: str,
    position: float,
    background: str,
    fit: str,
) -> Clusters:
    """The clusters of K-means.

    Parameters
    ----------
    sample : (C, [Z,] Y, X) ndarray
        NaN is left out.
    spacing : tuple of float
    classes, space, position, background, fit
        As in :func:`kmeans`.

    Returns
    -------
    dict
        "centres" (K, F) in the space of the features, "labels" (K,): the class of each, and what the features need.

    Raises
    ------
    InputError
        If there are fewer colours than classes, or CIELAB is asked for without three channels.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    where = space_of(sample, space, position)
    values = values_of(sample, spacing, where, PART if fit == "part" else MOST)
    check_colours(values[:, : sample.shape[0]], classes)
    if fit == "batches":
        fitted = MiniBatchKMeans(classes, n_init=3, batch_size=4096, random_state=0).fit(values)
    else:
        fitted = KMeans(classes, n_init=3, random_state=0).fit(values)
    colours, counts = fitted.cluster_centers_[:, : sample.shape[0]], np.bincount(fitted.labels_, minlength=classes)
    return {**where, "centres": fitted.cluster_centers_, "labels": order_of(colours, counts, space, background)}


def kmeans(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    measured: Clusters,
    classes: int = 3,
    space: str = "channels",
    position: float = 0.0,
    background: str = "largest",
    fit: str = "part",
) -> np.ndarray:
    """Each voxel to the nearest of `classes` centres.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    measured : mapping
        Of :func:`measure`.
    classes : int
    space : str
        "channels": each channel counts by its own standard deviation. "lab": CIELAB, where distances are as people see
        them.
    position : float
        Weight of the place beside the colour: 1 lets the length of the image count as much as the spread of colours.
    background : str
        Which class is 0: "largest", "darkest", "brightest", or "none" (classes start at 1).
    fit : str
        On what the centres are found: a random "part" of the voxels, "all", or all in small "batches".

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    References
    ----------
    Lloyd 1982, IEEE Trans Inf Theory 28(2); Arthur and Vassilvitskii 2007 (start); Sculley 2010 (small batches).
    """
    features = features_of(image, spacing, measured)
    best: np.ndarray | None = None
    labels = np.zeros(image.shape[1:], np.int32)
    for number, centre in zip(measured["labels"], np.asarray(measured["centres"], np.float32), strict=True):
        far = np.zeros(image.shape[1:], np.float32)
        for part, value in zip(features, centre, strict=True):
            far += (part - value) ** 2
        if best is None:
            best, labels[...] = far, number
        else:
            nearer = far < best
            labels[nearer] = number
            np.minimum(best, far, out=best)
    return labels


def measure_mixture(
    sample: np.ndarray, spacing: tuple[float, ...], *, classes: int, space: str, background: str
) -> Gaussians:
    """The Gaussians of a mixture: as :func:`measure`, with "scale" (K, F, F) and "offset" (K,) of the log density."""
    from sklearn.mixture import GaussianMixture

    where = space_of(sample, space, 0.0)
    values = values_of(sample, spacing, where, EM_VOXELS).astype(np.float64)
    check_colours(values, classes)
    fitted = GaussianMixture(classes, reg_covar=1e-4, max_iter=200, random_state=0).fit(values)
    scale = fitted.precisions_cholesky_
    offset = np.log(fitted.weights_) + np.log(np.einsum("kii->ki", scale)).sum(axis=1)
    labels = order_of(fitted.means_, np.bincount(fitted.predict(values), minlength=classes), space, background)
    return {**where, "centres": fitted.means_, "labels": labels, "scale": scale, "offset": offset}


def gaussian_mixture(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    measured: Gaussians,
    classes: int = 3,
    space: str = "channels",
    background: str = "largest",
) -> np.ndarray:
    """Each voxel to the Gaussian that it most likely comes from: classes may differ in size and spread.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    measured : mapping
        Of :func:`measure_mixture`.
    classes, space, background
        As in :func:`kmeans`.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    References
    ----------
    Dempster, Laird and Rubin 1977, J R Stat Soc B 39(1).
    """
    features = features_of(image, spacing, measured)
    flat = features.reshape(len(features), -1)
    labels, best = np.zeros(flat.shape[1], np.int32), np.full(flat.shape[1], -np.inf, np.float32)
    for number, centre, scale, offset in zip(
        measured["labels"], measured["centres"], measured["scale"], measured["offset"], strict=True
    ):
        white = np.asarray(scale, np.float32).T @ (flat - np.asarray(centre, np.float32)[:, None])
        likely = np.float32(offset) - np.einsum("fn,fn->n", white, white) / 2
        better = likely > best
        labels[better] = number
        np.maximum(best, likely, out=best)
    return labels.reshape(image.shape[1:])


def quantised(
    image: np.ndarray, classes: int = 8, *, space: str = "channels", position: float = 0.0, fit: str = "part"
) -> np.ndarray:
    """The image with `classes` colours: every voxel has the mean colour of its K-means cluster.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray
    classes : int
    space, position, fit
        As in :func:`kmeans`.

    Returns
    -------
    (C, [Z,] Y, X) ndarray
        In the dtype of `image`.

    Raises
    ------
    InputError
        If there are fewer colours than classes, or CIELAB is asked for without three channels.

    Examples
    --------
    >>> quantised(np.array([[[0, 1, 100, 101]] * 3], np.uint8), 2)[0, 0].tolist()
    [0, 0, 100, 100]
    """
    from napari_segplugin.classical.base import run_technique

    labels = run_technique("kmeans", image, classes=classes, space=space, position=position, fit=fit, background="none")
    counts = np.maximum(np.bincount(labels.ravel()), 1)
    means = np.stack([np.bincount(labels.ravel(), channel.ravel()) / counts for channel in image])
    means = np.rint(means) if image.dtype.kind in "iu" else means
    return np.asarray(means.astype(image.dtype)[:, labels])


__all__ = ["Gaussians", "gaussian_mixture", "kmeans", "measure", "measure_mixture", "quantised"]
