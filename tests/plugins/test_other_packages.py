"""A small package that adds one of each part, built and installed for the test, and what happens without it.

Everything runs in other interpreters: the registries of this one must not know the package.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_segplugin
from napari_segplugin.core import ClassicalRecipe, CleanupStep
from napari_segplugin.io import save_recipe

pytest.importorskip("torch")
pytest.importorskip("hatchling")

HERE = Path(__file__).parent
HOME = Path(napari_segplugin.__file__).parents[1]
ADDED = {
    "networks": "dilated",
    "losses": "brier",
    "techniques": "half_way",
    "cleanups": "bounded",
    "formats": "voxels",
    "metrics": "ochiai",
    "heads": "border",
}
SEVERAL = """
import contextlib, io, json, sys
from napari_segplugin.cli import main
for arguments in json.loads(sys.stdin.read()):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""
"""Runs several command lines in one interpreter, which has to import torch only once."""


def python(*arguments, path=(), **more):
    """Run an interpreter that sees this copy of the package, and the folders given."""
    places = os.pathsep.join([str(HOME), *map(str, path)])
    environment = {**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False, **more
    )


def commands(*lines, path=()):
    """Run command lines; exit code, stdout and stderr of each."""
    given = json.dumps([[str(word) for word in line] for line in lines])
    done = python("-c", SEVERAL, path=path, input=given)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def extra(tmp_path_factory):
    """The folder in which the package is installed."""
    return install(HERE / "segplugin_extra", tmp_path_factory.mktemp("site"))


def install(project, target):
    """Build a project and put it into a folder; the folder."""
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    done = python("-m", "pip", "install", *options, "--target", target, project)
    assert done.returncode == 0, done.stderr
    return target


def scene(seed=0):
    """Bright squares in noise, two of which touch along a dimmer seam; and their numbers."""
    rng = np.random.default_rng(seed)
    objects = np.zeros((40, 48), np.uint16)
    for number, (y, x) in enumerate([(4, 4), (4, 14), (4, 34), (24, 4), (24, 20), (24, 34)], 1):
        objects[y : y + 10, x : x + 10] = number
    light = (objects > 0) * 150
    light[4:14, 13:15] = 60
    return (light + rng.integers(20, 60, objects.shape)).astype(np.uint8), objects


@pytest.fixture(scope="module")
def model(extra, tmp_path_factory):
    """A model with the network and the head of the package, trained by its loss; and the folder that it learnt from."""
    folder = tmp_path_factory.mktemp("training")
    for seed in range(3):
        for name, array in zip(("images", "masks"), scene(seed), strict=True):
            (folder / "set" / name).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / "set" / name / f"{seed}.tif", array)
    chosen = ("--network", "dilated", "--head", "border", "--loss", "brier", "--option", "width=16", "--device", "cpu")
    train = (
        "train",
        folder / "set",
        "--output",
        folder / "model",
        *chosen,
        "--steps",
        200,
        "--learning-rate",
        0.01,
        "--no-augment",
        "--json",
    )
    predict = ("predict", folder / "set" / "images" / "0.tif", "--model", folder / "model", "--output", folder / "out")
    listed = ("models", folder / "model", "--json")
    found = commands(train, (*predict, "--device", "cpu", "--json"), listed, path=[extra])
    assert [code for code, _, _ in found] == [0, 0, 0], found
    return folder, [json.loads(out) for _, out, _ in found]


def test_every_part_is_listed_with_its_package_and_what_is_broken_is_a_sentence(extra):
    (code, out, err), (_, _, beside) = commands(("models", "--parts", "--json"), ("models",), path=[extra])
    assert code == 0
    found = json.loads(out)
    for kind, name in ADDED.items():
        row = next(row for row in found["parts"][kind] if row["name"] == name)
        assert row["package"] == "segplugin-extra"
        assert all(r["package"] == "" for r in found["parts"][kind] if r["name"] != name)
    assert found["parts"]["networks"][0]["title"] == "U-Net"
    broken, nonsense, taken = found["problems"]
    assert "'segplugin-extra' offers a network ('broken') that cannot be loaded: ModuleNotFoundError" in broken
    assert "('nonsense') of the wrong type: int instead of NetworkRow." in nonsense
    assert "('taken') named 'unet', but this name is taken already; it is left out." in taken
    assert all(sentence in err and sentence in beside for sentence in found["problems"])


def test_nothing_is_looked_for_until_a_registry_is_listed(extra):
    code = """
import sys
import napari_segplugin
from napari_segplugin.networks import NETWORKS
from napari_segplugin.losses import LOSSES
NETWORKS["unet"], LOSSES["dice"], "unet" in NETWORKS
assert "segplugin_extra" not in sys.modules
assert "dilated" in NETWORKS and NETWORKS["dilated"].label == "Dilated convolutions (segplugin-extra)"
assert "segplugin_extra" in sys.modules and "torch" not in sys.modules
"""
    done = python("-c", code, path=[extra])
    assert done.returncode == 0, done.stderr


def test_the_command_line_offers_the_names(extra):
    known, unknown = commands(("train", "--help"), ("train", "x", "--output", "y", "--network", "vgg"), path=[extra])
    assert all(name in known[1] for name in ("dilated", "border", "brier"))
    assert unknown[0] == 2
    assert "dilated" in unknown[2]


def test_a_network_a_head_and_a_loss_train_and_predict(model):
    folder, (trained, predicted, listed) = model
    assert trained["steps"] == 200
    spec = json.loads((folder / "model" / "spec.json").read_text())["spec"]
    assert (spec["network"], spec["head"], spec["packages"]) == ("dilated", "border", ["segplugin-extra"])
    assert "Install segplugin-extra" in (folder / "model" / "README.md").read_text()
    assert listed["models"][-1]["network"] == "dilated"
    labels = tifffile.imread(folder / "out" / "0_labels.tif")
    truth = scene(0)[1]
    # six objects, of which two touch: only the borders that the head has learnt can part those
    assert predicted["results"][0]["objects"] == 6
    assert labels[8, 8] != labels[8, 19]
    assert ((labels > 0) == (truth > 0)).mean() > 0.95


def test_without_the_package_a_sentence_says_what_to_install(model):
    folder, _ = model
    predict = ("predict", folder / "set" / "images" / "0.tif", "--model", folder / "model", "--output", folder / "not")
    (code, _, err), (_, listed, _) = commands(predict, ("models", folder / "model", "--json"))
    assert code == 2
    assert "The model 'model' needs segplugin-extra, which is not installed." in err
    assert "pip install segplugin-extra" in err
    assert "needs segplugin-extra" in json.loads(listed)["models"][-1]["error"]


def test_a_technique_and_a_step_run_from_a_recipe(extra, tmp_path):
    image, truth = scene()
    tifffile.imwrite(tmp_path / "a.tif", image)
    recipe = ClassicalRecipe("half_way", {"share": 0.25}, (CleanupStep("bounded", {"least": 0.5}),))
    save_recipe(recipe, tmp_path / "own.json")
    line = ("run", tmp_path / "own.json", tmp_path / "a.tif", "--output", tmp_path)
    (made, _, err), (without, _, sentence) = *commands(line, path=[extra]), *commands(line)
    assert made == 0, err
    assert np.array_equal(tifffile.imread(tmp_path / "a_labels.tif") > 0, truth > 0)
    assert without == 2
    assert "no technique named 'half_way'" in sentence


def test_a_format_is_written_and_read_and_a_metric_stands_in_the_report(extra, tmp_path):
    _, truth = scene()
    tifffile.imwrite(tmp_path / "a.tif", truth)
    shifted = np.roll((truth > 0).astype(np.uint8), 2, 1)
    tifffile.imwrite(tmp_path / "b.tif", shifted)
    tifffile.imwrite(tmp_path / "t.tif", (truth > 0).astype(np.uint8))
    write = ("export", tmp_path / "a.tif", "--to", ".voxels.json", "--spacing", "0.5,0.5", "--unit", "um")
    measure = ("measure", tmp_path / "a.voxels.json", "--json")
    judge = ("evaluate", tmp_path / "b.tif", tmp_path / "t.tif", "--task", "semantic", "--json")
    written, measured, judged = commands(write, measure, judge, path=[extra])
    assert written[0] == 0, written
    kept = json.loads((tmp_path / "a.voxels.json").read_text())
    assert np.array_equal(kept["voxels"], truth)
    assert (kept["axes"], kept["spacing"], kept["unit"]) == ("YX", {"Y": 0.5, "X": 0.5}, "um")
    assert measured[0] == 0, measured
    rows = json.loads(judged[1])
    found = next(row for row in str(rows).split("{") if "Ochiai" in row)
    both = ((truth > 0) & (shifted > 0)).sum() / np.sqrt((truth > 0).sum() * (shifted > 0).sum())
    assert f"{both:.6f}"[:-1] in found
    assert "(by segplugin-extra)" in found


def test_the_example_of_the_manual_works(tmp_path):
    """Its files as they stand there, installed, and its lines of Python."""
    page = (HERE.parents[1] / "docs" / "extend.md").read_text(encoding="utf-8")
    files = re.findall(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```", page, re.M | re.S)
    assert [name for name, _ in files] == [
        "pyproject.toml",
        "src/segplugin_mine/__init__.py",
        "src/segplugin_mine/network.py",
    ]
    for name, text in files:
        place = tmp_path / "project" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    site = install(tmp_path / "project", tmp_path / "site")
    example = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)[-1]
    done = python("-c", example, path=[site], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    test = HERE.parent / "networks" / "test_models.py"
    asked = ("-q", "-p", "no:cacheprovider", "-k", "mine and (tile or size)", str(test))
    done = python("-m", "pytest", *asked, path=[site], cwd=HERE.parents[1])
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_promise_tests_find_the_rows_of_other_packages(extra):
    rooms = ("networks/test_models.py", "losses", "classical", "io/test_read_formats.py", "io/test_writing.py")
    rooms += ("metrics/test_metric_promises.py", "tasks", "engine/predict/test_centre_offset_head.py")
    names = " or ".join(ADDED.values())
    tests = [str(HERE.parent / room) for room in rooms]
    done = python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", names, *tests, path=[extra], cwd=HERE.parents[1]
    )
    assert done.returncode == 0, done.stdout[-4000:]
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed > 200
