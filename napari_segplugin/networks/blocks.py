"""Building blocks that are the same in 2D and 3D; `ndim` chooses the layer class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, cat, nn
from torch.nn import functional as F

from napari_segplugin.core import InputError

_CONV: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
_NORM: dict[int, type[nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL: dict[int, type[nn.Module]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}

Size = int | Sequence[int]
"""One number for all spatial axes, or one each."""

_COARSEST = 512  # pixels that are one at the lowest level: patches are multiples of it


def per_axis(ndim: int, value: Size) -> tuple[int, ...]:
    """One number a spatial axis."""
    return (value,) * ndim if isinstance(value, int) else tuple(value)


def conv(
    ndim: int,
    inputs: int,
    outputs: int,
    kernel: Size = 3,
    *,
    stride: Size = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Module:
    """Convolution that keeps the size, or divides it by the stride (odd kernel, zero padding)."""
    sizes = per_axis(ndim, kernel)
    padding = tuple(dilation * (k // 2) for k in sizes)
    return _CONV[ndim](
        inputs, outputs, sizes, per_axis(ndim, stride), padding, dilation=dilation, groups=groups, bias=bias
    )


def norm(ndim: int, channels: int) -> nn.Module:
    """Batch normalisation: its statistics are frozen at inference, so tiles agree with the whole image.

    Instance and group normalisation measure each tile anew and leave seams (Buglakova et al., ICCV 2025).
    """
    return _NORM[ndim](channels)


def pool(ndim: int, stride: Sequence[int], *, places: bool = False) -> nn.Module:
    """Max pooling with a window as large as its stride; with `places`, the index of each maximum comes with it."""
    return _POOL[ndim](tuple(stride), tuple(stride), return_indices=places)


class MeanPool(nn.Module):
    """Average over a fixed grid of windows; the sizes have to be multiples of the window.

    (torch's own has no half precision in 3D on the CPU.)
    """

    def __init__(self, window: Sequence[int]) -> None:
        super().__init__()
        self.window = tuple(window)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the pooling."""
        sizes = zip(x.shape[2:], self.window, strict=True)
        split = x.reshape(*x.shape[:2], *(n for size, w in sizes for n in (size // w, w)))
        return split.mean(tuple(range(3, split.ndim, 2)))


def mean_pool(ndim: int, window: Size) -> nn.Module:
    """Average over a fixed grid of windows."""
    return MeanPool(per_axis(ndim, window))


def linear_upsample(ndim: int, factor: Size) -> nn.Module:
    """Enlarge by whole factors, bilinear or trilinear, voxel centres kept (so tiles agree with the whole image)."""
    return nn.Upsample(scale_factor=tuple(float(f) for f in per_axis(ndim, factor)), mode=_LINEAR[ndim])


def upsample(x: Tensor, stride: Sequence[int]) -> Tensor:
    """Enlarge by whole factors, repeating voxels."""
    return F.interpolate(x, scale_factor=[float(s) for s in stride], mode="nearest")


class ConvNorm(nn.Module):
    """Convolution, batch normalisation, activation.

    Shape: (N, C_in, [Z,] Y, X) -> (N, C_out, [Z,] Y, X), the spatial sizes divided by `stride`.
    """

    def __init__(
        self,
        ndim: int,
        inputs: int,
        outputs: int,
        kernel: Size = 3,
        *,
        stride: Size = 1,
        dilation: int = 1,
        groups: int = 1,
        act: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        super().__init__()
        self.conv = conv(ndim, inputs, outputs, kernel, stride=stride, dilation=dilation, groups=groups)
        self.norm = norm(ndim, outputs)
        self.act = act() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y: Tensor = self.act(self.norm(self.conv(x)))
        return y


class ConvBlock(nn.Module):
    """Two times convolution, batch normalisation, ReLU; with `residual`, the input is added before the last ReLU.

    With a stride, the first convolution has it, and the input is averaged over its windows before it is added.

    Shape: (N, C_in, [Z,] Y, X) -> (N, C_out, [Z,] Y, X).
    """

    def __init__(
        self,
        ndim: int,
        inputs: int,
        outputs: int,
        *,
        kernel: Size = 3,
        stride: Size = 1,
        residual: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(ndim, inputs, outputs, kernel, stride=stride), norm(ndim, outputs)
        self.conv2, self.norm2 = conv(ndim, outputs, outputs, kernel), norm(ndim, outputs)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.shortcut: nn.Module | None = None
        if residual:
            same = nn.Identity() if inputs == outputs else conv(ndim, inputs, outputs, 1)
            strided = any(s > 1 for s in per_axis(ndim, stride))
            self.shortcut = nn.Sequential(mean_pool(ndim, stride), same) if strided else same

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(self.dropout(y)))
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return F.relu(y, inplace=True)


class AttentionGate(nn.Module):
    """Weighs a map of the encoder by what the decoder looks for (Oktay et al. 2018, arXiv 1804.03999, eq. 1-2).

    ``skip * sigmoid(psi(relu(W_x skip + W_g signal)))`` with 1-wide convolutions and batch normalisation. The signal
    comes enlarged already, so the weights are computed at the size of the map and need not be resampled.

    Parameters
    ----------
    ndim : int
    skip, signal : int
        Channels of the two maps.
    inner : int
        Channels in which they are compared.
    """

    def __init__(self, ndim: int, skip: int, signal: int, inner: int) -> None:
        super().__init__()
        self.skip = ConvNorm(ndim, skip, inner, 1, act=None)
        self.signal = ConvNorm(ndim, signal, inner, 1, act=None)
        self.weight = ConvNorm(ndim, inner, 1, 1, act=nn.Sigmoid)

    def forward(self, skip: Tensor, signal: Tensor) -> Tensor:
        """The map of the encoder, weighted."""
        weight: Tensor = self.weight(F.relu(self.skip(skip) + self.signal(signal)))
        return skip * weight


class Parallel(nn.ModuleList):
    """Branches side by side; their outputs are joined along the channels.

    Called with one map, every branch gets it; called with several, each branch gets its own.
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        """Apply the branches and concatenate."""
        given = inputs * len(self) if len(inputs) == 1 else inputs
        return cat([branch(x) for branch, x in zip(self, given, strict=True)], dim=1)


class Detour(nn.Sequential):
    """Layers that go to a coarser grid and come back to that of their input, aside from the main way down and up."""


def check_strides(ndim: int, strides: Sequence[Sequence[int]] | None, count: int) -> list[tuple[int, ...]]:
    """Strides between the levels of a network, 2 everywhere where none are given.

    Raises
    ------
    InputError
        If there are not `count` entries of `ndim` numbers, or they lead down too far.
    """
    checked = [tuple(int(n) for n in s) for s in strides] if strides else [(2,) * ndim] * count
    if len(checked) != count or any(len(s) != ndim for s in checked):
        raise InputError(
            "The strides do not fit the levels of the network.",
            got=strides,
            accepted=f"{count} entries of {ndim} numbers",
        )
    coarsest = max(total_stride(ndim, checked))
    if coarsest > _COARSEST:
        raise InputError(
            "The network has too many levels: every patch would be that large.",
            got=f"{count} steps down",
            accepted=f"as many as lead down to one in {_COARSEST} pixels: {_COARSEST.bit_length() - 1} by halves",
            hint="Leave out some of the widths",
        )
    return checked


def total_stride(ndim: int, strides: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Product of all strides: tiles that start at its multiples see the same pooling grid as the whole image."""
    total = [1] * ndim
    for stride in strides:
        total = [t * s for t, s in zip(total, stride, strict=True)]
    return tuple(total)


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


def finish(outputs: Sequence[Tensor], size: Sequence[int]) -> Tensor | tuple[Tensor, ...]:
    """Cut the padding off the logits of every scale.

    Parameters
    ----------
    outputs : sequence of (N, K, [Z,] Y, X) Tensor
        Full resolution, padded, first.
    size : sequence of int
        Size of the image before padding.

    Returns
    -------
    Tensor or tuple of Tensor
        One output alone is not in a tuple.
    """
    padded = outputs[0].shape[2:]
    cut = [crop(o, [-(-n * m // p) for n, m, p in zip(size, o.shape[2:], padded, strict=True)]) for o in outputs]
    return tuple(cut) if len(cut) > 1 else cut[0]


def initialise(module: nn.Module) -> None:
    """He initialisation (He et al. 2015) of all convolutions, for ReLU."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


__all__ = [
    "AttentionGate",
    "ConvBlock",
    "ConvNorm",
    "Detour",
    "MeanPool",
    "Parallel",
    "Size",
    "check_strides",
    "conv",
    "crop",
    "finish",
    "initialise",
    "linear_upsample",
    "mean_pool",
    "norm",
    "pad_to_multiple",
    "per_axis",
    "pool",
    "total_stride",
    "upsample",
]
