"""A segmentation into files: the labels, the recipe (JSON) and the table of objects (CSV), all or none."""

from __future__ import annotations

import csv
import errno
import itertools
import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PureWindowsPath

import numpy as np

from napari_segplugin.core import InputError, Segmentation, to_json
from napari_segplugin.core.disk.commit import FileSet, commit, remove
from napari_segplugin.core.types import Array, Json, JsonDict, json_integers, json_object
from napari_segplugin.core.words import csv_cell, pixel
from napari_segplugin.io.files import Drawing, Format, LabelsToWrite, as_path, fingerprint, in_image, writing
from napari_segplugin.io.formats import FORMATS, accepted, extension_of, stem_of
from napari_segplugin.io.maps import DEGREES

KEEP_PATHS = "SEGPLUGIN_KEEP_PATHS"
"""Environment variable; "1" writes whole paths of images into recipes, not names alone."""
_PIECE = 2**24  # voxels that are looked at once


def write_segmentation(
    segmentation: Segmentation,
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, Sequence[float] | np.ndarray] | None = None,
    texts: Mapping[str, str] | None = None,
    drawing: Drawing | None = None,
) -> list[Path]:
    """Write labels, recipe and object table as one: all of them are replaced, or none.

    Parameters
    ----------
    segmentation : Segmentation
        Its labels may be a zarr array larger than memory; .tif and .zarr are then written piece by piece.
    path : path
        Its extension names the format, one of :data:`~napari_segplugin.io.formats.FORMATS`: label images (.tif, .zarr,
        .nii.gz, .npy, .png), polygons (.coco.json, .geojson, .gpkg, .roi.zip), .panoptic.json, .seg.dcm, meshes (.stl, .ply,
        .obj, each with .zip for one file an object). An existing result is replaced. ``<image>.zarr/labels/<name>`` puts
        the labels into the OME-Zarr of their image, with all that is known of them.
    columns : mapping of str to (N,) sequence of float, optional
        Measurements by name, one number a row of ``segmentation.objects``; for the table, and for formats that hold
        measurements.
    texts : mapping of str to str, optional
        Further text files that belong to the result, by their ending: ".csv" becomes ``<stem>.csv``.
    drawing : Drawing, optional
        How polygons and surfaces are drawn, for .geojson, .gpkg, .stl, .ply and .obj.

    Returns
    -------
    list of Path
        The label file, for .panoptic.json the folder with its PNGs, ``<stem>.recipe.json``, ``<stem>.objects.csv`` and
        the further texts.

    Raises
    ------
    InputError
        If the extension is not known, the labels are not whole numbers from 0 to 4294967295 or do not fit the
        format, a column has another length than the table of objects, the folder is missing or may not be written to,
        the disk is full, or another program is writing the same result.
    MissingExtraError
        If the format needs an extra that is not installed.
    """
    place = as_path(path)
    if in_image(place) and not any(extension_of(place) in row.extensions for row in FORMATS):
        from napari_segplugin.io.omezarr_into import write_into

        labels = _prepare(segmentation, max(_count(segmentation.labels), default=0), place.name, columns or {})
        write_into(labels, place)
        return [place]
    with writing(place), commit(place, stem_of(place)) as stage:
        return fill(stage, segmentation, place, columns=columns, texts=texts, drawing=drawing)


def fill(
    stage: FileSet,
    segmentation: Segmentation,
    place: Path,
    *,
    columns: Mapping[str, Sequence[float] | np.ndarray] | None = None,
    texts: Mapping[str, str] | None = None,
    drawing: Drawing | None = None,
) -> list[Path]:
    """Make the files of a result in a stage; parameters, result and errors as of :func:`write_segmentation`."""
    functions = _writer(place)
    stem = place.with_name(stem_of(place) or place.name)
    companion = [Path(f"{stem}{functions.beside}")] if functions.beside else []
    _check_target(place, companion)
    counts = _count(segmentation.labels)
    labels = _prepare(segmentation, max(counts, default=0), stem.name, columns or {}, drawing or Drawing())
    made = [stage.path(p) for p in (place, *companion)]
    for path in made:
        remove(path)  # what was written when a kill came
    functions.write(labels, made[0])  # type: ignore[misc]
    table = Path(f"{stem}.objects.csv")
    made.append(stage.path(table))
    _write_table(labels, segmentation, counts, made[-1])
    for ending, text in (texts or {}).items():
        made.append(stage.path(f"{stem}{ending}"))
        made[-1].write_text(text, encoding="utf-8")
    # the recipe is made last: it says what the others are, so that one of another result is noticed beside it
    recipe = Path(f"{stem}.recipe.json")
    content = content_of(segmentation)
    files = _of_the_same_labels(recipe, content) | {p.name: dict(fingerprint(p)) for p in made}
    about = recipe_of(segmentation, place.name) | {"content": content, "files": files}
    stage.path(recipe).write_text(json.dumps(about, indent=2), encoding="utf-8")
    return [place, *companion, recipe, table, *(Path(f"{stem}{ending}") for ending in texts or {})]


def content_of(segmentation: Segmentation) -> str:
    """What tells labels from others: their voxels and what their numbers mean.

    Parameters
    ----------
    segmentation : Segmentation

    Returns
    -------
    str
        Task, axes and shape, and checksums of the labels and of the classes of objects.

    Examples
    --------
    >>> from napari_segplugin.core import ClassTable, ObjectTable, Task
    >>> labels = np.array([[0, 7]])
    >>> content_of(Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), ClassTable.named(["a"]), "YX", (1, 1)))[:15]
    'instance YX 1x2'
    """
    checksum = 0
    for piece in _pieces(segmentation.labels):
        checksum = zlib.crc32(np.ascontiguousarray(piece, "<u4").tobytes(), checksum)
    table = segmentation.objects
    rows = json.dumps([table.label.tolist(), table.class_id.tolist(), to_json(segmentation.classes)])
    shape = "x".join(str(int(n)) for n in segmentation.labels.shape)
    return f"{segmentation.task} {segmentation.axes} {shape} {checksum:08x} {zlib.crc32(rows.encode()):08x}"


def _of_the_same_labels(recipe: Path, content: str) -> JsonDict:
    """The files of the recipe that is there, where they hold the same labels in other formats and are unchanged."""
    try:
        before = json_object(json.loads(recipe.read_text(encoding="utf-8")))
        files = json_object(before.get("files")) if before.get("content") == content else {}
        return {
            name: about
            for name, about in files.items()
            if Path(name).name == name and (there := recipe.with_name(name)).exists() and fingerprint(there) == about
        }
    except (OSError, ValueError, TypeError):  # none, or one of another program
        return {}


def check_target(path: str | os.PathLike[str]) -> Path:
    """Say now what :func:`write_segmentation` would say of a path after hours of computing; returns the path.

    Raises
    ------
    InputError
        If the extension is not known, or the folder is missing, may not be written to or would be replaced.
    """
    place = as_path(path)
    functions = _writer(place)
    stem = place.with_name(stem_of(place) or place.name)
    _check_target(place, [Path(f"{stem}{functions.beside}")] if functions.beside else [])
    with writing(place):
        if not os.access(place.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "no permission to write", str(place.parent))
    return place


def _writer(path: Path) -> Format:
    extension = extension_of(path)
    for row in FORMATS:
        if extension in row.extensions and row.writes:
            return row.load()
    raise InputError(
        f"Labels cannot be written to '{path.name}'.",
        got=f"extension '{extension}'" if extension else "no extension",
        accepted=accepted("writes"),
        hint="Choose one of these extensions.",
    )


def _check_target(path: Path, companion: Sequence[Path] = ()) -> None:
    """Never replace a folder that is not a zarr, or pictures that we made: it may be somebody's data."""
    with writing(path):
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such folder", str(path.parent))
        names = {p.name for p in path.iterdir()} if path.is_dir() else set()
        foreign = [p for p in companion if p.is_dir() and any(f.suffix.lower() != ".png" for f in p.iterdir())]
    wrong = path.is_dir() and (
        extension_of(path) != ".zarr" or (names and not names & {"zarr.json", ".zgroup", ".zarray"})
    )
    if wrong or foreign:
        name = path.name if wrong else foreign[0].name
        raise InputError(f"'{name}' is an existing folder and would be replaced.", hint="Choose another name.")


def _pieces(labels: Array) -> Iterator[np.ndarray]:
    """The labels in boxes of bounded size, along the leading axes."""
    shape = tuple(int(n) for n in labels.shape)
    plane = int(np.prod(shape[1:], dtype=np.int64)) or 1
    rows = max(1, _PIECE // plane)
    chunk = int((getattr(labels, "chunks", None) or (1,))[0])
    rows = max(rows // chunk, 1) * chunk  # whole chunks, so that none is decompressed twice
    for start in range(0, shape[0], rows):
        yield np.asarray(labels[start : start + rows])


def _count(labels: Array) -> dict[int, int]:
    """Voxels of each label but 0, in ascending order.

    Raises
    ------
    InputError
        If there are no voxels, or the labels are not whole numbers from 0 to 4294967295.
    """
    dtype = np.dtype(labels.dtype)
    if dtype.kind not in "bui":
        raise InputError(
            "Labels must be whole numbers.", got=f"dtype {dtype}", hint="Convert the labels to uint16 or uint32."
        )
    if 0 in labels.shape:
        raise InputError("There is nothing to write.", got=f"labels of shape {tuple(labels.shape)}")
    counts: dict[int, int] = {}
    for piece in _pieces(labels):
        values, numbers = np.unique(piece, return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            counts[int(value)] = counts.get(int(value), 0) + number
    if min(counts) < 0 or max(counts) >= 2**32:
        raise InputError(
            "A label file holds numbers from 0 to 4294967295.",
            got=f"labels from {min(counts)} to {max(counts)}",
            hint="Renumber the objects from 1.",
        )
    counts.pop(0, None)
    return dict(sorted(counts.items()))


def _prepare(
    segmentation: Segmentation,
    largest: int,
    stem: str,
    columns: Mapping[str, Sequence[float] | np.ndarray],
    drawing: Drawing = Drawing(),  # noqa: B008 - frozen
) -> LabelsToWrite:
    """Labels with axes in the order T, Z, Y, X, and the smallest dtype that holds them."""
    for name, values in columns.items():
        if len(values) != len(segmentation.objects):
            raise InputError(
                f"The column '{name}' does not fit the table of objects.",
                got=f"{len(values)} values for {len(segmentation.objects)} objects",
            )
    dtype = np.dtype(np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.uint32)
    axes = segmentation.axes
    order = "".join(a for a in "TZYX" if a in axes)
    array = segmentation.labels
    if order != axes:
        array = np.asarray(array).transpose([axes.index(a) for a in order])
    spatial = [a for a in axes if a in "ZYX"]
    if len(segmentation.spacing) != len(spatial) or not all(np.isfinite(s) and s > 0 for s in segmentation.spacing):
        raise InputError(
            f"The {pixel(len(spatial))} size does not fit the labels.",
            got=f"{segmentation.spacing} for the axes '{axes}'",
            accepted="one positive number for each spatial axis",
        )
    spacing = dict(zip(spatial, (float(s) for s in segmentation.spacing), strict=True))
    s = segmentation
    start = json_integers(s.recipe.get("origin"))
    origin = dict(zip("ZYX"[3 - len(start) :], start, strict=True)) if len(start) <= 3 else {}
    return LabelsToWrite(array, dtype, order, spacing, s.unit, s.name, s.place, origin, s, stem, columns, drawing)


def recipe_of(segmentation: Segmentation, labels: str) -> JsonDict:
    """What is written down of a result: how it was made, and what its labels mean.

    Parameters
    ----------
    segmentation : Segmentation
    labels : str
        Name of the file or group that holds the labels.
    """
    s = segmentation
    about = {
        "name": s.name,
        "labels": labels,
        "task": str(s.task),
        "classes": to_json(s.classes),
        "axes": s.axes,
        "spacing": list(s.spacing),
        "unit": s.unit,
        "place": s.place.to_json() if s.place else None,
        "recipe": s.recipe if os.environ.get(KEEP_PATHS, "") == "1" else _without_folders(s.recipe),
    }
    return dict(json_object(_plain(about)))


def _without_folders(recipe: Mapping[str, Json], inner: str = "") -> JsonDict:
    """The recipe with the name of its image alone: folders are called after patients and people, and files travel."""
    found: JsonDict = {}
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            value = _without_folders(value, key)
        elif inner == "input" and key == "source":
            value = PureWindowsPath(str(value)).name  # which takes both kinds of slashes
        found[key] = value
    return found


def _plain(value: object) -> Json:
    """JSON values only: arrays as lists, paths and what else comes as text, numbers that are not finite as null."""
    value = to_json(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else str(value)


def _write_table(labels: LabelsToWrite, s: Segmentation, counts: Mapping[int, int], path: Path) -> None:
    """One row a label: its class, score, status and size, then the measurements that came with it."""
    # square degrees are no area
    voxel = math.nan if s.unit == DEGREES else s.voxel_size
    power = {2: "^2", 3: "^3"}.get(len(s.spacing), "")
    names = {c.id: c.name for c in s.classes}
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        head = ["label", "class", "name", "score", "status", "voxels", f"size ({s.unit}{power})"]
        writer.writerow([csv_cell(title) for title in (*head, *labels.columns)])
        more = zip(*labels.columns.values(), strict=True) if labels.columns else itertools.repeat(())
        table = s.objects
        rows = zip(table.label.tolist(), table.class_id.tolist(), table.score.tolist(), table.status, strict=True)
        for (label, class_id, score, status), extra in zip(rows, more, strict=False):
            voxels = counts.get(int(label), 0)
            mark = "" if np.isnan(score) else f"{score:.4f}"
            name = csv_cell(names.get(class_id, ""))
            first = [
                label,
                class_id,
                name,
                mark,
                csv_cell(status),
                voxels,
                "" if math.isnan(voxel) else f"{voxels * voxel:.6g}",
            ]
            writer.writerow([*first, *(f"{value:.6g}" for value in extra)])
