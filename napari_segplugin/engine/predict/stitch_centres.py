"""Centres and offsets of images larger than memory: block by block, and still what the whole image would give.

1. Each block is read with as much around it as smoothing and the window of a centre see, and its own centres are kept:
   they are those of the whole image. The list of all centres is short and stays in memory.
2. Every voxel joins the centre nearest to where it points, wherever that lies. How long the vectors of an object are on
   average follows from sums over the blocks.
3. Voxels that point too far from their centre are left out; then small objects are dropped and the rest is numbered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from napari_segplugin.data.tiles import Tile
from napari_segplugin.engine.predict.blocks import BlockJob
from napari_segplugin.tasks.centre_offset import (
    Votes,
    centre_reach,
    drop_far,
    find_centres,
    nearest_centre,
    reach_of,
    read_votes,
    tally,
)


@dataclass(kw_only=True)
class CentreBlocks(BlockJob):
    """Objects by their centres and by where their voxels point, block by block."""

    @property
    def radius(self) -> tuple[int, ...]:
        """As far as the search for centres looks."""
        return centre_reach(self.params, len(self.shape))

    def phases(self) -> Iterator[Callable[[Tile], None]]:
        """Centres, owners, those that point too far."""
        found = [np.zeros((0, len(self.shape)), np.int64)]
        yield lambda tile: found.append(self._centres(tile))
        together = np.concatenate(found)
        # in the order of the array, as in the whole image, so that equally near centres are chosen alike
        centres = together[np.lexsort(together.T[::-1])]
        self.count(len(centres))
        voxels, length = np.zeros(len(centres) + 1, np.int64), np.zeros(len(centres) + 1, np.int64)
        yield lambda tile: self._join(tile, centres, voxels, length)
        reach = reach_of(voxels, length, self.params)
        yield lambda tile: self._drop(tile, centres, reach)

    def _centres(self, tile: Tile) -> np.ndarray:
        """The centres that lie in a block."""
        maps = np.asarray(self.read(tile.read), np.float32)
        at = find_centres(maps, self.classes, self.params)
        low, high = (np.array([getattr(k, end) for k in tile.keep]) for end in ("start", "stop"))
        inside = ((at >= low) & (at < high)).all(1)
        kept: np.ndarray = at[inside] + [s.start for s in tile.read]
        return kept

    def _votes(self, tile: Tile) -> tuple[Votes, np.ndarray]:
        """Where the voxels of a block point, and its maps."""
        maps = np.asarray(self.read(tile.write), np.float32)
        return read_votes(maps, self.classes, self.params, [s.start for s in tile.write]), maps

    def _join(self, tile: Tile, centres: np.ndarray, voxels: np.ndarray, length: np.ndarray) -> None:
        """Write the number of the nearest centre, and add up the lengths."""
        votes, _ = self._votes(tile)
        owner = nearest_centre(votes.target, centres)
        self.out[tile.write] = votes.paint(owner)
        here = tally(owner, votes, len(centres))
        voxels += here[0]
        length += here[1]

    def _drop(self, tile: Tile, centres: np.ndarray, reach: np.ndarray) -> None:
        """Leave out voxels that point too far, and add up what is left."""
        votes, maps = self._votes(tile)
        owner = np.asarray(self.out[tile.write])[votes.inside]
        labels = votes.paint(drop_far(votes, owner, centres, reach))
        self.out[tile.write] = labels
        ids, local = np.unique(np.concatenate([[0], labels.ravel()]), return_inverse=True)
        self.add(local[1:].reshape(labels.shape), ids, maps)


__all__ = ["CentreBlocks"]
