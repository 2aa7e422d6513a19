"""A table of measurements: columns with definitions, sorted and filtered without copying, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from napari_segplugin.core import InputError
from napari_segplugin.core.types import Cell
from napari_segplugin.core.words import csv_cell
from napari_segplugin.data.intensities import Counts


@dataclass(frozen=True, eq=False)
class Column:
    """One measurement of every object.

    Parameters
    ----------
    name : str
        Short stable key, such as "area".
    title : str
        Name with unit, such as "area (µm²)".
    values : (N,) ndarray
        Numbers, truth values, or texts (dtype object).
    definition : str
        One sentence that says what the number is.
    unit : str
    """

    name: str
    title: str
    values: np.ndarray
    definition: str
    unit: str = ""

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers."""
        return self.values.dtype.kind in "uif"

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest finite value; 0 and 1 where there is none."""
        finite = self.values[np.isfinite(self.values)]
        return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)

    @property
    def step(self) -> float:
        """A step that is small beside the range of the values: a hundredth of it, or 1 for whole numbers."""
        least, most = self.limits
        return 1.0 if self.values.dtype.kind != "f" or most <= least else (most - least) / 100

    def range_of(self, low: float, high: float) -> tuple[float, float] | None:
        """A range as a slider gives it, its ends put exactly on the limits; None where it leaves nothing out."""
        least, most = self.limits
        slack = 1e-4 * (most - least)
        ends = (-np.inf if low <= least + slack else low, np.inf if high >= most - slack else high)
        return None if ends == (-np.inf, np.inf) else ends


@dataclass(frozen=True, eq=False)
class MeasureTable:
    """Measurements of objects; one row an object (and time point).

    Parameters
    ----------
    columns : tuple of Column
        The first is "label".
    boxes : (N, 2, D) ndarray of int
        First voxel of each object, and the one after the last, along the spatial axes.
    histograms : mapping of str to Counts
        Of each channel, where they were asked for; a row of counts for each row of the table.
    notes : tuple of str
        Sentences that the reader should know, such as that the axes of the image were turned.
    """

    columns: tuple[Column, ...]
    boxes: np.ndarray
    histograms: Mapping[str, Counts] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns[0].values)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return any(c.name == name for c in self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise InputError(
            f"There is no column named '{name}'.", accepted=", ".join(c.name for c in self.columns) or "none"
        )

    @property
    def numeric(self) -> tuple[Column, ...]:
        """Columns of numbers that say more than which object it is."""
        return tuple(c for c in self.columns if c.numeric and c.name not in ("label", "frame", "track"))

    def with_columns(self, extra: Mapping[str, Column]) -> MeasureTable:
        """A table with more columns, or others in place of those of the same name."""
        kept = tuple(c for c in self.columns if c.name not in extra)
        return replace(self, columns=(*kept, *extra.values()))

    def to_csv(self, rows: np.ndarray | None = None, about: str = "") -> str:
        """The table as CSV; lines that begin with "#" say what each column is.

        Parameters
        ----------
        rows : (M,) ndarray of int, optional
            Which rows, in which order; all by default.
        about : str
            One more line, such as where the numbers come from.

        Examples
        --------
        >>> table = MeasureTable((Column("label", "label", np.array([4]), "Number of the object."),), np.zeros((1, 2, 2)))
        >>> print(table.to_csv(about="cells"), end="")
        # cells
        # label: Number of the object.
        label
        4
        """
        chosen = np.arange(len(self)) if rows is None else rows
        out = io.StringIO()
        for line in [about, *(f"{c.title}: {c.definition}" for c in self.columns), *(f"Note: {n}" for n in self.notes)]:
            if line:
                out.write(f"# {' '.join(line.splitlines())}\n")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([csv_cell(c.title) for c in self.columns])
        writer.writerows(zip(*(_texts(c.values[chosen]) for c in self.columns), strict=True))
        return out.getvalue()

    def histogram_csv(self) -> str:
        """The histograms as CSV: a line for each channel, range of values and row with at least one voxel.

        Raises
        ------
        InputError
            If none were asked for.
        """
        if not self.histograms:
            raise InputError("There is no histogram.", hint="Measure an image, and ask for its histogram.")
        names = [n for n in ("label", "frame", "class") if n in self]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*names, "channel", "from", "to", "voxels"])
        rows = [_texts(self[n].values) for n in names]
        for channel, found in self.histograms.items():
            for row, place in np.argwhere(found.counts):
                ends = [f"{e:.9g}" for e in found.edges[place : place + 2]]
                writer.writerow([*(r[row] for r in rows), csv_cell(channel), *ends, int(found.counts[row, place])])
        return out.getvalue()


def _texts(values: np.ndarray) -> list[Cell]:
    """Values for CSV: a number that is not defined is an empty field."""
    if values.dtype.kind != "f":
        return [csv_cell(v) if isinstance(v, str) else v for v in values.tolist()]
    return ["" if v != v else f"{v:.7g}" for v in values.tolist()]


class TableView:
    """Which rows of a table are shown, and in which order.

    Parameters
    ----------
    table : MeasureTable

    Attributes
    ----------
    rows : (M,) ndarray of int
        Rows of the table that are shown, in order.

    Examples
    --------
    >>> values = np.array([3.0, 1.0, 2.0])
    >>> table = MeasureTable((Column("label", "label", values, ""), Column("area", "area", values, "")), np.zeros((3, 2, 2)))
    >>> view = TableView(table)
    >>> view.sort("area"); view.keep("area", 1.5, 9); view.rows.tolist()
    [2, 0]
    """

    def __init__(self, table: MeasureTable) -> None:
        self.table = table
        self._ranges: dict[str, tuple[float, float]] = {}
        self._order = np.arange(len(table))
        self._brush: np.ndarray | None = None
        self.rows = self._order

    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]:
        """The ranges that rows are kept in, by column."""
        return self._ranges

    @property
    def kept(self) -> np.ndarray:
        """(N,) ndarray of bool: rows within every range and the brush."""
        mask = np.ones(len(self.table), bool)
        if self._brush is not None:
            mask[:] = False
            mask[self._brush] = True
        left = np.zeros(len(self.table), bool)
        left[self.within(self._ranges)] = True
        return mask & left

    def sort(self, name: str, descending: bool = False) -> None:
        """Sort by a column; equal values stay in the order of the table, undefined ones come last."""
        values = self.table[name].values
        if values.dtype.kind == "O":
            _, values = np.unique(values.astype(str), return_inverse=True)
        # the negative and not the reverse, so that equal values keep their order both ways
        self._order = np.argsort(-values.astype(float) if descending else values, kind="stable")
        self._update()

    def keep(self, name: str, low: float, high: float) -> None:
        """Show only rows whose value lies in a range; a row without a value does not."""
        self._ranges[name] = (low, high)
        self._update()

    def brush(self, rows: np.ndarray | None) -> None:
        """Show only these rows of the table, besides the ranges; None shows all again."""
        self._brush = rows
        self._update()

    def within(self, limits: Mapping[str, tuple[float, float]]) -> np.ndarray:
        """Rows of the table whose values lie in all of these ranges, whether they are shown or not."""
        mask = np.ones(len(self.table), bool)
        for name, (low, high) in limits.items():
            values = self.table[name].values
            mask &= (values >= low) & (values <= high)
        return np.flatnonzero(mask)

    @property
    def narrowed(self) -> bool:
        """Whether some rows may be left out."""
        return bool(self._ranges) or self._brush is not None

    def drop(self, name: str) -> None:
        """Forget the range of a column."""
        self._ranges.pop(name, None)
        self._update()

    def forget(self) -> None:
        """Show every row."""
        self._ranges.clear()
        self._brush = None
        self._update()

    def _update(self) -> None:
        mask = self.kept
        self.rows = self._order[mask[self._order]]

    def find(self, label: int, frame: int | None = None) -> int | None:
        """Place of an object among the shown rows; None where it is not shown."""
        shown = self.table["label"].values[self.rows] == label
        if frame is not None and "frame" in self.table:
            shown &= self.table["frame"].values[self.rows] == frame
        found = np.flatnonzero(shown)
        return int(found[0]) if found.size else None


def bins(values: np.ndarray, count: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Histogram of the finite values.

    Returns
    -------
    counts : (count,) ndarray of int
    edges : (count + 1,) ndarray of float64
    """
    finite = np.asarray(values, float)[np.isfinite(values)]
    if not finite.size:
        return np.zeros(count, int), np.linspace(0, 1, count + 1)
    return np.histogram(finite, bins=count)


def density(
    x: np.ndarray, y: np.ndarray, limits: tuple[tuple[float, float], tuple[float, float]], shape: tuple[int, int]
) -> np.ndarray:
    """How many points lie in each cell of a grid.

    Parameters
    ----------
    x, y : (N,) ndarray
    limits : pair of (float, float)
        Range of x, range of y.
    shape : tuple of int
        Rows, columns of the grid; the first row holds the largest y.

    Returns
    -------
    ndarray of int, of `shape`
    """
    counts, _, _ = np.histogram2d(y, x, bins=shape, range=[limits[1], limits[0]])
    return np.asarray(counts[::-1], np.int64)
