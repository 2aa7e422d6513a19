"""Look at everything, and put the report together."""

from __future__ import annotations

from pathlib import Path

from napari_segplugin.core import SegPluginError
from napari_segplugin.engine.doctor import card, packages, places, screen
from napari_segplugin.engine.doctor.report import REINSTALL, DoctorReport, Finding, Level, without_private_words
from napari_segplugin.engine.parts import PARTS, part_problems
from napari_segplugin.io import load_bundle, load_sample, sample_names, shipped_bundles

_AGAIN = f"Run: {REINSTALL} --no-deps napari-segplugin"


def examine(folder: str | Path = "", window: screen.Screen | None = None) -> DoctorReport:
    """Look whether this computer is fit for the program. Imports torch, if that can be imported.

    Parameters
    ----------
    folder : path
        The session folder; the usual one where empty.
    window : Screen, optional
        What a running window knows of its screen; without one that is left out.

    Returns
    -------
    DoctorReport
    """
    parts = packages.packages()
    torch_works = all(f.level is not Level.STOP for f in parts if f.name == "torch")
    found = [*packages.programs(), *parts, *card.look(torch_works)]
    found += [screen.triton(window), *(screen.drawing(window) if window is not None else [])]
    found += [places.memory(), *places.folders(Path(folder) if folder else None)]
    found += [models(), samples(), *others()]
    return DoctorReport(without_private_words(found))


def models() -> Finding:
    """Whether every model that ships can be read."""
    names, problems = shipped_bundles(), []
    for name, place in names.items():
        try:
            load_bundle(place)
        except SegPluginError as error:
            problems.append(f"{name}: {error}")
    return _shipped("models", len(names), problems)


def samples() -> Finding:
    """Whether every sample that ships can be read."""
    names, problems = sample_names(), []
    for name in names:
        try:
            load_sample(name)
        except SegPluginError as error:
            problems.append(f"{name}: {error}")
    return _shipped("samples", len(names), problems)


def _shipped(kind: str, count: int, problems: list[str]) -> Finding:
    if not count:
        problem = f"The {kind} that ship are missing; the installation is not complete. {_AGAIN}"
        return Finding(kind, "missing", Level.WARNING, problem)
    if problems:
        problem = f"{len(problems)} of the {kind} that ship cannot be read ({problems[0]}). {_AGAIN}"
        return Finding(kind, f"{len(problems)} of {count} cannot be read", Level.WARNING, problem)
    return Finding(kind, f"{count} readable")


def others() -> list[Finding]:
    """What other packages add, and what of that cannot be used."""
    added = {row.package for registry in PARTS.values() for row in registry if row.package}
    problems = part_problems()
    if not problems:
        return [Finding("other packages", ", ".join(sorted(added)) or "none adds anything")]
    return [Finding("other packages", "cannot be used", Level.WARNING, sentence) for sentence in problems]


__all__ = ["examine", "models", "others", "samples"]
