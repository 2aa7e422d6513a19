"""The figures of a training for TensorBoard, as they come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_segplugin.core import Event, InputError, Metric


class Board:
    """Writes every :class:`~napari_segplugin.core.Metric` of a job to a folder that TensorBoard reads.

    Parameters
    ----------
    folder : path
        Made where it is missing. Runs in folders side by side are shown as curves in one plot.

    Raises
    ------
    InputError
        If tensorboardX is not installed, or the folder cannot be written to.

    Examples
    --------
    Show a training while it runs with ``tensorboard --logdir runs``::

        with Board("runs/first") as board:
            bundle = drain(train(samples, start, spec), board)
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise InputError(
                "Writing for TensorBoard needs tensorboardX.",
                hint='Install it: pip install "napari-segplugin[tensorboard]"',
            ) from error
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._writer: Any = SummaryWriter(str(folder), flush_secs=5)
        except (OSError, ValueError) as error:  # a name that no disk takes
            raise InputError(
                "The folder for TensorBoard cannot be written to.", got=str(error), hint="Choose another folder."
            ) from error

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def __call__(self, event: Event) -> None:
        """Write an event, if it is a figure."""
        if isinstance(event, Metric):
            self._writer.add_scalar(event.name.replace(" ", "_"), event.value, event.step)


__all__ = ["Board"]
