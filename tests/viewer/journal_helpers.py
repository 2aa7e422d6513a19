"""An image with everything that is recorded, for the tests of journals and sessions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Task
from napari_segplugin.viewer.corrections import reviewed_layer
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.journal import Journal
from napari_segplugin.viewer.layers import segmentation_to_layer
from napari_segplugin.viewer.recorder import Recorder


def segmentation(shape: tuple[int, ...] = (20, 30)) -> Segmentation:
    labels = np.zeros(shape, np.int32)
    labels[..., 2:8, 2:8] = 1
    labels[..., 2:8, 8:14] = 2
    labels[..., 12:18, 4:20] = 3
    table = ObjectTable(
        np.arange(1, 4), np.ones(3, np.int64), np.array([0.5, np.nan, 0.7], np.float32), ("predicted",) * 3
    )
    axes = "ZYX"[-len(shape) :]
    return Segmentation(
        Task.INSTANCE,
        labels,
        table,
        ClassTable.named(["nucleus", "mitosis"]),
        axes,
        (1.0,) * len(shape),
        recipe={"a": 1},
    )


def work(path: Path, shape: tuple[int, ...] = (20, 30), **kwargs: Any) -> dict[str, Any]:
    """An image with everything that is recorded, its layers and the recorder."""
    journal = Journal(**kwargs)
    recorder = Recorder(journal, {"image": "cells"})
    found = segmentation(shape)
    image = Image(np.zeros(shape))
    result = segmentation_to_layer(replace(found, labels=found.labels.copy()), image, found.axes)
    editor = Editor(result, usual_class="nucleus")
    number = recorder.number()
    record = recorder.base(found, "U-Net", number)
    recorder.write(*record)
    recorder.result(editor, number)
    paint = Labels(np.zeros(shape, np.uint16))
    paint.brush_size = 3
    recorder.paint(paint)
    area = reviewed_layer(image, found.axes)
    recorder.marks("reviewed", area)
    journal.open(path)
    return {"journal": journal, "recorder": recorder, "editor": editor, "paint": paint, "area": area, "found": found}


class FullDisk:
    """A file that takes some bytes and then no more, like a disk that is full."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        written = self.file.write(data[: self.room])
        self.room -= written
        return int(written)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
