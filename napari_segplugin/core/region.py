"""A piece of an image, said by slices: one word for where to look and one for where something is."""

from __future__ import annotations

from typing import TypeAlias

Region: TypeAlias = tuple[slice, ...]
"""A piece of an image that is read or computed: a slice for each of (Z,) Y, X."""

Box: TypeAlias = tuple[slice, ...]
"""The piece in which an object lies, or that somebody drew around it: a slice for each of (Z,) Y, X."""

__all__ = ["Box", "Region"]
