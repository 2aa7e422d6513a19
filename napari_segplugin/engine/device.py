"""Where a network runs: which devices are there, which number format is fast on them, how many threads."""

from __future__ import annotations

import os

# Large pages for large tensors: without them a third of the time of a big tile on a CPU goes into page faults. Read by
# torch at its first large allocation, so it has to stand before the import; a value set by the person stays.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from napari_segplugin.core import InputError
from napari_segplugin.io.memory import free_host_memory


def available_devices() -> list[tuple[str, str]]:
    """The devices that torch can use, fastest first.

    Returns
    -------
    list of (name, title)
        Such as ``("cuda:0", "NVIDIA RTX A4000")`` and ``("cpu", "CPU, 8 cores")``; the CPU is always there.

    Examples
    --------
    >>> available_devices()[-1][0]
    'cpu'
    """
    found = []
    if torch.cuda.is_available():
        found += [(f"cuda:{i}", torch.cuda.get_device_name(i)) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append(("mps", "Apple GPU"))
    cores = torch.get_num_threads()
    found.append(("cpu", f"CPU, {cores} core{'s' if cores != 1 else ''}"))
    return found


def resolve(name: str = "auto") -> torch.device:
    """The device of a name.

    Parameters
    ----------
    name : str
        "auto" (the fastest there is), "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    InputError
        If there is no such device.
    """
    names = [n for n, _ in available_devices()]
    if name == "auto":
        return torch.device(names[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in names:
        hint = ""
        if wanted.startswith("cuda"):
            hint = (
                "Check the driver, and whether PyTorch was installed with CUDA"
                if names == ["cpu"]
                else "Choose another number"
            )
        raise InputError(
            f"There is no device '{name}' on this computer.",
            got=name,
            accepted=", ".join(["auto", *names]),
            hint=hint,
            setting="device",
        )
    return torch.device(wanted)


def title(device: torch.device) -> str:
    """What a person calls a device: "CPU (8 cores)" or the name of the card."""
    if device.type == "cpu":
        n = torch.get_num_threads()
        return f"CPU ({n} core{'s' if n != 1 else ''})"
    return dict(available_devices()).get(str(device), str(device))


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The half precision that is fast on a device, None where there is none."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    if device.type == "cpu" and _bfloat16_pays():
        return torch.bfloat16
    return None


def inference_dtype(device: torch.device, precision: str = "auto") -> torch.dtype:
    """The number format of weights and activations for prediction.

    Parameters
    ----------
    device : torch.device
    precision : str
        "auto", "float32" or "bfloat16", as in :class:`~napari_segplugin.core.TileSpec`.

    Raises
    ------
    InputError
        If the precision is not known.
    """
    table = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if precision == "auto":
        return autocast_dtype(device) or torch.float32
    if precision not in table:
        raise InputError("There is no such precision.", got=precision, accepted="auto, float32, bfloat16")
    return table[precision]


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # what torch holds in its cache and does not use can be used again
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    return free_host_memory()


def give_back(device: torch.device) -> None:
    """After memory ran out: let go of what nobody uses any more, so that something smaller may fit."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


@cache
def _bfloat16_pays() -> bool:
    """Whether a bfloat16 convolution beats float32 on this CPU: a few milliseconds, once a process.

    Processors without the instructions emulate bfloat16 many times slower, and flags differ by vendor and version of
    torch, so the question is put to a stop-watch.
    """
    x = torch.rand(1, 32, 128, 128).contiguous(memory_format=torch.channels_last)
    layer = torch.nn.Conv2d(32, 32, 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with threads(1):  # with several, other programs make the stop-watch lie
        single = _best_of(layer, x)
        try:
            half = _best_of(layer.to(torch.bfloat16), x.to(torch.bfloat16))
        except RuntimeError:
            return False
    return half < 0.8 * single


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch compute with `count` threads within the block; 0 leaves the number as it is."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def polite_threads() -> int:
    """Threads for a job that runs beside a window: one core is left to it where there are enough; 0 means all."""
    beside = threading.current_thread() is not threading.main_thread()
    cores = torch.get_num_threads()
    return cores - 1 if beside and cores > 3 else 0


def _best_of(layer: torch.nn.Module, x: torch.Tensor, repeats: int = 5) -> float:
    """Seconds of the fastest of a few runs."""
    times = []
    with torch.inference_mode():
        for _ in range(repeats):
            start = time.perf_counter()
            layer(x)
            times.append(time.perf_counter() - start)
    return min(times)


__all__ = [
    "autocast_dtype",
    "available_devices",
    "free_host_memory",
    "free_memory",
    "give_back",
    "inference_dtype",
    "polite_threads",
    "resolve",
    "threads",
    "title",
]
