"""Heads that look around: FCN, pyramid pooling (PSP) and atrous spatial pyramid pooling (ASPP), in 2D and 3D.

The papers pool over the whole image, so the answer at a voxel depends on how large the image, or the tile, is: tiles
would differ from the whole and leave seams. Here the windows are of a fixed size on a fixed grid; a network that uses
them has the largest window among its `multiple`.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from napari_segplugin.networks.blocks import ConvNorm, Detour, Parallel, conv, linear_upsample, mean_pool


class WindowPool(Detour):
    """Mean over windows of a fixed grid, 1-wide convolution, enlarged linearly to the size before.

    Parameters
    ----------
    ndim, inputs, outputs : int
    window : int
        Side in voxels of the map that comes in.
    """

    def __init__(self, ndim: int, inputs: int, outputs: int, window: int) -> None:
        super().__init__(mean_pool(ndim, window), ConvNorm(ndim, inputs, outputs, 1), linear_upsample(ndim, window))


class FCNHead(nn.Sequential):
    """3-wide convolution to a quarter of the channels, then the logits (Long et al. 2015, arXiv 1411.4038)."""

    def __init__(self, ndim: int, inputs: int, outputs: int) -> None:
        width = max(1, inputs // 4)
        super().__init__(ConvNorm(ndim, inputs, width), conv(ndim, width, outputs, 1, bias=True))


class PSPHead(nn.Module):
    """Means over windows of several sizes joined to the map itself (Zhao et al. 2017, arXiv 1612.01105).

    Differs from the paper on purpose: windows of fixed sizes in place of a sixth, a third, half and all of the image.

    Parameters
    ----------
    ndim, inputs, outputs : int
    windows : sequence of int
        Sides in voxels of the map that comes in.
    """

    def __init__(self, ndim: int, inputs: int, outputs: int, windows: Sequence[int] = (2, 4, 8)) -> None:
        super().__init__()
        inner = max(1, inputs // len(windows))
        self.join = Parallel([nn.Identity(), *(WindowPool(ndim, inputs, inner, w) for w in windows)])
        self.logits = FCNHead(ndim, inputs + inner * len(windows), outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits at the size of the map."""
        y: Tensor = self.logits(self.join(x))
        return y


class ASPP(nn.Module):
    """Dilated convolutions side by side, and a mean over a window (Chen et al. 2017, arXiv 1706.05587).

    Differs from the paper on purpose: a window of a fixed size in place of the whole image.

    Parameters
    ----------
    ndim, inputs, outputs : int
    rates : sequence of int
        Dilations.
    window : int
        Side in voxels of the map that comes in.
    """

    def __init__(
        self, ndim: int, inputs: int, outputs: int, rates: Sequence[int] = (6, 12, 18), window: int = 8
    ) -> None:
        super().__init__()
        branches: list[nn.Module] = [ConvNorm(ndim, inputs, outputs, 1)]
        branches += [ConvNorm(ndim, inputs, outputs, dilation=r) for r in rates]
        branches += [WindowPool(ndim, inputs, outputs, window)]
        self.join = Parallel(branches)
        self.project = ConvNorm(ndim, outputs * len(branches), outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """A map of the same size."""
        y: Tensor = self.project(self.join(x))
        return y


class ASPPHead(nn.Sequential):
    """:class:`ASPP`, then the logits."""

    def __init__(
        self, ndim: int, inputs: int, outputs: int, rates: Sequence[int] = (6, 12, 18), window: int = 8
    ) -> None:
        width = max(1, inputs // 4)
        super().__init__(
            ASPP(ndim, inputs, width, rates, window),
            ConvNorm(ndim, width, width),
            conv(ndim, width, outputs, 1, bias=True),
        )


__all__ = ["ASPP", "ASPPHead", "FCNHead", "PSPHead", "WindowPool"]
