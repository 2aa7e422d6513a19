"""Makes the helper modules that several folders share importable; pytest's importlib mode does not."""

import gc
import os
import sys
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    # several processes share the processor: threads of all of them that wait in a circle take most of its time
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

sys.path.insert(0, str(Path(__file__).parent / "helpers"))


@pytest.fixture(autouse=True)
def no_old_windows() -> None:
    """Windows that an earlier test let go of are gone; napari's own fixture looks for young ones only, and counts the rest."""
    module = sys.modules.get("napari._qt.qt_viewer")
    if module is not None and len(module.QtViewer._instances):
        gc.collect()
