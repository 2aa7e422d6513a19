"""Semantic results: the class of each voxel is decided where the network runs.

What comes back from a graphics card, or from a worker of a cluster, is then one byte a voxel in place of four a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_segplugin.data.tiles import Tile
from napari_segplugin.engine.predict.tiles import TileRun

_GRAIN = 2.0**24


@dataclass(frozen=True, eq=False)
class Decided:
    """The classes of a tile.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of uint8 or int16
        The class of the largest probability.
    count : (K,) ndarray of int64
        Voxels of each class.
    total : (K,) ndarray of float64
        Sum of the probability of the class over its voxels.
    """

    labels: np.ndarray
    count: np.ndarray
    total: np.ndarray


@dataclass
class ClassRun(TileRun[tuple[Tensor, Tensor], Decided]):
    """Runs tiles as :class:`~napari_segplugin.engine.predict.tiles.Run` does, and gives a :class:`Decided` each."""

    def maps(self, arrays: Sequence[np.ndarray]) -> list[tuple[Tensor, Tensor]]:
        """Largest probability and its class of inputs of one shape, ([Z,] Y, X) each, on the device of the network."""
        if self.planes:
            return [self._decide(array.swapaxes(0, 1)) for array in arrays]
        best, labels = self._decide(np.stack(arrays))
        return list(zip(best, labels, strict=True))

    @torch.inference_mode()
    def _decide(self, batch: np.ndarray) -> tuple[Tensor, Tensor]:
        maps = self.network(batch, mirror=self.mirror)
        self.check(maps)
        best, labels = maps[:, : self.network.n_classes].max(1)
        return best, labels.to(torch.uint8 if self.network.n_classes <= 256 else torch.int16)

    @torch.inference_mode()
    def kept(self, tile: Tile, maps: tuple[Tensor, Tensor]) -> Decided:
        """The classes of the part that is kept, and what the table of the result needs to know of them."""
        best, labels = (x[tile.keep].contiguous() for x in maps)
        flat, k = labels.flatten().long(), self.network.n_classes
        count = torch.bincount(flat, minlength=k)
        # whole numbers, so that the sums over tiles do not depend on how the image is cut
        total = torch.bincount(flat, (best.flatten().double() * _GRAIN).round_(), minlength=k) / _GRAIN
        return Decided(labels.cpu().numpy(), count.cpu().numpy(), total.cpu().numpy())


__all__ = ["ClassRun", "Decided"]
