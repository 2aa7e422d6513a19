"""What is offered for a result is written and read back: image formats x tasks, each format that is offered."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import dicom_maker
import numpy as np
import pytest

from napari_segplugin.core import ClassInfo, ClassTable, Image, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.door.results import write_segmentation
from napari_segplugin.io import FORMATS, load_sample, read_image, read_segmentation
from napari_segplugin.io import offered as offered_module
from napari_segplugin.io.image_writing import write_image
from napari_segplugin.io.offered import Offer, offers, place_for

IMAGES = {
    "cells.tif": "YX",
    "stack.tif": "ZYX",
    "film.ome.tif": "TYX",
    "both.ome.tif": "TZYX",
    "cells.png": "YX",
    "cells.jpg": "YX",
    "cells.npy": "YX",
    "stack.npy": "ZYX",
    "brain.nii": "ZYX",
    "brain.nii.gz": "ZYX",
    "film.nii.gz": "TZYX",
    "cells.ome.zarr": "YX",
    "stack.ome.zarr": "ZYX",
    "film.ome.zarr": "TZYX",
    "series": "ZYX",
    "": "ZYX",
}
OWN = {"cells.jpg": ".png", "series": ".seg.dcm", "": ".tif"}
SIZES = {"T": 3, "Z": 4, "Y": 24, "X": 30}


def picture(folder: Path, name: str) -> Image:
    """An image as it is read from a file of this name."""
    axes, place = IMAGES[name], folder / name
    array = np.zeros(tuple(SIZES[a] for a in axes), np.uint8)
    array[..., 3:9, 2:9] = 200
    spacing = tuple({"Z": 2.0, "Y": 0.5, "X": 0.5}[a] for a in axes if a != "T")
    if name == "series":
        dicom_maker.series(place, [0, 2, 4, 6])
    elif name == "cells.jpg":
        import imageio.v3 as imageio

        imageio.imwrite(place, array)
    elif name:
        write_image(Image(array, axes, spacing, "um"), place)
    else:
        return Image(array, axes, spacing, "um")
    return read_image(place, axes=axes if name.endswith(".npy") else None)


def result(image: Image, task: Task) -> Segmentation:
    """Two objects, or two classes; in a panoptic one also an area."""
    axes = "".join(a for a in image.axes if a in "TZYX")
    labels = np.zeros(tuple(image.sizes[a] for a in axes), np.int32)
    labels[..., 1:3, 1:4], labels[..., 3:5, 5:7] = (1, 2) if task is Task.SEMANTIC else (4, 9)
    kinds = {Task.SEMANTIC: [1, 2], Task.INSTANCE: [1, 1], Task.PANOPTIC: [1, 1, 2]}[task]
    if task is Task.PANOPTIC:
        labels[..., 5:6, :] = 12
    classes = [ClassInfo(0, "background", "#000000", Kind.STUFF), ClassInfo(1, "cell", "#ff8800", Kind.THING)]
    if task is not Task.INSTANCE:
        kind = Kind.STUFF if task is Task.PANOPTIC else Kind.THING
        classes.append(ClassInfo(2, "gland", "#00aaff", kind))
    numbers = np.unique(labels)[1:]
    table = ObjectTable(numbers, np.array(kinds), np.full(len(kinds), 0.5, np.float32), ("predicted",) * len(kinds))
    recipe: Any = {"input": {"source": image.source, "name": image.name}}
    return Segmentation(
        task,
        labels,
        table,
        ClassTable(tuple(classes)),
        axes,
        image.canonical_spacing,
        image.unit,
        "made",
        recipe,
        image.place,
    )


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("name", IMAGES)
def test_every_format_that_is_offered_holds_the_result(name: str, task: Task, tmp_path: Path) -> None:
    image = picture(tmp_path, name)
    found = result(image, task)
    listed = offers(found.axes, int(found.labels.max()), image.source)
    own = OWN.get(name) or "." + name.partition(".")[2]
    assert listed[0].extension == own
    assert len({o.extension for o in listed}) == len(listed)
    folder = tmp_path / "out"
    folder.mkdir()
    for offer in listed:
        path = folder / f"a{offer.extension}"
        made = write_segmentation(found, path, voxel_space=True)
        assert path in made
        assert path.exists()
        if offer.extension.endswith((".geojson", ".gpkg", ".stl", ".ply", ".obj", ".zip")):
            assert path.stat().st_size > 100
            assert not offer.extension.endswith(".zip") or zipfile.ZipFile(path).namelist()
            continue
        back = read_segmentation(path)
        assert (back.task, back.axes) == (found.task, found.axes), offer
        if offer.extension == ".seg.dcm":  # which numbers segments from 1
            np.testing.assert_array_equal(back.labels > 0, found.labels > 0)
            assert sorted(back.objects.class_id.tolist()) == sorted(found.objects.class_id.tolist())
        else:
            np.testing.assert_array_equal(back.labels, found.labels, err_msg=offer.extension)
            assert back.objects.class_id.tolist() == found.objects.class_id.tolist()
        np.testing.assert_allclose(back.spacing, found.spacing, rtol=1e-5, err_msg=offer.extension)


def ways(axes: str, largest: int = 5, source: str = "") -> set[str]:
    return {o.extension for o in offers(axes, largest, source)}


def test_what_cannot_hold_the_result_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    surfaces = {".stl", ".ply", ".obj", ".stl.zip", ".ply.zip", ".obj.zip"}
    assert surfaces <= ways("ZYX")
    for axes in ("YX", "TYX", "TZYX"):
        assert not surfaces & ways(axes)
    assert ".png" in ways("YX") - ways("ZYX") - ways("YX", 2**16)
    assert ".panoptic.json" in ways("YX", 2**16) - ways("YX", 2**24)
    assert not (surfaces | {".roi.zip", ".seg.dcm"}) & ways("ZYX", 0), "there is no object"
    assert ".seg.dcm" not in ways("ZYX")
    dicom_maker.series(tmp_path / "ct", [0, 2])
    assert ".seg.dcm" in ways("ZYX", 5, str(tmp_path / "ct"))
    monkeypatch.setattr(offered_module.importlib.util, "find_spec", lambda name: None)
    assert not {".roi.zip", ".gpkg", ".seg.dcm"} & ways("ZYX", 5, str(tmp_path / "ct"))
    assert offers("ZYX", 5, str(tmp_path / "ct"))[0].extension == ".nii.gz"


def test_a_format_that_does_not_fit_gives_way_to_the_next() -> None:
    assert offers("YX", 2**16, "cells.png")[0].extension == ".tif"
    assert offers("YX", 5, "cells.jpg")[0] == Offer("PNG, one plane", ".png")


def test_the_result_goes_beside_its_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    (tmp_path / "scan").mkdir()
    (tmp_path / "p.ome.zarr" / "A" / "1").mkdir(parents=True)
    assert place_for(str(tmp_path / "a.b.ome.tif"), ".ome.tif") == tmp_path / "a.b_labels.ome.tif"
    assert place_for(str(tmp_path / "scan"), ".seg.dcm") == tmp_path / "scan_labels.seg.dcm"
    assert place_for(str(tmp_path / "p.ome.zarr"), ".ome.zarr") == tmp_path / "p_labels.ome.zarr"
    assert place_for(str(tmp_path / "p.ome.zarr" / "A" / "1"), ".ome.zarr") == tmp_path / "p A_1_labels.ome.zarr"
    assert place_for(str(tmp_path / "gone" / "a.tif"), ".tif") == home / "a_labels.tif"
    assert place_for("", ".tif", "my/image: 1") == home / "my_image_ 1_labels.tif"
    assert place_for("", ".tif", "..") == home / "result_labels.tif"
    sample = load_sample("nuclei2d").image
    assert place_for(sample.source, ".tif").parent == home
    assert {row.module for row in FORMATS} == {"", "highdicom", "pyogrio", "roifile"}
