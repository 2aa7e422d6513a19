"""What may be imported when: torch never at the start, Qt never below the dock, and every name of the manifest."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HEAVY = ("torch", "napari", "qtpy", "PyQt6", "PySide6")


def loaded_after(code, *modules):
    """Which of the modules a fresh interpreter has loaded after running the code."""
    script = f"{code}\nimport sys\nsys.stderr.write(' '.join(m for m in {modules!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr.split()


@pytest.mark.parametrize(
    "module",
    ["", ".core", ".engine", ".networks", ".losses", ".tasks", ".metrics", ".io", ".data", ".cli", ".viewer", ".demo"],
)
def test_importing_a_folder_imports_no_torch(module):
    assert loaded_after(f"import napari_segplugin{module}", "torch") == []


@pytest.mark.parametrize(
    "module", [".core", ".engine", ".networks", ".losses", ".tasks", ".metrics", ".io", ".data", ".cli"]
)
def test_nothing_below_the_viewer_imports_napari_or_qt(module):
    assert loaded_after(f"import napari_segplugin{module}", *HEAVY) == []


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["train", "--help"], ["models"]])
def test_the_command_line_answers_without_torch(arguments):
    code = f"""
from napari_segplugin.cli import main
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()):
    try:
        main({arguments!r})
    except SystemExit as end:
        assert end.code == 0
"""
    assert loaded_after(code, *HEAVY) == []


def test_listing_networks_losses_tasks_and_models_imports_no_torch():
    code = """
from napari_segplugin.networks import NETWORKS
from napari_segplugin.losses import LOSSES
from napari_segplugin.tasks import TASKS
from napari_segplugin.io import sample_names, shipped_bundles
[r.title for shelf in (NETWORKS, LOSSES, TASKS) for r in shelf], shipped_bundles(), sample_names()
"""
    assert loaded_after(code, *HEAVY) == []


def manifest():
    import napari_segplugin

    return yaml.safe_load((Path(napari_segplugin.__file__).parent / "napari.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", manifest()["contributions"]["commands"], ids=lambda c: c["id"])
def test_every_name_in_the_manifest_is_there(command):
    module, _, name = command["python_name"].partition(":")
    if ".widgets" in module:
        pytest.importorskip("qtpy.QtWidgets", exc_type=ImportError)
    assert callable(getattr(importlib.import_module(module), name))


def test_the_manifest_uses_only_commands_that_it_defines():
    parts = dict(manifest()["contributions"])
    defined = {c["id"] for c in parts.pop("commands")}
    used = {row["command"] for kind in ("widgets", "readers", "writers", "sample_data") for row in parts.get(kind, [])}
    assert used <= defined


def test_every_row_of_every_registry_loads():
    pytest.importorskip("torch")
    from napari_segplugin.io import FORMATS
    from napari_segplugin.losses import LOSSES
    from napari_segplugin.metrics import METRICS
    from napari_segplugin.networks import NETWORKS
    from napari_segplugin.tasks import TASKS

    for registry in (NETWORKS, LOSSES, TASKS, METRICS):
        assert all(callable(row.load()) for row in registry)
    assert all(row.load() is not None for row in FORMATS)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux links so slowly")
def test_the_large_libraries_of_torch_are_loaded_without_the_interpreter_lock():
    """A thread that does nothing but look at the clock is not held up while they load."""
    pytest.importorskip("torch")
    code = """
import sys, threading, time
from napari_segplugin.engine.torch_import import preload_torch
found = []
worker = threading.Thread(target=lambda: found.append(preload_torch()))
begin = last = time.perf_counter()
longest = 0.0
worker.start()
while worker.is_alive():
    time.sleep(0.001)
    now = time.perf_counter()
    longest, last = max(longest, now - last), now
assert found == [True]
assert "torch" not in sys.modules
assert longest < 0.5 * (now - begin) or now - begin < 0.05, (longest, now - begin)
import torch
assert float(torch.ones(2).sum()) == 2
assert preload_torch() is False
"""
    assert loaded_after(code, "torch") == ["torch"]
