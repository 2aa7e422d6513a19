"""Encoders: shapes, and ImageNet weights for any channels and for volumes."""

import sys

import pytest

from napari_segplugin.core import InputError, MissingExtraError

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from napari_segplugin.networks.reach import survey  # noqa: E402
from napari_segplugin.networks.resnet import (  # noqa: E402
    ENCODERS,
    RESNETS,
    PlainEncoder,
    load_imagenet,
    make_encoder,
    read_state,
    timm_state,
)

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}


def published(name):
    """Names and shapes of a ResNet's weights as torchvision publishes them, written out by rule."""
    wide = 4 if name == "resnet50" else 1
    shapes = {"conv1.weight": (64, 3, 7, 7)}
    norms = {"bn1": 64}
    inputs = 64
    for layer, (count, width) in enumerate(zip(BLOCKS[name], (64, 128, 256, 512), strict=True), start=1):
        for block in range(count):
            at, outputs = f"layer{layer}.{block}", width * wide
            if wide == 4:
                kernels = [(width, inputs, 1, 1), (width, width, 3, 3), (outputs, width, 1, 1)]
            else:
                kernels = [(width, inputs, 3, 3), (width, width, 3, 3)]
            for k, shape in enumerate(kernels, start=1):
                shapes[f"{at}.conv{k}.weight"] = shape
                norms[f"{at}.bn{k}"] = shape[0]
            if block == 0 and (layer > 1 or wide == 4):
                shapes[f"{at}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                norms[f"{at}.downsample.1"] = outputs
            inputs = outputs
    shapes |= {"fc.weight": (1000, inputs), "fc.bias": (1000,)}
    for key, channels in norms.items():
        shapes |= {f"{key}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
        shapes[f"{key}.num_batches_tracked"] = ()
    return shapes


def weights(name, seed=0):
    g = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in published(name).items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(0)
        elif key.endswith("running_var"):
            state[key] = torch.rand(shape, generator=g) + 0.5
        else:
            state[key] = torch.randn(shape, generator=g) * 0.05
    return state


# first and last lines of the list that torchvision 0.29 prints for resnet18, resnet34 and resnet50, and their number
@pytest.mark.parametrize(("name", "count"), [("resnet18", 122), ("resnet34", 218), ("resnet50", 320)])
def test_the_rule_of_names_gives_the_published_number_of_weights(name, count):
    assert len(published(name)) == count


@pytest.mark.parametrize("name", RESNETS)
def test_published_weights_load_and_are_used(name):
    encoder, state = make_encoder(name, 2, 3).eval(), weights(name)
    assert set(encoder.state_dict()) == {k for k in state if not k.startswith("fc.")}
    load_imagenet(encoder, state)
    assert torch.equal(encoder.conv1.weight, state["conv1.weight"])
    assert torch.equal(encoder.layer4[1].bn2.running_var, state["layer4.1.bn2.running_var"])


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_a_grey_image_in_every_channel_is_seen_as_in_colour(channels):
    colour, other = make_encoder("resnet18", 2, 3).eval(), make_encoder("resnet18", 2, channels).eval()
    load_imagenet(colour, weights("resnet18"))
    load_imagenet(other, weights("resnet18"))
    grey = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        one, two = colour(grey.expand(-1, 3, -1, -1)), other(grey.expand(-1, channels, -1, -1))
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-3 * float(a.abs().max())) for a, b in zip(one, two, strict=True))


def test_a_kernel_is_spread_over_the_planes_of_a_volume():
    flat, deep = make_encoder("resnet18", 2, 1).eval(), make_encoder("resnet18", 3, 1).eval()
    for encoder in (flat, deep):
        load_imagenet(encoder, weights("resnet18"))
    plane = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        one = flat.conv1(plane)
        two = deep.conv1(plane[:, :, None].expand(-1, -1, 32, -1, -1))
    # away from the first and last planes, where the padding is zero
    assert torch.allclose(two[:, :, 8], one, atol=1e-4)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("ndim", [2, 3])
def test_maps_halve_five_times(name, ndim):
    encoder = make_encoder(name, ndim, 2, widths=(2, 3, 4, 5, 6), width=4).eval()
    size = (64, 32, 96)[:ndim]
    with torch.inference_mode():
        maps = encoder(torch.rand(1, 2, *size))
    assert [m.shape[1] for m in maps] == list(encoder.widths)
    assert [tuple(m.shape[2:]) for m in maps] == [tuple(n // s for n in size) for s in (2, 4, 8, 16, 32)]


def test_no_convolution_is_dilated_and_the_stride_is_32():
    for name in ENCODERS:
        encoder = make_encoder(name, 2, 1, width=4)
        assert all(m.dilation == (1, 1) for m in encoder.modules() if isinstance(m, torch.nn.Conv2d))
        assert survey(encoder, 1, (64, 64))[1] == (32, 32)


def test_weights_of_another_network_are_refused():
    with pytest.raises(InputError, match=r"do not belong to this encoder.*do not fit"):
        load_imagenet(make_encoder("resnet34", 2, 3), weights("resnet18"))
    with pytest.raises(InputError, match=r"do not belong to this encoder.*do not fit"):
        load_imagenet(make_encoder("resnet18", 2, 3, width=8), weights("resnet18"))


def test_an_unknown_encoder_and_a_wrong_number_of_widths_are_refused():
    with pytest.raises(InputError, match=r"no encoder named 'vgg'.*plain, resnet18"):
        make_encoder("vgg", 2, 1)
    with pytest.raises(InputError, match=r"Got 2 widths.*Accepted: 5"):
        PlainEncoder(2, 1, (4, 8))


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_come_from_a_file(tmp_path, suffix):
    path, state = tmp_path / f"w.{suffix}", {"a": torch.arange(3.0)}
    if suffix == "pth" and tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):
        pytest.skip("refused by this version of torch, as the next test says")
    save_file(state, path) if suffix == "safetensors" else torch.save({"state_dict": state}, path)
    assert torch.equal(read_state(path)["a"], state["a"])


def test_a_torch_whose_reader_can_be_made_to_run_code_reads_safetensors_only(tmp_path, monkeypatch):
    state = {"a": torch.arange(3.0)}
    torch.save(state, tmp_path / "w.pth")
    save_file(state, tmp_path / "w.safetensors")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(InputError, match=r"cannot be read safely.*torch 2\.5\.1.*torch 2\.6 or newer"):
        read_state(tmp_path / "w.pth")
    assert torch.equal(read_state(tmp_path / "w.safetensors")["a"], state["a"])


class Other:
    """Anything that is not a tensor."""


@pytest.mark.parametrize("content", [None, b"nothing", Other(), {"a": 1}, [torch.zeros(2)]])
def test_files_that_hold_something_else_are_refused(tmp_path, content):
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
        (tmp_path / "w.safetensors").write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            read_state(tmp_path / "w.safetensors")
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=r"cannot be read|does not contain weights"):
        read_state(path)


def test_without_timm_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"pip install \"napari-segplugin\[timm\]\""):
        timm_state("resnet18")


def broken_timm(tmp_path, monkeypatch, code):
    """A package timm whose import runs the code."""
    (tmp_path / "timm.py").write_text(code)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)


def test_timm_without_torchvision_names_torchvision(tmp_path, monkeypatch):
    broken_timm(tmp_path, monkeypatch, "import torchvision")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(
        MissingExtraError, match=r"'torchvision' is needed to download ImageNet weights.*segplugin\[timm\]"
    ):
        timm_state("resnet18")


@pytest.mark.parametrize(
    ("version", "index"),
    [
        ("2.13.0+cpu", r" --index-url https://download.pytorch.org/whl/cpu\."),
        ("2.13.0", r"\."),
        ("2.9.1+cu130", r".*/cu130\."),
    ],
)
def test_a_torchvision_of_another_torch_says_what_to_reinstall(tmp_path, monkeypatch, version, index):
    broken_timm(tmp_path, monkeypatch, "raise RuntimeError('operator torchvision::nms does not exist\\nmore')")
    monkeypatch.setattr(torch, "__version__", version)
    text = rf"does not fit the installed torch.*nms does not exist\".*--force-reinstall torch torchvision{index}$"
    with pytest.raises(InputError, match=text):
        timm_state("resnet18")


def test_weights_of_timm_load(monkeypatch):
    from types import SimpleNamespace

    made = SimpleNamespace(state_dict=lambda: weights("resnet18"))
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=lambda name, pretrained: made))
    encoder = make_encoder("resnet18", 2, 1)
    load_imagenet(encoder, timm_state("resnet18"))
    assert torch.equal(encoder.layer1[0].conv1.weight, weights("resnet18")["layer1.0.conv1.weight"])
