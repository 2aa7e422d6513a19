"""NIfTI, through nibabel."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from napari_segplugin.core import MissingExtraError, guess_axes
from napari_segplugin.io.files import IN_MEMORY, Format, Found, LabelsToWrite, native
from napari_segplugin.io.lazy import LazyArray
from napari_segplugin.io.memory import check_size
from napari_segplugin.io.units import in_metres

if TYPE_CHECKING:
    from nibabel import Nifti1Image
    from nibabel.arrayproxy import ArrayProxy

_UNITS = {"mm": "mm", "micron": "um", "meter": "m", "unknown": "mm"}  # the format's own default is mm


def _nibabel() -> ModuleType:
    try:
        import nibabel
    except ImportError as error:
        raise MissingExtraError("nibabel", "read and write NIfTI files") from error
    return nibabel


def read(path: Path) -> Found:
    """Read a NIfTI image, its axes turned from (x, y, z[, t]) to ([T,] Z, Y, X).

    Affine and zooms go to the metadata, so that a result can be written back into the same space.
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
    good = all(np.isfinite(z) and z > 0 for z in zooms[:3])
    spacing = dict(zip("XYZ", zooms, strict=False)) if good else {}
    metadata = {
        "nifti_affine": np.asarray(image.affine, float).tolist(),
        "nifti_zooms": zooms,
        "nifti_orientation": "".join(str(c) for c in nibabel.aff2axcodes(image.affine)),
    }
    turned = array.transpose()
    lazy = LazyArray(turned, path, "NIfTI") if isinstance(turned, np.memmap) else turned
    return Found(lazy, axes, doubt, spacing, _UNITS.get(space, "mm") if good else "pixel", metadata)


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
    """Write the labels as (x, y, z[, t]), with the affine of the image they were made from, or one from the spacing."""
    nibabel = _nibabel()
    array = np.asarray(labels.array).astype(labels.dtype).transpose()
    if "T" in labels.axes and "Z" not in labels.axes:
        array = array[:, :, None, :]
    factor = (in_metres(labels.unit) or 1e-3) / 1e-3
    zooms = [labels.spacing.get(a, 1.0) * factor for a in "XYZ"]
    affine = labels.affine if labels.affine is not None else np.diag([*zooms, 1.0])
    image = nibabel.Nifti1Image(array, affine, dtype=labels.dtype)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, code="scanner")
    nibabel.save(image, path)


FORMAT = Format(read=read, write=write)
