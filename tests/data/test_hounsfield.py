"""Whether values are Hounsfield units: sure, sure not, and what cannot be told is left open."""

from pathlib import Path

import numpy as np
import pytest

from napari_segplugin.core import Image, Sample
from napari_segplugin.data import hounsfield as module
from napari_segplugin.data.hounsfield import hounsfield, is_ct, modality_of, values_of
from napari_segplugin.data.learnt import learnt_from
from napari_segplugin.io import read_image

RNG = np.random.default_rng(0)
AIR, LUNG, FAT, BODY, BONE = (
    RNG.normal(mean, sd, n)
    for mean, sd, n in ((-1000, 20, 4000), (-800, 60, 2000), (-100, 20, 2000), (50, 30, 4000), (700, 200, 200))
)
CT = np.concatenate([AIR, LUNG, FAT, BODY, BONE])


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        (CT, True),
        (np.concatenate([CT, np.full(3000, -2000.0)]), True),  # what lies outside the field of view
        (np.concatenate([CT, np.full(30, 3071.0)]), True),  # metal
        (np.append(CT, [np.nan, np.inf]), True),
        (np.round(CT).astype(np.int16), True),
        (np.concatenate([FAT, BODY]), None),  # the inside of a body
        (AIR, None),
        (CT + 1024, False),
        (CT - 1024, False),
        (np.clip((CT + 160) / 400 * 255, 0, 255).astype(np.uint8), False),  # a picture of it
        ((CT - CT.mean()) / CT.std(), False),
        (RNG.integers(0, 4096, 5000), False),
        (RNG.uniform(-1000, 1000, 9000), None),  # phases, alone and where tissue stands still
        (np.concatenate([RNG.uniform(-1000, 1000, 9000), RNG.normal(0, 60, 9000)]), None),
        (np.full(9, np.nan), None),
        (np.zeros(0), None),
    ],
)
def test_what_values_are(values, answer):
    assert hounsfield(values) is answer


def test_the_file_has_the_first_word():
    scan = CT[:12100].reshape(110, 110)
    assert (modality_of(Image(scan, "YX")), is_ct(Image(scan, "YX"))) == ("CT", True)
    for about, modality, ct in [
        ({"dicom_Modality": "MR"}, "MR", False),
        ({"dicom_Modality": "CT", "value_unit": "HU"}, "CT", True),
        ({"value_unit": "HU"}, "CT", True),
        ({"value_unit": "Bq/ml"}, "", False),
    ]:
        image = Image(scan, "YX", metadata=about)
        assert (modality_of(image), is_ct(image)) == (modality, ct)
    # the file says CT, not how its values become Hounsfield units: they are as stored
    assert not is_ct(Image(scan + 1024, "YX", metadata={"dicom_Modality": "CT"}))
    assert not is_ct(Image(np.stack([scan, scan]), "CYX"))


def test_values_of_a_large_image_are_spread_over_all_of_it(monkeypatch):
    ramp = np.broadcast_to(np.arange(600.0)[:, None], (600, 500))
    monkeypatch.setattr(module, "_ENOUGH", 40_000)
    for limit in (2**26, 100):
        monkeypatch.setattr(module, "_LARGE", limit)
        found = values_of(Image(ramp, "YX"))
        assert found.size <= 41_000
        assert found.min() < 30
        assert found.max() > 570
    volume = Image(np.stack([np.zeros((8, 8)), np.ones((8, 8))]), "ZYX")
    assert values_of(volume.plane(0)).max() == 1


def test_what_a_series_says_reaches_the_model():
    pytest.importorskip("pydicom")
    scan = read_image(Path(__file__).parent / "dicom_series")
    assert (modality_of(scan), is_ct(scan)) == ("CT", True)
    labels = np.zeros(scan.spatial_shape, int)
    labels[1, 4:8, 4:8] = 1
    assert learnt_from([Sample(scan, labels)]).modality == "CT"
