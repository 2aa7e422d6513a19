"""Three bands of an image shown as red, green and blue, in a layer of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal

from napari_segplugin.core import Image, InputError, SegPluginError
from napari_segplugin.data.composite import band_names, composite, usual_bands
from napari_segplugin.viewer.companions import colours_layer
from napari_segplugin.widgets._parts import Fold, button, combo, fill_combo, labelled
from napari_segplugin.widgets._places import current_frame

if TYPE_CHECKING:
    from qtpy.QtWidgets import QComboBox

_COLORS = ("Red", "Green", "Blue")


class CompositeFold(Fold):
    """Which band is shown as which color.

    Signals
    -------
    requested : the button was pressed
    """

    requested = Signal()

    def __init__(self) -> None:
        super().__init__(
            "Show bands as color", "composite_fold", "Show three bands of the image as red, green and blue."
        )
        self.choices: list[QComboBox] = [
            combo(f"composite_{c.lower()}", c, f"The band that is shown as {c.lower()}.") for c in _COLORS
        ]
        self.button = button(
            "Show as color",
            "composite_show",
            "Add a layer with these bands as red, green and blue. It is only for display: the image that is segmented keeps all "
            "its bands and values.",
            self.requested.emit,
        )
        for name, choice in zip(_COLORS, self.choices, strict=True):
            self.rows.addWidget(labelled(name, choice))
        self.rows.addWidget(self.button)
        self._names: tuple[str, ...] = ()

    def show_bands(self, image: Image | None) -> None:
        """Offer the bands of an image; nothing is shown where it has less than three."""
        names = band_names(image) if image is not None and image.n_channels > 2 else ()
        self.setVisible(bool(names))
        if image is None or not names or names == self._names:
            return
        self._names = names
        for choice, band in zip(self.choices, usual_bands(image), strict=True):
            fill_combo(choice, [(name, i) for i, name in enumerate(names)], band)

    @property
    def bands(self) -> tuple[int, int, int]:
        """The channels that are shown as red, green and blue."""
        red, green, blue = (int(choice.currentData()) for choice in self.choices)
        return red, green, blue


class CompositeControl:
    """Makes the layer for the dock.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        dock.image_step.composite.requested.connect(self.show)

    def show(self) -> None:
        """Add the layer with the chosen bands, or replace that of the same name."""
        dock, step = self._dock, self._dock.image_step
        if not step.ready:
            dock.fail(InputError("There is no image yet.", hint="Open an image in step 1."))
            return
        layer, axes, bands = step.layer, step.axes, step.composite.bands
        try:
            image, frame = step.image(), current_frame(dock.viewer, layer, axes)
        except SegPluginError as error:
            dock.fail(error)
            return
        names = band_names(image)

        def done(array: np.ndarray) -> None:
            found = colours_layer(array, layer, axes, frame)
            found.name = f"{layer.name}: {', '.join(names[b] for b in bands)}"
            if found.name in dock.viewer.layers:
                dock.viewer.layers.remove(found.name)
            active = dock.viewer.layers.selection.active
            # over its image and under the labels that lie over that
            at = list(dock.viewer.layers).index(layer) + 1 if layer in dock.viewer.layers else len(dock.viewer.layers)
            dock.viewer.layers.insert(at, found)
            dock.viewer.layers.selection.active = active

        part = image if frame is None else image.frame(frame)
        dock.background.run("composite", lambda: composite(part, bands), done, dock.fail)


__all__ = ["CompositeControl", "CompositeFold"]
