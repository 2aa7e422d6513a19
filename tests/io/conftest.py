"""What the tests of files share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Task


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def make_segmentation():
    def make(labels, axes="ZYX", spacing=None, unit="um", **more) -> Segmentation:
        spatial = [a for a in axes if a in "ZYX"]
        sizes = spacing or tuple({"Z": 2.0, "Y": 0.5, "X": 0.25}[a] for a in spatial)
        table = ObjectTable.of(labels) if np.dtype(labels.dtype).kind in "bui" else ObjectTable.of(np.zeros(1, int))
        classes = ClassTable.named(["nucleus"])
        return Segmentation(Task.INSTANCE, labels, table, classes, axes, sizes, unit, **more)

    return make


@pytest.fixture
def as_stranger() -> Iterator[Path]:
    """A folder that everybody may enter, while the test runs as a user without special rights."""
    if os.name == "nt":
        pytest.skip("file permissions work differently on Windows")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        for inner in folder.rglob("*"):
            inner.chmod(0o700)
        shutil.rmtree(folder)
