"""Classical recipes as files, and those that come with the package."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import cast

from napari_segplugin.core import ClassicalRecipe, InputError, recipe_from_json, recipe_to_json
from napari_segplugin.core.disk.commit import settle
from napari_segplugin.core.types import Json
from napari_segplugin.io.boundary import read_json
from napari_segplugin.io.files import as_path, write_text

_SHELF = Path(__file__).parent.parent / "resources" / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Recipes that come with the package: name -> file.

    Examples
    --------
    >>> "nuclei2d" in shipped_recipes()
    True
    """
    return {p.stem: p for p in sorted(_SHELF.glob("*.json"))}


def load_recipe(source: str | os.PathLike[str]) -> ClassicalRecipe:
    """Read a recipe.

    Parameters
    ----------
    source : path or str
        A file, or the name of one that comes with the package. The recipe file that lies beside a result does too.

    Raises
    ------
    InputError
        If there is no such file or name, it is no JSON, or holds no classical recipe.
    """
    shipped = shipped_recipes()
    path = shipped[str(source)] if str(source) in shipped else as_path(source)
    settle(path)
    if not path.is_file():
        known = ", ".join(shipped)
        raise InputError("There is no such recipe.", got=f"'{source}'", accepted=f"a JSON file, or one of {known}")
    return recipe_from_json(cast("Json", read_json(path, object, noun="The recipe")))


def save_recipe(recipe: ClassicalRecipe, path: str | os.PathLike[str]) -> Path:
    """Write a recipe as JSON; an existing file is replaced.

    Raises
    ------
    InputError
        If the folder is missing or may not be written to.
    """
    return write_text(path, json.dumps(recipe_to_json(recipe), indent=2) + "\n")


__all__ = ["load_recipe", "save_recipe", "shipped_recipes"]
