"""Export: what is asked for but not installed, and files that are wrong."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_segplugin.core import InputError, MissingExtraError

torch = pytest.importorskip("torch")

from napari_segplugin.networks.export import export_onnx, export_program  # noqa: E402


def small():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.BatchNorm2d(2))


def stand_in(monkeypatch, answer):
    """Onnx, onnxscript and onnxruntime that write a file and answer as told, so that none has to be installed."""

    class Session:
        def __init__(self, path, providers):
            assert Path(path).read_bytes() == b"onnx"

        def run(self, names, feed):
            return [answer(feed["image"])]

    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=Session))
    monkeypatch.setattr(torch.onnx, "export", lambda program, args, path, **_: path.write_bytes(b"onnx"))


def test_a_program_is_made_in_evaluation_mode_and_leaves_the_mode():
    module = small().train()
    module[0].eval()
    x = torch.rand(1, 1, 8, 8)
    program = export_program(module, x)
    assert [m.training for m in module] == [False, True]
    with torch.no_grad():
        assert torch.allclose(program.module()(x), module.eval()(x))


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_without_onnx_a_sentence_says_what_to_install(monkeypatch, tmp_path, package):
    stand_in(monkeypatch, lambda image: image)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"'{package}' is needed to write ONNX.*napari-segplugin\[onnx\]"):
        export_onnx(small(), torch.zeros(1, 1, 8, 8), tmp_path / "net.onnx")


def test_without_onnxruntime_the_file_is_written_and_not_compared(monkeypatch, tmp_path):
    stand_in(monkeypatch, lambda image: image)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert export_onnx(small(), torch.zeros(1, 1, 8, 8), tmp_path / "net.onnx") is None
    assert (tmp_path / "net.onnx").is_file()


def test_the_difference_is_measured_and_a_wrong_file_is_never_there(monkeypatch, tmp_path):
    module, x = small().eval(), torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        right = module(x).numpy()
    largest = np.abs(right).max()
    stand_in(monkeypatch, lambda image: right + np.float32(1e-4 * largest))
    assert export_onnx(module, x, str(tmp_path / "net.onnx")) == pytest.approx(1e-4, rel=1e-2)
    for wrong in (right + largest, right * np.nan):
        stand_in(monkeypatch, lambda image, wrong=wrong: wrong)
        with pytest.raises(InputError, match=r"different results.*Got a difference"):
            export_onnx(module, x, tmp_path / "wrong.onnx")
        assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"], "the right one of before stays"
