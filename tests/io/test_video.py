"""Films open as time series: every frame is the one that a plain decoder gives, in whatever order they are asked for."""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np
import pytest

from napari_segplugin.core import InputError, MissingExtraError
from napari_segplugin.io import read_image
from napari_segplugin.io.lazy import LazyArray

av = pytest.importorskip("av")
N, SIDE = 23, 64


def frames(grey: bool = False) -> np.ndarray:
    """A bright square that walks over colours, so that each frame is unlike the others."""
    y, x = np.mgrid[:SIDE, :SIDE]
    film = np.stack([np.stack([3 * x + i, 2 * y, 200 - 2 * x], -1) for i in range(N)]).clip(0, 255).astype(np.uint8)
    for i in range(N):
        film[i, 10:20, 2 * i : 2 * i + 12] = 255
    return np.repeat(film[..., :1], 3, axis=-1) if grey else film


def encode(path, array, codec="mpeg4", pixels="yuv420p", rate=Fraction(10), stamps=None, **options):
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = array.shape[2], array.shape[1], pixels
        if stamps:
            stream.codec_context.time_base = Fraction(1, 100)
        for i, plane in enumerate(array):
            frame = av.VideoFrame.from_ndarray(plane, format="rgb24")
            if stamps:
                frame.pts, frame.time_base = stamps[i], Fraction(1, 100)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def one_by_one(path, pixels="rgb24") -> np.ndarray:
    with av.open(str(path)) as film:
        return np.stack([f.to_ndarray(format=pixels) for f in film.decode(video=0)])


KINDS = [
    ("a.mp4", "mpeg4", "yuv420p", {"bf": "2", "g": "8"}),
    ("a.avi", "mpeg4", "yuv420p", {}),
    ("a.avi", "mjpeg", "yuvj420p", {}),
    ("a.mov", "mpeg4", "yuv420p", {"g": "50"}),
    ("a.mkv", "ffv1", "bgr0", {}),
]


@pytest.mark.parametrize(("name", "codec", "pixels", "options"), KINDS)
def test_frames_by_number(tmp_path, name, codec, pixels, options) -> None:
    path = encode(tmp_path / name, frames(), codec, pixels, **options)
    right = one_by_one(path)
    image = read_image(path)
    assert (image.axes, image.array.shape, image.array.dtype) == ("TYXC", (N, SIDE, SIDE, 3), np.uint8)
    assert isinstance(image.array, LazyArray)
    assert image.metadata["frame_interval"] == pytest.approx(0.1)
    for number in (0, 17, 3, 22, 4, 5, 21, 0, -1):
        np.testing.assert_array_equal(image.array[number], right[number], err_msg=f"frame {number}")
    np.testing.assert_array_equal(np.asarray(image.array), right)
    np.testing.assert_array_equal(image.array[5:15:4, 3:9, ..., 1], right[5:15:4, 3:9, :, 1])
    np.testing.assert_array_equal(image.read(frame=9), right[9].transpose(2, 0, 1))
    if codec == "ffv1":
        np.testing.assert_array_equal(right, frames())


def test_a_grey_film_has_no_channels(tmp_path) -> None:
    path = encode(tmp_path / "a.mkv", frames(grey=True), "ffv1", "gray")
    image = read_image(path)
    assert image.axes == "TYX"
    np.testing.assert_array_equal(np.asarray(image.array), frames(grey=True)[..., 0])
    path = encode(tmp_path / "b.mp4", frames(grey=True))
    image = read_image(path)
    assert image.axes == "TYX"
    assert "gray in its first, middle and last frame" in image.metadata["notes"][0]
    np.testing.assert_allclose(np.asarray(image.array).astype(int), one_by_one(path)[..., 0].astype(int), atol=1)
    noise = np.random.default_rng(0).integers(0, 255, (N, SIDE, SIDE, 1)).astype(np.uint8)
    path = encode(tmp_path / "c.mp4", np.repeat(noise, 3, -1))
    assert read_image(path).axes == "TYX", "colors that compression left are none"


def test_frames_that_follow_unevenly_are_said(tmp_path) -> None:
    """https://github.com/janclemenslab/napari-video/issues/3: by number and rate alone, other frames come."""
    stamps = [10 * i + (35 if i > 11 else 0) for i in range(N)]
    path = encode(tmp_path / "a.mkv", frames(), "ffv1", "bgr0", stamps=stamps)
    image = read_image(path)
    assert image.metadata["frame_interval"] == pytest.approx(0.1)
    assert "do not follow each other evenly" in image.metadata["notes"][0]
    for number in (22, 16, 14, 11, 12):
        np.testing.assert_array_equal(image.array[number], frames()[number], err_msg=f"frame {number}")


def test_a_film_of_a_phone_comes_upright(tmp_path) -> None:
    """The matrix in the header of the track says: a quarter to the right."""
    path = encode(tmp_path / "a.mp4", frames()[:, :48], "mpeg4")
    right = one_by_one(path)
    one, w = (1 << 16).to_bytes(4), (1 << 30).to_bytes(4)
    upright = one + bytes(12) + one + bytes(12) + w
    turned = (
        bytes(4)
        + one
        + bytes(4)
        + (-(1 << 16)).to_bytes(4, signed=True)
        + bytes(8)
        + (48 << 16).to_bytes(4)
        + bytes(4)
        + w
    )
    data = path.read_bytes()
    at = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:at] + turned + data[at + len(turned) :])
    image = read_image(path)
    assert image.array.shape == (N, SIDE, 48, 3)
    np.testing.assert_array_equal(image.array[5], np.rot90(right[5], -1))


def test_sound_alone_and_damage_are_sentences(tmp_path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        out.mux(stream.encode(frame))
    with pytest.raises(InputError, match=r"contains no video"):
        read_image(tmp_path / "a.mkv")
    (tmp_path / "b.mp4").write_bytes(b"no film" * 99)
    with pytest.raises(InputError, match=r"'b\.mp4' cannot be read as video"):
        read_image(tmp_path / "b.mp4")


def test_without_the_extra_a_sentence(tmp_path, monkeypatch) -> None:
    path = encode(tmp_path / "a.mp4", frames())
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"'av' is needed to read video files.*napari-segplugin\[video\]"):
        read_image(path)


def test_a_video_without_frames_is_a_sentence(tmp_path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as out:
        stream = out.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        out.start_encoding()
    with pytest.raises(InputError, match=r"'a\.avi'"):
        read_image(tmp_path / "a.avi")


def test_a_frame_that_is_damaged_is_a_sentence_and_the_others_can_be_read(tmp_path) -> None:
    path = encode(tmp_path / "a.mkv", frames(), "ffv1", "bgr0", g="1")
    with av.open(str(path)) as film:
        packets = [p for p in film.demux(video=0) if p.size]
        start, size = packets[12].pos, packets[12].size
    data = bytearray(path.read_bytes())
    at = data.index(bytes(packets[12]), start - 64)
    data[at + size // 4 : at + size] = bytes(size - size // 4)
    path.write_bytes(data)
    image = read_image(path)
    np.testing.assert_array_equal(image.array[20], frames()[20])
    with pytest.raises(InputError, match=r"'a\.mkv' cannot be read as video"):
        _ = image.array[12]
    np.testing.assert_array_equal(image.array[10], frames()[10])
