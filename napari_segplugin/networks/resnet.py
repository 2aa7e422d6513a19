"""Encoders: a small plain one and the ResNets (He et al. 2016, arXiv 1512.03385), in 2D and 3D, with output stride 32.

The ResNets name their parts as torchvision and timm do, so that ImageNet weights load into them.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segplugin.core import InputError, MissingExtraError
from napari_segplugin.networks.blocks import ConvNorm, check_strides, conv, initialise, norm

_MAX_POOL: dict[int, type[nn.Module]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}

RESNETS: dict[str, tuple[tuple[int, ...], bool]] = {
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
}
"""Blocks of each stage, and whether they are bottlenecks."""

ENCODERS = ("plain", *RESNETS)
"""Names that :func:`make_encoder` takes."""


class PlainEncoder(nn.Module):
    """Two convolutions a stage, the first with stride 2: small enough for a CPU.

    Parameters
    ----------
    ndim, in_channels : int
    widths : sequence of int
        Channels of the five maps, of stride 2, 4, 8, 16 and 32.
    strides : sequence of sequence of int, optional
        Of the five stages, one number a spatial axis; 2 everywhere by default.
    """

    by_parts = True

    def __init__(
        self,
        ndim: int,
        in_channels: int,
        widths: Sequence[int] = (16, 32, 64, 128, 128),
        strides: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        if len(widths) != 5:
            raise InputError("The plain encoder has five stages.", got=f"{len(widths)} widths", accepted="5 widths")
        self.widths = tuple(widths)
        self.stages = nn.ModuleList(
            nn.Sequential(ConvNorm(ndim, i, o, stride=s), ConvNorm(ndim, o, o))
            for i, o, s in zip((in_channels, *widths[:-1]), widths, check_strides(ndim, strides, 5), strict=True)
        )
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of stride 2, 4, 8, 16 and 32 of (N, C, [Z,] Y, X), sizes multiples of 32."""
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class _Block(nn.Module):
    """Residual block of a ResNet: two 3-wide convolutions, or a bottleneck 1-3-1 with the stride on the 3-wide one."""

    def __init__(self, ndim: int, inputs: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        outputs = 4 * width if bottleneck else width
        if bottleneck:
            self.conv1, self.bn1 = conv(ndim, inputs, width, 1), norm(ndim, width)
            self.conv2, self.bn2 = conv(ndim, width, width, stride=stride), norm(ndim, width)
            self.conv3, self.bn3 = conv(ndim, width, outputs, 1), norm(ndim, outputs)
        else:
            self.conv1, self.bn1 = conv(ndim, inputs, width, stride=stride), norm(ndim, width)
            self.conv2, self.bn2 = conv(ndim, width, outputs), norm(ndim, outputs)
        self.bottleneck = bottleneck
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(ndim, inputs, outputs, 1, stride=stride), norm(ndim, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.bottleneck:
            y = self.bn3(self.conv3(F.relu(y, inplace=True)))
        y = y + (x if self.downsample is None else self.downsample(x))
        return F.relu(y, inplace=True)


class ResNet(nn.Module):
    """ResNet without its classifier and without dilation.

    Parameters
    ----------
    ndim, in_channels : int
    blocks : sequence of int
        Residual blocks of each of the four stages.
    bottleneck : bool
        Blocks of three convolutions (ResNet-50 and larger).
    width : int
        Channels of the first stage. 64 is the published one, for which ImageNet weights exist.
    """

    by_parts = True

    def __init__(
        self, ndim: int, in_channels: int, blocks: Sequence[int], *, bottleneck: bool = False, width: int = 64
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(ndim, in_channels, width, 7, stride=2), norm(ndim, width)
        self.maxpool = _MAX_POOL[ndim](3, 2, 1)
        inputs, widths = width, [width]
        for k, count in enumerate(blocks):
            stage: list[nn.Module] = []
            for b in range(count):
                stage.append(_Block(ndim, inputs, width * 2**k, 2 if k and not b else 1, bottleneck))
                inputs = width * 2**k * (4 if bottleneck else 1)
            widths.append(inputs)
            setattr(self, f"layer{k + 1}", nn.Sequential(*stage))
        self.widths = tuple(widths)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of stride 2, 4, 8, 16 and 32 of (N, C, [Z,] Y, X), sizes multiples of 32."""
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        maps = [x]
        x = self.maxpool(x)
        for k in range(1, len(self.widths)):
            x = getattr(self, f"layer{k}")(x)
            maps.append(x)
        return maps


def make_encoder(
    name: str,
    ndim: int,
    in_channels: int,
    *,
    widths: Sequence[int] = (16, 32, 64, 128, 128),
    width: int = 64,
    strides: Sequence[Sequence[int]] | None = None,
) -> PlainEncoder | ResNet:
    """An encoder by name, with random weights; its `widths` tell the channels of its five maps.

    Parameters
    ----------
    name : str
        One of :data:`ENCODERS`.
    ndim, in_channels : int
    widths : sequence of int
        Channels of the plain encoder.
    width : int
        Channels of the first stage of a ResNet.
    strides : sequence of sequence of int, optional
        Of the stages of the plain encoder.

    Raises
    ------
    InputError
        If there is no encoder of that name, or a ResNet is given strides.

    Examples
    --------
    >>> import torch
    >>> encoder = make_encoder("resnet18", 3, 1, width=8)
    >>> [tuple(m.shape[1:]) for m in encoder(torch.zeros(1, 1, 32, 32, 64))][-1], encoder.widths
    ((64, 1, 1, 2), (8, 8, 16, 32, 64))
    """
    if name not in ENCODERS:
        raise InputError(f"There is no encoder named '{name}'.", accepted=", ".join(ENCODERS))
    if name == "plain":
        return PlainEncoder(ndim, in_channels, widths, strides)
    if strides:
        raise InputError("A ResNet has its own strides.", got=strides, hint="Leave them out")
    blocks, bottleneck = RESNETS[name]
    return ResNet(ndim, in_channels, blocks, bottleneck=bottleneck, width=width)


def load_imagenet(encoder: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load ImageNet weights of the same ResNet; those of the classifier are left out.

    The first convolution is adapted to the channels of the image: the mean over red, green and blue for every channel,
    scaled so that the sum stays (three channels are taken as they are). In 3D each kernel is repeated along Z and
    divided by its depth, so that a volume of equal planes gives what the plane gave (I3D, Carreira & Zisserman 2017,
    arXiv 1705.07750).

    Parameters
    ----------
    encoder : nn.Module
        A :class:`ResNet` of width 64.
    state : mapping of str to Tensor
        Weights as torchvision or timm name them (``layer1.0.conv1.weight``).

    Raises
    ------
    InputError
        If a weight is missing, left over or of another shape: these are the weights of another network.
    """
    given = {k: v for k, v in state.items() if not k.startswith("fc.")}
    wanted = encoder.state_dict()
    odd = sorted(k for k in set(wanted) ^ set(given) if not k.endswith("num_batches_tracked"))
    fitted = {k: _fit(v, wanted[k]) for k, v in given.items() if k in wanted}
    odd += [k for k, v in fitted.items() if v.shape != wanted[k].shape]
    if odd:
        raise InputError(
            "These weights do not belong to this encoder.",
            got=f"{len(odd)} weights that do not fit, the first is {odd[0]}",
            accepted="ImageNet weights of the same ResNet, named as in torchvision or timm",
            hint="Choose the encoder that these weights belong to",
        )
    encoder.load_state_dict(fitted, strict=False)


def _fit(value: Tensor, wanted: Tensor) -> Tensor:
    """A 2D RGB weight for the channels and the dimensions of the one that is wanted."""
    if wanted.ndim == 5 and value.ndim == 4:
        depth = wanted.shape[2]
        value = value.unsqueeze(2).repeat(1, 1, depth, 1, 1) / depth
    if value.ndim > 1 and value.shape[1] == 3 != wanted.shape[1]:
        channels = wanted.shape[1]
        value = value.sum(1, keepdim=True).expand(-1, channels, *value.shape[2:]) / channels
    return value


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Weights from a file on disk.

    Parameters
    ----------
    path : str or Path
        A ``.safetensors`` file, or a ``.pth`` file with nothing but tensors in it (other objects are refused).

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds more than weights, or PyTorch is too old to open it safely.
    """
    path = Path(path)
    # before 2.6 a prepared file could run code although only weights are asked for (CVE-2025-32434)
    if path.suffix != ".safetensors" and tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):
        raise InputError(
            f"The weights in '{path.name}' cannot be read safely with this version of PyTorch.",
            got=f"torch {torch.__version__}",
            accepted="torch 2.6 or newer, or a .safetensors file",
        )
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (OSError, SafetensorError, pickle.UnpicklingError, EOFError, RuntimeError) as error:
        raise InputError(
            f"The weights in '{path.name}' cannot be read.",
            got=str(error).partition("\n")[0],
            accepted="a .safetensors file, or a .pth file that contains only weights",
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(
            f"The file '{path.name}' does not contain weights.",
            got=type(state).__name__,
            accepted="a table of names and tensors",
        )
    return state


def timm_state(name: str) -> dict[str, Tensor]:
    """ImageNet weights of a ResNet through timm, downloaded once and kept by it.

    Parameters
    ----------
    name : str
        "resnet18", "resnet34", "resnet50", or any ResNet of timm that has the same parts ("resnet50.a1_in1k").

    Returns
    -------
    dict of str to Tensor
        For :func:`load_imagenet`.

    Raises
    ------
    MissingExtraError
        If timm, or a package that it needs (torchvision), is not installed.
    InputError
        If torchvision is made for another torch.
    """
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError(error.name or "timm", "download ImageNet weights", "timm") from error
    except (RuntimeError, AttributeError, OSError) as error:
        raise _other_torchvision(error) from error
    state: dict[str, Tensor] = timm.create_model(name, pretrained=True).state_dict()
    return state


def _other_torchvision(error: Exception) -> InputError:
    """What to do about a torchvision that does not fit torch: its compiled part was made for another build."""
    build = torch.__version__.partition("+")[2]  # "cpu", "cu130"; nothing for what comes from PyPI
    index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
    return InputError(
        "ImageNet weights cannot be downloaded: the installed torchvision does not fit the installed torch.",
        got=f'torch {torch.__version__}, and "{str(error).splitlines()[0] if str(error) else type(error).__name__}"',
        hint=f"Run: pip install --force-reinstall torch torchvision{index}",
    )


__all__ = ["ENCODERS", "RESNETS", "PlainEncoder", "ResNet", "load_imagenet", "make_encoder", "read_state", "timm_state"]
