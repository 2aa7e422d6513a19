"""Small DICOM files for tests, written with pydicom alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
AXIAL = [1, 0, 0, 0, 1, 0]


def plane(value: int = 0, shape=(6, 8)) -> np.ndarray:
    """A plane whose every pixel is another one, so that no turn or flip goes unseen."""
    return (np.arange(shape[0] * shape[1]).reshape(shape) + 100 * value).astype(np.int16)


def item(**values) -> Dataset:
    """An item of a sequence."""
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def image(path: Path, pixels: np.ndarray, *, kind: str = CT, **values) -> Path:
    """One file; None as a value leaves the attribute out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    frames = pixels.ndim == 3 and values.get("SamplesPerPixel", 1) == 1
    about = {
        "SOPClassUID": kind,
        "SOPInstanceUID": generate_uid(),
        "Modality": "CT",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "FrameOfReferenceUID": "1.2.9",
        "PatientID": "P",
        "SeriesNumber": 1,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[1 if frames else 0],
        "Columns": pixels.shape[2 if frames else 1],
        "BitsAllocated": pixels.itemsize * 8,
        "BitsStored": pixels.itemsize * 8,
        "HighBit": pixels.itemsize * 8 - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelSpacing": [0.5, 0.75],
        "PixelData": pixels.tobytes(),
    }
    if frames:
        about["NumberOfFrames"] = len(pixels)
    if pixels.dtype.kind == "f":
        del about["PixelData"], about["BitsStored"], about["HighBit"], about["PixelRepresentation"]
        about["FloatPixelData"] = pixels.tobytes()
    for name, value in (about | values).items():
        if value is not None:
            setattr(data, name, value)
    data.file_meta.MediaStorageSOPClassUID = data.get("SOPClassUID") or kind
    data.file_meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID") or generate_uid()
    data.save_as(path, enforce_file_format=True)
    return path


def series(folder: Path, heights, *, direction=AXIAL, way=(0, 0, 1), start=(-10, -20, 5), ending="", **values) -> Path:
    """A series of single slices, whose names do not sort them; slice i holds ``plane(i)``."""
    for i, height in enumerate(heights):
        spot = [float(s + height * w) for s, w in zip(start, way, strict=True)]
        more = {"ImagePositionPatient": spot, "ImageOrientationPatient": direction, "InstanceNumber": i + 1}
        more |= {"RescaleIntercept": 0, "RescaleSlope": 1, "SliceThickness": 5}
        image(folder / f"IM{(7 * i) % 97:04}{ending}", plane(i), **(more | values))
    return folder


def enhanced(path: Path, pixels: np.ndarray, heights, *, shared=(), own=None, **values) -> Path:
    """A multi-frame file whose frames say in functional groups where they lie."""
    groups = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=AXIAL)],
        PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.75], SliceThickness=5)],
    )
    for name, sequence in shared:
        setattr(groups, name, sequence)
    frames = []
    for i, height in enumerate(heights):
        frame = item(PlanePositionSequence=[item(ImagePositionPatient=[-10.0, -20.0, float(height)])])
        for name, sequence in (own(i) if own else {}).items():
            setattr(frame, name, sequence)
        frames.append(frame)
    more = {
        "SharedFunctionalGroupsSequence": [groups],
        "PerFrameFunctionalGroupsSequence": frames,
        "PixelSpacing": None,
    }
    return image(path, pixels, kind=values.pop("kind", ENHANCED_CT), **(more | values))


def headless(path: Path) -> None:
    """Take preamble and file meta information away, as old programs wrote files."""
    data = pydicom.dcmread(path)
    data.file_meta = FileMetaDataset()
    plain = Dataset()
    plain.update(data)
    plain.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
