"""Whatever is wrong with a file, the person reads one sentence."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as pillow

from napari_segplugin.core import InputError, OutOfMemoryError, SegPluginError
from napari_segplugin.io import read_image, read_labels, tiff, write_segmentation
from napari_segplugin.io.boundary import reading

NAMES = ["a.tif", "plain.tif", "imagej.tif", "a.ome.tif", "a.png", "a.jpg", "a.npy", "a.nii", "a.nii.gz"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """One good file of each format."""
    folder = tmp_path_factory.mktemp("whole")
    array = np.random.default_rng(0).integers(0, 255, (5, 30, 40)).astype(np.uint8)
    tifffile.imwrite(folder / "a.tif", array, compression="zlib", photometric="minisblack")
    tifffile.imwrite(folder / "plain.tif", array, photometric="minisblack", metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "imagej.tif", array, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "a.ome.tif", array, ome=True, metadata={"axes": "ZYX"})
    imageio.imwrite(folder / "a.png", array[0])
    imageio.imwrite(folder / "a.jpg", array[0])
    np.save(folder / "a.npy", array)
    try:
        import nibabel
    except ImportError:
        return folder
    for name in ("a.nii", "a.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), folder / name)
    return folder


def need(path: Path) -> bytes:
    if not path.exists():
        pytest.skip("nibabel is not installed")
    return path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_cut_files_never_pass_as_smaller_images(whole, tmp_path, name) -> None:
    data = need(whole / name)
    path = tmp_path / name
    good = read_image(whole / name).array
    cuts = {1, 2, 4, 7, 8, 9, 16, 40, 100, 200, 348, 352} | {len(data) * k // 24 for k in range(1, 24)}
    refused = 0
    for cut in sorted(c for c in cuts if c < len(data)):
        path.write_bytes(data[:cut])
        try:
            image = read_image(path)
        except InputError as error:
            refused += str(error).count(name)
        else:  # only what does not belong to the pixels was cut off
            assert np.array_equal(image.array, good), cut
    assert refused > 20


@pytest.mark.parametrize("name", NAMES)
def test_scrambled_files_give_an_image_or_a_sentence(whole, tmp_path, name) -> None:
    data = need(whole / name)
    path = tmp_path / name
    rng = np.random.default_rng(1)
    for _ in range(25):
        broken = bytearray(data)
        for at in rng.integers(0, min(len(data), 600), 5):
            broken[at] = rng.integers(0, 256)
        path.write_bytes(bytes(broken))
        with contextlib.suppress(SegPluginError):  # anything else fails the test
            read_image(path)


@pytest.mark.parametrize("name", NAMES)
def test_text_under_a_wrong_name_is_refused(tmp_path, name) -> None:
    (tmp_path / name).write_text("hello, this is a text file " * 40)
    with pytest.raises(SegPluginError):
        read_image(tmp_path / name)


@pytest.mark.parametrize("name", [*NAMES, "a.dcm"])
def test_empty_file(tmp_path, name) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="is empty"):
        read_image(tmp_path / name)


def test_damage_in_a_large_tiff_speaks_when_the_piece_is_read(whole, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tiff, "IN_MEMORY", 10)
    data = bytearray((whole / "a.tif").read_bytes())
    with tifffile.TiffFile(whole / "a.tif") as tif:
        at = tif.pages[4].dataoffsets[0]
    data[at : at + 40] = bytes(40)
    (tmp_path / "a.tif").write_bytes(data)
    image = read_image(tmp_path / "a.tif", axes="ZYX")
    assert image.array[0].shape == (30, 40)
    with pytest.raises(InputError, match=r"'a\.tif' cannot be read as TIFF"):
        image.array[4]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"{"])
def test_damaged_zarr(tmp_path, zarr_format, content) -> None:
    path = tmp_path / "a.zarr"
    array = zarr.create_array(path, shape=(8, 8), chunks=(8, 8), dtype="u2", zarr_format=zarr_format)
    array[...] = np.arange(64).reshape(8, 8)
    for file in [p for p in path.rglob("*") if p.is_file() and p.name != ".zattrs"]:
        good = file.read_bytes()
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"'a\.zarr' cannot be read"):
            read_image(path)
        file.write_bytes(good)
    assert read_image(path).array[7, 7] == 63


@pytest.mark.parametrize(
    "scales",
    [
        [],
        [{}],
        [{"datasets": []}],
        [{"datasets": [{"path": "nowhere"}]}],
        [{"datasets": [{"path": "0"}], "axes": [{}, {}]}],
        [
            {
                "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1]}]}],
                "axes": [{"name": "y"}, {"name": "x"}],
                "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 3]}],
            }
        ],
    ],
)
def test_broken_multiscales(tmp_path, scales) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", shape=(8, 8), dtype="u1")
    group.attrs["multiscales"] = scales
    with pytest.raises(InputError, match=r"a\.zarr"):
        read_image(tmp_path / "a.zarr")


def test_empty_zarr_folder(tmp_path) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InputError, match=r"a\.zarr"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    "name", ["no.tif", "no.zarr", "dir/no.png", "a.tif/inner.tif", "C:\\data\\cells.tif", "x\0y.tif"]
)
def test_missing_and_odd_names(tmp_path, name) -> None:
    np.save(tmp_path / "a.npy", np.zeros((9, 9)))
    with pytest.raises(InputError, match=r"no such file|cannot be opened"):
        read_image(str(tmp_path) + "/" + name)


def test_windows_path_gets_a_hint() -> None:
    with pytest.raises(InputError, match="Backslashes"):
        read_image("C:\\data\\cells.tif")


def test_name_too_long(tmp_path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        read_image(tmp_path / ("a" * 400 + ".tif"))


def test_odd_but_good_names(tmp_path) -> None:
    for name in ("zellen ü 細胞 #1 %20 [x].npy", " lead.npy", "a:b?.npy", "con.npy", "..npy", ".npy"):
        np.save(tmp_path / "plain.npy", np.ones((9, 9)))
        (tmp_path / "plain.npy").rename(tmp_path / name)
        assert read_image(f'"{tmp_path / name}"').array.sum() == 81, name


@pytest.mark.parametrize("name", ["a.lif", "noextension", "a.gz", "zarr"])
def test_unknown_extension_lists_the_known(tmp_path, name) -> None:
    (tmp_path / name).write_bytes(b"x" * 10)
    with pytest.raises(InputError, match=r"Accepted: \.tif.*\.nii\.gz"):
        read_image(tmp_path / name)


def test_no_permission(as_stranger) -> None:
    for path in (as_stranger / "a.npy", as_stranger / "b.zarr"):
        if path.suffix == ".npy":
            np.save(path, np.zeros((9, 9)))
        else:
            path.mkdir()
        path.chmod(0)
        with pytest.raises(InputError, match="no permission to read"):
            read_image(path)


def test_permission_and_memory_inside_a_library() -> None:
    with pytest.raises(InputError, match="no permission to read"), reading(Path("a.tif"), "TIFF"):
        raise PermissionError(13, "no")
    # an error of memory, so that whoever reads pieces can take smaller ones
    with pytest.raises(OutOfMemoryError, match=r"'a\.tif' does not fit into memory"), reading(Path("a.tif"), "TIFF"):
        raise MemoryError


@pytest.mark.parametrize("dtype", [np.complex64, "U3", "M8[s]"])
def test_values_that_are_not_real_numbers(tmp_path, dtype) -> None:
    np.save(tmp_path / "a.npy", np.zeros((9, 9), dtype))
    with pytest.raises(InputError, match="type that cannot be segmented"):
        read_image(tmp_path / "a.npy")


def test_complex_tiff(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 9), np.complex64))
    with pytest.raises(InputError, match="complex64"):
        read_image(tmp_path / "a.tif")


def test_pickled_arrays_stay_closed(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{"x": 1}]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"'a\.npy' cannot be read"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", [(9,), (1,) * 6, (0, 9)])
def test_too_few_too_many_none(tmp_path, shape) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(InputError):
        read_image(tmp_path / "a.npy")


# labels


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int64, np.float32, np.float64])
def test_labels_come_out_as_whole_numbers(tmp_path, dtype) -> None:
    array = (np.arange(99).reshape(9, 11) % 2).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    labels, axes = read_labels(tmp_path / "a.npy")
    assert axes == "YX"
    assert labels.dtype.kind in "iu"
    assert np.array_equal(labels, array)


def test_labels_of_a_short_movie_have_no_channels(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 9, 20, 30), np.uint8))
    assert read_labels(tmp_path / "a.npy")[1] == "TZYX"


def test_labels_with_one_channel_lose_it(tmp_path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", shape=(1, 9, 11), dtype="u1")
    axes = [{"name": "c"}, {"name": "y"}, {"name": "x"}]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0"}]}]
    labels, order = read_labels(tmp_path / "a.zarr")
    assert (labels.shape, order) == ((9, 11), "YX")


def test_palette_png_keeps_its_indices(tmp_path) -> None:
    from PIL import Image as pillow

    indices = (np.arange(99, dtype=np.uint8) % 3).reshape(9, 11)
    picture = pillow.new("P", (11, 9))
    picture.putdata(indices.ravel().tolist())
    picture.putpalette([0, 0, 0, 230, 159, 0, 86, 180, 233])
    picture.save(tmp_path / "a.png")
    labels, axes = read_labels(tmp_path / "a.png")
    assert axes == "YX"
    assert np.array_equal(labels, indices)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((9, 9), 0.5), "not whole numbers.*0.5"),
        (np.full((9, 9), np.nan), "not whole numbers"),
        (np.full((9, 9), np.inf), "not whole numbers"),
        (np.full((9, 9), -1), "negative values.*-1"),
        (np.full((9, 9), -2.0), "negative values"),
        (np.zeros((9, 9, 3), np.uint8), "colours or channels"),
    ],
)
def test_what_is_no_label_image(tmp_path, array, words) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=words):
        read_labels(tmp_path / "a.npy")


def test_gzip_and_json_of_something_else(tmp_path) -> None:
    pytest.importorskip("nibabel")
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(json.dumps({"a": 1}).encode()))
    with pytest.raises(InputError, match="cannot be read as NIfTI"):
        read_image(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("read", [read_image, read_labels])
def test_a_picture_that_would_fill_the_memory_is_refused_unless_it_is_allowed(tmp_path, read, monkeypatch) -> None:
    imageio.imwrite(tmp_path / "a.png", np.ones((30, 40), np.uint8))
    monkeypatch.setattr(pillow, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(InputError, match=r"'a\.png' says that it has very many pixels.*1200.*SEGPLUGIN_ALLOW_LARGE=1"):
        read(tmp_path / "a.png")
    monkeypatch.setenv("SEGPLUGIN_ALLOW_LARGE", "1")
    read(tmp_path / "a.png")


def test_a_panoptic_picture_that_would_fill_the_memory_is_refused(tmp_path, make_segmentation, monkeypatch) -> None:
    path, *_ = write_segmentation(make_segmentation(np.ones((30, 40), int), "YX"), tmp_path / "a.panoptic.json")
    monkeypatch.setattr(pillow, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(InputError, match="very many pixels"):
        read_labels(path)
