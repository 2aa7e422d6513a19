"""A model bundle: everything that is needed to run a network on a new image."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_segplugin.core.errors import InputError
from napari_segplugin.core.specs import ModelSpec
from napari_segplugin.core.types import DecodeParams, Json

RULES = ("robust", "percentiles", "values")
"""How the intensities that become 0 and 1 are found."""


@dataclass(frozen=True)
class Normalisation:
    """How intensities become network input: once an image and channel, never once a tile.

    Parameters
    ----------
    low, high : float
        Percentiles of the channel that are mapped to 0 and 1. Where `low` equals `high` in the image, the input is 0.
    clip : float
        Values are cut to [-clip, 1 + clip] afterwards, so that one hot pixel cannot dominate.
    rule : str
        "robust": by the percentiles, unmoved by specks, noise and empty space; "percentiles": as they are; "values": by the
        same two values in every image, as Hounsfield units of a CT have a meaning of their own.
    values : tuple of (float, float)
        Of each channel, what becomes 0 and 1, with the rule "values".

    Raises
    ------
    InputError
        If the percentiles are not between 0 and 100, the lower one first, the cut is not a number from 0, there is no such
        rule, or the values do not go with it.
    """

    low: float = 1.0
    high: float = 99.8
    clip: float = 1.0
    rule: str = "robust"
    values: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if not (0 <= self.low <= self.high <= 100 and 0 <= self.clip < np.inf):
            raise InputError(
                "The normalisation of the model is out of range.",
                got=f"low {self.low:g}, high {self.high:g}, clip {self.clip:g}",
                accepted="low and high from 0 to 100, the lower one first; clip 0 or more",
            )
        if self.rule not in RULES:
            raise InputError("There is no such rule of a normalisation.", got=self.rule, accepted=", ".join(RULES))
        fine = all(len(v) == 2 and -np.inf < v[0] < v[1] < np.inf for v in self.values)
        if not fine or bool(self.values) != (self.rule == "values"):
            raise InputError(
                "The values of the normalisation do not go with its rule.",
                got=f"{self.values} with the rule '{self.rule}'",
                accepted="two numbers a channel, the smaller one first, with the rule 'values'; none with another",
            )


@dataclass(frozen=True)
class Learnt:
    """What a model knows of the images that it learnt from; what is empty is not known.

    The voxel size and the number of channels are in its :class:`~napari_segplugin.core.ModelSpec`.

    Parameters
    ----------
    images : int
        How many there were.
    modality : str
        What the files called it ("CT", "MR"), where all agree; "CT" also where their values are Hounsfield units.
    channels : tuple of str
        What each channel shows, in the order in which the network reads them.
    widths : tuple of float
        5th percentile, median and 95th percentile over objects of the diameter of the disc (2D) or ball (3D) of the same
        size, in voxels.
    cover : tuple of float
        Least and largest share of the known voxels of an image that are not background.
    values : tuple of tuple of float
        Of each channel: percentiles 0.5, 50 and 99.5, mean and standard deviation of the values as they are in the files,
        where there is something else than background.
    typical : mapping of str to tuple of float
        Measures of the images, by name: what is far off is an image of another kind.
    """

    images: int = 0
    modality: str = ""
    channels: tuple[str, ...] = ()
    widths: tuple[float, ...] = ()
    cover: tuple[float, ...] = ()
    values: tuple[tuple[float, ...], ...] = ()
    typical: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


class Exemplars:
    """Small pieces of what a network learnt from, which it sees again when it is fine-tuned, so that it forgets less.

    They are kept packed, some twenty times smaller, since every model of a session has its own.

    Parameters
    ----------
    image : (N, C, [Z,] Y, X) ndarray of float16
        Normalised as the network sees them.
    labels : (N, 4, [Z,] Y, X) ndarray of float32
        Class, its weight, the weight of the maps, object.
    maps : (N, M, [Z,] Y, X) ndarray of float16
        The further targets of the network.
    spacing : (N, ndim) ndarray of float64
        Voxel size along [Z,] Y, X.
    source : (N,) ndarray of str
        A digest of the image that each comes from.

    Raises
    ------
    InputError
        If the arrays do not belong together.
    """

    NAMES = ("image", "labels", "maps", "spacing", "source")

    def __init__(
        self, image: np.ndarray, labels: np.ndarray, maps: np.ndarray, spacing: np.ndarray, source: np.ndarray
    ) -> None:
        arrays = (image, labels, maps, spacing, source)
        n, spatial = image.shape[:1], image.shape[2:]
        fits = (
            len(spatial) in (2, 3)
            and 0 not in image.shape
            and labels.shape == (*n, 4, *spatial)
            and (*maps.shape[:1], *maps.shape[2:]) == (*n, *spatial)
            and spacing.shape == (*n, len(spatial))
            and source.shape == n
        )
        if not fits or "".join(a.dtype.kind for a in arrays) != "ffffU":
            raise InputError(
                "The image pieces kept with the model do not fit together.",
                got=", ".join(f"{a.dtype} {a.shape}" for a in arrays),
                accepted="image (N, C, …), labels (N, 4, …), maps (N, M, …), spacing (N, ndim) and source (N)",
            )
        self._packed = {
            name: (a.dtype, a.shape, zlib.compress(np.ascontiguousarray(a).tobytes(), 1))
            for name, a in zip(self.NAMES, arrays, strict=True)
        }

    def __len__(self) -> int:
        return int(self._packed["image"][1][0])

    def array(self, name: str) -> np.ndarray:
        """One of the arrays, unpacked anew with each call; it cannot be written to.

        Parameters
        ----------
        name : str
            One of ``NAMES``.
        """
        dtype, shape, packed = self._packed[name]
        found: np.ndarray = np.frombuffer(zlib.decompress(packed), dtype).reshape(shape)
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """All of them by name, see :meth:`array`."""
        return {name: self.array(name) for name in self.NAMES}

    def take(self, which: np.ndarray) -> Exemplars:
        """Some of them, by index or mask."""
        return Exemplars(**{k: v[which] for k, v in self.arrays().items()})


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """Spec, weights, normalisation and history. Never changed in place: training returns a new one.

    Parameters
    ----------
    name : str
        What a person calls it.
    spec : ModelSpec
    weights : mapping of str to ndarray
        The state of the network, by parameter name.
    normalisation : Normalisation
    history : tuple of mapping
        One JSON record for each training that led here, oldest first.
    decode : mapping
        Parameters of the task's decoder, tuned on training data (thresholds, smallest object).
    licence : str
        Under which licence the weights may be used: its name in the first line, then its text and whose work it covers.
    description : str
        What it was trained on and what for, one or two sentences.
    exemplars : Exemplars, optional
        Pieces of the training images, against forgetting.
    learnt : Learnt
        What it knows of the images that it learnt from.
    """

    name: str
    spec: ModelSpec
    weights: Mapping[str, np.ndarray]
    normalisation: Normalisation = Normalisation()
    history: tuple[Mapping[str, Json], ...] = ()
    decode: DecodeParams = field(default_factory=dict)
    licence: str = "not stated"
    description: str = ""
    exemplars: Exemplars | None = None
    learnt: Learnt = Learnt()
