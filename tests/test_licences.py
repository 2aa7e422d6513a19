"""Whoever gets a sample or a model gets the licence in full: its text and whose work it is."""

import json

import pytest

from napari_segplugin.core import drain
from napari_segplugin.io import load_bundle, sample_names, samples, save_bundle, shipped_bundles

MARKS = {
    "MIT": ("Permission is hereby granted, free of charge", 'THE SOFTWARE IS PROVIDED "AS IS"', "Copyright (c)"),
    "BSD-3-Clause": ("Redistribution and use in source and binary forms", "Neither the name", "Copyright (c)"),
    "CC0-1.0": ("Statement of Purpose", "1. Copyright and Related Rights.", "4. Limitations and Disclaimers."),
}
TRAINED_ON = {"nuclei2d": ["nuclei2d"], "nuclei3d": ["nuclei3d", "stardist_nuclei3d"], "axon_sem": ["axon_sem"]}
TEXTS = {
    **{f"sample {n}": samples._SHELF / n / "LICENSE.txt" for n in sample_names()},
    **{f"model {n}": folder / "LICENSE.txt" for n, folder in shipped_bundles().items()},
}


def about(name):
    return json.loads((samples._SHELF / name / "sample.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_of_every_licence_is_complete(name):
    kind, _, key = name.partition(" ")
    wanted = about(key)["licence"] if kind == "sample" else load_bundle(shipped_bundles()[key]).licence.splitlines()[0]
    text = TEXTS[name].read_text(encoding="utf-8")
    for licence in wanted.split(" AND "):
        assert [m for m in MARKS[licence] if m not in text] == [], licence


@pytest.mark.parametrize("name", shipped_bundles())
def test_a_model_names_everybody_whose_images_it_learnt_from(name):
    text = TEXTS[f"model {name}"].read_text(encoding="utf-8")
    for sample in TRAINED_ON[name]:
        assert about(sample)["attribution"] in text
        assert (samples._SHELF / sample / "LICENSE.txt").read_text(encoding="utf-8").strip() in text


def test_fine_tuning_keeps_the_licence_of_the_model_it_began_with(tmp_path):
    pytest.importorskip("torch")
    from napari_segplugin.core import TrainSpec
    from napari_segplugin.data.corrections import Corrections
    from napari_segplugin.engine.train.finetune import finetune
    from napari_segplugin.io import load_sample

    sample, bundle = load_sample("nuclei2d"), load_bundle(shipped_bundles()["nuclei2d"])
    paint = Corrections(sample.corrections)
    tuned = drain(finetune(sample.image, paint, bundle, TrainSpec(seconds=0, steps=1)))
    folder = save_bundle(tuned.bundle, tmp_path / "mine")
    assert (folder / "LICENSE.txt").read_bytes() == TEXTS["model nuclei2d"].read_bytes()
    assert load_bundle(folder).licence == bundle.licence
    assert json.loads((folder / "spec.json").read_text(encoding="utf-8"))["licence"] == "CC0-1.0"


def test_a_licence_put_into_the_folder_by_hand_goes_along(tmp_path):
    folder = save_bundle(load_bundle(shipped_bundles()["axon_sem"]), tmp_path / "a")
    (folder / "LICENSE.txt").write_text("Ours\n\nCopyright Ömer", encoding="utf-8")
    again = save_bundle(load_bundle(folder), tmp_path / "b")
    assert (again / "LICENSE.txt").read_text(encoding="utf-8") == "Ours\n\nCopyright Ömer\n"
    (folder / "LICENSE.txt").unlink()
    assert load_bundle(folder).licence == "MIT"
