"""DICOM segmentations over the images that they were made from, through highdicom (extra "dicomseg")."""

from __future__ import annotations

import re
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import ClassInfo, InputError, MissingExtraError, Task
from napari_segplugin.core.types import json_object
from napari_segplugin.io.dicom import read_slices
from napari_segplugin.io.files import Format, LabelsToWrite
from napari_segplugin.io.objects import Described, describe, rgb

if TYPE_CHECKING:
    from highdicom.seg import Segmentation as DicomSegmentation
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset
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

    Patient, study and frame of reference are those of the source images.

    Raises
    ------
    InputError
        If the labels were not made from DICOM images, these are not where they were, or they have another shape.
    MissingExtraError
        If highdicom is not installed.
    """
    highdicom = _highdicom()
    slices = read_slices(_source(labels))
    array = np.asarray(labels.array)
    frames = array if array.ndim == 3 else array[None]
    expected = _expected(slices)
    if frames.shape != expected:
        raise InputError(
            "The labels and the DICOM images that they were made from differ in shape.",
            got=f"labels of {frames.shape} for images of {expected}",
            hint="Segment the whole series.",
        )
    present, compact = np.unique(frames, return_inverse=True)
    compact = compact.reshape(frames.shape) + (0 if present[0] == 0 else 1)
    numbers = [int(n) for n in present if n]
    if not 0 < len(numbers) <= MOST_SEGMENTS:
        raise InputError("A DICOM segmentation holds 1 to 65535 segments.", got=f"{len(numbers)} objects")
    rows = describe(labels)
    semantic = labels.segmentation is not None and labels.segmentation.task is Task.SEMANTIC
    segments = [_segment(highdicom, i, rows[n], semantic) for i, n in enumerate(numbers, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about every value of the source that breaks the standard's letter
        _assemble(highdicom, slices, compact, segments, labels.name).save_as(path, enforce_file_format=True)


def _source(labels: LabelsToWrite) -> Path:
    found = json_object(labels.segmentation.recipe.get("input")) if labels.segmentation else {}
    source = str(found.get("source", ""))
    if not source or not Path(source).exists():
        raise InputError(
            "A DICOM segmentation needs the DICOM images that it was made from.",
            got=f"'{source}', which does not exist" if source else "labels without a record of their source",
            hint="Segment a DICOM series that was opened from its folder, put the labels beside that folder, or choose .nii.gz.",
        )
    return Path(source)


def _expected(slices: list[Dataset]) -> tuple[int, int, int]:
    frames = int(slices[0].get("NumberOfFrames", 1) or 1) if len(slices) == 1 else len(slices)
    return frames, int(slices[0].Rows), int(slices[0].Columns)


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


def _assemble(
    highdicom: ModuleType, slices: list[Dataset], frames: np.ndarray, segments: list[SegmentDescription], name: str
) -> DicomSegmentation:
    plain = re.sub(r"[^A-Z0-9_ ]", "_", name.upper())[:16].strip() or "SEGMENTATION"
    made: DicomSegmentation = highdicom.seg.Segmentation(
        source_images=slices,
        pixel_array=frames.astype(np.uint8 if len(segments) < 256 else np.uint16),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=highdicom.UID(),
        series_number=int(slices[0].get("SeriesNumber") or 0) + 1000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="napari-segplugin",
        manufacturer_model_name="napari-segplugin",
        software_versions=_version(),
        device_serial_number="0",
        content_label=plain,
        series_description=name[:64],
    )
    return made


def _version() -> str:
    try:
        return version("napari-segplugin")
    except PackageNotFoundError:
        return "not known"


FORMAT = Format(write=write)
