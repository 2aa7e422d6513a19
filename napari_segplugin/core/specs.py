"""Settings that travel with a result: plain frozen dataclasses with a JSON form."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    SupportsFloat,
    SupportsIndex,
    TypedDict,
    cast,
    overload,
)

from napari_segplugin.core.classes import ClassInfo, ClassTable, Kind, Task
from napari_segplugin.core.errors import InputError
from napari_segplugin.core.types import Json, JsonDict

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class ClassJson(TypedDict):
    """A class as :func:`to_json` writes it."""

    id: int
    name: str
    color: str
    kind: Literal["thing", "stuff"]


class ClassesJson(TypedDict):
    """A class table as :func:`to_json` writes it."""

    classes: list[ClassJson]


class LossJson(TypedDict):
    """A sum of losses as :func:`to_json` writes it."""

    terms: list[dict[str, Json]]


def _finite(value: object) -> bool:
    """Whether every number in a value, lists included, is neither NaN nor infinite."""
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _whole(value: object, low: int, high: int) -> bool:
    """Whether a value is a whole number within limits, both allowed."""
    return not isinstance(value, bool) and isinstance(value, SupportsIndex) and low <= value.__index__() <= high


@dataclass(frozen=True)
class LossTerm:
    """One row of a sum of losses: a registry name, its weight in the sum, and its options."""

    name: str
    weight: float = 1.0
    options: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # said here, when it is typed, and not after the images were read and the old model was judged
        wrong = [word for word, value in {"weight": self.weight, **self.options}.items() if not _finite(value)]
        if wrong:
            raise InputError(
                f"The loss '{self.name}' has a weight or an option that is not a finite number.",
                got=", ".join(f"{word} {dict(self.options, weight=self.weight)[word]}" for word in wrong),
            )


@dataclass(frozen=True)
class LossSpec:
    """A weighted sum of losses."""

    terms: tuple[LossTerm, ...] = (LossTerm("cross_entropy"), LossTerm("dice"))


@dataclass(frozen=True)
class ModelSpec:
    """What a network is, without its weights.

    Parameters
    ----------
    network : str
        Name of a row of the network registry.
    ndim : int
        2 or 3.
    in_channels : int
        Channels of the image that it reads.
    task : Task
    classes : ClassTable
    options : mapping
        Options of the network (widths, blocks …), as its registry row names them.
    spacing : tuple of float
        Voxel size of the images that it was trained on, canonical order; empty where not known.
    unit : str
    head : str
        How objects are written as maps: a row of the heads' registry ("distance", "centre_offset"); empty means the
        default of the task.
    packages : tuple of str
        Other packages that the network and the head come from: who opens the model has to have them installed.
    """

    network: str
    ndim: int
    in_channels: int
    task: Task
    classes: ClassTable
    options: Mapping[str, Json] = field(default_factory=dict)
    spacing: tuple[float, ...] = ()
    unit: str = "pixel"
    head: str = ""
    packages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.ndim not in (2, 3):
            raise InputError("A network works in 2 or 3 dimensions.", got=self.ndim)
        if not _whole(self.in_channels, 1, 65536):
            raise InputError("A network reads at least one channel.", got=self.in_channels, accepted="1 to 65536")


@dataclass(frozen=True)
class AugmentSpec:
    """Strength of the augmentation: image, target and weight go through the same random map.

    The intensity part is gentle by default: a strong gamma or blur moves the visible outline away from the drawn one,
    and the network answers with fat outlines that fill gaps (seen on nuclei from eight images, single runs).

    Parameters
    ----------
    rotate : bool
        Random rotation in the plane, and in 3D in any direction where the voxels are nearly cubes.
    angle : float
        Largest angle in degrees.
    flip : bool
        Mirror axes with probability ½ each.
    flip_axes : str
        Which of "ZYX" may be mirrored.
    scale : float
        Zoom between 1/scale and scale, evenly on a log axis. 1 switches it off.
    contrast : float
        Strength of random gamma, contrast and brightness. 0 switches it off.
    noise : float
        Largest standard deviation of added noise (image in [0, 1]).
    blur : float
        Largest standard deviation of a Gaussian blur, in voxels; a third of the patches is blurred. 0 switches it off.
    elastic : float
        Largest shift of a smooth random deformation, in voxels of the finest axis. 0 switches it off. Left out for
        tasks whose maps are vectors.
    downsample : float
        A third of the patches is made up to this many times coarser. 1 switches it off.
    """

    rotate: bool = True
    angle: float = 180.0
    flip: bool = True
    flip_axes: str = "ZYX"
    scale: float = 1.5
    contrast: float = 0.1
    noise: float = 0.02
    blur: float = 0.0
    elastic: float = 0.0
    downsample: float = 1.0

    def __post_init__(self) -> None:
        for name, default in (("rotate", True), ("flip", True), ("flip_axes", "")):
            if not isinstance(getattr(self, name), type(default)):
                accepted = "true or false" if default is True else 'letters of "ZYX"'
                raise InputError(f"The augmentation '{name}' is no switch.", got=getattr(self, name), accepted=accepted)
        for name in ("angle", "scale", "contrast", "noise", "blur", "elastic", "downsample"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), SupportsFloat):
                raise InputError(f"The augmentation '{name}' is a number.", got=getattr(self, name))
        for name in ("scale", "downsample"):
            if not 1 <= getattr(self, name) <= 8:
                raise InputError(
                    f"The augmentation '{name}' is an enlargement factor.", got=getattr(self, name), accepted="1 to 8"
                )
        if not set(self.flip_axes) <= set("ZYX"):
            raise InputError("Only spatial axes can be mirrored.", got=self.flip_axes, accepted='letters of "ZYX"')
        for name, most in (("angle", 180.0), ("contrast", 1.0), ("noise", 1.0), ("blur", 10.0), ("elastic", 30.0)):
            if not 0 <= getattr(self, name) <= most:
                raise InputError(
                    f"The augmentation '{name}' is out of range.", got=getattr(self, name), accepted=f"0 to {most:g}"
                )


INTENSITIES = ("auto", "ct", "image")
"""How a new model may read intensities, see :class:`TrainSpec`."""


def _spelled(size: tuple[int, ...]) -> str:
    return " × ".join(map(str, size))


@dataclass(frozen=True)
class TrainSpec:
    """How a network is trained. The first limit that is reached ends the training.

    Parameters
    ----------
    seconds : float
        Wall time of the whole training, with what comes before and after the steps; 0 means no limit.
    steps : int
        Optimiser steps; 0 means no limit.
    loss : LossSpec
    learning_rate : float
        Peak of the schedule (AdamW, warm-up then cosine over the budget). 0 means "choose for me": 2e-3 from random
        weights, 4e-4 from trained ones, which a large step would make forget what was right.
    batch : int
        Patches a step; 0 means "choose for me".
    patch : tuple of int
        Patch size, canonical order; empty means "choose for me".
    augment : bool
        False: plain crops.
    augmentation : AugmentSpec, optional
        How strong; None means "choose for me".
    balance : bool
        Lift rare classes: every patch is centred on a class drawn evenly from those that occur, and losses that know
        class weights get them from the label counts.
    regulariser : float
        Weight of the gated conditional random field, which carries strokes to surroundings that look alike; 0 is off.
    teacher : float
        Weight of pseudo-labels: where the slow-moving average of the network is certain, unlabelled voxels learn from it;
        grows over the first half of the training. 0 is off.
    keep : float
        Weight of what the model said before, where nobody labelled and it was certain (learning without forgetting); for a
        model that is trained on. 0 is off.
    seed : int
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    validate_every : float
        Seconds between looks at the held-out data.
    freeze : float
        Share of the budget at the start during which the encoder is kept as it is (transfer learning): 0 never, 1 always.
    layer_decay : float
        Learning rate of each part of the network as a share of the part after it, from the output back to the input;
        1 is the same rate everywhere.
    rehearsal : float
        Share of the patches that come from the exemplars of the model instead of the new labels, so that fine-tuning does
        not make it forget; 0 shows it the new labels only.
    exemplars : int
        How many pieces of the training images the new model keeps for that; 0 keeps none, and drops those it had.
    intensities : str
        How a new model reads images: "ct" takes values as they are, the same in every image, since Hounsfield units have a
        meaning of their own; "image" takes each image by its own range; "auto" is "ct" where all images hold Hounsfield
        units. A trained model keeps what it has.
    """

    seconds: float = 60.0
    steps: int = 0
    loss: LossSpec = LossSpec()
    learning_rate: float = 0.0
    batch: int = 0
    patch: tuple[int, ...] = ()
    augment: bool = True
    augmentation: AugmentSpec | None = None
    balance: bool = False
    regulariser: float = 0.0
    teacher: float = 0.0
    keep: float = 1.0
    seed: int = 0
    device: str = "auto"
    validate_every: float = 5.0
    freeze: float = 0.0
    layer_decay: float = 1.0
    rehearsal: float = 0.5
    exemplars: int = 24
    intensities: str = "auto"

    def __post_init__(self) -> None:
        for word in ("seconds", "steps", "learning_rate", "batch", "validate_every"):
            if not _finite(getattr(self, word)):
                raise InputError(f"The setting {word} is not a finite number.", got=getattr(self, word))
        if any(not _whole(n, 1, 2**31) for n in self.patch):
            raise InputError(
                "The size of a patch is a whole number of pixels along each axis, from 1.", got=_spelled(self.patch)
            )
        for word, top in (("seed", 2**63 - 1), ("batch", 2**20), ("steps", 2**53)):
            if not _whole(getattr(self, word), 0, top):
                accepted = f"a whole number from 0 to {top}"
                raise InputError(f"The setting {word} is out of range.", got=getattr(self, word), accepted=accepted)
        for word in ("seconds", "validate_every"):
            if getattr(self, word) > 1e9:
                raise InputError(
                    f"The setting {word} is too long.", got=getattr(self, word), accepted="up to 1e9 seconds"
                )
        if not 0 <= self.learning_rate <= 1000:
            raise InputError(
                "The learning rate is out of range.", got=self.learning_rate, accepted="0 (automatic) to 1000"
            )
        if self.seconds <= 0 and self.steps <= 0:
            raise InputError(
                "Training needs a time limit or a number of steps.",
                got=f"seconds {self.seconds}, steps {self.steps}",
                hint="Set the seconds or the steps.",
            )
        for word, value in (("regulariser", self.regulariser), ("teacher", self.teacher), ("keep", self.keep)):
            if not 0 <= value <= 100:
                raise InputError(f"The weight of the {word} is out of range.", got=value, accepted="0 (off) to 100")
        shares = {"freeze": (0.0, 1.0), "layer_decay": (0.01, 1.0), "rehearsal": (0.0, 0.9)}
        for word, (least, most) in shares.items():
            if not least <= getattr(self, word) <= most:
                raise InputError(
                    f"The setting {word} is a fraction.", got=getattr(self, word), accepted=f"{least:g} to {most:g}"
                )
        if self.intensities not in INTENSITIES:
            accepted = ", ".join(INTENSITIES)
            raise InputError("There is no such way to read intensities.", got=self.intensities, accepted=accepted)
        if not 0 <= self.exemplars <= 1000:
            raise InputError(
                "The number of image pieces that the model keeps (exemplars) is out of range.",
                got=self.exemplars,
                accepted="0 to 1000",
            )


@overload
def to_json(value: DataclassInstance | Mapping[str, object]) -> JsonDict: ...


@overload
def to_json(value: object) -> Json: ...


def to_json(value: object) -> Json:
    """Turn a spec into plain JSON values (dicts, lists, strings, numbers)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    return cast("Json", value)


def _strict(cls: type[DataclassInstance], data: Mapping[str, Json]) -> dict[str, Any]:
    """Only known fields, or a sentence that names the others."""
    known = {f.name for f in dataclasses.fields(cls)}
    unknown = set(data) - known
    if unknown:
        raise InputError(
            f"Unknown fields in {cls.__name__}.", got=", ".join(sorted(unknown)), accepted=", ".join(sorted(known))
        )
    return dict(data)


def classes_from_json(data: ClassesJson) -> ClassTable:
    """Read a class table that :func:`to_json` wrote."""
    rows = [ClassInfo(int(c["id"]), str(c["name"]), str(c["color"]), Kind(c["kind"])) for c in data["classes"]]
    return ClassTable(tuple(rows))


def model_spec_from_json(data: Mapping[str, Json]) -> ModelSpec:
    """Read a model spec that :func:`to_json` wrote."""
    args = _strict(ModelSpec, data)
    args["task"] = Task(args["task"])
    args["classes"] = classes_from_json(args["classes"])
    args["spacing"] = tuple(args.get("spacing", ()))
    args["packages"] = tuple(args.get("packages", ()))
    return ModelSpec(**args)


def loss_spec_from_json(data: LossJson) -> LossSpec:
    """Read a loss spec that :func:`to_json` wrote."""
    return LossSpec(tuple(LossTerm(**_strict(LossTerm, t)) for t in data["terms"]))


def augment_spec_from_json(data: Mapping[str, Json]) -> AugmentSpec:
    """Read an augmentation that :func:`to_json` wrote; what is left out has its default."""
    return AugmentSpec(**_strict(AugmentSpec, data))


def train_spec_from_json(data: Mapping[str, Json]) -> TrainSpec:
    """Read a training spec that :func:`to_json` wrote."""
    args = _strict(TrainSpec, data)
    if "loss" in args:
        args["loss"] = loss_spec_from_json(args["loss"])
    if args.get("augmentation") is not None:
        args["augmentation"] = augment_spec_from_json(args["augmentation"])
    if "patch" in args:
        args["patch"] = tuple(args["patch"])
    return TrainSpec(**args)
