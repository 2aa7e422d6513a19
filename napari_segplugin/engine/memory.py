"""What is said when memory ran out, by every verb. Imports no torch."""

from __future__ import annotations

import functools
import time
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from napari_segplugin.core import MEMORY_ERRORS, Job, OutOfMemoryError, SegPluginError, is_out_of_memory
from napari_segplugin.io.memory import address_room, free_host_memory, give_back_memory

P = ParamSpec("P")
T = TypeVar("T")

LEAST = 128 * 2**20
"""Bytes without which nothing is begun: libraries that load or start threads without memory end the program at times."""
LEAST_ADDRESSES = 512 * 2**20
"""The same of addresses, where those are limited: each thread reserves far more of them than it uses."""
_LONG = 1.0  # seconds; a shorter job leaves little behind


def within_memory(verb: Callable[P, Job[T]]) -> Callable[P, Job[T]]:
    """A job that begins only where there is some memory, and says in one sentence that it ran out.

    Whatever the job itself can do about that, a smaller batch or smaller tiles, it has done by then.

    Raises
    ------
    OutOfMemoryError
        In place of what numpy, torch, oneDNN, CUDA, the loader of libraries or the system raised.

    Examples
    --------
    >>> @within_memory
    ... def greedy():
    ...     yield
    ...     raise RuntimeError("could not create a primitive")
    >>> list(greedy())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    napari_segplugin.core.errors.OutOfMemoryError: The memory is full. ...
    """

    @functools.wraps(verb)
    def careful(*args: P.args, **kwargs: P.kwargs) -> Job[T]:
        _require_memory()
        begin = time.monotonic()
        try:
            return (yield from verb(*args, **kwargs))
        except MEMORY_ERRORS as error:
            let_go(error)
            raise OutOfMemoryError from error
        finally:
            if time.monotonic() - begin > _LONG:
                give_back_memory()

    return careful


def let_go(error: Exception) -> None:
    """After memory ran out: drop what the frames of the error hold. Any other error is raised again.

    Parameters
    ----------
    error : Exception
        That is being handled.
    """
    if isinstance(error, SegPluginError) or not is_out_of_memory(error):
        raise error
    traceback.clear_frames(error.__traceback__)  # those that still run are left alone


def _require_memory() -> None:
    free = free_host_memory()
    if free < LEAST or min(address_room(), default=LEAST_ADDRESSES) < LEAST_ADDRESSES:
        raise OutOfMemoryError(
            f"There is too little free memory to begin: {free // 2**20} MB. Close other programs, or raise the limit of "
            f"memory that is set for this one."
        )


__all__ = ["let_go", "within_memory"]
