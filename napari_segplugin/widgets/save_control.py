"""Saving the result of the chosen image: in formats that hold it, that of the image first, beside the image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_segplugin.core import InputError
from napari_segplugin.viewer.layers import level0, source_of

if TYPE_CHECKING:
    from napari_segplugin.io.offered import Offer
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.results import Result
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs

_MESHES = (".stl", ".ply", ".obj")


class SaveControl:
    """Saving, for the dock.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    parent : QWidget
        Over which the dialog opens.
    """

    def __init__(self, desk: Desk, jobs: Jobs, engine: Engine, parent: QWidget) -> None:
        self._desk, self._jobs, self._engine, self._parent = desk, jobs, engine, parent

    def _result(self) -> Result | None:
        result = self._desk.result
        if result is None:
            self._desk.fail(InputError("There is no result to save.", hint="Press Run first."))
        return result

    def ask(self) -> None:
        """Ask for a file, then write it."""
        result = self._result()
        if result is None:
            return
        start, choices = suggested(result)
        path, chosen = QFileDialog.getSaveFileName(
            self._parent, "Save the result", str(start), ";;".join(choices), next(iter(choices))
        )
        if path:
            self.save(named_as(path, choices.get(chosen, ""), start))

    def save(self, path: str) -> None:
        """Write the result of the chosen image with the edits made to it."""
        desk, result = self._desk, self._result()
        if result is None:
            return
        frozen, engine = result.current(), self._engine

        def done(paths: list[Path]) -> None:
            told = "Saved " + ", ".join(Path(p).name for p in paths) + f" in {Path(path).parent}."
            known = frozen.place is not None and frozen.place.frame == "patient"
            if path.lower().removesuffix(".zip").endswith(_MESHES) and not known:
                told += (
                    " It is not known how the image lies in a patient: the surfaces have the coordinates of the image."
                )
            desk.say(told)

        self._jobs.beside("save", lambda: engine.write_segmentation(frozen, path, voxel_space=True), done)


def suggested(result: Result) -> tuple[Path, dict[str, str]]:
    """Where a result is put unless a person says otherwise, and for a file dialog what it can be saved as.

    Parameters
    ----------
    result : Result

    Returns
    -------
    path : Path
    choices : dict of str to str
        From the text of each to its extension, the format of the image first.
    """
    from napari_segplugin.io.offered import offers, place_for

    source, data = source_of(result.image_layer), level0(result.layer)
    largest = int(np.max(data, initial=0)) if isinstance(data, np.ndarray) else 0
    found = offers(result.segmentation.axes, largest, source)
    return place_for(source, found[0].extension, str(result.image_layer.name)), filters(found)


def filters(found: Sequence[Offer]) -> dict[str, str]:
    """Formats as the filters of a file dialog, and the extension of each.

    Examples
    --------
    >>> from napari_segplugin.io.offered import offers
    >>> list(filters(offers("YX", 5, "cells.png")))[0]
    'PNG, one plane (*.png)'
    """
    return {f"{offer.title} (*{offer.extension})": offer.extension for offer in found}


def named_as(path: str, extension: str, start: Path) -> str:
    """A path with the extension that a person typed, where that is another than was suggested, else that of the list.

    Parameters
    ----------
    path : str
        As the dialog gave it.
    extension : str
        Of the format that was chosen in the list; empty where none was.
    start : Path
        What was suggested.

    Examples
    --------
    >>> suggested = Path("cells_labels.tif")
    >>> named_as("cells_labels.tif", ".geojson", suggested), named_as("cells.npy", ".tif", suggested)
    ('cells_labels.geojson', 'cells.npy')
    """
    from napari_segplugin.io.files import in_image
    from napari_segplugin.io.formats import FORMATS, extension_of, with_extension

    if not extension or path.lower().endswith(extension) or in_image(Path(path)):
        return path
    typed = extension_of(Path(path))
    known = any(row.writes and typed in row.extensions for row in FORMATS)
    if known and typed != extension_of(start):
        return path
    return str(with_extension(Path(path), extension))


__all__ = ["SaveControl", "filters", "named_as", "suggested"]
