"""Good inputs of every kind, made by code: what the fuzzer damages."""

from __future__ import annotations

import shutil
from pathlib import Path

import imageio.v3 as imageio
import nibabel
import numpy as np
import pydicom
import tifffile
import zarr

import napari_segplugin as seg
from napari_segplugin.engine.train import checkpoint
from napari_segplugin.io import load_sample, shipped_recipes, write_segmentation

LABEL_ENDINGS = ("tif", "ome.zarr", "nii.gz", "npy", "png", "coco.json", "panoptic.json")
IMAGES = ("a.tif", "a.ome.tif", "stack.tif", "tiles.tif", "a.png", "a.jpg", "a.nii", "a.nii.gz", "a.npy")
SMALL = {"widths": [4, 8]}
STEPS = ["--steps", "1", "--batch", "1", "--patch", "32,32", "--quiet", "--device", "cpu"]


def make_seeds(folder: Path) -> None:
    """Write them all; a few seconds, less than 2 MB.

    ``img/`` images, ``lab/`` the same labels in each format that is read, ``model`` a small model with exemplars, ``train``
    a folder to train from, ``keep`` a training that stopped, and corrections of each kind.
    """
    sample = load_sample("nuclei2d")
    image = np.asarray(sample.image.array)[:64, :64]
    plain = (image >> 8 if image.dtype == np.uint16 else image).astype(np.uint8)
    truth = np.asarray(sample.truth)[:64, :64].astype(np.uint16)
    _images(folder / "img", image, plain)
    (folder / "lab").mkdir()
    found = seg.segment(seg.Image(image, "YX", (0.5, 0.5), "um"), "nuclei2d")
    for ending in LABEL_ENDINGS:
        write_segmentation(found, folder / "lab" / f"p.{ending}")
    tifffile.imwrite(folder / "film.tif", np.stack([truth] * 3), metadata={"axes": "TYX"})
    shutil.copy(shipped_recipes()["nuclei2d"], folder / "recipe.json")
    (folder / "train" / "images").mkdir(parents=True)
    (folder / "train" / "masks").mkdir()
    for i in range(2):
        tifffile.imwrite(folder / "train" / "images" / f"i{i}.tif", image)
        tifffile.imwrite(folder / "train" / "masks" / f"i{i}.tif", truth)
    (folder / "points.csv").write_text("axis-0,axis-1,class\n10,10,1\n40,50,1\n")
    (folder / "boxes.json").write_text('[[[10, 30], [10, 30]], {"box": [[40, 60], [40, 60]], "class": 1}]')
    strokes = np.zeros(image.shape, np.uint16)
    strokes[10:20, 10:20], strokes[50:60, 50:60] = 1, 65535
    tifffile.imwrite(folder / "strokes.tif", strokes)
    spec = seg.TrainSpec(seconds=0, steps=1, batch=1, patch=(32, 32), device="cpu", exemplars=2)
    made = seg.train(folder / "train", "unet", spec, options=SMALL)
    seg.save_model(made.bundle, folder / "model")
    _interrupted(folder)


def _images(folder: Path, image: np.ndarray, plain: np.ndarray) -> None:
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", image)
    tifffile.imwrite(folder / "a.ome.tif", image)
    tifffile.imwrite(folder / "stack.tif", np.stack([image] * 3), imagej=True)
    tifffile.imwrite(folder / "tiles.tif", image, compression="zlib", tile=(32, 32))
    imageio.imwrite(folder / "a.png", plain)
    imageio.imwrite(folder / "a.jpg", plain)
    volume = nibabel.Nifti1Image(image.T.astype(np.int16)[:, :, None], np.eye(4))
    for name in ("a.nii", "a.nii.gz"):
        nibabel.save(volume, folder / name)
    np.save(folder / "a.npy", image)
    zarr.create_array(str(folder / "a.zarr"), shape=image.shape, chunks=(32, 32), dtype=image.dtype)[:] = image
    _series(Path(__file__).parents[1] / "data" / "dicom_series", folder / "dcm")


def _series(source: Path, target: Path) -> None:
    """The slices of a series, evenly spaced."""
    target.mkdir()
    for i, file in enumerate(sorted(source.glob("*.dcm"))):
        data = pydicom.dcmread(file)
        data.ImagePositionPatient = [*data.ImagePositionPatient[:2], float(i)]
        data.save_as(target / file.name)


def _interrupted(folder: Path) -> None:
    """A training that `training` goes on with: its checkpoint is written at every step, and stays."""
    old = checkpoint.Checkpoint.remove, checkpoint.Checkpoint.due
    checkpoint.Checkpoint.remove = lambda self: None
    checkpoint.Checkpoint.due = property(lambda self: True)
    try:
        from napari_segplugin.cli import main

        main([*resumed(folder, folder / "keep"), "--output", str(folder / "resumed")])
    finally:
        checkpoint.Checkpoint.remove, checkpoint.Checkpoint.due = old


def resumed(seeds: Path, keep: Path) -> list[str]:
    """The command that goes on with the training that lies in `keep`, but for where its model goes."""
    options = ["--from", str(seeds / "model"), "--keep", str(keep), *STEPS]
    return ["train", str(seeds / "train"), *options, "--steps", "2"]
