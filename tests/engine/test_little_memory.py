"""Real limits: of the address space, and of a group of processes where this system lets us make one.

Whatever the limit, a prediction or a training ends with its result or with a sentence; nothing else, and never without a word.
"""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")

WORK = """
import os, resource, sys
import numpy as np
import napari_segplugin as seg
from napari_segplugin.engine.torch_import import bring_torch
bring_torch()
import torch._dynamo, napari_segplugin.engine.predict.predict, napari_segplugin.engine.train.train
sample = seg.sample("nuclei2d")

def predict():
    found = seg.predict(sample.image, "nuclei2d", device="cpu", tiles=seg.TileSpec(precision="float32"), progress=False)
    return len(found.objects)

def large():
    image = np.tile(np.squeeze(sample.image.read((slice(None), slice(None)))), (8, 8))
    found = seg.predict(image, "nuclei2d", device="cpu", tiles=seg.TileSpec(precision="float32"), progress=False)
    return found.labels.shape[0] // 8

def train(**more):
    spec = seg.TrainSpec(steps=1, device="cpu", **more)
    seg.train([(sample.image, sample.truth)], "unet", spec, share=0, progress=False)
    return "trained"

def train_large():
    return train(patch=(256, 256), batch=8)

def say(text):
    os.write(1, text.encode() + b"\\n")

def attempt(verb):
    try:
        say(f"done {globals()[verb]()}")
    except seg.SegPluginError as error:
        say(f"sentence {error}")
    except BaseException as error:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        say(f"raised {type(error).__name__} {error}")
"""
ADDRESSES = """
verb = sys.argv[1]
for room in map(int, sys.argv[2:]):
    child = os.fork()
    if not child:
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + room * 2**20, resource.RLIM_INFINITY))
        attempt(verb)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        say(f"ended with status {status}")
"""
GROUP = """
open(sys.argv[2], "w").write(str(os.getpid()))
attempt(sys.argv[1])
"""


def run(text, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    made = subprocess.run(
        [sys.executable, "-c", WORK + text, *map(str, arguments)],
        capture_output=True, text=True, env=environment, timeout=500, check=False,
    )  # fmt: skip
    return [line for line in made.stdout.splitlines() if line], made


@pytest.mark.parametrize(
    ("verb", "result"), [("predict", "done "), pytest.param("train", "done trained", marks=pytest.mark.slow)]
)
def test_under_a_limit_of_addresses_there_is_a_result_or_a_sentence(verb, result):
    lines, made = run(ADDRESSES, verb, 20, 300, 560, 800, 6000)
    assert len(lines) == 5, made.stderr[-2000:]
    assert all(line.startswith(("done ", "sentence ")) for line in lines), lines
    assert lines[0].startswith("sentence There is too little free memory to begin")
    assert lines[-1].startswith(result)


@pytest.fixture
def group(request):
    """Makes a group of processes that may use so many bytes; skipped where this system does not let us."""
    folders = []

    def make(most):
        for root, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            folder = Path(root) / f"segplugin-test-{uuid.uuid4().hex[:8]}"
            try:
                folder.mkdir()
                folders.append(folder)
                (folder / name).write_text(str(most))
                return folder / "cgroup.procs"
            except OSError:
                continue
        pytest.skip("groups of processes cannot be made here")

    yield make
    for folder in folders:
        folder.rmdir()


@pytest.mark.parametrize("verb", [pytest.param("large", marks=pytest.mark.slow), "train_large"])
def test_in_a_group_with_little_memory_the_work_is_done_and_not_killed(group, verb):
    lines, made = run(GROUP, verb, group(1300 * 2**20))
    assert made.returncode == 0, f"killed: {made.returncode} {made.stderr[-1500:]}"
    assert [line.split()[0] for line in lines] == ["done"], lines
