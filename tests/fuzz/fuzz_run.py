"""Runs cases, each in a forked process of its own with limits on time, memory and files, and says what is wrong with it.

What has to come of an input: exit code 0 and a result that makes sense, or exit code 2, one sentence and no file. Anything
else is a failure: a traceback, a crash, no end, very much memory, a file left behind, nonsense that was accepted.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fuzz_calls
import fuzz_more
from fuzz_cases import Case
from fuzz_seeds import make_seeds

from napari_segplugin.core import SegPluginError

SECONDS = 60.0
"""Of processor time, or three times as long on the clock: longer is a hang."""
ROOM = 3 * 2**30
"""Bytes of address space that a case may ask for beyond what the process has."""
RESIDENT = 2048 * 2**20
"""Bytes that a case may fill: the largest that is accepted holds 64 million labels, and to judge them takes 25 bytes each."""
LEFT = (".partial", ".segplugin")


@dataclass
class Outcome:
    """What came of a case."""

    number: int
    case: Case
    kind: str = "accepted"
    told: str = ""
    at: list[str] = field(default_factory=list)
    seconds: float = 0.0
    resident: int = 0

    @property
    def good(self) -> bool:
        return self.kind in ("accepted", "refused")

    @property
    def signature(self) -> str:
        """The same for failures of one kind."""
        where = self.at[-1] if self.at else self.told[:60]
        return f"{self.kind}: {self.told.partition(':')[0][:40] if self.at else ''} {where}".strip()


def _child(case: Case, work: Path, seeds: Path, pipe: int) -> None:
    """In the forked process: limits, the call, and what came of it as JSON."""
    os.setsid()
    with open("/proc/self/statm", encoding="ascii") as stat:
        here = int(stat.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (here + ROOM, here + ROOM))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**29, 2**29))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS) + 5))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    out, err = io.StringIO(), io.StringIO()
    found: dict[str, Any] = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            found["code"] = fuzz_calls.perform(case.call, work / "out", seeds)
        except SystemExit as stopped:
            found["code"] = stopped.code
        except SegPluginError as error:
            found["code"] = 2
            err.write(f"segplugin: {error}\n")
        except fuzz_calls.Nonsense as error:
            found |= {"code": "nonsense", "told": str(error)}
        except BaseException as error:  # noqa: BLE001 (whatever it is: it is a failure that is told)
            frames = traceback.extract_tb(error.__traceback__)
            own = [
                f"{f.filename.split('napari_segplugin/')[-1]}:{f.lineno}"
                for f in frames
                if "napari_segplugin/" in f.filename
            ]
            found |= {"code": "traceback", "told": f"{type(error).__name__}: {error}"[:300], "at": own[-3:]}
    found["resident"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    found["said"] = err.getvalue()[-2000:]
    os.write(pipe, json.dumps(found).encode())
    os._exit(0)


def run_case(number: int, case: Case, work: Path, seeds: Path) -> Outcome:
    """Run a case in a process of its own, and judge what came of it."""
    before = _files(work)
    read, write = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            _child(case, work, seeds, write)
        finally:
            os._exit(1)
    os.close(write)
    data, hung = b"", False
    while True:
        ready, _, _ = select.select([read], [], [], max(0.1, 3 * SECONDS - (time.monotonic() - started)))
        if not ready:
            hung = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            break
        chunk = os.read(read, 65536)
        if not chunk:
            break
        data += chunk
    _, status = os.waitpid(child, 0)
    os.close(read)
    outcome = Outcome(number, case, seconds=time.monotonic() - started)
    if hung or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)):
        outcome.kind, outcome.told = "hang", f"{outcome.seconds:.0f} s {case.family} {case.told[:40]}"
    elif not data:
        signal_ = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1
        outcome.kind, outcome.told = "crash", f"signal {signal_} {case.family} {case.told[:40]}"
    else:
        _judge(outcome, json.loads(data), before, work)
    return outcome


def _files(work: Path) -> set[Path]:
    return {p for p in work.rglob("*") if p.is_symlink() or p.is_file()}


def _judge(outcome: Outcome, found: dict[str, Any], before: set[Path], work: Path) -> None:
    code, said = found["code"], str(found["said"])
    outcome.told, outcome.at, outcome.resident = (
        str(found.get("told", said.strip()[-300:])),
        found.get("at", []),
        found["resident"],
    )
    new = sorted(str(p.relative_to(work)) for p in _files(work) - before)
    left = [p for p in new if any(part.startswith(LEFT) or part.endswith(".part") for part in Path(p).parts)]
    if code in ("traceback", "nonsense"):
        outcome.kind = code
    elif code not in (0, 2) or "Traceback" in said:
        outcome.kind = "traceback"
    elif left or (code == 2 and [p for p in new if not p.startswith("keep/")]):
        outcome.kind, outcome.told = "left", f"{(left or new)[0]} after {outcome.told[-200:]}"
    elif found["resident"] > RESIDENT:
        outcome.kind, outcome.told = (
            "memory",
            f"{found['resident'] >> 20} MB {outcome.case.family} {outcome.case.told[:40]}",
        )
    elif code == 2 and not said.strip().endswith((".", ")", "'")) and "error:" not in said:
        outcome.kind = "silent"
    elif outcome.case.refuse and code == 0:
        outcome.kind, outcome.told = "nonsense", f"accepted {outcome.case.told}"
    else:
        outcome.kind = "accepted" if code == 0 else "refused"


def prepare(folder: Path) -> Path:
    """Make the seeds, and call everything once so that forked processes have it imported."""
    os.environ["NAPARI_SEGPLUGIN_HOME"] = str(folder / "home")
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    seeds = folder / "seeds"
    shutil.rmtree(seeds, ignore_errors=True)
    seeds.mkdir(parents=True)
    out = folder / "warm"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        make_seeds(seeds)
        labels, image = str(seeds / "lab" / "p.tif"), str(seeds / "img" / "a.tif")
        for words in (
            ["predict", image, "--model", str(seeds / "model"), "--output", str(out)],
            ["run", str(seeds / "recipe.json"), image, "--output", str(out)],
            ["measure", labels, "--image", image],
            ["evaluate", labels, labels],
            ["track", str(seeds / "film.tif"), "--output", str(out)],
            *(
                ["export", labels, "--to", to, "--output", str(out)]
                for to in (".geojson", ".stl", ".roi.zip", ".ome.zarr")
            ),
        ):
            with contextlib.suppress(Exception, SystemExit):
                fuzz_calls.perform(words, out, seeds)
        for path in sorted((seeds / "img").iterdir()):
            fuzz_calls.perform(["door", "image", str(path)], out, seeds)
    shutil.rmtree(out, ignore_errors=True)
    return seeds


def fuzz(
    folder: Path,
    seed: int,
    numbers: Sequence[int] | None = None,
    minutes: float = 0.0,
    only: str = "",
    keep: Path | None = None,
) -> tuple[list[Outcome], dict[str, int]]:
    """Run cases, and tell of each failure at once.

    Parameters
    ----------
    folder : Path
        Scratch.
    seed : int
    numbers : sequence of int, optional
        Which cases; without them as many as there is time for.
    minutes : float
    only : str
        A family.
    keep : Path, optional
        Where the inputs of failures are kept.

    Returns
    -------
    failures : list of Outcome
    counts : dict of str to int
        By kind.
    """
    seeds = prepare(folder)
    print(f"seeds made, pid {os.getpid()}", flush=True)
    failures: list[Outcome] = []
    counts: dict[str, int] = {}
    until = time.monotonic() + minutes * 60
    number = 0
    for number in numbers if numbers is not None else iter(range(10**9)):
        if minutes and time.monotonic() > until:
            break
        work = folder / "work"
        case = fuzz_more.make(seed, number, seeds, work, only)
        outcome = run_case(number, case, work, seeds)
        counts[outcome.kind] = counts.get(outcome.kind, 0) + 1
        if sum(counts.values()) % 250 == 0:
            print(f"{sum(counts.values())} inputs, {len(failures)} failures", flush=True)
        if not outcome.good:
            failures.append(outcome)
            _tell(outcome, seed, only, work, keep)
    return failures, counts


def _tell(outcome: Outcome, seed: int, only: str, work: Path, keep: Path | None) -> None:
    family = f" --family {only}" if only else ""
    print(f"{outcome.kind}: {outcome.told}", f"  {outcome.case.family}: {outcome.case.told[:150]}", sep="\n")
    print(f"  at {', '.join(outcome.at)}" if outcome.at else f"  call {outcome.case.call}")
    print(f"  again: python scripts/fuzz.py --seed {seed} --case {outcome.number}{family}")
    sys.stdout.flush()
    if keep is not None:
        place = keep / f"{seed}-{outcome.number}{f'-{only}' if only else ''}"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(work, place, symlinks=True)
        (place / "call.json").write_text(json.dumps(outcome.case.call))
