"""Three bands of an image shown as red, green and blue, in a layer of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal

from napari_segplugin.core import Image, InputError, SegPluginError
from napari_segplugin.data.composite import band_names, composite, usual_bands
from napari_segplugin.viewer.companions import colours_layer
from napari_segplugin.viewer.selected import still_selected
from napari_segplugin.widgets._parts import Fold, button, combo, fill_combo, labelled

if TYPE_CHECKING:
    from qtpy.QtWidgets import QComboBox

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.jobs import Jobs

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
    desk : Desk
    jobs : Jobs
    fold : CompositeFold
        Where the bands are chosen.
    """

    def __init__(self, desk: Desk, jobs: Jobs, fold: CompositeFold) -> None:
        self._desk, self._jobs, self._fold = desk, jobs, fold
        fold.requested.connect(self.show)

    def show(self) -> None:
        """Add the layer with the chosen bands, or replace that of the same name."""
        desk, bands = self._desk, self._fold.bands
        if not desk.ready:
            desk.fail(InputError("There is no image yet.", hint="Open an image."))
            return
        try:
            chosen = desk.chosen()
        except SegPluginError as error:
            desk.fail(error)
            return
        names, layer, part = band_names(chosen.image), chosen.layer, chosen.part

        def done(array: np.ndarray) -> None:
            found = colours_layer(array, layer, chosen.axes, chosen.frame)
            found.name = f"{layer.name}: {', '.join(names[b] for b in bands)}"
            desk.remove_named(found.name)
            # over its image and under the labels that lie over that
            at = list(desk.viewer.layers).index(layer) + 1 if layer in desk.viewer.layers else len(desk.viewer.layers)
            with still_selected(desk.viewer.layers):
                desk.viewer.layers.insert(at, found)

        self._jobs.beside("composite", lambda: composite(part, bands), done)


__all__ = ["CompositeControl", "CompositeFold"]
