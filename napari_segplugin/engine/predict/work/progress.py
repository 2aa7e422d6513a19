"""What is done of a prediction, so that it goes on after a kill."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from napari_segplugin.core import Image, ModelBundle, Note, Region, TileSpec, to_json
from napari_segplugin.core.disk.commit import remove
from napari_segplugin.core.disk.unfinished import Ledger
from napari_segplugin.core.types import Json, JsonDict
from napari_segplugin.data.tiles import Tile
from napari_segplugin.engine.device import resolve
from napari_segplugin.engine.network import fingerprint
from napari_segplugin.engine.predict.classes import Decided
from napari_segplugin.engine.predict.plan import Setup, check_region
from napari_segplugin.engine.predict.tiles import Kept, Write
from napari_segplugin.engine.session import image_key
from napari_segplugin.engine.stores import scratch
from napari_segplugin.version import __version__

Count: TypeAlias = Callable[[np.ndarray, np.ndarray], None]


def about_job(
    image: Image, bundle: ModelBundle, tiles: TileSpec, device: str, region: Region | None, cluster: bool
) -> JsonDict:
    """What makes a prediction the same work, by words for a person; JSON values."""
    wanted = check_region(image, region)
    return {
        "image": [image_key(image), image.axes, list(image.canonical_spacing), image.unit],
        "model": [fingerprint(bundle), to_json(bundle.spec), to_json(bundle.normalisation), to_json(bundle.decode)],
        "tiles": to_json(tiles),
        "region": [[s.start, s.stop] for s in wanted],
        "device": "cluster" if cluster else resolve(device).type,
        "version": __version__,
    }


class DoneSoFar:
    """What is done of a prediction, by frames, planes and tiles, so that it goes on after a kill.

    Parameters
    ----------
    ledger : Ledger, optional
        Without one nothing is kept.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self.ledger = ledger

    def same_tiles(self, tiles: TileSpec) -> TileSpec:
        """The tiles that were chosen before a kill: another amount of free memory would cut others."""
        plan: Any = None if self.ledger is None else self.ledger.done.get("plan")
        return tiles if plan is None else replace(tiles, size=tuple(plan["size"]), halo=tuple(plan["halo"]))

    def begin(self, setup: Setup, frames: int) -> Iterator[Note]:
        """Write down how the image is cut, or say how far a run before this one came."""
        if self.ledger is None:
            return
        total = len(setup.tiles) * frames
        if "plan" not in self.ledger.done:
            self.ledger.record("plan", {"size": list(setup.size), "halo": list(setup.halo)})
            self.ledger.record("of", total, now=True)
            return
        done = sum(key.startswith("tile ") for key in self.ledger.done)
        yield Note(f"The work continues where it was interrupted: {done:,} of {total:,} tiles are done.")

    def known(self, key: str) -> Any:
        """What was written down of a part; None where it is not done."""
        return None if self.ledger is None else self.ledger.done.get(key)

    def record(self, key: str, value: JsonDict) -> None:
        """Write down that a part is done."""
        if self.ledger is not None:
            self.ledger.record(key, value, now=True)

    @contextmanager
    def room(self, beside: Path | None, frame: int) -> Iterator[Path]:
        """A folder for what the frame needs on its way; it outlives a kill, and :meth:`leave` removes it."""
        if self.ledger is None:
            with scratch(beside) as folder:
                yield folder
        else:
            folder = self.ledger.work(f"frame {frame}")
            folder.mkdir(exist_ok=True)
            yield folder

    def leave(self, frame: int) -> None:
        """The frame is done."""
        if self.ledger is not None:
            remove(self.ledger.work(f"frame {frame}"))

    def left(
        self, frame: int, tiles: Sequence[Tile], write: Write[Kept], count: Count
    ) -> tuple[list[Tile], Write[Kept]]:
        """The tiles of a frame that are not done, and `write` so that it is written down when one is.

        Parameters
        ----------
        frame : int
        tiles : sequence of Tile
        write : callable
        count : callable
            Given the voxels of each class, and the sum of its probability, of each tile that is done.
        """
        ledger = self.ledger
        if ledger is None:
            return list(tiles), write
        head = f"tile {frame} "
        known = {key.removeprefix(head): value for key, value in ledger.done.items() if key.startswith(head)}
        parts = [(key, _spans(key)) for key in known.keys() - {_key(tile) for tile in tiles}]
        pending, used = [], set()
        for tile in tiles:
            # a tile that memory was too small for was run in parts
            inner = [key for key, spans in parts if _inside(spans, tile)]
            if _key(tile) in known:
                used.add(_key(tile))
            elif inner and sum(_size(_spans(key)) for key in inner) == _size(_spans(_key(tile))):
                used.update(inner)
            else:
                pending.append(tile)
        for key, value in known.items():
            if key in used and value is not None:
                count(*(np.array(part) for part in cast("list[Json]", value)))

        def kept(tile: Tile, made: Kept) -> None:
            write(tile, made)
            value: Json = [made.count.tolist(), made.total.tolist()] if isinstance(made, Decided) else None
            ledger.record(head + _key(tile), value)

        return pending, kept


def _key(tile: Tile) -> str:
    return " ".join(f"{s.start}:{s.stop}" for s in tile.write)


def _spans(key: str) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in (span.split(":") for span in key.split())]


def _size(spans: Sequence[tuple[int, int]]) -> int:
    return math.prod(b - a for a, b in spans)


def _inside(spans: Sequence[tuple[int, int]], tile: Tile) -> bool:
    return all(s.start <= a and b <= s.stop for (a, b), s in zip(spans, tile.write, strict=True))


__all__ = ["DoneSoFar", "about_job"]
