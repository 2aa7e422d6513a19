"""What a zarr says of the labels in it: in the words of OME-Zarr, and in those of this package."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypedDict

from napari_segplugin.core import ClassTable, Task
from napari_segplugin.core.schema import Between, checked_json
from napari_segplugin.core.specs import ClassesJson
from napari_segplugin.core.types import Json, json_object
from napari_segplugin.io.files import is_zarr

_STATES = ("predicted", "corrected", "accepted", "rejected")


class RecipeFile(TypedDict, total=False):
    """What is read of a recipe beside labels."""

    task: Literal["semantic", "instance", "panoptic"]
    classes: ClassesJson
    axes: str
    spacing: list[Annotated[float, Between(1e-30, 1e30)]]
    unit: str
    recipe: dict[str, object] | None
    files: dict[str, object]
    labels: str
    place: dict[str, object] | None


@dataclass(frozen=True)
class LabelsInside:
    """What stands in a zarr about its labels.

    Parameters
    ----------
    said : bool
        Whether the zarr says that it is labels.
    about : RecipeFile
        What this package wrote; empty for labels of another program.
    properties : sequence of mapping
        What OME-Zarr knows of single labels.
    colors : mapping of int to str
        Colors of labels, "#rrggbb".
    """

    said: bool = False
    about: RecipeFile = field(default_factory=lambda: RecipeFile())
    properties: Sequence[Mapping[str, Json]] = ()
    colors: Mapping[int, str] = field(default_factory=dict)

    def classes(self, task: Task) -> ClassTable | None:
        """The classes that another program named; None where it named none."""
        if task is Task.SEMANTIC:
            named = {label: str(p.get("class") or p.get("name") or "") for label, p in self._rows().items()}
            if not named or not all(named.values()) or sorted(named) != list(range(1, len(named) + 1)):
                return None
            names = [named[n] for n in sorted(named)]
        else:
            names = list(dict.fromkeys(str(p["class"]) for p in self._rows().values() if p.get("class")))
        if not names or len(set(names)) != len(names) or "background" in names:
            return None
        return ClassTable.named(names)

    def rows(self, classes: ClassTable) -> dict[int, tuple[int, float, str]]:
        """Class, score and status by label, as far as the zarr knows them."""
        ids = {c.name: c.id for c in classes}
        found = {}
        for label, said in self._rows().items():
            score, status = said.get("score"), str(said.get("status", ""))
            number = float(score) if isinstance(score, int | float) and 0 <= score <= 1 else math.nan
            if "class" in said or "score" in said:
                known = status if status in _STATES else "predicted"
                found[label] = (ids.get(str(said.get("class", "")), 1), number, known)
        return found

    def _rows(self) -> dict[int, Mapping[str, Json]]:
        return {n: p for p in self.properties if (n := _label(p)) > 0}


def labels_inside(path: Path) -> LabelsInside:
    """What a zarr says of its labels; nothing for what is no zarr, or an image.

    Raises
    ------
    InputError
        If the zarr is damaged.

    Examples
    --------
    >>> labels_inside(Path("not_there.zarr")).said
    False
    """
    if not is_zarr(path):
        return LabelsInside()
    from napari_segplugin.io.omezarr_about import objects, part
    from napari_segplugin.io.omezarr_parts import image_label
    from napari_segplugin.io.omezarr_write import OWN

    found = image_label(path)
    if found is None:
        return LabelsInside()
    group, about = found
    said = json_object(part(about, "image-label"))
    own = group.attrs.get(OWN)
    recipe = checked_json(own, RecipeFile, f"'{path.name}'") if isinstance(own, dict) else RecipeFile()
    colors = {_label(c): color for c in objects(said.get("colors")) if _label(c) and (color := _hex(c.get("rgba")))}
    return LabelsInside(True, recipe, objects(said.get("properties")), colors)


def _label(entry: Mapping[str, Json]) -> int:
    """The label of an entry, 0 where it has none."""
    found = entry.get("label-value")
    return int(found) if isinstance(found, int | float) and math.isfinite(found) and found == int(found) else 0


def _hex(rgba: Json) -> str:
    """A color from (R, G, B, A) of 0 to 255; empty where it is none."""
    if not isinstance(rgba, Sequence) or len(rgba) < 3:
        return ""
    if not all(isinstance(n, int) and 0 <= n <= 255 for n in rgba[:3]):
        return ""
    return "#" + "".join(f"{n:02x}" for n in rgba[:3])


__all__ = ["LabelsInside", "RecipeFile", "labels_inside"]
