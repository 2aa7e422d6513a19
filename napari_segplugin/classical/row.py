"""What the registries of techniques and clean-up steps say of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from napari_segplugin.core import InputError, Parameter, Row

Need = Literal["", "points", "strokes", "box"]
Scope = Literal["point", "window", "whole"]
Kind = Literal["mask", "classes", "objects"]


@dataclass(frozen=True, kw_only=True)
class _WithParameters(Row):
    """What techniques and steps share: a form of parameters, whose defaults are the options."""

    parameters: tuple[Parameter, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "options", {p.name: p.default for p in self.parameters})


@dataclass(frozen=True, kw_only=True)
class TechniqueRow(_WithParameters):
    """A row of :data:`napari_segplugin.classical.TECHNIQUES`.

    Its target is called as ``target(image, *, spacing, [seeds,] [box,] [measured,] [known,] **settings)`` with an image (C, [Z,] Y,
    X) of float32 and gives labels ([Z,] Y, X), 0 for background. Of what stands in brackets it gets what it has a parameter
    for; `known` says where the image has a value, None where that is everywhere. Elsewhere stands what lies around, and
    labels are cleared afterwards.

    Parameters
    ----------
    name, title, target, summary, reference, package
        As in :class:`~napari_segplugin.core.Row`.
    options : mapping
        Made from `parameters`.
    parameters : tuple of Parameter
        The settings, with their ranges: the form of the dock is made from them.
    ndim : tuple of int
        Dimensions that it works in.
    colour : bool
        Whether it reads several channels; otherwise it gets one made of all.
    needs : {"", "points", "strokes", "box"}
        What it starts from, beside the image.
    scope : {"point", "window", "whole"}
        What a tile has to see so that its result is that of the whole image: nothing around it, the `halo` around it,
        or everything.
    whole_if : str
        A setting with which, when it is not 0, the technique has to see everything.
    slow : bool
        Whether the live picture waits until the person asks for it.
    kind : {"mask", "classes", "objects"}
        What the numbers of the result are.
    group : str
        Heading in lists.
    measure : str
        ``"module:function"``, called as ``function(sample, spacing, **settings)``: what has to be known of the whole
        image before a tile can be done; comes back to the technique as `measured`.
    halo : str
        ``"module:function"``, called as ``function(settings, ndim)``: voxels along each axis that a tile must see around
        itself, counted along X.

    Raises
    ------
    InputError
        If a tile of it shall see a window and no halo says how wide, or a place in a module is not of that form.

    Examples
    --------
    >>> TechniqueRow("mine", "Mine", "my_package.mine:mine", parameters=(Parameter("level", 0.5, "MeasuredLevel"),)).options
    {'level': 0.5}
    """

    ndim: tuple[int, ...] = (2, 3)
    colour: bool = False
    needs: Need = ""
    scope: Scope = "whole"
    whole_if: str = ""
    slow: bool = False
    kind: Kind = "mask"
    group: str = ""
    measure: str = ""
    halo: str = ""

    WORDS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "needs": get_args(Need),
        "scope": get_args(Scope),
        "kind": get_args(Kind),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scope == "window" and not self.halo:  # tiles without a halo would show seams that nobody is told of
            raise InputError(
                f"The technique '{self.name}' looks at a window around each voxel and does not say how wide it is.",
                hint='Name a function as its halo, or let its scope be "whole"',
            )
        for word in ("measure", "halo"):
            place = getattr(self, word)
            if place and not all(place.partition(":")):
                raise InputError(
                    f"The {word} of '{self.name}' is not a place in a module.",
                    got=f"'{place}'",
                    accepted="package.module:function",
                )


@dataclass(frozen=True, kw_only=True)
class CleanupRow(_WithParameters):
    """A row of :data:`napari_segplugin.classical.CLEANUPS`.

    Its target is called as ``target(labels, *, spacing, objects, [image,] **settings)`` with labels ([Z,] Y, X) of int32 and
    gives labels.

    Parameters
    ----------
    name, title, target, summary, reference, package
        As in :class:`~napari_segplugin.core.Row`.
    options : mapping
        Made from `parameters`.
    parameters : tuple of Parameter
        The settings, with their ranges: the form of the dock is made from them.
    kind : {"same", "objects"}
        What the numbers are afterwards: what they were before, or objects.
    image : bool
        Whether it reads the image too.
    """

    kind: Literal["same", "objects"] = "same"
    image: bool = False

    WORDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"kind": ("same", "objects")}


__all__ = ["CleanupRow", "TechniqueRow"]
