"""Use the dock on a screen that Mesa draws, with the torch that pip takes by itself; see scripts/check-default-torch.sh.

python scripts/default_torch.py           open, Run, instant answer, fine-tune, Run again
python scripts/default_torch.py CASE      how else triton can come: before the window, after it, by a compiler
"""

from __future__ import annotations

import sys
import time

CASES = ("dock", "before", "after", "compile")


def window() -> object:
    """A viewer whose canvas has drawn, so that Mesa's LLVM is in memory."""
    import napari
    import numpy as np
    from qtpy.QtTest import QTest

    viewer = napari.Viewer(show=True)
    viewer.add_image(np.random.default_rng(0).random((64, 64)))
    QTest.qWait(800)
    return viewer


def dock() -> None:
    """What a person does in the first ten minutes."""
    import napari
    from qtpy.QtTest import QTest

    import napari_segplugin as seg

    viewer = napari.Viewer(show=True)
    QTest.qWait(800)
    viewer.open_sample("napari-segplugin", "nuclei2d")
    _, widget = viewer.window.add_plugin_dock_widget("napari-segplugin", "Segmentation")

    def idle(what: str, seconds: float = 300) -> None:
        end = time.time() + seconds
        QTest.qWait(500)
        while widget.job.busy:
            if time.time() > end:
                sys.exit(f"{what} is not over after {seconds:g} s")
            QTest.qWait(50)
        sys.stdout.write(f"{what}: done\n")
        sys.stdout.flush()

    QTest.qWait(3000)  # devices and the estimate bring torch without a click
    idle("Open")
    widget.runs.start("whole")
    idle("Run")
    widget.paint.pick(65535)
    widget.paint.layer.data = seg.sample("nuclei2d").corrections
    widget.improve_step.instant_box.setChecked(True)
    QTest.qWait(4000)
    widget.improve_step.instant_box.setChecked(False)
    widget.train.start()
    QTest.qWait(8000)
    widget.train.stop()
    idle("Fine-tune")
    widget.runs.start("whole")
    idle("Run again")
    if len(widget.session.bundles) < 2:
        sys.exit("the fine-tuned model is not listed")
    viewer.close()


def before() -> None:
    """Another plugin has imported triton before the window was there."""
    import triton  # noqa: F401

    dock()


def after() -> None:
    """Another plugin imports triton when the dock has been used and the canvas is there."""
    viewer = window()
    from napari_segplugin.engine.torch_import import bring_torch

    bring_torch()
    import triton._C.libtriton  # noqa: F401

    viewer.close()  # type: ignore[attr-defined]


def compile() -> None:
    """Another plugin compiles, and an optimizer steps, on the same screen."""
    viewer = window()
    from napari_segplugin.engine.torch_import import bring_torch

    bring_torch()
    import torch

    doubled = torch.compile(lambda x: torch.relu(x) * 2)
    if doubled(torch.ones(8)).sum() != 16:
        sys.exit("the compiled function is wrong")
    layer = torch.nn.Linear(4, 4)
    layer(torch.ones(1, 4)).sum().backward()
    torch.optim.AdamW(layer.parameters()).step()
    torch.empty(2, device="meta")
    viewer.close()  # type: ignore[attr-defined]


if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "dock"
    if name not in CASES:
        sys.exit(f"one of {', '.join(CASES)}")
    globals()[name]()
    if name != "dock" and "triton" not in sys.modules:
        sys.exit("triton was not brought, so nothing is shown")
    sys.stdout.write(f"{name}: no crash\n")
