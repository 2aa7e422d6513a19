"""What can be typed for the commands about results."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from napari_segplugin.cli.values import box, names, numbers, polygon_options, whole_numbers
from napari_segplugin.core import Task

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def evaluate(commands: Commands) -> argparse.ArgumentParser:
    """What ``evaluate`` takes."""
    p = make_command(
        commands, "evaluate", "evaluate predictions against ground truth", "Two files, or two folders of files."
    )
    p.add_argument("prediction", metavar="PREDICTION")
    p.add_argument("truth", metavar="TRUTH")
    p.add_argument(
        "--task", choices=[str(t) for t in Task], help="(default: as NAME.recipe.json beside PREDICTION says)"
    )
    p.add_argument("--classes", type=names, default=(), metavar="A,B", help="names of classes 1, 2 …")
    p.add_argument(
        "--tolerance",
        type=float,
        metavar="D",
        help="tolerance of the surface Dice (NSD), in the unit of the voxel size",
    )
    p.add_argument(
        "--no-surfaces", action="store_true", help="leave out the distances between surfaces, which are slow"
    )
    p.add_argument("--spacing", type=numbers, metavar="D,D[,D]", help="pixel or voxel size, Z,Y,X")
    p.add_argument("--unit", metavar="UNIT", help="unit of the pixel or voxel size")
    p.add_argument("--csv", metavar="FILE", help="also write the numbers with their definitions as CSV")
    p.set_defaults(home="results")
    return p


def measure(commands: Commands) -> argparse.ArgumentParser:
    """What ``measure`` takes."""
    p = make_command(
        commands, "measure", "measure every object", "The table as CSV, with the definition of each column."
    )
    p.add_argument("labels", metavar="LABELS")
    p.add_argument("--image", metavar="IMAGE", help="also measure the intensities of this image")
    p.add_argument("--by", default="object", choices=["object", "class"], help="what has a row (default: object)")
    p.add_argument("--histogram", metavar="FILE", help="also write the histogram of each row's intensities as CSV")
    p.add_argument("--output", metavar="FILE", help="the CSV file (default: print the table)")
    geometry(p)
    p.set_defaults(home="results")
    return p


def crop(commands: Commands) -> argparse.ArgumentParser:
    """What ``crop`` takes."""
    p = make_command(
        commands,
        "crop",
        "cut objects out of an image",
        "Writes a piece of IMAGE for each object of LABELS (NAME_OBJECT, and its labels as NAME_OBJECT_labels), or for the "
        "objects, classes or box that are named, in the format of IMAGE. Each piece lies where it lay in the whole.",
    )
    p.add_argument("image", metavar="IMAGE")
    p.add_argument("labels", metavar="LABELS", nargs="?", help="optional with --box")
    p.add_argument("--object", type=whole_numbers, default=(), metavar="N[,N]", help="numbers of objects")
    p.add_argument("--class", dest="classes", type=names, default=(), metavar="A[,B]", help="names of classes")
    p.add_argument("--box", type=box, metavar="A:B,A:B[,A:B]", help="a box in pixels (voxels in 3D), Z,Y,X")
    p.add_argument(
        "--margin", default="0", metavar="N", help='around each, in pixels (voxels in 3D) or as a length, "2mm" (0)'
    )
    p.add_argument("--mask", action="store_true", help="replace the values outside the object or class")
    p.add_argument(
        "--outside",
        type=float,
        metavar="V",
        help="by this value (default: -1024 in HU, otherwise 0 or the smallest value of the image)",
    )
    p.add_argument("--task", choices=[str(t) for t in Task], help="what the labels mean, if no recipe says it")
    p.add_argument("--output", metavar="DIR", help="folder for the pieces (default: beside IMAGE)")
    p.add_argument(
        "--format", choices=["tif", "ome.tif", "png", "nii.gz", "ome.zarr", "npy"], help="(default: that of IMAGE)"
    )
    geometry(p)
    p.set_defaults(home="crops")
    return p


def track(commands: Commands) -> argparse.ArgumentParser:
    """What ``track`` takes."""
    p = make_command(
        commands,
        "track",
        "link objects through time",
        "Writes NAME_tracks in the format of LABELS, in which one number is one object through time, NAME_tracks.csv with each "
        "object at each time point and its parent, and NAME_tracks.graph.json: the mother of each daughter.",
    )
    p.add_argument("labels", nargs="+", metavar="LABELS")
    p.add_argument("--output", metavar="DIR", help="folder for the results (default: beside each file)")
    p.add_argument(
        "--max-distance",
        type=float,
        default=0.0,
        metavar="D",
        help="how far an object moves between time points, in the unit of the pixel or voxel size (default: its width)",
    )
    p.add_argument(
        "--gap", type=int, default=1, metavar="N", help="time points during which an object may be missing (1)"
    )
    p.add_argument(
        "--overlap",
        type=float,
        default=0.5,
        metavar="IOU",
        help="smallest overlap (IoU) at which two objects are the same (0.5)",
    )
    p.add_argument("--no-divisions", action="store_true", help="objects do not divide")
    p.add_argument("--afresh", action="store_true", help="ignore an earlier linking")
    geometry(p, one=False)
    p.set_defaults(home="tracks")
    return p


def export(commands: Commands) -> argparse.ArgumentParser:
    """What ``export`` takes."""
    p = make_command(
        commands,
        "export",
        "write labels in another format",
        "Classes and scores are taken from NAME.recipe.json and NAME.objects.csv beside LABELS, if present.",
    )
    p.add_argument("labels", nargs="+", metavar="LABELS")
    p.add_argument("--to", required=True, metavar="EXTENSION", help=".geojson, .gpkg, .coco.json, .roi.zip, .stl …")
    polygon_options(p)
    p.add_argument("--output", metavar="DIR", help="folder for the results (default: beside each file)")
    p.add_argument(
        "--task",
        choices=[str(t) for t in Task],
        help="what the labels mean, if NAME.recipe.json does not say it (default: instance)",
    )
    p.add_argument("--classes", type=names, default=(), metavar="A,B", help="names of classes 1, 2 …")
    p.add_argument(
        "--spacing", type=numbers, metavar="D,D[,D]", help="pixel or voxel size, Z,Y,X, if the file has none"
    )
    p.add_argument("--unit", metavar="UNIT", help="unit of the pixel or voxel size")
    p.add_argument(
        "--voxel-space",
        action="store_true",
        help="write surfaces in the coordinates of the image where its place in a patient is not known",
    )
    p.set_defaults(home="results")
    return p


def make_command(commands: Commands, name: str, title: str, more: str) -> argparse.ArgumentParser:
    """A command with its title."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=title, description=f"{title.capitalize()}. {more}")
    return parser


def geometry(p: argparse.ArgumentParser, one: bool = True) -> None:
    """Axes, voxel size and unit, in place of what a file says; and what is read of it, where that is one image."""
    p.add_argument("--axes", metavar="AXES", help='order of the axes of the array, such as "ZYX" or "TYXC"')
    p.add_argument(
        "--spacing", type=numbers, metavar="D,D[,D]", help="pixel or voxel size along the spatial axes, in that order"
    )
    p.add_argument("--unit", metavar="UNIT", help="unit of the pixel or voxel size, such as um")

    if one:
        p.add_argument(
            "--series", metavar="N", help="which of several DICOM series: its number in the list, or its UID"
        )
        p.add_argument("--even-slices", action="store_true", help="resample DICOM slices that are not evenly spaced")


def channels(p: argparse.ArgumentParser) -> None:
    """What of an image is seen."""
    p.add_argument(
        "--channels",
        default="",
        metavar="LIST",
        help="channels that are seen: numbers from 1 (2 or 1,3), names, grey, haematoxylin, eosin or dab (default: all)",
    )


__all__ = ["Commands", "channels", "crop", "evaluate", "export", "geometry", "make_command", "measure", "track"]
