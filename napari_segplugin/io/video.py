"""Films (mp4, avi, mov, mkv), through PyAV: frames are decoded when they are asked for."""

from __future__ import annotations

import statistics
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import EllipsisType, ModuleType
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import InputError, MissingExtraError
from napari_segplugin.core.types import Index, JsonDict
from napari_segplugin.io.files import Format, Found
from napari_segplugin.io.lazy import LazyArray

if TYPE_CHECKING:
    import av

_KEPT = 4  # frames that were decoded last: a viewer asks for the same one several times
_SPREAD = 6  # of 255: differences between red, green and blue that are no color
_UNEVEN = 0.1  # share of the interval by which frames may differ before it is said


def _av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("av", "read video files", extra="video") from error
    return av


class Film:
    """The frames of a video as an array (T, Y, X, C), or (T, Y, X) where it is grey.

    Each frame is found by its time stamp, so that the number of a frame means the same in whatever order they are read.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If there is no video in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._container: av.container.InputContainer = _av().open(str(path))
        if not self._container.streams.video:
            self._container.close()
            raise InputError(
                f"'{path.name}' contains no video.", got="sound or text alone", hint="Choose another file."
            )
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._at = -1  # number of the frame that was decoded last
        self._decoder: Iterator[av.VideoFrame] = iter(())
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self.times = self._stamps()
        self._turns = 0
        self._format = self._pixels()
        first = self.frame(0)
        self.grey = first.ndim == 2
        self.stored_grey = self.grey
        looked = [self.frame(i) for i in (0, len(self) // 2, len(self) - 1)]
        shows = any(f.min() != f.max() for f in looked)  # empty frames tell nothing
        if first.ndim == 3 and shows and all(_colourless(f) for f in looked):
            self._format, self.grey = ("gray16le" if first.dtype == np.uint16 else "gray"), True
            self._kept.clear()
            self._at = -1
            first = self.frame(0)
        self.shape: tuple[int, ...] = (len(self), *first.shape)
        self.dtype = first.dtype
        self.chunks = (1, *first.shape)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, index: Index | EllipsisType) -> np.ndarray:
        given = index if isinstance(index, tuple) else (index,)
        at = given.index(Ellipsis) if Ellipsis in given else len(given)
        whole = [slice(None)] * (len(self.shape) - len(given) + 1)
        parts = (*given[:at], *whole, *given[at + 1 :]) if at < len(given) else given
        numbers = np.arange(len(self))[parts[0]]
        frames = [self.frame(int(n))[parts[1:]] for n in np.atleast_1d(numbers)]
        if np.ndim(numbers) == 0:
            return np.asarray(frames[0])
        return np.stack(frames) if frames else np.zeros((0, *self.shape[1:]), self.dtype)[(slice(None), *parts[1:])]

    @property
    def interval(self) -> float | None:
        """Seconds between two frames: that of most."""
        steps = np.diff(self.times)
        return float(f"{statistics.median(steps.tolist()):.9g}") if len(steps) else None

    @property
    def even(self) -> bool:
        """Whether all frames follow each other at that interval."""
        steps, usual = np.diff(self.times), self.interval
        return usual is None or bool((np.abs(steps - usual) <= _UNEVEN * usual).all())

    @property
    def aspect(self) -> float:
        """Width of a pixel by its height."""
        return float(self._stream.codec_context.sample_aspect_ratio or 1) or 1.0

    def _stamps(self) -> np.ndarray:
        """Seconds at which each frame is shown; `_ticks` keeps them as the file counts."""
        packets = [p for p in self._container.demux(self._stream) if p.size and not p.is_discard]
        ticks = [p.pts for p in packets if p.pts is not None]
        if len(ticks) < len(packets):  # old AVI has no time stamps; then all frames are decoded once
            self._container.seek(0)
            ticks = [f.pts for f in self._container.decode(self._stream) if f.pts is not None]
        self._ticks = sorted(set(ticks))
        if not self._ticks:
            raise InputError(
                f"'{self._path.name}' contains no frame.", got="a video without frames", hint="Copy it again."
            )
        return np.array(self._ticks, float) * float(self._stream.time_base or 1)

    def _pixels(self) -> str:
        """What frames become: red, green and blue of 8 or 16 bits, or grey where the video itself is."""
        about = self._stream.codec_context.format
        bits = max((c.bits for c in about.components), default=8) if about else 8
        grey = about is not None and about.name.startswith(("gray", "mono"))
        return {(True, False): "gray", (True, True): "gray16le", (False, True): "rgb48le"}.get(
            (grey, bits > 8), "rgb24"
        )

    def frame(self, number: int) -> np.ndarray:
        """A frame (Y, X) or (Y, X, C).

        Raises
        ------
        ValueError
            If it cannot be decoded.
        """
        with self._lock:
            if number not in self._kept:
                self._kept[number] = self._decoded(number)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[number]

    def _decoded(self, number: int) -> np.ndarray:
        wanted = self._ticks[number]
        if self._at < 0 or not self._at < number <= self._at + _KEPT:
            self._container.seek(wanted, stream=self._stream, backward=True, any_frame=False)
            self._decoder = self._container.decode(self._stream)
        found = next((f for f in self._decoder if f.pts is not None and f.pts >= wanted), None)
        if found is None or found.pts != wanted or found.is_corrupt:
            self._at = -1
            raise ValueError(f"frame {number} cannot be decoded")
        self._at = number
        array = found.to_ndarray(format=self._format)
        turned = np.rot90(array, round(found.rotation / 90) % 4)
        return np.ascontiguousarray(turned)


def _colourless(frame: np.ndarray) -> bool:
    """Whether red, green and blue are the same but for what compression and rounding leave."""
    most = _SPREAD * (257 if frame.dtype == np.uint16 else 1)
    return int((frame.max(axis=-1) - frame.min(axis=-1)).max()) <= most


def read(path: Path) -> Found:
    """Read a film as (T, Y, X, C), or (T, Y, X) where it is grey, frame by frame.

    ``metadata["frame_interval"]`` holds the seconds between two frames. Phones store films turned; they come upright.
    """
    film = Film(path)
    about: JsonDict = {}
    notes = []
    if film.interval:
        about["frame_interval"] = film.interval
    if not film.even:
        notes.append(f"The frames of '{path.name}' do not follow each other evenly; most do after {film.interval:g} s.")
    if film.grey and not film.stored_grey:
        notes.append(
            f"'{path.name}' is gray in its first, middle and last frame; its brightness is opened as one channel."
        )
    if film.aspect != 1.0:
        notes.append(f"The pixels of '{path.name}' are {film.aspect:g} times as wide as high.")
    if notes:
        about["notes"] = list(notes)
    if not film.grey:
        about["channel_names"] = ["red", "green", "blue"]
    spacing = {"Y": 1.0, "X": film.aspect} if film.aspect != 1.0 else {}
    array = LazyArray(film, path, "video", keep=(film,))
    return Found(array, "TYX" if film.grey else "TYXC", spacing=spacing, metadata=about)


FORMAT = Format(read=read)
