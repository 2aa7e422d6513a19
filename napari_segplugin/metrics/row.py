"""What the registry of metrics says of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import ClassVar, Literal, get_args

from napari_segplugin.core import InputError, Row

MetricKind = Literal["semantic", "instance", "panoptic"]
Better = Literal["higher", "lower"]
Unit = Literal["", "spacing"]


@dataclass(frozen=True, kw_only=True)
class MetricRow(Row):
    """A row of :data:`napari_segplugin.metrics.METRICS`.

    Its target is called as ``target(truth, prediction, **options)`` with two arrays ([Z,] Y, X) and gives a number.

    Parameters
    ----------
    name, title, target, reference, options, package
        As in :class:`~napari_segplugin.core.Row`. An option `spacing` takes the voxel size.
    summary : str
        The definition: one sentence, printed beside every number. Words in braces are options, filled in by
        :func:`~napari_segplugin.metrics.define`; ``{unit}`` is the unit of the voxel size.
    kind : {"semantic", "instance", "panoptic"}
        What the arrays are: masks (semantic), or numbers of objects.
    better : {"higher", "lower"}
    best : float
        The value of a perfect prediction.
    unit : {"", "spacing"}
        "" for a share or a number, "spacing" for a distance in the unit of the voxel size.
    empty_both, empty_truth, empty_prediction : float
        The value where both, or only that, is empty; not a number where it is not defined.

    Raises
    ------
    InputError
        If there is no definition, or it names an option that the metric does not have.

    Examples
    --------
    >>> row = MetricRow("mine", "Mine", "my_package.metric:mine", "|A∩B| / |A|, voxels.", kind="semantic")
    >>> row.better, row.best
    ('higher', 1.0)
    """

    kind: MetricKind
    better: Better = "higher"
    best: float = 1.0
    unit: Unit = ""
    empty_both: float = math.nan
    empty_truth: float = 0.0
    empty_prediction: float = 0.0

    WORDS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "kind": get_args(MetricKind),
        "better": get_args(Better),
        "unit": get_args(Unit),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.summary:
            raise InputError(f"The metric '{self.name}' has no definition.", hint="Write it as the summary of the row")
        unknown = {name for _, name, _, _ in Formatter().parse(self.summary) if name} - {*self.options, "unit", "reach"}
        if unknown:
            raise InputError(
                f"The definition of the metric '{self.name}' names options that it does not have.",
                got=", ".join(sorted(unknown)),
                accepted=", ".join((*self.options, "unit")),
            )


__all__ = ["MetricKind", "MetricRow"]
