"""`drain` runs a job to its end, and closes it whatever happens."""

import pytest

from napari_segplugin.core import Note, Stage, Step, drain


def job(log):
    try:
        yield Stage("Work")
        yield Step(1, 2)
        yield Step(2, 2)
        return "result"
    finally:
        log.append("closed")


def test_the_result_comes_back_and_every_event_is_seen():
    log, seen = [], []
    assert drain(job(log), seen.append) == "result"
    assert seen == [Stage("Work"), Step(1, 2), Step(2, 2)]
    assert log == ["closed"]


def test_a_listener_that_raises_closes_the_job_before_the_error_is_passed_on():
    log = []

    def listen(event):
        if event == Step(1, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drain(job(log), listen)
    assert log == ["closed"]


def test_what_the_job_raises_is_passed_on():
    def broken():
        yield Note("soon")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        drain(broken())
