"""The shipped samples load, carry their licences and stay small."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segplugin.core import InputError, Task
from napari_segplugin.io import load_sample, sample_names, samples


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_is_complete(name) -> None:
    sample = load_sample(name)
    image, truth = sample.image, sample.truth
    assert image.spatial_shape == truth.shape
    assert truth.dtype.kind in "iu"
    assert 0.02 < (truth > 0).mean() < 0.8
    assert np.ptp(image.array) > 50
    assert image.metadata["axes_doubt"] == ""
    assert Task(sample.task)
    if sample.task == "semantic":
        assert set(np.unique(truth)) == set(range(len(sample.classes) + 1))
    assert sample.licence in ("CC0-1.0", "MIT", "BSD-3-Clause")
    assert sample.attribution
    assert sample.corrections is None or sample.corrections.shape == truth.shape
    licence = (samples._SHELF / name / "LICENSE.txt").read_text(encoding="utf-8")
    assert len(licence) > 300


def test_names_and_sizes() -> None:
    assert {"nuclei2d", "nuclei3d", "axon_sem", "stardist_nuclei3d"} <= set(sample_names())
    assert load_sample("nuclei3d").image.spacing == (2.18, 1.0, 1.0)
    assert load_sample("axon_sem").image.array.shape == (512, 512)
    assert sum(p.stat().st_size for p in samples._SHELF.rglob("*") if p.is_file()) < 3e6


def test_corrections_are_loaded_where_there_are_any(tmp_path, monkeypatch) -> None:
    import shutil

    import tifffile

    shutil.copytree(samples._SHELF / "nuclei2d", tmp_path / "mine")
    tifffile.imwrite(tmp_path / "mine" / "corrections.tif", np.full((256, 256), 65535, np.uint16))
    monkeypatch.setattr(samples, "_SHELF", tmp_path)
    assert load_sample("mine").corrections.max() == 65535


def test_unknown_and_damaged_samples(tmp_path, monkeypatch) -> None:
    with pytest.raises(InputError, match=r"no sample named 'x'.*nuclei2d"):
        load_sample("x")
    monkeypatch.setattr(samples, "_SHELF", tmp_path)
    (tmp_path / "bad").mkdir()
    for text, words in (("{", "cannot be read as JSON"), ("{}", "no field 'axes'")):
        (tmp_path / "bad" / "sample.json").write_text(text)
        with pytest.raises(InputError, match=words):
            load_sample("bad")
