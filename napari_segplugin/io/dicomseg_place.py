"""Labels put over the DICOM images that they belong to, as highdicom wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import InputError, Place
from napari_segplugin.core.types import json_object
from napari_segplugin.io.dicom_files import pydicom_module
from napari_segplugin.io.dicom_frames import count_of
from napari_segplugin.io.dicom_grid import exactly_onto
from napari_segplugin.io.dicom_stack import Stack
from napari_segplugin.io.files import LabelsToWrite

if TYPE_CHECKING:
    from pydicom import Dataset

_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
"""What every image has to have, and may be empty: where names were removed, some programs remove it altogether."""
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")


@dataclass(frozen=True, eq=False)
class Drawn:
    """Labels plane by plane over their images.

    Parameters
    ----------
    images : list of pydicom.Dataset
        One a plane, or one multi-frame image.
    array : (Z, Y, X) ndarray of int
        In the order of the images.
    place : Place or None
        Of planes that are not those of the images.
    """

    images: list[Dataset]
    array: np.ndarray
    place: Place | None = None


def drawn_over(labels: LabelsToWrite, images: Sequence[Dataset], stack: Stack) -> Drawn:
    """Put labels over their series: padded where they are of a region, turned where their axes are others.

    Raises
    ------
    InputError
        If they do not fit the series, lie in another space, or are several points in time.
    """
    array = np.asarray(labels.array)
    if "T" in labels.axes and not (stack.axes == "T" and array.ndim == 3):
        raise InputError(
            "A DICOM segmentation holds one point in time.",
            got=f"labels with the axes '{labels.axes}'",
            hint="Save one point in time, or choose .nii.gz or .tif.",
        )
    array = array if array.ndim == 3 else array[None]
    moments, slices = stack.shape
    count = moments if stack.axes == "T" else slices
    frames = stack.frames[:count]
    shape = (count, int(images[0].Rows), int(images[0].Columns))
    made = _fitted(labels, array, stack, shape)
    chosen = _images_of(images, stack, count)
    place = None
    if made is None:
        made, place = array, _own_place(labels, stack, array.shape, shape)
    elif len(chosen) == 1 and count > 1:
        numbers = [f.number for f in frames]
        if "PerFrameFunctionalGroupsSequence" in chosen[0] and count == count_of(chosen[0]):
            ordered = np.zeros_like(made)
            ordered[numbers] = made
            made = ordered
        else:
            place = stack.place
        _add_groups(chosen[0], stack)
    for image in chosen:
        _complete(image, stack)
        if "ImageOrientationPatient" in image:  # highdicom asks for the same to the last digit
            image.ImageOrientationPatient = chosen[0].ImageOrientationPatient
    return Drawn(chosen, made, place)


def _images_of(images: Sequence[Dataset], stack: Stack, count: int) -> list[Dataset]:
    """The data sets with pixels of the frames, in their order."""
    by_name = {str(data.filename): data for data in images}
    files = dict.fromkeys(str(f.data.filename) for f in stack.frames[:count])
    return [by_name[name] for name in files]


def _fitted(labels: LabelsToWrite, array: np.ndarray, stack: Stack, shape: tuple[int, int, int]) -> np.ndarray | None:
    """The labels on the grid of the series; None where that is another one."""
    place = labels.place
    if place is not None and place.frame == "patient" and stack.place is not None:
        if place.reference and stack.place.reference and place.reference != stack.place.reference:
            raise InputError(
                "The labels lie in another patient space than the DICOM images.",
                got=f"frame of reference {place.reference}",
                accepted=stack.place.reference,
            )
        # of slices that are not even, only labels drawn on them as they are lie on their planes
        return None if stack.places and _resampled(labels) else exactly_onto(array, place, stack.place, shape)
    start = [labels.origin.get(a, 0) for a in "ZYX"]
    if any(start) and all(s + n <= m for s, n, m in zip(start, array.shape, shape, strict=True)):
        made = np.zeros(shape, array.dtype)
        made[tuple(slice(s, s + n) for s, n in zip(start, array.shape, strict=True))] = array
        return made
    if array.shape != shape:
        raise _other_shape(array.shape, shape)
    return array


def _resampled(labels: LabelsToWrite) -> bool:
    recipe = labels.segmentation.recipe if labels.segmentation else {}
    return bool(json_object(recipe.get("input")).get("dicom_resampled"))


def _own_place(labels: LabelsToWrite, stack: Stack, found: tuple[int, ...], shape: tuple[int, int, int]) -> Place:
    """The place of labels on a grid of their own, where a segmentation can express it: planes with right angles."""
    place = labels.place
    if place is None or stack.place is None:
        raise _other_shape(found, shape)
    y, x = place.matrix[:3, 1], place.matrix[:3, 2]
    square = abs(float(y @ x)) < 1e-3 * float(np.linalg.norm(y) * np.linalg.norm(x))
    # a series that starts elsewhere in the patient is another one
    if not square or (place.spacing == stack.place.spacing and found == shape):
        raise _other_shape(found, shape, "and lie elsewhere")
    return place


def _other_shape(found: Sequence[int], expected: Sequence[int], more: str = "") -> InputError:
    return InputError(
        "The labels and the DICOM images that they were made from differ in shape.",
        got=f"labels of {tuple(found)} for images of {tuple(expected)} {more}".strip(),
        hint="Segment the whole series.",
    )


def _complete(data: Dataset, stack: Stack) -> None:
    """Add what highdicom asks of every image, where an anonymised one has lost it; nothing is made up but identifiers."""
    uid = pydicom_module().uid
    for name in _EMPTY:
        if name not in data:
            setattr(data, name, "")
    if "SliceThickness" not in data:
        data.SliceThickness = stack.spacing.get("Z", 1.0)
    about = data.file_meta
    for name, stated in (("SOPClassUID", "MediaStorageSOPClassUID"), ("SOPInstanceUID", "MediaStorageSOPInstanceUID")):
        if not data.get(name):
            setattr(data, name, about.get(stated) or uid.generate_uid())
    for name in _UIDS:
        if not data.get(name) and (name != "FrameOfReferenceUID" or "ImagePositionPatient" in data):
            # the same for all images of a series
            setattr(data, name, uid.generate_uid(entropy_srcs=[name, str(data.get("FrameOfReferenceUID", ""))]))


def _add_groups(data: Dataset, stack: Stack) -> None:
    """Say in functional groups where the frames lie, of files that say it in the old ways."""
    if "PerFrameFunctionalGroupsSequence" in data or stack.place is None:
        return
    dataset = pydicom_module().Dataset
    measures, orientation, shared = dataset(), dataset(), dataset()
    measures.PixelSpacing = [stack.spacing["Y"], stack.spacing["X"]]
    measures.SliceThickness = measures.SpacingBetweenSlices = stack.spacing["Z"]
    orientation.ImageOrientationPatient = [float(n) for n in stack.frames[0].direction]  # type: ignore[union-attr]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    data.SharedFunctionalGroupsSequence = [shared]
    own = {}
    for frame in stack.frames:
        position, group = dataset(), dataset()
        position.ImagePositionPatient = [round(float(n), 6) for n in frame.position]  # type: ignore[union-attr]
        group.PlanePositionSequence = [position]
        own[frame.number] = group
    data.PerFrameFunctionalGroupsSequence = [own[n] for n in sorted(own)]


__all__ = ["Drawn", "drawn_over"]
