"""The recipe beside a result, as an order that can be run again: on the same image or on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import cast

from napari_segplugin.core import (
    Image,
    InputError,
    ModelBundle,
    Normalisation,
    Note,
    Region,
    SegPluginError,
    recipe_from_json,
    tile_spec_from_json,
    to_json,
)
from napari_segplugin.core.disk.commit import settle
from napari_segplugin.core.types import DecodeParams, Json, json_integers, json_object
from napari_segplugin.engine.batch.corrected import Corrected
from napari_segplugin.engine.batch.order import CORRECTIONS, RunOrder
from napari_segplugin.engine.batch.regions import regions_in
from napari_segplugin.engine.session import image_key
from napari_segplugin.io.boundary import read_json
from napari_segplugin.io.files import as_path, fingerprint
from napari_segplugin.version import __version__

ENDING = ".recipe.json"


@dataclass(frozen=True, eq=False)
class Recorded:
    """How a result was made, as the file beside it says.

    Parameters
    ----------
    path : Path
        Of the recipe.
    about : mapping
        What the file says of the result.
    recipe : mapping
        What it says of the way there.
    """

    path: Path
    about: Mapping[str, Json]
    recipe: Mapping[str, Json]

    @property
    def input(self) -> Mapping[str, Json]:
        """What is said of the image."""
        return json_object(self.recipe.get("input"))

    @property
    def channels(self) -> str:
        """What of the image was seen."""
        return str(json_object(self.recipe.get("reading")).get("channels") or self.input.get("channels") or "")

    @property
    def joined(self) -> int:
        """How many images were the channels of one; 0 where it was a file of its own."""
        names = self.input.get("joined")
        return len(names) if isinstance(names, list | tuple) else 0

    @property
    def model(self) -> str:
        """What the model was called; empty for a classical technique."""
        return str(json_object(self.recipe.get("model")).get("name", ""))

    @property
    def weights(self) -> str:
        """The checksum of its weights."""
        return str(json_object(self.recipe.get("model")).get("weights_sha256", ""))

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the image along (Z,) Y, X; none where it is not said."""
        sizes = dict(zip(str(self.input.get("axes", "")), json_integers(self.input.get("shape")), strict=False))
        return tuple(sizes[a] for a in "ZYX" if a in sizes)

    def same_image(self, image: Image) -> bool:
        """Whether an image is the one that the result was made of; of a recipe of an older version nobody can say so."""
        return "key" in self.input and self.input["key"] == image_key(image)

    def image(self) -> Path:
        """The image that the result was made of, where it lies beside the recipe or one folder above.

        Raises
        ------
        InputError
            If there is none, or the recipe does not name it.
        """
        source = str(self.input.get("source") or "")
        name = PureWindowsPath(source).name
        if not name:
            raise InputError(
                "The recipe does not name the file of its image.", got=f"'{self.path.name}'", hint="Name the image too"
            )
        here = self.path.absolute().parent
        places = [as_path(source), here / name, here.parent / name]
        # the results of a folder lie beside it: plate1_results, plate1
        places += [here.parent / here.name.removesuffix("_results") / name]
        found = next((p for p in places if p.is_absolute() and p.exists()), None)
        if found is None:
            raise InputError(
                "The image that the result was made of is not there.",
                got=f"no '{name}' in '{here}' or the folder above",
                hint="Name the image too",
            )
        return found


def read_recorded(path: str | Path) -> Recorded:
    """Read the recipe beside a result, or the record of a batch.

    Parameters
    ----------
    path : path
        ``NAME.recipe.json`` or ``batch.json``.

    Raises
    ------
    InputError
        If there is no such file, or it does not say how a result was made.
    """
    place = as_path(path)
    settle(place)
    about = json_object(cast("Json", read_json(place, object, noun="The recipe")))
    recipe = json_object(about.get("recipe"))
    if recipe.get("what") not in ("prediction", "classical segmentation"):
        raise InputError(
            f"'{place.name}' does not say how a result was made.",
            accepted=f"NAME{ENDING} beside a result, batch.json in a folder of results, or a recipe of classical steps",
        )
    found = Recorded(place, about, recipe)
    try:
        # said here, and not after an image was read
        _ = found.shape, _spans(recipe.get("region")), _spans(recipe.get("box")), regions_in(recipe.get("regions"))
    except (IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"The recipe '{place.name}' is damaged.", got=str(error)[:80], hint="Restore the file"
        ) from None
    return found


def is_recorded(path: str | Path) -> bool:
    """Whether a file is the recipe of a result or the record of a batch; False for what cannot be read."""
    try:
        read_recorded(path)
    except SegPluginError:
        return False
    return True


def order_of(
    recorded: Recorded,
    model: Callable[[], ModelBundle],
    *,
    device: str | None = None,
    other_model: bool = False,
    say: Callable[[Note], object] = lambda _: None,
) -> RunOrder:
    """The order that a result came from.

    Parameters
    ----------
    recorded : Recorded
    model : callable
        Gives the model; not called for a technique.
    device : str, optional
        In place of the one that was asked for.
    other_model : bool
        Take the model although it has other weights than the one that made the result.
    say : callable
        Is told what the person should know.

    Returns
    -------
    RunOrder
        With the corrections that lie beside the result.

    Raises
    ------
    InputError
        If the model is another one, or a part of the recipe is not understood.
    """
    recipe = recorded.recipe
    version = json_object(recipe.get("versions")).get("napari-segplugin")
    if version != __version__:
        say(Note(f"The result was made by version {version}, and this is {__version__}: it may come out otherwise."))
    region = _region(recipe)
    more = {
        "region": region,
        "outlines": regions_in(recipe.get("regions")),
        "corrections": corrections_beside(recorded),
    }
    if recipe["what"] == "classical segmentation":
        box = _spans(recipe.get("box"))
        return RunOrder(recipe_from_json(dict(recipe)), box=box, **more)  # type: ignore[arg-type]
    bundle = _as_recorded(recorded, model(), other_model, say)
    asked = json_object(json_object(recipe.get("tiles")).get("asked"))
    where = device or str(recipe.get("device_asked") or "auto")
    return RunOrder(bundle, tile_spec_from_json(asked), where, **more)  # type: ignore[arg-type]


def _as_recorded(recorded: Recorded, bundle: ModelBundle, other: bool, say: Callable[[Note], object]) -> ModelBundle:
    """The model, read as it was for the result."""
    from napari_segplugin.engine.network import fingerprint as weights_of

    told = json_object(recorded.recipe.get("model"))
    if weights_of(bundle) != recorded.weights:
        if not other:
            raise InputError(
                f"The model '{bundle.name}' is not the one that made the result: its weights are others.",
                got=f"weights {weights_of(bundle)[:12]}",
                accepted=f"weights {recorded.weights[:12]} of '{recorded.model}'",
                hint="Name the folder of the model that made it, or any other model to run that one in its place",
                setting="model",
            )
        say(Note(f"'{bundle.name}' has other weights than '{recorded.model}', which made the result."))
        return bundle
    decode = cast(
        "DecodeParams", {k: tuple(v) if isinstance(v, list) else v for k, v in json_object(told.get("decode")).items()}
    )
    rule = dict(json_object(told.get("normalisation")))
    values = tuple((float(a), float(b)) for a, b in cast("Sequence[tuple[float, float]]", rule.pop("values", ())))
    fixed = {k: v for k, v in rule.items() if k in ("low", "high", "clip", "rule")}
    made = replace(bundle, decode=decode, normalisation=Normalisation(**fixed, values=values))  # type: ignore[arg-type]
    return (
        bundle
        if to_json(made.decode) == to_json(bundle.decode) and made.normalisation == bundle.normalisation
        else made
    )


def _spans(said: Json) -> Region | None:
    if not isinstance(said, list | tuple):
        return None
    ends = [json_integers(pair) for pair in said]
    return tuple(slice(pair[0], pair[1]) for pair in ends)


def _region(recipe: Mapping[str, Json]) -> Region | None:
    """The region that was asked for; recipes of older versions name its first voxel alone."""
    if "region" in recipe:
        return _spans(recipe["region"])
    if any(json_integers(recipe.get("origin"))):
        raise InputError(
            "The recipe was written by an older version and does not say how large the region of its result was.",
            hint="Run the model on the region once more, and save that result",
        )
    return None


def corrections_beside(recorded: Recorded) -> Corrected | None:
    """The corrections that lie beside a result; None where there are none.

    Raises
    ------
    InputError
        If the recipe names them and they are missing, or not those that it names.
    """
    if not recorded.path.name.endswith(ENDING):
        return None
    name = f"{recorded.path.name.removesuffix(ENDING)}{CORRECTIONS}"
    said, place = json_object(recorded.about.get("files")).get(name), recorded.path.with_name(name)
    if said is None:
        return None
    if not place.exists() or fingerprint(place) != said:
        raise InputError(
            f"The corrections of the result are {'missing' if not place.exists() else 'others than the recipe names'}.",
            got=f"'{name}'",
            hint="Copy labels, recipe and corrections together",
        )
    return Corrected.from_json(cast("Json", read_json(place, object, noun="The file of corrections")), name)


def fitted(order: RunOrder, recorded: Recorded, image: Image, say: Callable[[Note], object]) -> RunOrder:
    """The order for an image: on the same one exactly as before, on another one with the region only where it fits.

    Corrections are left out on another image. Where the recipe cannot tell, they stay in the order: they know the result that
    they belong to.

    Parameters
    ----------
    order : RunOrder
        From :func:`order_of`.
    recorded : Recorded
    image : Image
    say : callable
        Is told of what is done otherwise.
    """
    if recorded.same_image(image):
        cut = json_object(recorded.recipe.get("tiles"))
        if order.tiles.zoom and "cut" in cut:  # another amount of free memory would cut the image in other tiles
            exactly = {"size": json_integers(cut["cut"]), "halo": json_integers(cut.get("halo"))}
            order = replace(order, tiles=replace(order.tiles, **exactly))  # type: ignore[arg-type]
        return order
    if order.corrections is not None and "key" in recorded.input:
        say(Note(f"'{image.name}' is not the image whose result was corrected: the corrections are left out."))
        order = replace(order, corrections=None)
    if order.region is None and not order.outlines and order.box is None:
        return order
    drawn = f"'{recorded.input.get('name', 'another image')}'"
    if recorded.shape == image.spatial_shape:
        say(Note(f"The region of {drawn} is taken for '{image.name}', which has the same size."))
        return order
    say(Note(f"The region of {drawn} does not fit '{image.name}': the whole image is segmented."))
    return replace(order, region=None, outlines=(), box=None)


def verdict(recorded: Recorded, content: Json) -> str:
    """Whether a result that was made again is the recorded one, as a sentence.

    Parameters
    ----------
    recorded : Recorded
    content : str
        Of the new result, see :func:`~napari_segplugin.io.writing.content_of`.
    """
    if content == recorded.about.get("content"):
        return "The result is the recorded one, voxel by voxel and object by object."
    return "The result differs from the recorded one: that was made on another device, by another version, or edited since."


__all__ = [
    "ENDING",
    "Recorded",
    "corrections_beside",
    "fitted",
    "is_recorded",
    "order_of",
    "read_recorded",
    "verdict",
]
