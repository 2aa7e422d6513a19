"""What is saved from the dock can be made once more from its recipe, corrections included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segplugin import read_segmentation, replay
from napari_segplugin.door.catalog import sample

pytestmark = pytest.mark.qt


def test_a_corrected_result_is_replayed_to_the_voxel(real: Any, tmp_path: Path, qtbot: Any) -> None:
    dock, file = real, tmp_path / "cells.tif"
    tifffile.imwrite(file, np.asarray(sample("nuclei2d").image.array)[100:228, 60:188])
    dock.files.open_image(str(file))
    qtbot.waitUntil(lambda: dock.image_step.layer is not None and dock.method_step.choice() is not None, timeout=20000)
    dock.result_step.run_button.click()
    qtbot.waitUntil(lambda: dock.desk.result is not None and dock.jobs.owner is None, timeout=90000)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=90000)
    target = dock.edits.target
    first, second, *_ = list(target.editor.boxes)
    target.editor.delete([first])
    target.editor.grow(second, distance=1.0)
    dock.saving.save(str(tmp_path / "out.tif"))
    qtbot.waitUntil(lambda: dock.messages.message.startswith("Saved"), timeout=20000)
    assert (tmp_path / "out.corrections.json").exists()
    again = replay(tmp_path / "out.recipe.json", progress=False)
    saved = read_segmentation(tmp_path / "out.tif")
    assert np.array_equal(np.asarray(again.labels), np.asarray(saved.labels))
    assert first not in np.unique(again.labels)
    # a result put together of two runs is not what one run gives: no corrections of that are promised
    dock.result_step.run_button.click()
    qtbot.waitUntil(lambda: dock.jobs.owner is None and not dock.background.busy, timeout=90000)
    assert dock.desk.result.computed is None
