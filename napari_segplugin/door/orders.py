"""Orders as jobs: over many files, in drawn regions, and again from the recipe of a result. Imports no torch by itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_segplugin.core import (
    ClassicalRecipe,
    FileState,
    Image,
    InputError,
    Job,
    ModelBundle,
    Note,
    Region,
    Segmentation,
    TileSpec,
)
from napari_segplugin.core.types import JsonDict
from napari_segplugin.data.channels import seen
from napari_segplugin.data.drawn import Outline
from napari_segplugin.door.inputs import ChannelsLike, ImageLike, ModelLike, PathLike, as_image, as_model
from napari_segplugin.engine.batch.corrected import Corrected
from napari_segplugin.engine.batch.folder import RECORD
from napari_segplugin.engine.batch.folder import batch as run_batch
from napari_segplugin.engine.batch.order import CORRECTIONS, RunOrder, margin_of, run_order, things, write_order
from napari_segplugin.engine.batch.regions import in_regions as run_in_regions
from napari_segplugin.engine.batch.regions import known_of
from napari_segplugin.engine.batch.replay import ENDING, Recorded, fitted, is_recorded, order_of, read_recorded, verdict
from napari_segplugin.engine.session import home_folder
from napari_segplugin.io import load_bundle, shipped_bundles
from napari_segplugin.io.files import as_path
from napari_segplugin.io.formats import notes_of, read_image
from napari_segplugin.io.targets import find_images, results_folder, targets_of
from napari_segplugin.io.writing import content_of

if TYPE_CHECKING:
    from napari_segplugin.engine.predict.cluster import Cluster

HowLike: TypeAlias = RunOrder | ClassicalRecipe | ModelLike
Say: TypeAlias = Callable[[Note], object]


@dataclass(frozen=True)
class FileReading:
    """How image files are opened.

    Parameters
    ----------
    axes, spacing, unit
        As in :func:`napari_segplugin.predict`.
    series : str, optional
        Which of several DICOM series.
    even_slices : bool
        Put DICOM slices that are not evenly spaced onto an even grid.
    channels : str
        What is seen of the image.
    """

    axes: str | None = None
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    series: str | None = None
    even_slices: bool = False
    channels: str = ""

    def open(self, path: PathLike) -> Image:
        """Open a file."""
        more = {"series": self.series, "resample": self.even_slices}
        image = read_image(path, axes=self.axes, spacing=self.spacing, unit=self.unit, **more)  # type: ignore[arg-type]
        return seen(image, self.channels)

    def to_json(self) -> JsonDict:
        """As JSON values."""
        return {**vars(self), "spacing": None if self.spacing is None else list(self.spacing)}


def as_order(
    how: HowLike, tiles: TileSpec | None = None, device: str = "auto", cluster: Cluster | None = None
) -> RunOrder:
    """An order from a model (its name, its folder or itself), a recipe of classical steps, or as it is."""
    if isinstance(how, RunOrder):
        return how
    found = how if isinstance(how, ClassicalRecipe) else as_model(how)
    return RunOrder(found, tiles or TileSpec(), device, cluster=cluster)


def batch(
    images: PathLike | Sequence[PathLike],
    how: HowLike,
    output: PathLike | None = None,
    *,
    extension: str = "",
    tiles: TileSpec | None = None,
    device: str = "auto",
    cluster: Cluster | None = None,
    again: bool = False,
    stop: threading.Event | None = None,
    channels: ChannelsLike = "",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Job[tuple[FileState, ...]]:
    """Segment many files; see :func:`napari_segplugin.batch`. Setting `stop` ends the batch before the next file."""
    text = channels if isinstance(channels, str) else ",".join(str(c) for c in channels)
    reading = FileReading(axes, None if spacing is None else tuple(spacing), unit, channels=text)
    order = as_order(how, tiles, device, cluster)
    return (yield from batch_of(images, order, output, reading, extension=extension, again=again, stop=stop))


def batch_of(
    images: PathLike | Sequence[PathLike],
    order: RunOrder,
    output: PathLike | None = None,
    reading: FileReading | None = None,
    *,
    extension: str = "",
    again: bool = False,
    stop: threading.Event | None = None,
) -> Job[tuple[FileState, ...]]:
    """As :func:`batch`, with an order and a way of reading; of a single folder there is a record among the results."""
    reading = reading or FileReading()
    files, place, record = plan(images, output)
    pairs = list(zip(files, targets_of(files, place, extension.lstrip(".") or None), strict=True))
    more = {"reading": reading.to_json(), "stop": stop, "again": again, "record": record}
    return (yield from run_batch(pairs, order, reading.open, **more))  # type: ignore[arg-type]


def plan(
    images: PathLike | Sequence[PathLike], output: PathLike | None, *, expand: bool = True
) -> tuple[list[Path], Path | None, Path | None]:
    """The files of a batch, the folder of the results (None: beside each), and its record (None: there is none).

    Parameters
    ----------
    images : path, or sequence of path
    output : path, optional
    expand : bool
        Whether a folder is taken for the images in it.

    Raises
    ------
    InputError
        If there are no images in a folder.
    """
    given = [as_path(i) for i in ([images] if isinstance(images, str | Path) else images)]
    files = find_images(given) if expand else given
    folder = given[0] if expand and len(given) == 1 and files != given else None
    place = as_path(output) if output else None if folder is None else results_folder(folder)
    return files, place, None if folder is None or place is None else place / RECORD


def in_regions(
    image: ImageLike,
    how: HowLike,
    outlines: Sequence[Outline],
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    channels: ChannelsLike = "",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Job[tuple[Segmentation, np.ndarray]]:
    """Segment the inside of drawn regions; see :func:`napari_segplugin.in_regions`."""
    found = as_image(image, axes, spacing, unit)
    if isinstance(image, str | Path):
        yield from notes_of(found)
    if not outlines:
        raise InputError("No region is drawn.", hint="Draw a polygon, a rectangle or an ellipse on the image.")
    order = replace(as_order(how, tiles, device), region=None, outlines=tuple(outlines))
    result = yield from run_order(order, seen(found, channels))
    return result, known_of(result)


def in_drawn(
    image: Image,
    outlines: Sequence[Outline],
    run: Callable[[Region], Job[Segmentation]],
    how: ModelBundle | None = None,
    tiles: TileSpec | None = None,
) -> Job[Segmentation]:
    """As :func:`in_regions`, for whatever can segment a box of the image.

    Parameters
    ----------
    image : Image
    outlines : sequence of Outline
    run : callable
        Segments a box.
    how, tiles : optional
        The network that runs, which says how far around the regions one has to look.
    """
    return (yield from run_in_regions(image, outlines, run, margin_of(how, tiles or TileSpec(), image)))


def replay(
    recipe: PathLike,
    image: ImageLike | None = None,
    *,
    model: ModelLike | None = None,
    device: str | None = None,
    channels: ChannelsLike = "",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Job[Segmentation]:
    """Make a result again from the recipe beside it; see :func:`napari_segplugin.replay`."""
    recorded = read_recorded(recipe)
    notes: list[Note] = []
    order = recorded_order(recorded, model, device, notes.append)
    if image is None:
        if recorded.joined:
            raise InputError(
                f"The result was made of {recorded.joined} images, the channels of one.",
                hint="Join them, and name that image",
            )
        image = recorded.image()
    found = as_image(image, axes, spacing, unit)
    if isinstance(image, str | Path):
        notes += notes_of(found)
        channels = channels or recorded.channels
    found = seen(found, channels)
    order = fitted(order, recorded, found, notes.append)
    yield from notes
    result = yield from run_order(order, found)
    if recorded.same_image(found) and recorded.path.name.endswith(ENDING):
        yield Note(verdict(recorded, content_of(result)))
    return result


def recorded_order(recorded: Recorded, model: ModelLike | None, device: str | None, say: Say) -> RunOrder:
    """The order of a recipe, with the model that it names or another one."""

    def given() -> ModelBundle:
        return find_model(recorded) if model is None else as_model(model)

    return order_of(recorded, given, device=device, other_model=model is not None, say=say)


def find_model(recorded: Recorded) -> ModelBundle:
    """The model that made a result: one that ships, one of the session folder, or one beside the result or one folder above.

    Raises
    ------
    InputError
        If there is none of its name, or those have other weights.
    """
    from napari_segplugin.engine.network import fingerprint

    here = recorded.path.absolute().parent
    folders = [*shipped_bundles().values()]
    for place in (home_folder() / "models", here, here.parent):
        folders += sorted(p.parent for p in place.glob("*/spec.json"))
    named = [f for f in folders if _name_of(f) == recorded.model]
    others = []
    for folder in named:
        bundle = load_bundle(folder)
        if fingerprint(bundle) == recorded.weights:
            return bundle
        others.append(fingerprint(bundle)[:12])
    if not others:
        raise InputError(
            f"The model '{recorded.model}' that made the result is not there.",
            got=f"none of that name among those that ship, in '{home_folder() / 'models'}', and in '{here}'",
            hint="Name its folder",
            setting="model",
        )
    raise InputError(
        f"The model '{recorded.model}' is another one than made the result: its weights are others.",
        got=f"weights {', '.join(others)}",
        accepted=f"weights {recorded.weights[:12]}",
        hint="Name the folder of the model that made it, or any other model to run that one in its place",
        setting="model",
    )


def _name_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "spec.json").read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def corrections_of(before: Segmentation, now: Segmentation) -> dict[str, str]:
    """What a person changed in a result, as a text to write beside it.

    Parameters
    ----------
    before : Segmentation
        As the job gave it.
    now : Segmentation
        As it is now; it may reach further.

    Returns
    -------
    dict of str to str
        For the parameter `texts` of :func:`napari_segplugin.io.write_segmentation`; empty where nothing was changed.
    """
    found = Corrected.between(before, now)
    return {} if found.base == found.outcome else {CORRECTIONS: found.text()}


__all__ = [
    "ENDING",
    "FileReading",
    "HowLike",
    "Recorded",
    "RunOrder",
    "as_order",
    "batch",
    "batch_of",
    "corrections_of",
    "find_model",
    "in_drawn",
    "in_regions",
    "is_recorded",
    "plan",
    "read_recorded",
    "recorded_order",
    "replay",
    "run_batch",
    "things",
    "write_order",
]
