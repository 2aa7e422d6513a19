"""Types that the whole house shares: values of JSON, and arrays that may lie on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, cast

import numpy as np

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""A value that JSON can hold; also what a reader of JSON narrows down before it uses it."""
JsonDict: TypeAlias = dict[str, Json]
"""A JSON object under construction."""
DecodeParams: TypeAlias = Mapping[str, float | Sequence[float]]
"""How maps are read as objects: numbers by name, of a few one for each axis."""
Tuned: TypeAlias = dict[str, float | Sequence[float]]
"""Some of these numbers, found for a model."""
Cell: TypeAlias = str | int | float
"""A value in a table of objects."""
Index: TypeAlias = int | slice | tuple[int | slice, ...]
"""How a piece of a lazy array is asked for: every lazy array understands numbers and slices."""


class Array(Protocol):
    """An array that is there or is read on demand: NumPy, zarr, dask."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""

    @property
    def dtype(self) -> np.dtype:
        """The kind of its values."""

    def __getitem__(self, index: Index, /) -> Any:
        """A piece; a NumPy array, or again a lazy one (dask)."""


class WritableArray(Array, Protocol):
    """An array whose pieces can be set."""

    def __setitem__(self, index: Index, value: np.ndarray | int, /) -> None:
        """Set a piece."""


def scalar(params: Mapping[str, Json], name: str) -> float:
    """A setting that is one number."""
    return float(cast("float", params[name]))


def json_object(value: Json) -> Mapping[str, Json]:
    """The value if it is a JSON object, otherwise an empty one.

    Examples
    --------
    >>> json_object({"name": "nuclei"}), json_object(None)
    ({'name': 'nuclei'}, {})
    """
    return value if isinstance(value, Mapping) else {}


def json_integers(value: Json) -> tuple[int, ...]:
    """The whole numbers of a JSON array; none of null.

    Examples
    --------
    >>> json_integers([3, 0, 12]), json_integers(None)
    ((3, 0, 12), ())
    """
    return () if value is None else tuple(int(n) for n in cast("Sequence[float]", value))


__all__ = [
    "Array",
    "Cell",
    "DecodeParams",
    "Index",
    "Json",
    "JsonDict",
    "Tuned",
    "WritableArray",
    "json_integers",
    "json_object",
    "scalar",
]
