"""Which moment each frame of a DICOM series belongs to, and how much time passes between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from napari_segplugin.core import InputError
from napari_segplugin.io.dicom_frames import Frame, as_number, pixel_size

_CLOCKS = ("FrameReferenceDateTime", "FrameAcquisitionDateTime", "AcquisitionDateTime")
_BY_NUMBER = "Nothing but the numbers of the images says in which order the volumes follow each other."


def moments(frames: list[Frame], name: str) -> tuple[list[list[Frame]], list[str]]:
    """Frames by moment, those of one moment along their normal; and notes."""
    levels = _levels(frames)
    most = max(len(level) for level in levels)
    if most == 1:
        return [[level[0] for level in levels]], []
    at = {id(f): z for z, level in enumerate(levels) for f in level}
    partial: list[list[Frame]] = []
    for key in _KEYS:
        groups: dict[object, list[Frame]] = {}
        for f in frames:
            groups.setdefault(key(f), []).append(f)
        if len(groups) < 2 or None in groups or any(len({at[id(f)] for f in g}) < len(g) for g in groups.values()):
            continue
        rows = [sorted(groups[k], key=lambda f: at[id(f)]) for k in sorted(groups, key=_order)]
        if all(len(row) == len(levels) for row in rows):
            return rows, _what_differs(key)
        partial = partial or rows
    ranks: dict[Callable[[Frame], Any], list[str]] = {_TRIGGER: [], _clock: [], _instance: [_BY_NUMBER]}
    for rank, note in ranks.items() if all(len(level) == most for level in levels) else ():
        if all(_told_apart(level, rank) for level in levels):
            ranked = [sorted(level, key=rank) for level in levels]
            return [[level[t] for level in ranked] for t in range(most)], note
    whole = [row for row in partial if len(row) == len(levels)]
    if len(whole) > 1:  # one alone may be anything
        cut = ", ".join(f"{i} ({len(r)} of {len(levels)} slices)" for i, r in enumerate(partial, 1) if r not in whole)
        return whole, [f"Volumes that are not complete are left out: number {cut}."]
    raise _same_place(levels, name)


def _levels(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames by their place along the normal."""
    ordered = sorted(frames, key=lambda f: f.height)
    sizes, unit, _ = pixel_size(frames[0])
    near = max(1e-4, 0.01 * min(sizes)) if unit == "mm" else 1e-4
    levels = [[ordered[0]]]
    for frame in ordered[1:]:
        if frame.height - levels[-1][0].height < near:
            levels[-1].append(frame)
        else:
            levels.append([frame])
    return levels


def _instance(frame: Frame) -> tuple[float, int]:
    return as_number(frame.data.get("InstanceNumber")) or 0, frame.number


def _told_apart(level: Sequence[Frame], rank: Callable[[Frame], object]) -> bool:
    """Whether the frames of one place differ in what would put them in order."""
    found = [rank(f) for f in level]
    return None not in found and len(set(found)) == len(found)


def _same_place(levels: Sequence[Sequence[Frame]], name: str) -> InputError:
    often = [level for level in levels if len(level) > 1]
    spots = ", ".join(f"{level[0].height:g} mm ({len(level)} slices)" for level in often[:4])
    return InputError(
        f"Two slices in '{name}' are at the same position, and they are not volumes that follow each other in time.",
        got=f"position {spots}; {len(levels)} positions in all",
        hint="Remove the copies, or put each volume into its own folder.",
    )


def _order(key: object) -> tuple[int, object]:
    return (0, key) if isinstance(key, float | int) else (1, key)


def _numbers(*names: str) -> Callable[[Frame], float | None]:
    """The first of several values that is a number."""

    def key(frame: Frame) -> float | None:
        return next((n for n in map(frame.number_of, names) if n is not None), None)

    return key


def _clock(frame: Frame) -> float | None:
    """Seconds at which a frame was taken, since any beginning."""
    for name in _CLOCKS:
        found = _seconds(str(frame.value(name) or ""))
        if found is not None:
            return found
    for what in ("Acquisition", "Content"):
        day, hour = frame.data.get(f"{what}Date"), frame.data.get(f"{what}Time")
        found = _seconds(f"{day or '19000101'}{hour}") if hour else None
        if found is not None:
            return found
    return None


def _seconds(text: str) -> float | None:
    plain = text.split("+")[0].split("-")[0]
    whole, _, fraction = plain.partition(".")
    if len(whole) != 14 or not whole.isdigit():
        return None
    try:
        moment = datetime.strptime(whole, "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return (moment - datetime(1900, 1, 1)).total_seconds() + float(f"0.{fraction or 0}")


def _moment(frame: Frame) -> object:
    return frame.moment or None


def _diffusion(frame: Frame) -> object:
    strength = frame.number_of("DiffusionBValue")
    if strength is None:
        return None
    way = frame.value("DiffusionGradientOrientation")
    return strength, str(way)


_TRIGGER = _numbers("NominalCardiacTriggerDelayTime", "TriggerTime")
_POSITION = _numbers("TemporalPositionIndex", "TemporalPositionIdentifier")
_KEYS: tuple[Callable[[Frame], object], ...] = (
    _POSITION,
    _moment,
    _TRIGGER,
    _diffusion,
    _numbers("FrameAcquisitionNumber", "AcquisitionNumber"),
    _clock,
)
"""What may say which moment a frame belongs to, the surest first."""


def _what_differs(key: Callable[[Frame], object]) -> list[str]:
    if key is _diffusion:
        return ["The volumes differ in the strength of diffusion (b-value), not in time; they stand on the axis T."]
    return []


def interval(table: Sequence[Sequence[Frame]]) -> float | None:
    """Seconds from moment to moment, where the file says it and they are even."""
    if len(table) < 2:
        return None
    stated = table[0][0].number_of("TemporalResolution")
    if stated:
        return stated / 1000
    for key, factor in ((_clock, 1.0), (_TRIGGER, 1e-3), (_numbers("TemporalPositionTimeOffset"), 1.0)):
        times = [key(row[0]) for row in table]
        if None in times:
            continue
        gaps = np.diff(np.array(times, float)) * factor
        if gaps.min() > 0 and np.ptp(gaps) <= 0.1 * gaps.mean():
            return float(f"{gaps.mean():.6g}")
    return None


def film_interval(frame: Frame) -> float | None:
    """Seconds from frame to frame of a film."""
    data = frame.data
    for name in ("FrameTime", "ActualFrameDuration"):
        found = as_number(data.get(name))
        if found and found > 0:
            return found / 1000
    rate = as_number(data.get("CineRate")) or as_number(data.get("RecommendedDisplayFrameRate"))
    return 1 / rate if rate and rate > 0 else None


__all__ = ["film_interval", "interval", "moments"]
