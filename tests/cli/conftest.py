"""Tiny images and a tiny network with random weights, as files."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

pytest.importorskip("torch")


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory):
    """Saves a random bundle of a task and returns its folder."""
    from napari_segplugin.core import ClassInfo, ClassTable, Kind, ModelSpec, Task
    from napari_segplugin.engine.train.train import new_bundle
    from napari_segplugin.io import save_bundle

    def make(task="instance", ndim=2, names=("cell",), stuff=()):
        table = ClassTable.named(names, Kind.STUFF if task == "semantic" else Kind.THING)
        rows = [ClassInfo(c.id, c.name, c.color, Kind.STUFF if c.name in stuff else c.kind) for c in table]
        table = ClassTable(tuple(rows))
        spec = ModelSpec("unet", ndim, 1, Task(task), table, {"widths": (4, 8)})
        folder = tmp_path_factory.mktemp("bundles") / f"tiny-{task}"
        return save_bundle(new_bundle(spec, name="tiny"), folder)

    return make


def scene(shape=(40, 48), seed=0):
    """Bright squares in noise: the image and the object numbers."""
    rng = np.random.default_rng(seed)
    objects = np.zeros(shape, np.uint16)
    for number, (y, x) in enumerate([(4, 4), (4, 20), (4, 36), (24, 4), (24, 20), (24, 36)], 1):
        objects[..., y : y + 8, x : x + 8] = number
    return ((objects > 0) * 120 + rng.integers(20, 60, shape)).astype(np.uint8), objects


@pytest.fixture
def files(tmp_path):
    """Writes images and labels of a scene."""

    def write(name, array):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        axes = "ZYX"[-array.ndim :]
        tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": axes}, ome=False)
        return str(path)

    return SimpleNamespace(folder=tmp_path, write=write, scene=scene)


@pytest.fixture
def run(capsys):
    """Runs a command line: exit code, stdout, stderr."""
    from napari_segplugin.cli import main

    def call(*arguments):
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err, json=json.loads(out) if "--json" in arguments else None)

    return call
