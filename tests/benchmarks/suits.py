"""How often a model notices that an image does not suit it, and how often it says so of one that does.

    python tests/benchmarks/suits.py DATA --json docs/benchmarks/suits.json

DATA is the folder with the public data. Every image is one that the model has not seen: the test half of `nuclei2d`, the 8-cell
embryo for `nuclei3d`, rat 4 for `axon_sem`, and for a model of the hippocampus (only its measures are needed, so nothing is
trained) the last 20 of 60 scans. "times" is resampling by scikit-image; "rough" repeats pixels or takes every fourth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import tifffile
from skimage.transform import rescale

from napari_segplugin.core import Image, Learnt, ModelBundle
from napari_segplugin.data.looks import typical_of
from napari_segplugin.engine.predict.work.suits import suits
from napari_segplugin.io import load_bundle, shipped_bundles


def volumes(*files: Path) -> list[np.ndarray]:
    """NIfTI volumes, the axis with the largest voxels or fewest planes first."""
    found = []
    for file in files:
        array = np.asarray(nibabel.load(file).dataobj).astype(np.float32)
        found.append(np.moveaxis(array, int(np.argmin(array.shape)), 0))
    return found


def grey(array: np.ndarray) -> np.ndarray:
    """Brightness of a colour picture."""
    return array[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def middle(stack: list[np.ndarray], planes: int = 1) -> list[np.ndarray]:
    """Planes from the middle half of volumes."""
    return [v[i] for v in stack for i in np.linspace(len(v) / 4, 3 * len(v) / 4, planes + 2).astype(int)[1:-1]]


def load(data: Path) -> dict[str, list[np.ndarray]]:
    """The public images by modality."""
    from imageio.v3 import imread

    medical: dict[str, list[np.ndarray]] = {"HipXRay": [], "OCTA500": [], "BTCV": [], "SCD": []}
    for file in sorted((data / "scribbles_medical").glob("*.npz")):
        medical[file.name.split("_")[0]].append(np.load(file)["image"].astype(np.float32))
    hearts = [np.load(f)["image"].astype(np.float32) for f in sorted((data / "heart_scribbles_mri/test").glob("*.npz"))]
    ct = volumes(data / "spleen3d_ct/sub-spleen2_ct.nii.gz", data / "ct_multiorgan/example_ct.nii.gz")
    mr = volumes(data / "ct_multiorgan/example_mr_sm.nii.gz")
    fib = [tifffile.imread(data / "neurons3d_fib25/image.tif")]
    hippocampus = volumes(*sorted((data / "hippocampus3d_mri/images").glob("*.nii.gz")))
    return {
        "fluorescence": [tifffile.imread(f) for f in sorted((data / "nuclei2d_fluo/images").glob("*.tif"))],
        "embryo3": [tifffile.imread(data / f"embryo3d/{n}_cell_stage_image.tif") for n in (16, 8)],
        "stardist3": [tifffile.imread(data / "stardist_examples/img3d.tif")],
        "histology": [grey(tifffile.imread(f)) for f in sorted((data / "nuclei2d_histology/images").glob("*.tif"))],
        "axon SEM": [tifffile.imread(f) for f in sorted((data / "axon_sem/images").glob("*.tif"))],
        "street": [grey(imread(f)) for f in sorted((data / "camvid/val").glob("*.png"))],
        "X-ray": medical["HipXRay"],
        "OCT": medical["OCTA500"],
        "CT": middle(ct, 4) + medical["BTCV"],
        "MRI": middle(mr, 4) + medical["SCD"] + middle(hearts),
        "hippocampus": middle(hippocampus),
        "FIB-SEM": middle(fib, 6),
        "hippocampus3": hippocampus,
        "CT3": ct,
        "MRI3": mr + hearts,
        "FIB-SEM3": fib,
    }


def sized(array: np.ndarray, factor: float) -> np.ndarray:
    """Every plane larger or smaller; of volumes some planes."""
    if array.ndim == 3:
        return np.stack([sized(p, factor) for p in array[:: max(1, len(array) // 8)]])
    return rescale(array.astype(np.float32), factor, order=1, anti_aliasing=factor < 1, preserve_range=True)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda a: a,
    "inverted": lambda a: float(a.max()) + float(a.min()) - a.astype(np.float32),
    "4 times": lambda a: sized(a, 4),
    "4 times, rough": lambda a: a.repeat(4, -1).repeat(4, -2),
    "1/4": lambda a: sized(a, 0.25),
    "1/4, rough": lambda a: a[..., ::4, ::4],
}


def knowing(bundle: ModelBundle, arrays: list[np.ndarray]) -> ModelBundle:
    """A bundle that learnt from these images."""
    return replace(bundle, learnt=Learnt(typical=typical_of([image(a) for a in arrays], bundle.normalisation)))


def image(array: np.ndarray) -> Image:
    return Image(np.ascontiguousarray(array), "YX" if array.ndim == 2 else "ZYX")


def caught(arrays: list[np.ndarray], bundle: ModelBundle) -> dict[str, float | int]:
    """Which share of the images does not suit the model."""
    verdicts = [suits(image(a), bundle) for a in arrays]
    return {"images": len(arrays), "caught": round(float(np.mean([not v.fits for v in verdicts])), 3)}


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    sets = load(args.data)
    shipped = {name: load_bundle(folder) for name, folder in shipped_bundles().items()}
    flat = ("histology", "street", "X-ray", "OCT", "CT", "MRI", "hippocampus", "FIB-SEM")
    deep = ("CT3", "MRI3", "FIB-SEM3", "hippocampus3")
    brain = knowing(shipped["nuclei3d"], sets["hippocampus3"][:40])
    models = {
        "nuclei2d": (shipped["nuclei2d"], sets["fluorescence"][::2], (*flat, "axon SEM")),
        "nuclei3d": (shipped["nuclei3d"], sets["embryo3"][1:], deep),
        "axon_sem": (shipped["axon_sem"], sets["axon SEM"][5:], (*flat, "fluorescence")),
        "hippocampus": (brain, sets["hippocampus3"][40:], (*deep[:3], "embryo3", "stardist3")),
    }
    table: dict[str, dict[str, dict[str, float | int]]] = {}
    for name, (bundle, own, others) in models.items():
        rows = table[name] = {k: caught([change(a) for a in own], bundle) for k, change in CHANGES.items()}
        rows |= {k: caught(sets[k], bundle) for k in others}
        total = sum(int(rows[k]["images"]) for k in others)
        share = sum(rows[k]["caught"] * rows[k]["images"] for k in others) / total
        rows["other modality"] = {"images": total, "caught": round(float(share), 3)}
        print(name, json.dumps(rows, indent=1), flush=True)
    if args.json:
        args.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
