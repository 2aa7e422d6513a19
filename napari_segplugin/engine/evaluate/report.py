"""A table of measured numbers, each with its definition, as text, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from dataclasses import dataclass

from napari_segplugin.core import InputError, Task
from napari_segplugin.core.words import csv_cell

ALL = "all"
"""The "class" of a row that speaks of all classes or objects together."""

AGGREGATIONS = {
    "mean of classes": "Mean over the classes that have a value.",
    "mean of classes without background": "Mean over the classes that have a value, without background.",
    "mean of classes with background": "Mean over the classes that have a value, with background.",
    "mean of things": "Mean over the classes of counted objects that have a value.",
    "mean of stuff": "Mean over the classes of areas that have a value.",
    "mean over images": "Each image counts the same; images without a defined value are left out.",
    "pooled over images": "Numerators and denominators are first summed over all images, so that large images and "
    "many objects count more.",
    "total over images": "Sum over the images.",
}
"""How many numbers became one: the name, which is part of the metric's name, and what it means."""


@dataclass(frozen=True)
class ReportRow:
    """One number.

    Parameters
    ----------
    class_name : str
        Name of a class, or "all".
    title : str
        What was measured, such as "Dice".
    value : float
        NaN where the metric is not defined.
    meaning : str
        One sentence that defines what was measured.
    unit : str
        Empty for a share.
    images : int
        Number of images that the number speaks of; images where the metric is not defined are left out.
    aggregation : tuple of str
        How many numbers became one, first step first; keys of :data:`AGGREGATIONS`.

    Examples
    --------
    >>> row = ReportRow("all", "IoU", 0.5, "|A∩B| / |A∪B|.", aggregation=("mean of classes",))
    >>> row.metric, row.definition
    ('IoU, mean of classes', '|A∩B| / |A∪B|. Mean over the classes that have a value.')
    """

    class_name: str
    title: str
    value: float
    meaning: str
    unit: str = ""
    images: int = 1
    aggregation: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        """Full name, such as "Dice, pooled over images"."""
        return ", ".join((self.title, *self.aggregation))

    @property
    def definition(self) -> str:
        """What the number is, completely: what was measured and how many numbers became one."""
        return " ".join((self.meaning, *(AGGREGATIONS[a] for a in self.aggregation)))


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Parameters
    ----------
    task : Task
    rows : tuple of ReportRow
        Rows of "all" first, then class by class.
    notes : tuple of str
        Sentences that the reader should know, such as what was not measured.

    Examples
    --------
    >>> print(Report(Task.SEMANTIC, (ReportRow("cell", "Dice", 0.5, "2|A∩B| / (|A|+|B|)."),)).text())
    class  metric   value  unit
    cell   Dice    0.5000
    <BLANKLINE>
    Dice: 2|A∩B| / (|A|+|B|).
    """

    task: Task
    rows: tuple[ReportRow, ...]
    notes: tuple[str, ...] = ()

    def value(self, metric: str, class_name: str = ALL) -> float:
        """The value of one row.

        Raises
        ------
        InputError
            If there is no such row.
        """
        for row in self.rows:
            if (row.metric, row.class_name) == (metric, class_name):
                return row.value
        raise InputError(
            f"The report has no '{metric}' of '{class_name}'.",
            accepted=", ".join(dict.fromkeys(f"'{r.metric}' of '{r.class_name}'" for r in self.rows)),
        )

    def to_json(self) -> str:
        """The report as JSON; a value that is not defined is null, an infinite one the text "inf"."""
        rows = [
            {
                "class": r.class_name,
                "metric": r.metric,
                "value": _json_number(r.value),
                "unit": r.unit,
                "images": r.images,
                "definition": r.definition,
            }
            for r in self.rows
        ]
        return json.dumps({"task": self.task.value, "notes": list(self.notes), "rows": rows}, indent=1)

    def to_csv(self) -> str:
        """The rows as CSV with a header; a value that is not defined is an empty field, an infinite one "inf"."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["class", "metric", "value", "unit", "images", "definition"])
        for r in self.rows:
            value = "" if math.isnan(r.value) else repr(float(r.value))
            writer.writerow([csv_cell(r.class_name), r.metric, value, r.unit, r.images, r.definition])
        return out.getvalue()

    def text(self, width: int = 100) -> str:
        """An aligned table for a terminal, the definitions below it, then the notes.

        Parameters
        ----------
        width : int
            Length at which definitions and notes are broken, in characters.
        """
        many = any(r.images != 1 for r in self.rows)
        head = ["class", "metric", "value", "unit", *(["images"] if many else [])]
        table = [head]
        for r in self.rows:
            table.append([r.class_name, r.metric, _readable(r), r.unit, *([str(r.images)] if many else [])])
        sizes = [max(len(line[i]) for line in table) for i in range(len(head))]
        lines = []
        for line in table:
            cells = [
                t.rjust(n) if h in ("value", "images") else t.ljust(n)
                for t, n, h in zip(line, sizes, head, strict=True)
            ]
            lines.append("  ".join(cells).rstrip())
        used = {a for r in self.rows for a in r.aggregation}
        paragraphs = (
            dict.fromkeys(f"{r.title}: {r.meaning}" for r in self.rows),
            [f"{name}: {text}" for name, text in AGGREGATIONS.items() if name in used],
            [f"Note: {n}" for n in self.notes],
        )
        for paragraph in paragraphs:
            if paragraph:
                lines.append("")
            for sentence in paragraph:
                lines += textwrap.wrap(sentence, width, subsequent_indent="  ")
        return "\n".join(lines)


def _json_number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else str(float(value))


def _readable(row: ReportRow) -> str:
    if math.isnan(row.value):
        return "–"
    if row.unit == "objects":
        return f"{row.value:g}"
    return f"{row.value:.4f}" if math.isfinite(row.value) else str(row.value)
