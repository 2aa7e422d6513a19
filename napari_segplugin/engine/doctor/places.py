"""How much room there is, and where files can be written."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from napari_segplugin.engine.doctor.report import Finding, Level
from napari_segplugin.engine.session import home_folder
from napari_segplugin.io.memory import free_host_memory

GIB = 2**30
LITTLE_MEMORY, LITTLE_DISK = 2 * GIB, 2 * GIB


def memory() -> Finding:
    """Free main memory."""
    free = free_host_memory()
    said = f"{_gb(free)} free"
    if free >= LITTLE_MEMORY:
        return Finding("memory", said)
    problem = f"Little memory is free ({_gb(free)}), so large images take long or fail. Close other programs."
    return Finding("memory", said, Level.WARNING, problem)


def folders(session: Path | None = None) -> list[Finding]:
    """Room and permission where the program writes: work of the session, large temporary files, downloads.

    Parameters
    ----------
    session : path, optional
        The session folder; the usual one by default.
    """
    work = session or home_folder()
    return [
        _folder("session folder", work, "corrections and trained models cannot be kept. Choose another session folder"),
        _folder(
            "temporary folder", _temporary(), "results larger than memory cannot be made. Set TMPDIR to another folder"
        ),
        _folder(
            "cache folder", cache_folder(), "downloaded weights cannot be kept. Set XDG_CACHE_HOME to another folder"
        ),
    ]


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # none of the usual places can be written
        return Path(os.environ.get("TMPDIR") or os.sep) / "tmp"


def cache_folder() -> Path:
    """Where programs of this user keep what they downloaded."""
    given = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(given) if given else usual


def _folder(name: str, folder: Path, consequence: str) -> Finding:
    """What is wrong with a folder; one that is not there yet is judged by where it would be made."""
    place = next((p for p in (folder, *folder.absolute().parents) if p.exists()), folder)
    why = _cannot_write(place)
    if why:
        level = Level.STOP if name.startswith("temporary") else Level.WARNING
        problem = f"Nothing can be written in the {name} ({why}): {consequence}, or ask for permission."
        return Finding(name, "cannot be written", level, problem)
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return Finding(name, "can be written")
    if free >= LITTLE_DISK:
        return Finding(name, f"can be written, {_gb(free)} free")
    problem = f"The disk of the {name} is nearly full ({_gb(free)} free). Free some space, or choose another folder."
    return Finding(name, f"can be written, {_gb(free)} free", Level.WARNING, problem)


def _cannot_write(folder: Path) -> str:
    """Why a file cannot be written there; empty where it can. Nothing stays behind."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".segplugin-doctor-") as stream:
            stream.write(b"0")
            stream.flush()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


__all__ = ["LITTLE_DISK", "LITTLE_MEMORY", "cache_folder", "folders", "memory"]
