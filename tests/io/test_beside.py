"""A file that names another file reaches no further than its own folder."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image as pillow

from napari_segplugin.core import ClassTable, InputError, ObjectTable, Segmentation, Task
from napari_segplugin.io import read_image, read_labels, read_segmentation, write_segmentation
from napari_segplugin.io.beside import inside


def panoptic(folder, name):
    """A panoptic file of one picture that is called `name`."""
    (folder / "a.panoptic").mkdir(parents=True, exist_ok=True)
    about = {
        "images": [{"id": 1, "height": 4, "width": 5, "file_name": "a.png"}],
        "annotations": [{"image_id": 1, "file_name": name, "segments_info": [{"id": 7, "category_id": 1, "area": 20}]}],
        "categories": [{"id": 1, "name": "cell", "isthing": 1}],
    }
    path = folder / "a.panoptic.json"
    path.write_text(json.dumps(about))
    return path


def picture(path):
    pillow.fromarray(np.full((4, 5, 3), (7, 0, 0), np.uint8)).save(path)


@pytest.mark.parametrize(
    "name", ["../../secret.png", "../secret.png", "..\\secret.png", "C:\\secret.png", "C:secret.png", "/secret.png", ""]
)
@pytest.mark.parametrize("reads", [read_labels, read_segmentation])
def test_a_panoptic_file_reads_nothing_outside_its_folder(tmp_path, name, reads):
    folder = tmp_path / "one" / "two"
    path = panoptic(folder, name)
    for place in (tmp_path, tmp_path / "one", folder, folder / "a.panoptic"):
        picture(place / "secret.png")
    with pytest.raises(InputError, match=r"'a\.panoptic\.json' names a file outside its own folder"):
        reads(path)


def test_an_absolute_path_is_refused_even_into_the_folder(tmp_path):
    picture(tmp_path / "secret.png")
    with pytest.raises(InputError, match="outside its own folder"):
        read_labels(panoptic(tmp_path / "in", str(tmp_path / "secret.png")))


def test_links_that_lead_outside_are_refused_and_others_are_followed(tmp_path):
    path = panoptic(tmp_path / "in", "link.png")
    picture(tmp_path / "secret.png")
    link = tmp_path / "in" / "a.panoptic" / "link.png"
    try:
        link.symlink_to(tmp_path / "secret.png")
    except OSError:
        pytest.skip("no links here")
    with pytest.raises(InputError, match="outside its own folder"):
        read_labels(path)
    link.unlink()
    picture(tmp_path / "in" / "a.panoptic" / "real.png")
    link.symlink_to("real.png")
    assert (read_labels(path)[0] == 7).all()


def test_a_folder_of_pictures_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    picture(tmp_path / "elsewhere" / "a.png")
    path = panoptic(tmp_path / "in", "a.png")
    (tmp_path / "in" / "a.panoptic").rmdir()
    try:
        (tmp_path / "in" / "a.panoptic").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    with pytest.raises(InputError, match="outside its own folder"):
        read_labels(path)


def test_files_that_were_linked_together_are_read(tmp_path):
    """As workflow managers stage them: link by link, the folder where all of them lie is one."""
    path = panoptic(tmp_path / "store", "a.png")
    picture(tmp_path / "store" / "a.panoptic" / "a.png")
    (tmp_path / "stage").mkdir()
    try:
        for name in ("a.panoptic.json", "a.panoptic"):
            (tmp_path / "stage" / name).symlink_to(tmp_path / "store" / name)
    except OSError:
        pytest.skip("no links here")
    assert np.array_equal(read_labels(tmp_path / "stage" / path.name)[0], read_labels(path)[0])


@pytest.mark.parametrize("source", ["../../x.png", "..\\..\\x.png", "/tmp/../x", "..", "a/.."])
def test_a_panoptic_file_writes_nothing_outside_its_folder(tmp_path, source):
    labels = np.full((4, 5), 3, np.int32)
    classes, recipe = ClassTable.named(["cell"]), {"input": {"source": source}}
    seg = Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), classes, "YX", (1.0, 1.0), recipe=recipe)
    (tmp_path / "in").mkdir()
    path, *_ = write_segmentation(seg, tmp_path / "in" / "a.panoptic.json")
    assert os.listdir(tmp_path) == ["in"]
    (entry,) = json.loads(path.read_text())["annotations"]
    assert not set(entry["file_name"]) & set("/\\:")
    assert (read_labels(path)[0] == 3).all()


def ome(path, other, uuid="urn:uuid:2"):
    """An OME-TIFF of two planes; the second one lies in the file `other`."""
    plane = '<TiffData FirstZ="{0}" IFD="0" PlaneCount="1"><UUID FileName="{1}">{2}</UUID></TiffData>'
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="16" SizeY="16" SizeZ="2" '
        'SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        + plane.format(0, path.name, "urn:uuid:1")
        + plane.format(1, other, uuid)
        + "</Pixels></Image></OME>"
    )
    tifffile.imwrite(path, np.ones((16, 16), np.uint8), description=text, metadata=None)


def test_an_ome_tiff_reads_its_planes_beside_it_and_nowhere_else(tmp_path):
    (tmp_path / "in").mkdir()
    first = tmp_path / "in" / "a.ome.tif"
    for place in (tmp_path, tmp_path / "in"):
        tifffile.imwrite(place / "b.ome.tif", np.full((16, 16), 9, np.uint8), metadata=None)
    ome(first, "b.ome.tif")
    assert np.asarray(read_image(first).array)[:, 0, 0].tolist() == [1, 9]
    for name in ("../b.ome.tif", str(tmp_path / "b.ome.tif")):
        ome(first, name)
        with pytest.raises(InputError, match=r"'a\.ome\.tif' names a file outside its own folder"):
            read_image(first)


def ndtiff(folder, name):
    """A Micro-Manager data set of one plane, whose index says that it lies in `name`."""
    axes, text = b'{"z": 0}', name.encode()
    row = struct.pack("<i", len(axes)) + axes + struct.pack("<i", len(text)) + text
    (folder / "NDTiff.index").write_bytes(row + struct.pack("<IiiiiIii", 0, 16, 16, 0, 0, 0, 0, 0))
    path = folder / "a_NDTiffStack.tif"
    tifffile.imwrite(path, np.full((16, 16), 5, np.uint8), metadata=None)
    return path


def test_a_micro_manager_index_reads_nothing_outside_its_folder(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    path = ndtiff(tmp_path / "in", "../secret.tif")
    tifffile.imwrite(tmp_path / "secret.tif", np.full((16, 16), 9, np.uint8))
    monkeypatch.setattr(tifffile.TiffFile, "is_ndtiff", True)
    with pytest.raises(InputError, match="outside its own folder"):
        read_image(path)


def test_names_in_the_folder_and_below_it_pass(tmp_path):
    file = tmp_path / "a.json"
    assert inside(tmp_path, "b.png", file) == tmp_path / "b.png"
    assert inside(tmp_path, "sub/b..c.png", file) == tmp_path / "sub" / "b..c.png"
    with pytest.raises(InputError, match="outside its own folder"):
        inside(tmp_path, "b\0.png", file)
