"""Try to import packages in another process: one that is broken, or that ends the program, says so and harms nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

PATIENCE = 180
"""Seconds for all packages together; the first import after an installation reads gigabytes."""

_SCRIPT = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
names, sys.path[:] = json.loads(sys.argv[1])
out, sys.stdout = sys.stdout, sys.stderr
try:
    from napari_segplugin.engine.torch_import import keep_triton_apart
    keep_triton_apart()
except Exception:
    pass
for name in names:
    out.write(json.dumps([name, None]) + "\\n")
    out.flush()
    try:
        importlib.import_module(name)
        said = ""
    except BaseException as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        said = "missing" if missing else (type(error).__name__ + ": " + str(error)).splitlines()[0][:200]
    out.write(json.dumps([name, said]) + "\\n")
    out.flush()
"""

MISSING = "missing"


def try_imports(modules: Sequence[str]) -> dict[str, str]:
    """What happens when modules are imported.

    Parameters
    ----------
    modules : sequence of str

    Returns
    -------
    dict of str to str
        By module: empty where it can be imported, "missing" where it is not installed, otherwise what was said.

    Examples
    --------
    >>> try_imports(["json", "no_such_package"])
    {'json': '', 'no_such_package': 'missing'}
    """
    found: dict[str, str] = {}
    left = list(modules)
    while left:
        told, ending = _run(left)
        found |= {name: said for name, said in told.items() if said is not None}
        begun = next((name for name, said in told.items() if said is None), None)
        if begun is not None:  # the process ended in the middle of this one
            found[begun] = ending
        elif not told:  # no process can be started, or its first line never came
            return found | dict.fromkeys(left, ending)
        left = [name for name in left if name not in found]
    return {name: found[name] for name in modules}


def _run(modules: Sequence[str]) -> tuple[dict[str, str | None], str]:
    """What the other process told of each module (None: begun and not ended), and how the process ended."""
    paths = [path or os.getcwd() for path in sys.path]
    command = [sys.executable or "python", "-c", _SCRIPT, json.dumps([list(modules), paths])]
    hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, creationflags=hidden)
        text, ending = done.stdout, f"Importing it ends the program (code {done.returncode})"
    except subprocess.TimeoutExpired as error:
        text, ending = error.stdout or b"", f"Importing it takes more than {PATIENCE} s"
    except OSError as error:
        return {}, f"It could not be tried ({error.strerror})"
    told: dict[str, str | None] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        if line.endswith("]"):  # the last one may be cut off
            name, said = json.loads(line)
            told[name] = said
    return told, ending


__all__ = ["MISSING", "PATIENCE", "try_imports"]
