"""Torch's build against the card and the driver."""

import ctypes
import platform
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from napari_segplugin.engine.doctor import card
from napari_segplugin.engine.doctor.card import Hardware, TorchFacts, devices
from napari_segplugin.engine.doctor.report import Level

RTX = "NVIDIA RTX A4000, driver 550.54"
H100 = ("NVIDIA H100", (9, 0))
OLD = ("Tesla K80", (3, 7))


def nvidia(seen, facts):
    return {f.name: f for f in devices(seen, facts)}["NVIDIA card"]


@pytest.mark.parametrize(
    ("seen", "facts", "level", "words"),
    [
        (Hardware(), TorchFacts("2.9+cpu"), Level.GOOD, ""),
        (Hardware(), TorchFacts("2.9+cu126", "12.6"), Level.GOOD, ""),
        (Hardware(RTX, (12, 4)), TorchFacts("2.9+cpu"), Level.WARNING, "2.9+cpu is a build without CUDA"),
        (Hardware(RTX), TorchFacts("2.9", "12.6"), Level.WARNING, "no driver that programs can use"),
        (Hardware(RTX, (12, 4)), TorchFacts("2.9", "13.0"), Level.WARNING, "offers CUDA 12.4, and this PyTorch needs 13.0"),
        (Hardware(RTX, (12, 4)), TorchFacts("2.9", "12.8"), Level.WARNING, "CUDA_VISIBLE_DEVICES"),
        (Hardware(), TorchFacts("2.9", "12.8", "", (H100,), ("sm_80", "sm_90a")), Level.GOOD, ""),
        (Hardware(), TorchFacts("2.9", "12.8", "", (("A", (8, 6)),), ("sm_80",)), Level.GOOD, ""),
        (Hardware(), TorchFacts("2.9", "12.8", "", (("B", (12, 0)),), ("sm_90", "compute_90")), Level.GOOD, ""),
        (Hardware(), TorchFacts("2.9", "12.8", "", (("B", (12, 0)),), ("sm_90",)), Level.STOP, "capability 12.0"),
        (Hardware(), TorchFacts("2.9", "12.8", "", (OLD,), ("sm_50", "compute_90")), Level.STOP, "not built for the card Tesla"),
        (Hardware(), TorchFacts("2.9", "", "6.4", (("MI300", (9, 4)),), ("gfx942",)), Level.GOOD, ""),
    ],
)  # fmt: skip
def test_build_card_and_driver(seen, facts, level, words):
    found = nvidia(seen, facts)
    assert found.level is level
    assert words in found.problem
    assert bool(found.problem) == (level is not Level.GOOD)


@pytest.mark.parametrize(("name", "advice"), [("cuda:0", "Choose the CPU"), ("cpu", "pip install --force-reinstall")])
def test_a_device_on_which_nothing_runs_stops(name, advice):
    found = devices(Hardware(), TorchFacts("2.9", failures=((name, "no kernel image"),)))[-1]
    assert (found.name, found.level) == (f"computing on {name}", Level.STOP)
    assert "(no kernel image)" in found.problem
    assert advice in found.problem


@pytest.mark.parametrize(
    ("machine", "translated", "facts", "level", "words"),
    [
        ("arm64", False, TorchFacts("2.9", mps_built=True, mps=True), Level.GOOD, ""),
        ("arm64", False, TorchFacts("2.9", mps_built=True), Level.WARNING, "Update macOS."),
        ("arm64", False, TorchFacts("2.9"), Level.WARNING, "pip install --force-reinstall torch"),
        ("x86_64", True, TorchFacts("2.2", mps_built=True), Level.WARNING, "made for Intel"),
        ("x86_64", False, TorchFacts("2.2", mps_built=True), Level.GOOD, ""),
    ],
)
def test_apple(monkeypatch, machine, translated, facts, level, words):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    answer = SimpleNamespace(stdout="1\n" if translated else "0\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    found = {f.name: f for f in devices(Hardware(), facts)}["Apple GPU"]
    assert found.level is level
    assert words in found.problem


def test_the_card_is_what_nvidias_tool_says(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name)
    done = SimpleNamespace(returncode=0, stdout="NVIDIA RTX A4000, 550.54\nNVIDIA T4, 550.54\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert card._card() == "NVIDIA RTX A4000, driver 550.54"


@pytest.mark.parametrize("tool", ["", "fails", "hangs"])
def test_without_its_tool_the_system_is_asked(monkeypatch, tmp_path, tool):
    def run(command, **_):
        if tool == "hangs":
            raise subprocess.TimeoutExpired(command, 1)
        return SimpleNamespace(returncode=9, stdout="NVIDIA-SMI has failed")

    monkeypatch.setattr(shutil, "which", lambda _: tool or None)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(card, "_PROC", tmp_path)
    assert card._card() == ""
    (tmp_path / "gpus" / "0").mkdir(parents=True)
    (tmp_path / "gpus" / "0" / "information").write_text("Model: \t\t NVIDIA T4\nIRQ: 3\n")
    assert card._card() == "NVIDIA T4"
    (tmp_path / "gpus" / "0" / "information").write_text("something else")
    assert card._card() == "an NVIDIA card"


@pytest.mark.parametrize(
    ("code", "number", "wanted"), [(0, 12040, (12, 4)), (0, 13000, (13, 0)), (0, 0, ()), (35, 12040, ())]
)
def test_the_driver_says_which_cuda_it_can_do(monkeypatch, code, number, wanted):
    def ask(place):
        place._obj.value = number
        return code

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(cuDriverGetVersion=ask))
    assert card._driver_cuda() == wanted


def test_no_driver_is_no_cuda(monkeypatch):
    def missing(_):
        raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert card._driver_cuda() == ()


def test_torch_is_asked_for_real_and_computes():
    import torch

    facts = card.torch_facts()
    assert facts.version == torch.__version__
    assert facts.failures == ()
    assert len(facts.cards) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)


def test_a_convolution_that_fails_is_noticed(monkeypatch):
    import torch

    def fail(*_):
        raise RuntimeError("CUDA error: no kernel image is available\nmore")

    monkeypatch.setattr(torch.nn.functional, "conv2d", fail)
    assert dict(card.torch_facts().failures)["cpu"] == "CUDA error: no kernel image is available"


def test_a_torch_that_cannot_be_asked_is_a_sentence(monkeypatch):
    def fail():
        raise OSError("a library is missing")

    monkeypatch.setattr(card, "torch_facts", fail)
    found = card.look(torch_works=True)
    assert [f.level for f in found] == [Level.STOP]
    assert "(OSError: a library is missing)" in found[0].problem
    monkeypatch.setattr(card, "hardware", lambda: Hardware(RTX))
    assert [(f.name, f.value) for f in card.look(torch_works=False)] == [("NVIDIA card", RTX)]
