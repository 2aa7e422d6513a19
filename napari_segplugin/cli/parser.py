"""What can be typed. Imports no torch, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse

import napari_segplugin
from napari_segplugin.cli.parse_results import (
    Commands,
    channels,
    crop,
    evaluate,
    export,
    geometry,
    make_command,
    measure,
    track,
)
from napari_segplugin.cli.values import Names, box, loss_term, names, numbers, setting, whole_numbers, zoom
from napari_segplugin.core import Task
from napari_segplugin.core.specs import INTENSITIES
from napari_segplugin.losses import LOSSES
from napari_segplugin.networks import NETWORKS
from napari_segplugin.tasks import HEADS

_WRITES = (
    "Writes NAME_labels in the format of the image (TIFF, PNG, NIfTI, OME-Zarr, DICOM segmentation, NumPy), a table of the "
    "objects, and a record of how the result was made."
)


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        "segplugin", description="Segment, fine-tune, train and measure, without a window."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {napari_segplugin.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_predict, _run, _finetune, _train, evaluate, measure, crop, track, export, _models, _doctor):
        command = add(commands)
        command.add_argument("--json", action="store_true", help="print only one JSON object on stdout")
        command.add_argument("--quiet", action="store_true", help="no progress on stderr")
    return parser


def _predict(commands: Commands) -> argparse.ArgumentParser:
    p = make_command(commands, "predict", "segment images", _WRITES)
    p.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="TIFF, PNG, NIfTI, OME-Zarr, DICOM series, NumPy; or folders of images",
    )
    _model(p)
    _output(p)
    _format(p)
    p.add_argument(
        "--tile", type=whole_numbers, default=(), metavar="N[,N,N]", help="largest tile in pixels (voxels in 3D), Z,Y,X"
    )
    p.add_argument(
        "--halo", type=whole_numbers, default=(), metavar="N[,N,N]", help="overlap of tiles in pixels or voxels, Z,Y,X"
    )
    p.add_argument("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    p.add_argument(
        "--mirror",
        action="store_true",
        help="average over mirrored copies: slightly better, 4 (2D) or 8 (3D) times slower",
    )
    p.add_argument(
        "--zoom",
        type=zoom,
        default=1.0,
        metavar="FACTOR",
        help='enlarge the image this many times before segmenting it, 0.25 to 4; "auto": run again enlarged if the objects are small',
    )
    p.add_argument(
        "--keep-voxel-size",
        action="store_true",
        help="do not resample the image to the pixel or voxel size of the images that the model learnt from",
    )
    p.add_argument(
        "--invert",
        action="store_true",
        help="exchange bright and dark first, for a model that learnt the opposite contrast",
    )
    p.add_argument(
        "--cluster",
        metavar="WHERE",
        default="",
        help='a dask cluster: the address of its scheduler, its scheduler file, or "local:4" for four processes on this '
        "computer; a single image is spread over the workers, several images are one task each",
    )
    _device(p)
    p.add_argument(
        "--join",
        action="store_true",
        help="the images are the channels of one, such as T1 and T2: brought together by where their files say they lie",
    )
    geometry(p)
    channels(p)
    return p


def _run(commands: Commands) -> argparse.ArgumentParser:
    p = make_command(
        commands,
        "run",
        "run a recipe again, on the same image or on others",
        "RECIPE is the NAME.recipe.json beside a result, the batch.json in a folder of results, a JSON file with classical "
        "steps, or the name of a built-in recipe. On the image that a result was made of, its corrections are included; on "
        f"others they are left out. {_WRITES}",
    )
    p.add_argument("recipe", metavar="RECIPE")
    p.add_argument(
        "images", nargs="*", metavar="IMAGE", help="images, or folders of images (default: the image that RECIPE names)"
    )
    _output(p)
    _format(p)
    p.add_argument(
        "--model",
        metavar="MODEL",
        help="name or folder of the model (default: the one that RECIPE names, with the same weights)",
    )
    p.add_argument("--device", help="auto, cpu, cuda, cuda:1, mps (default: as RECIPE says)")
    p.add_argument("--seeds", metavar="LABELS", help="points or strokes of one image, as a label image")
    p.add_argument("--box", type=box, default=(), metavar="A:B,A:B[,A:B]", help="a box in pixels (voxels in 3D), Z,Y,X")
    geometry(p)
    channels(p)
    p.set_defaults(home="run_recipe")
    return p


def _finetune(commands: Commands) -> argparse.ArgumentParser:
    p = make_command(
        commands,
        "finetune",
        "train a copy of a model on corrections",
        "CORRECTIONS is a label image: 0 is not painted and stays unknown, 65535 is background, and other numbers "
        "are classes (semantic) or whole objects (instance, panoptic). Ctrl-C ends the training and keeps the best "
        "state.",
    )
    p.add_argument("image", metavar="IMAGE")
    p.add_argument("corrections", metavar="CORRECTIONS", nargs="?", help="optional with --points or --boxes")
    _model(p)
    p.add_argument("--output", required=True, metavar="MODEL", help="folder of the new model; must not exist yet")
    p.add_argument(
        "--stroke-classes",
        metavar="FILE",
        help="class of each object in CORRECTIONS, if there are several classes: a table (CSV: label, class) or a "
        "label image of classes (default: the table beside it, NAME.objects.csv)",
    )
    p.add_argument("--result", metavar="LABELS", help="the result after manual correction")
    p.add_argument(
        "--result-classes", metavar="FILE", help="the same for --result (default: the tables beside it and --before)"
    )
    p.add_argument(
        "--before", metavar="LABELS", help="the result before correction; where --result differs, it was corrected"
    )
    p.add_argument("--reviewed", metavar="MASK", help="area in which --result is correct everywhere")
    p.add_argument(
        "--points", metavar="CSV", help="a click in each of some objects: axis-0, axis-1 … or z, y, x; class"
    )
    p.add_argument("--boxes", metavar="JSON", help="a box around each of some objects: [[[start, stop], …], …]")
    p.add_argument("--nothing", metavar="MASK", help="area without any object")
    _training(p, seconds=60.0)
    _device(p)
    geometry(p)
    channels(p)
    return p


def _train(commands: Commands) -> argparse.ArgumentParser:
    p = make_command(
        commands,
        "train",
        "train a model from a folder",
        "FOLDER holds images/ and masks/ (or labels/) with the same names, or pairs NAME_image.* and NAME_labels.*; "
        "classes/ beside them gives the class of each pixel (voxel in 3D). Ctrl-C ends the training and keeps the "
        "best state.",
    )
    p.add_argument("folder", metavar="FOLDER")
    p.add_argument("--output", required=True, metavar="MODEL", help="folder of the new model; must not exist yet")
    p.add_argument("--task", choices=[str(t) for t in Task], help="(default: instance, or that of --from)")
    p.add_argument("--ndim", type=int, choices=[2, 3], help="2 or 3 dimensions (default: as the images)")
    p.add_argument("--classes", type=names, default=(), metavar="A,B", help="names of classes 1, 2 …")
    p.add_argument(
        "--stuff", type=names, default=(), metavar="B", help="which of them are areas that are not counted (panoptic)"
    )
    p.add_argument("--ignore", type=int, metavar="N", help="label value that means unknown")
    p.add_argument("--network", choices=Names(NETWORKS), metavar="NAME", help="%(choices)s (default: unet)")
    p.add_argument(
        "--head", default="", choices=Names(HEADS), metavar="NAME", help="how objects are separated: %(choices)s"
    )
    p.add_argument(
        "--option",
        type=setting,
        nargs="+",
        metavar="KEY=VALUE",
        help="options of the network, such as deep_supervision=true",
    )
    p.add_argument(
        "--model-spacing",
        type=numbers,
        default=(),
        metavar="D[,D,D]",
        help="pixel or voxel size that the new model works in, Z,Y,X, in the unit of the images (default: chosen by them)",
    )
    p.add_argument("--keep", metavar="DIR", help="save the training here, to resume it after a crash or Ctrl-C")
    p.add_argument("--from", dest="start", metavar="MODEL", help="start from this model instead of random weights")
    p.add_argument(
        "--validation", type=float, default=0.2, metavar="SHARE", help="fraction of images kept for checking (0.2)"
    )
    _training(p, seconds=600.0)
    _device(p)
    geometry(p, one=False)
    channels(p)
    return p


def _models(commands: Commands) -> argparse.ArgumentParser:
    p = make_command(commands, "models", "list models", "The models that come with the package, and those in FOLDER.")
    p.add_argument("folders", nargs="*", metavar="FOLDER", help="a model, or a folder of models")
    p.add_argument(
        "--parts",
        action="store_true",
        help="list all networks, losses, techniques, formats and metrics, and the packages they come from",
    )
    p.set_defaults(home="models")
    return p


def _doctor(commands: Commands) -> argparse.ArgumentParser:
    more = "Packages, graphics card and driver, memory, disk, folders. The report can be published as it is."
    p = make_command(commands, "doctor", "check this computer", more)
    p.add_argument("--folder", default="", metavar="DIR", help="the session folder (default: the usual one)")
    p.set_defaults(home="models")
    return p


def _model(p: argparse.ArgumentParser) -> None:
    p.add_argument("--model", required=True, metavar="MODEL", help="name of a built-in model, or folder of a model")


def _format(p: argparse.ArgumentParser) -> None:
    choices = ["tif", "ome.tif", "png", "nii.gz", "seg.dcm", "ome.zarr", "zarr", "npy"]
    p.add_argument("--format", choices=choices, help="(default: that of the image, or tif where it holds no labels)")


def _output(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--output",
        metavar="DIR",
        help="folder for the results (default: beside each image; FOLDER_results for a folder)",
    )
    p.add_argument(
        "--again",
        action="store_true",
        help="do images again that are done already with the same settings (several images)",
    )


def _device(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: auto)")


def _training(p: argparse.ArgumentParser, seconds: float) -> None:
    p.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help=f"time of the whole training in seconds ({seconds:g}; no limit with --steps)",
    )
    p.add_argument("--steps", type=int, default=0, metavar="N", help="training steps")
    p.add_argument(
        "--loss",
        nargs="+",
        type=loss_term,
        choices=Names(LOSSES),
        metavar="NAME[:WEIGHT]",
        help="losses whose weighted sum is minimised, from %(choices)s",
    )
    p.add_argument("--learning-rate", type=float, metavar="R", help="size of the training steps")
    p.add_argument("--batch", type=int, default=0, metavar="N", help="patches per training step")
    p.add_argument(
        "--patch", type=whole_numbers, default=(), metavar="N[,N,N]", help="patch size in pixels (voxels in 3D), Z,Y,X"
    )
    p.add_argument(
        "--augment",
        type=setting,
        nargs="+",
        metavar="KEY=VALUE",
        help="strength of the augmentation (random variation of the patches), such as elastic=5 scale=1.2",
    )
    p.add_argument("--no-augment", action="store_true", help="no augmentation")
    p.add_argument("--balance", action="store_true", help="show rare classes more often and give them more weight")
    p.add_argument(
        "--intensities",
        choices=INTENSITIES,
        default="auto",
        help="how a new model reads values: ct: as they are, the same in every image (Hounsfield units); image: each "
        "image by its own range; auto: ct where all images hold Hounsfield units (default)",
    )
    _few_labels(p)
    p.add_argument("--tensorboard", metavar="DIR", help="also write loss, quality and learning rate for TensorBoard")
    p.add_argument("--seed", type=int, default=0)
    p.set_defaults(default_seconds=seconds)


def _few_labels(p: argparse.ArgumentParser) -> None:
    """What a trained network keeps, and what else teaches where little is labelled."""
    p.add_argument(
        "--freeze",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="fraction of the training during which the encoder (the part that reads the image) stays unchanged",
    )
    p.add_argument(
        "--layer-decay",
        type=float,
        default=1.0,
        metavar="R",
        help="learning rate of each part of the network, relative to the part after it; below 1, early parts change "
        "less",
    )
    p.add_argument(
        "--regulariser",
        type=float,
        default=0.0,
        metavar="W",
        help="extends strokes to neighbours that look alike; the weight of this term, a gated CRF (0: off)",
    )
    p.add_argument(
        "--teacher",
        type=float,
        default=0.0,
        metavar="W",
        help="self-training: weight of pseudo-labels, which are unlabelled pixels of which the averaged network is "
        "certain (0: off)",
    )
    p.add_argument(
        "--as-before",
        type=float,
        default=1.0,
        metavar="W",
        help="fine-tuning: weight of what the model said before, where nobody labelled and it was certain (default: 1; "
        "0: off)",
    )
    p.add_argument(
        "--rehearsal",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="fine-tuning: fraction of the patches that are pieces of images the model learnt from before, so that "
        "it forgets less (default: 0.5; 0: none)",
    )
    p.add_argument(
        "--exemplars",
        type=int,
        default=24,
        metavar="N",
        help="how many pieces of the training images the model keeps for that (default: 24; 0: none, if the images "
        "must not be passed on)",
    )


__all__ = ["make_parser"]
