"""A few hundred damaged inputs in every run of the tests; thousands of them by hand, with ``scripts/fuzz.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz.py"
SEED = os.environ.get("SEGPLUGIN_FUZZ_SEED", "7")
COUNT = os.environ.get("SEGPLUGIN_FUZZ_COUNT", "150")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="each input gets a forked process with limits"
)


def fuzz(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--seed", SEED, "--folder", str(folder), *options]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_damaged_inputs_end_in_a_sentence_or_in_a_result_that_makes_sense(tmp_path):
    done = fuzz(tmp_path, "--count", COUNT)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"seed {SEED}: {COUNT} inputs" in done.stdout
    assert "no failure" in done.stdout


CHECK = """
import sys
sys.path.insert(0, {place!r})
import fuzz_calls, fuzz_run, os, time
from fuzz_cases import Case
from pathlib import Path
from napari_segplugin.core import InputError
work = Path({work!r})
fuzz_run.SECONDS = 1.0

def refuse():
    raise InputError("No.")

def leave():
    (work / ".partial-1").write_text("x")
    raise InputError("No.")

def leave_output():
    (work / "out").mkdir()
    (work / "out" / "a.tif").write_text("x")
    raise InputError("No.")

def fill():
    fuzz_run.RESIDENT, kept = 2**20, bytearray(2**24)
    kept[::4096] = b"x" * len(kept[::4096])

def spin():
    while True:
        pass

def nonsense():
    raise fuzz_calls.Nonsense("x")

fuzz_run.RESIDENT = 2**23
for name, call in dict(refuse=refuse, fault=lambda: [][0], leave=leave, leave_output=leave_output, fill=fill, spin=spin,
                       crash=lambda: os.abort(), nonsense=nonsense, fine=lambda: None).items():
    for file in sorted(work.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    fuzz_calls.perform = lambda *_: call() or 0
    print(name, fuzz_run.run_case(0, Case("x", "x", ["x"]), work, work).kind)
fuzz_calls.perform = lambda *_: 0
print("accepted_wrongly", fuzz_run.run_case(0, Case("x", "x", ["x"], refuse=True), work, work).kind)
"""


def test_the_fuzzer_sees_each_kind_of_failure(tmp_path):
    text = CHECK.format(place=str(Path(__file__).parent), work=str(tmp_path))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=environment, check=False)
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        "refuse": "refused",
        "fault": "traceback",
        "leave": "left",
        "leave_output": "left",
        "fill": "memory",
        "spin": "hang",
        "crash": "crash",
        "nonsense": "nonsense",
        "fine": "accepted",
        "accepted_wrongly": "nonsense",
    }, done.stderr[-2000:]
