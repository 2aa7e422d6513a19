"""The public door: what it lists, what it takes, that it is lazy, and that the jobs behind it are the same."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import napari_segplugin as seg
from napari_segplugin.core import Note, Step
from napari_segplugin.io.samples import load_sample

TINY = {"widths": (4, 8)}
FEW = seg.TrainSpec(steps=2, seed=1)


@pytest.fixture(scope="module")
def sample():
    return seg.sample("nuclei2d")


@pytest.fixture(scope="module")
def tiny():
    return seg.new_model("unet", classes=["nucleus"], options=TINY, name="tiny")


def run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


# --- what is public ---------------------------------------------------------------------------------------------------


def test_every_public_name_is_there_and_documented():
    for name in seg.__all__:
        found = getattr(seg, name)
        assert name.startswith("_") or found.__doc__, name
    for name in seg.jobs.__all__:
        assert getattr(seg.jobs, name).__doc__, name
    assert set(seg.__all__) <= set(dir(seg))


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'no_such_verb'"):
        seg.no_such_verb  # noqa: B018


def test_a_plain_verb_has_a_job_of_the_same_parameters():
    import inspect

    for name in ("predict", "finetune", "train", "segment", "evaluate", "track"):
        call = set(inspect.signature(getattr(seg, name)).parameters) - {"progress"}
        job = set(inspect.signature(getattr(seg.jobs, name)).parameters) - {"stop", "preview", "before"}
        assert call == job, name


@pytest.mark.parametrize(
    "code",
    [
        "import napari_segplugin as seg",
        "import napari_segplugin as seg; seg.models(); seg.samples(); seg.recipes(); seg.jobs",
        "import napari_segplugin as seg; seg.segment(seg.sample('nuclei2d').image, 'threshold', progress=False)",
        "import napari_segplugin as seg, numpy as np; seg.measure(np.eye(4, dtype=int))",
        "import napari_segplugin as seg; seg.Corrections, seg.TrackSpec, seg.Report, seg.TrainSpec(), seg.FineTuneResult",
    ],
)
def test_nothing_imports_torch_until_a_network_computes(code):
    run(code + "\nimport sys; sys.exit('torch' in sys.modules)")


def test_the_bare_import_brings_nothing_but_the_standard_library():
    run("import sys; import napari_segplugin; sys.exit(any(m in sys.modules for m in ('numpy', 'torch', 'napari')))")


def test_importing_the_folder_of_networks_does_not_hide_the_list_of_models():
    run("import napari_segplugin as seg, napari_segplugin.networks, napari_segplugin.jobs; seg.models()['nuclei2d']")


def test_a_renamed_name_says_what_to_use_instead(monkeypatch):
    monkeypatch.setitem(seg._RENAMED, "old_predict", ("predict", "0.3"))
    with pytest.warns(DeprecationWarning, match=r"napari_segplugin\.predict now; the old name goes in version 0\.3"):
        assert seg.old_predict is seg.predict
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert seg.predict


# --- what may be handed in --------------------------------------------------------------------------------------------


def test_arrays_paths_and_images_give_the_same_result(tmp_path, sample, tiny):
    import tifffile

    array = np.asarray(sample.image.array)
    tifffile.imwrite(tmp_path / "cells.tif", array)
    results = [
        np.asarray(seg.predict(given, tiny, progress=False).labels)
        for given in (sample.image, array, str(tmp_path / "cells.tif"), tmp_path / "cells.tif")
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_an_array_whose_axes_are_not_certain_is_refused_until_they_are_named(tiny):
    stack = np.zeros((5, 40, 40), np.uint8)
    with pytest.raises(seg.InputError, match=r"order of the axes is not certain.*axes=\"ZYX\""):
        seg.predict(stack, tiny, progress=False)
    assert seg.predict(stack, tiny, axes="tyx", progress=False).axes == "TYX"
    found = seg.predict(stack, tiny, axes="ZYX", spacing=(2, 1, 1), unit="um", progress=False)
    assert (found.axes, found.spacing, found.unit) == ("ZYX", (2.0, 1.0, 1.0), "um")


def test_an_image_with_axes_once_more_is_refused(sample, tiny):
    with pytest.raises(seg.InputError, match="already has axes, voxel size and unit"):
        seg.predict(sample.image, tiny, axes="YX", progress=False)


def test_a_file_that_does_not_name_its_axes_is_a_note(tmp_path, tiny):
    np.save(tmp_path / "stack.npy", np.zeros((5, 40, 40), np.uint8))
    job = seg.jobs.predict(tmp_path / "stack.npy", tiny)
    events = []
    seg.drain(job, events.append)
    notes = [e.text for e in events if isinstance(e, Note)]
    assert any("Taken as" in text and "stack" in text for text in notes)


def test_models_by_name_folder_and_value(tmp_path, tiny):
    place = seg.save_model(tiny, tmp_path / "tiny")
    assert seg.load_model(str(place)).name == seg.load_model(place).name == seg.load_model(tiny).name == "tiny"
    assert seg.load_model("nuclei2d").name == "nuclei2d"
    with pytest.raises(seg.InputError, match=r"There is no model 'nope'.*nuclei2d"):
        seg.load_model("nope")
    seg.save_model(tiny, place, overwrite=True)
    with pytest.raises(seg.InputError):
        seg.save_model(tiny, place)


def test_the_list_of_models_has_folders_too_and_says_what_is_broken(tmp_path, tiny):
    seg.save_model(tiny, tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "spec.json").write_text("{")
    found = seg.models(tmp_path)
    good, bad = found[str(tmp_path / "good")], found[str(tmp_path / "bad")]
    assert (good.ndim, good.classes, good.problem) == (2, ("nucleus",), "")
    assert bad.problem
    assert str(bad) == bad.problem
    assert "nuclei2d" in found
    assert "nucleus" in str(found["nuclei2d"])
    with pytest.raises(seg.InputError, match="no such folder"):
        seg.models(tmp_path / "none")


def test_corrections_as_array_and_file(tmp_path, sample, tiny):
    import tifffile

    tifffile.imwrite(tmp_path / "strokes.tif", sample.corrections)
    for given in (sample.corrections, tmp_path / "strokes.tif", seg.Corrections(sample.corrections)):
        tuned = seg.finetune(sample.image, given, tiny, FEW, progress=False)
        assert tuned.bundle.history[-1]["steps"] == 2
        assert tuned.heldout


def test_several_images_are_a_list(sample, tiny):
    pair = [sample.image, np.asarray(sample.image.array)]
    tuned = seg.finetune(pair, [sample.corrections, sample.corrections], tiny, FEW, progress=False)
    assert tuned.bundle.name == "tiny, tuned 1"
    with pytest.raises(seg.InputError, match="Each image needs its own corrections"):
        seg.finetune(pair, [sample.corrections], tiny, FEW, progress=False)


# --- classical --------------------------------------------------------------------------------------------------------


def test_a_technique_by_name_and_a_recipe_by_name_file_and_value(tmp_path, sample):
    found = seg.segment(sample.image, "threshold", method="li", progress=False)
    recipe = seg.ClassicalRecipe("threshold", {"method": "li"})
    np.testing.assert_array_equal(found.labels, seg.segment(sample.image, recipe, progress=False).labels)
    path = seg.save_recipe(recipe, tmp_path / "mine.json")
    np.testing.assert_array_equal(found.labels, seg.segment(sample.image, path, progress=False).labels)
    assert len(seg.segment(sample.image, "nuclei2d", progress=False).objects) > 10


@pytest.mark.parametrize(
    ("technique", "settings", "words"),
    [
        ("no such thing", {}, r"no technique or recipe 'no such thing'.*threshold"),
        ("nuclei2d", {"method": "li"}, "Settings can only be given with the name of a technique"),
        ("threshold", {"sharpness": 3}, "sharpness"),
    ],
)
def test_what_is_no_technique_or_setting_is_named(sample, technique, settings, words):
    with pytest.raises(seg.InputError, match=words):
        seg.segment(sample.image, technique, progress=False, **settings)


def test_seeds_may_be_a_file(tmp_path, sample):
    import tifffile

    seeds = np.zeros(sample.image.spatial_shape, np.uint8)
    y, x = np.argwhere(sample.truth > 0)[0]
    seeds[y : y + 3, x : x + 3], seeds[0, 0] = 1, 2
    tifffile.imwrite(tmp_path / "seeds.tif", seeds)
    one = seg.segment(sample.image, "region_growing", seeds=seeds, progress=False)
    other = seg.segment(sample.image, "region_growing", seeds=tmp_path / "seeds.tif", progress=False)
    np.testing.assert_array_equal(one.labels, other.labels)


# --- training ---------------------------------------------------------------------------------------------------------


def test_training_from_pairs_makes_a_model_for_these_images(sample):
    pairs = [(sample.image, sample.truth)] * 3
    new = seg.train(pairs, "unet", FEW, options=TINY, classes=["nucleus"], share=0.34, name="mine", progress=False)
    assert (new.learnt, new.judged) == (2, 1)
    spec = new.bundle.spec
    assert (new.bundle.name, spec.ndim, spec.in_channels, spec.classes[1].name) == ("mine", 2, 1, "nucleus")
    assert set(new.after)
    assert not new.before
    again = seg.train(pairs, new.bundle, FEW, progress=False)
    assert again.bundle.name == "mine, tuned 1"
    assert again.before


def test_training_on_classes_takes_as_many_as_the_labels_show(sample):
    truth = (sample.truth > 0).astype(np.uint8) + (sample.truth > 20)
    new = seg.train([(sample.image, truth)], "unet", FEW, task="semantic", options=TINY, share=0, progress=False)
    assert [c.name for c in new.bundle.spec.classes] == ["background", "class 1", "class 2"]
    many = np.arange(sample.truth.size).reshape(sample.truth.shape)
    with pytest.raises(seg.InputError, match="too many label values"):
        seg.train([(sample.image, many)], "unet", FEW, task="semantic", options=TINY, share=0, progress=False)


def test_a_folder_teaches_like_its_pairs(tmp_path, sample):
    import tifffile

    for i in range(2):
        for kind, array in (("images", sample.image.array), ("masks", sample.truth.astype(np.uint16))):
            (tmp_path / kind).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / kind / f"{i}.tif", np.asarray(array))
    new = seg.train(tmp_path, "unet", FEW, options=TINY, share=0.5, progress=False)
    assert (new.learnt, new.judged) == (1, 1)


@pytest.mark.parametrize(
    "told", [{"task": "semantic"}, {"classes": ["a"]}, {"head": "distance"}, {"ndim": 3}, {"options": TINY}]
)
def test_a_model_that_is_told_what_it_finds_is_refused_and_not_silently_kept(sample, tiny, told):
    with pytest.raises(seg.InputError, match=f"already defines what it finds.*{next(iter(told))}"):
        seg.train([(sample.image, sample.truth)], tiny, FEW, progress=False, **told)


def test_training_on_nothing_is_refused(tiny):
    with pytest.raises(seg.InputError, match="nothing to train on"):
        seg.train([], tiny, FEW, progress=False)


def test_a_share_that_leaves_nothing_is_refused_before_anything_is_read(tmp_path, tiny):
    with pytest.raises(seg.InputError, match="from 0 to below 1"):
        seg.train(tmp_path / "none", tiny, FEW, share=1.0, progress=False)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"network": "no such net"}, "no network named"),
        ({"classes": "cell"}, "Classes must be a list of names"),
        ({"classes": ["cell"], "stuff": ["ground"]}, "The areas \\(stuff\\) must also be among the classes"),
    ],
)
def test_a_new_model_says_what_cannot_be(settings, words):
    with pytest.raises(seg.InputError, match=words):
        seg.new_model(**settings)


# --- judging, measuring, linking --------------------------------------------------------------------------------------


def test_evaluate_takes_arrays_segmentations_files_and_folders(tmp_path, sample, tiny):
    found = seg.predict(sample.image, tiny, progress=False)
    value = seg.evaluate(np.asarray(found.labels), sample.truth, task="instance", progress=False).value("AP@0.5")
    assert seg.evaluate(found, sample.truth, progress=False).value("AP@0.5") == value
    for folder, labels in (("found", found), ("truth", None)):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "a.tif"
        if labels is None:
            import tifffile

            tifffile.imwrite(path, sample.truth.astype(np.uint16))
        else:
            seg.write_segmentation(found, path)
    files = tmp_path / "found" / "a.tif", tmp_path / "truth" / "a.tif"
    assert seg.evaluate(*files, progress=False).value("AP@0.5") == value
    folders = seg.evaluate(tmp_path / "found", tmp_path / "truth", progress=False)
    assert folders.value("AP@0.5, mean over images") == value
    with pytest.raises(seg.InputError, match="It is not known what the labels"):
        seg.evaluate(files[1], files[1], progress=False)
    with pytest.raises(seg.InputError, match="two files or two folders"):
        seg.evaluate(files[0], tmp_path / "truth", progress=False)


def test_what_is_not_known_is_not_judged():
    truth, found = np.zeros((4, 8), int), np.zeros((4, 8), int)
    truth[1:3, 1:3], found[1:3, 1:3], found[1:3, 5:7] = 1, 1, 2
    known = np.ones((4, 8), bool)
    assert seg.evaluate(found, truth, progress=False).value("AP@0.5") == 0.5
    known[:, 4:] = False
    assert seg.evaluate(found, truth, known=known, progress=False).value("AP@0.5") == 1.0


def test_measure_takes_arrays_with_a_voxel_size_and_channels():
    labels = np.zeros((4, 6), np.uint16)
    labels[1:3, 1:4] = 5
    table = seg.measure(labels, np.full((4, 6), 7.0), spacing=(0.5, 0.5), unit="um")
    assert table["area"].values.tolist() == [1.5]
    for wrong in ((0.5,), (0.5, float("nan")), (0.5, -1.0)):
        with pytest.raises(seg.InputError, match="pixel size does not fit"):
            seg.measure(labels, spacing=wrong)
    for wrong in (np.zeros((3, 3)), np.full((3, 3), -1), np.zeros(4, int)):
        with pytest.raises(seg.InputError, match="not a label image"):
            seg.measure(wrong)


def test_track_needs_a_time_axis_by_name():
    cells = np.zeros((2, 8, 8), int)
    cells[0, 1:4, 1:4], cells[1, 2:5, 2:5] = 1, 2
    with pytest.raises(seg.InputError):
        seg.track(cells, progress=False)
    pytest.importorskip("laptrack")
    assert seg.track(cells, axes="TYX", progress=False).track == {1: 1}


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_a_job_tells_its_steps_and_closing_it_ends_it(sample, tiny):
    events = []
    found = seg.drain(seg.jobs.predict(sample.image, tiny), events.append)
    assert any(isinstance(e, Step) for e in events)
    assert found.labels.shape == sample.image.spatial_shape
    job = seg.jobs.predict(sample.image, tiny)
    next(job)
    job.close()
    with pytest.raises(StopIteration):
        next(job)


def test_progress_is_shown_on_stderr_and_can_be_left_out(capsys, sample):
    seg.segment(sample.image, "threshold")
    shown = capsys.readouterr()
    assert "segment:" in shown.err
    assert not shown.out
    seg.segment(sample.image, "threshold", progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_sample_is_what_the_reader_gives():
    assert seg.sample("nuclei3d").image.axes == load_sample("nuclei3d").image.axes == "ZYX"
    with pytest.raises(seg.InputError, match="no sample named"):
        seg.sample("nope")


def test_what_is_written_can_be_read(tmp_path, sample):
    found = seg.segment(sample.image, "threshold", progress=False)
    files = seg.write_segmentation(found, tmp_path / "out.tif", sample.image)
    assert all(Path(f).is_file() for f in files)
    np.testing.assert_array_equal(seg.read_segmentation(files[0]).labels, found.labels)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda image: seg.predict(image, 5, progress=False),
            "A model cannot be given like that. Got int. Accepted: a",
        ),
        (lambda image: seg.segment(image, 5, progress=False), "A technique cannot be given like that. Got int."),
        (
            lambda image: seg.segment(image, seg.load_model("nuclei2d"), progress=False),
            "To run a network, use predict.",
        ),
        (lambda image: seg.train(5, progress=False), "The images to train on cannot be given like that. Got int."),
        (lambda image: seg.train([image], progress=False), "list of (image, labels) pairs"),
    ],
)
def test_what_is_no_name_is_refused_in_words(call, words):
    with pytest.raises(seg.InputError) as told:
        call(np.zeros((8, 8), np.uint8))
    assert words in str(told.value)
