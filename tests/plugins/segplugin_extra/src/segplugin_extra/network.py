"""A network of a handful of lines."""

from __future__ import annotations

from torch import nn

from napari_segplugin.networks.reach import reach


class Dilated(nn.Module):
    """Convolutions with holes of 1, 2 and 4 voxels, in 2D or 3D."""

    def __init__(self, ndim: int, in_channels: int, out_channels: int, *, width: int = 8) -> None:
        super().__init__()
        conv, norm = (nn.Conv2d, nn.BatchNorm2d) if ndim == 2 else (nn.Conv3d, nn.BatchNorm3d)
        self.in_channels, self.multiple = in_channels, (1,) * ndim
        layers: list[nn.Module] = []
        for inputs, rate in ((in_channels, 1), (width, 2), (width, 4)):
            layers += [conv(inputs, width, 3, padding=rate, dilation=rate, bias=False), norm(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, conv(width, out_channels, 1))

    @property
    def halo(self) -> tuple[int, ...]:
        """How far a voxel sees."""
        return reach(self, self.in_channels)

    def forward(self, x):
        """Images to logits."""
        return self.layers(x)
