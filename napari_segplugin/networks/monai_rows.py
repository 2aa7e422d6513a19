"""Networks of MONAI behind the promises of this package; MONAI is imported when one is built.

One more is one more row: its target is this module and the name of the class in ``monai.networks.nets``, its options are
the keywords of the class.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from napari_segplugin.core import MissingExtraError
from napari_segplugin.core.types import Json
from napari_segplugin.networks.blocks import finish, norm, pad_to_multiple
from napari_segplugin.networks.reach import reach, survey

_GROUPED = {"VNet": 16}
"""Networks that repeat the image until it has so many channels, which the channels of the image have to divide."""


class MonaiNetwork(nn.Module):
    """A network of MONAI that takes any size, has batch normalisation, and knows its reach.

    Instance and group normalisation, MONAI's defaults, measure each tile anew and leave seams: they are replaced by
    batch normalisation. (Normalisation over the channels of one voxel, as in transformers, stays.)

    Parameters
    ----------
    name : str
        Class in ``monai.networks.nets``, with the keywords `spatial_dims`, `in_channels` and `out_channels`.
    ndim : int
        2 or 3.
    in_channels, out_channels : int
    **options
        Further keywords of the class.

    Attributes
    ----------
    multiple : tuple of int
        Product of the strides.

    Raises
    ------
    MissingExtraError
        If MONAI is not installed.
    """

    def __init__(self, name: str, ndim: int, in_channels: int, out_channels: int, **options: Json) -> None:
        super().__init__()
        made = _class(name)
        if "dropout_dim" in inspect.signature(made).parameters:
            options = {"dropout_dim": ndim, **options}
        group = _GROUPED.get(name, 0)
        self.channels = next(c for c in range(in_channels, in_channels + group + 1) if not group % c)
        self.extra = self.channels - in_channels
        self.in_channels = in_channels
        self.network = _with_batch_norm(
            made(spatial_dims=ndim, in_channels=self.channels, out_channels=out_channels, **options), ndim
        )
        self.multiple = survey(self.network, self.channels, (128,) * ndim)[1]

    @property
    def halo(self) -> tuple[int, ...]:
        """Reach of a voxel through convolutions; attention windows may look further."""
        return reach(self, self.in_channels)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map (N, C, [Z,] Y, X) to (N, K, [Z,] Y, X) logits.

        While training with deep supervision: a tuple, full resolution first.
        """
        x, size = pad_to_multiple(x, self.multiple)
        if self.extra:
            x = F.pad(x, (*(0, 0) * len(size), 0, self.extra))
        out = self.network(x)
        if isinstance(out, Tensor) and out.ndim > x.ndim:  # all scales, enlarged and stacked
            out = out.unbind(1)
        return finish([out] if isinstance(out, Tensor) else out, size)


def _class(name: str) -> Callable[..., nn.Module]:
    for package in ("monai", "einops"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise MissingExtraError(package, f"build {name}", "monai") from error
    found: Callable[..., nn.Module] = getattr(importlib.import_module("monai.networks.nets"), name)
    return found


def _with_batch_norm(module: nn.Module, ndim: int) -> nn.Module:
    """The module with batch normalisation in place of instance and group normalisation."""
    if isinstance(module, nn.GroupNorm):
        return norm(ndim, module.num_channels)
    if isinstance(module, nn.modules.instancenorm._InstanceNorm):
        return norm(ndim, module.num_features)
    for key, child in module.named_children():
        setattr(module, key, _with_batch_norm(child, ndim))
    return module


def __getattr__(name: str) -> Callable[..., MonaiNetwork]:
    """A network by the name of its class in MONAI."""
    if not name[:1].isupper():
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return partial(MonaiNetwork, name)


__all__ = ["MonaiNetwork"]
