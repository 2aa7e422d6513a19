"""Voxels and their values as runs of equal value, packed: an object of a million voxels takes a few kilobytes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np


def pack_voxels(flat: np.ndarray, values: np.ndarray | int) -> tuple[dict[str, int], bytes]:
    """Pack values of voxels.

    Parameters
    ----------
    flat : (N,) ndarray of int64
        Voxels counted in C order, ascending, none twice.
    values : int or (N,) ndarray of int

    Returns
    -------
    about : dict
        What :func:`unpack_voxels` has to know.
    payload : bytes

    Examples
    --------
    >>> about, payload = pack_voxels(np.array([2, 3, 4, 9]), np.array([7, 7, 8, 8]))
    >>> [v.tolist() for v in unpack_voxels(about, payload)]
    [[2, 3, 4, 9], [7, 7, 8, 8]]
    """
    flat = np.asarray(flat, np.int64)
    array = np.broadcast_to(np.asarray(values), flat.shape)
    fresh = np.ones(len(flat), bool)
    fresh[1:] = (np.diff(flat) != 1) | (array[1:] != array[:-1])
    at = np.flatnonzero(fresh)
    return pack_runs(flat[at], np.diff(at, append=len(flat)), array[at])


def pack_runs(first: np.ndarray, length: np.ndarray, value: np.ndarray) -> tuple[dict[str, int], bytes]:
    """Pack runs of equal value; see :func:`napari_segplugin.data.boxes.runs`."""
    parts = (first.astype("<i8"), length.astype("<i8"), value.astype("<i8"))
    # differences are small and alike, which packs well
    first_steps = np.diff(parts[0], prepend=0)
    payload = zlib.compress(b"".join(p.tobytes() for p in (first_steps, *parts[1:])), 1)
    return {"runs": len(first)}, payload


def unpack_voxels(about: Mapping[str, int], payload: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Voxels in C order, and their values."""
    steps, length, value = np.frombuffer(zlib.decompress(payload), "<i8").reshape(3, about["runs"])
    first = np.cumsum(steps)
    total = int(length.sum())
    before = np.cumsum(length) - length
    flat = np.repeat(first - before, length) + np.arange(total)
    return flat, np.repeat(value, length)


__all__ = ["pack_runs", "pack_voxels", "unpack_voxels"]
