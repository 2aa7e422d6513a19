"""Writes a file that grows by one record with every finished edit. No Qt, no torch.

Whatever happens to the program, the records that were written are there (:mod:`napari_segplugin.viewer.records`). Which file
it is, and that nobody else writes it, is the matter of :mod:`napari_segplugin.viewer.sessions`.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from napari_segplugin.core import InputError
from napari_segplugin.io.files import close_to_others, private_folder
from napari_segplugin.viewer.records import Record
from napari_segplugin.viewer.sessions import Held, begin

MOST_WAITING = 256 * 2**20
"""Bytes of records that wait in memory while the file cannot be written."""


class Journal:
    """Writes records, each at once. What cannot be written waits in memory and is tried again with the next one.

    Parameters
    ----------
    on_trouble : callable, optional
        Told once, with an :class:`~napari_segplugin.core.InputError`, when the file cannot be written.
    on_begin : callable, optional
        Told with the :class:`~napari_segplugin.viewer.sessions.Held` when a new file was begun.
    """

    def __init__(
        self,
        on_trouble: Callable[[InputError], object] | None = None,
        on_begin: Callable[[Held], object] | None = None,
    ) -> None:
        self._on_trouble, self._on_begin = on_trouble, on_begin
        self._waiting: list[bytes | Future[bytes]] = []
        self._packer: ThreadPoolExecutor | None = None
        self._untold = False
        self._file: FileIO | None = None
        self._path: Path | None = None
        self._held: Held | None = None
        self._end = 0
        self._closed = False
        self._busy = threading.RLock()
        self.trouble: InputError | None = None

    @property
    def path(self) -> Path | None:
        """The file, or before it is begun the first name that is tried; None while it is not known yet."""
        return self._path

    @property
    def own(self) -> Path | None:
        """The file that nobody else writes now; None while there is none."""
        return None if self._held is None else self._held.path

    @property
    def begun(self) -> bool:
        """Whether anything was recorded, or an earlier file is gone on with."""
        return self._file is not None or self._held is not None or bool(self._waiting)

    def open(self, place: str | Path | Held) -> None:
        """Say where to write.

        Parameters
        ----------
        place : path or Held
            The name of a new file; where a file has it already, a number is added, so that no earlier work is touched.
            Nothing is made before there is something to write. Or a file to go on with, whose lock is held.
        """
        with self._busy:
            self._held = place if isinstance(place, Held) else None
            self._path = place.path if isinstance(place, Held) else Path(place)
            self._flush()

    def append(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Write a record; nothing after :meth:`close`."""
        with self._busy:
            if self._closed:
                return
            self._waiting.append(Record(header, payload).pack())
            while sum(len(w) for w in self._waiting if isinstance(w, bytes)) > MOST_WAITING and len(self._waiting) > 1:
                self._waiting.pop(0)
            self._flush()

    def append_later(self, make: Callable[[], Record]) -> None:
        """Write a record that takes long to make, in a worker; those that come after it wait for it."""
        with self._busy:
            if self._closed:
                return
            if self._packer is None:
                self._packer = ThreadPoolExecutor(1, "journal")
            made = self._packer.submit(lambda: make().pack())
            self._waiting.append(made)
        made.add_done_callback(lambda _: self._made())

    def _made(self) -> None:
        with self._busy:
            if self._file is not None:  # a file is begun by the window alone, which is told of it
                self._flush(here=False)

    def sync(self) -> None:
        """Ask the system to bring what was written to the disk; slow on some disks, so call it in a worker.

        A file that was taken away meanwhile, with its folder or alone, is written once more from what is still open.

        Raises
        ------
        InputError
            If it was taken away and cannot be written once more, or if a worker could not write.
        """
        with self._busy:
            if self._untold and self.trouble is not None:
                self._untold = False
                raise self.trouble
            file = self._file
            if file is None:
                return
            try:
                if self._vanished(file):
                    file = self._once_more(file)
            except OSError as error:
                raise self._sentence(error) from error
        with suppress(OSError, ValueError):  # closed meanwhile, or a file system that knows no such thing
            os.fsync(file.fileno())

    def close(self) -> None:
        """Write what is being made, then no more, and let others have the file."""
        packer, self._packer = self._packer, None
        if packer is not None:
            packer.shutdown()
        with self._busy:
            if self._file is not None:
                self._file.close()
            if self._held is not None:
                self._held.release()
            self._file, self._held, self._closed = None, None, True

    def _flush(self, here: bool = True) -> None:
        """Write what waits, up to what is still being made; `here` is the thread of the window."""
        if self._path is None or not self._waiting:
            return
        try:
            if self._file is None:
                self._file = self._begin(self._path)
            while self._waiting:
                first = self._waiting[0]
                if isinstance(first, Future) and not first.done():
                    return
                self._write(self._file, first if isinstance(first, bytes) else first.result())
                self._waiting.pop(0)
        except MemoryError:  # a large step that cannot be packed
            self._waiting.pop(0)
            self._tell(OSError("the memory is full"), here)
            return
        except OSError as error:
            self._tell(error, here)
            return
        self.trouble = None

    def _begin(self, path: Path) -> FileIO:
        # what is in it are edits of images of people, perhaps
        private_folder(path.parent)
        if self._held is None:
            self._held = begin(path)
            self._path = self._held.path
            if self._on_begin is not None:
                self._on_begin(self._held)
        held = self._held
        close_to_others(held.path)
        file = open(held.path, "a+b", buffering=0)  # noqa: SIM115 - stays open for the session
        if held.end < file.seek(0, os.SEEK_END):
            # half a record of a program that was killed; nobody else writes it, since the lock is held
            file.truncate(held.end)
        self._end = file.seek(0, os.SEEK_END)
        return file

    def _write(self, file: FileIO, data: bytes) -> None:
        """Write all of it or nothing."""
        written = 0
        try:
            while written < len(data):
                written += file.write(data[written:])
        except OSError:
            if written:
                file.truncate(self._end)
            raise
        self._end += len(data)

    def _vanished(self, file: FileIO) -> bool:
        try:
            return self._path is None or not os.path.samestat(os.fstat(file.fileno()), os.stat(self._path))
        except (FileNotFoundError, NotADirectoryError):
            return True

    def _once_more(self, file: FileIO) -> FileIO:
        """Write everything into a new file: the old one has no name any more."""
        path = self._path
        if path is None or self._held is None:
            return file
        file.seek(0)
        private_folder(path.parent)
        self._held.release()
        held = begin(path)
        with open(held.path, "r+b") as fresh:
            shutil.copyfileobj(file, fresh)
        file.close()
        held.end = self._end
        self._held, self._path, self._file = held, held.path, None
        self._file = self._begin(held.path)
        return self._file

    def _tell(self, error: OSError, here: bool) -> None:
        told = self.trouble is not None
        self.trouble = self._sentence(error)
        if told:
            return
        if not here:
            self._untold = True
        elif self._on_trouble is not None:
            self._on_trouble(self.trouble)

    def _sentence(self, error: OSError) -> InputError:
        return InputError(
            "Your edits could not be saved in the session folder; everything else keeps working.",
            got=f"{error.strerror or error} in {self._path.parent if self._path else 'the session folder'}",
            hint="Free some disk space, or choose another session folder in Preferences, Plugins",
        )


__all__ = ["MOST_WAITING", "Journal"]
