"""See the plugin work: ``python -m napari_segplugin.demo``.

With a screen, napari opens with the dock and a sample. Without one (or with ``--headless``) the same job runs by
itself: predict, take the corrections of a person for a handful of wrong objects, fine-tune, predict again, measure
both against the ground truth, and draw the window on a virtual screen.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import napari_segplugin as seg
from napari_segplugin.core import (
    BACKGROUND_PAINT,
    Event,
    Image,
    InputError,
    Note,
    Segmentation,
    SegPluginError,
    Stage,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.core.disk.commit import commit
from napari_segplugin.core.words import plain_metric
from napari_segplugin.io.files import write_text

SAMPLE = "nuclei2d"
SHOWN = ("AP@0.5", "mean AP@0.5–0.95")
_SHOT_SECONDS = 180


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser("python -m napari_segplugin.demo", description="See the plugin work.")
    parser.add_argument("--headless", action="store_true", help="no window, even where there is a screen")
    parser.add_argument("--output", default="demo-results", metavar="DIR", help="(default: demo-results)")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="time to fine-tune (default: 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", metavar="MODEL", help="folder of another model (default: the built-in one)")
    parser.add_argument("--picture", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        if options.picture:
            draw(Path(options.output))
        elif has_screen() and not options.headless:
            open_window()
        else:
            run_headless(Path(options.output), options.seconds, options.seed, options.model)
    except SegPluginError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def has_screen() -> bool:
    """Whether a window can be opened."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def say(text: str = "") -> None:
    """One line for the person."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def open_window() -> None:
    """Open napari with the dock and the sample."""
    import napari

    viewer = napari.Viewer()
    viewer.open_sample("napari-segplugin", SAMPLE)
    viewer.window.add_plugin_dock_widget("napari-segplugin", "Segmentation")
    napari.run()


def run_headless(output: Path, seconds: float, seed: int = 0, model: str | None = None) -> dict[str, Any]:
    """Predict, correct, fine-tune, predict again, measure; everything is written to `output`.

    Parameters
    ----------
    output : Path
        Made if it is not there; results of an earlier run are replaced.
    seconds : float
        Time to fine-tune.
    seed : int
    model : str, optional
        Folder of a bundle; the shipped one by default.

    Returns
    -------
    dict
        What is written to ``scores.json``.

    Raises
    ------
    InputError
        If the shipped model or the sample's corrections are missing.
    """
    output.mkdir(parents=True, exist_ok=True)
    sample = load()
    image, truth, paint = sample.image, sample.truth, np.asarray(sample.corrections)
    bundle = seg.load_model(model or SAMPLE)
    say(f"Image: {sample.title}, {image.describe()}, {len(np.unique(truth)) - 1} nuclei in the ground truth")
    say(f"Model: {bundle.name}")

    before = drain(seg.jobs.predict(image, bundle), tell)
    marks = seg.Corrections(paint, edited=np.asarray(before.labels), before=np.asarray(before.labels))
    painted = len(np.unique(paint[(paint > 0) & (paint != BACKGROUND_PAINT)]))
    say(f"Corrections: a person painted {painted} nuclei and {_spots(paint)} spots of background")
    result = drain(seg.jobs.finetune(image, marks, bundle, TrainSpec(seconds=seconds, seed=seed)), tell)
    after = drain(seg.jobs.predict(image, result.bundle), tell)

    for name, found in (("before", before), ("after", after)):
        seg.write_segmentation(found, output / f"{name}.tif")
    seg.save_model(result.bundle, output / "model", overwrite=True)
    scores = compare(before, after, truth, paint)
    scores |= {"held_out": {"how": result.heldout, "before": result.before, "after": result.after}}
    scores |= {"chosen": result.better, "verdict": "" if result.verdict is None else result.verdict.text}
    scores |= {"seconds": seconds, "seed": seed, "steps": result.bundle.history[-1]["steps"]}
    write_text(output / "scores.json", json.dumps(scores, indent=2))
    report(scores)
    picture = draw_in_background(output)
    say(
        f"Written to {output}/: before.tif and after.tif with records of how they were made, model/, "
        f"scores.json{picture}"
    )
    return scores


def tell(event: Event) -> None:
    """Stages and notes as lines."""
    if isinstance(event, Stage | Note):
        say(f"  {event.text}")


def load() -> seg.SampleImage:
    """The sample, with corrections.

    Raises
    ------
    InputError
        If it has none.
    """
    sample = seg.sample(SAMPLE)
    if sample.corrections is None:
        raise InputError(
            f"The sample '{SAMPLE}' has no corrections.", hint="Run: python scripts/make_demo_corrections.py"
        )
    return sample


def _spots(paint: np.ndarray) -> int:
    from scipy import ndimage as ndi

    return int(ndi.label(paint == BACKGROUND_PAINT)[1])


def compare(before: Segmentation, after: Segmentation, truth: np.ndarray, paint: np.ndarray) -> dict[str, Any]:
    """Both results against the truth: over all objects, and over those that nobody corrected.

    The painted objects taught the network, so a gain on them is no surprise; the others say whether it learnt
    something of use. Where someone painted is then left out: as void, so that nothing there counts for or against.
    """
    touched = np.isin(truth, np.unique(truth[(paint > 0) & (truth > 0)])) & (truth > 0)
    known = ~(touched | (paint > 0))
    rows: list[dict[str, Any]] = []
    for where, mask in (("all", None), ("not corrected", known)):
        reports = [
            seg.evaluate(np.asarray(s.labels), truth, task=Task.INSTANCE, known=mask, surfaces=False, progress=False)
            for s in (before, after)
        ]
        for row in reports[0].rows:
            if row.metric in SHOWN:
                values = [float(r.value(row.metric)) for r in reports]
                rows.append({"objects": where, "metric": row.metric, "before": values[0], "after": values[1]})
                rows[-1]["definition"] = row.definition
    counts = {"all": len(np.unique(truth)) - 1}
    counts["corrected"] = len(np.unique(truth[touched]))
    counts["not corrected"] = counts["all"] - counts["corrected"]
    return {"scores": rows, "objects_in_truth": counts}


def report(scores: Mapping[str, Any]) -> None:
    """The table, each number with its definition, and what it does not say."""
    counts = scores["objects_in_truth"]
    titles = {"all": f"all {counts['all']} nuclei", "not corrected": f"the {counts['not corrected']} nobody corrected"}
    say()
    say(f"{'':<44}{'before':>8}{'after':>8}")
    for row in scores["scores"]:
        title = f"{row['metric']}, {titles[row['objects']]}"
        say(f"{title:<44}{row['before']:>8.3f}{row['after']:>8.3f}")
    say()
    for metric in SHOWN:
        say(f"{metric}: {next(r['definition'] for r in scores['scores'] if r['metric'] == metric)}")
    say(
        f"'All' includes the {counts['corrected']} nuclei that the person painted, including those kept aside for "
        f"checking. What someone painted does not count in 'nobody corrected'. One image, one seed: an illustration, "
        f"not a benchmark."
    )
    held = scores["held_out"]
    say(held["how"])
    for name, value in held["after"].items():
        say(f"  {plain_metric(name)}: {held['before'][name]:.3f} before, {value:.3f} after")
    say()


def draw_in_background(output: Path) -> str:
    """Draw the window in a process of its own, on a virtual screen where that is possible.

    Returns
    -------
    str
        How the sentence about the written files goes on.
    """
    command = [sys.executable, "-m", "napari_segplugin.demo", "--picture", "--output", str(output)]
    environment = dict(os.environ)
    if sys.platform.startswith("linux"):
        if shutil.which("xvfb-run"):
            # Qt's "offscreen" platform has no OpenGL, which napari's canvas needs
            command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24 +extension GLX", *command]
            environment |= {"LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb"}
            environment.pop("WAYLAND_DISPLAY", None)
        elif not has_screen():
            return "; no picture of the window, since there is no screen and no xvfb-run (apt-get install xvfb xauth)"
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SHOT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"; no picture of the window ({type(error).__name__})"
    if done.returncode or not (output / "screenshot.png").is_file():
        last = (done.stderr.strip().splitlines() or ["unknown reason"])[-1]
        return f"; no picture of the window ({last})"
    return ", screenshot.png"


def draw(output: Path) -> None:
    """Open the viewer with the dock, the corrections and the result after fine-tuning, and save a picture of it."""
    import imageio.v3 as imageio
    import napari
    from napari.layers import Labels
    from qtpy.QtWidgets import QApplication

    from napari_segplugin.io import read_labels

    sample = load()
    image: Image = replace(sample.image, name=SAMPLE)
    viewer = napari.Viewer(show=True)
    try:
        viewer.window.resize(1500, 950)
        viewer.add_image(image.array, name=image.name)
        viewer.window.add_plugin_dock_widget("napari-segplugin", "Segmentation")
        before = Labels(read_labels(output / "before.tif")[0], name="before", visible=False)
        after = Labels(read_labels(output / "after.tif")[0], name="after fine-tuning", opacity=0.6)
        corrected = Labels(np.asarray(sample.corrections), name="corrections", opacity=0.5)
        for layer in (before, after, corrected):
            viewer.add_layer(layer)
        after.contour = 2
        viewer.layers.selection.active = corrected
        viewer.reset_view()
        _settle(QApplication.processEvents)
        with commit(output / "screenshot.png") as stage:
            picture = viewer.screenshot(canvas_only=False, flash=False)[..., :3]
            imageio.imwrite(stage.path("screenshot.png"), picture)
    finally:
        viewer.close()


def _settle(process: Callable[[], object], rounds: int = 60) -> None:
    """Let timers, workers and the first draw come to rest."""
    import time

    for _ in range(rounds):
        process()
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
