"""Building blocks that are the same in 2D and 3D; `ndim` chooses the layer class."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

_CONV: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
_NORM: dict[int, type[nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL: dict[int, type[nn.Module]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


def conv(ndim: int, inputs: int, outputs: int, kernel: int | Sequence[int] = 3, *, bias: bool = False) -> nn.Module:
    """Convolution that keeps the size (odd kernel, zero padding)."""
    sizes = (kernel,) * ndim if isinstance(kernel, int) else tuple(kernel)
    return _CONV[ndim](inputs, outputs, sizes, padding=tuple(k // 2 for k in sizes), bias=bias)


def norm(ndim: int, channels: int) -> nn.Module:
    """Batch normalisation: its statistics are frozen at inference, so tiles agree with the whole image.

    Instance and group normalisation measure each tile anew and leave seams (Buglakova et al., ICCV 2025).
    """
    return _NORM[ndim](channels)


def pool(ndim: int, stride: Sequence[int]) -> nn.Module:
    """Max pooling with a window as large as its stride."""
    return _POOL[ndim](tuple(stride), tuple(stride))


class ConvBlock(nn.Module):
    """Two times convolution, batch normalisation, ReLU; with `residual`, the input is added before the last ReLU.

    Shape: (N, C_in, [Z,] Y, X) -> (N, C_out, [Z,] Y, X).
    """

    def __init__(
        self, ndim: int, inputs: int, outputs: int, *, kernel: Sequence[int] | int = 3, residual: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(ndim, inputs, outputs, kernel), norm(ndim, outputs)
        self.conv2, self.norm2 = conv(ndim, outputs, outputs, kernel), norm(ndim, outputs)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.shortcut: nn.Module | None = None
        if residual:
            self.shortcut = nn.Identity() if inputs == outputs else conv(ndim, inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(self.dropout(y)))
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return F.relu(y, inplace=True)


def pad_to_multiple(x: Tensor, multiple: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
    """Repeat the last voxels until each spatial size is a multiple of `multiple`.

    Parameters
    ----------
    x : (N, C, [Z,] Y, X) Tensor
    multiple : sequence of int
        One number a spatial axis.

    Returns
    -------
    padded : Tensor
    size : tuple of int
        The size before, for cropping.
    """
    size = tuple(int(n) for n in x.shape[2:])
    extra = [(-n) % m for n, m in zip(size, multiple, strict=True)]
    if any(extra):
        pads: list[int] = []
        for e in reversed(extra):
            pads += [0, e]
        x = F.pad(x, pads, mode="replicate")
    return x, size


def crop(x: Tensor, size: Sequence[int]) -> Tensor:
    """The first `size` voxels of each spatial axis."""
    return x[(slice(None), slice(None), *(slice(0, n) for n in size))]


def initialise(module: nn.Module) -> None:
    """He initialisation (He et al. 2015) of all convolutions, for ReLU."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def upsample(x: Tensor, stride: Sequence[int]) -> Tensor:
    """Enlarge by whole factors, repeating voxels."""
    return F.interpolate(x, scale_factor=[float(s) for s in stride], mode="nearest")


__all__ = ["ConvBlock", "conv", "crop", "initialise", "norm", "pad_to_multiple", "pool", "upsample"]
