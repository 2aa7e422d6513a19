"""Pictures of cameras and the web: upright, with all their bits, in one channel where they are grey."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from PIL import Image as pillow
from PIL import ImageOps

from napari_segplugin.core import InputError
from napari_segplugin.io import read_image, read_labels

SCENE = np.random.default_rng(0).integers(0, 255, (9, 11, 3)).astype(np.uint8)
GREY = SCENE[..., 0]


@pytest.mark.parametrize("name", ["a.bmp", "a.webp", "a.jp2", "a.gif", "a.png", "a.PNG"])
def test_kinds_of_pictures(tmp_path, name) -> None:
    options = {"lossless": True} if name.endswith("webp") else {"irreversible": False} if name.endswith("jp2") else {}
    pillow.fromarray(SCENE).save(tmp_path / name, **options)
    image = read_image(tmp_path / name)
    assert (image.axes, image.unit) == ("YXC", "pixel")
    assert image.metadata["channel_names"] == ["red", "green", "blue"]
    np.testing.assert_array_equal(image.array, np.asarray(pillow.open(tmp_path / name).convert("RGB")))


@pytest.mark.parametrize("name", ["a.jpg", "a.jfif"])
def test_jpeg(tmp_path, name) -> None:
    pillow.fromarray(SCENE).save(tmp_path / name, format="JPEG", dpi=(300, 300))
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.array, np.asarray(pillow.open(tmp_path / name)))
    assert (image.spacing, image.unit) == ((1.0, 1.0), "pixel"), "dots per inch are of a print"


@pytest.mark.parametrize("samples", [1, 3, 4])
@pytest.mark.parametrize("name", ["a.png", "a.jp2"])
def test_16_bits_stay_16_bits(tmp_path, name, samples) -> None:
    array = np.random.default_rng(1).integers(0, 65535, (9, 11, samples)).astype(np.uint16)
    stored = array[..., 0] if samples == 1 else array
    lossless = {"level": 0, "reversible": True}
    data = imagecodecs.png_encode(stored) if name == "a.png" else imagecodecs.jpeg2k_encode(stored, **lossless)
    (tmp_path / name).write_bytes(data)
    image = read_image(tmp_path / name)
    assert image.array.dtype == np.uint16
    if samples == 1:
        np.testing.assert_array_equal(image.array, stored)
    elif name == "a.png":
        np.testing.assert_array_equal(image.array, array[..., :3])
        assert ("transparency" in str(image.metadata.get("notes"))) == (samples == 4)
    else:
        np.testing.assert_array_equal(image.array, array, "four bands of JPEG 2000 may be data")
        assert ("looks like data" in str(image.metadata.get("notes"))) == (samples == 4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_orientation_of_a_camera(tmp_path, name, orientation) -> None:
    exif = pillow.Exif()
    exif[0x0112] = orientation
    pillow.fromarray(SCENE).save(tmp_path / name, exif=exif)
    image = read_image(tmp_path / name)
    right = ImageOps.exif_transpose(pillow.open(tmp_path / name))
    np.testing.assert_array_equal(image.array, np.asarray(right))
    assert ("opened upright" in str(image.metadata.get("notes"))) == (orientation > 1)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.gif"])
def test_grey_stored_as_colours(tmp_path, name) -> None:
    pillow.fromarray(np.stack([GREY] * 3, axis=-1)).save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.array, GREY)
    assert "one channel" in image.metadata["notes"][0]


def test_transparency_is_said_where_there_is_any(tmp_path) -> None:
    clear = np.full((9, 11, 1), 255, np.uint8)
    pillow.fromarray(np.concatenate([SCENE, clear], axis=-1)).save(tmp_path / "a.png")
    assert "notes" not in read_image(tmp_path / "a.png").metadata
    clear[2:4] = 90
    pillow.fromarray(np.concatenate([SCENE, clear], axis=-1)).save(tmp_path / "b.png")
    image = read_image(tmp_path / "b.png")
    np.testing.assert_array_equal(image.array, SCENE)
    assert "transparency, which is not used" in image.metadata["notes"][0]


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_an_animation_is_a_time_series(tmp_path, name) -> None:
    frames = [pillow.fromarray(np.roll(SCENE, i, axis=1)) for i in range(4)]
    options = {"lossless": True} if name == "a.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=200, **options)
    image = read_image(tmp_path / name)
    assert (image.axes, image.n_frames, image.metadata["frame_interval"]) == ("TYXC", 4, 0.2)
    if name != "a.gif":
        np.testing.assert_array_equal(image.array, np.stack([np.asarray(f) for f in frames]))


def test_a_grey_animation(tmp_path) -> None:
    frames = [pillow.fromarray(np.roll(GREY, i, axis=1)) for i in range(4)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[100, 100, 300, 100])
    image = read_image(tmp_path / "a.gif")
    assert image.axes == "TYX"
    np.testing.assert_array_equal(image.array, np.stack([np.asarray(f) for f in frames]))
    assert "evenly" in image.metadata["notes"][0]


def test_two_pictures_of_a_stereo_camera(tmp_path) -> None:
    first, second = pillow.fromarray(SCENE), pillow.fromarray(SCENE[::-1])
    first.save(tmp_path / "a.mpo", save_all=True, append_images=[second])
    image = read_image(tmp_path / "a.mpo")
    np.testing.assert_array_equal(image.array, np.asarray(pillow.open(tmp_path / "a.mpo")))
    assert image.metadata["notes"] == ["'a.mpo' contains 2 pictures; the first is opened."]


def test_indices_are_labels_in_bmp_too(tmp_path) -> None:
    labels = (GREY % 4).astype(np.uint8)
    picture = pillow.fromarray(labels, "P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.save(tmp_path / "a.bmp")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.bmp")[0], labels)
    assert read_image(tmp_path / "a.bmp").n_channels == 3


@pytest.mark.parametrize("name", ["a.jp2", "a.webp", "a.gif", "a.bmp"])
def test_a_cut_picture_is_a_sentence(tmp_path, name) -> None:
    pillow.fromarray(SCENE.repeat(20, 0).repeat(20, 1)).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 3])
    with pytest.raises(InputError, match=f"'{name}' cannot be read as a picture"):
        read_image(tmp_path / name)
