"""Memory that ran out: one sentence from every verb."""

import pytest

from napari_segplugin.core import InputError, OutOfMemoryError, Step, drain
from napari_segplugin.engine import memory


@memory.within_memory
def job(error=None):
    yield Step(0, 1)
    held = bytearray(1000)
    if error is not None:
        raise error
    return len(held)


def test_a_job_with_memory_goes_through():
    events = []
    assert drain(job(), events.append) == 1000
    assert events == [Step(0, 1)]


def test_a_job_without_memory_says_so_and_lets_go():
    with pytest.raises(OutOfMemoryError, match=r"The memory is full\. Close other programs") as told:
        drain(job(RuntimeError("could not create a primitive")))
    frames = told.value.__cause__.__traceback__
    while frames.tb_next is not None:
        frames = frames.tb_next
    assert "held" not in frames.tb_frame.f_locals


@pytest.mark.parametrize(
    "error", [RuntimeError("size mismatch"), InputError("No."), OutOfMemoryError("Too small."), KeyError("x")]
)
def test_other_errors_pass_as_they_are(error):
    with pytest.raises(type(error)) as told:
        drain(job(error))
    assert told.value is error


def test_a_job_is_not_begun_without_any_memory(monkeypatch):
    monkeypatch.setattr(memory, "free_host_memory", lambda: 5 * 2**20)
    with pytest.raises(OutOfMemoryError, match="too little free memory to begin: 5 MB"):
        next(job())


def test_a_job_can_be_closed():
    begun = job()
    next(begun)
    begun.close()
    with pytest.raises(StopIteration):
        next(begun)
