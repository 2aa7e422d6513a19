"""What prediction and its estimate decide before the first tile: device, precision, region, tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from napari_segplugin.core import Image, InputError, ModelBundle, ModelSpec, Note, Region, TileSpec
from napari_segplugin.core.words import pixel
from napari_segplugin.data.channels import GREY, advice, fitting
from napari_segplugin.data.inverted import inverted, inverted_rule
from napari_segplugin.data.tiles import Axis, Tile, axes_of, choose_size, plan
from napari_segplugin.engine.device import free_memory, inference_dtype, resolve
from napari_segplugin.engine.network import ReadyNetwork, prepare
from napari_segplugin.networks import network_row
from napari_segplugin.tasks import turns

_GB = 2**30
# On a CPU a tile of this many voxels takes a fraction of a second (2D) or a few seconds (3D): short enough to cancel,
# large enough that the halo costs little.
_CPU_VOXELS = {2: 1_300_000, 3: 6_500_000}
# Smaller ones are mostly halo, however many workers wait.
_SMALL_VOXELS = {2: 130_000, 3: 500_000}
_GPU_VOXELS = {2: 4_300_000, 3: 17_000_000}
MOST_VOXELS = 2**40
"""What is segmented in one go: a day on a fast graphics card, and terabytes of labels."""
_MOST_WASTE = 3.0


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that is fixed before the first tile.

    Parameters
    ----------
    network : ReadyNetwork
    region : tuple of slice
        What is wanted, in canonical order, with start and stop.
    axes : list of Axis
    tiles : list of Tile
        The tiles of one frame.
    halo : tuple of int
    exact : bool
        Whether tiles give what the whole image would.
    planes : bool
        A 2D network on a 3D image.
    batch : int
        Tiles that are run together.
    note : Note or None
        For the person; None where there is nothing to say.
    """

    network: ReadyNetwork
    region: Region
    axes: list[Axis]
    tiles: list[Tile]
    halo: tuple[int, ...]
    exact: bool
    planes: bool
    batch: int
    note: Note | None
    size: tuple[int, ...] = ()
    """What the tiles were cut to, as far as the image goes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the region."""
        return tuple(s.stop - s.start for s in self.region)

    @property
    def tile_shape(self) -> tuple[int, ...]:
        """The longest reading length along each axis."""
        return tuple(max(t.shape[i] for t in self.tiles) for i in range(len(self.axes)))

    @property
    def tile_bytes(self) -> int:
        """Memory that running the largest batch takes."""
        return int(max(math.prod(t.shape) for t in self.tiles) * self.network.bytes_per_voxel * self.batch)


def check_fit(image: Image, spec: ModelSpec) -> None:
    """Raise unless the network can read the image.

    Raises
    ------
    InputError
        If the network is 3D and the image has no depth, or their channels differ.
    """
    if spec.ndim == 3 and image.ndim == 2:
        raise InputError(
            f"The model works on 3D stacks, and the image '{image.name}' is 2D.",
            got=image.describe(),
            hint="Choose a 2D model; if this is a stack, set its first axis to depth (Z)",
            setting="axes",
        )
    if image.n_channels == spec.in_channels:
        return
    hint, likely = f"Choose a model that reads {image.n_channels} channel{'s' if image.n_channels > 1 else ''}", ""
    if image.n_channels > spec.in_channels:
        likely = advice(image, spec.in_channels)
        stained = ", 'haematoxylin' for a stained slide" if likely == GREY else ""
        hint = f"Choose what the model is to see, such as '{likely}'{stained}, or train a model that reads all channels"
    raise InputError(
        f"The model reads {spec.in_channels} channel{'s' if spec.in_channels > 1 else ''} and the image "
        f"'{image.name}' has {image.n_channels}.",
        got=image.describe(),
        hint=hint,
        setting="channels" if likely else None,
    )


def check_region(image: Image, region: Region | None) -> Region:
    """A region with start and stop along every spatial axis.

    Raises
    ------
    InputError
        If the number of slices differs from the image, a step is not 1, nothing is left, or it is more than a computer gets
        through in days.
    """
    shape = image.spatial_shape
    region = tuple(slice(0, n) for n in shape) if region is None else region
    if len(region) != len(shape):
        raise InputError(
            "The region does not fit the image.",
            got=f"{len(region)} slices for {len(shape)} spatial axes",
            accepted="one slice for each axis, in the order Z, Y, X",
        )
    bounds = [s.indices(n) for s, n in zip(region, shape, strict=True)]
    if any(step != 1 for _, _, step in bounds) or any(stop <= start for start, stop, _ in bounds):
        raise InputError(
            "The region is empty or skips planes.", got=str(region), accepted=f"slices within {shape}, step 1"
        )
    if math.prod(stop - start for start, stop, _ in bounds) > MOST_VOXELS:
        raise InputError(
            "This is more than can be segmented in one go.",
            got=" × ".join(str(stop - start) for start, stop, _ in bounds),
            accepted=f"up to {MOST_VOXELS:.0e} {pixel(len(shape))}s",
            hint="Choose a part of the image",
        )
    return tuple(slice(start, stop) for start, stop, _ in bounds)


def as_seen(image: Image, bundle: ModelBundle, invert: bool = False) -> tuple[Image, ModelBundle]:
    """The image as the network is shown it, in colours where it wants those, and inverted where asked; and who looks at it.

    Parameters
    ----------
    image : Image
    bundle : ModelBundle
    invert : bool
        Exchange bright and dark.
    """
    image = fitting(image, bundle.spec.in_channels, bundle.learnt.channels)
    if not invert:
        return image, bundle
    rule = inverted_rule(bundle.normalisation, image.array.dtype)
    return inverted(image), bundle if rule == bundle.normalisation else replace(bundle, normalisation=rule)


def precision_of(spec: ModelSpec, tiles: TileSpec) -> str:
    """The precision that was asked for, else the one that the network needs, else "auto"."""
    return tiles.precision if tiles.precision != "auto" else network_row(spec).precision


def set_up(
    image: Image, bundle: ModelBundle, tiles: TileSpec, device: str, region: Region | None, parts: int = 1
) -> Setup:
    """Choose device, precision and tiles.

    Parameters
    ----------
    image, bundle, tiles, device, region
        As for a prediction.
    parts : int
        Into how many tiles the image should fall at least, where they do not get too small to be worth it and give what
        larger ones would.

    Raises
    ------
    InputError
        If image, model, region, tiles and device do not go together.
    """
    image = fitting(image, bundle.spec.in_channels, bundle.learnt.channels)
    check_fit(image, bundle.spec)
    if tiles.mirror and not turns(bundle.spec):
        raise InputError(
            "The output of this model changes its meaning when the image is mirrored, so mirrored copies cannot be "
            "averaged.",
            hint="Run without mirrored copies",
        )
    wanted = check_region(image, region)
    where = resolve(device)
    network = prepare(bundle, where, inference_dtype(where, precision_of(bundle.spec, tiles)))
    planes = image.ndim > bundle.spec.ndim
    reach = (0, *network.halo) if planes else network.halo
    multiple = (1, *network.multiple) if planes else network.multiple
    for word, given in (("size", tiles.size), ("halo", tiles.halo)):
        if given and len(given) != image.ndim:
            raise InputError(
                f"The tile {word} does not fit the image.",
                got=given,
                accepted=f"{image.ndim} numbers, in the order {', '.join('ZYX'[-image.ndim :])}",
            )
    room = _room(where, bundle.spec.ndim, network.bytes_per_voxel)
    shape = image.spatial_shape
    halo = tuple(tiles.halo) or _halo(shape, reach, multiple, wanted, tiles.size, room)
    axes = axes_of(shape, halo, multiple, wanted)
    local = network_row(bundle.spec).exact
    exact = local and all(h >= r for h, r in zip(halo, reach, strict=True))
    if parts > 1 and exact:  # other tiles would be another result where they do not see all that the network looks at
        worth = min(room, _SMALL_VOXELS[bundle.spec.ndim])
        room = max(worth, min(room, math.prod(s.stop - s.start for s in wanted) // parts))
    size = tuple(tiles.size) or choose_size(axes, room)
    cut = plan(shape, size, halo, multiple, wanted)
    exact = exact or (len(cut) == 1 and cut[0].shape == shape)
    note = None if exact else _inexact(halo, reach) if local else _not_local(network_row(bundle.spec).title)
    largest = max(math.prod(t.shape) for t in cut)
    batch = 1 if where.type == "cpu" else max(1, min(16, room // largest))
    return Setup(network, wanted, axes, cut, halo, exact, planes, batch, note, size)


def _room(device: torch.device, ndim: int, bytes_per_voxel: float) -> int:
    """Voxels that a tile may have: no more than is useful, and half as many until it fits.

    In steps, so that tiles and what depends on them do not change with every program that is opened beside this one.
    """
    cpu, free = device.type == "cpu", free_memory(device)
    useful = min(_CPU_VOXELS[ndim], 4 * _GB / bytes_per_voxel) if cpu else float(_GPU_VOXELS[ndim])
    most = free / (4 if cpu else 2) / bytes_per_voxel
    return int(useful / 2 ** max(0, math.ceil(math.log2(useful / max(most, 1)))))


def _halo(
    shape: tuple[int, ...],
    reach: tuple[int, ...],
    multiple: tuple[int, ...],
    region: Region,
    size: tuple[int, ...],
    room: int,
) -> tuple[int, ...]:
    """The reach where that is affordable, otherwise the largest halo that is.

    In 3D a wide reach would make most of the work halo. Voxels at the far end of the reach hardly matter, so the halo
    shrinks until no voxel is read more than three times, taken over all.
    """
    for share in (8, 6, 4, 3, 2):
        halo = tuple(min(r, max(m, r * share // 8)) if r else 0 for r, m in zip(reach, multiple, strict=True))
        axes = axes_of(shape, halo, multiple, region)
        if size and any(
            n < min(a.lengths(a.most())[1], length) for n, a, length in zip(size, axes, shape, strict=True)
        ):
            continue
        if len(shape) == 2 or share == 2:
            return halo
        cut = plan(shape, size or choose_size(axes, room), halo, multiple, region)
        # a thin region needs much around it however it is cut, so the measure is what one tile would read
        once = math.prod(b - a for a, b in (axis.span(axis.start, axis.stop) for axis in axes))
        if sum(math.prod(t.shape) for t in cut) <= _MOST_WASTE * once:
            return halo
    return tuple(min(r, m) for r, m in zip(reach, multiple, strict=True))


def _inexact(halo: tuple[int, ...], reach: tuple[int, ...]) -> Note:
    shown, full = (" × ".join(str(n) for n in v) for v in (halo, reach))
    return Note(
        f"Tiles overlap by {shown} {pixel(len(halo))}s, and the network looks {full} far: faint differences between tiles "
        f"are possible. An overlap of {full} is exact but slower.",
        setting="tile_overlap",
    )


def _not_local(title: str) -> Note:
    return Note(
        f"{title} depends slightly on how the image is cut into tiles: faint differences between tiles are possible."
    )


__all__ = ["Setup", "as_seen", "check_fit", "check_region", "precision_of", "set_up"]
