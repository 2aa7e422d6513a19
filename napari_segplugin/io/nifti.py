"""NIfTI, through nibabel."""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from napari_segplugin.core import InputError, MissingExtraError, Place, guess_axes
from napari_segplugin.core.types import Json, JsonDict, json_object
from napari_segplugin.io.files import IN_MEMORY, Format, Found, LabelsToWrite, native
from napari_segplugin.io.lazy import LazyArray
from napari_segplugin.io.memory import check_size
from napari_segplugin.io.units import in_metres

if TYPE_CHECKING:
    from nibabel import Nifti1Image
    from nibabel.arrayproxy import ArrayProxy

_TEXTS = ("descrip", "aux_file", "intent_name")
_TURNED = (2, 1, 0, 3)  # x, y, z to z, y, x
_NO_PATIENT = b"napari-segplugin: not in a patient"
_SCANNER, _ALIGNED = 1, 2  # codes of the format
_UNITS = {"mm": "mm", "micron": "um", "meter": "m", "unknown": "mm"}  # the format's own default is mm


def _nibabel() -> ModuleType:
    try:
        import nibabel
    except ImportError as error:
        raise MissingExtraError("nibabel", "read and write NIfTI files") from error
    return nibabel


def read(path: Path) -> Found:
    """Read a NIfTI image, its axes turned from (x, y, z[, t]) to ([T,] Z, Y, X).

    The header goes to the metadata, so that a result can be written back with the same.
    """
    nibabel = _nibabel()
    image = nibabel.Nifti1Image.from_stream(_stream(path)) if _odd_case(path) else nibabel.load(path)
    array = _values(image, path)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 5 and array.shape[3] == 1:  # vectors and channels stand on the fifth axis, after an empty time
        array = array[:, :, :, 0]
    axes, doubt = _axes(array.shape, tuple(int(n) for n in image.shape))
    zooms = [float(z) for z in image.header.get_zooms()]
    space, _ = image.header.get_xyzt_units()
    metadata: JsonDict = {"nifti_header": _about(image), "nifti_zooms": zooms}
    place, notes = _place(image, path)
    spacing = dict(zip("ZYX", place.spacing, strict=True)) if place else {}
    good = all(np.isfinite(z) and z > 0 for z in zooms[:3])
    if not place and good:
        spacing = dict(zip("XYZ", zooms, strict=False))
    elif not place:
        notes.append(f"'{path.name}' gives no voxel size that is a positive number ({zooms[:3]}), so it is taken as 1.")
    if notes:
        metadata["notes"] = list(notes)
    turned = array.transpose()
    lazy = LazyArray(turned, path, "NIfTI") if isinstance(turned, np.memmap) else turned
    unit = _UNITS.get(space, "mm") if spacing else "pixel"
    return Found(lazy, axes, doubt, spacing, unit, metadata, place)


def _about(image: Nifti1Image) -> JsonDict:
    """What of the header is written again with labels over the image."""
    qform, code = image.get_qform(coded=True)
    about: JsonDict = {"qform_code": int(code), "sform_code": int(image.header["sform_code"])}
    if qform is not None and np.isfinite(qform).all():
        about["qform"] = qform.tolist()
    for name in _TEXTS:
        about[name] = bytes(image.header[name].item()).rstrip(b"\0").decode("latin-1")
    return about


def _place(image: Nifti1Image, path: Path) -> tuple[Place | None, list[str]]:
    """Where the image lies; None where the file says that it does not know, and notes where it contradicts itself."""
    known = int(image.header["sform_code"]) or int(image.header["qform_code"])
    if not known:
        return None, [f"'{path.name}' does not say where it lies in the patient: left and right are not known."]
    try:
        place = Place.from_ras(image.affine)
    except InputError:
        return None, [f"The affine of '{path.name}' is not valid, so left and right are not known."]
    notes = []
    zooms = [abs(float(z)) for z in image.header.get_zooms()[:3]]
    if len(zooms) == 3 and not np.allclose(zooms, place.spacing[::-1], rtol=0.01):
        notes.append(
            f"'{path.name}' gives two voxel sizes: {zooms} beside its affine, which says {list(place.spacing[::-1])} (x, y, z). "
            f"The affine is used."
        )
    if bytes(image.header["descrip"].item()).startswith(_NO_PATIENT):
        place = replace(place, matrix=np.array(image.affine, float)[np.ix_(_TURNED, _TURNED)], frame="")
    return place, notes


def _odd_case(path: Path) -> bool:
    """nibabel knows lower-case extensions only, and Windows programs write others."""
    return not path.name.endswith((".nii", ".nii.gz"))


def _stream(path: Path) -> IO[bytes]:
    """Unpacked as far as it is read, so that a small file cannot fill the memory."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path)) if packed else path.open("rb")


def _values(image: Nifti1Image, path: Path) -> np.ndarray:
    """The voxels (x, y, z …): stored integers as they are, scaled ones as float32, colours on a last axis.

    Large ones that stand in the file as they are stay there, as a memory map.
    """
    stored = cast("ArrayProxy", image.dataobj)
    kind = np.dtype(float) if stored.dtype.names is None and _scaled(stored) else stored.dtype
    packed = path.name.lower().endswith(".gz")
    large = math.prod(image.shape) * kind.itemsize > IN_MEMORY
    if packed or kind != stored.dtype or not large:
        check_size(path, image.shape, kind, stored=path.stat().st_size if packed else None)
    if image.get_data_dtype().names:
        raw = np.asarray(stored)
        return np.stack([raw[name] for name in ("R", "G", "B")], axis=-1)
    array = np.asanyarray(stored)
    if isinstance(array, np.memmap) and (not large or not array.dtype.isnative):
        array = np.array(array)
    if _scaled(stored) and array.dtype.kind == "f" and image.get_data_dtype().itemsize <= 2:
        array = array.astype(np.float32)
    return native(array)


def _scaled(stored: ArrayProxy) -> bool:
    return (float(stored.slope), float(stored.inter)) != (1.0, 0.0)


def _axes(shape: tuple[int, ...], stored: tuple[int, ...]) -> tuple[str, str]:
    """Axes of the transposed array, for a shape in the order x, y, z, t, c."""
    if len(shape) == 3 and len(stored) == 2:
        return "CYX", ""
    if len(shape) == 4 and len(stored) == 3:
        return "CZYX", ""
    names = {2: "YX", 3: "ZYX", 4: "TZYX" if len(stored) == 4 else "CZYX", 5: "CTZYX"}
    if len(shape) not in names:
        return guess_axes(shape)
    doubt = f"Is the fourth axis (length {shape[3]}) time T or channels C?" if len(shape) == len(stored) == 4 else ""
    return names[len(shape)], doubt


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write the labels as (x, y, z[, t]) where their image lies, with its header where that was NIfTI.

    Where nothing is known of a patient, the affine holds the voxel size and the header says so.
    """
    nibabel = _nibabel()
    array = np.asarray(labels.array).astype(labels.dtype).transpose()
    if "T" in labels.axes and "Z" not in labels.axes:
        array = array[:, :, None, :]
    factor = (in_metres(labels.unit) or 1e-3) / 1e-3
    place = labels.place or Place.of_spacing(labels.spacing)
    affine = place.ras(factor)
    image = nibabel.Nifti1Image(array, affine, dtype=labels.dtype)
    image.header.set_xyzt_units("mm", "sec")
    patient = place.frame == "patient"
    about = _header_of(labels) if patient else cast("Mapping[str, Json]", {})
    code = int(cast("int", about.get("sform_code", 0))) or (_SCANNER if patient else _ALIGNED)
    image.set_sform(affine, code=code)
    _set_qform(image, affine, about, code, labels, factor)
    for name in _TEXTS:
        image.header[name] = str(about.get(name, "")).encode("latin-1", "replace")
    if not patient:
        image.header["descrip"] = _NO_PATIENT
    nibabel.save(image, path)


def _header_of(labels: LabelsToWrite) -> Mapping[str, Json]:
    recipe = labels.segmentation.recipe if labels.segmentation else {}
    return json_object(json_object(recipe.get("input")).get("nifti_header"))


def _set_qform(
    image: Nifti1Image, affine: np.ndarray, about: Mapping[str, Json], code: int, labels: LabelsToWrite, factor: float
) -> None:
    """The qform that the image had, moved as its affine was; that of the affine, where it can express that."""
    if about.get("qform_code") and "qform" in about and labels.segmentation:
        first = json_object(json_object(labels.segmentation.recipe["input"]).get("place"))
        moved = np.linalg.inv(Place.from_json(first).ras(factor)) @ affine if first else np.eye(4)
        image.set_qform(np.array(about["qform"], float) @ moved, code=int(cast("int", about["qform_code"])))
        return
    image.set_qform(affine, code=int(cast("int", about.get("qform_code", code))))
    if not np.allclose(image.get_qform(), affine, atol=1e-4 * float(np.abs(affine).max())):
        image.set_qform(affine, code=0)  # a shear, which a qform cannot express


FORMAT = Format(read=read, write=write)
