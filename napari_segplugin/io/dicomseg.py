"""DICOM segmentations: read with pydicom, written over their images through highdicom (extra "dicomseg")."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import ClassInfo, InputError, MissingExtraError, Place, Task
from napari_segplugin.core.types import json_object
from napari_segplugin.io.dicom import read_slices
from napari_segplugin.io.dicomseg_place import Drawn, drawn_over
from napari_segplugin.io.dicomseg_read import read_labels, read_segmentation, refuse_image
from napari_segplugin.io.files import Format, LabelsToWrite
from napari_segplugin.io.objects import Described, describe, rgb

if TYPE_CHECKING:
    from highdicom.seg import Segmentation as DicomSegmentation
    from highdicom.seg import SegmentDescription
    from pydicom.sr.coding import Code

MOST_SEGMENTS = 65535
_ABNORMAL = {"tumor", "tumour", "lesion", "mass", "neoplasm", "nodule", "metastasis", "cyst", "edema", "necrosis"}


def _highdicom() -> ModuleType:
    try:
        import highdicom
    except ImportError as error:
        raise MissingExtraError("highdicom", "write DICOM segmentations", "dicomseg") from error
    return highdicom


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write a binary segmentation: one segment an object, or a class where the task is semantic.

    Patient, study and frame of reference are those of the source images; what was removed from these stays empty. Labels of
    a region, or in another order of the axes, are put where they lie in the series; those on a grid of their own keep it.

    Raises
    ------
    InputError
        If the labels were not made from DICOM images, these are not where they were, they have another shape, or the
        labels lie in another space or are several points in time.
    MissingExtraError
        If highdicom is not installed.
    """
    highdicom = _highdicom()
    path_of_images, series = _source(labels)
    slices, stack = read_slices(path_of_images, series)
    drawn = drawn_over(labels, slices, stack)
    present, compact = np.unique(drawn.array, return_inverse=True)
    compact = compact.reshape(drawn.array.shape) + (0 if present[0] == 0 else 1)
    numbers = [int(n) for n in present if n]
    if not 0 < len(numbers) <= MOST_SEGMENTS:
        raise InputError("A DICOM segmentation holds 1 to 65535 segments.", got=f"{len(numbers)} objects")
    rows = describe(labels)
    semantic = labels.segmentation is not None and labels.segmentation.task is Task.SEMANTIC
    segments = [_segment(highdicom, i, rows[n], semantic) for i, n in enumerate(numbers, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about every value of the source that breaks the standard's letter
        found = replace(drawn, array=compact)
        _assemble(highdicom, found, segments, labels.name).save_as(path, enforce_file_format=True)


def _source(labels: LabelsToWrite) -> tuple[Path, str]:
    """The images that the labels were made of, and which of several series."""
    found = json_object(labels.segmentation.recipe.get("input")) if labels.segmentation else {}
    source = str(found.get("source", ""))
    if not source or not Path(source).exists():
        raise InputError(
            "A DICOM segmentation needs the DICOM images that it was made from.",
            got=f"'{source}', which does not exist" if source else "labels without a record of their source",
            hint="Segment a DICOM series that was opened from its folder, put the labels beside that folder, or choose .nii.gz.",
        )
    return Path(source), str(found.get("dicom_series", "") or "")


def _segment(highdicom: ModuleType, number: int, about: Described, semantic: bool) -> SegmentDescription:
    """What a segment is: its name, and the codes of SNOMED CT where its class has one."""
    category, kind = _codes(about.kind)
    name = about.kind.name if semantic else f"{about.kind.name} {about.label}"
    made: SegmentDescription = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="napari-segplugin", version=_version(), family=_family()
        ),
        tracking_uid=None if semantic else highdicom.UID(),
        tracking_id=None if semantic else name[:64],
        display_color=highdicom.color.CIELabColor.from_rgb(*rgb(about.kind.color)),
    )
    return made


def _family() -> Code:
    from pydicom.sr.codedict import codes

    family: Code = codes.DCM.ArtificialIntelligence
    return family


def _codes(kind: ClassInfo) -> tuple[Code, Code]:
    """Category and type of a class: by its name, or the last word of it, from the dictionary of pydicom; or tissue."""
    from pydicom.sr.codedict import codes

    words = re.findall(r"[a-z0-9]+", kind.name.lower())
    whole, last = "".join(w.capitalize() for w in words), words[-1].capitalize() if words else ""
    for spelling in (whole, whole.removesuffix("s"), last, last.removesuffix("s")):
        try:
            code = getattr(codes.SCT, spelling)
        except (AttributeError, RuntimeError):  # no such word, or several codes for it
            continue
        if set(words) & _ABNORMAL:
            return codes.SCT.MorphologicallyAbnormalStructure, code
        return codes.SCT.AnatomicalStructure, code
    return codes.SCT.Tissue, codes.SCT.Tissue


def _assemble(highdicom: ModuleType, drawn: Drawn, segments: list[SegmentDescription], name: str) -> DicomSegmentation:
    plain = re.sub(r"[^A-Z0-9_ ]", "_", name.upper())[:16].strip() or "SEGMENTATION"
    made: DicomSegmentation = highdicom.seg.Segmentation(
        source_images=drawn.images,
        pixel_array=drawn.array.astype(np.uint8 if len(segments) < 256 else np.uint16),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=highdicom.UID(),
        series_number=int(drawn.images[0].get("SeriesNumber") or 0) + 1000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="napari-segplugin",
        manufacturer_model_name="napari-segplugin",
        software_versions=_version(),
        device_serial_number="0",
        content_label=plain,
        series_description=name[:64],
        **(_geometry(highdicom, drawn.place, len(drawn.array)) if drawn.place else {}),
    )
    return made


def _geometry(highdicom: ModuleType, place: Place, count: int) -> dict[str, object]:
    """Planes of their own, where the labels do not lie on those of the images."""
    affine = place.lps()
    _, y, x = place.spacing
    across = abs(float(np.dot(np.cross(affine[:3, 0] / x, affine[:3, 1] / y), affine[:3, 2])))
    spots = [(affine @ [0, 0, k, 1])[:3] for k in range(count)]
    return {
        "plane_positions": [highdicom.PlanePositionSequence("PATIENT", spot.tolist()) for spot in spots],
        "plane_orientation": highdicom.PlaneOrientationSequence(
            "PATIENT", [*(affine[:3, 0] / x), *(affine[:3, 1] / y)]
        ),
        "pixel_measures": highdicom.PixelMeasuresSequence(
            pixel_spacing=(y, x), slice_thickness=across, spacing_between_slices=across
        ),
    }


def _version() -> str:
    try:
        return version("napari-segplugin")
    except PackageNotFoundError:
        return "not known"


FORMAT = Format(read=refuse_image, write=write, read_labels=read_labels, read_segmentation=read_segmentation)
