"""Model bundles on disk: a folder of JSON, safetensors and text. Nothing in it can run code."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

import imageio.v3 as imageio
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from napari_segplugin.core import (
    Exemplars,
    InputError,
    ModelBundle,
    ModelSpec,
    SegPluginError,
    model_spec_from_json,
    to_json,
)
from napari_segplugin.core.disk.commit import commit, settle
from napari_segplugin.core.schema import Between, checked_json
from napari_segplugin.core.specs import ClassesJson
from napari_segplugin.core.types import Json, JsonDict
from napari_segplugin.io import learnt
from napari_segplugin.io.boundary import read_json, reading
from napari_segplugin.io.files import as_path, first_line, native, writing
from napari_segplugin.io.memory import check_size

FORMAT_NAME = "napari-segplugin bundle"
FORMAT_VERSION = 1
_PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_FIELDS = {"format", "version", "name", "description", "licence", "spec", "normalisation", "decode", "weights"}


class ModelJson(TypedDict):
    """A model spec as :func:`to_json` writes it."""

    network: str
    ndim: Literal[2, 3]
    in_channels: Annotated[int, Between(1, 65536)]
    task: Literal["semantic", "instance", "panoptic"]
    classes: ClassesJson
    options: NotRequired[dict[str, object]]
    spacing: NotRequired[list[Annotated[float, Between(1e-30, 1e30)]]]
    unit: NotRequired[str]
    head: NotRequired[str]
    packages: NotRequired[object]


class BundleJson(TypedDict):
    """What spec.json says."""

    name: str
    description: str
    licence: str
    spec: ModelJson
    normalisation: learnt.NormalisationJson
    decode: dict[str, float | list[float]]
    weights: WeightsJson


class WeightsJson(TypedDict):
    """What spec.json says of the weights: their checksum, kind and shape of each tensor."""

    sha256: str
    tensors: dict[str, list[str | list[int]]]


def save_bundle(
    bundle: ModelBundle,
    folder: str | os.PathLike[str],
    *,
    thumbnail: np.ndarray | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a bundle: spec.json, weights.safetensors, exemplars.npz, history.json, LICENSE.txt, README.md, thumbnail.png.

    Parameters
    ----------
    bundle : ModelBundle
    folder : path
        Is made; the folder above it must be there.
    thumbnail : (Y, X) or (Y, X, 3) ndarray of uint8, optional
    overwrite : bool
        Replace a bundle that is there. Any other folder is never replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If the folder is there already, the thumbnail is not a picture, the weights or the decode parameters cannot
        be stored, or the disk refuses.
    """
    place = as_path(folder)
    _check_target(place, overwrite)
    if thumbnail is not None and not (thumbnail.dtype == np.uint8 and _is_picture(thumbnail.shape)):
        raise InputError(
            "The thumbnail is not a picture.",
            got=f"{thumbnail.dtype}, shape {thumbnail.shape}",
            accepted="uint8 of shape (Y, X) or (Y, X, 3)",
        )
    with writing(place), commit(place) as stage:
        made = stage.path(place)
        made.mkdir()
        _fill(made, bundle)
        if thumbnail is not None:
            imageio.imwrite(made / "thumbnail.png", thumbnail, plugin="pillow")
    return place


def _is_picture(shape: tuple[int, ...]) -> bool:
    return 0 not in shape and (len(shape) == 2 or (len(shape) == 3 and shape[-1] == 3))


def _check_target(place: Path, overwrite: bool) -> None:
    with writing(place):
        if not place.exists() or (place.is_dir() and not any(place.iterdir())):
            return
        if not (place / "spec.json").is_file():
            raise InputError(f"'{place.name}' already exists and is not a model.", hint="Choose another name.")
    if not overwrite:
        raise InputError(
            f"There is already a model '{place.name}'.", hint="Choose another name, or allow it to be replaced."
        )


def _fill(folder: Path, bundle: ModelBundle) -> None:
    # ascontiguousarray would turn a number into a vector; safetensors stores views of other arrays wrongly.
    weights = {name: native(np.array(array, order="C")) for name, array in bundle.weights.items()}
    try:
        save_file(weights, folder / "weights.safetensors")
    except (SafetensorError, KeyError) as error:
        raise InputError(
            "The weights cannot be stored.", got=first_line(error), accepted="arrays of numbers"
        ) from error
    spec: JsonDict = {
        "format": FORMAT_NAME,
        "version": FORMAT_VERSION,
        "name": bundle.name,
        "description": bundle.description,
        "licence": _first_line(bundle.licence),
        "spec": _spec_json(bundle.spec),
        "normalisation": learnt.normalisation_json(bundle.normalisation),
        "decode": to_json(bundle.decode),
        "weights": {
            "sha256": _digest(folder / "weights.safetensors"),
            "tensors": {name: [str(a.dtype), list(a.shape)] for name, a in weights.items()},
        },
    }
    _dump(spec, folder / "spec.json")
    _dump(to_json(bundle.history), folder / "history.json")
    _dump(to_json(bundle.learnt), folder / learnt.NAME)
    if bundle.exemplars is not None:
        arrays: dict[str, Any] = bundle.exemplars.arrays()
        np.savez_compressed(folder / "exemplars.npz", **arrays)
    (folder / "LICENSE.txt").write_text(f"{bundle.licence.rstrip()}\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(bundle), encoding="utf-8")


def _spec_json(spec: ModelSpec) -> JsonDict:
    """A spec as JSON; without `packages` where it needs none, so that versions that do not know the field read it too."""
    data: JsonDict = to_json(spec)
    return data if spec.packages else {k: v for k, v in data.items() if k != "packages"}


def _dump(value: Json, path: Path) -> None:
    try:
        text = json.dumps(value, indent=2, default=_number)
    except TypeError as error:
        raise InputError(f"'{path.name}' cannot be written as a JSON file.", got=first_line(error)) from error
    path.write_text(text + "\n", encoding="utf-8")


def _number(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__}")


def _readme(bundle: ModelBundle) -> str:
    spec = bundle.spec
    licence = _first_line(bundle.licence) or "not stated"
    classes = ", ".join(f"{c.id} {c.name}" for c in spec.classes)
    lines = [
        f"# {bundle.name}",
        bundle.description or "No description.",
        f"- task: {spec.task}, {spec.ndim}D, {spec.in_channels} channel{'s' if spec.in_channels != 1 else ''}\n- "
        f"classes: {classes}\n"
        f"- network: {spec.network}\n- licence of the weights: {licence}",
        "The folder is the model: keep its files together. The weights are in the safetensors format; everything "
        "else is JSON, text and plain arrays.",
    ]
    if spec.packages:
        lines.append(f"Install {' and '.join(spec.packages)} before you open the model: parts of it are in there.")
    if bundle.exemplars is not None:
        lines.append(
            f"exemplars.npz holds {len(bundle.exemplars)} small pieces of the images that the model learnt from; "
            f"with them, fine-tuning forgets less. Delete this file before you pass the model on if the images must "
            f"not be seen: the model works without it."
        )
    return "\n\n".join(lines) + "\n"


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_bundle(folder: str | os.PathLike[str]) -> ModelBundle:
    """Read a bundle that :func:`save_bundle` wrote, checking every part of it.

    Parameters
    ----------
    folder : path
        The bundle's folder, or its spec.json.

    Returns
    -------
    ModelBundle

    Raises
    ------
    InputError
        If it is no bundle, a file of it is missing or damaged, a field is missing or unknown, the version is not
        known, the weights do not match the spec, a package that it needs is not installed, or a pickled checkpoint is
        handed in.
    """
    place = as_path(folder)
    place = place.parent if place.name == "spec.json" else place
    _check_bundle(place)
    fields = read_json(place / "spec.json", dict[str, object])
    _check_fields(fields, place)
    about = checked_json(fields, BundleJson, f"'spec.json' of '{place.name}'")
    _check_packages(about["spec"].get("packages", []), about["name"])
    history = read_json(place / "history.json", list[dict[str, object]])
    with reading(place, "a model"):
        return ModelBundle(
            name=about["name"],
            spec=model_spec_from_json(cast("JsonDict", about["spec"])),
            weights=_read_weights(place, about["weights"]),
            normalisation=learnt.read_normalisation(about["normalisation"]),
            history=cast("tuple[JsonDict, ...]", tuple(history)),
            decode=dict(about["decode"]),
            licence=_licence(place) or about["licence"],
            description=about["description"],
            exemplars=_read_exemplars(place / "exemplars.npz"),
            learnt=learnt.read_learnt(place),
        )


def _check_bundle(place: Path) -> None:
    settle(place)
    with reading(place, "a model"):
        names = sorted(p.name for p in place.iterdir()) if place.is_dir() else []
        exists = place.exists()
    pickled = place.name if place.suffix.lower() in _PICKLES else ""
    if not pickled and "spec.json" not in names:
        pickled = next((n for n in names if n.lower().endswith(_PICKLES)), "")
    if pickled:
        raise InputError(
            "Only models in the safetensors format are opened, because a pickled checkpoint can run any code when it "
            "is opened.",
            got=f"'{pickled}'",
            accepted="a folder with spec.json and weights.safetensors",
            hint="Train or fine-tune a model with this program and save it.",
        )
    if not exists:
        raise InputError("There is no such model.", got=f"'{place}'", hint="Check the spelling.")
    missing = [n for n in ("spec.json", "weights.safetensors", "history.json") if n not in names]
    if missing:
        raise InputError(
            f"'{place.name}' is not a complete model.",
            got=f"no {', no '.join(missing)}",
            accepted="a folder with spec.json, weights.safetensors and history.json",
        )


def _check_fields(spec: Mapping[str, object], place: Path) -> None:
    if spec.get("format") != FORMAT_NAME or spec.get("version") != FORMAT_VERSION:
        raise InputError(
            f"'{place.name}' is in a format that this version does not know.",
            got=f"format {spec.get('format')!r}, version {spec.get('version')!r}",
            accepted=f"format {FORMAT_NAME!r}, version {FORMAT_VERSION}",
            hint="A newer version of napari-segplugin may have written it: update.",
        )
    unknown, missing = sorted(set(spec) - _FIELDS), sorted(_FIELDS - set(spec))
    if unknown or missing:
        words = [f"unknown: {', '.join(unknown)}"] * bool(unknown) + [f"missing: {', '.join(missing)}"] * bool(missing)
        raise InputError(f"The fields in spec.json of '{place.name}' are not the expected ones.", got="; ".join(words))


def _licence(place: Path) -> str:
    """What LICENSE.txt says: it has the full text, also where somebody put it there by hand; empty without such a file."""
    path = place / "LICENSE.txt"
    with reading(path, "text"):
        return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0]


def _check_packages(packages: object, name: str) -> None:
    """Other packages that a model needs have to be here; their names go into a sentence that people follow."""
    if not isinstance(packages, list) or not all(isinstance(p, str) and _PACKAGE.fullmatch(p) for p in packages):
        raise InputError(f"The model '{name}' needs packages whose names are not valid.", got=packages)
    missing = [p for p in packages if not _installed(p)]
    if missing:
        raise InputError(
            f"The model '{name}' needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            hint=f"If you trust the source of the model: pip install {' '.join(missing)}, then restart",
        )


def _installed(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version  # slow to import, and hardly a model needs it

    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _read_exemplars(path: Path) -> Exemplars | None:
    """The exemplars of a bundle; None where it has none. Nothing is unpickled."""
    if not path.is_file():
        return None
    with reading(path, "image pieces of a model"), np.load(path, allow_pickle=False) as found:
        names = set(Exemplars.NAMES)
        if set(found.files) != names:
            raise InputError(
                "The image pieces kept with the model are not complete.",
                got=", ".join(found.files) or "nothing",
                accepted=", ".join(sorted(names)),
                hint="Copy the model folder again, or delete its exemplars.npz: the model works without it.",
            )
        size = sum(member.file_size for member in found.zip.infolist())
        check_size(path, (size,), "u1", stored=path.stat().st_size)
        return Exemplars(**{name: found[name] for name in names})


def _read_weights(place: Path, listed: WeightsJson) -> dict[str, np.ndarray]:
    path = place / "weights.safetensors"
    try:
        weights: dict[str, np.ndarray] = load_file(path)
    except SafetensorError as error:
        raise InputError(
            f"The weights of '{place.name}' cannot be read: the file is damaged or incomplete.",
            got=f'"{first_line(error)}"',
            hint="Copy the model folder again.",
        ) from error
    here = {name: [str(a.dtype), list(a.shape)] for name, a in weights.items()}
    wrong = sorted(n for n in set(here) | set(listed["tensors"]) if here.get(n) != listed["tensors"].get(n))
    if wrong or _digest(path) != listed["sha256"]:
        raise InputError(
            f"The weights of '{place.name}' do not match its spec.json.",
            got=f"differences in {', '.join(wrong[:5])}" if wrong else "another checksum",
            hint="Copy the whole model folder again.",
        )
    return {name: weights[name] for name in listed["tensors"]}


def load_thumbnail(folder: str | os.PathLike[str]) -> np.ndarray | None:
    """The picture of a bundle, (Y, X) or (Y, X, 3) uint8; None where there is none or it cannot be read."""
    path = as_path(folder) / "thumbnail.png"
    try:
        with reading(path, "PNG"):
            return np.asarray(imageio.imread(path, plugin="pillow")) if path.is_file() else None
    except SegPluginError:
        return None  # a picture is a nicety; a bundle without it still works


def shipped_bundles() -> dict[str, Path]:
    """Folders of the bundles that come with the package, by folder name. Nothing is loaded."""
    shelf = Path(__file__).parent.parent / "resources" / "bundles"
    return {p.parent.name: p.parent for p in sorted(shelf.glob("*/spec.json"))}
