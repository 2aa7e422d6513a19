"""What tifffile finds in the headers of microscopes, slide scanners and electron microscopes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import tifffile

from napari_segplugin.core import Place
from napari_segplugin.core.types import json_object
from napari_segplugin.io.units import in_metres, in_seconds

_COARSEST = 1e-5  # metres; a coarser pixel in a plain TIFF is the resolution of a print or a screen
_TAG_UNITS = {2: "inch", 3: "cm"}


@dataclass
class Said:
    """What was found, by axis letter, as it stands in the file.

    Parameters
    ----------
    sizes, units : dict
        Of a voxel.
    start, start_units : dict
        Where the first voxel lies.
    interval : object
        Seconds between two frames.
    names : list of str
        Of the channels.
    place : Place, optional
        From our own files.
    notes : list of str
    """

    sizes: dict[str, object] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    start: dict[str, object] = field(default_factory=dict)
    start_units: dict[str, str] = field(default_factory=dict)
    interval: object = None
    names: list[str] = field(default_factory=list)
    place: Place | None = None
    notes: list[str] = field(default_factory=list)


def number(given: object) -> float | None:
    """A finite number, also from a text; None for anything else."""
    try:
        value = float(str(given))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def seconds(value: object, unit: str) -> float | None:
    """A time in seconds, None where it or its unit is not known."""
    found, factor = number(value), in_seconds(unit)
    return None if found is None or factor is None else float(f"{found * factor:.12g}")


def tags_of(page: tifffile.TiffPage) -> Said:
    """Resolution with a unit, where it is finer than 10 µm: a coarser one is that of a printer."""
    metres = in_metres(tag_unit(page))
    sizes = {a: s * metres for a, s in per_pixel(page).items()} if metres else {}
    if len(sizes) < 2 or not all(0 < s < _COARSEST for s in sizes.values()):
        return Said()
    return Said({a: float(f"{s * 1e6:.9g}") for a, s in sizes.items()}, dict.fromkeys("YX", "um"))


def tag_unit(page: tifffile.TiffPage) -> str:
    """Unit of the resolution, "inch" or "cm"; empty where there is none."""
    return _TAG_UNITS.get(int(page.resolutionunit or 1), "")


def per_pixel(page: tifffile.TiffPage) -> dict[str, float]:
    """Units per pixel along Y and X: the inverse of the resolution, where there is one."""
    sizes: dict[str, float] = {}
    for axis, name in (("Y", "YResolution"), ("X", "XResolution")):
        tag = page.tags.get(name)
        pair = tag.value if tag is not None else None
        if isinstance(pair, tuple) and len(pair) == 2 and 0 not in pair:
            sizes[axis] = float(f"{pair[1] / pair[0]:.12g}")
    return sizes


def _lsm(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    about = tif.lsm_metadata if tif.is_lsm else None
    if about is None:
        return None
    said = _in_one_unit({a: about.get(f"VoxelSize{a}") for a in "ZYX"}, "m")
    said.interval = about.get("TimeIntervall") or None
    names = json_object(about.get("ChannelColors")).get("ColorNames") or ()
    said.names = [str(n) for n in names] if isinstance(names, list | tuple) else []
    return said


def _stk(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    about = (tif.stk_metadata if tif.is_stk else None) or {}
    if not about.get("XCalibration"):
        return None
    said = _in_one_unit({a: about.get(f"{a}Calibration") for a in "YX"}, str(about.get("CalibrationUnits", "")))
    distances = about.get("ZDistance")
    if "Z" in series.axes and distances is not None and len(distances) and float(distances[-1]):
        said.sizes["Z"], said.units["Z"] = float(distances[-1]), said.units["X"]
    return said


def _metaseries(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    about = json_object((tif.metaseries_metadata if tif.is_metaseries else None) or {}).get("PlaneInfo")
    if not isinstance(about, Mapping) or about.get("spatial-calibration-state") is False:
        return None
    sizes = {a: about.get(f"spatial-calibration-{a.lower()}") for a in "YX"}
    return _in_one_unit(sizes, str(about.get("spatial-calibration-units", "")))


def _micromanager(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    about = tif.micromanager_metadata if tif.is_micromanager else None
    summary = json_object((about or {}).get("Summary"))
    if not summary.get("PixelSize_um") and not summary.get("PixelSizeUm"):
        return None
    size = summary.get("PixelSize_um") or summary.get("PixelSizeUm")
    said = _in_one_unit({"Z": summary.get("z-step_um"), "Y": size, "X": size}, "um")
    said.interval = seconds(summary.get("Interval_ms") or None, "ms")
    names = summary.get("ChNames")
    said.names = [str(n) for n in names] if isinstance(names, list) else []
    return said


def _svs(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    if not tif.is_svs:
        return None
    found = re.search(r"MPP\s*=\s*([\d.eE+-]+)", series.keyframe.description)
    return _in_one_unit({"Y": found[1], "X": found[1]}, "um") if found else None


def _fei(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    scan = json_object((tif.fei_metadata if tif.is_fei else None) or {}).get("Scan")
    about = json_object(scan)
    if "PixelWidth" not in about:
        return None
    return _in_one_unit({"Y": about.get("PixelHeight", about["PixelWidth"]), "X": about["PixelWidth"]}, "m")


def _sem(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    about = (tif.sem_metadata if tif.is_sem else None) or {}
    size = about.get("ap_image_pixel_size") or about.get("ap_pixel_size")
    return _in_one_unit({"Y": size[1], "X": size[1]}, str(size[2])) if size and len(size) == 3 else None


def _sis(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    about = (tif.sis_metadata if tif.is_sis else None) or {}
    sizes = {"Y": about.get("pixelsizey"), "X": about.get("pixelsizex")}
    return _in_one_unit(sizes, "m") if sizes["X"] else None


def _in_one_unit(sizes: Mapping[str, object], unit: str) -> Said:
    """In micrometres where they stand in metres, which nobody says of a microscope."""
    there = {a: s for a, s in sizes.items() if s not in (None, "")}
    if unit == "m":
        there = {a: float(f"{n * 1e6:.12g}") if (n := number(s)) is not None else s for a, s in there.items()}
        unit = "um"
    return Said(dict(there), dict.fromkeys(there, unit))


def _qpi(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    """Names of the channels; the size is that of the tags."""
    if not tif.is_qpi or "C" not in series.axes:
        return None
    said = tags_of(series.keyframe)
    for page in series.pages:
        text = getattr(page, "description", "")
        found = re.search(r"<Biomarker>([^<]+)<", text) or re.search(r"<Name>([^<]+)<", text)
        said.names.append(found[1] if found else f"channel {len(said.names) + 1}")
    return said


Reader = Callable[[tifffile.TiffFile, tifffile.TiffPageSeries], Said | None]
HEADERS: tuple[Reader, ...] = (_lsm, _stk, _metaseries, _micromanager, _svs, _fei, _sem, _sis, _qpi)
"""Readers of headers, the first that finds something counts."""

__all__ = ["HEADERS", "Reader", "Said", "number", "per_pixel", "seconds", "tag_unit", "tags_of"]
