"""Which image of a TIFF is opened, what is missing in it, and its pyramid."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_segplugin.core import InputError
from napari_segplugin.io import read_image, tiff

CASES = Path(__file__).parent / "cases"
SCENE = np.random.default_rng(0).integers(0, 255, (64, 80)).astype(np.uint8)


def pages(path, *planes, **options):
    with tifffile.TiffWriter(path, **options) as tif:
        for plane, more in planes:
            tif.write(plane, metadata=None, contiguous=False, **more)
    return path


def test_the_reduced_page_is_not_the_image() -> None:
    image = read_image(CASES / "thumb_first.tif")
    assert image.array.shape == (64, 80)
    assert image.metadata["notes"] == [
        "'thumb_first.tif' contains 2 images: 1 (16 × 20), 2 (64 × 80). Number 2 is opened."
    ]


@pytest.mark.parametrize("mark", [{}, {"subfiletype": 1}])
def test_a_thumbnail_that_nobody_marked(tmp_path, mark) -> None:
    path = pages(tmp_path / "a.tif", (SCENE[::4, ::4], mark), (SCENE, {}))
    np.testing.assert_array_equal(read_image(path).array, SCENE)


def test_a_mask_and_a_label_of_a_slide_are_not_the_image(tmp_path) -> None:
    path = pages(tmp_path / "a.tif", (SCENE[:, :40] > 9, {"subfiletype": 4}), (SCENE, {}))
    np.testing.assert_array_equal(read_image(path).array, SCENE)
    path = pages(tmp_path / "b.tif", (SCENE, {}), (np.zeros((200, 90), np.uint8), {}))
    np.testing.assert_array_equal(
        read_image(path).array, SCENE, "of other proportions: another scene, and the first counts"
    )


def test_the_full_image_below_its_thumbnail(tmp_path) -> None:
    """As cameras do: the first page is a thumbnail, the image a page below it."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(SCENE[::4, ::4], metadata=None, subfiletype=1, subifds=1)
        tif.write(SCENE, metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, SCENE)


def test_many_images_are_listed_in_part(tmp_path) -> None:
    path = pages(tmp_path / "a.tif", *(((SCENE[: 20 + i]), {}) for i in range(12)))
    notes = read_image(path).metadata["notes"]
    assert "contains 12 images: 1 (20 × 80)" in notes[0]
    assert notes[0].endswith("8 (27 × 80) …. Number 1 is opened.")


def pyramid(path, kind, array):
    levels = [array, array[..., ::2, ::2], array[..., ::4, ::4]]
    with tifffile.TiffWriter(path, ome=kind == "ome") as tif:
        if kind == "pages":
            for i, level in enumerate(levels):
                tif.write(level, metadata=None, subfiletype=int(i > 0), tile=(16, 16), photometric="miniswhite")
        else:
            about = {"axes": "ZYX"[3 - array.ndim :]}
            tif.write(array, subifds=2, metadata=about, tile=(16, 16), photometric="miniswhite")
            for level in levels[1:]:
                tif.write(level, subfiletype=1, tile=(16, 16), photometric="miniswhite")
    return [255 - level for level in levels]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("kind", ["pages", "subifds", "ome"])
def test_pyramids(tmp_path, monkeypatch, kind, large) -> None:
    if large:
        monkeypatch.setattr(tiff, "IN_MEMORY", 10)
    levels = pyramid(tmp_path / "a.tif", kind, SCENE)
    image = read_image(tmp_path / "a.tif")
    assert image.metadata["pyramid"] == 3
    np.testing.assert_array_equal(np.asarray(image.array), levels[0])
    found = tiff.levels(tmp_path / "a.tif")
    assert [level.shape for level in found] == [level.shape for level in levels]
    for level, right in zip(found, levels, strict=True):
        np.testing.assert_array_equal(np.asarray(level), right)


def test_an_image_without_a_pyramid_is_one_level(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", SCENE)
    assert "pyramid" not in read_image(tmp_path / "a.tif").metadata
    assert [level.shape for level in tiff.levels(tmp_path / "a.tif")] == [(64, 80)]


def test_missing_parts_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"one part of an image, and 1 of its files are missing. Got mf_z1\.ome\.tif"):
        read_image(CASES / "mf_z0.ome.tif")
    with pytest.raises(InputError, match=r"mf_z1\.ome\.tif"):
        read_image(CASES / "mf_z2.ome.tif")


def test_missing_planes_of_one_file_are_counted(tmp_path) -> None:
    """An acquisition that was stopped: OME-XML promises more than came."""
    tifffile.imwrite(tmp_path / "a.ome.tif", np.stack([SCENE] * 3), ome=True, metadata={"axes": "TYX"})
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        text = tif.ome_metadata.replace('SizeT="3"', 'SizeT="5"').replace('PlaneCount="3"', 'PlaneCount="5"')
    tifffile.tiffcomment(tmp_path / "a.ome.tif", text)
    image = read_image(tmp_path / "a.ome.tif")
    assert image.metadata["notes"] == ["2 of 5 planes are missing in 'a.ome.tif'; they are 0."]


def test_a_file_that_was_given_another_name_is_whole(tmp_path) -> None:
    tifffile.imwrite(
        tmp_path / "old.ome.tif", np.stack([SCENE] * 3), ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.5}
    )
    with tifffile.TiffFile(tmp_path / "old.ome.tif") as tif:
        text = tif.ome_metadata
    named = text.replace('PlaneCount="3"/>', 'PlaneCount="3"><UUID FileName="old.ome.tif">urn:uuid:1</UUID></TiffData>')
    assert named != text
    tifffile.tiffcomment(tmp_path / "old.ome.tif", named)
    shutil.move(tmp_path / "old.ome.tif", tmp_path / "new.ome.tif")
    image = read_image(tmp_path / "new.ome.tif")
    assert (image.axes, image.array.shape, image.spacing[2]) == ("ZYX", (3, 64, 80), 0.5)
    np.testing.assert_array_equal(image.array[2], SCENE)


def test_a_part_that_names_its_whole(tmp_path) -> None:
    xml = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    xml += '<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:2"/></OME>'
    tifffile.imwrite(tmp_path / "a.ome.tif", SCENE, description=xml, metadata=None)
    note = read_image(tmp_path / "a.ome.tif").metadata["notes"][0]
    assert "one part of an image that 'a.companion.ome' describes" in note


def test_damaged_ome_xml_is_said(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", SCENE, ome=True)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        text = tif.ome_metadata
    tifffile.tiffcomment(tmp_path / "a.ome.tif", text.replace("<Pixels", "<Pixel", 1))
    image = read_image(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(image.array, SCENE)
    assert "OME-XML of 'a.ome.tif' is damaged" in image.metadata["notes"][0]
