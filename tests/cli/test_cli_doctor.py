"""`segplugin doctor`."""

import pytest

import napari_segplugin as seg
from napari_segplugin.engine.doctor import packages


def test_doctor_prints_a_report_to_copy(run, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "OPTIONAL", {})  # they take long to import, and have their own test
    got = run("doctor", "--folder", tmp_path / "sessions")
    assert got.code == 0, got.out
    assert seg.__version__ in got.out
    assert str(tmp_path) not in got.out
    assert not (tmp_path / "sessions").exists()


def test_doctor_fails_where_something_stops_the_program(run, monkeypatch):
    monkeypatch.setattr(packages, "try_imports", lambda names: {"torch": "missing"})
    got = run("doctor", "--json")
    assert got.code == 2
    assert got.json["works"] is False
    assert "The package 'torch' is missing" in got.json["problems"][0]
    assert {"name", "value", "level", "problem"} == set(got.json["findings"][0])


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("could not create a primitive")])
def test_full_memory_is_a_sentence_on_the_command_line(run, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr(seg, "models", full)
    got = run("models")
    assert got.code == 2
    assert "The memory is full." in got.err


def test_an_unknown_error_on_the_command_line_is_not_hidden(run, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("size mismatch")

    monkeypatch.setattr(seg, "models", broken)
    with pytest.raises(RuntimeError, match="size mismatch"):
        run("models")
