"""An order: what is run on images, a network or a technique, with all its settings. Imports torch when it runs a network."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.classical import CLEANUPS, TECHNIQUES
from napari_segplugin.core import (
    ClassicalRecipe,
    Image,
    Job,
    ModelBundle,
    Note,
    Region,
    Segmentation,
    Stage,
    Task,
    TileSpec,
    recipe_to_json,
    to_json,
)
from napari_segplugin.core.types import Json, JsonDict
from napari_segplugin.data.drawn import Outline
from napari_segplugin.engine.batch.corrected import Corrected
from napari_segplugin.engine.batch.regions import in_regions
from napari_segplugin.engine.classical.segment import segment
from napari_segplugin.engine.memory import within_memory
from napari_segplugin.engine.torch_import import bring_torch
from napari_segplugin.engine.voxel_size import look_of
from napari_segplugin.io.targets import ResultPath, write_result
from napari_segplugin.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from napari_segplugin.engine.predict.cluster import Cluster

CORRECTIONS = ".corrections.json"
"""Ending of the file beside a result that holds what a person changed in it."""
WRITING = "Writing the file"
"""The stage in which a result is written, as :mod:`~napari_segplugin.engine.predict.to_file` names it, too."""
_MARGIN = {2: 64, 3: 32}
"""Pixels around drawn regions where nobody knows how large objects are."""
_MOST_MARGIN = 512


@dataclass(frozen=True, eq=False)
class RunOrder:
    """What is run on an image.

    Parameters
    ----------
    how : ModelBundle or ClassicalRecipe
    tiles : TileSpec
        How a network looks at the image; one number stands for all axes.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    region : tuple of slice, optional
        A slice for each of Z, Y, X that the image has; everything by default.
    outlines : tuple of Outline
        Drawn regions; `region` does not matter then.
    seeds : ndarray of int, optional
        For a technique that needs some, of the whole image.
    box : tuple of slice, optional
        For a technique that needs one.
    corrections : Corrected, optional
        Put onto a result that is the one that was corrected; left out with a note on any other.
    cluster : Cluster, optional
        Whose workers run the network.
    """

    how: ModelBundle | ClassicalRecipe
    tiles: TileSpec = field(default_factory=TileSpec)
    device: str = "auto"
    region: Region | None = None
    outlines: tuple[Outline, ...] = ()
    seeds: np.ndarray | None = None
    box: Region | None = None
    corrections: Corrected | None = None
    cluster: Cluster | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.how.name or (self.how.technique if isinstance(self.how, ClassicalRecipe) else "")

    @property
    def task(self) -> Task:
        """What it finds."""
        if isinstance(self.how, ModelBundle):
            return self.how.spec.task
        objects = TECHNIQUES[self.how.technique].kind == "objects"
        return (
            Task.INSTANCE
            if objects or any(CLEANUPS[s.name].kind == "objects" for s in self.how.cleanup)
            else Task.SEMANTIC
        )

    def about(self) -> JsonDict:
        """The order as JSON values, in the words of the recipe of a result."""
        region = None if self.region is None else [[s.start, s.stop] for s in self.region]
        more: JsonDict = {"region": region, "versions": {"napari-segplugin": __version__}}
        if self.outlines:
            more["regions"] = [o.to_json() for o in self.outlines]
        if isinstance(self.how, ClassicalRecipe):
            box = None if self.box is None else [[s.start, s.stop] for s in self.box]
            return {"what": "classical segmentation", "classical": recipe_to_json(self.how), "box": box, **more}
        from napari_segplugin.engine.network import fingerprint

        bundle = self.how
        model: JsonDict = {"name": bundle.name, "weights_sha256": fingerprint(bundle), "spec": to_json(bundle.spec)}
        model |= {"normalisation": to_json(bundle.normalisation), "decode": to_json(bundle.decode)}
        tiles: JsonDict = {"asked": to_json(self.tiles)}
        return {"what": "prediction", "model": model, "tiles": tiles, "device_asked": self.device, **more}

    def key(self, more: Mapping[str, Json] | None = None) -> str:
        """A short text that is the same for the same order, seeds and corrections included.

        Parameters
        ----------
        more : mapping, optional
            What else makes it the same: how files are read.
        """
        digest = hashlib.sha256(json.dumps([self.about(), dict(more or {})], sort_keys=True).encode())
        if self.seeds is not None:
            digest.update(np.ascontiguousarray(self.seeds).tobytes())
        if self.corrections is not None:
            digest.update(json.dumps(self.corrections.to_json(), sort_keys=True).encode())
        return digest.hexdigest()[:20]


@within_memory
def run_order(order: RunOrder, image: Image) -> Job[Segmentation]:
    """Segment an image as an order says.

    Parameters
    ----------
    order : RunOrder
    image : Image

    Yields
    ------
    Stage, Step, Note

    Returns
    -------
    Segmentation
        In drawn regions: of the box around all of them, see :func:`~napari_segplugin.engine.batch.regions.in_regions`.

    Raises
    ------
    InputError, OutOfMemoryError
        As the network or the technique.
    """
    if order.outlines:
        margin = margin_of(order.how, order.tiles, image)
        found = yield from in_regions(image, order.outlines, lambda region: _plain(order, image, region), margin)
    else:
        found = yield from _plain(order, image, order.region)
    if order.corrections is None:
        return found
    corrected = order.corrections.on(found)
    if corrected is None:
        yield Note(
            f"The corrections are left out: the result for '{image.name}' is not the one that was corrected. The image is "
            f"another one, or it was computed on another device or by another version."
        )
        return found
    yield Note(f"{order.corrections.title} included.")
    return corrected


def _plain(order: RunOrder, image: Image, region: Region | None) -> Job[Segmentation]:
    """A network or a technique on a region of an image."""
    if isinstance(order.how, ClassicalRecipe):
        return (yield from segment(image, order.how, region=region, seeds=order.seeds, box=order.box))
    bring_torch()
    from napari_segplugin.engine.predict.predict import predict

    tiles, device = spread(order.tiles, image), order.device
    return (yield from predict(image, order.how, tiles=tiles, device=device, region=region, cluster=order.cluster))


@within_memory
def write_order(
    order: RunOrder, image: Image, target: ResultPath, about: Mapping[str, Json] | None = None
) -> Job[tuple[Segmentation, list[Path]]]:
    """Segment an image as an order says, and write the result.

    Parameters
    ----------
    order : RunOrder
    image : Image
    target : ResultPath
    about : mapping, optional
        What the recipe is to say besides.

    Returns
    -------
    segmentation : Segmentation
        Its labels are an empty array where they were too large for the memory.
    files : list of Path
        What was written, the labels first; corrections that were put on lie beside.

    Raises
    ------
    InputError, OutOfMemoryError
        As the network or the technique, and if the file cannot be written.
    """
    if target.note:
        yield Note(target.note)
    if isinstance(order.how, ModelBundle) and not order.outlines and order.corrections is None:
        bring_torch()
        from napari_segplugin.engine.predict.to_file import predict_to_file

        return (
            yield from predict_to_file(
                image,
                order.how,
                target.path,
                tiles=spread(order.tiles, image),
                device=order.device,
                region=order.region,
                cluster=order.cluster,
                otherwise=target.otherwise,
                about=about,
            )
        )
    found = yield from run_order(order, image)
    found = replace(found, recipe={**found.recipe, **(about or {})})
    texts = {}
    if order.corrections is not None and order.corrections.made(found):
        texts = {CORRECTIONS: order.corrections.text()}
    yield Stage(WRITING)
    notes: list[Note] = []
    files = write_result(found, replace(target, note=""), notes.append, texts)
    yield from notes
    return found, files


def spread(tiles: TileSpec, image: Image) -> TileSpec:
    """One number stands for all axes."""
    size, halo = (tuple(n) * image.ndim if len(n) == 1 else tuple(n) for n in (tiles.size, tiles.halo))
    return replace(tiles, size=size, halo=halo)


def margin_of(how: ModelBundle | ClassicalRecipe | None, tiles: TileSpec, image: Image) -> tuple[int, int]:
    """How far around drawn regions one has to look along Y and X, so that objects at their edge are whole.

    Parameters
    ----------
    how : ModelBundle or ClassicalRecipe, optional
        What is run, where that is one of the two.
    tiles : TileSpec
        Settings of a network.
    image : Image

    Returns
    -------
    (int, int)
        The width of nearly all objects that the model learnt, in pixels of the image.
    """
    if how is None or isinstance(how, ClassicalRecipe):
        return (_MARGIN[image.ndim],) * 2
    spec = how.spec
    if spec.task is Task.SEMANTIC:
        return 0, 0
    widths = how.learnt.widths
    factors = look_of(image, spec, tiles.rescale).factors[-2:]
    zoom = tiles.zoom or 1.0
    wide = [widths[-1] / (f * zoom) if widths else _MARGIN[image.ndim] for f in factors]
    return min(_MOST_MARGIN, math.ceil(wide[0])), min(_MOST_MARGIN, math.ceil(wide[1]))


def things(found: Segmentation) -> int:
    """How many objects were found; of a semantic result, how many classes."""
    if found.task is Task.SEMANTIC:
        return len(found.objects)
    return int(np.isin(found.objects.class_id, found.classes.thing_ids).sum())


__all__ = ["CORRECTIONS", "WRITING", "RunOrder", "margin_of", "run_order", "spread", "things", "write_order"]
