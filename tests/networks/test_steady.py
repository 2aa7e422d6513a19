"""The bits of a convolution do not depend on the size of the array: every kind that the networks are made of, as they run."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from napari_segplugin.core import ClassTable, ModelSpec, Task  # noqa: E402
from napari_segplugin.engine.device import threads  # noqa: E402
from napari_segplugin.engine.network import layout  # noqa: E402
from napari_segplugin.networks import NETWORKS, build  # noqa: E402
from napari_segplugin.networks.steady import Steady  # noqa: E402

OURS = [
    name for name in NETWORKS.names() if name in ("unet", "segnet", "fastfcn", "gated_scnn", "kayalibay", "mask_rcnn")
]
CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)


def kinds(name, ndim):
    """What tells the convolutions of a network at its usual size apart."""
    task = Task.INSTANCE if NETWORKS[name].family == "detector" else Task.SEMANTIC
    with torch.device("meta"):
        network = build(ModelSpec(name, ndim, 1, task, ClassTable.named(["cell"])), 2)
    return {
        (m.in_channels, m.out_channels, m.kernel_size, m.stride, m.dilation, m.groups, m.bias is not None)
        for m in network.modules()
        if isinstance(m, CONVOLUTIONS[ndim - 2])
    }


def piece_and_whole(kind, ndim, count):
    """The first corner of what a convolution makes of a large array, and of a piece of it."""
    inputs, outputs, kernel, stride, dilation, groups, bias = kind
    pad = tuple(d * (k // 2) for d, k in zip(dilation, kernel, strict=True))
    torch.manual_seed(0)
    layer = CONVOLUTIONS[ndim - 2](inputs, outputs, kernel, stride, pad, dilation, groups, bias)
    layer = layer.to(memory_format=layout(ndim))
    whole, part = (96, 40) if ndim == 2 else (24, 14)
    x = torch.rand(1, inputs, *[whole] * ndim).contiguous(memory_format=layout(ndim))
    piece = x[(..., *[slice(0, part)] * ndim)].contiguous(memory_format=layout(ndim))
    seen = (..., *(slice(0, max(0, part - p) // s) for p, s in zip(pad, stride, strict=True)))
    with torch.inference_mode(), Steady(), threads(count):
        return layer(piece)[seen], layer(x)[seen]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("name", OURS)
def test_a_piece_has_the_bits_of_the_whole(name, ndim):
    found = kinds(name, ndim)
    assert found
    wrong = []
    for kind in sorted(found, key=str):
        for count in (1, 2):
            piece, whole = piece_and_whole(kind, ndim, count)
            assert piece.numel() or max(kind[4]) > 8
            if not torch.equal(piece, whole):
                wrong.append((kind, count))
    assert not wrong
