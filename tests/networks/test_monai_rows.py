"""MONAI's networks behind the adapter."""

import sys

import pytest
from small_networks import small

from napari_segplugin.core import MissingExtraError
from napari_segplugin.networks import NETWORKS

torch = pytest.importorskip("torch")

from napari_segplugin.networks import monai_rows  # noqa: E402

nn = torch.nn
ROWS = [row for row in NETWORKS if row.extra == "monai"]


def made(row, ndim=2, channels=1, **options):
    for package in ("monai", "einops"):
        pytest.importorskip(package)
    return row.load()(ndim, channels, 3, **{**row.options, **small(row.name), **options})


@pytest.mark.parametrize("package", ["monai", "einops"])
def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch, package):
    if package == "einops":
        pytest.importorskip("monai")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingExtraError, match=rf"'{package}' is needed to build SegResNet.*napari-segplugin\[monai\]"
    ):
        monai_rows.SegResNet(2, 1, 2)


@pytest.mark.parametrize("name", ["_Hidden", "__path__", "pytest_plugins"])
def test_names_that_are_no_classes_are_no_networks(name):
    with pytest.raises(AttributeError, match=name):
        getattr(monai_rows, name)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_no_normalisation_measures_the_tile(row):
    parts = list(made(row).modules())
    assert not [m for m in parts if isinstance(m, nn.GroupNorm | nn.modules.instancenorm._InstanceNorm)]
    assert [m for m in parts if isinstance(m, nn.BatchNorm2d)]


def test_channels_that_vnet_cannot_take_are_filled_up_with_zeros():
    row = NETWORKS["vnet"]
    three = made(row, channels=3).eval()
    assert (three.channels, three.extra) == (4, 1)
    x = torch.rand(1, 3, 16, 16)
    filled = torch.cat((x, torch.zeros(1, 1, 16, 16)), 1)
    with torch.inference_mode():
        assert torch.equal(three(x), three.network(filled))


def test_stacked_scales_become_a_tuple():
    net = made(NETWORKS["dynunet"], deep_supervision=True).train()
    outputs = net(torch.rand(2, 1, 21, 19))
    assert [tuple(o.shape) for o in outputs] == [(2, 3, 21, 19)] * 2
