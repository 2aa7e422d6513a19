"""How far the files of a batch are, and the sentences that are made of it. No Qt."""

from __future__ import annotations

from typing import Literal, NamedTuple

from napari_segplugin.core import FileState

Which = Literal["all", "done", "problems"]
FILTERS: tuple[Which, ...] = ("all", "done", "problems")


class Sought(NamedTuple):
    """What is looked for: one, several."""

    one: str = "object"
    many: str = "objects"


class Tally:
    """Counts of a batch, and the sentences that are made of them.

    Parameters
    ----------
    names : Sought
        What is looked for.
    """

    def __init__(self, names: Sought = Sought()) -> None:  # noqa: B008 - cannot be changed
        self.names = names
        self.states: list[FileState] = []

    def take(self, state: FileState) -> None:
        """Note where a file stands."""
        if state.number < len(self.states):
            self.states[state.number] = state
        else:
            self.states.append(state)

    def count(self, which: Which) -> int:
        """Files that a filter shows."""
        return sum(fits(s, which) for s in self.states)

    @property
    def left(self) -> int:
        """Files that have not ended."""
        return sum(not s.ended for s in self.states)

    @property
    def problems(self) -> str:
        """What went wrong, such as "1 could not be read, 2 have no nuclei."; empty where nothing did."""
        words = [s.state for s in self.states]
        unread, failed, none = (words.count(w) for w in ("unreadable", "failed", "none"))
        parts = [f"{unread} could not be read"] if unread else []
        parts += [f"{failed} failed"] if failed else []
        parts += [f"{none} {'has' if none == 1 else 'have'} no {self.names.many}"] if none else []
        return f"{', '.join(parts)}." if parts else ""

    def running(self) -> str:
        """The state sentence while the batch runs: "File 7 of 48. 1 could not be read, 1 has no nuclei."."""
        at = next((s.number + 1 for s in self.states if s.state == "running"), len(self.states) - self.left)
        return f"File {at} of {len(self.states)}. {self.problems}".strip()

    def ended(self) -> str:
        """The state sentence afterwards: "31 of 48 done." and what went wrong."""
        return f"{self.count('done')} of {len(self.states)} done. {self.problems}".strip()

    def seconds_left(self) -> float | None:
        """Seconds that the rest takes, by the files of this batch; None before the first of them is done."""
        took = [s.seconds for s in self.states if s.ended and not s.earlier and s.state != "unreadable"]
        if not took:
            return None
        begun = sum(s.share for s in self.states if s.state == "running")
        return max(0.0, self.left - begun) * sum(took) / len(took)


def fits(state: FileState, which: Which) -> bool:
    """Whether a filter shows a file."""
    return which == "all" or (state.problem if which == "problems" else state.state in ("done", "none"))


__all__ = ["FILTERS", "Sought", "Tally", "Which", "fits"]
