"""Images of one scene as the channels of one image."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.processing import resample_from_to
from scipy import ndimage

import napari_segplugin as seg
from napari_segplugin.core import Image, InputError
from napari_segplugin.door.joining import join


def brain(path: Path, affine: np.ndarray, shape: tuple[int, int, int], seed: int) -> Path:
    """A smooth picture of the same space on a grid."""
    at = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1)
    world = at @ affine[:3, :3].T + affine[:3, 3]
    phase = np.random.default_rng(seed).uniform(0, 3, 3)
    values = 100 + 40 * np.sin(world / 9 + phase).sum(-1)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), affine), path)
    return path


def turned(degrees: float, sizes: tuple[float, float, float], origin: tuple[float, float, float]) -> np.ndarray:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.diag(sizes)
    affine[:3, 3] = origin
    return affine


def test_another_grid_is_resampled_as_nibabel_does_it(tmp_path: Path) -> None:
    t1 = brain(tmp_path / "t1.nii.gz", turned(0, (-1, -1, 1.2), (20, 20, -15)), (40, 42, 25), 0)
    t2 = brain(tmp_path / "t2.nii.gz", turned(17, (1.0, 1.0, 1.1), (-22, -18, -14)), (45, 40, 26), 1)
    joined = join([seg.read_image(t1), seg.read_image(t2)])
    assert joined.axes == "CZYX"
    assert joined.spatial_shape == seg.read_image(t1).spatial_shape
    np.testing.assert_array_equal(joined.read()[0], seg.read_image(t1).read()[0])
    expected = resample_from_to(nibabel.load(t2), nibabel.load(t1), order=1, cval=np.nan)
    nibabel.save(expected, tmp_path / "expected.nii.gz")
    want, got = seg.read_image(tmp_path / "expected.nii.gz").read()[0], joined.read()[1]
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    both = np.isfinite(want)
    assert both.mean() > 0.3
    np.testing.assert_allclose(got[both], want[both], atol=1e-2)
    assert "resampled" in joined.metadata["notes"][0]


def test_a_finer_image_is_averaged_before_it_is_made_coarser(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    fine = rng.normal(0, 1, (64, 64, 8)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(fine, np.diag([0.25, 0.25, 1, 1])), tmp_path / "fine.nii")
    nibabel.save(
        nibabel.Nifti1Image(np.zeros((16, 16, 8), np.float32), np.diag([1.0, 1, 1, 1])), tmp_path / "coarse.nii"
    )
    joined = join([seg.read_image(tmp_path / "coarse.nii"), seg.read_image(tmp_path / "fine.nii")])
    assert np.nanstd(joined.read()[1]) < 0.5
    assert np.nanstd(joined.read()[1]) > 0.05 * np.std(ndimage.uniform_filter(fine, 4))


def test_images_of_one_grid_stay_as_they_are() -> None:
    one = Image(np.arange(12, dtype=np.uint8).reshape(3, 4), "YX", name="a")
    two = Image(np.arange(24, dtype=np.uint16).reshape(3, 4, 2), "YXC", name="b")
    joined = join([one, two])
    np.testing.assert_array_equal(joined.read(), np.concatenate([one.read(), two.read()]))
    assert joined.metadata["channel_names"] == ["a", "b, channel 1", "b, channel 2"]
    assert joined.read((slice(1, 2), slice(0, 3))).shape == (3, 1, 3)
    film = Image(np.arange(24).reshape(2, 3, 4), "TYX")
    np.testing.assert_array_equal(join([film, film]).read(frame=1)[1], film.read(frame=1)[0])


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([Image(np.zeros((3, 4)), "YX")], "at least two"),
        ([Image(np.zeros((3, 4)), "YX"), Image(np.zeros((3, 5)), "YX")], "shapes differ"),
        ([Image(np.zeros((3, 4)), "YX"), Image(np.zeros((2, 3, 4)), "ZYX")], "other axes"),
        ([Image(np.zeros((2, 3, 4)), "TYX"), Image(np.zeros((3, 3, 4)), "TYX")], "other axes"),
    ],
)
def test_what_does_not_go_together_is_said(images: list[Image], words: str) -> None:
    with pytest.raises(InputError, match=words):
        join(images)


def test_images_far_apart_are_not_joined(tmp_path: Path) -> None:
    one = brain(tmp_path / "a.nii", turned(0, (1, 1, 1), (0, 0, 0)), (8, 8, 8), 0)
    two = brain(tmp_path / "b.nii", turned(0, (1, 1, 1), (500, 0, 0)), (8, 8, 8), 1)
    with pytest.raises(InputError, match="do not overlap"):
        join([seg.read_image(one), seg.read_image(two)])
