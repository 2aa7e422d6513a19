"""What was measured of each network, for people who choose one: written by ``tests/benchmarks/networks.py``."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TypedDict

_FILE = Path(__file__).parent.parent / "resources" / "networks.json"


Figures = TypedDict("Figures", {"quality": dict[str, float], "parameters": int, "seconds a megavoxel": float})
"""What was measured of a network on a data set."""


class Facts(TypedDict):
    """What was measured, by network and data set, and how."""

    networks: dict[str, dict[str, Figures]]
    about: str


@cache
def measured() -> Facts:
    """For each network and data set: parameters, speed and quality; "about" says how."""
    data: Facts = json.loads(_FILE.read_text(encoding="utf-8"))
    return data


def facts(name: str) -> str:
    """What was measured of a network, as short lines; empty where nothing was.

    Examples
    --------
    >>> "million parameters" in facts("unet")
    True
    >>> facts("no such network")
    ''
    """
    rows = measured().get("networks", {}).get(name, {})
    if not rows:
        return ""
    lines = []
    for data, row in rows.items():
        figures = ", ".join(f"{key} {value:.2f}" for key, value in row["quality"].items())
        lines.append(
            f"{data}: {figures} · {row['parameters'] / 1e6:.1f} million parameters · "
            f"{row['seconds a megavoxel']:.1f} s per million pixels"
        )
    return "\n".join([*lines, measured()["about"]])


__all__ = ["facts", "measured"]
