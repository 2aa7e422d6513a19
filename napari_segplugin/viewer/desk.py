"""The desk: what is chosen, and the work on each image and each result. Everything in the window shares it. No Qt, no torch.

Work belongs to a layer for as long as the layer lives: it is found by the layer itself, never by a number that another layer
can get. A result keeps its image, since it can be brought back with it; an image without results is freed with its work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from napari.layers import Layer
from psygnal import EmitLoopError, Signal, SignalInstance

from napari_segplugin.core import InputError
from napari_segplugin.viewer.corrections import paints_of
from napari_segplugin.viewer.places import current_frame, region_of, seen
from napari_segplugin.viewer.work import ImageWork, PaintWork, ResultWork

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels

    from napari_segplugin.core import Image, ModelBundle, ModelSpec, Region, Task, TileSpec
    from napari_segplugin.viewer.results import Result
    from napari_segplugin.viewer.target import Target

AnyLayer = TypeVar("AnyLayer", bound=Layer)
Answer: TypeAlias = tuple[str, str, Callable[[], object]]
"""A button under a message: caption, object name, and what it does."""
Explain: TypeAlias = Callable[[BaseException], tuple[str, str]]
"""Makes a sentence of an error, and details for those who want them."""


@dataclass(frozen=True)
class Choice:
    """The model that is chosen.

    Parameters
    ----------
    spec : ModelSpec
    load : callable
        Returns the bundle; reads files or makes weights, so it is called in a worker.
    scratch : bool
        True where the weights are random: good for training, not for a result.
    title : str
    """

    spec: ModelSpec
    load: Callable[[], ModelBundle]
    scratch: bool
    title: str


class Selection(Protocol):
    """Where an image is chosen."""

    @property
    def layer(self) -> ImageLayer | None:
        """The chosen layer."""

    @property
    def axes(self) -> str:
        """Axes of its array."""

    @property
    def ndim(self) -> int:
        """3 where it has a depth, otherwise 2."""

    @property
    def ready(self) -> bool:
        """Whether there is an image and no open question about it."""

    def image(self) -> Image:
        """The chosen image, with the channels that are looked at."""


class Method(Protocol):
    """Where it is chosen what to look for, and with what."""

    @property
    def is_classical(self) -> bool:
        """Whether a classical technique is chosen, and not a network."""

    @property
    def task(self) -> Task:
        """The chosen task."""

    @property
    def device(self) -> str:
        """Where to compute."""

    def choice(self) -> Choice | None:
        """The chosen model."""

    def tiles(self, ndim: int) -> TileSpec:
        """The settings of a run for a network of so many dimensions."""


class Extent(Protocol):
    """Where it is chosen which part of the image to look at."""

    @property
    def scope(self) -> str:
        """One of the words of :mod:`napari_segplugin.viewer.places`."""


@dataclass(frozen=True, eq=False)
class ChosenImage:
    """The chosen image as it is at one moment.

    Parameters
    ----------
    layer : napari.layers.Image
    axes : str
    image : Image
    frame : int, optional
        The time point on the screen; None for an image without T.
    """

    layer: ImageLayer
    axes: str
    image: Image
    frame: int | None

    @property
    def part(self) -> Image:
        """The image at the time point on the screen."""
        return self.image if self.frame is None else self.image.frame(self.frame)


class Desk:
    """What is chosen, and the work on it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    selection : Selection
    method : Method
    extent : Extent
    explain : callable, optional
        Makes a sentence of an error; its own text by default.

    Attributes
    ----------
    said : signal
        A sentence for the person, details, buttons (:data:`Answer`), and whether it tells of a problem; an empty sentence
        takes the last one away.
    stale : signal
        What is shown of the state is old: at once (True), or when the present event is over (False).
    results_changed : signal
        A result came or went.
    """

    said = Signal(str, str, tuple, bool)
    stale = Signal(bool)
    results_changed = Signal()

    def __init__(
        self, viewer: ViewerModel, selection: Selection, method: Method, extent: Extent, explain: Explain | None = None
    ) -> None:
        self.viewer = viewer
        self._selection, self._method, self._extent = selection, method, extent
        self._explain: Explain = explain or (lambda error: (str(error), ""))
        self._images: WeakKeyDictionary[ImageLayer, ImageWork] = WeakKeyDictionary()
        self._paints: WeakKeyDictionary[Labels, PaintWork] = WeakKeyDictionary()
        self._results: WeakKeyDictionary[Result, ResultWork] = WeakKeyDictionary()

    # --- what is chosen -------------------------------------------------------------------------------------------

    @property
    def layer(self) -> ImageLayer | None:
        """The chosen image layer."""
        return self._selection.layer

    @property
    def axes(self) -> str:
        """Axes of its array."""
        return self._selection.axes

    @property
    def ndim(self) -> int:
        """3 where the chosen image has a depth, otherwise 2."""
        return self._selection.ndim

    @property
    def ready(self) -> bool:
        """Whether there is an image and no open question about it."""
        return self._selection.ready

    def image(self) -> Image:
        """The chosen image.

        Raises
        ------
        InputError
            If there is none or the layer cannot be used.
        """
        return self._selection.image()

    def chosen(self) -> ChosenImage:
        """The chosen image with the time point on the screen.

        Raises
        ------
        InputError
            If there is none or the layer cannot be used.
        """
        layer, axes = self._layer(), self.axes
        return ChosenImage(layer, axes, self.image(), current_frame(self.viewer, layer, axes))

    def _layer(self) -> ImageLayer:
        if self.layer is None:
            raise InputError("There is no image.", hint="Open an image")
        return self.layer

    def region(self, scope: str = "") -> Region | None:
        """The part of the chosen image to look at, along its spatial axes; None means everything.

        Parameters
        ----------
        scope : str
            See :mod:`napari_segplugin.viewer.places`; what is chosen by default.

        Raises
        ------
        InputError
            If there is no image.
        """
        return region_of(self.viewer, self._layer(), self.axes, scope or self.scope)

    def seen(self) -> Region:
        """The part of the chosen image that is on the screen, along its spatial axes.

        Raises
        ------
        InputError
            If there is no image.
        """
        return seen(self.viewer, self._layer(), self.axes)

    @property
    def scope(self) -> str:
        """Which part of the image to look at."""
        return self._extent.scope

    @property
    def is_classical(self) -> bool:
        """Whether a classical technique is chosen, and not a network."""
        return self._method.is_classical

    @property
    def task(self) -> Task:
        """The chosen task."""
        return self._method.task

    @property
    def device(self) -> str:
        """Where to compute."""
        return self._method.device

    def choice(self) -> Choice | None:
        """The chosen model; None while there is no image or no network."""
        return self._method.choice()

    def tiles(self, ndim: int) -> TileSpec:
        """The settings of a run for a network of `ndim` dimensions."""
        return self._method.tiles(ndim)

    # --- the work -------------------------------------------------------------------------------------------------

    def there(self, layer: Layer | None) -> bool:
        """Whether a layer is in the viewer."""
        return any(a is layer for a in self.viewer.layers)

    def living(self, layer: AnyLayer | None) -> AnyLayer | None:
        """A layer if it is in the viewer, otherwise None."""
        return layer if self.there(layer) else None

    def remove_named(self, name: str) -> None:
        """Take the layer of a name out of the viewer, if there is one."""
        for layer in [a for a in self.viewer.layers if a.name == name]:
            self.viewer.layers.remove(layer)

    @property
    def images(self) -> list[tuple[ImageLayer, ImageWork]]:
        """Every image layer that was worked on and lives, and the work on it."""
        return list(self._images.items())

    def work_on(self, layer: ImageLayer) -> ImageWork:
        """The work on an image layer."""
        return self._images.setdefault(layer, ImageWork())

    @property
    def work(self) -> ImageWork | None:
        """The work on the chosen image."""
        return None if self.layer is None else self.work_on(self.layer)

    @property
    def paint(self) -> Labels | None:
        """What is painted on the chosen image for what is looked for, if it is in the viewer."""
        layers = {} if self.work is None else self.work.paints
        found = self.living(layers.get(paints_of(self.task)))
        # a classical technique begins with whatever is painted
        others = (self.living(a) for a in layers.values() if self.is_classical)
        return found or next((a for a in others if a is not None), None)

    def strokes(self, layer: Labels) -> PaintWork:
        """What is known of a corrections layer."""
        return self._paints.setdefault(layer, PaintWork())

    # --- results --------------------------------------------------------------------------------------------------

    @property
    def results(self) -> list[Result]:
        """Every result, also those whose layers were removed: they can be brought back. Image by image, oldest first."""
        return [result for _, work in self.images for result in work.results]

    @property
    def result(self) -> Result | None:
        """The result of the chosen image that is worked on."""
        return self.result_of(self.layer)

    def result_of(self, layer: ImageLayer | None, task: Task | None = None) -> Result | None:
        """Of an image layer, the last result that was made or selected and is in the viewer; with a task the one of that."""
        if layer is None:
            return None
        work = self.work_on(layer)
        known = [*work.results, *([work.shown] if work.shown is not None else [])]
        fits = (r for r in reversed(known) if self.there(r.layer) and task in (None, r.segmentation.task))
        return next(fits, None)

    def result_in(self, layer: Layer) -> Result | None:
        """The result that a layer shows."""
        return next((r for r in reversed(self.results) if r.layer is layer), None)

    def work_with(self, result: Result) -> None:
        """Let a result be the one of its image that is worked on."""
        self.work_on(result.image_layer).shown = result

    def about(self, result: Result) -> ResultWork:
        """The work on a result."""
        return self._results.setdefault(result, ResultWork())

    @property
    def targets(self) -> list[Target]:
        """The results that are being corrected."""
        return [work.target for work in list(self._results.values()) if work.target is not None]

    def add(self, result: Result, replaces: Result | None = None) -> None:
        """Take in a result; where it has the layer of an earlier one, it takes the place of that."""
        results = self.work_on(result.image_layer).results
        if replaces is not None and result.layer is replaces.layer:
            results[:] = [r for r in results if r is not replaces]
            self.about(result).views = self.about(replaces).views
        results.append(result)
        self.work_with(result)
        _tell(self.results_changed)

    # --- what is said ---------------------------------------------------------------------------------------------

    def say(self, text: str, details: str = "", answers: Sequence[Answer] = ()) -> None:
        """Tell a person something, with buttons to answer by."""
        _tell(self.said, text, details, tuple(answers), False)

    def hush(self) -> None:
        """Take away what was said last."""
        self.say("")

    def fail(self, error: BaseException) -> None:
        """Tell a person what went wrong, as a sentence."""
        _tell(self.said, *self._explain(error), (), True)

    def refresh(self) -> None:
        """Show the state anew."""
        _tell(self.stale, True)

    def refresh_soon(self) -> None:
        """Show the state anew when the present event is over."""
        _tell(self.stale, False)

    def close(self) -> None:
        """Tell nobody anything any more."""
        for signal in (self.said, self.stale, self.results_changed):
            signal.disconnect()


def _tell(signal: SignalInstance, *what: object) -> None:
    """Emit a signal; what goes wrong in one who listens is raised as it is, not as an error of the signal."""
    try:
        signal.emit(*what)
    except EmitLoopError as error:
        raise (error.__cause__ or error) from None


__all__ = ["Answer", "Choice", "ChosenImage", "Desk", "Extent", "Method", "Selection"]
