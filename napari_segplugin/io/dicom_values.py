"""The values of DICOM pixels: turned into the units of the modality, with what the file says of their display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import InputError
from napari_segplugin.core.types import JsonDict
from napari_segplugin.io.dicom_files import pydicom_module
from napari_segplugin.io.dicom_frames import Frame, as_number, as_numbers, count_of, groups_of
from napari_segplugin.io.files import native

if TYPE_CHECKING:
    from pydicom import Dataset

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_UNITS = {"BQML": "Bq/ml", "GML": "SUV", "CNTS": "counts", "NONE": "", "US": "", "UNSPECIFIED": "", "1": ""}


def stored(data: Dataset) -> np.ndarray:
    """The pixels of a file as they are stored, colours as red, green and blue.

    Returns
    -------
    ndarray
        Axes: frame, Y, X, and C for colours.

    Raises
    ------
    InputError
        If a package for the compression is missing.
    ValueError
        If there are fewer or more pixels than the file says.
    """
    _check_decoder(data)
    if not any(name in data for name in _PIXELS):
        raise ValueError("it has no pixels")
    array = np.asarray(data.pixel_array)
    colours = int(data.get("SamplesPerPixel", 1) or 1)
    array = array if array.ndim == (4 if colours > 1 else 3) else array[None]
    if len(array) != count_of(data):  # pydicom takes what is too much for frames
        raise ValueError(f"its pixels are {len(array)} frames, and it says {count_of(data)}")
    if colours == 1:
        array = _without_overlays(data, array)
    if str(data.get("PhotometricInterpretation", "")) == "PALETTE COLOR":
        array = _palette(data, array)
    return native(array)


def _palette(data: Dataset, array: np.ndarray) -> np.ndarray:
    """The colours of a palette, of 8 bits each."""
    coloured: np.ndarray = pydicom_module().pixels.apply_color_lut(array, data)[..., :3]
    if coloured.dtype == np.uint16:
        coloured = (coloured >> 8).astype(np.uint8)
    return coloured


def _without_overlays(data: Dataset, array: np.ndarray) -> np.ndarray:
    """Old programs drew into the bits above those of the pixels; where a file says so, these are cut off."""
    bits = int(data.get("BitsStored", 0) or 0)
    drawn = any(
        int(as_number(data[tag].value) or 0) >= bits > 0
        for tag in ((group, 0x0102) for group in range(0x6000, 0x6020, 2))
        if tag in data and (tag[0], 0x3000) not in data
    )
    if not drawn or array.dtype.kind not in "iu":
        return array
    plain = array & ((1 << bits) - 1)
    if array.dtype.kind == "i":
        plain = np.where(plain >= 1 << (bits - 1), plain - (1 << bits), plain).astype(array.dtype)
    return plain


def _check_decoder(data: Dataset) -> None:
    """A compression without a decoder is a thing to install, not a damaged file."""
    syntax = getattr(getattr(data, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is None or not syntax.is_compressed:
        return
    try:
        available = pydicom_module().pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise InputError(
            "The DICOM images are compressed in a way that needs another package.",
            got=syntax.name,
            hint='Run: pip install -U imagecodecs, or pip install "pylibjpeg[all]", or export the series without '
            "compression",
        )


def in_units(array: np.ndarray, frame: Frame) -> np.ndarray:
    """One plane in the units of the modality (Hounsfield units for CT): int16 or int32 where exact, else float32."""
    table = frame.data.get("ModalityLUTSequence")
    if table:
        return native(np.asarray(pydicom_module().pixels.apply_modality_lut(array, frame.data)))
    if upside_down(frame):
        low, high = stored_range(frame.data)
        array = (low + high - array.astype(np.int64)).astype(array.dtype)
    slope, intercept = rescale(frame)
    if (slope, intercept) == (1.0, 0.0):
        return array
    if slope.is_integer() and intercept.is_integer() and array.dtype.kind in "iu":
        whole = array.astype(np.int64) * int(slope) + int(intercept)
        small = whole.min() >= -(2**15) and whole.max() < 2**15
        return whole.astype(np.int16 if small else np.int32)
    return (array.astype(np.float64) * slope + intercept).astype(np.float32)


def rescale(frame: Frame) -> tuple[float, float]:
    """Slope and intercept of a frame; of a dose its scale."""
    slope, intercept = frame.number_of("RescaleSlope"), frame.number_of("RescaleIntercept")
    dose = as_number(frame.data.get("DoseGridScaling")) if str(frame.data.get("Modality", "")) == "RTDOSE" else None
    return slope or dose or 1.0, intercept or 0.0


def upside_down(frame: Frame) -> bool:
    """Whether low values are shown bright, and nothing but the display gives them a meaning."""
    data = frame.data
    whole = "FloatPixelData" not in data and "DoubleFloatPixelData" not in data
    return str(data.get("PhotometricInterpretation", "")) == "MONOCHROME1" and whole and not unit_of(frame)


def stored_range(data: Dataset) -> tuple[int, int]:
    """The least and the largest value that a pixel can be stored as.

    Examples
    --------
    >>> from pydicom import Dataset
    >>> data = Dataset()
    >>> data.BitsStored, data.PixelRepresentation = 12, 0
    >>> stored_range(data)
    (0, 4095)
    """
    bits = int(data.get("BitsStored", 0) or data.get("BitsAllocated", 16) or 16)
    if int(data.get("PixelRepresentation", 0) or 0):
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1


def unit_of(frame: Frame) -> str:
    """What the values are counted in: "HU", "Bq/ml", "Gy", …; empty where the file does not say it."""
    data = frame.data
    modality = str(data.get("Modality", ""))
    stated = str(frame.value("RescaleType") or "").strip()
    if stated.upper() not in ("", "US", "UNSPECIFIED"):
        return stated
    if modality == "PT":
        found = str(data.get("Units", "") or "")
        return _UNITS.get(found, found.lower())
    if modality == "RTDOSE":
        return {"GY": "Gy"}.get(str(data.get("DoseUnits", "")), "")
    signed = bool(int(data.get("PixelRepresentation", 0) or 0))
    if modality == "CT" and frame.value("RescaleIntercept") is not None and (signed or rescale(frame) != (1.0, 0.0)):
        return "HU"  # which has values below 0
    mapped = real_world(frame)
    return str(mapped["unit"]) if mapped and (mapped["slope"], mapped["intercept"]) == (1.0, 0.0) else ""


def real_world(frame: Frame) -> JsonDict | None:
    """The first mapping of the values to a quantity: its name, unit, slope and intercept."""
    for holder in (*groups_of(frame.data, frame.number), frame.data):
        for item in (holder.get("RealWorldValueMappingSequence") or ())[:1]:
            codes = list(item.get("MeasurementUnitsCodeSequence") or ())
            unit = str(codes[0].get("CodeValue", "")) if codes else ""
            slope, intercept = (
                as_number(item.get("RealWorldValueSlope")),
                as_number(item.get("RealWorldValueIntercept")),
            )
            if slope is None or intercept is None:
                continue
            return {
                "name": str(item.get("LUTExplanation", "") or item.get("LUTLabel", "")),
                "unit": _UNITS.get(unit.upper(), unit),
                "slope": slope,
                "intercept": intercept,
            }
    return None


def window_of(frame: Frame) -> list[float] | None:
    """Lowest and highest value of the first window that the file gives, in the units of :func:`in_units`."""
    center, width = frame.number_of("WindowCenter"), frame.number_of("WindowWidth")
    function = str(frame.value("VOILUTFunction") or "")
    if center is None or width is None or width < (1 if function in ("", "LINEAR") else 1e-12):
        return None
    if function in ("", "LINEAR"):
        low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    else:
        low, high = center - width / 2, center + width / 2
    if low == high:
        return None
    if upside_down(frame):
        slope, intercept = rescale(frame)
        total = slope * sum(stored_range(frame.data)) + 2 * intercept
        low, high = total - high, total - low
    return [low, high]


def about_values(frames: Sequence[Frame], array: np.ndarray) -> tuple[JsonDict, list[str]]:
    """What the file says of the values and their display, and notes.

    Parameters
    ----------
    frames : sequence of Frame
    array : ndarray
        All of them in their units.

    Returns
    -------
    about : dict
        "window", "value_unit", "real_world", "padding", "suv_per_value": those that are known.
    notes : list of str
    """
    first, notes = frames[0], []
    about: JsonDict = {}
    if unit := unit_of(first):
        about["value_unit"] = unit
    if window := window_of(first):
        about["window"] = list(window)
    light = str(first.data.get("PhotometricInterpretation", "")) == "MONOCHROME1"
    if light and upside_down(first):
        notes.append(
            "The file stores low values as bright (MONOCHROME1); they were inverted, so that bright stays bright."
        )
    elif light:
        notes.append(
            "Other programs show this image inverted (MONOCHROME1: low values are bright); its values are unchanged."
        )
    notes += _of_mapping(first, unit, about) + _of_padding(first, array, about) + _of_uptake(first, unit, about)
    if str(first.data.get("Modality", "")) == "CT" and not unit:
        notes.append("The file does not say how its values become Hounsfield units; they are as stored.")
    return about, notes


def _of_mapping(frame: Frame, unit: str, about: JsonDict) -> list[str]:
    mapped = real_world(frame)
    if mapped is None:
        return []
    about["real_world"] = mapped
    if (mapped["slope"], mapped["intercept"]) == (1.0, 0.0) or (unit and unit == mapped["unit"]):
        return []
    name = f"{mapped['name']} " if mapped["name"] else ""
    return [
        f"The file also maps its stored values to a quantity, {name}in {mapped['unit'] or 'no unit'}: stored value × "
        f"{mapped['slope']:g} + {mapped['intercept']:g}. This was not applied."
    ]


def _of_padding(frame: Frame, array: np.ndarray, about: JsonDict) -> list[str]:
    """The value outside the field of view, where it occurs."""
    padding = as_number(frame.data.get("PixelPaddingValue"))
    if padding is None or array.dtype.kind not in "iuf":
        return []
    low, high = stored_range(frame.data)
    if padding > high:  # files give it without its sign
        padding -= 2 ** int(frame.data.get("BitsAllocated", 16) or 16)
    slope, intercept = rescale(frame)
    value = slope * (low + high - padding if upside_down(frame) else padding) + intercept
    if not (array == value).any():
        return []
    about["padding"] = value
    return [f"The value {value:g} marks pixels outside the image (padding); it is no measurement."]


def _of_uptake(frame: Frame, unit: str, about: JsonDict) -> list[str]:
    """The factor from activity to standardized uptake, by weight, where the file says all of it."""
    data = frame.data
    drugs = list(data.get("RadiopharmaceuticalInformationSequence") or ())
    weight = as_number(data.get("PatientWeight"))
    if unit != "Bq/ml" or not drugs or not weight:
        return []
    dose, half = (as_number(drugs[0].get(n)) for n in ("RadionuclideTotalDose", "RadionuclideHalfLife"))
    corrected = str(data.get("DecayCorrection", ""))
    start, end = (_day_seconds(t) for t in (drugs[0].get("RadiopharmaceuticalStartTime"), data.get("SeriesTime")))
    if not dose or not half or corrected not in ("START", "ADMIN") or start is None or end is None:
        return []
    waited = 0.0 if corrected == "ADMIN" else (end - start) % 86400
    about["suv_per_value"] = weight * 1000 / (dose * 2 ** (-waited / half))
    return [f"For standardized uptake values (SUV, body weight) multiply by {about['suv_per_value']:.6g}."]


def _day_seconds(found: object) -> float | None:
    text = str(found or "")
    whole, _, fraction = text.partition(".")
    if len(whole) != 6 or not whole.isdigit():
        return None
    hours = as_numbers([whole[:2], whole[2:4], whole[4:]], 3)
    return None if hours is None else float(hours @ [3600, 60, 1]) + float(f"0.{fraction or 0}")


__all__ = ["about_values", "in_units", "rescale", "stored", "stored_range", "unit_of", "upside_down", "window_of"]
