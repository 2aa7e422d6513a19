"""The command line ``segplugin``: predict | run | finetune | train | evaluate | measure | crop | track | export |
models | doctor.

Exit codes: 0 done; 2 something that was handed in cannot be used (its sentence is on stderr); 130 Ctrl-C, where what
was finished before stays. With ``--json`` stdout holds one JSON object and nothing else.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from napari_segplugin.cli.parser import make_parser
from napari_segplugin.cli.where import told
from napari_segplugin.core import MEMORY_ERRORS, MEMORY_FULL, SegPluginError, is_out_of_memory
from napari_segplugin.io.segmentations import MixedFilesWarning

OK, WRONG_INPUT, INTERRUPTED = 0, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the name of the program; from the command line by default.

    Returns
    -------
    int
        The exit code.
    """
    options = make_parser().parse_args(arguments)
    try:
        # here, not above: `--help` and `models` must not wait for torch
        importlib.import_module("napari_segplugin.door.catalog").sweep_leftovers()
        home = importlib.import_module(f"{__name__}.{getattr(options, 'home', 'commands')}")
        with _sentences(options.command):
            result, text = getattr(home, options.command)(options)
    except SegPluginError as error:
        return _fail(options, told(error), WRONG_INPUT)
    except MEMORY_ERRORS as error:
        if not is_out_of_memory(error):
            raise
        return _fail(options, MEMORY_FULL, WRONG_INPUT)
    except KeyboardInterrupt:
        return _fail(options, "Stopped. Results that were finished before are kept.", INTERRUPTED)
    _write(_dump(result) if options.json else text)
    return INTERRUPTED if result.get("interrupted") else WRONG_INPUT if result.get("failed") else OK


@contextmanager
def _sentences(command: str) -> Iterator[None]:
    """What is said of files that do not belong together, as a line like every other."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, MixedFilesWarning):
            sys.stderr.write(f"segplugin {command}: {message}\n")
        else:
            usual(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", MixedFilesWarning)
        warnings.showwarning = show
        yield


def _fail(options: argparse.Namespace, sentence: str, code: int) -> int:
    sys.stderr.write(f"segplugin {options.command}: {sentence}\n")
    if options.json:
        _write(_dump({"command": options.command, "error": sentence}))
    return code


def _write(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def _dump(value: Mapping[str, object]) -> str:
    """JSON without NaN and infinity, which other languages do not read."""
    return json.dumps(_plain(value), allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


__all__ = ["main"]
