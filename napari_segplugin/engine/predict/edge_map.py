"""The edges that a network sees, as an image: tile by tile, as a prediction is made."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from napari_segplugin.core import Image, InputError, Job, ModelBundle, Region, Stage, TileSpec
from napari_segplugin.data import normalise
from napari_segplugin.data.resample import linear
from napari_segplugin.data.tiles import Tile
from napari_segplugin.engine.device import free_host_memory, polite_threads, threads
from napari_segplugin.engine.network import ReadyNetwork, prepare
from napari_segplugin.engine.predict.plan import as_seen, check_fit, check_region, set_up
from napari_segplugin.engine.predict.tiles import Run, reader, run_tiles
from napari_segplugin.engine.predict.work.resized import OnGrid
from napari_segplugin.engine.stores import Shifted
from napari_segplugin.engine.voxel_size import look_of
from napari_segplugin.networks import NETWORKS, network_row


class _Edges(ReadyNetwork):
    """A network that gives its edges and not its classes."""

    def _maps(self, x: Tensor) -> Tensor:
        edges: Tensor = self.module.edges(x)  # type: ignore[operator]
        return edges.float()


def edge_map(
    image: Image,
    bundle: ModelBundle,
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    region: Region | None = None,
) -> Job[Image]:
    """The probability that a voxel lies on an edge of a class or an object.

    Parameters
    ----------
    image : Image
    bundle : ModelBundle
        Of a network that learns edges beside classes: one whose row has "edges" in its meta.
    tiles : TileSpec, optional
    device : str
    region : tuple of slice, optional
        A slice for each of Z, Y, X that the image has; everything by default.

    Yields
    ------
    Stage, Step, Note

    Returns
    -------
    Image
        Between 0 and 1, float32; axes in the order T, Z, Y, X. Its metadata names the first voxel as "origin".

    Raises
    ------
    InputError
        If the network has no edges, the result does not fit into memory, or image, model, region, tiles and device do
        not go together.
    OutOfMemoryError
        If not even the smallest tile fits into memory.
    """
    row = network_row(bundle.spec)
    if not row.edges:
        able = [r.title for r in NETWORKS if r.edges]
        raise InputError(
            f"{row.title} does not learn edges.", accepted=", ".join(able), hint="Train one of these networks"
        )
    tiles = tiles or TileSpec()
    image, bundle = as_seen(image, bundle, tiles.invert)
    check_fit(image, bundle.spec)
    look = look_of(image, bundle.spec, tiles.rescale)
    if look.note:
        yield look.note
    wanted = check_region(image, region)
    seen = OnGrid.of(image, look.factors, wanted)
    yield Stage("Preparing the model")
    setup = set_up(seen.picture, bundle, tiles, device, seen.region)
    if setup.note:
        yield setup.note

    def edges(where: torch.device, kind: torch.dtype) -> ReadyNetwork:
        return _Edges(**vars(prepare(bundle, where, kind)))

    run = Run(edges(setup.network.device, setup.network.dtype), edges, setup.batch, tiles.mirror, setup.planes)
    axes = ("T" if "T" in image.axes else "") + "ZYX"[3 - image.ndim :]
    lead = (image.n_frames,) * (axes[0] == "T")
    shape = lead + tuple(s.stop - s.start for s in wanted)
    if 4 * (math.prod(shape) + math.prod(setup.shape)) > free_host_memory() * 0.8:
        raise InputError(
            "The edge map is larger than the free memory.", got=f"shape {shape}", hint="Choose a part of the image"
        )
    result = np.zeros(shape, np.float32)
    with threads(polite_threads()):
        for frame in range(image.n_frames):
            yield Stage("Measuring intensities")
            read = reader(seen.picture, normalise.statistics(seen.picture, bundle.normalisation, frame), frame)
            yield Stage("Finding edges" if image.n_frames == 1 else f"Finding edges, frame {frame + 1}")
            found = np.zeros(setup.shape, np.float32)
            out = Shifted(found, setup.region)

            def write(tile: Tile, maps: np.ndarray, out: Shifted = out) -> None:
                out[tile.write] = maps[0]

            yield from run_tiles(run, setup.tiles, setup.axes, read, write)
            result[(frame,) if lead else ...] = found if look.plain else linear(found, seen.taps)
    origin = [s.start for s in wanted]
    name, about = f"{image.name} edges ({bundle.name})", {"origin": origin}
    return Image(result, axes, image.canonical_spacing, image.unit, name, image.source, about)


__all__ = ["edge_map"]
