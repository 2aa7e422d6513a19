"""Images one after the other, for commands that segment: progress, what came of each, and what is printed."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from napari_segplugin.cli.progress import CommandProgress
from napari_segplugin.cli.where import OPTIONS
from napari_segplugin.core import Event, FileState, Image, Note, SegPluginError, Task, drain
from napari_segplugin.core.words import Setting
from napari_segplugin.door.orders import Recorded, RunOrder, plan, run_batch
from napari_segplugin.io.targets import ResultPath, targets_of


class Outcome(TypedDict, total=False):
    """What came of one image."""

    image: str
    outputs: list[str]
    objects: int
    found: str
    seconds: float
    earlier: bool
    notes: list[str]
    error: str


@dataclass(eq=False)
class Many:
    """The images of a command and where their results go.

    Parameters
    ----------
    pairs : list of (Path, ResultPath)
    options : Namespace
    record : Path, optional
        Where the record of the batch goes: among the results of a folder.
    """

    pairs: list[tuple[Path, ResultPath]]
    options: Namespace
    record: Path | None = None
    rows: list[Outcome] = field(default_factory=list)
    bar: CommandProgress | None = None
    before: list[Note] = field(default_factory=list)
    """What there is to say before the first image."""

    @classmethod
    def of(cls, options: Namespace, images: Sequence[str]) -> Many:
        """As a command says.

        Raises
        ------
        InputError
            If a folder holds no images, or two results would have one name.
        """
        files, place, record = plan(images, options.output, expand=not options.series)
        return cls(list(zip(files, targets_of(files, place, options.format), strict=True)), options, record)

    def run(
        self,
        order: RunOrder,
        read: Callable[[Path], Image],
        reading: Mapping[str, Any] | None = None,
        recorded: Recorded | None = None,
    ) -> list[Outcome]:
        """Segment them; the rows of those that are done stay when it is interrupted.

        Raises
        ------
        SegPluginError
            If there is one image only, and it cannot be segmented.
        """
        words = ("axes", "spacing", "unit", "series", "even_slices", "channels")
        reading = {w: getattr(self.options, w) for w in words} | dict(reading or {})
        # of a single image it is meant what is typed; of many it goes on where it was interrupted
        again = self.options.again or (len(self.pairs) == 1 and self.record is None)
        more = {"reading": reading, "again": again, "record": self.record, "recorded": recorded}
        try:
            drain(run_batch(self.pairs, order, read, **more), self._take)  # type: ignore[arg-type]
        finally:
            self._close()
        return self.rows

    def note(self, note: Note) -> None:
        """Show what there is to say of the image that is being opened."""
        if self.bar is not None:
            self.bar(note)

    def _take(self, event: Event) -> None:
        if not isinstance(event, FileState):
            if self.bar is not None:
                self.bar(event)
        elif event.ended:
            self._end(event)
        elif event.state == "running" and self.bar is None:
            self.bar = CommandProgress(Path(event.path).name, self.options.quiet)
            for note in self.before:
                self.bar(note)
            self.before = []

    def _end(self, state: FileState) -> None:
        notes = [] if self.bar is None else self.bar.notes
        if state.reason and state.files:
            notes = [*notes, state.reason]
        self._close()
        row: Outcome = {"image": state.path}
        if not state.files:
            text = told_of(state.reason, state.setting)
            if len(self.pairs) == 1:
                error = SegPluginError(state.reason)
                error.setting = state.setting
                raise error
            self.rows.append({**row, "error": text, "notes": notes})
            return
        row |= {"outputs": list(state.files), "objects": state.objects or 0, "seconds": state.seconds, "notes": notes}
        self.rows.append({**row, "earlier": True} if state.earlier else row)

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.__exit__()
        self.bar = None

    def outcome(self, task: Task | None) -> dict[str, Any]:
        """What came of them as JSON values."""
        for row in self.rows:
            if "objects" in row:
                row["found"] = counted(row["objects"], task)
        return {"results": self.rows, "failed": sum("error" in row for row in self.rows)}

    def text(self, task: Task | None) -> str:
        """The same, a line each."""
        return "\n".join(line_of(row, task) for row in self.rows)


def told_of(reason: str, setting: Setting | None) -> str:
    """A reason and the option that it is about."""
    return reason if setting is None else f"{reason} Option: {OPTIONS[setting]}."


def counted(count: int, task: Task | None) -> str:
    """How much was found.

    Examples
    --------
    >>> counted(1, Task.SEMANTIC), counted(3, Task.INSTANCE)
    ('1 class', '3 objects')
    """
    word, plural = ("class", "es") if task is Task.SEMANTIC else ("object", "s")
    return f"{count} {word}{'' if count == 1 else plural}"


def line_of(row: Outcome, task: Task | None) -> str:
    """What is printed of an image."""
    if "error" in row:
        return f"{row['image']}: {row['error']}"
    took = "done before" if row.get("earlier") else f"{row['seconds']:.1f} s"
    return f"{row['outputs'][0]}: {counted(row['objects'], task)}, {took}"


__all__ = ["Many", "Outcome", "counted", "line_of", "told_of"]
