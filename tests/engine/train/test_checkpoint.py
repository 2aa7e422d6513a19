"""A training that was interrupted goes on exactly; a file that does not belong to it, or is damaged, is left alone."""

import json
import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import (  # noqa: E402
    ClassTable,
    Image,
    InputError,
    ModelSpec,
    Note,
    Sample,
    Step,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.engine.train.checkpoint import FILE, Checkpoint  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle, train  # noqa: E402

SPEC = ModelSpec("unet", 2, 1, Task.SEMANTIC, ClassTable.named(["cell"]), {"widths": (4, 8), "dropout": 0.2})


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Keep after every step."""
    monkeypatch.setattr(Checkpoint, "due", property(lambda self: True))


def sample(seed=0):
    image = np.random.default_rng(seed).random((32, 32)).astype(np.float32)
    return Sample(Image(image, "YX", name="noise"), (image > 0.5).astype(int))


def job(folder, samples=None, **settings):
    spec = TrainSpec(**{"seconds": 0, "steps": 8, "batch": 2, "patch": (16, 16), "device": "cpu", **settings})
    return train(samples or [sample()], new_bundle(SPEC, name="x"), spec, keep=folder)


def crash_at(step, running):
    """Run until a step is done, then drop the job as a crash would."""
    for event in running:
        if isinstance(event, Step) and event.total == 8 and event.done == step:
            next(running)  # what follows a step is the keeping of it
            break
    running.close()


@pytest.mark.parametrize("name", ["\0", "é" * 300], ids=["null byte", "too long"])
def test_a_folder_that_cannot_be_is_said_before_the_training(tmp_path, name):
    events = []
    with pytest.raises(InputError, match="cannot be written"):
        drain(job(tmp_path / name), events.append)
    assert not [e for e in events if isinstance(e, Step) and e.total == 8]


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path):
    whole = drain(job(None))
    crash_at(5, job(tmp_path))
    assert (tmp_path / FILE).is_file()
    events = []
    resumed = drain(job(tmp_path), events.append)
    assert any("continues at step" in e.text for e in events if isinstance(e, Note))
    assert all(np.array_equal(whole.weights[k], resumed.weights[k]) for k in whole.weights)
    assert [s for s, _ in resumed.history[-1]["loss"]] == list(range(1, 9))


def test_nothing_is_left_of_a_training_that_is_complete(tmp_path):
    drain(job(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("other", [{"seed": 3}, {"samples": [sample(1)]}])
def test_another_training_does_not_go_on_from_it(tmp_path, other):
    crash_at(4, job(tmp_path))
    events = []
    drain(job(tmp_path, **other), events.append)
    assert not any("continues" in e.text for e in events if isinstance(e, Note))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_damaged_file_means_a_new_start(tmp_path, share):
    crash_at(4, job(tmp_path))
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: int(share * len(content))])
    events = []
    result = drain(job(tmp_path), events.append)
    assert sum("is damaged and cannot be continued" in e.text for e in events if isinstance(e, Note)) == 1
    assert all(np.array_equal(result.weights[k], v) for k, v in drain(job(None)).weights.items())


@pytest.mark.parametrize(
    "content",
    [
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (200000).to_bytes(8, "little") + b"[" * 200000,
        (20).to_bytes(8, "little") + b'{"__metadata__":[1]}',
        (35).to_bytes(8, "little") + b'{"__metadata__":{"words": "[[[[[["}}',
        b"",
    ],
)
def test_whatever_stands_in_a_checkpoint_is_no_traceback(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    found = Checkpoint(tmp_path, "key")
    assert found.read() is None
    assert found.damaged


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("step", "x"),
        ("curve", [[1]]),
        ("curve", [["/etc/passwd", 1]]),
        ("numpy", {}),
        ("best", [1.0, 3, []]),
        ("averaged", -1),
    ],
)
def test_words_that_make_no_sense_are_told(tmp_path, word, value):
    crash_at(4, job(tmp_path))
    data = (tmp_path / FILE).read_bytes()
    size = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + size])
    words = json.loads(head["__metadata__"]["words"])
    head["__metadata__"]["words"] = json.dumps({**words, word: value})
    text = json.dumps(head).encode()
    (tmp_path / FILE).write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    events = []
    if word in ("numpy", "best"):  # noticed when half of the rest is taken up already
        with pytest.raises(InputError, match=r"'training\.safetensors' cannot be read as a saved training"):
            drain(job(tmp_path))
        return
    drain(job(tmp_path), events.append)
    assert any(isinstance(e, Note) and "is damaged and cannot be continued" in e.text for e in events)


def test_a_folder_that_cannot_be_written_to_is_said_once_and_training_goes_on(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    events = []
    result = drain(job(blocked / "inside"), events.append)
    assert result.history[-1]["steps"] == 8
    assert sum("cannot be saved for resuming" in e.text for e in events if isinstance(e, Note)) == 1


def test_writing_says_what_is_wrong(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be saved for resuming"):
        Checkpoint(tmp_path / "file" / "x", "key").write({}, {})


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps rights in another way")
def test_a_checkpoint_is_its_owners_alone_and_an_open_one_is_closed(tmp_path):
    def mode(path):
        return path.stat().st_mode & 0o777

    made = Checkpoint(tmp_path / "new", "key")
    made.write({"a": {"b": np.zeros(3)}}, {})
    assert (mode(made.path.parent), mode(made.path)) == (0o700, 0o600)
    for touch in (made.read, lambda: made.write({"a": {"b": np.ones(3)}}, {})):
        made.path.chmod(0o644)
        touch()
        assert mode(made.path) == 0o600
    mine = tmp_path / "mine"
    mine.mkdir()
    mine.chmod(0o755)
    Checkpoint(mine, "key").write({"a": {"b": np.zeros(3)}}, {})
    assert (mode(mine), mode(mine / FILE)) == (0o755, 0o600), "a folder of the person's stays as it is"
