"""What a network may hand to the training loop beside its logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a network with losses of its own returns while training; in evaluation mode it returns logits alone.

    Parameters
    ----------
    logits : tuple of (N, K, [Z,] Y, X) Tensor
        Full resolution first, then the lower scales of deep supervision; empty for a pure detector.
    extra : mapping of str to anything
        What :meth:`HasOwnLosses.own_losses` needs.
    """

    logits: tuple[Tensor, ...]
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known about a batch, for losses of a network's own.

    Parameters
    ----------
    image : (N, C, [Z,] Y, X) Tensor
    classes : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 where the class is unknown: no gradient may come from there.
    instances : (N, [Z,] Y, X) Tensor of int64
        Object number, 0 outside objects; all 0 for a semantic task.
    whole : (N, [Z,] Y, X) Tensor
        0 where the shape of objects is unknown.
    n_classes : int
        Classes, background included.
    thing_classes : tuple of int
        The classes whose voxels belong to objects.
    """

    image: Tensor
    classes: Tensor
    weight: Tensor
    instances: Tensor
    whole: Tensor
    n_classes: int
    thing_classes: tuple[int, ...] = ()


@runtime_checkable
class HasOwnLosses(Protocol):
    """A network that knows losses beside those a person picks (edges, proposals, boxes)."""

    def own_losses(self, outputs: Outputs, truth: Truth) -> dict[str, Tensor]:
        """Scalars by name, already weighted; they are added to the loss and plotted."""


def depth_groups(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The parts of a network from the input to the output, as (name, module).

    Parts are the attributes in the order in which they were made; lists, and modules with `by_parts`, count by element.
    Parts without parameters are left out. Gradient norms by depth, freezing and layer-wise learning rates go by these groups.

    Examples
    --------
    >>> from napari_segplugin.networks.unet import UNet
    >>> [name for name, _ in depth_groups(UNet(2, 1, 2, widths=(4, 8)))]
    ['down.0', 'down.1', 'reduce.0', 'up.0', 'heads.0']
    """
    for name, child in network.named_children():
        if isinstance(child, nn.ModuleList) or getattr(child, "by_parts", False):
            yield from ((f"{name}.{inner}", part) for inner, part in depth_groups(child))
        elif any(True for _ in child.parameters()):
            yield name, child


def encoder_groups(network: nn.Module) -> tuple[str, ...]:
    """Names of the groups that form the encoder: what transfer learning freezes first.

    A network says so by ``encoder_parts``, the names of its attributes.
    """
    parts = tuple(getattr(network, "encoder_parts", ("encoder",)))
    return tuple(name for name, _ in depth_groups(network) if name.split(".")[0] in parts)


__all__ = ["HasOwnLosses", "Outputs", "Truth", "depth_groups", "encoder_groups"]
