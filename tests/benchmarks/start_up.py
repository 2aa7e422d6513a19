"""How long it takes until something answers: the import, the command line's help, and what napari spends on the manifest.

    python tests/benchmarks/start_up.py [--runs 15]

Each figure is the median of whole processes, wall time and the processor's own (which does not depend on what else runs).
An interpreter that does nothing is measured beside it, and what lies above that is ours. napari reads the manifests of all
plugins when it starts; the last row is our share, in one process.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

CASES = {
    "nothing": [sys.executable, "-c", "pass"],
    "import napari_segplugin": [sys.executable, "-c", "import napari_segplugin"],
    "segplugin --help": [sys.executable, "-m", "napari_segplugin.cli", "--help"],
    "segplugin train --help": [sys.executable, "-m", "napari_segplugin.cli", "train", "--help"],
    "segplugin models": [sys.executable, "-m", "napari_segplugin.cli", "models"],
}


def once(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def manifest() -> float:
    """Seconds until npe2 has read our manifest."""
    from npe2 import PluginManifest

    start = time.perf_counter()
    PluginManifest.from_distribution("napari-segplugin")
    return time.perf_counter() - start


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--write", type=Path, help="such as docs/benchmarks/start_up.json")
    args = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for name, command in CASES.items():
        rows = [once(command) for _ in range(args.runs + 1)][1:]  # the first fills the caches
        wall, own = (statistics.median(column) for column in zip(*rows, strict=True))
        found[name] = {"wall": round(wall, 4), "processor": round(own, 4)}
    for name, row in found.items():
        row["processor above nothing"] = round(row["processor"] - found["nothing"]["processor"], 4)
        print(f"{name:26} {row['wall'] * 1000:6.0f} ms wall, {row['processor'] * 1000:6.0f} ms of a processor")
    found["napari reads our manifest"] = {"wall": round(statistics.median(manifest() for _ in range(args.runs)), 4)}
    print(f"napari reads our manifest  {found['napari reads our manifest']['wall'] * 1000:6.1f} ms")
    if args.write:
        about = {"python": platform.python_version(), "machine": platform.processor() or platform.machine()}
        args.write.write_text(json.dumps({"about": about, "seconds": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
