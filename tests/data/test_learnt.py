"""What a model knows of the images that it learnt from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, Image, InputError, Learnt, ModelSpec, Sample, Task, TrainSpec, drain
from napari_segplugin.data.learnt import learnt_from, widened
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.io import load_bundle, save_bundle

SPEC = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["cell"]), {"widths": [4, 8]})


def sample(radius: float = 8, value: float = 5, modality: str = "") -> Sample:
    disc = (np.hypot(*np.mgrid[-16:16, -16:16]) < radius).astype(int)
    meta = {"dicom_Modality": modality} if modality else {}
    return Sample(Image(value * disc, "YX", metadata=meta), disc, disc)


def test_sizes_cover_and_values_are_those_of_the_objects() -> None:
    found = learnt_from([sample(8, 5), sample(4, 9)])
    area = [int(sample(r).classes.sum()) for r in (8, 4)]
    assert found.images == 2
    assert found.widths[1] == pytest.approx(np.mean([2 * np.sqrt(a / np.pi) for a in area]), abs=0.01)
    assert found.cover == pytest.approx((area[1] / 1024, area[0] / 1024))
    low, _, high, mean, _ = found.values[0]
    assert (low, high) == (5, 9)
    assert mean == pytest.approx((5 * area[0] + 9 * area[1]) / sum(area))


def test_unknown_voxels_and_nan_say_nothing() -> None:
    one = sample(8, 5.0)
    known = np.zeros((32, 32), bool)
    array = np.array(one.image.array, float)
    array[16, 16] = np.nan
    half = replace(one, image=Image(array, "YX"), known=known)
    assert learnt_from([half]).values == ()
    assert learnt_from([half]).cover == ()
    known[14:18, 14:18] = True
    assert learnt_from([half]).values[0][:3] == (5, 5, 5)


def test_the_modality_is_known_where_all_agree() -> None:
    assert learnt_from([sample(modality="CT"), sample(modality="CT")]).modality == "CT"
    assert learnt_from([sample(modality="CT"), sample(modality="MR")]).modality == ""
    ct, mr, silent = Learnt(1, "CT"), Learnt(1, "MR"), Learnt(1)
    assert [widened(ct, new).modality for new in (ct, silent, mr)] == ["CT", "CT", ""]
    assert widened(silent, ct).modality == ""


def test_two_trainings_know_what_one_of_both_knows() -> None:
    both, parts = learnt_from([sample(8, 5), sample(4, 9)]), [learnt_from([s]) for s in (sample(8, 5), sample(4, 9))]
    found = widened(*parts)
    assert (found.images, found.cover) == (both.images, both.cover)
    assert (found.values[0][0], found.values[0][2]) == (5, 9)
    assert widened(Learnt(), parts[0]) == parts[0]
    assert widened(parts[0], Learnt()) == parts[0]


def test_a_model_keeps_it_on_disk(tmp_path: Path) -> None:
    made = drain(train([sample()], new_bundle(SPEC, name="x"), TrainSpec(steps=1, seconds=0)))
    assert made.learnt.widths
    place = save_bundle(made, tmp_path / "x")
    assert load_bundle(place).learnt == made.learnt
    (place / "learnt.json").unlink()
    assert load_bundle(place).learnt == Learnt()
    (place / "learnt.json").write_text(json.dumps({"images": -1}))
    with pytest.raises(InputError, match="learnt"):
        load_bundle(place)
