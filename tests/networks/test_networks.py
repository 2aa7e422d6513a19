"""What makes each network that network."""

import pytest

from napari_segplugin.core import ClassTable, InputError, ModelSpec, Task

torch = pytest.importorskip("torch")

from napari_segplugin.networks import build  # noqa: E402
from napari_segplugin.networks.base import depth_groups, encoder_groups  # noqa: E402
from napari_segplugin.networks.blocks import AttentionGate, ConvBlock, ConvNorm, Parallel  # noqa: E402
from napari_segplugin.networks.fastfcn import JPU, FastFCN  # noqa: E402
from napari_segplugin.networks.heads import ASPP, PSPHead, WindowPool  # noqa: E402
from napari_segplugin.networks.kayalibay import Kayalibay  # noqa: E402
from napari_segplugin.networks.reach import survey  # noqa: E402
from napari_segplugin.networks.segnet import SegNet, unpool  # noqa: E402
from napari_segplugin.networks.unet import UNet  # noqa: E402

nn = torch.nn


def convolutions(module):
    return [m for m in module.modules() if isinstance(m, nn.modules.conv._ConvNd)]


# SegNet


def test_segnet_with_the_paper_s_options_has_the_convolutions_of_vgg16_twice():
    net = SegNet(2, 3, 11, widths=(64, 128, 256, 512, 512), convs=(2, 2, 3, 3, 3))
    channels = [(c.in_channels, c.out_channels) for c in convolutions(net.down)]
    assert (
        channels
        == [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512)] + [(512, 512)] * 5
    )
    back = [[(c.in_channels, c.out_channels) for c in convolutions(stage)] for stage in net.up]
    assert back == [
        [(64, 64)],
        [(128, 128), (128, 64)],
        [(256, 256), (256, 256), (256, 128)],
        [(512, 512), (512, 512), (512, 256)],
        [(512, 512)] * 3,
    ]
    assert [(c.in_channels, c.out_channels, c.bias is not None) for c in convolutions(net.heads)] == [(64, 11, True)]
    assert all(c.kernel_size == (3, 3) for c in convolutions(net))


def test_values_go_back_to_where_the_maxima_were():
    x = torch.tensor([[[[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 7.0, 0.0]]]])
    pooled, places = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    back = unpool(10 * pooled, places, x.shape, (2, 2))
    assert back.tolist() == [[[[0, 20, 0, 0], [0, 0, 70, 0]]]]


@pytest.mark.parametrize("stride", [(2, 2), (3, 2), (2, 2, 2), (1, 2, 2)])
def test_unpooling_for_export_is_the_same(stride, monkeypatch):
    ndim = len(stride)
    x = torch.randn(2, 3, *(12,) * ndim)
    pool = torch.nn.functional.max_pool2d if ndim == 2 else torch.nn.functional.max_pool3d
    pooled, places = pool(x, stride, return_indices=True)
    plain = unpool(pooled, places, x.shape, stride)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.equal(unpool(pooled, places, x.shape, stride), plain)


def test_convolution_counts_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"Got \(2,\).*Accepted: 2 numbers"):
        SegNet(2, 1, 2, widths=(4, 8), convs=(2,))


# Kayalibay


def test_the_maps_of_all_scales_are_summed():
    net = Kayalibay(2, 1, 2, widths=(4, 8, 8)).eval()
    x = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        net.heads[0].weight.zero_()
        net.heads[0].bias.fill_(1.0)
        coarse = net(x)
        net.heads[1].weight.zero_()
        net.heads[1].bias.fill_(10.0)
        summed = net(x)
    assert float(coarse.std()) > 0  # what is left comes from the lower level, enlarged
    assert torch.allclose(summed, torch.full_like(summed, 11.0))


def test_kayalibay_is_strided_and_has_prelu_only():
    net = Kayalibay(3, 1, 2)
    kinds = {type(m).__name__ for m in net.modules()}
    assert "PReLU" in kinds
    assert not any("Pool" in k for k in kinds)
    assert "ReLU" not in kinds
    assert sum(c.stride == (2, 2, 2) for c in convolutions(net.down)) == 3


# FastFCN


def test_jpu_has_four_separable_dilated_branches_of_stride_8():
    jpu = JPU(3, (8, 16, 32), 4)
    depthwise = [c for c in convolutions(jpu.look) if c.groups > 1]
    assert [c.dilation[0] for c in depthwise] == [1, 2, 4, 8]
    assert all(c.groups == c.in_channels == 12 for c in depthwise)
    assert [(c.in_channels, c.out_channels) for c in convolutions(jpu.join)] == [(8, 4), (16, 4), (32, 4)]


def test_windows_are_of_fixed_size():
    head = PSPHead(2, 8, 3, windows=(2, 4)).eval()
    short, long = torch.rand(1, 8, 8, 8), None
    long = torch.cat((short, torch.rand(1, 8, 64, 8)), 2)
    with torch.inference_mode():
        assert torch.allclose(head(short)[:, :, 0], head(long)[:, :, 0], atol=1e-6)


def test_a_window_is_its_mean():
    pool = WindowPool(2, 1, 1, 4).eval()
    nn.init.ones_(pool[1].conv.weight)
    x = torch.rand(1, 1, 4, 4)
    with torch.inference_mode():
        assert torch.allclose(pool(x), x.mean().expand(1, 1, 4, 4), rtol=1e-4)


def test_aspp_has_its_rates_and_one_window():
    aspp = ASPP(2, 8, 4, rates=(6, 12, 18))
    assert [c.dilation[0] for c in convolutions(aspp.join)] == [1, 6, 12, 18, 1]
    assert aspp.project.conv.in_channels == 5 * 4


@pytest.mark.parametrize("head", ["fcn", "psp", "aspp"])
def test_every_head_sees_the_logits_through(head):
    net = FastFCN(2, 1, 3, widths=(4,) * 5, jpu_width=4, head=head)
    assert net.multiple == ((32, 32) if head == "fcn" else (64, 64))


def test_an_unknown_head_or_encoder_is_refused():
    with pytest.raises(InputError, match=r"no head named 'encnet'.*fcn, psp, aspp"):
        FastFCN(2, 1, 2, head="encnet")
    with pytest.raises(InputError, match="no encoder named 'vgg'"):
        FastFCN(2, 1, 2, encoder="vgg")


# U-Net


def test_an_attention_gate_weighs_between_nothing_and_all():
    gate = AttentionGate(2, 4, 6, 3).eval()
    skip, signal = torch.rand(1, 4, 8, 8), torch.rand(1, 6, 8, 8)
    with torch.inference_mode():
        weighed = gate(skip, signal)
        ratio = weighed / skip
        assert ratio.min() > 0
        assert ratio.max() < 1
        assert torch.allclose(ratio.std(1), torch.zeros(1, 8, 8), atol=1e-5)  # one weight for all channels of a voxel
        gate.weight.norm.bias.fill_(100.0)
        assert torch.allclose(gate(skip, signal), skip)


def test_attention_changes_no_name_of_the_plain_network():
    plain, gated = UNet(2, 1, 2), UNet(2, 1, 2, attention=True)
    assert {k for k in gated.state_dict() if not k.startswith("gates.")} == set(plain.state_dict())
    gated.load_state_dict(plain.state_dict(), strict=False)


def test_residual_encoder_has_its_blocks_and_no_pooling():
    net = UNet(2, 1, 2, widths=(4, 8, 8), encoder_blocks=(1, 3, 4))
    assert [sum(isinstance(m, ConvBlock) for m in level) for level in net.down] == [1, 3, 4]
    assert not any(isinstance(m, nn.MaxPool2d) for m in net.modules())
    assert all(isinstance(step, ConvNorm) for step in net.up)
    assert [level[0].conv1.stride for level in net.down[1:]] == [(2, 2), (2, 2)]


def test_a_resnet_below_the_first_level_takes_its_weights():
    net = UNet(2, 1, 2, encoder="resnet18", encoder_width=8)
    assert net.multiple == (32, 32)
    layers = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
    assert encoder_groups(net) == ("down.0", *(f"encoder.{k}" for k in layers))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"widths": (4, 8, 8), "strides": [(2, 2)]}, "2 entries of 2 numbers"),
        ({"widths": (4, 8), "encoder_blocks": (1, 2, 3)}, "Accepted: 2 numbers of at least 1"),
        ({"widths": (4, 8), "encoder_blocks": (1, 0)}, "Accepted: 2 numbers of at least 1"),
        ({"encoder": "vgg"}, "no encoder named 'vgg'.*plain, resnet18"),
        ({"encoder": "resnet18", "encoder_blocks": (1, 2, 3, 4)}, "its own strides and blocks"),
        ({"encoder": "resnet18", "strides": [(2, 2)] * 3}, "its own strides and blocks"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        UNet(2, 1, 2, **options)


def test_anisotropic_strides_set_multiple_and_halo():
    module = UNet(3, 1, 2, widths=(4, 8, 8), strides=[(1, 2, 2), (2, 2, 2)])
    assert module.multiple == (2, 4, 4)
    assert module.halo[0] < module.halo[1] == module.halo[2]


# reach


@pytest.mark.parametrize(
    ("layers", "reach", "window"),
    [
        ([nn.Conv2d(1, 1, 5, padding=2)], 2, 1),
        ([nn.Conv2d(1, 1, 3, padding=4, dilation=4)], 4, 1),
        ([nn.Conv2d(1, 1, 3, 2, 1), nn.ConvTranspose2d(1, 1, 2, 2)], 2, 2),
        ([nn.Conv2d(1, 1, 7, 2, 3), nn.ConvTranspose2d(1, 1, 2, 2)], 4, 2),
        ([nn.Conv2d(1, 1, 2, 2), nn.ConvTranspose2d(1, 1, 2, 2)], 1, 2),
        ([nn.MaxPool2d(3, 2, 1), nn.ConvTranspose2d(1, 1, 2, 2)], 2, 2),
        ([nn.MaxPool2d(2), nn.Conv2d(1, 1, 3, padding=1), nn.ConvTranspose2d(1, 1, 2, 2)], 3, 2),
        ([nn.MaxPool2d(2), nn.ConvTranspose2d(1, 1, 3, 2, 1, 1)], 2, 2),
        ([nn.MaxPool2d(4), nn.ConvTranspose2d(1, 1, 8, 4, 2)], 5, 4),
        ([nn.MaxPool2d(4), nn.Upsample(scale_factor=4, mode="bilinear"), nn.Conv2d(1, 1, 1)], 5, 4),
        ([nn.MaxPool2d(4), nn.Upsample(scale_factor=4, mode="nearest"), nn.Conv2d(1, 1, 1)], 3, 4),
        ([Parallel([nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 7, padding=3)])], 3, 1),
    ],
)
def test_reach_of_layers_is_what_an_impulse_shows(layers, reach, window):
    module = nn.Sequential(*layers)
    assert survey(module, 1, (16, 16)) == ((reach,) * 2, (window,) * 2)
    for key, value in module.named_parameters():
        nn.init.ones_(value) if key.endswith("weight") else nn.init.zeros_(value)
    x = torch.zeros(32, 1, 4, 32)
    x[range(32), :, :, range(32)] = 1
    with torch.inference_mode():
        seen = module(x).sum((1, 2))
    places, found = seen.nonzero(as_tuple=True)
    assert int((places - found).abs().max()) == reach


def test_a_detour_costs_its_own_window():
    """From a window of 2, a look at a window of 8 and back."""
    detour = WindowPool(2, 1, 1, 4)
    net = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(1, 1, 1), detour, nn.ConvTranspose2d(1, 1, 2, 2))
    assert survey(net, 1, (32, 32)) == ((1 + 6 + 4,) * 2, (8, 8))


def test_a_survey_leaves_the_network_as_it_was():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Dropout()).train()
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    survey(net, 1, (8, 8))
    assert [m.training for m in net] == [True, False, True]
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in before.items())
    assert not any(m._forward_hooks for m in net)


def test_a_layer_that_is_used_twice_counts_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x):
            return self.conv(self.conv(x))

    assert survey(Twice(), 1, (8, 8))[0] == (2, 2)


def test_groups_by_depth_hold_every_parameter_once():
    for net in (UNet(2, 1, 2, attention=True), SegNet(2, 1, 2), Kayalibay(2, 1, 2), FastFCN(2, 1, 2)):
        ids = [id(p) for _, part in depth_groups(net) for p in part.parameters()]
        assert sorted(ids) == sorted(id(p) for p in net.parameters())
        assert encoder_groups(net)


# options of others


@pytest.mark.parametrize(
    ("network", "channels", "options", "words"),
    [
        ("unet", 1, {"widths": 10**6}, "cannot be made with these options"),
        ("unet", 1, {"widths": [-1.5, 4]}, "cannot be made with these options"),
        ("unet", 1, {"widths": [4, None]}, "cannot be made with these options"),
        ("unet", 1, {"widths": [10**6, 10**6]}, "too large with these options"),
        ("unet", 1, {"widths": [10**9, 10**9]}, "too large|cannot be made"),
        ("unet", 1, {"widths": [4] * 9_000}, "too many levels"),
        ("unet", 65536, {"widths": [65536, 65536]}, "too large with these options"),
        ("segnet", 1, {"widths": [4, 4], "convs": [10**6, 10**6]}, "too large with these options"),
    ],
)
def test_a_network_that_cannot_be_made_is_a_sentence_before_it_fills_the_memory(network, channels, options, words):
    spec = ModelSpec(network, 2, channels, Task.SEMANTIC, ClassTable.named(["a"]), options)
    with pytest.raises(InputError, match=words):
        build(spec, 2)
    assert build(ModelSpec("unet", 2, 1, Task.SEMANTIC, ClassTable.named(["a"]), {"widths": [4, 8]}), 2) is not None
