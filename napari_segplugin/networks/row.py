"""What the registry of networks says of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from napari_segplugin.core import Row

Family = Literal["dense", "detector"]
Precision = Literal["auto", "float32"]


@dataclass(frozen=True, kw_only=True)
class NetworkRow(Row):
    """A row of :data:`napari_segplugin.networks.NETWORKS`.

    Its target is called as ``target(ndim, in_channels, out_channels, **options)`` and gives a ``torch.nn.Module`` with the
    attributes `multiple` and `halo` (one whole number an axis), which maps images (N, C, [Z,] Y, X) of any size to logits
    (N, out_channels, [Z,] Y, X).

    Parameters
    ----------
    name, title, target, summary, reference, options, package
        As in :class:`~napari_segplugin.core.Row`.
    tasks : tuple of str
        The tasks that it is made for; empty means all.
    volume : mapping of str to value
        Options with other defaults where it is made for volumes.
    precision : {"auto", "float32"}
        "float32" where half precision would change the result.
    edges : bool
        Whether it has a method ``edges(x)``, which gives a map of the edges that it sees.
    coarse : bool
        Whether its maps have a lower resolution than the image, so that outlines are rough and thin things are missed.
    exact : bool
        False where tiles cannot agree with the whole image, however wide their halo.
    family : {"dense", "detector"}
        "detector" where it finds boxes and masks itself, so that the maps of a task are not needed.
    extra : str
        The extra of this package that it needs.
    pools : (str, int), optional
        For a network with an option `strides`: the option that has an entry for each level, and how many more poolings than
        entries there are (-1 where it pools between them). Strides are then chosen by the voxel size of a new model.

    Examples
    --------
    >>> NetworkRow("mine", "My network", "my_package.network:MyNet", options={"width": 16}).tasks
    ()
    """

    tasks: tuple[str, ...] = ()
    volume: Mapping[str, Any] = field(default_factory=dict)
    precision: Precision = "auto"
    edges: bool = False
    coarse: bool = False
    exact: bool = True
    family: Family = "dense"
    extra: str = ""
    pools: tuple[str, int] | None = None

    WORDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"precision": get_args(Precision), "family": get_args(Family)}


__all__ = ["NetworkRow"]
