"""Damaged inputs of every kind to every command and call, thousands of them; `CONTRIBUTING.md` says when.

    python scripts/fuzz.py --seed 7 --count 10000
    python scripts/fuzz.py --minutes 60
    python scripts/fuzz.py --seed 7 --case 123      one of them again; its files stay in the folder that is printed

Linux and macOS only: each input gets a forked process.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"  # forked processes have one thread
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "fuzz"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--count", type=int, default=0, help="how many inputs (default: 10000 without --minutes)")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--case", type=int, help="run one again")
    parser.add_argument("--family", default="", help="one family of inputs only")
    parser.add_argument("--folder", type=Path, help="where everything is made (default: a temporary folder)")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="segplugin-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    import fuzz_run

    start = time.monotonic()
    if options.case is not None:
        numbers = range(options.case, options.case + 1)
    elif options.count or not options.minutes:
        numbers = range(options.first, options.first + (options.count or 10_000))
    else:
        numbers = None
    keep = folder / "failures"
    failures, counts = fuzz_run.fuzz(folder, options.seed, numbers, options.minutes, options.family, keep)
    seconds = time.monotonic() - start
    for signature, count in Counter(f.signature for f in failures).most_common():
        print(f"{count:6d}  {signature}")
    total = sum(counts.values())
    print(
        f"seed {options.seed}: {total} inputs in {seconds:.0f} s: {', '.join(f'{n} {k}' for k, n in sorted(counts.items()))}"
    )
    print(f"the files are in {folder}" if failures or options.case is not None else "no failure")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
