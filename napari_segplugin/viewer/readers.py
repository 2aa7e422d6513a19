"""The reader of the manifest: NIfTI, DICOM, OME-Zarr with axes, voxel size and unit; COCO files as labels with classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_segplugin.viewer.layers import LayerData, image_to_layer, opened_labels

COCO = (".panoptic.json", ".coco.json")


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Say whether a path can be read; only a file ``.json`` is looked into, since many programs use that name.

    Parameters
    ----------
    path : str or list of str

    Returns
    -------
    callable or None
        Reads the path; None for what is left to other readers.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    return _read if paths and all(_ours(Path(p)) for p in paths) else None


def _ours(path: Path) -> bool:
    if path.name.lower().endswith((".nii", ".nii.gz", ".zarr", ".dcm")) or _is_coco(path):
        return True
    return path.is_dir() and any(path.glob("*.dcm"))


def _is_coco(path: Path) -> bool:
    """Whether the name says COCO, or a file ``.json`` of another name holds it."""
    from napari_segplugin.io.formats import coco_kind

    return path.name.lower().endswith(COCO) or (path.suffix.lower() == ".json" and bool(coco_kind(path)))


def _read(path: str | Sequence[str]) -> list[LayerData]:
    from napari_segplugin.io import read_image, read_segmentation

    paths = [path] if isinstance(path, str | Path) else list(path)
    return [opened_labels(read_segmentation(p)) if _is_coco(Path(p)) else image_to_layer(read_image(p)) for p in paths]
