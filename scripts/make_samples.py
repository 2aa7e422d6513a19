"""Make the samples that ship with the package from a folder of real images with ground truth.

    python scripts/make_samples.py ../shared/data

Each sample is a folder with image.tif, truth.tif, sample.json and the licence of the images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

SHELF = Path(__file__).parent.parent / "sample_data"
NUCLEUS = "4d4ebfcae437"
CC0 = """CC0 1.0 Universal: the people who made this image set have waived all their rights to it.
https://creativecommons.org/publicdomain/zero/1.0/

Image set BBBC038v1, Broad Bioimage Benchmark Collection (Data Science Bowl 2018, stage 1 training set), made by the
Carpenter laboratory at the Broad Institute of Harvard and MIT; the annotations with the community's corrections, which
are under CC0 too.
"""


def nuclei2d(data: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any], Path | str]:
    folder = data / "nuclei2d_fluo"
    about = {
        "title": "Nuclei, fluorescence, 2D",
        "licence": "CC0-1.0",
        "attribution": "BBBC038v1, Data Science Bowl 2018, Broad Bioimage Benchmark Collection; annotations corrected",
        "source": f"stage1_train, {NUCLEUS}",
        "axes": "YX",
        "spacing": [1, 1],
        "unit": "pixel",
        "note": "The pixel size is not known.",
        "classes": ["nucleus"],
        "task": "instance",
    }
    image, truth = (tifffile.imread(folder / part / f"{NUCLEUS}.tif") for part in ("images", "labels"))
    return image, truth, about, CC0


def nuclei3d(data: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any], Path | str]:
    folder = data / "embryo3d"
    about = {
        "title": "Mouse embryo of 16 cells, nuclei, 3D",
        "licence": "MIT",
        "attribution": "QCANet, Funahashi Lab., Keio University",
        "source": "16_cell_stage",
        "axes": "ZYX",
        "spacing": [2.18, 1, 1],
        "unit": "pixel",
        "note": "The voxel size is relative: a voxel is 2.18 times as deep as wide; the absolute size is not known.",
        "classes": ["nucleus"],
        "task": "instance",
    }
    image, truth = (tifffile.imread(folder / f"16_cell_stage_{part}.tif") for part in ("image", "labels"))
    return image, truth, about, folder / "LICENSE"


def axon_sem(data: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any], Path | str]:
    folder, name = data / "axon_sem", "sub-rat3_sample-data9_SEM"
    about = {
        "title": "Axons and myelin, electron microscopy, 2D",
        "licence": "MIT",
        "attribution": "data_axondeepseg_sem, AxonDeepSeg, NeuroPoly and ivadomed",
        "source": f"{name}, the 512 x 512 pixels in the middle",
        "axes": "YX",
        "spacing": [1, 1],
        "unit": "pixel",
        "note": "The pixel size of this image is not stated.",
        "classes": ["axon", "myelin"],
        "task": "semantic",
    }
    image, truth = (tifffile.imread(folder / part / f"{name}.tif") for part in ("images", "labels"))
    y, x = ((n - 512) // 2 for n in image.shape)
    crop = np.s_[y : y + 512, x : x + 512]
    return image[crop], truth[crop], about, folder / "LICENSE"


def stardist_nuclei3d(data: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any], Path | str]:
    folder = data / "stardist_examples"
    about = {
        "title": "Synthetic nuclei, 3D",
        "licence": "BSD-3-Clause",
        "attribution": "StarDist, Uwe Schmidt and Martin Weigert",
        "source": "img3d, mask3d",
        "axes": "ZYX",
        "spacing": [1, 1, 1],
        "unit": "pixel",
        "note": "Simulated; it has no physical size.",
        "classes": ["nucleus"],
        "task": "instance",
    }
    image, truth = (tifffile.imread(folder / f"{part}3d.tif") for part in ("img", "mask"))
    return image, truth, about, folder / "LICENSE-stardist.txt"


Maker = Callable[[Path], tuple[np.ndarray, np.ndarray, dict[str, Any], Path | str]]
MAKERS: tuple[Maker, ...] = (nuclei2d, nuclei3d, axon_sem, stardist_nuclei3d)


def save(name: str, image: np.ndarray, truth: np.ndarray, about: dict[str, Any], licence: Path | str) -> int:
    """Write one sample and return its size in bytes."""
    if image.shape != truth.shape:
        raise SystemExit(f"{name}: image {image.shape} and truth {truth.shape} differ in shape")
    folder = SHELF / name
    folder.mkdir(parents=True, exist_ok=True)
    smallest = np.uint8 if truth.max() < 2**8 else np.uint16
    for part, array in (("image", image), ("truth", truth.astype(smallest))):
        options = {"compression": "zlib", "compressionargs": {"level": 9}}
        tifffile.imwrite(folder / f"{part}.tif", array, metadata={"axes": about["axes"]}, **options)
    (folder / "sample.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    text = licence if isinstance(licence, str) else licence.read_text(encoding="utf-8")
    (folder / "LICENSE.txt").write_text(text, encoding="utf-8")
    return sum(p.stat().st_size for p in folder.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    data = parser.parse_args().data
    total = 0
    for maker in MAKERS:
        size = save(maker.__name__, *maker(data))
        total += size
        print(f"{maker.__name__}: {size / 1e3:.0f} kB")
    print(f"together: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
