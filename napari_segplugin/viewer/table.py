"""The features table of a result layer, row by row. No Qt, no torch.

A row is a dict from column to value. Cells are changed in place, so that one object of a hundred thousand costs nothing;
only a row that comes or goes makes a new table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from napari.layers import Labels

from napari_segplugin.core.types import Cell
from napari_segplugin.viewer.light import uncollected

if TYPE_CHECKING:
    from napari.utils.events import Event
    from pandas import DataFrame

PREDICTED, CORRECTED, ACCEPTED, REJECTED = "predicted", "corrected", "accepted", "rejected"
TableRow: TypeAlias = dict[str, Cell]
Features: TypeAlias = dict[str, Sequence[Cell]]
"""A features table that napari has not seen yet: values by column."""


class ObjectRows:
    """The rows of the objects of a layer.

    Parameters
    ----------
    layer : napari.layers.Labels
    usual_class : str
        The class of an object that has no row yet.

    Notes
    -----
    Columns that are missing ("index", "label", "class", "score", "status") are added when the first row is written.
    """

    def __init__(self, layer: Labels, usual_class: str = "object") -> None:
        self.layer, self.usual_class = layer, usual_class
        self._at: dict[int, int] | None = None
        self._writing = False
        layer.events.features.connect(self._on_features)

    def detach(self) -> None:
        """Follow the layer no longer."""
        self.layer.events.features.disconnect(self._on_features)

    def _on_features(self, event: Event | None = None) -> None:
        if not self._writing:
            self._at = None

    @property
    def _rows(self) -> dict[int, int]:
        if self._at is None:
            self._complete()
            numbers = self.layer.features["index"].to_numpy()
            self._at = {int(n): i for i, n in enumerate(numbers) if int(n) != 0}
        return self._at

    def _complete(self) -> None:
        """Add the columns that are missing, without touching the others."""
        table = self.layer.features
        if {"index", "label", "class", "score", "status"} <= set(table.columns) and not any(
            str(table[c].dtype) == "category" for c in ("class", "status")
        ):
            return
        table, n = table.copy(), len(table)
        if "index" not in table:
            table.insert(0, "index", table["label"] if "label" in table else np.arange(n))
        filled = {"label": table["index"], "class": self.usual_class, "score": np.nan, "status": PREDICTED}
        for name, value in filled.items():
            if name not in table:
                table[name] = value
        for name in ("class", "status"):
            table[name] = table[name].astype(object)
        self._replace(table)

    def _replace(self, table: DataFrame) -> None:
        self._writing = True
        try:
            self.layer.features = table
        finally:
            self._writing = False
        self._at = None

    def __contains__(self, number: int) -> bool:
        return number in self._rows

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._rows))

    def get(self, number: int) -> TableRow | None:
        """The row of an object; None where there is none."""
        at = self._rows.get(number)
        return None if at is None else dict(self.layer.features.iloc[at])

    def several(self, numbers: Sequence[int]) -> list[TableRow | None]:
        """The rows of objects; None where there is none. Thousands cost hardly more than one."""
        known, table = self._rows, self.layer.features
        at = [known[n] for n in numbers if n in known]
        columns = [table[c].to_numpy()[at].tolist() for c in table.columns]
        found = iter(zip(*columns, strict=True))
        names = [str(c) for c in table.columns]
        return [dict(zip(names, next(found), strict=True)) if n in known else None for n in numbers]

    def column(self, name: str) -> dict[int, Cell]:
        """A column by object number."""
        values = self.layer.features[name].tolist() if self._rows else []
        return {n: values[i] for n, i in self._rows.items()}

    def count(self, statuses: Iterable[str]) -> tuple[int, int]:
        """Objects whose status is one of these, and all objects."""
        total = len(self._rows)
        return (int(self.layer.features["status"].isin(list(statuses)).sum()) if total else 0), total

    @property
    def size_column(self) -> str:
        """The name of the column of areas or volumes; empty where there is none."""
        return size_column(self.layer.features)

    def fresh(self, number: int, like: TableRow | None = None) -> TableRow:
        """A row for an object that had none: of the class of `like`, without measurements."""
        return {
            "index": number,
            "label": number,
            "class": self.usual_class if like is None else like["class"],
            "score": float("nan"),
            "status": CORRECTED,
        }

    def write(self, rows: Mapping[int, TableRow | None]) -> None:
        """Set rows; None takes a row away."""
        with uncollected():
            self._write(rows)

    def _write(self, rows: Mapping[int, TableRow | None]) -> None:
        known = self._rows
        gone = [known[n] for n, row in rows.items() if row is None and n in known]
        new = [row for n, row in rows.items() if row is not None and n not in known]
        table = self.layer.features
        kept = [(known[n], row) for n, row in rows.items() if row is not None and n in known]
        self._set_cells(table, kept)
        if gone or new:
            self._reshape(table, gone, new)
        elif rows:
            self._writing = True
            try:
                self.layer.events.features()
            finally:
                self._writing = False

    @staticmethod
    def _set_cells(table: DataFrame, rows: Sequence[tuple[int, TableRow]]) -> None:
        """Write the cells that differ, a column at a time."""
        for place, column in enumerate(table.columns):
            given = [(at, row[column]) for at, row in rows if column in row]
            where, values = [at for at, _ in given], [v for _, v in given]
            was = table[column].to_numpy()[where].tolist()
            if values == was:
                continue
            new = [i for i, (v, old) in enumerate(zip(values, was, strict=True)) if v != old and (v == v or old == old)]
            if new:
                table.iloc[[where[i] for i in new], place] = [values[i] for i in new]

    def _reshape(self, table: DataFrame, gone: list[int], new: list[TableRow]) -> None:
        if gone:
            table = table.drop(index=table.index[gone])
        n, kinds = len(table), table.dtypes
        table = table.reset_index(drop=True)
        table = table.reindex(range(n + len(new))) if new else table
        for column in table.columns if new else ():
            blank = "" if kinds[column].kind in "OUT" else np.nan
            place = table.columns.get_loc(column)
            for i, row in enumerate(new):
                table.iat[n + i, place] = row.get(column, blank)
            # the new rows turned whole numbers into floats
            if kinds[column].kind in "iu" and not table[column].isna().any():
                table[column] = table[column].astype(kinds[column])
        self._replace(table)


def size_column(features: DataFrame) -> str:
    """The name of the column of areas or volumes of a table; empty where there is none."""
    return next((str(c) for c in features.columns if str(c).startswith(("area (", "volume ("))), "")


__all__ = ["ACCEPTED", "CORRECTED", "PREDICTED", "REJECTED", "Features", "ObjectRows", "TableRow", "size_column"]
