"""From work that was kept to layers that show it, with their undo lists. No Qt, no torch: all of this is done in a worker."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import ModelSpec, SegPluginError
from napari_segplugin.viewer.compaction import branch, shorten
from napari_segplugin.viewer.corrections import (
    NAME,
    corrections_layer,
    label_shape,
    name_classes,
    paint_colors,
    paints_of,
)
from napari_segplugin.viewer.kept import Kept, KeptResult, KeptStrokes, kept_from, read_kept
from napari_segplugin.viewer.layers import features_of, segmentation_to_layer
from napari_segplugin.viewer.light import drawn
from napari_segplugin.viewer.records import read_contents
from napari_segplugin.viewer.replay import History, put_on
from napari_segplugin.viewer.sessions import Held, delete, files_of, hold, in_use

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer


@dataclass(eq=False)
class FoundWork:
    """What was kept of an image, before anything of it is restored.

    Parameters
    ----------
    path : path or None
        The newest session that has something a person did.
    kept : Kept
        What is in it.
    in_use : bool
        Whether another window writes it.
    used : list of path
        Sessions of the image that somebody writes now, whatever is in them.
    number : int
        Sessions of the image.
    errors : list of SegPluginError
        Of sessions that cannot be read; they are left as they are.
    """

    path: Path | None
    kept: Kept
    in_use: bool
    used: list[Path]
    number: int
    errors: list[SegPluginError]


def look(folder: Path, key: str, own: Collection[Path] = ()) -> FoundWork:
    """Look for work on an image; sessions in which nobody did anything are taken away.

    Parameters
    ----------
    folder : path
    key : str
        Of the image.
    own : collection of path
        Sessions that this window writes itself.
    """
    found = FoundWork(None, Kept(), False, [], 0, [])
    for path in files_of(folder, key):
        if path in own:
            continue
        used = in_use(path)
        found.used += [path] if used else []
        if found.path is not None:
            found.number += 1
            continue
        try:
            kept = read_kept(path)
        except SegPluginError as error:
            found.errors.append(error)
            continue
        if not kept.empty:
            found.path, found.kept, found.in_use, found.number = path, kept, used, found.number + 1
        elif not used:
            _clear(path, kept)
    return found


def _clear(path: Path, kept: Kept) -> None:
    """Take a session away that holds a prediction alone, or nothing."""
    held = hold(path)
    if held is None:
        return  # somebody writes it, or nobody can know
    with suppress(OSError):
        if not kept.damaged and path.stat().st_size == kept.end:
            path.unlink()
    held.release()


@dataclass(eq=False)
class Restored:
    """Layers that show what was kept, not yet in a viewer.

    Parameters
    ----------
    kept : Kept
    held : Held or None
        The file to go on with; None where it cannot be written.
    copied : bool
        Whether that is a new file, which began with what was in the one of another window.
    paints : list of (Labels, History)
        Strokes of classes and painted objects; those that were painted last are the last.
    results : list of (KeptResult, Labels, History)
    """

    kept: Kept
    held: Held | None
    copied: bool
    paints: list[tuple[Labels, History]]
    results: list[tuple[KeptResult, Labels, History]]

    @property
    def paint(self) -> tuple[Labels, History] | None:
        """The layer that was painted on last."""
        return self.paints[-1] if self.paints else None

    def let_go(self) -> None:
        """It is not gone on with after all."""
        if self.held is not None:
            self.held.release()
            if self.copied:
                delete(self.held.path)
        self.held = None


def restore(path: Path, start: Path | None, image_layer: ImageLayer, axes: str, spec: ModelSpec | None) -> Restored:
    """Read a session and make the layers.

    Parameters
    ----------
    path : path
        The session.
    start : path or None
        Name of a new session, which is begun with a copy where the other one is in use; None leaves the files as they are.
    image_layer : napari.layers.Image
    axes : str
        Of its array.
    spec : ModelSpec or None
        What is painted for; without it the strokes are left out.

    Raises
    ------
    InputError
        If the session cannot be read.
    """
    held = None if start is None else hold(path)
    try:
        contents = read_contents(path)
        copied = held is None and start is not None
        if held is not None:
            contents = shorten(held, contents)
        elif start is not None:
            with suppress(OSError):  # it is told when the first edit cannot be written
                held = branch(contents, start)
        kept = kept_from(contents)
        rgb = bool(getattr(image_layer, "rgb", False))
        return Restored(
            kept,
            held,
            copied and held is not None,
            [made for strokes in kept.strokes.values() if (made := _paint(strokes, image_layer, axes, spec))],
            [(r, *_result(r, image_layer, axes, rgb)) for r in kept.results],
        )
    except BaseException:
        if held is not None:
            held.release()
        raise


def kept_strokes(kept: KeptStrokes, image_layer: ImageLayer, axes: str, spec: ModelSpec) -> Labels:
    """A corrections layer with the strokes that were kept, an empty one where there were none."""
    kind = kept.paints or paints_of(spec.task)
    layer = corrections_layer(image_layer, axes, paint_colors(spec.classes, kind), kept.paint, kind)
    layer.name = f"{NAME} · {image_layer.name}"
    name_classes(layer, kept.painted)
    return layer


def _paint(
    kept: KeptStrokes, image_layer: ImageLayer, axes: str, spec: ModelSpec | None
) -> tuple[Labels, History] | None:
    paint = kept.paint
    if spec is None or paint is None or paint.shape != label_shape(image_layer, axes):
        return None
    if not paint.any() and not (kept.undo.past or kept.undo.future):
        return None
    layer = kept_strokes(kept, image_layer, axes, spec)
    return layer, put_on(layer, kept.undo)


def _result(kept: KeptResult, image_layer: ImageLayer, axes: str, rgb: bool) -> tuple[Labels, History]:
    edited, steps = kept.left(axes, rgb)
    edited = replace(edited, labels=drawn(np.asarray(edited.labels), edited.task))
    name = f"{image_layer.name} · {edited.task}"
    layer = segmentation_to_layer(edited, image_layer, axes, features=features_of(edited), name=name)
    return layer, put_on(layer, steps)


__all__ = ["FoundWork", "Restored", "kept_strokes", "look", "restore"]
