"""One step of the optimizer: how fast each part learns, which stand still, in which precision and memory layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_segplugin.core import MEMORY_ERRORS, InputError, Job, Note, OutOfMemoryError
from napari_segplugin.core.words import pixel
from napari_segplugin.data.sampling import Batch, PatchSampler
from napari_segplugin.engine.device import give_back
from napari_segplugin.engine.memory import let_go
from napari_segplugin.engine.train.objective import Terms
from napari_segplugin.networks.base import depth_groups


class Stepper:
    """Takes one step after the other.

    Parameters
    ----------
    network : Module
        Lies on `device`.
    optimiser : Optimizer
    terms : Terms
    device : torch.device
    autocast : torch.dtype, optional
        Run forward and backward in this precision.
    elder : Module, optional
        The network from before the training, where the terms hold the new one to it.
    """

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        terms: Terms,
        device: torch.device,
        autocast: torch.dtype | None = None,
        elder: nn.Module | None = None,
    ) -> None:
        self.elder = elder
        self.network, self.optimiser, self.terms = network, optimiser, terms
        self.device, self.autocast = device, autocast
        # float16 (cards before Ampere) loses gradients below 6e-8: the loss is made larger for the way back (Micikevicius
        # et al. 2018, arXiv 1710.03740); bfloat16 and float32 need none of that
        self.scaler = torch.amp.GradScaler(device.type, init_scale=2.0**12, enabled=autocast is torch.float16)

    def __call__(self, batch: Batch, share: float, teacher: nn.Module | None = None) -> dict[str, float] | None:
        """Learn from a batch when `share` of the budget is used.

        Parameters
        ----------
        batch : Batch
        share : float
        teacher : Module, optional
            Gives pseudo-labels, where the terms ask for them.

        Returns
        -------
        dict of str to float, or None
            The loss and its terms; None where loss or gradient is not a number (the step is left out).
        """
        network, device, scaler = self.network, self.device, self.scaler
        batch = batch.to(device)
        image = batch.image.contiguous(memory_format=fast_layout(batch.image.shape[2:], device))
        with torch.autocast(device.type, dtype=self.autocast or torch.bfloat16, enabled=self.autocast is not None):
            out = network(image)
        parts = self.terms(network, out, batch, teacher, self.elder)
        loss = self.terms.total(parts, share)
        value = float(loss.detach())
        self.optimiser.zero_grad(set_to_none=True)
        if not math.isfinite(value):
            return None
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        # a finite loss may have a gradient that is none, in half precision above all; one such step would spoil every weight
        fine = bool(torch.isfinite(norm))
        if fine:
            scaler.step(self.optimiser)
        scaler.update()
        if not fine:
            return None
        return {"loss": value, **{k: float(v.detach()) for k, v in parts.items()}}

    def start_again(self) -> None:
        """Forget a step that was broken off in the middle; weights and the optimizer's memory stay."""
        self.optimiser.zero_grad(set_to_none=True)
        # it remembers that gradients were scaled back, and would refuse to do so in the next step
        scale, enabled = self.scaler.get_scale(), self.scaler.is_enabled()
        self.scaler = torch.amp.GradScaler(self.device.type, init_scale=scale, enabled=enabled)


class CarefulSteps:
    """Draws a batch and learns from it; where memory runs out, with half as many patches, then smaller ones from then on.

    A container ends a program that takes more than it may have, without a word, so on the processor what a step needs is
    estimated before the first one. A training never moves from a graphics card to the processor: it would take too long.

    Parameters
    ----------
    step : Stepper
    sampler : PatchSampler
        Its patches become smaller where even one is too large.
    batch : int
        Patches a step.
    """

    def __init__(self, step: Stepper, sampler: PatchSampler, batch: int) -> None:
        self.step, self.sampler, self.batch = step, sampler, batch
        self._multiple = getattr(step.network, "multiple", (1,) * len(sampler.patch))

    def plan(self, free: int) -> Job[None]:
        """Begin with what is likely to fit into so many bytes.

        Yields
        ------
        Note
            Where that is less than what was wanted.
        """
        channels = int(self.sampler.samples[0].image.shape[0])
        while step_bytes(self.step, (self.batch, channels, *self.sampler.patch)) > free:
            sentence = self._less()
            if not sentence:
                return  # an estimate is no reason to give up
            yield Note(f"Little memory is free; the training begins with {sentence}.")

    def __call__(self, share: float, teacher: nn.Module | None = None) -> Job[dict[str, float] | None]:
        """Take a step, see :class:`Stepper`.

        Yields
        ------
        Note
            When memory ran out and something smaller is tried.

        Raises
        ------
        InputError
            If a patch is so small that nothing can be normalised.
        OutOfMemoryError
            If memory is too small for a single patch of the smallest size.
        """
        while True:
            try:
                return self.step(self.sampler.draw(self.batch), share, teacher)
            except ValueError as error:
                if "more than 1 value per channel" not in str(error):
                    raise
                raise InputError(
                    "The patches are too small for this network: batch normalization needs more than one value.",
                    got=f"{self.batch} patch{'es' if self.batch > 1 else ''} at a time",
                    hint="Use more patches per step, or larger patches and images",
                ) from error
            except MEMORY_ERRORS as error:
                let_go(error)
            # out of the handler: the error's traceback holds what the step had in memory
            self.step.start_again()
            give_back(self.step.device)
            sentence = self._less()
            if not sentence:
                size = " × ".join(map(str, self.sampler.patch))
                card = "" if self.step.device.type == "cpu" else ", choose the processor as device,"
                raise OutOfMemoryError(
                    f"There is not enough memory to train, not even with one patch of {size} at a time. Close other "
                    f"programs{card} or use a smaller network."
                )
            yield Note(f"Memory ran out; the training continues with {sentence}.")

    def _less(self) -> str:
        """Take half as many patches, then patches of half the longest side; says so, nothing where they are small enough."""
        if self.batch > 1:
            self.batch //= 2
            return f"{self.batch} patches at a time" if self.batch > 1 else "one patch at a time"
        sides = [-(-n // (2 * m)) * m for n, m in zip(self.sampler.patch, self._multiple, strict=True)]
        # below two windows of the coarsest grid nothing is left to learn from
        able = [i for i, m in enumerate(self._multiple) if 2 * max(m, 8) <= sides[i] < self.sampler.patch[i]]
        if not able:
            return ""
        longest = max(able, key=lambda i: self.sampler.patch[i])
        self.sampler.patch = tuple(sides[i] if i == longest else n for i, n in enumerate(self.sampler.patch))
        return f"patches of {' × '.join(map(str, self.sampler.patch))} {pixel(len(sides))}s"


def step_bytes(step: Stepper, shape: Sequence[int]) -> int:
    """About how much memory a step takes, from what the way forward keeps for the way back; nothing is computed.

    Measured, a step takes 1.3 to 1.5 times what is kept (U-Net, SegNet, FastFCN and Kayalibay's network, 2D and 3D, float32
    on the processor), and the weights five times: themselves, their gradient, their average, two numbers of the optimizer.

    Parameters
    ----------
    step : Stepper
    shape : sequence of int
        (N, C, [Z,] Y, X) of a batch.

    Returns
    -------
    int
        Bytes; 0 where a network cannot be asked without computing.
    """
    network = step.network
    ghosts = {id(t): nn.Parameter(t.detach().to("meta"), t.requires_grad) for t in network.parameters()}
    weights = sum(t.nbytes for t in ghosts.values())
    ghost = deepcopy(network, {**ghosts, **{id(t): t.detach().to("meta") for t in network.buffers()}}).train()
    kept: dict[int, torch.UntypedStorage] = {}
    nothing = torch.empty(0)

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # held, so that no other gets its address
        return nothing  # a tensor that holds itself would never go

    half = step.autocast is not None
    try:
        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast(step.device.type, dtype=step.autocast or torch.bfloat16, enabled=half),
        ):
            ghost(torch.empty(tuple(shape), device="meta"))
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return 0
    own = {t.untyped_storage()._cdata for t in ghosts.values()}
    held = sum(s.nbytes() for address, s in kept.items() if address not in own)
    return 3 * held // 2 + 5 * weights


class MovingAverage:
    """Exponential moving average of the weights: what is kept, judged and used.

    The average starts short and grows with the number of steps, so short trainings profit too.
    """

    def __init__(self, network: nn.Module, decay: float = 0.995) -> None:
        self.network = deepcopy(network).eval()
        self.decay, self.count = decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step; counters are copied."""
        self.count += 1
        decay = min(self.decay, self.count / (self.count + 9))
        for mean, value in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(value.to(mean.dtype), 1 - decay)
            else:
                mean.copy_(value)


def state_arrays(network: nn.Module) -> dict[str, np.ndarray]:
    """The state of a network as NumPy arrays."""
    return {k: v.detach().to("cpu").float().numpy().copy() if v.is_floating_point() else v.cpu().numpy().copy()
            for k, v in network.state_dict().items()}  # fmt: skip


def learning_rate(peak: float, share: float, step: int, warm_up: int = 20) -> float:
    """Linear warm-up over the first steps, then half a cosine down to 1 % of the peak."""
    rise = min(1.0, (step + 1) / warm_up)
    return peak * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def parameter_groups(network: nn.Module, layer_decay: float) -> list[dict[str, Any]]:
    """One group of parameters for each part of the network, with its share of the learning rate.

    The share of the last part is 1; each part towards the input has `layer_decay` times that of the part after it, so
    that what a pretrained network knows of edges and textures changes least.
    """
    parts = list(depth_groups(network))
    groups: list[dict[str, Any]] = []
    for k, (name, part) in enumerate(parts):
        groups.append({"params": list(part.parameters()), "name": name, "share": layer_decay ** (len(parts) - 1 - k)})
    seen = {id(p) for group in groups for p in group["params"]}
    own = [p for p in network.parameters() if id(p) not in seen]
    return [*groups, {"params": own, "name": "", "share": 1.0}] if own else groups


def gradient_norms(network: nn.Module) -> dict[str, float]:
    """Norm of the gradient of each part, from the input to the output: a part that hardly learns shows here."""
    norms: dict[str, float] = {}
    for name, part in depth_groups(network):
        squares = [p.grad.detach().float().square().sum() for p in part.parameters() if p.grad is not None]
        norms[name] = float(torch.stack(squares).sum().sqrt()) if squares else 0.0
    return norms


def freeze(network: nn.Module, names: tuple[str, ...]) -> None:
    """Let every part learn but those named, whose statistics stay as they are too."""
    for name, part in depth_groups(network):
        part.requires_grad_(name not in names)
        if name in names:
            freeze_batch_norm(part)


def freeze_batch_norm(network: nn.Module) -> None:
    """Use the running statistics, and do not change them."""
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()


def fast_layout(spatial: torch.Size | tuple[int, ...], device: torch.device) -> torch.memory_format:
    """The memory layout in which training is fast and right.

    Channels last, but for volumes on the CPU: there torch 2.13's bfloat16 convolutions give wrong weight gradients in
    that layout once a level of the network is about two voxels deep.
    """
    if len(spatial) == 2:
        return torch.channels_last
    return torch.contiguous_format if device.type == "cpu" else torch.channels_last_3d


def safe_precision(
    wanted: torch.dtype | None, patch: Sequence[int], multiple: Sequence[int], device: torch.device
) -> torch.dtype | None:
    """The precision in which training is right: float32 (None) where half precision is known to fail.

    torch 2.13's bfloat16 convolutions on the CPU give wrong weight gradients, not numbers at all at times, for volumes that
    are only a voxel or two deep. So deep networks, whose lowest level is that shallow, train in float32 there.
    """
    shallow = len(patch) == 3 and min(p // m for p, m in zip(patch, multiple, strict=True)) < 3
    return None if device.type == "cpu" and shallow else wanted


__all__ = [
    "CarefulSteps",
    "MovingAverage",
    "Stepper",
    "fast_layout",
    "freeze",
    "freeze_batch_norm",
    "gradient_norms",
    "learning_rate",
    "parameter_groups",
    "safe_precision",
    "state_arrays",
    "step_bytes",
]
