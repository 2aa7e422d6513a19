from __future__ import annotations

import struct
import sys

import pytest

from napari_segplugin.core import InputError, Metric, Stage
from napari_segplugin.engine.train.tensorboard import Board


def scalars(folder):
    """Read event files by their definition: length, check sum, a protocol buffer, check sum."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = []
    for file in sorted(folder.iterdir()):
        data, at = file.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
            found += [(v.tag, event.step, v.simple_value) for v in event.summary.value]
            at += 12 + length + 4
    return found


def test_figures_can_be_read_back(tmp_path):
    pytest.importorskip("tensorboardX")
    with Board(tmp_path / "deep" / "run") as board:
        for event in (Stage("Training"), Metric(1, "loss", 0.5), Metric(2, "learning rate", 0.25)):
            board(event)
    assert scalars(tmp_path / "deep" / "run") == [("loss", 1, 0.5), ("learning_rate", 2, 0.25)]


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    pytest.importorskip("tensorboardX")
    (tmp_path / "run").write_text("")
    for name in ("run", "a\0b", "x" * 300):
        with pytest.raises(InputError, match="cannot be written"):
            Board(tmp_path / name)


def test_without_the_package_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"napari-segplugin\[tensorboard\]"):
        Board(tmp_path)
