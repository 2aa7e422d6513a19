"""What a training begins with: labelled images, and a model that goes on or a network that starts from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_segplugin.core import ClassTable, InputError, Job, ModelBundle, Note, Segmentation, Task, TrainSpec
from napari_segplugin.core.types import Json
from napari_segplugin.door.catalog import new_model
from napari_segplugin.door.inputs import (
    ChannelsLike,
    ImageLike,
    LabelsLike,
    ModelLike,
    PathLike,
    as_image,
    as_model,
    as_segmentation,
    class_table,
)
from napari_segplugin.io.formats import notes_of
from napari_segplugin.io.regrid import over
from napari_segplugin.networks import NETWORKS
from napari_segplugin.networks.strides import usual_patch, with_strides

if TYPE_CHECKING:
    from napari_segplugin.engine.train.folder import Labelled
    from napari_segplugin.engine.voxel_size import Chosen

_DEFINED = ("task", "classes", "stuff", "ndim", "head", "options", "model_spacing")

Pairs: TypeAlias = Sequence[tuple[ImageLike, LabelsLike]]


@dataclass(frozen=True)
class NewModel:
    """What a person says of a model that is to be made; the fields are those of :func:`napari_segplugin.new_model`."""

    task: Task | str | None = None
    classes: ClassTable | Sequence[str] | None = None
    stuff: Sequence[str] = ()
    ndim: int | None = None
    head: str = ""
    options: Mapping[str, Json] | None = None
    name: str = ""
    model_spacing: Sequence[float] = ()

    @property
    def said(self) -> list[str]:
        """What a model that is there already says itself."""
        return [word for word in _DEFINED if getattr(self, word)]

    def begin(self, model: ModelLike) -> ModelBundle | None:
        """The model that a training goes on from; None where it starts from a network.

        Raises
        ------
        InputError
            If there is no such model or network, or a model is told what it finds.
        """
        if isinstance(model, str) and model in NETWORKS:
            class_table(self.classes, self.task, self.stuff)  # what is wrong is said before anything is read
            return None
        bundle = as_model(model)
        if self.said:
            raise InputError(
                f"The model '{bundle.name}' already defines what it finds.",
                got=", ".join(self.said),
                accepted=f"these settings only with the name of a network: {', '.join(NETWORKS.names())}",
                hint="Leave them out to continue with the model, or start from a network.",
            )
        return bundle

    def kind(self, bundle: ModelBundle | None) -> Task:
        """What the labels are."""
        return bundle.spec.task if bundle is not None else Task(self.task or Task.INSTANCE)

    def make(self, network: str, found: Sequence[Labelled], ignore: int | None, spec: TrainSpec) -> Job[ModelBundle]:
        """A model of a network for these images and labels; says in which voxel size it works where that is not theirs."""
        from napari_segplugin.engine.train.folder import classes_in
        from napari_segplugin.engine.voxel_size import choose_size

        kind, image = self.kind(None), found[0].image
        table = class_table(self.classes, kind, self.stuff)
        if table is None and kind is Task.SEMANTIC:
            table = classes_in([d.labels for d in found], ignore)
        ndim = self.ndim or image.ndim
        size = choose_size(
            [d.image for d in found],
            [d.labels if ignore is None else np.where(d.labels == ignore, 0, d.labels) for d in found],
            kind,
            min(ndim, image.ndim),
            asked=self.model_spacing,
            patch=spec.patch if len(spec.patch) != 1 else spec.patch * ndim,
        )
        if size.note:
            yield size.note
        options = dict(self.options or {})
        if ndim == 3:
            options = with_strides(NETWORKS[network], options, size.spacing, self._seen_at_once(found, size, spec))
        return new_model(
            network,
            task=kind,
            classes=table or ("object",),
            ndim=ndim,
            channels=image.n_channels,
            head=self.head,
            options=options,
            spacing=size.spacing,
            unit=size.unit,
            name=self.name or network,
            seed=spec.seed,
        )

    @staticmethod
    def _seen_at_once(found: Sequence[Labelled], size: Chosen, spec: TrainSpec) -> list[int]:
        """Voxels of a patch along Z, Y, X, of which the images have as many."""
        from napari_segplugin.engine.voxel_size import ratios

        shapes = []
        for one in (d.image for d in found):
            factors = ratios(one.canonical_spacing, one.unit, size.spacing, size.unit) or (1.0,) * 3
            shapes.append([n * f for n, f in zip(one.spatial_shape, factors, strict=True)])
        wanted = (spec.patch if len(spec.patch) != 1 else spec.patch * 3) or usual_patch(size.spacing, 3)
        return [int(min(n, max(1, round(m)))) for n, m in zip(wanted, np.median(shapes, axis=0), strict=True)]


def labelled(
    data: PathLike | Pairs,
    task: Task,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    channels: ChannelsLike = "",
) -> Job[list[Labelled]]:
    """Images with their labels, from a folder or from pairs.

    Raises
    ------
    InputError
        If the folder is laid out otherwise, a file cannot be read, or there is nothing.
    """
    from napari_segplugin.data.channels import seen
    from napari_segplugin.engine.train.folder import Labelled, read_pairs
    from napari_segplugin.io.pairs import canonical_labels, find_pairs

    if isinstance(data, str | Path):
        found = yield from read_pairs(find_pairs(data), task, axes=axes, spacing=spacing, unit=unit)
        return [replace(one, image=seen(one.image, channels)) for one in found]
    pairs = list(data) if isinstance(data, Iterable) else [data]
    if not all(isinstance(p, tuple | list) and len(p) == 2 for p in pairs):
        raise InputError(
            "The images to train on cannot be given like that.",
            got=type(data).__name__,
            accepted="a folder with images and labels, or a list of (image, labels) pairs",
        )
    found = []
    for given, labels in pairs:
        truth = as_segmentation(labels, task=task)
        numbers = canonical_labels(np.asarray(truth.labels), truth.axes)
        several = isinstance(labels, Segmentation) and task is not Task.SEMANTIC and len(truth.classes) > 2
        kinds = canonical_labels(truth.semantic(), truth.axes) if several else None
        image = as_image(given, axes, spacing, unit)
        numbers, note = over(numbers, truth, image)
        kinds = over(kinds, truth, image)[0] if kinds is not None else None
        if note:
            yield Note(f"'{truth.name}': {note}")
        if isinstance(given, str | Path):
            yield from notes_of(image)
        found.append(Labelled(seen(image, channels), numbers, kinds))
    if not found:
        raise InputError("There is nothing to train on.", got="an empty list", accepted="(image, labels) pairs")
    return found


__all__ = ["NewModel", "Pairs", "labelled"]
