"""Prediction straight into a file: the same as in memory, whatever the size; nothing is left of what was not finished."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, Image, InputError, ModelSpec, Stage, Step, Task, TileSpec, drain
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.predict.to_file import predict_to_file
from napari_segplugin.engine.train.train import new_bundle
from napari_segplugin.io import read_segmentation

TILES = TileSpec(size=(64, 64), precision="float32")


def bundle_of(task: Task = Task.INSTANCE, ndim: int = 2):
    from dataclasses import replace

    spec = ModelSpec("unet", ndim, 1, task, ClassTable.named(["cell"]), options={"widths": (4, 6)})
    decode = {} if task is Task.SEMANTIC else {"foreground": 0.3, "seed": 0.4, "smooth": 0.5, "min_size": 1}
    return replace(new_bundle(spec, name="small", seed=1), decode=decode)


def noise(shape=(150, 130), axes="YX"):
    return Image(
        np.random.default_rng(0).integers(0, 200, shape).astype(np.uint8), axes, spacing=(0.5,) * len(axes), unit="um"
    )


@pytest.fixture(params=[False, True], ids=["in memory", "on disk"])
def large(request, monkeypatch):
    import napari_segplugin.engine.predict.to_file  # noqa: F401

    module = sys.modules["napari_segplugin.engine.predict.to_file"]
    monkeypatch.setattr(module, "free_host_memory", lambda: 1000 if request.param else 2**34)
    return request.param


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.tif"])
@pytest.mark.parametrize("task", [Task.SEMANTIC, Task.INSTANCE])
def test_the_file_holds_what_the_memory_would(tmp_path, large, task, name):
    image, bundle = noise(), bundle_of(task)
    whole = drain(predict(image, bundle, tiles=TILES, device="cpu"))
    found, files = drain(predict_to_file(image, bundle, tmp_path / name, tiles=TILES, device="cpu"))
    back = read_segmentation(files[0])
    assert {f.name for f in files} == {name, "a.recipe.json", "a.objects.csv"} == {p.name for p in tmp_path.iterdir()}
    assert (back.task, back.spacing, back.unit) == (task, (0.5, 0.5), "um")
    # maps of a large image are kept in half precision, so a voxel at a threshold may fall on the other side
    assert np.mean((np.asarray(back.labels) > 0) == (whole.labels > 0)) > 0.995
    assert set(np.unique(back.labels)) - {0} == set(back.objects.label) == set(found.objects.label)
    assert (found.labels.size == 0) == large


def test_a_region_lies_where_it_was(tmp_path, large):
    region = (slice(20, 90), slice(10, 100))
    _, files = drain(predict_to_file(noise(), bundle_of(), tmp_path / "a.ome.zarr", device="cpu", region=region))
    back = read_segmentation(files[0])
    assert back.labels.shape == (70, 90)
    assert list(back.recipe["origin"]) == [20, 10]


@pytest.mark.parametrize("moment", ["Predicting", "Writing the file"])
def test_cancel_leaves_nothing(tmp_path, large, moment):
    job = predict_to_file(noise((400, 400)), bundle_of(), tmp_path / "a.ome.zarr", tiles=TILES, device="cpu")
    seen = False
    for event in job:
        seen = seen or (isinstance(event, Stage) and event.text == moment)
        if seen and isinstance(event, Step):
            break
    assert seen
    job.close()
    assert not list(tmp_path.iterdir())


def test_writing_tells_how_far_it_is(tmp_path, large):
    events = list(predict_to_file(noise(), bundle_of(), tmp_path / "a.ome.zarr", device="cpu"))
    at = next(i for i, e in enumerate(events) if isinstance(e, Stage) and e.text == "Writing the file")
    steps = [e.done for e in events[at:] if isinstance(e, Step)]
    assert steps
    assert steps == sorted(steps)
    assert max(steps) <= 100


@pytest.mark.parametrize(("name", "words"), [("missing/a.ome.zarr", "folder"), ("a.xyz", "xyz")])
def test_what_cannot_be_written_is_said_before_anything_is_computed(tmp_path, large, name, words):
    job = predict_to_file(noise(), bundle_of(), tmp_path / name, device="cpu")
    with pytest.raises(InputError, match=words):
        next(job)  # before the first event, so before anything is computed
