"""A chain of classical steps: one technique, then clean-up, with a JSON form that can be replayed on other images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_segplugin.core.errors import InputError
from napari_segplugin.core.specs import to_json
from napari_segplugin.core.types import Json, JsonDict

FORMAT = "segplugin classical recipe"
VERSION = 1


@dataclass(frozen=True)
class CleanupStep:
    """A clean-up step: its registry name and its settings."""

    name: str
    parameters: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassicalRecipe:
    """One technique and the steps after it.

    Parameters
    ----------
    technique : str
        A row of the techniques' registry.
    parameters : mapping
        Its settings; defaults for those left out.
    cleanup : tuple of CleanupStep
        In the order in which they are taken.
    channel : int
        The channel that is read, from 0; -1 for all.
    name : str
        What a person calls it.
    description : str
        What it is good for.

    Raises
    ------
    InputError
        If the channel is below -1.

    Examples
    --------
    >>> recipe = ClassicalRecipe("threshold", {"method": "li"}, (CleanupStep("fill_holes"),))
    >>> recipe_from_json(recipe_to_json(recipe)) == recipe
    True
    """

    technique: str
    parameters: Mapping[str, Json] = field(default_factory=dict)
    cleanup: tuple[CleanupStep, ...] = ()
    channel: int = -1
    name: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.channel, bool) or not isinstance(self.channel, int) or self.channel < -1:
            raise InputError("The channel of a recipe is a number from 0 up, or -1 for all channels.", got=self.channel)


def recipe_to_json(recipe: ClassicalRecipe) -> JsonDict:
    """Plain JSON values, with the name and the version of the format."""
    return {"format": FORMAT, "version": VERSION, **to_json(recipe)}


def recipe_from_json(data: Json) -> ClassicalRecipe:
    """Read what :func:`recipe_to_json` wrote.

    Parameters
    ----------
    data : mapping
        Such a recipe, or the recipe of a result that was made with one (found however deep it lies).

    Raises
    ------
    InputError
        If there is none in it, it is of a later version, or a field is missing, unknown or of another kind.
    """
    found = _find(data)
    if found is None:
        raise InputError(
            "This is not a recipe of classical steps.",
            accepted=f'JSON with "format": "{FORMAT}", or the file NAME.recipe.json beside a result made with one',
        )
    if found.get("version") != VERSION:
        raise InputError(
            "The recipe is in another version of the format.", got=found.get("version"), accepted=f"version {VERSION}"
        )
    fields: dict[str, Any] = {k: v for k, v in found.items() if k not in ("format", "version")}
    known = ("technique", "parameters", "cleanup", "channel", "name", "description")
    wrong = sorted(set(fields) - set(known))
    if wrong or "technique" not in fields:
        raise InputError(
            "The fields of the recipe are not understood.",
            got=f"unknown {', '.join(wrong)}" if wrong else "no technique",
            accepted=", ".join(known),
        )
    steps = fields.pop("cleanup", [])
    if not isinstance(steps, list):
        raise _kind("cleanup", "a list of steps", steps)
    return ClassicalRecipe(
        str(fields.pop("technique")),
        _settings(fields.pop("parameters", {})),
        tuple(_step(step) for step in steps),
        **fields,
    )


def _find(data: Json) -> Mapping[str, Json] | None:
    """The innermost mapping that says it is a recipe."""
    if not isinstance(data, Mapping):
        return None
    if data.get("format") == FORMAT:
        return data
    return next((found for value in data.values() if (found := _find(value)) is not None), None)


def _step(data: Json) -> CleanupStep:
    if not isinstance(data, Mapping) or "name" not in data or set(data) - {"name", "parameters"}:
        raise _kind("cleanup", 'steps of the form {"name": …, "parameters": {…}}', data)
    return CleanupStep(str(data["name"]), _settings(data.get("parameters", {})))


def _settings(data: Json) -> JsonDict:
    if not isinstance(data, Mapping):
        raise _kind("parameters", "a table of settings", data)
    return {str(name): value for name, value in data.items()}


def _kind(word: str, accepted: str, got: Json) -> InputError:
    return InputError(f"The field '{word}' of the recipe has the wrong type.", got=got, accepted=accepted)


__all__ = ["FORMAT", "ClassicalRecipe", "CleanupStep", "recipe_from_json", "recipe_to_json"]
