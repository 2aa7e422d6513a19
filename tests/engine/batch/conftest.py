"""Images as files, and small networks, for orders."""

import pytest
import tifffile
from squares import squares

from napari_segplugin.core import ClassicalRecipe, ClassInfo, ClassTable, CleanupStep, Kind, ModelSpec, Task


@pytest.fixture
def cells():
    """A recipe that finds squares."""
    steps = CleanupStep("remove_small", {"size": 20}), CleanupStep("label")
    return ClassicalRecipe("threshold", {"method": "manual", "value": 100.0}, steps)


@pytest.fixture
def plate(tmp_path):
    """A folder with two images of squares, one without any, one that is no image, and a note."""
    folder = tmp_path / "plate1"
    folder.mkdir()
    for name, count in (("a", 6), ("b", 2), ("d", 0)):
        tifffile.imwrite(folder / f"{name}.tif", squares(count=count), photometric="minisblack")
    (folder / "c.tif").write_bytes(b"no image at all")
    (folder / "notes.txt").write_text("of the microscope")
    return folder


@pytest.fixture(scope="session")
def network():
    """Makes a network with random weights."""
    pytest.importorskip("torch")
    from napari_segplugin.engine.train.train import new_bundle

    def make(task="instance", ndim=2, name="tiny", seed=0, names=("cell", "ground")):
        kinds = {"semantic": (Kind.STUFF,) * 2, "instance": (Kind.THING,) * 2}.get(task, (Kind.THING, Kind.STUFF))
        rows = [ClassInfo(0, "background", "#00000000", Kind.STUFF)]
        rows += [ClassInfo(i, n, "#ff0000ff", k) for i, (n, k) in enumerate(zip(names, kinds, strict=True), 1)]
        spec = ModelSpec("unet", ndim, 1, Task(task), ClassTable(tuple(rows)), {"widths": (4, 8)})
        return new_bundle(spec, name=name, seed=seed)

    return make
