"""What can be typed. Imports no torch, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
from typing import TypeAlias

import napari_segplugin
from napari_segplugin.cli.values import Names, box, loss_term, names, numbers, setting, whole_numbers, zoom
from napari_segplugin.core import Task
from napari_segplugin.losses import LOSSES
from napari_segplugin.networks import NETWORKS
from napari_segplugin.tasks import HEADS

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        "segplugin", description="Segment, fine-tune, train and measure, without a window."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {napari_segplugin.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_predict, _run, _finetune, _train, _evaluate, _measure, _track, _export, _models):
        command = add(commands)
        command.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else")
        command.add_argument("--quiet", action="store_true", help="no progress on stderr")
    return parser


def _predict(commands: Commands) -> argparse.ArgumentParser:
    p = _command(commands, "predict", "segment images", "Writes NAME_labels.tif, its recipe and its table of objects.")
    p.add_argument("images", nargs="+", metavar="IMAGE", help="TIFF, PNG, NIfTI, OME-Zarr, DICOM series, NumPy")
    _model(p)
    p.add_argument("--output", metavar="DIR", help="where results go; beside each image by default")
    p.add_argument("--format", default="tif", choices=["tif", "png", "nii.gz", "zarr", "npy"], help="(default: tif)")
    p.add_argument("--tile", type=whole_numbers, default=(), metavar="N[,N,N]", help="largest tile in voxels, Z,Y,X")
    p.add_argument("--halo", type=whole_numbers, default=(), metavar="N[,N,N]", help="voxels around a tile, Z,Y,X")
    p.add_argument("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    p.add_argument("--mirror", action="store_true", help="average over mirrored copies: slower, a little better")
    p.add_argument(
        "--zoom",
        type=zoom,
        default=1.0,
        metavar="FACTOR",
        help='look at the image this many times larger, 0.25 to 4; "auto": again larger where the objects are small',
    )
    p.add_argument(
        "--cluster",
        metavar="WHERE",
        default="",
        help='a dask cluster: the address of its scheduler, the file that it wrote, or "local:4" for four processes here; '
        "one image is spread over the workers, of several each is one task",
    )
    _device(p)
    _geometry(p)
    return p


def _run(commands: Commands) -> argparse.ArgumentParser:
    p = _command(
        commands,
        "run",
        "replay a recipe of classical steps on images",
        "RECIPE is a JSON file, the recipe beside a result, or the name of one that comes with the package. Writes "
        "NAME_labels.tif, its recipe and its table of objects.",
    )
    p.add_argument("recipe", metavar="RECIPE")
    p.add_argument("images", nargs="+", metavar="IMAGE", help="images, or folders of images")
    p.add_argument("--output", required=True, metavar="DIR", help="where results go")
    p.add_argument("--format", default="tif", choices=["tif", "png", "nii.gz", "zarr", "npy"], help="(default: tif)")
    p.add_argument("--seeds", metavar="LABELS", help="points or strokes of one image, as a label image")
    p.add_argument("--box", type=box, default=(), metavar="A:B,A:B[,A:B]", help="a box in voxels, Z,Y,X")
    _geometry(p)
    p.set_defaults(home="run_recipe")
    return p


def _finetune(commands: Commands) -> argparse.ArgumentParser:
    p = _command(
        commands,
        "finetune",
        "train a copy of a model on corrections",
        "CORRECTIONS is a label image: 0 is not painted and stays unknown, 65535 is background, other numbers are "
        "classes (semantic) or whole objects (instance, panoptic). Ctrl-C ends the training and keeps the best state.",
    )
    p.add_argument("image", metavar="IMAGE")
    p.add_argument("corrections", metavar="CORRECTIONS", nargs="?", help="may be left out beside --points or --boxes")
    _model(p)
    p.add_argument("--output", required=True, metavar="BUNDLE", help="folder of the new bundle; must not be there yet")
    p.add_argument(
        "--stroke-classes",
        metavar="FILE",
        help="class of each number in CORRECTIONS, where objects are of several: a table (CSV: label, class) or a label "
        "image of classes; by default the table beside it, NAME.objects.csv",
    )
    p.add_argument("--result", metavar="LABELS", help="the result as a person left it")
    p.add_argument(
        "--result-classes", metavar="FILE", help="the same for --result; by default the tables beside it and --before"
    )
    p.add_argument("--before", metavar="LABELS", help="the result as it was; where --result differs, it was corrected")
    p.add_argument("--reviewed", metavar="MASK", help="area in which --result is right everywhere")
    p.add_argument(
        "--points", metavar="CSV", help="a click in each of some objects: axis-0, axis-1 … or z, y, x; class"
    )
    p.add_argument("--boxes", metavar="JSON", help="a box around each of some objects: [[[start, stop], …], …]")
    p.add_argument("--nothing", metavar="MASK", help="area without any object")
    _training(p, seconds=60.0)
    _device(p)
    _geometry(p)
    return p


def _train(commands: Commands) -> argparse.ArgumentParser:
    p = _command(
        commands,
        "train",
        "train a model from a folder",
        "FOLDER holds images/ and masks/ (or labels/) with the same names, or pairs NAME_image.* and NAME_labels.*; "
        "classes/ beside them gives the class of each voxel. Ctrl-C ends the training and keeps the best state.",
    )
    p.add_argument("folder", metavar="FOLDER")
    p.add_argument("--output", required=True, metavar="BUNDLE", help="folder of the new bundle; must not be there yet")
    p.add_argument("--task", choices=[str(t) for t in Task], help="(default: instance, or that of --from)")
    p.add_argument("--ndim", type=int, choices=[2, 3], help="2 or 3 (default: as the images)")
    p.add_argument("--classes", type=names, default=(), metavar="A,B", help="names of classes 1, 2 …")
    p.add_argument("--stuff", type=names, default=(), metavar="B", help="which of them are not counted (panoptic)")
    p.add_argument("--ignore", type=int, metavar="N", help="label value of voxels whose truth is unknown")
    p.add_argument("--network", choices=Names(NETWORKS), metavar="NAME", help="%(choices)s (default: unet)")
    p.add_argument(
        "--head", default="", choices=Names(HEADS), metavar="NAME", help="how objects are told apart: %(choices)s"
    )
    p.add_argument(
        "--option", type=setting, nargs="+", metavar="KEY=VALUE", help="of the network, such as deep_supervision=true"
    )
    p.add_argument("--keep", metavar="DIR", help="keep the training here, and go on from it after a crash or Ctrl-C")
    p.add_argument("--from", dest="start", metavar="MODEL", help="start from this model and not from random weights")
    p.add_argument("--validation", type=float, default=0.2, metavar="SHARE", help="share of images to judge on (0.2)")
    _training(p, seconds=600.0)
    _device(p)
    _geometry(p)
    return p


def _evaluate(commands: Commands) -> argparse.ArgumentParser:
    p = _command(commands, "evaluate", "measure predictions against the truth", "Two files, or two folders of files.")
    p.add_argument("prediction", metavar="PREDICTION")
    p.add_argument("truth", metavar="TRUTH")
    p.add_argument("--task", choices=[str(t) for t in Task], help="(default: as the recipe beside PREDICTION says)")
    p.add_argument("--classes", type=names, default=(), metavar="A,B", help="names of classes 1, 2 …")
    p.add_argument("--tolerance", type=float, metavar="D", help="of the surface Dice, in the unit of the spacing")
    p.add_argument("--no-surfaces", action="store_true", help="leave out distances between surfaces (slow)")
    p.add_argument("--spacing", type=numbers, metavar="D,D[,D]", help="voxel size, Z,Y,X")
    p.add_argument("--unit", metavar="UNIT", help="unit of the voxel size")
    p.add_argument("--csv", metavar="FILE", help="write the numbers with their definitions as CSV, too")
    p.set_defaults(home="results")
    return p


def _measure(commands: Commands) -> argparse.ArgumentParser:
    p = _command(commands, "measure", "measure every object", "The table as CSV, with the definition of each column.")
    p.add_argument("labels", metavar="LABELS")
    p.add_argument("--image", metavar="IMAGE", help="measure its intensities, too")
    p.add_argument("--output", metavar="FILE", help="the CSV file; printed by default")
    _geometry(p)
    p.set_defaults(home="results")
    return p


def _track(commands: Commands) -> argparse.ArgumentParser:
    p = _command(
        commands,
        "track",
        "link objects through time",
        "Writes NAME_tracks.tif, in which one number is one object through time, NAME_tracks.csv with each object at each "
        "time point and its parent, and NAME_tracks.graph.json: the mother of each daughter.",
    )
    p.add_argument("labels", nargs="+", metavar="LABELS")
    p.add_argument("--output", metavar="DIR", help="where results go; beside each file by default")
    p.add_argument(
        "--max-distance",
        type=float,
        default=0.0,
        metavar="D",
        help="how far an object moves between time points, in the unit of the voxel size (default: its width)",
    )
    p.add_argument("--gap", type=int, default=1, metavar="N", help="time points in which it may be missing (1)")
    p.add_argument("--overlap", type=float, default=0.5, metavar="IOU", help="from which on it is the same (0.5)")
    p.add_argument("--no-divisions", action="store_true", help="objects do not divide")
    p.add_argument("--afresh", action="store_true", help="forget an earlier linking")
    _geometry(p)
    p.set_defaults(home="tracks")
    return p


def _export(commands: Commands) -> argparse.ArgumentParser:
    p = _command(
        commands,
        "export",
        "write labels in another format",
        "Classes and scores are taken from the recipe and the table beside LABELS, where they are.",
    )
    p.add_argument("labels", nargs="+", metavar="LABELS")
    p.add_argument("--to", required=True, metavar="EXTENSION", help=".geojson, .coco.json, .roi.zip, .stl, .nii.gz …")
    p.add_argument("--output", metavar="DIR", help="where results go; beside each file by default")
    p.add_argument("--task", choices=[str(t) for t in Task], help="where no recipe says it (default: instance)")
    p.add_argument("--classes", type=names, default=(), metavar="A,B", help="names of classes 1, 2 …")
    p.add_argument("--spacing", type=numbers, metavar="D,D[,D]", help="voxel size, Z,Y,X, where the file has none")
    p.add_argument("--unit", metavar="UNIT", help="unit of the voxel size")
    p.set_defaults(home="results")
    return p


def _models(commands: Commands) -> argparse.ArgumentParser:
    p = _command(commands, "models", "list models", "The models that come with the package, and those in FOLDER.")
    p.add_argument("folders", nargs="*", metavar="FOLDER", help="a bundle, or a folder of bundles")
    p.add_argument(
        "--parts", action="store_true", help="list what models, recipes and reports are made from, and by whom"
    )
    p.set_defaults(home="models")
    return p


def _command(commands: Commands, name: str, title: str, more: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=title, description=f"{title.capitalize()}. {more}")
    return parser


def _model(p: argparse.ArgumentParser) -> None:
    p.add_argument("--model", required=True, metavar="MODEL", help="name of a shipped model, or folder of a bundle")


def _device(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: auto)")


def _geometry(p: argparse.ArgumentParser) -> None:
    p.add_argument("--axes", metavar="AXES", help='order of the axes of the array, such as "ZYX" or "TYXC"')
    p.add_argument(
        "--spacing", type=numbers, metavar="D,D[,D]", help="voxel size along the spatial axes, in that order"
    )
    p.add_argument("--unit", metavar="UNIT", help="unit of the voxel size, such as um")


def _training(p: argparse.ArgumentParser, seconds: float) -> None:
    p.add_argument(
        "--seconds", type=float, metavar="S", help=f"wall time ({seconds:g}, or none where --steps is given)"
    )
    p.add_argument("--steps", type=int, default=0, metavar="N", help="optimiser steps")
    p.add_argument(
        "--loss", nargs="+", type=loss_term, choices=Names(LOSSES), metavar="NAME[:WEIGHT]", help="of %(choices)s"
    )
    p.add_argument("--learning-rate", type=float, metavar="R")
    p.add_argument("--batch", type=int, default=0, metavar="N", help="patches a step")
    p.add_argument("--patch", type=whole_numbers, default=(), metavar="N[,N,N]", help="patch size in voxels, Z,Y,X")
    p.add_argument(
        "--augment",
        type=setting,
        nargs="+",
        metavar="KEY=VALUE",
        help="strength of the augmentation, such as elastic=5 scale=1.2",
    )
    p.add_argument("--no-augment", action="store_true", help="plain crops")
    p.add_argument("--balance", action="store_true", help="lift rare classes, by patches and class weights")
    _few_labels(p)
    p.add_argument("--tensorboard", metavar="DIR", help="write loss, quality and learning rate for TensorBoard too")
    p.add_argument("--seed", type=int, default=0)
    p.set_defaults(default_seconds=seconds)


def _few_labels(p: argparse.ArgumentParser) -> None:
    """What a trained network keeps, and what else teaches where little is labelled."""
    p.add_argument(
        "--freeze",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the training that keeps the encoder as it is",
    )
    p.add_argument(
        "--layer-decay",
        type=float,
        default=1.0,
        metavar="R",
        help="learning rate of a part, as a share of the part after it",
    )
    p.add_argument(
        "--regulariser",
        type=float,
        default=0.0,
        metavar="W",
        help="weight of the gated CRF, which carries strokes to neighbours that look alike (0: off)",
    )
    p.add_argument(
        "--teacher",
        type=float,
        default=0.0,
        metavar="W",
        help="weight of pseudo-labels: unlabelled voxels that a slow-moving average of the network is certain of (0: off)",
    )
    p.add_argument(
        "--rehearsal",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="fine-tuning: share of the patches that are pieces of what the model learnt from before (default: 0.5; 0: none)",
    )
    p.add_argument(
        "--exemplars",
        type=int,
        default=24,
        metavar="N",
        help="pieces of the training images that the model keeps for that (default: 24; 0: none, if images must not be passed on)",
    )


__all__ = ["make_parser"]
