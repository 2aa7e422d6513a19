"""`segplugin train` and `segplugin finetune`: new bundles, held-out numbers, nothing written over."""

import signal

import numpy as np
import pytest

from napari_segplugin.cli.parser import make_parser
from napari_segplugin.io import load_bundle

FAST = ("--steps", "3", "--batch", "1", "--device", "cpu")


@pytest.fixture
def folder(files):
    """A training folder of three images."""
    for seed in range(3):
        image, objects = files.scene(seed=seed)
        files.write(f"set/images/{seed}.tif", image)
        files.write(f"set/masks/{seed}.tif", objects)
    return files.folder / "set"


def test_train_makes_a_bundle_that_predicts(run, files, folder):
    got = run("train", folder, "--output", files.folder / "new", *FAST, "--json")
    assert got.code == 0, got.err
    assert (got.json["images"], got.json["validation"], got.json["steps"]) == (2, 1, 3)
    assert "held-out object IoU" in got.json["quality"]
    assert load_bundle(files.folder / "new").name == "new"
    assert run("predict", folder / "images" / "0.tif", "--model", files.folder / "new").code == 0


def test_train_semantic_names_as_many_classes_as_the_labels_show(run, files, folder):
    run("train", folder, "--output", files.folder / "new", "--task", "semantic", "--validation", "0", *FAST)
    spec = load_bundle(files.folder / "new").spec
    assert [c.name for c in spec.classes][-1] == "class 6"


def test_train_from_a_model_keeps_its_classes(run, files, folder, make_bundle):
    got = run("train", folder, "--output", files.folder / "new", "--from", make_bundle(), *FAST)
    assert got.code == 0, got.err
    assert load_bundle(files.folder / "new").spec.classes[1].name == "cell"


@pytest.mark.parametrize(("ndim", "shape"), [(2, (3, 40, 48)), (3, (8, 40, 48))])
def test_train_on_volumes_in_3d_or_plane_by_plane(run, files, ndim, shape):
    for seed in range(2):
        image, objects = files.scene(shape, seed)
        files.write(f"set/{seed}_image.tif", image)
        files.write(f"set/{seed}_labels.tif", objects)
    got = run(
        "train",
        files.folder / "set",
        "--output",
        files.folder / "new",
        "--ndim",
        ndim,
        "--patch",
        "8,16,16"[2 * (3 - ndim) :],
        *FAST,
    )
    assert got.code == 0, got.err
    assert load_bundle(files.folder / "new").spec.ndim == ndim


def test_train_panoptic_with_classes_beside_the_objects(run, files):
    for seed in range(2):
        image, objects = files.scene(seed=seed)
        files.write(f"set/images/{seed}.tif", image)
        files.write(f"set/labels/{seed}.tif", objects)
        files.write(f"set/classes/{seed}.tif", np.where(objects > 3, 2, objects > 0).astype(np.uint8))
    got = run(
        "train", files.folder / "set", "--output", files.folder / "new", "--task", "panoptic", "--classes", "a,b", *FAST
    )
    assert got.code == 0, got.err
    assert load_bundle(files.folder / "new").spec.classes.thing_ids == (1, 2)


def test_train_with_centres_and_offsets(run, files, folder):
    got = run("train", folder, "--output", files.folder / "new", "--head", "centre_offset", *FAST)
    assert got.code == 0, got.err
    assert load_bundle(files.folder / "new").spec.head == "centre_offset"
    assert run("predict", folder / "images" / "0.tif", "--model", files.folder / "new").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{folder}", "--output", "{folder}"], "already exists"),
        (["{folder}", "--output", "{new}/deep/er"], "does not exist"),
        (["{new}", "--output", "{new}"], "no such folder"),
        (["{folder}", "--output", "{new}", "--validation", "1"], "from 0 to below 1"),
        (["{folder}", "--output", "{new}", "--task", "semantic", "--classes", "a,b"], "values that are not classes"),
        (["{folder}", "--output", "{new}", "--stuff", "b"], "must also be among the classes"),
        (["{folder}", "--output", "{new}", "--seconds", "0"], "needs a time limit"),
        (["{folder}", "--output", "{new}", "--task", "semantic", "--head", "centre_offset"], "no objects"),
    ],
)
def test_train_refuses_with_a_sentence_before_any_time_is_spent(run, files, folder, arguments, words):
    names = {"folder": folder, "new": files.folder / "new"}
    got = run("train", *[a.format(**names) for a in arguments])
    assert got.code == 2
    assert words in got.err
    assert not (files.folder / "new").exists()


@pytest.fixture
def painted(files):
    """An image and strokes in four objects and the background."""
    image, objects = files.scene()
    paint = np.where(np.isin(objects, (1, 2, 3, 4)), objects, 0).astype(np.uint16)
    return files.write("cells.tif", image), files.write("paint.tif", paint)


def test_finetune_makes_a_new_bundle_and_says_how_good_it_is(run, files, make_bundle, painted):
    model = make_bundle()
    got = run("finetune", *painted, "--model", model, "--output", files.folder / "tuned", *FAST, "--json")
    assert got.code == 0, got.err
    assert set(got.json["before"]) == set(got.json["after"]) == {"held-out object IoU", "held-out Dice"}
    assert load_bundle(files.folder / "tuned").name == "tiny, tuned 1"
    assert load_bundle(model).history == ()


def test_finetune_says_whether_the_new_model_is_better_and_writes_it_whatever_that_is(run, files, make_bundle, painted):
    first = files.folder / "first"
    assert run("finetune", *painted, "--model", make_bundle(), "--output", first, *FAST).code == 0
    got = run(
        "finetune", *painted, "--model", first, "--output", files.folder / "second", *FAST, "--as-before", "2", "--json"
    )
    assert got.code == 0, got.err
    assert got.json["better"] is False
    record = load_bundle(files.folder / "second").history[-1]
    assert record["spec"]["keep"] == 2.0
    assert record["verdict"]["outcome"] in ("no better", "not enough")
    assert "the old model stays." in record["verdict"]["text"]
    plain = run("finetune", *painted, "--model", first, "--output", files.folder / "third", *FAST)
    assert f"{record['verdict']['text']} The new one is written all the same." in plain.out


def test_finetune_takes_losses_and_a_reviewed_result(run, files, make_bundle, painted):
    objects = files.scene()[1]
    result, mask = files.write("result.tif", objects), files.write("mask.tif", (objects < 9).astype(np.uint8))
    files.write("empty.tif", np.zeros_like(objects))
    got = run(
        "finetune",
        painted[0],
        files.folder / "empty.tif",
        "--model",
        make_bundle(),
        "--output",
        files.folder / "tuned",
        "--result",
        result,
        "--reviewed",
        mask,
        "--loss",
        "cross_entropy:1",
        "dice:0.5",
        *FAST,
    )
    assert got.code == 0, got.err
    terms = load_bundle(files.folder / "tuned").history[-1]["spec"]["loss"]["terms"]
    assert [(t["name"], t["weight"]) for t in terms] == [("cross_entropy", 1.0), ("dice", 0.5)]


def test_finetune_with_nothing_painted_gives_advice(run, files, make_bundle):
    image, objects = files.scene()
    paths = files.write("cells.tif", image), files.write("paint.tif", np.zeros_like(objects))
    got = run("finetune", *paths, "--model", make_bundle(), "--output", files.folder / "tuned", *FAST)
    assert got.code == 2
    assert "Nothing is painted yet" in got.err


def test_ctrl_c_ends_a_training_with_its_best_state(run, files, folder, monkeypatch):
    from napari_segplugin.core import Metric
    from napari_segplugin.door import progress

    show = progress.Progress.__call__

    def interrupt(self, event):
        if isinstance(event, Metric) and event.step == 2 and event.name == "loss":
            signal.raise_signal(signal.SIGINT)
        show(self, event)

    monkeypatch.setattr(progress.Progress, "__call__", interrupt)
    got = run("train", folder, "--output", files.folder / "new", "--steps", "100000", "--batch", "1", "--json")
    assert got.code == 130
    assert got.json["steps"] == 2
    assert load_bundle(files.folder / "new").history[-1]["steps"] == 2


def test_ctrl_c_twice_cancels_and_leaves_nothing(run, files, folder, monkeypatch):
    from napari_segplugin.core import Metric
    from napari_segplugin.door import progress

    def interrupt(self, event):
        if isinstance(event, Metric):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(progress.Progress, "__call__", interrupt)
    # a shell that runs the tests in the background ignores Ctrl-C for them: what has to come back is what was there
    before = signal.getsignal(signal.SIGINT)
    got = run("train", folder, "--output", files.folder / "new", "--steps", "100000", "--batch", "1")
    assert got.code == 130
    assert not (files.folder / "new").exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_unknown_loss_is_refused_by_the_parser(capsys):
    from napari_segplugin.cli import main

    with pytest.raises(SystemExit) as end:
        main(["train", "x", "--output", "y", "--loss", "hinge"])
    assert end.value.code == 2
    assert "there is no loss 'hinge'" in capsys.readouterr().err


def test_train_takes_options_of_network_and_training(run, files, folder):
    got = run(
        "train", folder, "--output", files.folder / "new", "--option", "deep_supervision=true", "widths=[4,8]",
        "--augment", "elastic=3", "scale=1.1", "--balance", "--freeze", "0.5", "--layer-decay", "0.8",
        "--keep", files.folder / "kept", "--intensities", "ct", *FAST, "--json",
    )  # fmt: skip
    assert got.code == 0, got.err
    assert any("reads values as they are" in note for note in got.json["notes"])
    assert any(note.startswith("Balance:") for note in got.json["notes"])
    bundle = load_bundle(files.folder / "new")
    assert bundle.spec.options == {"deep_supervision": True, "widths": [4, 8]}
    assert bundle.normalisation.rule == "values"
    spec = bundle.history[-1]["spec"]
    assert spec["augmentation"]["elastic"] == 3
    assert (spec["balance"], spec["freeze"], spec["layer_decay"]) == (True, 0.5, 0.8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--augment", "swirl=3"), "Unknown fields in AugmentSpec"),
        (("--augment", "scale=9"), "is an enlargement factor"),
        (("--option", "depth=3"), "no such options"),
        (("--freeze", "2"), "is a fraction"),
    ],
)
def test_settings_that_do_not_exist_are_refused(run, files, folder, arguments, words):
    got = run("train", folder, "--output", files.folder / "new", *arguments, *FAST)
    assert got.code != 0
    assert words in got.err


def test_a_setting_without_a_value_is_refused_by_the_parser(capsys):
    with pytest.raises(SystemExit):
        make_parser().parse_args(["train", "x", "--output", "y", "--option", "depth"])
    assert "not of the form KEY=VALUE" in capsys.readouterr().err


def test_terms_of_weak_labels_and_tensorboard_reach_the_training(run, files, folder):
    pytest.importorskip("tensorboardX")
    board = files.folder / "board"
    weak = ("--regulariser", "0.5", "--teacher", "0.25", "--tensorboard", board)
    got = run("train", folder, "--output", files.folder / "new", *FAST, *weak, "--json")
    assert got.code == 0, got.err
    spec = load_bundle(files.folder / "new").history[-1]["spec"]
    assert (spec["regulariser"], spec["teacher"]) == (0.5, 0.25)
    assert sum(p.stat().st_size for p in board.iterdir()) > 200


@pytest.mark.parametrize(
    "command", [["train", "x", "--output", "y"], ["finetune", "x", "--model", "m", "--output", "y"]]
)
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--loss", "dice:nan"], "loss 'dice'"),
        (["--loss", "dice:inf"], "loss 'dice'"),
        (["--spacing", "nan,1"], "'nan,1' is not a list of positive numbers"),
        (["--spacing", "inf,1"], "not a list of positive numbers"),
        (["--spacing", "0,1"], "not a list of positive numbers"),
    ],
)
def test_numbers_that_are_none_are_refused_by_the_parser(capsys, command, more, words):
    from napari_segplugin.cli import main

    with pytest.raises(SystemExit) as end:
        main([*command, *more])
    assert end.value.code == 2
    assert words in capsys.readouterr().err


def test_numbers_of_a_training_that_are_none_are_refused_before_anything_is_read(run, files, folder):
    for word in ("--learning-rate", "--regulariser", "--teacher"):
        got = run("train", folder, "--output", files.folder / "new", word, "nan", *FAST)
        assert got.code == 2
        assert "nan" in got.err
        assert not (files.folder / "new").exists()
