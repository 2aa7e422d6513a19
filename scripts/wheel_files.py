"""Compare what a wheel holds with the checkout, with the sdist, and with an older wheel.

    python scripts/wheel_files.py WHEEL [SDIST] [--before OLDER_WHEEL]

Every file of the package and of the samples has to be in the wheel, and nothing else. With --before, each file of the older
wheel has to be in the new one: at the same place, or elsewhere with the same content, the same name, or nearly the same text;
moves are listed.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import sys
import tarfile
import zipfile
from collections import defaultdict
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
SHELVES = {ROOT / "napari_segplugin": "napari_segplugin", ROOT / "sample_data": "napari_segplugin/sample_data"}
LEFT_OUT = ("__pycache__", ".pyc", ".DS_Store")


def in_checkout() -> set[str]:
    """Names that the wheel should have."""
    names = set()
    for folder, place in SHELVES.items():
        for path in folder.rglob("*"):
            if path.is_file() and not any(word in str(path) for word in LEFT_OUT):
                names.add(f"{place}/{path.relative_to(folder).as_posix()}")
    return names


def in_wheel(path: Path) -> dict[str, str]:
    """Checksum by name, without the records about the package."""
    with zipfile.ZipFile(path) as wheel:
        names = [n for n in wheel.namelist() if not n.endswith("/") and ".dist-info/" not in n]
        return {n: hashlib.sha256(wheel.read(n)).hexdigest() for n in names}


def about(path: Path) -> list[str]:
    """Names of the records about the package, without the version."""
    with zipfile.ZipFile(path) as wheel:
        return sorted(n.partition(".dist-info/")[2] for n in wheel.namelist() if ".dist-info/" in n)


def check_wheel(path: Path) -> list[str]:
    """What is wrong with the wheel."""
    here, there = in_checkout(), set(in_wheel(path))
    problems = [f"not in the wheel: {n}" for n in sorted(here - there)]
    problems += [f"in the wheel only: {n}" for n in sorted(there - here)]
    licences = [n for n in about(path) if n.startswith("licenses/")]
    wanted = ["licenses/LICENSE", *(f"licenses/{p.relative_to(ROOT).as_posix()}" for p in texts())]
    problems += [f"no licence text {n}" for n in sorted(set(wanted) - set(licences))]
    return problems


def texts() -> list[Path]:
    """Licences of samples and models."""
    found = [*ROOT.glob("sample_data/*/LICENSE.txt"), *ROOT.glob("napari_segplugin/resources/bundles/*/LICENSE.txt")]
    return sorted(found)


def check_sdist(path: Path) -> list[str]:
    """What the sdist lacks to build, test and document the project."""
    with tarfile.open(path) as archive:
        names = {n.partition("/")[2] for n in archive.getnames()}
    wanted = {n.replace("napari_segplugin/sample_data", "sample_data") for n in in_checkout()}
    wanted |= {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "tox.ini", "constraints.txt"}
    wanted |= {p.relative_to(ROOT).as_posix() for p in (ROOT / "tests").rglob("*.py")}
    problems = [f"not in the sdist: {n}" for n in sorted(wanted - names)]
    return problems + [
        f"should not be in the sdist: {n}" for n in sorted(names) if "_build/" in n or n.endswith(".pyc")
    ]


def compare(before: Path, now: Path) -> list[str]:
    """Files of the older wheel that the new one has nowhere; what moved is printed."""
    old, new = in_wheel(before), in_wheel(now)
    fresh = [n for n in new if n not in old]
    by_content, by_name = defaultdict(list), defaultdict(list)
    for name in fresh:
        by_content[new[name]].append(name)
        by_name[PurePosixPath(name).name].append(name)
    same, moved, gone = 0, [], []
    for name, digest in sorted(old.items()):
        if name in new:
            same += 1
            continue
        places = by_content[digest] or by_name[PurePosixPath(name).name] or alike(before, now, name, fresh)
        (moved if places else gone).append(f"{name} -> {', '.join(places[:3])}" if places else name)
    print(f"{len(old)} files before, {len(new)} now: {same} at the same place, {len(moved)} moved, {len(gone)} gone")
    print("\n".join(f"  moved {row}" for row in moved))
    return [f"gone since the older wheel: {name}" for name in gone]


def alike(before: Path, now: Path, name: str, places: list[str]) -> list[str]:
    """Where a text went that got another name and was edited a little: the most similar new file, with the share of it."""
    if not name.endswith(".py"):
        return []
    with zipfile.ZipFile(before) as old, zipfile.ZipFile(now) as new:
        lines = old.read(name).decode().splitlines()
        rows = []
        for place in (p for p in places if p.endswith(".py")):
            share = difflib.SequenceMatcher(None, lines, new.read(place).decode().splitlines(), autojunk=False).ratio()
            rows.append((share, place))
    share, place = max(rows, default=(0.0, ""))
    return [f"{place} ({share:.0%} of its lines)"] if share > 0.5 else []


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("sdist", type=Path, nargs="?")
    parser.add_argument("--before", type=Path, help="a wheel to compare with")
    options = parser.parse_args()
    problems = check_wheel(options.wheel)
    if options.sdist:
        problems += check_sdist(options.sdist)
    if options.before:
        problems += compare(options.before, options.wheel)
    print("\n".join(problems) or f"{len(in_wheel(options.wheel))} files, as in the checkout")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
