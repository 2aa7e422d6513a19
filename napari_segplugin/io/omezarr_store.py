"""How a zarr on this computer is opened: nothing outside its folder is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import zarr
from zarr.storage import LocalStore

from napari_segplugin.io.beside import inside

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype


class Inside(LocalStore):
    """A zarr of which nothing is read that a link or a path leads to outside its folder."""

    def _check(self, key: str) -> None:
        place = self.root / key
        if not place.resolve().is_relative_to(self.root.resolve()):
            inside(self.root, os.path.relpath(place, self.root), self.root / "zarr.json")

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """As :class:`zarr.storage.LocalStore` does."""
        self._check(key)
        return await super().get(key, prototype, byte_range)

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """As :class:`zarr.storage.LocalStore` does, from 3.1.6 on."""
        self._check(key)
        return super().get_sync(key, prototype=prototype, byte_range=byte_range)


def opened(path: Path) -> zarr.Group | zarr.Array:
    """The group or array at a path, to read.

    A summary of what lies in it ("consolidated metadata") is not looked at: who adds labels often forgets to renew it.
    """
    # a store, not a string: zarr takes "#" and "::" in strings for something else
    return zarr.open(Inside(path, read_only=True), mode="r", use_consolidated=False)


def summed_up(path: Path) -> bool:
    """Whether the group at a path has a summary of what lies in it."""
    found = zarr.open_group(Inside(path, read_only=True), mode="r")
    return found.metadata.consolidated_metadata is not None


__all__ = ["Inside", "opened", "summed_up"]
