"""Frames of a DICOM series put in order: along their normal, and in time; where they lie, and what is in doubt about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_segplugin.core import Place
from napari_segplugin.io.dicom_frames import Frame, as_number, pixel_size, slice_step
from napari_segplugin.io.dicom_moments import film_interval, interval, moments

UNEVEN = 0.05
"""Share of the usual distance by which two slices may differ from it; scanners round positions."""
_TILT = 0.1  # degrees by which the way from slice to slice may differ from their normal
_BY_THICKNESS = "The distance between slices is not given; their thickness is used for it."
_NO_STACK = {"CR", "DX", "MG", "PX", "IO", "RF", "XA", "US", "ES", "GM", "XC", "OP", "OT", "SC", "OPT", "SM"}
"""Modalities whose single pictures are no slices of a volume, unless they say where they lie."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames in the order of the axes T and Z.

    Parameters
    ----------
    frames : list of Frame
        T × Z, slices of one moment together.
    shape : tuple of int
        Moments and slices.
    axes : str
        "", "Z", "T" or "TZ": those that the image has before its rows and columns.
    spacing : dict of str to float
    unit : str
    place : Place or None
    notes : list of str
    doubt : str
        Question about the axes.
    places : list of float
        Where along Z of the place each slice lies, in voxels, where they are not even; empty otherwise.
    interval : float or None
        Seconds from moment to moment.
    """

    frames: list[Frame]
    shape: tuple[int, int]
    axes: str
    spacing: dict[str, float]
    unit: str
    place: Place | None
    notes: list[str] = field(default_factory=list)
    doubt: str = ""
    places: list[float] = field(default_factory=list)
    interval: float | None = None


def arranged(frames: list[Frame], name: str) -> Stack:
    """Put the frames of one series in order.

    Parameters
    ----------
    frames : list of Frame
        Of one size and direction.
    name : str
        Of the file or folder, for sentences.

    Returns
    -------
    Stack

    Raises
    ------
    InputError
        If slices lie in the same place and nothing says which comes first.
    """
    sizes, unit, note = pixel_size(frames[0])
    notes = [note] if note else []
    known = frames[0].direction is not None and all(f.position is not None for f in frames)
    if frames[0].film or not known:
        return _without_positions(frames, sizes, unit, notes)
    table, more = moments(frames, name)
    notes += more
    first = table[0]
    run = _longest_run(first)
    way, aside = _way(first, run, name)
    place = _place(first[0], first[run[0]], way, sizes, run[0]) if unit == "mm" else None
    spacing = {"Z": float(f"{np.linalg.norm(way):.9g}"), "Y": sizes[0], "X": sizes[1]}
    even = run == (0, len(first) - 1)
    doubt = ""
    if first[0].guessed and len(frames) > 1:
        doubt = f"Is the first axis (length {len(frames)}) depth Z or time T?"
        notes.append(_BY_THICKNESS)
    return Stack(
        [f for row in table for f in row],
        (len(table), len(first)),
        ("T" if len(table) > 1 else "") + ("Z" if len(first) > 1 else ""),
        spacing,
        unit,
        place,
        [*notes, *aside, *([] if even else [_uneven(first, run, name)])],
        doubt,
        places=[] if even else _places(first, run),
        interval=interval(table),
    )


def _without_positions(frames: list[Frame], sizes: tuple[float, float], unit: str, notes: list[str]) -> Stack:
    """In the order of the file, or of the numbers of the images."""
    ordered = sorted(frames, key=lambda f: (as_number(f.data.get("InstanceNumber")) or 0, f.moment, f.number))
    first, count = ordered[0], len(ordered)
    spacing = {"Y": sizes[0], "X": sizes[1]}
    if count == 1 or first.film:
        seconds = film_interval(first) if count > 1 else None
        place = None
        if first.position is not None and first.direction is not None and unit == "mm":
            place = _place(first, first, first.normal * _thickness(first), sizes)
        shape, axes = (count, 1), "T" if count > 1 else ""
        return Stack(ordered, shape, axes, spacing, unit, place, notes, interval=seconds)
    step, more = _loose_step(ordered)
    doubt = ""
    modality = str(first.data.get("Modality", ""))
    if first.data is ordered[-1].data or modality in _NO_STACK:
        doubt = f"Is the first axis (length {count}) depth Z or time T?"
    spacing["Z"] = step
    notes = [
        *notes,
        *more,
        "The slices do not say where they lie in the patient: they are in the order of their numbers.",
    ]
    return Stack(ordered, (1, count), "Z", spacing, unit, None, notes, doubt)


def _loose_step(frames: Sequence[Frame]) -> tuple[float, list[str]]:
    """Distance of slices that have no positions."""
    places = [as_number(f.data.get("SliceLocation")) for f in frames]
    gaps = np.abs(np.diff([p for p in places if p is not None]))
    if None not in places and gaps.min(initial=math.inf) > 0 and np.ptp(gaps) <= UNEVEN * gaps.mean():
        return float(f"{gaps.mean():.9g}"), []
    found = slice_step(frames[0].data, frames[0].number)
    if found is None:
        return 1.0, ["The file gives no distance between slices, so it is taken as 1."]
    if frames[0].number_of("SpacingBetweenSlices"):
        return abs(found), []
    return abs(found), [_BY_THICKNESS]


def _thickness(frame: Frame) -> float:
    return abs(slice_step(frame.data, frame.number) or 1.0)


def _longest_run(frames: Sequence[Frame]) -> tuple[int, int]:
    """The first and last of the slices that follow each other at the usual distance: all, where none is missing."""
    gaps = np.diff([f.height for f in frames])
    if not len(gaps):
        return 0, 0
    # The median, because one missing slice doubles one gap; with two or three slices the smaller one is the step.
    usual = float(np.median(gaps)) if len(gaps) > 2 else float(gaps.min())
    good = np.abs(gaps - usual) <= UNEVEN * usual
    if not good.any():  # an even number of gaps, and the median lies between them
        good = np.arange(len(gaps)) == int(np.abs(gaps - usual).argmin())
    edges = np.flatnonzero(np.diff(np.r_[False, good, False].astype(int)))
    starts, ends = edges[::2], edges[1::2]
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest])


def _way(frames: Sequence[Frame], run: tuple[int, int], name: str) -> tuple[np.ndarray, list[str]]:
    """The way from one slice to the next, and notes where they do not lie straight above each other."""
    first, last = run
    normal = frames[0].normal
    if first == last:
        return normal * _thickness(frames[0]), []
    spots = np.array([f.position for f in frames[first : last + 1]])
    way = (spots[-1] - spots[0]) / (last - first)
    notes = []
    aside = spots - spots[0] - np.arange(len(spots))[:, None] * way
    aside -= np.outer(aside @ normal, normal)
    far = float(np.linalg.norm(aside, axis=1).max())
    if far > max(0.5 * min(pixel_size(frames[0])[0]), 0.01):
        notes.append(f"Slices of '{name}' are shifted sideways by up to {far:.3g} mm; they are shown above each other.")
    angle = math.degrees(math.acos(min(1.0, abs(float(np.dot(way, normal))) / float(np.linalg.norm(way)))))
    if angle > _TILT:
        notes.append(
            f"The slices of '{name}' are tilted by {angle:.3g}° (gantry tilt), so its voxels are sheared. Their place is exact; "
            "shapes and surfaces that are measured as if the axes were at right angles are not."
        )
    return way, notes


def _places(frames: Sequence[Frame], run: tuple[int, int]) -> list[float]:
    """Where each slice lies, counted in steps of the longest run."""
    heights = np.array([f.height for f in frames])
    first, last = run
    step = (heights[last] - heights[first]) / (last - first)
    return [float(z) for z in (heights - heights[first]) / step + first]


def _uneven(frames: Sequence[Frame], run: tuple[int, int], name: str) -> str:
    """The sentence where slices are missing or not evenly spaced."""
    heights = np.array([f.height for f in frames])
    first, last = run
    usual = (heights[last] - heights[first]) / (last - first)
    wide = [i for i, gap in enumerate(np.diff(heights)) if abs(gap - usual) > UNEVEN * usual]
    spots = ", ".join(f"{heights[i]:g} to {heights[i + 1]:g}" for i in wide[:4]) + (" …" if len(wide) > 4 else "")
    far = float(np.abs(np.array(_places(frames, run)) - np.arange(len(frames))).max() * usual)
    return (
        f"Slices are missing in '{name}', or they are not evenly spaced: the usual distance is {usual:g} mm, but from {spots} mm "
        f"it is not. Place and size are right from {heights[first]:g} to {heights[last]:g} mm; other slices are shown up to "
        f"{far:.3g} mm from where they lie. Copy the whole series again, or resample it to even slices."
    )


def _place(first: Frame, anchor: Frame, way: np.ndarray, sizes: tuple[float, float], number: int = 0) -> Place | None:
    """Where the voxels lie, from one slice, its number, and the way to the next."""
    direction = first.direction
    if direction is None or anchor.position is None:
        return None
    affine = np.eye(4)
    affine[:3, 0] = direction[:3] * sizes[1]
    affine[:3, 1] = direction[3:] * sizes[0]
    affine[:3, 2] = way
    affine[:3, 3] = anchor.position - number * way
    return Place.from_lps(affine, str(first.data.get("FrameOfReferenceUID", "") or ""))


__all__ = ["UNEVEN", "Stack", "arranged"]
