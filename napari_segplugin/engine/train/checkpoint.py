"""Training that goes on after a crash or a stop: one file, written now and then, from which the loop continues exactly."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from napari_segplugin.core import InputError
from napari_segplugin.core.disk.commit import commit, settle
from napari_segplugin.core.schema import Between, parse_json
from napari_segplugin.io.files import close_to_others, private_file, private_folder, writing

FILE = "training.safetensors"


class Words(TypedDict, total=False):
    """What is written beside the tensors."""

    step: Annotated[int, Between(0, 2**53)]
    seconds: Annotated[float, Between(0, 1e12)]
    averaged: Annotated[int, Between(0, 2**53)]
    curve: list[Annotated[list[float], Between(2, 2)]]
    gradients: list[dict[str, object]]
    best: Annotated[list[Any], Between(3, 3)]
    numpy: dict[str, object]


class _Header(TypedDict):
    """The header of a safetensors file; what is read of it."""

    __metadata__: NotRequired[dict[str, str]]


class Checkpoint:
    """The state of a running training on disk.

    Parameters
    ----------
    folder : Path
        Is made if it is not there.
    key : str
        Says which training it is (network, start, data, settings); a file with another key is not continued.
    every : float
        Seconds between two writings.
    """

    def __init__(self, folder: Path, key: str, every: float = 30.0) -> None:
        self.path, self.key, self.every = Path(folder) / FILE, key, every
        self.damaged = False
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self._last >= self.every

    def write(self, tensors: Mapping[str, Mapping[str, np.ndarray]], words: Mapping[str, Any]) -> None:
        """Write everything as a whole: a crash in the middle leaves the old file.

        Raises
        ------
        InputError
            If the folder cannot be written to.
        """
        flat = {
            f"{group}/{name}": np.ascontiguousarray(a) for group, rows in tensors.items() for name, a in rows.items()
        }
        try:
            if self.path.parent.is_dir():
                close_to_others(self.path)  # the folder may be the person's own, with other things in it
            else:
                private_folder(self.path.parent)
            with commit(self.path) as stage:
                part = stage.path(self.path)
                private_file(part)
                save_file(flat, part, {"key": self.key, "words": json.dumps(words)})
                close_to_others(part)
        except (OSError, SafetensorError) as error:
            raise InputError(
                "The training cannot be saved for resuming it later.",
                got=f"{self.path.parent}: {error}",
                hint="Free some disk space, or choose another folder; the training continues without it",
                setting="folder",
            ) from error
        self._last = time.monotonic()

    def read(self) -> tuple[dict[str, dict[str, np.ndarray]], Words] | None:
        """What was written, by group, and the words; None where there is nothing that belongs to this training.

        :attr:`damaged` says whether that is because the file cannot be read, or says what makes no sense.

        Raises
        ------
        InputError
            If the folder cannot be: its name is too long, or holds what no name may hold.
        """
        with writing(self.path):  # a folder whose name no disk takes is said before the training begins
            settle(self.path)
            try:
                there = stat.S_ISREG(self.path.stat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                there = False
        if not there:
            return None
        close_to_others(self.path)
        try:
            words = _header(self.path)
            flat = load_file(self.path)
            if words.get("key") != self.key:
                return None
            said = parse_json(words["words"], Words, f"'{self.path.name}'")
        except (OSError, SafetensorError, ValueError, LookupError):  # InputError of the words is a ValueError, too
            self.damaged = True
            return None
        tensors: dict[str, dict[str, np.ndarray]] = {}
        for name, array in flat.items():
            group, _, rest = name.partition("/")
            tensors.setdefault(group, {})[rest] = array
        return tensors, said

    def remove(self) -> None:
        """Take the file away: the training is complete."""
        with suppress(OSError):  # what cannot be removed belongs to a training that is complete, and is not read again
            self.path.unlink(missing_ok=True)


def _header(path: Path) -> dict[str, str]:
    """What a file of tensors says of itself; a ValueError where it is damaged."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError("longer than the file")
        about = parse_json(file.read(size), _Header, f"'{path.name}'").get("__metadata__")
    if about is None:
        raise ValueError("no words in it")
    return about


def optimiser_arrays(optimiser: torch.optim.Optimizer) -> dict[str, np.ndarray]:
    """The moments of an optimiser, by number of the parameter."""
    state = optimiser.state_dict()["state"]
    return {
        f"{i}.{k}": v.detach().cpu().numpy()
        for i, row in state.items()
        for k, v in row.items()
        if isinstance(v, Tensor)
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, arrays: Mapping[str, np.ndarray]) -> None:
    """Put the moments back."""
    state = optimiser.state_dict()
    rows: dict[int, dict[str, Tensor]] = {}
    for name, array in arrays.items():
        number, _, key = name.partition(".")
        rows.setdefault(int(number), {})[key] = torch.from_numpy(np.array(array))
    optimiser.load_state_dict({"state": rows, "param_groups": state["param_groups"]})


def restore_network(network: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Put weights and statistics back, in place."""
    network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in arrays.items()})


__all__ = ["FILE", "Checkpoint", "optimiser_arrays", "restore_network", "restore_optimiser"]
