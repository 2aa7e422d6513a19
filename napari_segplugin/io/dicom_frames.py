"""What a DICOM file says of each of its frames, wherever it says so: in the header, in functional groups, in vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

_GROUPS = {
    "PixelSpacing": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "VOILUTFunction": "FrameVOILUTSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "TemporalPositionTimeOffset": "TemporalPositionSequence",
    "DimensionIndexValues": "FrameContentSequence",
    "StackID": "FrameContentSequence",
    "FrameAcquisitionNumber": "FrameContentSequence",
    "FrameAcquisitionDateTime": "FrameContentSequence",
    "FrameReferenceDateTime": "FrameContentSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "NominalCardiacTriggerDelayTime": "CardiacSynchronizationSequence",
    "FrameType": "MRImageFrameTypeSequence",
    "ReferencedSegmentNumber": "SegmentIdentificationSequence",
}
_ELSEWHERE = {
    "FrameType": ("CTImageFrameTypeSequence", "PETFrameTypeSequence"),
    "NominalCardiacTriggerDelayTime": ("CardiacTriggerSequence",),
}
"""Where else in the functional groups a value may stand."""
_PLACES = {"InStackPositionNumber", "StackID", "ImagePositionPatient", "ReferencedSegmentNumber"}
"""Dimensions that count planes, not points in time."""
_TIME_VECTORS = ("TimeSliceVector", "TimeSlotVector", "PhaseVector", "RRIntervalVector", "AngularViewVector")
_OTHER_VECTORS = ("EnergyWindowVector", "DetectorVector", "RotationVector")
_CM = 3  # code of the unit in regions of ultrasound
_FILM = {"FrameTime", "FrameTimeVector", "FrameReferenceTime", "FrameLabelVector"}


@dataclass(frozen=True, eq=False)
class Frame:
    """One plane of pixels in a file.

    Parameters
    ----------
    file : Path
    data : pydicom.Dataset
        The header of the file.
    number : int
        From 0, inside the file.
    position : (3,) ndarray, optional
        Center of the first pixel in the patient, mm, to the left, the back and the head.
    direction : (6,) ndarray, optional
        Of the rows and of the columns.
    moment : tuple
        Which point in time it is, where the file counts them; empty otherwise.
    film : bool
        Whether the frames of the file follow each other in time and not in space.
    sense : float
        -1 where the frames of the file are stacked against their normal and have no positions of their own: their order
        is kept.
    guessed : bool
        Whether its position in the stack comes from the thickness of the slices alone.
    """

    file: Path
    data: Dataset
    number: int = 0
    position: np.ndarray | None = None
    direction: np.ndarray | None = None
    moment: tuple[float, ...] = ()
    film: bool = False
    sense: float = 1.0
    guessed: bool = False

    def value(self, name: str) -> object:
        """A value by its keyword: of this frame, of all frames, or of the header; None where there is none."""
        return value_of(self.data, name, self.number)

    def number_of(self, name: str) -> float | None:
        """The same as a finite number."""
        return as_number(self.value(name))

    @cached_property
    def normal(self) -> np.ndarray:
        """(3,) direction across the plane."""
        found = np.zeros(3) if self.direction is None else np.cross(self.direction[:3], self.direction[3:])
        return np.asarray(found)

    @cached_property
    def height(self) -> float:
        """Position along the normal, mm, or against it."""
        return 0.0 if self.position is None else self.sense * float(np.dot(self.position, self.normal))


def as_number(found: object) -> float | None:
    """A finite number, the first of several; None for anything else.

    Examples
    --------
    >>> as_number(["40", "300"]), as_number(""), as_number(None)
    (40.0, None, None)
    """
    if isinstance(found, Sequence) and not isinstance(found, str):
        found = found[0] if len(found) else None
    try:
        number = float(str(found))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def as_numbers(found: object, count: int) -> np.ndarray | None:
    """So many finite numbers, or None."""
    try:
        numbers = np.array([float(str(n)) for n in cast("Sequence[object]", found)])
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and bool(np.isfinite(numbers).all()) else None


def value_of(data: Dataset, name: str, frame: int = 0) -> object:
    """A value of a frame by its keyword: from its functional groups, the shared ones, or the header."""
    for group in groups_of(data, frame):
        for sequence in (_GROUPS.get(name, ""), *_ELSEWHERE.get(name, ())):
            for item in group.get(sequence, None) or () if sequence else ():
                if name in item and item.get(name) is not None:
                    return item.get(name)
    found: object = data.get(name)
    return None if found is None or found == "" else found


def groups_of(data: Dataset, frame: int) -> Iterator[Dataset]:
    """The functional groups of one frame, then those of all frames."""
    own = data.get("PerFrameFunctionalGroupsSequence") or ()
    if frame < len(own):
        yield own[frame]
    shared = data.get("SharedFunctionalGroupsSequence") or ()
    yield from shared[:1]


def count_of(data: Dataset) -> int:
    """How many frames a file says that it has."""
    return max(1, int(as_number(data.get("NumberOfFrames")) or 1))


def frames_of(file: Path, data: Dataset) -> list[Frame]:
    """The frames of a file, in the order of the file."""
    count = count_of(data)
    own = [(as_numbers(value_of(data, "ImagePositionPatient", i), 3), _direction(data, i)) for i in range(count)]
    if count == 1:
        return [Frame(file, data, 0, *own[0], _moment(data, 0))]
    film, moments = _film(data, count)
    sense, guessed = 1.0, False
    if "PerFrameFunctionalGroupsSequence" not in data and not film:
        own, sense = _derived(data, own, _levels(data, count))
        guessed = "GridFrameOffsetVector" not in data and not as_number(value_of(data, "SpacingBetweenSlices"))
    return [
        Frame(file, data, i, p, d, moments[i] or _moment(data, i), film, sense, guessed) for i, (p, d) in enumerate(own)
    ]


def _direction(data: Dataset, frame: int) -> np.ndarray | None:
    found = as_numbers(value_of(data, "ImageOrientationPatient", frame), 6)
    if found is None:
        found = as_numbers(_detector(data, "ImageOrientationPatient"), 6)
    return None if found is None or np.linalg.norm(np.cross(found[:3], found[3:])) < 0.5 else found


def _detector(data: Dataset, name: str) -> object:
    """Nuclear medicine says of its detector where the first frame lies."""
    items = list(data.get("DetectorInformationSequence") or ())
    return items[0].get(name) if items else None


def _moment(data: Dataset, frame: int) -> tuple[float, ...]:
    """What the dimensions of an enhanced object say of time: all of their indices that do not count planes."""
    named = data.get("DimensionIndexSequence") or ()
    indices = value_of(data, "DimensionIndexValues", frame)
    numbers = as_numbers([indices] if isinstance(indices, int) else indices, len(named)) if named else None
    if numbers is None:
        return ()
    from pydicom.datadict import keyword_for_tag

    words = [keyword_for_tag(item.get("DimensionIndexPointer", 0)) for item in named]
    return tuple(n for n, word in zip(numbers.tolist(), words, strict=True) if word not in _PLACES)


def _film(data: Dataset, count: int) -> tuple[bool, list[tuple[float, ...]]]:
    """Whether the frames follow each other in time alone, and the counts of nuclear medicine for each frame."""
    from pydicom.datadict import keyword_for_tag

    pointer = data.get("FrameIncrementPointer")
    tags = pointer if isinstance(pointer, Sequence) else [pointer] if pointer is not None else []
    words = [keyword_for_tag(tag) for tag in tags]
    vectors = [as_numbers(data.get(w), count) for w in words if w in (*_TIME_VECTORS, *_OTHER_VECTORS)]
    varying = [v for v in vectors if v is not None and np.ptp(v) > 0]
    moments = [tuple(float(v[i]) for v in varying) for i in range(count)]
    levels = "SliceVector" in words and as_numbers(data.get("SliceVector"), count) is not None
    film = bool(_FILM.intersection(words)) or (bool(varying) and not levels)
    if not words and "PerFrameFunctionalGroupsSequence" not in data:
        film = any(as_number(data.get(n)) for n in ("FrameTime", "CineRate"))
    return film, moments


def _levels(data: Dataset, count: int) -> np.ndarray:
    """Which plane each frame is, from 0."""
    found = as_numbers(data.get("SliceVector"), count)
    return np.arange(count, dtype=float) if found is None else found - found.min()


def _derived(
    data: Dataset, own: list[tuple[np.ndarray | None, np.ndarray | None]], levels: np.ndarray
) -> tuple[list[tuple[np.ndarray | None, np.ndarray | None]], float]:
    """Positions of frames that are counted from the first one: by offsets (dose), or by the spacing of the slices."""
    first, direction = own[0]
    if first is None:
        first = as_numbers(_detector(data, "ImagePositionPatient"), 3)
    step = slice_step(data)
    offsets = as_numbers(data.get("GridFrameOffsetVector"), len(own))
    if offsets is None and step is not None:
        offsets = levels * step
    if first is None or direction is None or offsets is None:
        return own, 1.0
    normal = np.cross(direction[:3], direction[3:])
    sense = -1.0 if offsets[-1] < offsets[0] else 1.0
    return [(first + (o - offsets[0]) * normal, direction) for o in offsets.tolist()], sense


def slice_step(data: Dataset, frame: int = 0) -> float | None:
    """Way from slice to slice along the normal, mm: negative where they are stacked against it; None if not stated."""
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        found = as_number(value_of(data, name, frame))
        if found:
            return found
    return None


def pixel_size(frame: Frame) -> tuple[tuple[float, float], str, str]:
    """Distance between rows and between columns, its unit, and a sentence where that is in doubt."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        pair = as_numbers(frame.value(name), 2)
        if pair is not None and (np.abs(pair) > 0).all():
            note = ""
            if name == "ImagerPixelSpacing":
                note = (
                    "The pixel size is that at the detector; what lies in front of it is shown enlarged, so that lengths "
                    "in the patient are smaller."
                )
            if (pair < 0).any():
                note = f"The pixel size is negative ({pair.tolist()}); it is taken without the sign."
            return (abs(float(pair[0])), abs(float(pair[1]))), "mm", note
    for region in frame.data.get("SequenceOfUltrasoundRegions") or ():
        x, y = as_number(region.get("PhysicalDeltaX")), as_number(region.get("PhysicalDeltaY"))
        units = {region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")}
        if x and y and units == {_CM}:
            return (abs(y) * 10, abs(x) * 10), "mm", ""
    ratio = as_numbers(frame.value("PixelAspectRatio"), 2)
    shape = (float(ratio[0] / ratio[1]), 1.0) if ratio is not None and (ratio > 0).all() else (1.0, 1.0)
    return shape, "pixel", "The file gives no pixel size, so it is taken as 1."


__all__ = [
    "Frame",
    "as_number",
    "as_numbers",
    "count_of",
    "frames_of",
    "groups_of",
    "pixel_size",
    "slice_step",
    "value_of",
]
