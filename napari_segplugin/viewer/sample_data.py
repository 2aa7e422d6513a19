"""Small real images with ground truth, for the File menu and the dock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from napari_segplugin.io.samples import SampleImage
from napari_segplugin.viewer.geometry import label_axes, layer_axes, to_layer_order
from napari_segplugin.viewer.layers import LayerData, LayerOptions, image_to_layer


def sample_layers(sample: SampleImage) -> list[LayerData]:
    """Layer data of a sample: the image, and its ground truth hidden below."""
    image = replace(sample.image, name=sample.name)
    array, kwargs, kind = image_to_layer(image)
    out: list[LayerData] = []
    rgb = bool(kwargs["rgb"])
    axes = "".join(a.upper() for a in kwargs.get("axis_labels", ())) + ("C" if rgb else "")
    axes = axes or image.axes
    labels = np.ascontiguousarray(to_layer_order(np.asarray(sample.truth), axes, rgb))
    shown = axes[:-1] if rgb else axes
    kept = [i for i, a in enumerate(shown) if a in layer_axes(axes, rgb)]
    about: LayerOptions = {
        "name": f"{image.name} · ground truth",
        "visible": False,
        "metadata": {"segplugin": {"role": "truth"}},
        "scale": tuple(kwargs["scale"][i] for i in kept),
        "units": tuple(kwargs["units"][i] for i in kept),
    }
    if "axis_labels" in kwargs:
        about["axis_labels"] = tuple(kwargs["axis_labels"][i] for i in kept)
    out.append((labels if labels.dtype.kind in "iu" else labels.astype(np.int32), about, "labels"))
    return [*out, (array, kwargs, kind)] if label_axes(image.axes) else out


def _provider(name: str) -> Callable[[], list[LayerData]]:
    def load() -> list[LayerData]:
        from napari_segplugin.io import load_sample

        return sample_layers(load_sample(name))

    return load


nuclei2d = _provider("nuclei2d")
nuclei3d = _provider("nuclei3d")
axon_sem = _provider("axon_sem")
stardist_nuclei3d = _provider("stardist_nuclei3d")
