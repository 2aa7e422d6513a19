"""Words that users read: no old phrases, no steps and options below the faces, a place for every setting."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

import napari_segplugin
from napari_segplugin.cli import where as command_line
from napari_segplugin.core import InputError, Note, OutOfMemoryError
from napari_segplugin.core.words import Setting, pixel, plain_metric, voxels

PACKAGE = Path(napari_segplugin.__file__).parent
ROOT = Path(__file__).parents[1]
BELOW = ("core", "data", "classical", "networks", "losses", "tasks", "metrics", "io", "engine", "door")
"""Floors that serve the dock, the command line and Python alike, so that their texts name none of them."""
FACES = re.compile(r"\bstep [1-9]|\bdock\b|\bpress\b|\bbutton\b|\bAdvanced\b|--[a-z]", re.IGNORECASE)
ALLOWED = {
    ("networks/resnet.py", " --index-url https://download.pytorch.org/whl/"): "an option of pip",
    ("networks/resnet.py", "Run: pip install --force-reinstall torch torchvision"): "an option of pip",
    ("engine/doctor/card.py", "--query-gpu=name,driver_version"): "an option of nvidia-smi",
    ("engine/doctor/card.py", "--format=csv,noheader"): "an option of nvidia-smi",
    ("engine/doctor/examine.py", " --no-deps napari-segplugin"): "an option of pip",
    ("engine/doctor/report.py", "pip install --force-reinstall"): "an option of pip",
    (
        "door/progress.py",
        "\nEnding the training and keeping the best state; press Ctrl-C again to cancel.\n",
    ): "a key, told only where there is a terminal",
    ("engine/predict/plan.py", ", step 1"): "the step of a slice",
}

OLD = (
    "What the network is punished for", "where objects are small", "parts it in two", "uneven light does no harm",
    "hangs together", "hang together", "Wants clean labels", "on wish", "agree with the whole image only about", "no matter",
    "a hole has at most", "an object has at least", "There shall be", "Go on with them", "anew", "that comes along",
    "How the image is parted", "while you turn the settings", "What is done of the whole", "Nothing has changed then",
    "that is judged", "that is right.", "Point at a number", "takes it back", "Learn from own certainty",
    "when it is looked at", "flattering", "than memory allows to look", "outside of the image", "features table",
    "looked at", "parted", "held-out strokes", "Voxels around a tile",
)  # fmt: skip
"""Phrases that read like another language, or like the inside of the program; docs/words.md has the words to use."""


def texts(path):
    """Strings of a module that are no docstrings, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def modules(*folders):
    return [p for folder in folders for p in sorted((PACKAGE / folder).rglob("*.py"))]


def settings_in(path):
    """Values of the keyword ``setting`` in a module's calls of errors and notes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("InputError", "Note", "OutOfMemoryError"):
            for word in node.keywords:
                if word.arg == "setting" and isinstance(word.value, ast.Constant):
                    yield word.value.value


def test_texts_below_the_faces_name_neither_steps_nor_options():
    below = [p for p in modules(*BELOW) if p != PACKAGE / "door" / "typed.py"]  # whose texts are commands
    found = {(p.relative_to(PACKAGE).as_posix(), t) for p in below for t in texts(p) if FACES.search(t)}
    assert found - set(ALLOWED) == set()
    assert set(ALLOWED) - found == set(), "no longer needed"


def test_every_setting_that_a_text_points_to_has_a_place_in_both_faces():
    pytest.importorskip("qtpy")
    from napari_segplugin.widgets import where as window

    used = {s for p in modules(*BELOW) for s in settings_in(p)}
    assert used == set(get_args(Setting)) == set(window.PLACES) == set(command_line.OPTIONS)
    assert all(window.PLACES.values())


def test_options_that_are_named_can_be_typed(capsys):
    from napari_segplugin.cli.parser import make_parser

    helps = ""
    for command in ("predict", "finetune", "train", "evaluate", "export"):
        with pytest.raises(SystemExit):
            make_parser().parse_args([command, "--help"])
        helps += capsys.readouterr().out
    for phrase in command_line.OPTIONS.values():
        for option in re.findall(r"--[a-z-]+", phrase):
            assert option in helps


@pytest.mark.parametrize(
    "said",
    [
        InputError("No.", hint="Choose another one", setting="zoom"),
        Note("No. Choose another one.", "zoom"),
        OutOfMemoryError("No. Choose another one.", setting="zoom"),
    ],
)
def test_each_face_says_where_its_setting_is(said):
    pytest.importorskip("qtpy")
    from napari_segplugin.widgets import where as window

    assert window.told(said) == "No. Choose another one. See Zoom, in the settings of Find."
    assert command_line.told(said) == "No. Choose another one. Option: --zoom auto."


@pytest.mark.parametrize("said", [InputError("No"), Note("No."), OutOfMemoryError("No.")])
def test_a_text_without_a_setting_stays_as_it_is(said):
    assert command_line.told(said) == "No."


def test_an_error_keeps_its_setting_on_the_way_home_from_a_worker():
    import pickle

    pickling_support = pytest.importorskip("tblib.pickling_support")  # what distributed sends errors with
    pickling_support.install()
    error = pickle.loads(pickle.dumps(InputError("No.", got=3, setting="tile_size")))
    assert (str(error), error.setting) == ("No. Got 3.", "tile_size")
    full = pickle.loads(pickle.dumps(OutOfMemoryError("Full.", setting="tile_size")))
    assert (str(full), full.setting) == ("Full.", "tile_size")


def test_old_phrases_occur_nowhere():
    shown = [t for p in sorted(PACKAGE.rglob("*.py")) for t in texts(p)]
    files = [PACKAGE / "napari.yaml", ROOT / "README.md", *PACKAGE.rglob("*.md"), *(ROOT / "docs").glob("*.md")]
    shown += [" ".join(p.read_text(encoding="utf-8").split()) for p in files]
    assert [(old, text[:80]) for old in OLD for text in shown if re.search(rf"\b{re.escape(old)}", text)] == []


def test_a_point_is_a_pixel_in_a_plane_and_a_voxel_in_a_volume():
    assert (pixel(2), pixel(3)) == ("pixel", "voxel")
    assert (voxels(0, 2), voxels(1, 3), voxels(12345, 3)) == ("0 pixels", "1 voxel", "12,345 voxels")


def test_scores_on_what_was_kept_aside_are_named_so():
    assert plain_metric("held-out AP@0.5") == "AP@0.5 (kept aside)"
    assert plain_metric("loss") == "loss"
