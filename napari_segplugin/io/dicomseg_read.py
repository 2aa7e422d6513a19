"""DICOM segmentations as labels, through pydicom: binary, fractional, or a label map."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.color import lab2rgb

from napari_segplugin.core import InputError, Place, Segmentation
from napari_segplugin.io.dicom_files import pydicom_module, read_header
from napari_segplugin.io.dicom_frames import Frame, as_number, as_numbers, count_of, frames_of, pixel_size, value_of
from napari_segplugin.io.dicom_grid import Beside, Grid, exactly_onto, series_beside
from napari_segplugin.io.dicom_labels import Part, painted, segmentation_of
from napari_segplugin.io.dicom_series import check_declared
from napari_segplugin.io.dicom_stack import UNEVEN
from napari_segplugin.io.files import Found
from napari_segplugin.io.memory import check_size, too_large

if TYPE_CHECKING:
    from pydicom import Dataset


def refuse_image(path: Path) -> Found:
    """Say that a segmentation is no image.

    Raises
    ------
    InputError
        Always.
    """
    raise InputError(
        f"'{path.name}' is a segmentation or report, which is no image.", got="labels", hint="Open it as labels."
    )


def read_labels(path: Path) -> Found:
    """The labels of :func:`read_segmentation` as an array."""
    found = read_segmentation(path)
    sizes = dict(zip([a for a in found.axes if a in "ZYX"], found.spacing, strict=True))
    notes = found.recipe.get("notes")
    about = {"notes": notes} if notes else {}
    return Found(np.asarray(found.labels), found.axes, "", sizes, found.unit, about, found.place)


def read_segmentation(path: Path) -> Segmentation:
    """Read a segmentation: its segments as classes, or as objects where they are counted.

    Where its series lies in the same folder, below it or beside it, the labels have the grid of the series; otherwise that
    of the planes in the file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Segmentation
        ``recipe["notes"]`` says what is in doubt.

    Raises
    ------
    InputError
        If it is tiled, as those of whole slides are, or holds no planes.
    MissingExtraError
        If pydicom is not installed.
    """
    pydicom_module()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = read_header(path, pixels=True)
        if data is None or "SegmentSequence" not in data or "Rows" not in data:
            raise InputError(f"'{path.name}' is no DICOM segmentation.", hint="Choose another file.")
        if "TotalPixelMatrixColumns" in data:
            raise InputError(
                f"'{path.name}' is a segmentation of a whole slide in tiles, which cannot be opened.",
                got=f"{count_of(data)} tiles",
            )
        if str(data.get("SegmentationType", "")) != "BINARY":  # whose pixels are bits
            check_declared(path, data)
        elif count_of(data) > 8 * path.stat().st_size:
            raise too_large(path, f"{count_of(data)} frames", "very many frames")
        layout = _layout(path, data)
        labels, notes = _painted(path, data, layout)
        return _segmentation(path, data, layout, labels, notes)


@dataclass(frozen=True, eq=False)
class _Layout:
    """Which slice of the labels each frame is, and where these lie."""

    levels: list[int]
    count: int
    place: Place | None
    spacing: dict[str, float]
    unit: str
    notes: list[str]
    beside: Beside | None = None


def _layout(path: Path, data: Dataset) -> _Layout:
    frames = frames_of(path, data)
    sizes, unit, _ = pixel_size(frames[0])
    beside = series_beside(path, _series_of(data), str(data.get("FrameOfReferenceUID", "") or ""))
    direction = frames[0].direction
    if direction is None or any(f.position is None for f in frames):
        sources = [_source_of(data, f.number) for f in frames]
        order = {source: z for z, source in enumerate(dict.fromkeys(sources))}
        return _Layout([order[s] for s in sources], len(order), None, {"Y": sizes[0], "X": sizes[1]}, unit, [], beside)
    grid = Grid.of(beside.stack) if beside else None
    if grid is not None:
        levels = _on_series(frames, grid, (int(data.Rows), int(data.Columns)), sizes)
        if levels is not None and beside is not None:
            spacing = beside.stack.spacing
            return _Layout(levels, len(grid.positions), grid.place, spacing, "mm", [], beside)
    return _own_planes(frames, sizes, unit, beside)


def _on_series(
    frames: Sequence[Frame], grid: Grid, shape: tuple[int, int], sizes: tuple[float, float]
) -> list[int] | None:
    """The slice of the series that each frame lies on; None where one lies on none."""
    direction = frames[0].direction
    if direction is None or shape != grid.shape or np.abs(direction - grid.direction).max() > 1e-3:
        return None
    if not np.allclose(sizes, grid.sizes, rtol=1e-3):
        return None
    levels = []
    for frame in frames:
        level, away = grid.level(np.asarray(frame.position))
        aside = np.abs(grid.pixels(np.asarray(frame.position)[None], level)).max()
        if away > UNEVEN * grid.step or aside > UNEVEN:
            return None
        levels.append(level)
    return levels


def _own_planes(frames: Sequence[Frame], sizes: tuple[float, float], unit: str, beside: Beside | None) -> _Layout:
    """An even grid through the planes; those that hold nothing are missing in the file."""
    first = min(frames, key=lambda f: f.height)
    last = max(frames, key=lambda f: f.height)
    heights = np.unique(np.round([f.height for f in frames], 4))
    gaps = np.diff(heights)
    stated = first.number_of("SpacingBetweenSlices") or first.number_of("SliceThickness") or 1.0
    step = float(gaps[gaps > 1e-3].min(initial=abs(stated))) if len(gaps) else abs(stated)
    steps = (np.array([f.height for f in frames]) - first.height) / step
    notes = []
    if np.abs(steps - np.rint(steps)).max() > 2 * UNEVEN:
        notes.append("The planes are not evenly spaced; they are shown at even distances. Open the series beside it.")
        steps = np.searchsorted(heights, [round(f.height, 4) for f in frames]).astype(float)
    levels = np.rint(steps).astype(int).tolist()
    count = max(levels) + 1
    direction, way = first.direction, first.normal * step
    if direction is None or first.position is None or last.position is None:
        raise ValueError("its planes have no positions")
    if count > 1:
        way = (last.position - first.position) / (count - 1)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([direction[:3] * sizes[1], direction[3:] * sizes[0], way], axis=1)
    affine[:3, 3] = first.position
    place = Place.from_lps(affine, str(first.data.get("FrameOfReferenceUID", "") or ""))
    return _Layout(levels, count, place, dict(zip("ZYX", place.spacing, strict=True)), unit, notes, beside)


def _series_of(data: Dataset) -> list[str]:
    items = data.get("ReferencedSeriesSequence") or ()
    return [str(item.get("SeriesInstanceUID", "")) for item in items if item.get("SeriesInstanceUID")]


def _source_of(data: Dataset, frame: int) -> object:
    """The image (and its frame) that a frame without position was drawn over."""
    groups = data.get("PerFrameFunctionalGroupsSequence") or ()
    for derived in (groups[frame].get("DerivationImageSequence") or ()) if frame < len(groups) else ():
        for source in derived.get("SourceImageSequence") or ():
            return str(source.get("ReferencedSOPInstanceUID", "")), str(source.get("ReferencedFrameNumber", ""))
    return frame if "PerFrameFunctionalGroupsSequence" not in data else ""


def _parts(data: Dataset) -> list[Part]:
    found = []
    for item in data.SegmentSequence:
        number = int(as_number(item.get("SegmentNumber")) or 0)
        if number > 0:
            name = str(item.get("SegmentLabel", "") or "").strip() or _meaning(item)
            found.append(Part(number, name, _color(item), bool(item.get("TrackingUID"))))
    return found


def _meaning(item: Dataset) -> str:
    codes = list(item.get("SegmentedPropertyTypeCodeSequence") or ())
    return str(codes[0].get("CodeMeaning", "")) if codes else ""


def _color(item: Dataset) -> str:
    """The recommended color, which DICOM writes in CIELab of 16 bits."""
    lab = as_numbers(item.get("RecommendedDisplayCIELabValue"), 3)
    if lab is None:
        return ""
    plain = lab / 65535 * [100, 255, 255] - [0, 128, 128]
    red, green, blue = (round(float(v) * 255) for v in np.clip(lab2rgb(plain[None, None])[0, 0], 0, 1))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _painted(path: Path, data: Dataset, layout: _Layout) -> tuple[np.ndarray, list[str]]:
    """The number of the segment of each voxel, and notes."""
    shape = (layout.count, int(data.Rows), int(data.Columns))
    parts = _parts(data)
    most = max((p.number for p in parts), default=1)
    kind = np.dtype(np.uint8 if most < 2**8 else np.uint16 if most < 2**16 else np.uint32)
    check_size(path, shape, kind)
    labels = np.zeros(shape, kind)
    notes = list(layout.notes)
    if str(data.get("SegmentationType", "")) == "LABELMAP":
        for z, pixels in zip(layout.levels, _pixels(data, range(count_of(data))), strict=True):
            labels[z] = np.where(np.isin(pixels, [p.number for p in parts]), pixels, 0)
        return labels, notes
    half = 1.0
    if str(data.get("SegmentationType", "")) == "FRACTIONAL":
        half = max(1.0, (as_number(data.get("MaximumFractionalValue")) or 255) / 2)
        notes.append("The file holds shares from 0 to 1 for each voxel; those from 0.5 on are shown as labels.")
    frames: dict[int, list[int]] = {p.number: [] for p in parts}
    for frame in range(count_of(data)):
        number = _segment_of(data, frame, parts)
        if number in frames:
            frames[number].append(frame)
    sizes: Counter[int] = Counter()
    for number, own in frames.items():
        sizes[number] = sum(int((pixels >= half).sum()) for pixels in _pixels(data, own))

    def planes(number: int) -> Iterator[tuple[int, np.ndarray]]:
        for frame, pixels in zip(frames[number], _pixels(data, frames[number]), strict=True):
            yield layout.levels[frame], pixels >= half

    return labels, [*notes, *painted(labels, parts, sizes, planes)]


def _segment_of(data: Dataset, frame: int, parts: Sequence[Part]) -> int:
    found = as_number(value_of(data, "ReferencedSegmentNumber", frame))
    return int(found) if found else parts[0].number if len(parts) == 1 else 0


def _pixels(data: Dataset, frames: Sequence[int] | range) -> Iterator[np.ndarray]:
    """Frames one after the other, so that those of hundreds of segments need not fit into memory at once."""
    if len(frames):
        yield from pydicom_module().pixels.iter_pixels(data, indices=list(frames))


def _segmentation(path: Path, data: Dataset, layout: _Layout, labels: np.ndarray, notes: Sequence[str]) -> Segmentation:
    place, spacing, beside = layout.place, layout.spacing, layout.beside
    if beside is not None and place is not None and beside.stack.place is not None and place is not beside.stack.place:
        whole = (beside.stack.shape[1], int(beside.stack.frames[0].data.Rows), int(beside.stack.frames[0].data.Columns))
        # slices that are not even lie elsewhere than the place of their array says
        turned = None if beside.stack.places else exactly_onto(labels, place, beside.stack.place, whole)
        if turned is not None:
            labels, place, spacing = turned, beside.stack.place, beside.stack.spacing
        else:
            notes = [*notes, "The labels lie on another grid than their series; they have their own voxels."]
    return segmentation_of(
        labels, _parts(data), path, place=place, spacing=spacing, unit=layout.unit, beside=beside, notes=notes
    )


__all__ = ["read_labels", "read_segmentation", "refuse_image"]
