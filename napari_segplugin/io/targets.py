"""The images that are named or lie in a folder, and where the result of each goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_segplugin.core import InputError, Note, Segmentation
from napari_segplugin.io.dicom_files import looks_like_dicom
from napari_segplugin.io.files import as_path, is_zarr
from napari_segplugin.io.formats import stem_of, with_extension
from napari_segplugin.io.like_input import Ending, ending_like, first_sentence
from napari_segplugin.io.pairs import IMAGE_ENDS, IMAGE_FOLDERS, LABEL_ENDS, LABEL_FOLDERS, list_files
from napari_segplugin.io.writing import write_segmentation


@dataclass(frozen=True)
class ResultPath:
    """Where a result goes.

    Parameters
    ----------
    path : Path
    otherwise : str
        Extension of the format that is written where that of `path` cannot hold the labels; empty for none.
    note : str
        What the person should know of the format.
    """

    path: Path
    otherwise: str = ""
    note: str = ""


def images_in(folder: str | Path) -> list[Path]:
    """The images of a folder, sorted by name.

    Parameters
    ----------
    folder : path
        Of ``images/`` beside ``masks/`` (or ``labels/``) the images are taken. In a folder of files these are left out: text
        and hidden files, results of this program, and files called ``NAME_labels`` (``_mask`` …) beside one called ``NAME``
        or ``NAME_image``. A folder in it is taken where it is an OME-Zarr or a DICOM series.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If there is no such folder, or no image in it.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp())
    >>> for name in "a.tif", "a_labels.tif", "b_mask.tif", "notes.txt":
    ...     _ = (place / name).write_bytes(b"")
    >>> [p.name for p in images_in(place)]
    ['a.tif', 'b_mask.tif']
    """
    place = as_path(folder)
    if not place.is_dir():
        raise InputError("There is no such folder.", got=f"'{place}'")
    inner = {p.name.lower(): p for p in place.iterdir() if p.is_dir()}
    if any(n in inner for n in LABEL_FOLDERS):
        place = next((inner[n] for n in IMAGE_FOLDERS if n in inner), place)
    there = [p for p in list_files(place) if not p.is_dir() or is_image_folder(p)]
    stems = {stem_of(p).lower() for p in there}
    found = [p for p in there if not _is_result(p) and not _is_partner(stem_of(p).lower(), stems)]
    if not found:
        raise InputError("There are no images in the folder.", got=f"'{place}'")
    return found


def _is_result(path: Path) -> bool:
    return path.with_name(f"{stem_of(path) or path.name}.recipe.json").is_file()


def _is_partner(stem: str, stems: set[str]) -> bool:
    """Whether a name is that of labels, and the image is there too."""
    bare = next((stem[: -len(e)] for e in LABEL_ENDS if stem.endswith(e) and len(stem) > len(e)), None)
    return bare is not None and any(f"{bare}{end}" in stems for end in ("", *IMAGE_ENDS))


def is_image_folder(folder: Path) -> bool:
    """Whether a folder is one image: a zarr, or a series of DICOM slices."""
    return is_zarr(folder) or any(p.is_file() and looks_like_dicom(p) for p in folder.iterdir())


def find_images(given: Sequence[str | Path]) -> list[Path]:
    """The images that were named, and those in the folders that were named.

    Parameters
    ----------
    given : sequence of path
        A folder in which no image lies, but further folders, is taken for one image: a study of DICOM series, which may lie
        some folders down.

    Raises
    ------
    InputError
        If a folder holds none.
    """
    found: list[Path] = []
    for name in given:
        path = as_path(name)
        if not path.is_dir() or is_image_folder(path):
            found.append(path)
            continue
        try:
            found += images_in(path)
        except InputError:
            if not any(p.is_dir() for p in path.iterdir()):
                raise
            found.append(path)
    return found


def is_folder_of_images(path: Path) -> bool:
    """Whether a path is a folder of images, and not an image itself."""
    return path.is_dir() and find_images([path]) != [path]


def results_folder(folder: Path) -> Path:
    """Where the results of a folder go where nobody says it: beside it.

    Examples
    --------
    >>> results_folder(Path("data/plate1")).as_posix()
    'data/plate1_results'
    """
    whole = folder.absolute()
    return folder.parent / f"{folder.name}_results" if folder.name else whole.parent / f"{whole.name}_results"


def targets_of(
    images: Sequence[str | Path], output: str | Path | None, extension: str | None, ending: str = "_labels"
) -> list[ResultPath]:
    """Where each result goes, in the format of its image where no extension is given; two must not have one name.

    Parameters
    ----------
    images : sequence of path
    output : path, optional
        A folder, which is made; beside each image by default.
    extension : str, optional
        Without the dot.
    ending : str
        What follows the name of the image.

    Raises
    ------
    InputError
        If two would, or the folder cannot be made.
    """
    folder = as_path(output) if output else None
    stems = [(folder or Path(p).parent) / f"{stem_of(Path(p))}{ending}" for p in images]
    ends = [Ending(f".{extension}") if extension else ending_like(p) for p in images]
    targets = [
        ResultPath(s.parent / f"{s.name}{e.extension}", e.otherwise, e.note) for s, e in zip(stems, ends, strict=True)
    ]
    # a recipe and a table lie beside each, so that two results of one name are in each other's way in any format
    seen: set[Path] = set()
    twice = [t.path for t, s in zip(targets, stems, strict=True) if s in seen or seen.add(s)]  # type: ignore[func-returns-value]
    if twice:
        raise InputError(
            "Two images would be written to one file.",
            got=f"'{min(twice)}'",
            hint="Choose another output folder for one of them, or another name",
        )
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError("The output folder cannot be created.", got=f"'{folder}', {error.strerror}") from error
    return targets


def write_result(
    found: Segmentation, target: ResultPath, say: Callable[[Note], object], texts: Mapping[str, str] | None = None
) -> list[Path]:
    """Write a result, in the other format of its target where the first cannot hold it; says so.

    Parameters
    ----------
    found : Segmentation
    target : ResultPath
    say : callable
        Is told what the person should know.
    texts : mapping of str to str, optional
        As for :func:`~napari_segplugin.io.write_segmentation`.
    """
    if target.note:
        say(Note(target.note))
    try:
        return write_segmentation(found, target.path, texts=texts)
    except InputError as error:
        if not target.otherwise:
            raise
        place = with_extension(target.path, target.otherwise)
        say(Note(f"{first_sentence(error)} '{place.name}' is written instead."))
        return write_segmentation(found, place, texts=texts)


__all__ = [
    "ResultPath",
    "find_images",
    "images_in",
    "is_folder_of_images",
    "is_image_folder",
    "results_folder",
    "targets_of",
    "write_result",
]
