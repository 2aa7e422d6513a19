"""What is in a file, as layers: images with axes, place, size and unit; results and the labels of an image as labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from napari import current_viewer
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.notifications import show_info

from napari_segplugin.core import Task
from napari_segplugin.core.types import Array, JsonDict
from napari_segplugin.viewer.compass import compass_of
from napari_segplugin.viewer.layers import LayerData, LayerOptions, image_to_layer, opened_labels

if TYPE_CHECKING:
    from napari_segplugin.core import Image

COCO = (".panoptic.json", ".coco.json")
SLIDES = (".svs", ".ndpi", ".qptiff", ".scn", ".lsm", ".stk", ".btf", ".tf8")
PICTURES = (".jp2", ".j2k", ".webp")
VIDEO = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg")
ENDINGS = (".nii", ".nii.gz", ".zarr", ".dcm", ".dicom", ".tif", ".tiff", ".png", ".npy", *SLIDES, *PICTURES, *VIDEO)
STACKED = (".tif", ".tiff", ".png", ".npy")
"""Of these, several files at once are left to napari, which puts them into one stack."""
Ask = Callable[[str, Sequence[str]], "int | None"]
asking: list[Ask] = []
"""Who can ask a person which of several images shall be opened: ``(title, rows) -> number of the row, or None``."""
_LOOKED_AT = 200  # files of a folder that may be a DICOM series


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Say whether a path can be read; only a file ``.json`` or a folder is looked into.

    Parameters
    ----------
    path : str or list of str

    Returns
    -------
    callable or None
        Reads the path; None for what is left to other readers.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    if len(paths) > 1 and all(str(p).lower().endswith(STACKED) for p in paths):
        return None
    return _read if paths and all(_ours(Path(p)) for p in paths) else None


def _ours(path: Path) -> bool:
    if path.is_dir():
        from napari_segplugin.io.files import is_zarr

        return is_zarr(path) or _holds_dicom(path)
    return path.name.lower().endswith(ENDINGS) or path.name.upper() == "DICOMDIR" or _is_coco(path)


def _holds_dicom(folder: Path) -> bool:
    """Whether a file in a folder or below it is DICOM: by its name in any case, or by the mark of files without an ending."""
    found = (Path(home) / name for home, _, names in os.walk(folder) for name in names)
    files = list(islice(found, _LOOKED_AT))
    if any(p.suffix.lower() in (".dcm", ".dicom") for p in files):
        return True
    from napari_segplugin.io.dicom_files import looks_like_dicom

    return any(looks_like_dicom(p) for p in files if not p.suffix or p.suffix[1:].isdigit())


def _is_coco(path: Path) -> bool:
    """Whether the name says COCO, or a file ``.json`` of another name holds it."""
    from napari_segplugin.io.formats import coco_kind

    return path.name.lower().endswith(COCO) or (path.suffix.lower() == ".json" and bool(coco_kind(path)))


def _read(path: str | Sequence[str]) -> list[LayerData]:
    viewer = current_viewer()
    if viewer is not None:
        compass_of(
            viewer
        )  # so that a scan is seen as a radiologist expects, with its letters, before the dock was opened
    paths = [path] if isinstance(path, str | Path) else list(path)
    return [layer for p in paths for layer in layers_of(p, _choose(p))]


def images_of(path: str | Path) -> list[tuple[str, str]]:
    """The images of a file that has several (plates of OME-Zarr, studies of DICOM): what names each, and a line for a person.

    Raises
    ------
    InputError
        If it is damaged.
    """
    from napari_segplugin.io.files import as_path, is_zarr
    from napari_segplugin.io.formats import series_in
    from napari_segplugin.io.omezarr_parts import images_in

    place = as_path(path)
    if is_zarr(place):
        return images_in(place)
    study = place.is_dir() or place.name.upper() == "DICOMDIR"
    return [(one.uid, one.title) for one in series_in(place)] if study else []


def question(path: str | Path, images: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
    """What to ask about a file with several images: a title, and a row for each."""
    return f"“{Path(path).name}” has {len(images):,} images. Which one do you want to open?", [row for _, row in images]


def _choose(path: str | Path) -> str:
    """The image to open of a file with several: as a person says, else the first, and that is said."""
    images = images_of(path)
    if len(images) < 2:
        return images[0][0] if images else ""
    if asking:
        answer = asking[-1](*question(path, images))
        return images[answer or 0][0]
    show_info(
        f"“{Path(path).name}” has {len(images):,} images; the first one ({images[0][1]}) was opened. To choose another, use "
        f"Open… in the Segmentation dock."
    )
    return images[0][0]


def layers_of(
    path: str | Path,
    field: str = "",
    *,
    read_image: Callable[..., Image] | None = None,
    is_result: Callable[[Path], bool] | None = None,
) -> list[LayerData]:
    """The layers of a file: an image with its labels, or a result.

    Parameters
    ----------
    path : path
    field : str
        Which image of a plate, as its path inside, or the UID of a DICOM series.
    read_image, is_result : callable, optional
        How a file is read, and whether it is labels; those of :mod:`napari_segplugin.io` by default.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    from napari_segplugin import io
    from napari_segplugin.io.files import as_path, is_zarr
    from napari_segplugin.io.omezarr_parts import labels_in

    place = as_path(path)
    if not field and (is_result or io.is_result)(place):
        if place.is_dir():
            return [_labels_of(place)]
        result = io.read_segmentation(place)
        for note in io.formats.notes_of(result):
            show_info(note.text)
        return [opened_labels(result)]
    read = read_image or io.read_image
    if not is_zarr(place):
        return [image_to_layer(read(place, series=field) if field else read(place))]
    image = read(place, field=field) if field else read(place)
    found = [image_to_layer(image)]
    inner = place / field if field else place
    names = labels_in(inner)
    for name in names:
        array, options, kind = _labels_of(inner / "labels" / name)
        found.append((array, {**options, "name": f"{image.name} · {name}", "visible": len(names) == 1}, kind))
    return found


def _labels_of(path: Path) -> LayerData:
    """The labels in a zarr, in the colors that it gives them; large ones stay on disk."""
    from napari_segplugin.io import read_image, read_segmentation
    from napari_segplugin.io.files import IN_MEMORY
    from napari_segplugin.io.inside_zarr import labels_inside

    inside = labels_inside(path)
    image = read_image(path)
    large = int(np.prod(image.array.shape, dtype=np.int64)) * np.dtype(image.array.dtype).itemsize > IN_MEMORY
    if large and np.dtype(image.array.dtype).kind in "ui" and "C" not in image.axes:
        array, options, kind = _on_disk(image, cast("Mapping[str, object]", inside.about))
    else:
        array, options, kind = opened_labels(read_segmentation(path))
    if inside.colors and "colormap" not in options:
        table: dict[int | None, str] = {None: "#9a9a9a", 0: "transparent"}
        options = {**options, "colormap": DirectLabelColormap(color_dict={**table, **inside.colors})}
    return array, options, kind


def _on_disk(image: Image, about: Mapping[str, object]) -> LayerData:
    """Labels that are read piece by piece: they can be looked at and measured, and not painted on."""
    array, options, _ = image_to_layer(image)
    own = cast("JsonDict", {k: about[k] for k in ("task", "classes") if k in about})
    meta = cast("JsonDict", options["metadata"]["segplugin"])
    task = Task(str(own.get("task", Task.INSTANCE)))
    more: LayerOptions = {**options, "metadata": {"segplugin": {**meta, **own, "task": str(task), "axes": image.axes}}}
    del more["rgb"]
    return cast("Array", array), more, "labels"


__all__ = ["Ask", "asking", "get_reader", "images_of", "layers_of", "question"]
