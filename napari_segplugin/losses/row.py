"""What the registry of losses says of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from napari_segplugin.core import InputError, Row

Schedule = Literal["", "rising"]


@dataclass(frozen=True, kw_only=True)
class LossRow(Row):
    """A row of :data:`napari_segplugin.losses.LOSSES`.

    Its target is called as ``target(logits, target, weight, **options)`` with logits (N, K, [Z,] Y, X), class numbers
    (N, [Z,] Y, X) and a weight (N, [Z,] Y, X) that is 0 where a voxel is unknown, and gives a scalar.

    Parameters
    ----------
    name, title, target, summary, reference, options, package
        As in :class:`~napari_segplugin.core.Row`. An option `spacing` is filled with the voxel size of the patches.
    class_weights : str
        The option that takes one weight a class, or a rule for them ("inverse", "median"); empty where there is none.
    schedule : {"", "rising"}
        "rising" where its weight in the sum grows from 0 during the first half of a training.
    detached : bool
        Whether it computes weights that have no gradient, so that finite differences do not give its gradient.

    Raises
    ------
    InputError
        If `class_weights` names an option that the loss does not have.

    Examples
    --------
    >>> LossRow("mine", "My loss", "my_package.loss:mine", options={"power": 2.0}).schedule
    ''
    """

    class_weights: str = ""
    schedule: Schedule = ""
    detached: bool = False

    WORDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"schedule": get_args(Schedule)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.class_weights and self.class_weights not in self.options:
            raise InputError(
                f"The loss '{self.name}' has no option for class weights of that name.",
                got=f"'{self.class_weights}'",
                accepted=", ".join(self.options) or "no option",
            )


__all__ = ["LossRow"]
