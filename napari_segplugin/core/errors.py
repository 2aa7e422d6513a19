"""The errors that a person may read: what is wrong, what came, what is accepted, what to do next."""

from __future__ import annotations

import errno
import re
import sys

from napari_segplugin.core.words import Setting


class SegPluginError(Exception):
    """Base of every error that this package raises on purpose; its text is shown to the user as it is.

    Attributes
    ----------
    setting : str or None
        The setting that helps, if there is one; the dock and the command line add where theirs is.
    """

    setting: Setting | None = None


class InputError(SegPluginError, ValueError):
    """Something that a person handed in cannot be used.

    Parameters
    ----------
    problem : str
        What is wrong, as a sentence.
    got : object, optional
        What came; its text follows "Got".
    accepted : str, optional
        What is accepted; follows "Accepted:".
    hint : str, optional
        What to do next, as a sentence. It names neither a step of the dock nor an option of the command line.
    setting : str, optional
        The setting that helps.

    Examples
    --------
    >>> raise InputError("The image is empty.", got="shape (0, 4)", hint="Open another file.")
    Traceback (most recent call last):
    napari_segplugin.core.errors.InputError: The image is empty. Got shape (0, 4). Open another file.
    """

    def __init__(
        self, problem: str, *, got: object = None, accepted: str = "", hint: str = "", setting: Setting | None = None
    ) -> None:
        parts = [problem.rstrip(".") + "."]
        if got is not None:
            parts.append(f"Got {str(got).rstrip('.')}.")
        if accepted:
            parts.append(f"Accepted: {accepted.rstrip('.')}.")
        if hint:
            parts.append(hint.rstrip(".") + ".")
        super().__init__(" ".join(parts))
        self.setting = setting


class MissingExtraError(SegPluginError, ImportError):
    """An optional package is needed and not installed.

    Parameters
    ----------
    package : str
        The package that cannot be imported.
    purpose : str
        What it is needed for, as a phrase ("read NIfTI files").
    extra : str, optional
        The extra of this project that brings it; empty where the package should have come with the project itself.
    """

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        """A worker of a cluster sends its errors home: with one text alone this one could not be made again."""
        return type(self), self._given

    def __init__(self, package: str, purpose: str, extra: str = "") -> None:
        self._given = package, purpose, extra
        wanted = f'"napari-segplugin[{extra}]"' if extra else package
        super().__init__(
            f"The package '{package}' is needed to {purpose} and is not installed. Run: pip install {wanted}"
        )


MEMORY_FULL = "The memory is full. Close other programs, or use a smaller image or region, or smaller tiles or patches."
"""What is said where nothing smaller was left to try."""


# MemoryError first: what dask's workers send home is made by `__new__`, which has to be that of the first base
class OutOfMemoryError(MemoryError, SegPluginError):
    """Nothing that could be tried is small enough for the memory that is left.

    Parameters
    ----------
    text : str, optional
    setting : str, optional
        The setting that helps.
    """

    def __init__(self, text: str = MEMORY_FULL, *, setting: Setting | None = None) -> None:
        super().__init__(text)
        self.setting = setting


MEMORY_ERRORS = (MemoryError, RuntimeError, OSError, ImportError)
"""As what an exhausted memory is raised; :func:`is_out_of_memory` tells it from others of these types."""
_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|can.?t allocate|cannot allocate|failed to allocate|alloc_failed|bad.alloc"
    r"|could not create a (primitive(?! desc)|memory object)|unable to allocate"
    r"|failed to map segment|can.?t start new thread",
    re.IGNORECASE,
)
"""How torch's allocators, oneDNN, CUDA and its libraries, Apple's GPU, C++, the loader of libraries and threads, which need
memory of their own, say that memory is exhausted.

oneDNN's "could not create a primitive descriptor" is another matter: it has no way to compute that at all.
"""
_PAGING_FILE = 1455
"""Windows: the paging file is too small."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is exhausted, of the computer or of a graphics card.

    Parameters
    ----------
    error : BaseException
        Of Python, numpy (a MemoryError, too), torch, or the system. Many of torch's say so in words only.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("could not create a primitive")), is_out_of_memory(RuntimeError("size mismatch"))
    (True, False)
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM or getattr(error, "winerror", None) == _PAGING_FILE
    if not isinstance(error, RuntimeError | ImportError):
        return False
    torch = sys.modules.get("torch")  # only who has it in memory can have an error of it
    kind = getattr(torch, "OutOfMemoryError", None) or getattr(getattr(torch, "cuda", None), "OutOfMemoryError", None)
    return (kind is not None and isinstance(error, kind)) or bool(_NO_MEMORY.search(str(error)))
