"""Which channels of an image a model sees: some of them, their brightness, or one stain of a histological slide.

Nothing is computed before a piece is read, so an image on the disk stays there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from napari_segplugin.core import Image, InputError, Normalisation, in_colours
from napari_segplugin.core.types import Array, Index, JsonDict
from napari_segplugin.data.normalise import statistics

STAINS = ("haematoxylin", "eosin", "dab")
"""Dyes that are told apart by how they absorb red, green and blue (Ruifrok and Johnston 2001)."""
GREY = "grey"
_ALIKE = 2**20
_LUMINANCE = (0.2125, 0.7154, 0.0721)

Convert = Callable[[np.ndarray], np.ndarray]
"""From (..., C) to (..., K)."""


class Mixed:
    """An array whose channels are made of those of another one when it is read.

    Parameters
    ----------
    array : array
    axes : str
        With C.
    read : sequence of int
        The channels that are read, in this order.
    convert : callable, optional
        Makes new channels of them, (..., C) to (..., K); they stay as they are by default.
    count : int, optional
        K.

    Examples
    --------
    >>> Mixed(np.arange(6).reshape(3, 1, 2), "CYX", [2, 0])[:, 0].tolist()
    [[4, 5], [0, 1]]
    """

    def __init__(
        self, array: Array, axes: str, read: Sequence[int], convert: Convert | None = None, count: int | None = None
    ) -> None:
        self._array, self._at, self._read, self._convert = array, axes.index("C"), list(read), convert
        n = count if count is not None else len(self._read)
        self.shape = tuple(n if i == self._at else int(k) for i, k in enumerate(array.shape))
        self.dtype = np.dtype(array.dtype if convert is None else np.float32)
        self.ndim = len(self.shape)

    def __getitem__(self, index: Index) -> np.ndarray:
        given = index if isinstance(index, tuple) else (index,)
        given += (slice(None),) * (self.ndim - len(given))
        wanted = given[self._at]
        read = self._read if self._convert or isinstance(wanted, slice) else [self._read[wanted]]
        read = read if self._convert or not isinstance(wanted, slice) else read[wanted]
        parts = [np.asarray(self._array[(*given[: self._at], c, *given[self._at + 1 :])]) for c in read]
        before = sum(not isinstance(i, int | np.integer) for i in given[: self._at])
        if self._convert:
            mixed = np.moveaxis(np.asarray(self._convert(np.stack(parts, -1)), np.float32), -1, before)
            found: np.ndarray = mixed[(*(slice(None),) * before, wanted)]
            return found
        return np.stack(parts, before) if isinstance(wanted, slice) else parts[0]


class Only:
    """An array without its axis of channels, of which one is read.

    Examples
    --------
    >>> Only(np.arange(6).reshape(3, 1, 2), 0, 2)[0, :].tolist()
    [4, 5]
    """

    def __init__(self, array: Array, at: int, channel: int = 0) -> None:
        self._array, self._at, self._channel = array, at, channel
        self.shape = tuple(int(n) for i, n in enumerate(array.shape) if i != at)
        self.dtype, self.ndim = np.dtype(array.dtype), len(self.shape)

    def __getitem__(self, index: Index) -> np.ndarray:
        given = index if isinstance(index, tuple) else (index,)
        given += (slice(None),) * (self.ndim - len(given))
        return np.asarray(self._array[(*given[: self._at], self._channel, *given[self._at :])])


def channel_names(image: Image) -> tuple[str, ...]:
    """What the file calls each channel, or "channel 1" and so on.

    Examples
    --------
    >>> channel_names(Image(np.zeros((2, 8, 9)), "CYX", metadata={"channel_names": ["DAPI", ""]}))
    ('DAPI', 'channel 2')
    """
    return named(image, image.metadata.get("channel_names") or image.metadata.get("bands"), "channel")


def named(image: Image, said: object, word: str) -> tuple[str, ...]:
    """A name for each channel, from what a file says; where it says nothing, the word and the number."""
    names = [str(n) for n in said] if isinstance(said, Sequence) and not isinstance(said, str) else []
    return tuple((names[i] if i < len(names) else "") or f"{word} {i + 1}" for i in range(image.n_channels))


def choices(image: Image) -> list[tuple[str, str]]:
    """What can be chosen of an image, each as the text that :func:`seen` takes and a title.

    Examples
    --------
    >>> [text for text, _ in choices(Image(np.zeros((8, 9, 3), np.uint8), "YXC"))]
    ['', '1', '2', '3', 'grey', 'haematoxylin', 'eosin', 'dab']
    >>> choices(Image(np.zeros((8, 9)), "YX"))
    [('', 'the only one')]
    """
    if "C" not in image.axes or image.n_channels == 1:
        return [("", "the only one")]
    names = channel_names(image)
    found = [("", f"all {image.n_channels}")]
    found += [(str(i + 1), n if n == f"channel {i + 1}" else f"channel {i + 1}: {n}") for i, n in enumerate(names)]
    found.append((GREY, "grey (brightness)"))
    if image.n_channels in (3, 4):
        found += [(stain, f"{stain} (stain)") for stain in STAINS]
    return found


def seen(image: Image, channels: str | Sequence[int] = "") -> Image:
    """An image as a model is to see it.

    Parameters
    ----------
    image : Image
    channels : str or sequence of int
        Numbers from 1, such as "2" or "1,3"; names, as the file has them; "grey", the brightness of red, green and blue or
        the mean of other channels; "haematoxylin", "eosin" or "dab", how much of a dye there is, for colours. Everything
        where it is empty.

    Returns
    -------
    Image
        Without an axis C where it shows one channel. Its metadata say what was chosen.

    Raises
    ------
    InputError
        If there is no such channel, or a dye is asked of an image without colours.

    Examples
    --------
    >>> image = Image(np.arange(6).reshape(3, 1, 2), "CYX")
    >>> seen(image, "3").array[0, :].tolist(), seen(image, "2,1").read()[:, 0].tolist()
    ([4, 5], [[2, 3], [0, 1]])
    """
    text = channels.strip() if isinstance(channels, str) else ",".join(str(c) for c in channels)
    if not text:
        return image
    if "C" not in image.axes:
        if text in ("1", GREY):
            return image
        raise InputError(f"'{image.name}' has a single channel.", got=f"channels '{text}'", accepted="1")
    if text.lower() in STAINS:
        return _stained(image, text.lower())
    if text.lower() in (GREY, "gray"):
        return _grey(image)
    return picked(image, _numbers(image, text), text)


def _numbers(image: Image, text: str) -> list[int]:
    names, found = channel_names(image), []
    for word in (w.strip() for w in text.split(",")):
        if word.isascii() and word.isdigit() and 1 <= int(word) <= image.n_channels:
            found.append(int(word) - 1)
        elif [n.lower() for n in names].count(word.lower()) == 1:
            found.append([n.lower() for n in names].index(word.lower()))
        else:
            known = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
            stains = f", {', '.join(STAINS)}" if image.n_channels in (3, 4) else ""
            raise InputError(
                f"'{image.name}' has no channel '{word}'.",
                got=f"{image.n_channels} channels",
                accepted=f"1 to {image.n_channels} ({known}), grey{stains}",
                setting="channels",
            )
    if len(set(found)) < len(found):
        raise InputError("A channel was chosen twice.", got=text, setting="channels")
    return found


def picked(image: Image, numbers: Sequence[int], text: str = "") -> Image:
    """Some channels of an image, counted from 0, in this order."""
    names = channel_names(image)
    chosen = [names[n] for n in numbers]
    meta: JsonDict = {k: v for k, v in image.metadata.items() if k not in ("bands", "band_colors", "grey_as_colours")}
    meta |= {"channel_names": chosen, "channels": text or ",".join(str(n + 1) for n in numbers)}
    mixed = Mixed(image.array, image.axes, numbers)
    return _made(image, mixed, len(numbers), meta, lambda whole: picked(whole, numbers, text))


def _made(image: Image, array: Mixed, count: int, meta: JsonDict, again: Callable[[Image], Image]) -> Image:
    whole = image.whole and again(image.whole)
    if count > 1:
        return replace(image, array=array, metadata=meta, whole=whole)
    axes = image.axes.replace("C", "")
    return replace(image, array=Only(array, image.axes.index("C")), axes=axes, metadata=meta, whole=whole)


def _grey(image: Image) -> Image:
    colours = image.n_channels in (3, 4)
    read = range(3) if colours else range(image.n_channels)
    weights = np.array(_LUMINANCE if colours else [1 / image.n_channels] * image.n_channels, np.float32)

    def convert(values: np.ndarray) -> np.ndarray:
        return _summed(values.astype(np.float32), weights)[..., None]

    meta: JsonDict = {**image.metadata, "channel_names": [GREY], "channels": GREY}
    return _made(image, Mixed(image.array, image.axes, read, convert, 1), 1, meta, _grey)


def _stained(image: Image, stain: str) -> Image:
    """How much of a dye there is; the brightest light of the slide counts as white."""
    if image.n_channels not in (3, 4):
        raise InputError(
            "Stains are told apart in images of red, green and blue.",
            got=f"{image.n_channels} channels",
            accepted="3 channels",
            setting="channels",
        )
    colours = image if image.n_channels == 3 else picked(image, range(3))
    white = statistics(colours, Normalisation(rule="percentiles")).high
    convert = partial(_dye, white=np.maximum(white, 1e-6).astype(np.float32), which=STAINS.index(stain))
    meta: JsonDict = {**image.metadata, "channel_names": [stain], "channels": stain}
    mixed = Mixed(image.array, image.axes, range(3), convert, 1)
    return _made(image, mixed, 1, meta, lambda whole: _stained(whole, stain))


def _summed(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sum over the last axis, in one order: a product of matrices rounds a piece otherwise than the whole."""
    total = values[..., 0] * weights[0]
    for i, weight in enumerate(weights[1:], 1):
        total = total + values[..., i] * weight
    return np.asarray(total)


def _dye(values: np.ndarray, white: np.ndarray, which: int) -> np.ndarray:
    """Amount of a dye in (..., 3) colours, as of :func:`skimage.color.rgb2hed`; NaN where there is no color."""
    from skimage.color import hed_from_rgb

    shares = np.clip(np.nan_to_num(values.astype(np.float32), nan=1.0) / white, np.float32(1e-3), 1)
    dense = np.log(shares) / np.log(np.float32(1e-6))
    found = np.maximum(_summed(dense, hed_from_rgb[:, which].astype(np.float32)), 0)
    if values.dtype.kind == "f":
        found = np.where(np.isnan(values).any(-1), np.float32(np.nan), found)
    return np.asarray(found)[..., None]


def fitting(image: Image, channels: int, names: Sequence[str] = ()) -> Image:
    """An image as a model of so many channels reads it, where there is but one way to do that.

    Colours lose their transparency; gray that was stored in colours is read as gray, and the other way around.

    Parameters
    ----------
    image : Image
        Comes back as it is where it fits, or where somebody has to choose.
    channels : int
    names : sequence of str
        What the channels of the model are called; taken where the image has one of each name.

    Examples
    --------
    >>> drawn = Image(np.random.default_rng(0).integers(0, 255, (8, 9, 4), dtype=np.uint8), "YXC")
    >>> fitting(drawn, 3).n_channels, fitting(drawn, 1).n_channels
    (3, 4)
    >>> gray = Image(np.repeat(np.arange(72, dtype=np.uint8).reshape(8, 9, 1), 3, 2), "YXC")
    >>> fitting(gray, 1).axes
    'YX'
    """
    image = in_colours(image, channels)
    if image.n_channels != channels == len(names) and "C" in image.axes:
        known = [n.lower() for n in channel_names(image)]
        if all(known.count(n.lower()) == 1 for n in names):
            return picked(image, [known.index(n.lower()) for n in names])
    colours = image.axes.endswith("C") and image.n_channels in (3, 4)
    if not colours or image.n_channels == channels or channels not in (1, 3):
        return image
    if channels == 3:
        return picked(image, range(3), "1,2,3")
    return picked(image, [0], "1") if _alike(image) else image


def _alike(image: Image) -> bool:
    """Whether red, green and blue are the same, in a sample of a large image."""
    shape = image.spatial_shape
    step = max(1, int(np.ceil((np.prod(shape, dtype=float) / _ALIKE) ** (1 / len(shape)))))
    part = image.read(tuple(slice(None, None, step) for _ in shape))
    return bool((part[0] == part[1]).all() and (part[0] == part[2]).all())


def advice(image: Image, channels: int) -> str:
    """What to choose for a model of so many channels, as the text that :func:`seen` takes; empty where nothing is likely.

    Examples
    --------
    >>> advice(Image(np.zeros((2, 8, 9)), "CYX"), 1), advice(Image(np.zeros((8, 9, 3)), "YXC"), 1)
    ('1', 'grey')
    """
    if channels >= image.n_channels:
        return ""
    if channels == 1:
        return GREY if image.axes.endswith("C") and image.n_channels in (3, 4) else "1"
    return ",".join(str(i + 1) for i in range(channels))


__all__ = [
    "GREY",
    "STAINS",
    "Mixed",
    "Only",
    "advice",
    "channel_names",
    "choices",
    "fitting",
    "named",
    "picked",
    "seen",
]
