"""What there is to choose from: models, networks, losses, techniques, recipes, samples, devices. Cheap; imports no torch,
but for devices and new models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Thread

from napari_segplugin.classical import CLEANUPS, TECHNIQUES
from napari_segplugin.core import (
    ClassicalRecipe,
    ClassTable,
    InputError,
    ModelBundle,
    ModelSpec,
    SegPluginError,
    Task,
    model_spec_from_json,
)
from napari_segplugin.core.disk.leftovers import sweep_usual
from napari_segplugin.core.types import Json
from napari_segplugin.door.inputs import class_table
from napari_segplugin.engine.doctor.report import DoctorReport
from napari_segplugin.engine.doctor.screen import Screen
from napari_segplugin.engine.parts import PARTS, part_problems
from napari_segplugin.engine.session import home_folder
from napari_segplugin.engine.torch_import import bring_torch
from napari_segplugin.io import load_bundle, load_recipe, shipped_bundles, shipped_recipes
from napari_segplugin.io.samples import SampleImage, load_sample, sample_names
from napari_segplugin.losses import LOSSES
from napari_segplugin.networks import NETWORKS
from napari_segplugin.networks.facts import facts as network_facts
from napari_segplugin.networks.strides import with_strides


@dataclass(frozen=True)
class ModelInfo:
    """What a model is, without its weights.

    Parameters
    ----------
    key : str
        What :func:`napari_segplugin.load_model` takes: the name of one that ships, otherwise the folder.
    folder : Path
    name : str
        What a person calls it.
    task : Task
    ndim, channels : int
        Of the images that it reads.
    classes : tuple of str
        Without the background.
    network : str
    licence, description : str
    problem : str
        Why it cannot be read; empty otherwise.
    """

    key: str
    folder: Path
    name: str = ""
    task: Task = Task.INSTANCE
    ndim: int = 0
    channels: int = 0
    classes: tuple[str, ...] = ()
    network: str = ""
    licence: str = ""
    description: str = ""
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        kinds = ", ".join(self.classes)
        return f"{self.task}, {self.ndim}D, {self.channels} ch: {kinds}. {self.description}"


def models(*folders: str | Path) -> dict[str, ModelInfo]:
    """The models that ship with the package, and those in folders.

    Parameters
    ----------
    *folders : path
        A model, or a folder of models.

    Returns
    -------
    dict of str to ModelInfo
        By key. One that cannot be read says why and does not hide the others.

    Raises
    ------
    InputError
        If there is no such folder.

    Examples
    --------
    >>> models()["nuclei2d"].ndim
    2
    """
    places = dict(shipped_bundles())
    for given in folders:
        folder = Path(given).expanduser()
        if not folder.is_dir():
            raise InputError("There is no such folder.", got=f"'{folder}'")
        inner = sorted(p.parent for p in folder.glob("*/spec.json"))
        own = [folder] if (folder / "spec.json").is_file() or not inner else inner
        places |= {str(place): place for place in own}
    return {key: _info(key, place) for key, place in places.items()}


def _info(key: str, folder: Path) -> ModelInfo:
    try:
        bundle = load_bundle(folder)
    except SegPluginError as error:
        return ModelInfo(key, folder, problem=str(error))
    spec = bundle.spec
    classes = tuple(c.name for c in spec.classes.classes[1:])
    return ModelInfo(
        key,
        folder,
        bundle.name,
        spec.task,
        spec.ndim,
        spec.in_channels,
        classes,
        spec.network,
        bundle.licence.partition("\n")[0],
        bundle.description,
    )


@cache
def shipped_specs() -> dict[str, ModelSpec]:
    """What each shipped model can do, without reading its weights."""
    texts = {n: (p / "spec.json").read_text(encoding="utf-8") for n, p in shipped_bundles().items()}
    return {name: model_spec_from_json(json.loads(text)["spec"]) for name, text in texts.items()}


def recipes() -> dict[str, ClassicalRecipe]:
    """The classical recipes that ship, by name.

    Examples
    --------
    >>> "nuclei2d" in recipes()
    True
    """
    return {name: load_recipe(name) for name in shipped_recipes()}


def samples() -> tuple[str, ...]:
    """Names of the sample images.

    Examples
    --------
    >>> "nuclei3d" in samples()
    True
    """
    return sample_names()


def sample(name: str) -> SampleImage:
    """A sample image with its truth.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> sample("nuclei3d").image.axes
    'ZYX'
    """
    return load_sample(name)


def devices() -> list[tuple[str, str]]:
    """(key, title) of each device that networks can run on here; imports torch."""
    bring_torch()
    from napari_segplugin.engine.device import available_devices

    return available_devices()


def doctor(folder: str | Path = "", *, window: Screen | None = None) -> DoctorReport:
    """Look whether this computer is fit for the program: packages, card and driver, memory, disk, folders, models.

    Takes some seconds: packages are tried in another process, so that one that is broken harms nobody. Then torch is
    imported, where that is possible.

    Parameters
    ----------
    folder : path
        The session folder; the usual one where empty.
    window : Screen, optional
        What a running window knows of its screen; the dock hands it in.

    Returns
    -------
    DoctorReport
        Its texts hold no user name, computer name or private folder, so that it can be published.

    Examples
    --------
    >>> report = doctor()
    >>> [finding.name for finding in report.findings][:2]
    ['system', 'python']
    """
    from napari_segplugin.engine.doctor.examine import examine

    return examine(folder, window)


def new_model(
    network: str = "unet",
    *,
    task: Task | str = Task.INSTANCE,
    classes: ClassTable | Sequence[str] = ("object",),
    stuff: Sequence[str] = (),
    ndim: int = 2,
    channels: int = 1,
    head: str = "",
    options: Mapping[str, Json] | None = None,
    spacing: Sequence[float] = (),
    unit: str = "pixel",
    name: str = "my model",
    encoder_weights: str = "",
    seed: int = 0,
) -> ModelBundle:
    """A model with random weights, to be trained.

    Parameters
    ----------
    network : str
        A row of the registry of networks, such as "unet", "segnet", "gated_scnn", "fastfcn", "mask_rcnn", "kayalibay".
    task : Task or str
    classes : ClassTable or sequence of str
        Names of the classes 1, 2 ….
    stuff : sequence of str
        Those of them that are not counted one by one.
    ndim, channels : int
        Of the images that it will read.
    head : str
        How objects are told apart: a row of the registry of heads; the default of the task where empty.
    options : mapping, optional
        Options of the network. Strides that suit the voxel size are chosen where none are given.
    spacing : sequence of float
        Voxel size of the images, canonical order; empty where not known.
    unit : str
        Of `spacing`.
    name : str
        What a person calls it.
    encoder_weights : str
        Weights of an encoder that is trained already: a file, or "imagenet".
    seed : int
        Of the random weights.

    Returns
    -------
    ModelBundle

    Raises
    ------
    InputError
        If there is no such network, head or task, an option is unknown, or they do not go together.

    Examples
    --------
    >>> new_model("unet", classes=["nucleus"], options={"widths": (4, 8)}).spec.classes[1].name
    'nucleus'
    """
    kind = Task(task)
    table = class_table(classes, kind, stuff) or ClassTable.named(["object"])
    spec = ModelSpec(network, ndim, channels, kind, table, dict(options or {}), tuple(spacing), unit, head=head)
    return new_bundle(spec, name, encoder_weights, seed)


def new_bundle(spec: ModelSpec, name: str, encoder_weights: str = "", seed: int = 0) -> ModelBundle:
    """A model with random weights from its spec, with strides that suit its voxel size where the spec has none."""
    bring_torch()
    if spec.ndim == 3 and spec.network in NETWORKS:
        spec = replace(spec, options=with_strides(NETWORKS[spec.network], spec.options, spec.spacing))
    from napari_segplugin.engine.train.train import new_bundle as make

    return make(spec, name=name, seed=seed, encoder_weights=encoder_weights)


def sweep_leftovers(session: Path | None = None) -> Thread:
    """Remove what killed programs left in the folder of temporary files and in that of the session, in the background.

    Parameters
    ----------
    session : Path, optional
        The session folder; the usual one by default.

    Returns
    -------
    Thread
        Nobody has to wait for it.
    """
    home = session or home_folder()
    work = Thread(target=sweep_usual, args=(home, home / "models"), name="sweep leftovers", daemon=True)
    work.start()
    return work


__all__ = [
    "CLEANUPS",
    "LOSSES",
    "NETWORKS",
    "PARTS",
    "TECHNIQUES",
    "ModelInfo",
    "devices",
    "doctor",
    "models",
    "network_facts",
    "new_bundle",
    "new_model",
    "part_problems",
    "recipes",
    "sample",
    "samples",
    "shipped_specs",
    "sweep_leftovers",
]
