"""Networks: one file an architecture, one row each. Listing the rows imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segplugin.core import InputError, ModelSpec, Registry, Row

if TYPE_CHECKING:
    from torch import nn

MODELS = Registry("network")
MODELS.add(
    Row(
        "unet",
        "U-Net",
        "napari_segplugin.models.unet:UNet",
        "The standard: precise outlines, learns from few images, small enough for a CPU.",
        "Ronneberger et al. 2015, arXiv 1505.04597; Çiçek et al. 2016, arXiv 1606.06650",
        options={"widths": (16, 32, 64, 128), "strides": None, "residual": False, "deep_supervision": False, "dropout": 0.0},
    )
)


def build(spec: ModelSpec, out_channels: int) -> nn.Module:
    """Make the network of a spec, with random weights.

    Parameters
    ----------
    spec : ModelSpec
    out_channels : int
        Number of maps that the task reads.

    Raises
    ------
    InputError
        If the network is not known or does not take one of the options.
    """
    row = MODELS[spec.network]
    unknown = set(spec.options) - set(row.options)
    if unknown:
        raise InputError(f"{row.title} has no such options.", got=", ".join(sorted(unknown)), accepted=", ".join(row.options))
    module: nn.Module = row.load()(spec.ndim, spec.in_channels, out_channels, **spec.options)
    return module


__all__ = ["MODELS", "build"]
