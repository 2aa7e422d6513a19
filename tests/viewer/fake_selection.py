"""An image and a model that are chosen, without a window; mypy compares it with what the desk asks (`_CHECK` at the end)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segplugin.core import ClassTable, Image, InputError, ModelBundle, ModelSpec, Task, TileSpec
from napari_segplugin.viewer.desk import Choice
from napari_segplugin.viewer.layers import layer_to_image
from napari_segplugin.viewer.places import WHOLE

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_segplugin.viewer.desk import Extent, Method, Selection

SPEC = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["nucleus"]))


@dataclass
class FakeSelection:
    """What the steps of the window say to the desk."""

    layer: ImageLayer | None = None
    axes: str = "YX"
    ready: bool = True
    scope: str = WHOLE
    is_classical: bool = False
    task: Task = Task.INSTANCE
    device: str = "cpu"
    title: str = "nuclei"

    @property
    def ndim(self) -> int:
        return 3 if "Z" in self.axes else 2

    def image(self) -> Image:
        if self.layer is None:
            raise InputError("There is no image.")
        return layer_to_image(self.layer, self.axes)

    def choice(self) -> Choice | None:
        return None if self.layer is None else Choice(SPEC, lambda: ModelBundle("nuclei", SPEC, {}), False, self.title)

    def tiles(self, ndim: int) -> TileSpec:
        return TileSpec()


if TYPE_CHECKING:
    _CHECK: tuple[Selection, Method, Extent] = (FakeSelection(), FakeSelection(), FakeSelection())
