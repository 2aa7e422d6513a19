"""Images into files: the values as they are, with axes, voxel size, unit and place; whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import imageio.v3 as imageio
import numpy as np
import tifffile
import zarr
from zarr.storage import LocalStore

from napari_segplugin.core import Image, InputError, MissingExtraError, Place
from napari_segplugin.core.disk.commit import commit, remove
from napari_segplugin.core.types import Json, JsonDict, json_object
from napari_segplugin.io.files import as_path, writing
from napari_segplugin.io.formats import extension_of, stem_of
from napari_segplugin.io.units import in_metres, long_unit

_SCANNER, _ALIGNED = 1, 2  # codes of NIfTI
_NO_PATIENT = "napari-segplugin: not in a patient"  # as in the headers of labels
_OME_UNITS = {"um": "µm", "angstrom": "Å", "inch": "in"}
_SKEWED = 1e-3  # share of an edge that may point elsewhere where a file knows straight axes only


def write_image(image: Image, path: str | os.PathLike[str]) -> list[Path]:
    """Write an image with its axes, voxel size, unit and place.

    Parameters
    ----------
    image : Image
    path : path
        Its extension names the format: .nii, .nii.gz, .tif, .ome.tif (both OME-TIFF), .ome.zarr, .npy, .png. What the
        format cannot hold of the place says :func:`lost_by`. An image that is there is replaced.

    Returns
    -------
    list of Path
        The file or folder.

    Raises
    ------
    InputError
        If the format is not known or cannot hold these values, the folder is missing or may not be written to, or the disk is
        full.
    MissingExtraError
        If NIfTI is written without the extra "medical".

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "a.tif"
    >>> _ = write_image(Image(np.ones((3, 8, 9), np.int16), "ZYX", (2.0, 0.5, 0.5), "um"), place)
    >>> tifffile.imread(place).shape
    (3, 8, 9)
    """
    place = as_path(path)
    write = _WRITERS.get(extension_of(place))
    if write is None:
        raise InputError(
            f"Images cannot be written to '{place.name}'.",
            got=f"extension '{extension_of(place)}'",
            accepted=", ".join(_WRITERS),
        )
    if place.is_dir() and not (extension_of(place) == ".zarr" and _is_zarr_or_empty(place)):
        raise InputError(f"'{place.name}' is an existing folder and would be replaced.", hint="Choose another name.")
    with writing(place), commit(place, stem_of(place)) as stage:
        made = stage.path(place)
        remove(made)  # what was written when a kill came
        write(image, made)
    return [place]


def lost_by(image: Image, path: str | os.PathLike[str]) -> str:
    """What a format does not hold of where an image lies, as a sentence; empty where it holds all of it.

    Examples
    --------
    >>> lost_by(Image(np.zeros((2, 2)), "YX", (0.5, 0.5), "um"), "a.npy")
    "'a.npy' holds the values alone, no axes and no pixel size."
    """
    place, extension = as_path(path), extension_of(as_path(path))
    if extension in (".npy", ".png"):
        word = "voxel" if image.ndim == 3 else "pixel"
        return f"'{place.name}' holds the values alone, no axes and no {word} size."
    where = image.place
    if where is None or extension in (".nii", ".nii.gz"):
        return ""
    if where.frame == "map":
        return f"'{place.name}' does not say where the image lies on the map."
    if not _straight(where):
        return f"'{place.name}' holds no directions, so how the image is turned in its space is lost; NIfTI keeps it."
    return ""


def _is_zarr_or_empty(folder: Path) -> bool:
    names = {p.name for p in folder.iterdir()}
    return not names or bool(names & {"zarr.json", ".zgroup", ".zarray"})


def _straight(place: Place) -> bool:
    """Whether each axis runs along that of its letter, forwards."""
    directions = place.matrix[:3, :3] / np.linalg.norm(place.matrix[:3, :3], axis=0)
    return bool(np.abs(directions - np.eye(3)).max() < _SKEWED)


def _sizes(image: Image) -> dict[str, float]:
    return dict(zip(image.spatial_axes, image.spacing, strict=True))


def _in_order(image: Image, order: str) -> tuple[np.ndarray, str]:
    """The values with their axes in an order of letters."""
    axes = "".join(a for a in order if a in image.axes)
    return np.asarray(image.array).transpose([image.axes.index(a) for a in axes]), axes


def _nifti(image: Image, path: Path) -> None:
    """NIfTI keeps the affine, and of its own header the texts and both codes."""
    try:
        import nibabel
    except ImportError as error:
        raise MissingExtraError("nibabel", "write NIfTI files") from error
    array, axes = _in_order(image, "XYZTC")
    for at, letter in ((2, "Z"), (3, "T")):
        if letter not in axes and len(axes) > at:  # what comes later stands in its own place
            array, axes = np.expand_dims(array, at), axes[:at] + letter + axes[at:]
    if array.dtype in (np.bool_, np.float16):
        array = array.astype(np.uint8 if array.dtype == bool else np.float32)
    factor = (in_metres(image.unit) or 1e-3) / 1e-3
    place = image.place or Place.of_spacing(_sizes(image))
    affine, patient = place.ras(factor), place.frame == "patient"
    about: Mapping[str, Json] = json_object(image.metadata.get("nifti_header")) if patient else {}
    made = nibabel.Nifti1Image(array, affine, dtype=array.dtype)
    made.header.set_xyzt_units("mm", "sec")
    code = int(cast("int", about.get("sform_code", 0))) or (_SCANNER if patient else _ALIGNED)
    made.set_sform(affine, code=code)
    own, own_code = np.array(about.get("qform", affine), float), int(cast("int", about.get("qform_code", 0)))
    keep = own_code > 0 and np.allclose(
        np.linalg.norm(own[:3, :3], axis=0), np.linalg.norm(affine[:3, :3], axis=0), rtol=1e-3
    )
    made.set_qform(own if keep else affine, code=own_code if keep else code)
    if not keep and not np.allclose(made.get_qform(), affine, atol=1e-4 * float(np.abs(affine).max())):
        made.set_qform(affine, code=0)  # a shear, which a qform cannot express
    for name in ("descrip", "aux_file", "intent_name"):
        made.header[name] = str(about.get(name, "")).encode("latin-1", "replace")
    if not patient:
        made.header["descrip"] = _NO_PATIENT.encode()
    nibabel.save(made, path)


def _tiff(image: Image, path: Path) -> None:
    """OME-TIFF, with the position of its planes; colours of 8 and 16 bits as colours."""
    colour = (
        image.n_channels in (3, 4) and image.axes.endswith("C") and np.dtype(image.array.dtype) in (np.uint8, np.uint16)
    )
    array, axes = _in_order(image, "TZYXC" if colour else "TZCYX")
    if array.dtype in (np.bool_, np.float16, np.int64, np.uint64):
        array = _narrow(array)
    sizes, unit = _sizes(image), _OME_UNITS.get(image.unit, image.unit)
    about: JsonDict = {"axes": axes.replace("C", "S") if colour else axes, "Name": image.name}
    for axis, size in sizes.items():
        about |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": unit}
    place = image.place
    if place is not None and place.frame != "map" and _straight(place):
        planes = int(np.prod(array.shape[: -3 if colour else -2]))
        depth = array.shape[axes.index("Z")] if "Z" in axes else 1
        inner = planes // (depth * image.n_frames) if not colour else 1
        z = [place.matrix[0, 3] + place.matrix[0, 0] * ((i // inner) % depth) for i in range(planes)]
        plane: dict[str, Json] = {"PositionZ": [float(v) for v in z]}
        for row, axis in ((1, "Y"), (2, "X")):
            plane[f"Position{axis}"] = [float(place.matrix[row, 3])] * planes
        about["Plane"] = plane | {f"Position{a}Unit": [unit] * planes for a in "ZYX"}
    photometric = "rgb" if colour else "minisblack"
    tifffile.imwrite(
        path, array, ome=True, photometric=photometric, compression="zlib", metadata=about, bigtiff=array.nbytes > 2**31
    )


def _narrow(array: np.ndarray) -> np.ndarray:
    """In a type that OME-TIFF has, where the values allow it.

    Raises
    ------
    InputError
        If they do not.
    """
    if array.dtype.kind in "bf":
        return array.astype(np.uint8 if array.dtype == bool else np.float32)
    low, high = int(array.min()), int(array.max())
    for dtype in (np.int32, np.uint32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return array.astype(dtype)
    raise InputError(
        "OME-TIFF holds whole numbers of 32 bits at most.", got=f"values from {low} to {high}", hint="Choose .ome.zarr."
    )


def _zarr(image: Image, path: Path) -> None:
    """OME-Zarr 0.4 of one level, with the translation of its first voxel."""
    array, axes = _in_order(image, "TCZYX")
    chunks = tuple(min(n, {"T": 1, "C": 1, "Z": 32}.get(a, 256)) for a, n in zip(axes, array.shape, strict=True))
    group = zarr.open_group(LocalStore(path), mode="w", zarr_format=2)
    group.create_array("0", data=array, chunks=chunks, chunk_key_encoding={"name": "v2", "separator": "/"})
    sizes, unit = _sizes(image), long_unit(image.unit)
    entries: list[Json] = []
    for letter in axes:
        kind = {"T": "time", "C": "channel"}.get(letter, "space")
        entries.append({"name": letter.lower(), "type": kind, **({"unit": unit} if kind == "space" and unit else {})})
    steps: list[Json] = [{"type": "scale", "scale": [float(sizes.get(a, 1.0)) for a in axes]}]
    place = image.place
    if place is not None and place.frame != "map" and _straight(place):
        first = dict(zip("ZYX", place.matrix[:3, 3].tolist(), strict=True))
        steps.append({"type": "translation", "translation": [first.get(a, 0.0) for a in axes]})
    level: Json = {"path": "0", "coordinateTransformations": steps}
    group.attrs["multiscales"] = [{"version": "0.4", "name": image.name, "axes": entries, "datasets": [level]}]


def _npy(image: Image, path: Path) -> None:
    with path.open("wb") as stream:
        np.lib.format.write_array(stream, np.asarray(image.array), allow_pickle=False)


def _png(image: Image, path: Path) -> None:
    """A grey or colour picture of 8 or 16 bits.

    Raises
    ------
    InputError
        If it is something else.
    """
    array, axes = _in_order(image, "TZYXC")
    array = array.astype(np.uint8) * 255 if array.dtype == bool else array
    grey = axes == "YX" and array.dtype in (np.uint8, np.uint16)
    if not grey and not (axes == "YXC" and array.shape[-1] in (3, 4) and array.dtype == np.uint8):
        raise InputError(
            "A PNG holds one grey plane of 8 or 16 bits, or one in colour of 8 bits.",
            got=f"{array.dtype} with the axes '{image.axes}', {image.n_channels} channels",
            hint="Choose .tif, .ome.zarr or .nii.gz.",
        )
    imageio.imwrite(path, array, plugin="pillow", extension=".png")


_WRITERS: Mapping[str, Callable[[Image, Path], None]] = {
    ".nii.gz": _nifti,
    ".nii": _nifti,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".zarr": _zarr,
    ".npy": _npy,
    ".png": _png,
}


__all__ = ["lost_by", "write_image"]
