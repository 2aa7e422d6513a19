"""Everything that a model, a recipe or a report is put together from, by kind; imports no torch.

The registries stand beside what they list. This is the one place that knows all those to which other packages can add.
"""

from __future__ import annotations

from typing import Any

from napari_segplugin.classical import CLEANUPS, TECHNIQUES
from napari_segplugin.core import Registry
from napari_segplugin.io import FORMATS
from napari_segplugin.losses import LOSSES
from napari_segplugin.metrics import METRICS
from napari_segplugin.networks import NETWORKS
from napari_segplugin.tasks import HEADS

PARTS: dict[str, Registry[Any]] = {
    "networks": NETWORKS,
    "losses": LOSSES,
    "techniques": TECHNIQUES,
    "cleanups": CLEANUPS,
    "formats": FORMATS,
    "metrics": METRICS,
    "heads": HEADS,
}
"""The registries by the last word of their group of entry points."""


def part_problems() -> tuple[str, ...]:
    """A sentence for each thing that another package offers and that cannot be used; empty where all is well."""
    return tuple(sentence for registry in PARTS.values() for sentence in registry.problems)


__all__ = ["PARTS", "part_problems"]
