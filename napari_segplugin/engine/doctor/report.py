"""What the doctor found, and its report without private words."""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from napari_segplugin.core.types import JsonDict


class Level(StrEnum):
    """How much a finding matters."""

    GOOD = "good"
    NOTE = "note"
    WARNING = "warning"
    STOP = "stop"


REINSTALL = "pip install --force-reinstall"
"""What pip is told where a package is there and broken."""
_MARKS = {Level.GOOD: " ", Level.NOTE: "·", Level.WARNING: "!", Level.STOP: "X"}
_PATH = re.compile(
    r"(?<![\w~./\\…])(?:file:///?|[A-Za-z]:[\\/]|\\\\|/(?!/))(?:[^'\"<>:;,()\\/\n]+[\\/])+[^\s'\"<>:;,()\\/]*"
)
"""A path from the top of a disk or of another computer; its folders may hold spaces."""
_PLAIN_NAMES = frozenset(
    (
        "admin", "administrator", "build", "cache", "conda", "cpu", "cuda", "default", "disk", "gpu", "home", "linux", "local",
        "localhost", "mac", "macos", "memory", "mesa", "napari", "numpy", "python", "root", "runner", "session", "system",
        "temp", "test", "torch", "ubuntu", "user", "windows",
    )
)  # fmt: skip
"""Names of users and computers that tell nobody apart, and that would tear holes into the report."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        What was looked at.
    value : str
        What is there.
    level : Level
        Whether anything is wrong with it.
    problem : str
        What is wrong and what to do, as sentences; empty where nothing is.
    """

    name: str
    value: str
    level: Level = Level.GOOD
    problem: str = ""


@dataclass(frozen=True)
class DoctorReport:
    """All that the doctor found.

    Parameters
    ----------
    findings : tuple of Finding
        In the order in which they were looked at. Their texts hold no user name, computer name or private folder.

    Examples
    --------
    >>> report = DoctorReport((Finding("torch", "2.9"), Finding("disk", "0 GB", Level.WARNING, "The disk is full.")))
    >>> report.works, report.problems
    (True, ('The disk is full.',))
    """

    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether nothing stops the program from working."""
        return all(f.level is not Level.STOP for f in self.findings)

    @property
    def problems(self) -> tuple[str, ...]:
        """A text for each thing that is wrong: what, and what to do; the worst first."""
        found = [f for f in self.findings if f.level in (Level.WARNING, Level.STOP)]
        return tuple(f.problem for f in sorted(found, key=lambda f: f.level is not Level.STOP))

    def text(self) -> str:
        """The report for people and for bug reports: problems first, then everything that was looked at."""
        if not self.problems:
            lines = ["No problem was found."]
        else:
            first = "These problems were found." if self.works else "Something stops the program from working."
            lines = [first, *(f"- {sentence}" for sentence in self.problems)]
        wide = max((len(f.name) for f in self.findings), default=0)
        lines += ["", *(f"{_MARKS[f.level]} {f.name:<{wide}}  {f.value}" for f in self.findings)]
        notes = [f.problem for f in self.findings if f.level is Level.NOTE and f.problem]
        return "\n".join([*lines, *([""] if notes else []), *(f"· {sentence}" for sentence in notes)])

    def to_json(self) -> JsonDict:
        """The same as JSON values."""
        rows = [{"name": f.name, "value": f.value, "level": str(f.level), "problem": f.problem} for f in self.findings]
        return {"works": self.works, "problems": list(self.problems), "findings": rows}


def without_private_words(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings whose texts name neither the person nor the computer nor a folder outside of the home folder.

    Parameters
    ----------
    findings : sequence of Finding

    Returns
    -------
    tuple of Finding
    """
    return tuple(Finding(f.name, clean(f.value), f.level, clean(f.problem)) for f in findings)


def clean(text: str) -> str:
    """A text in which ``~`` stands for the home folder, ``…/`` for any other folder, and no name of user or computer.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> clean("no file '/data/clinic/miller/x.so'")
    "no file '…/x.so'"
    """
    for home in sorted(_homes(), key=len, reverse=True):
        text = re.sub(re.escape(home) + r"(?![\w-])", "~", text, flags=re.IGNORECASE)
    text = _PATH.sub(lambda found: "…/" + re.split(r"[\\/]", found.group())[-1], text)
    for name, instead in _names():
        text = re.sub(rf"(?<![\w]){re.escape(name)}(?![\w])", instead, text, flags=re.IGNORECASE)
    return text


def _homes() -> set[str]:
    """The ways in which the home folder may be written; a home that is the whole disk hides nothing."""
    given = {os.environ.get(word, "") for word in ("HOME", "USERPROFILE")} | {os.path.expanduser("~")}
    found = {g.rstrip("/\\") for g in given if g} | {os.path.realpath(g).rstrip("/\\") for g in given if g}
    found |= {g.replace("\\", "/") for g in found}
    return {f for f in found if len(f) > 3}


def _names() -> list[tuple[str, str]]:
    """Names of the person and of the computer, and what stands instead of them."""
    try:
        person = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        person = ""
    computers = {platform.node(), socket.gethostname()}
    computers |= {name.partition(".")[0] for name in computers}
    pairs = [*((name, "COMPUTER") for name in sorted(computers, key=len, reverse=True)), (person, "USER")]
    return [(name, instead) for name, instead in pairs if len(name) > 2 and name.lower() not in _PLAIN_NAMES]


__all__ = ["REINSTALL", "DoctorReport", "Finding", "Level", "clean", "without_private_words"]
