"""Many numbers become one: means over thresholds, classes and images, and pooling over images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from napari_segplugin.core import ClassTable, InputError, Kind
from napari_segplugin.engine.evaluate.report import ALL, ReportRow
from napari_segplugin.metrics import Ratio, define, mean


@dataclass(frozen=True)
class Measured:
    """One number of one image, with what is needed to put several together.

    Parameters
    ----------
    class_name, title, value, meaning, unit, images, aggregation
        As in :class:`~napari_segplugin.engine.evaluate.report.ReportRow`.
    kind : str
        Name of the metric in the registry.
    ratio : Ratio, optional
        Where numbers of several images can be pooled.
    count : bool
        True where numbers of several images add up.
    """

    class_name: str
    kind: str
    title: str
    value: float
    meaning: str
    unit: str = ""
    ratio: Ratio | None = None
    count: bool = False
    images: int = 1
    aggregation: tuple[str, ...] = ()


def as_row(m: Measured) -> ReportRow:
    """The number as a row of a report."""
    return ReportRow(m.class_name, m.title, m.value, m.meaning, m.unit, m.images, m.aggregation)


def mean_over_images(images: list[list[Measured]]) -> list[Measured]:
    """Mean of each number over the images where it is defined.

    Raises
    ------
    InputError
        If distances come in different units.
    """
    rows = []
    for group in _groups(images):
        units = sorted({m.unit for m in group})
        if len(units) > 1:
            raise InputError(
                "The pixel sizes of the images are in different units.",
                got=", ".join(units),
                hint="Give one pixel size and unit for all, or evaluate them separately.",
            )
        defined = sum(not math.isnan(m.value) for m in group)
        value = mean(m.value for m in group)
        rows.append(replace(group[0], value=value, images=defined, ratio=None, aggregation=("mean over images",)))
    return rows


def pooled_over_images(images: list[list[Measured]]) -> list[Measured]:
    """Each number from the sums of its numerators and denominators; distances have none and are left out."""
    rows = []
    for group in _groups(images):
        if group[0].count:
            total = sum(m.value for m in group)
            rows.append(replace(group[0], value=total, images=len(group), aggregation=("total over images",)))
        ratios = [m.ratio for m in group if m.ratio is not None]
        if ratios:
            value = sum(ratios[1:], ratios[0]).value
            defined = sum(not math.isnan(r.value) for r in ratios)
            rows.append(replace(group[0], value=value, images=defined, aggregation=("pooled over images",)))
    return rows


def _groups(images: list[list[Measured]]) -> list[list[Measured]]:
    """The same number of all images together, in the order in which numbers first came."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for image in images:
        for m in image:
            groups.setdefault((m.class_name, m.title), []).append(m)
    return list(groups.values())


def with_means(rows: list[Measured], table: ClassTable | None) -> list[Measured]:
    """The means over thresholds and over classes, then the numbers themselves."""
    return [*_mean_over_thresholds(rows), *_means_over_classes(rows, table), *rows]


def _mean_over_thresholds(rows: list[Measured]) -> Iterator[Measured]:
    found = [m for m in rows if m.kind == "ap"]
    if len(found) > 1:
        thresholds = [float(m.title.removeprefix("AP@")) for m in found]
        title = f"mean AP@{thresholds[0]:g}–{thresholds[-1]:g}"
        value = mean(m.value for m in found)
        yield replace(
            found[0], kind="mean_ap", title=title, value=value, meaning=define("mean_ap", thresholds=thresholds)
        )


def _means_over_classes(rows: list[Measured], table: ClassTable | None) -> Iterator[Measured]:
    by_class = [m for m in rows if m.class_name != ALL]
    kinds = {c.name: c.kind for c in table} if table is not None else {}
    background = table[0].name if table is not None else "background"
    has_background = any(m.class_name == background for m in by_class)
    for title in dict.fromkeys(m.title for m in by_class):
        found = [m for m in by_class if m.title == title]
        without = [m for m in found if m.class_name != background]
        groups = {"mean of classes without background" if has_background else "mean of classes": without}
        if len(without) < len(found):
            groups["mean of classes with background"] = found
        if found[0].kind in ("pq", "sq", "rq"):
            groups["mean of things"] = [m for m in found if kinds.get(m.class_name) is Kind.THING]
            groups["mean of stuff"] = [m for m in found if kinds.get(m.class_name) is Kind.STUFF]
        for name, members in groups.items():
            if members:
                value, images = mean(m.value for m in members), max(m.images for m in members)
                steps = (*members[0].aggregation, name)
                yield replace(members[0], class_name=ALL, value=value, images=images, aggregation=steps)
