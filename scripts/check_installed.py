"""Use the installed package as napari does: commands, samples and the dock. Called by scripts/check-wheel.sh.

    python check_installed.py CHECKOUT RESULT_FOLDER PICTURE_FOLDER

Runs outside the checkout, with PYTHONSAFEPATH=1, so that nothing is tested but what was installed.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
from npe2 import PluginManager

NAME = "napari-segplugin"
SAMPLES = {"nuclei2d", "nuclei3d", "axon_sem", "stardist_nuclei3d"}


def check(fine: bool, problem: str) -> None:
    """End with a sentence if something is not as it should be."""
    if not fine:
        sys.exit(f"The installed package: {problem}")


def check_place(checkout: Path) -> None:
    """What is imported is what was installed."""
    import napari_segplugin

    place = Path(napari_segplugin.__file__).resolve()
    check(checkout.resolve() not in place.parents, f"{place} is the checkout, not what was installed")
    check("site-packages" in place.parts, f"{place} is not among the installed packages")
    check((place.parent / "py.typed").is_file(), "py.typed is not there, so that its types are not used")


def check_result(folder: Path) -> None:
    """The command line found the nuclei of the sample."""
    import tifffile

    files = sorted(p for p in folder.glob("*.tif*"))
    check(len(files) == 1, f"'segplugin predict' wrote {[p.name for p in folder.iterdir()]}")
    found = len(np.unique(tifffile.imread(files[0]))) - 1
    check(30 < found < 200, f"'segplugin predict' found {found} nuclei")
    print(f"segplugin predict: {found} objects")


def check_manifest() -> None:
    """Every name in the manifest leads to something that can be called."""
    manifest = PluginManager.instance().get_manifest(NAME)
    for command in manifest.contributions.commands or ():
        module, _, name = str(command.python_name).partition(":")
        check(callable(getattr(importlib.import_module(module), name, None)), f"{command.python_name} is not there")
    print(f"manifest: {len(manifest.contributions.commands or ())} commands resolve")


def check_samples(viewer: object) -> None:
    """The samples open through napari's own menu of samples."""
    keys = {s.key for s in PluginManager.instance().get_manifest(NAME).contributions.sample_data or ()}
    check(keys == SAMPLES, f"the samples are {sorted(keys)}")
    for key in sorted(keys):
        viewer.layers.clear()
        layers = viewer.open_sample(NAME, key)
        kinds = {type(layer).__name__ for layer in layers}
        check({"Image", "Labels"} <= kinds, f"sample {key} came as {sorted(kinds)}")
        check(all(np.ptp(np.asarray(layer.data)) > 0 for layer in layers), f"sample {key} has an empty layer")
    print(f"samples: {', '.join(sorted(keys))} open")


def settle(seconds: float = 3.0) -> None:
    """Let the window draw and the dock look at its image."""
    import time

    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def colours(picture: np.ndarray) -> int:
    """Number of different colours."""
    return len(np.unique(picture[..., :3].reshape(-1, 3), axis=0))


def check_dock(viewer: object, folder: Path) -> None:
    """The dock opens beside a sample, and both are seen in a picture of the window."""
    import imageio.v3 as imageio

    viewer.layers.clear()
    viewer.open_sample(NAME, "nuclei2d")
    dock, _ = viewer.window.add_plugin_dock_widget(NAME, "Segmentation")
    viewer.window._qt_window.resize(1400, 1000)
    settle()
    picture = np.asarray(viewer.screenshot(canvas_only=False, flash=False))
    imageio.imwrite(folder / "dock.png", picture[..., :3])
    check(picture.shape[0] >= 700 and picture.shape[1] >= 1000, f"the window is only {picture.shape} large")
    check(colours(picture) > 300, f"the window has only {colours(picture)} colours")
    corner = dock.mapTo(viewer.window._qt_window, dock.rect().topLeft())
    ratio = picture.shape[1] / viewer.window._qt_window.width()
    left, top = int(corner.x() * ratio), int(corner.y() * ratio)
    part = picture[top : top + int(dock.height() * ratio), left : left + int(dock.width() * ratio)]
    check(min(part.shape[:2]) > 200, f"the dock is only {part.shape} large")
    check(colours(part) > 30, f"the dock has only {colours(part)} colours")
    print(f"dock: {part.shape[1]} x {part.shape[0]}, {colours(part)} colours; window {colours(picture)} colours")


def main() -> None:
    """All checks, one after the other."""
    checkout, result, pictures = (Path(a) for a in sys.argv[1:4])
    check_place(checkout)
    check_result(result)
    PluginManager.instance().discover()
    check_manifest()
    import napari

    viewer = napari.Viewer()
    check_samples(viewer)
    check_dock(viewer, pictures)
    viewer.close()


if __name__ == "__main__":
    main()
