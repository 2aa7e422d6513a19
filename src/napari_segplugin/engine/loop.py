"""The training loop: plain torch, one network, one device, a generator of events."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segplugin.core import Event, InputError, Job, Metric, Note, Step, TrainSpec
from napari_segplugin.data.sampling import Batch, PatchSampler
from napari_segplugin.losses import build_loss

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

Judge = Callable[[nn.Module], Mapping[str, float]]
"""Measures a network on held-out data; the first number decides which state is best (higher is better)."""


@dataclass
class LoopResult:
    """What a training brings back.

    Parameters
    ----------
    state : dict of str to ndarray
        The best weights (moving average).
    record : dict
        Steps, seconds, loss and quality curves, the step of the best state.
    """

    state: dict[str, np.ndarray]
    record: dict[str, object] = field(default_factory=dict)


class MovingAverage:
    """Exponential moving average of the weights: what is kept, judged and used.

    The average starts short and grows with the number of steps, so short trainings profit too.
    """

    def __init__(self, network: nn.Module, decay: float = 0.995) -> None:
        self.network = deepcopy(network).eval()
        self.decay, self._count = decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step; counters are copied."""
        self._count += 1
        decay = min(self.decay, self._count / (self._count + 9))
        for mean, value in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(value.to(mean.dtype), 1 - decay)
            else:
                mean.copy_(value)


def state_arrays(network: nn.Module) -> dict[str, np.ndarray]:
    """The state of a network as NumPy arrays."""
    return {k: v.detach().to("cpu").float().numpy().copy() if v.is_floating_point() else v.cpu().numpy().copy()
            for k, v in network.state_dict().items()}  # fmt: skip


class Progress:
    """How much of the budget is used: the larger share of time and steps."""

    def __init__(self, spec: TrainSpec) -> None:
        self.spec, self.start, self.step = spec, time.monotonic(), 0

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        by_time = self.seconds / self.spec.seconds if self.spec.seconds > 0 else 0.0
        by_step = self.step / self.spec.steps if self.spec.steps > 0 else 0.0
        return min(1.0, max(by_time, by_step))


def learning_rate(peak: float, share: float, step: int, warm_up: int = 20) -> float:
    """Linear warm-up over the first steps, then half a cosine down to 1 % of the peak."""
    rise = min(1.0, (step + 1) / warm_up)
    return peak * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def batch_losses(
    outputs: tuple[Tensor, ...],
    batch: Batch,
    terms: Mapping[str, tuple[float, Loss]],
    n_classes: int,
    map_weight: float,
) -> dict[str, Tensor]:
    """Each term of the loss, summed over the outputs of deep supervision with weights 1, ½, ¼ … normalised to 1."""
    shares = [0.5**i for i in range(len(outputs))]
    losses: dict[str, Tensor] = {}
    for share, logits in zip(shares, outputs, strict=True):
        part = share / sum(shares)
        scaled = _at_scale(batch, logits.shape[2:])
        for name, (_, function) in terms.items():
            value = part * function(logits[:, :n_classes], scaled.classes, scaled.weight)
            losses[name] = losses[name] + value if name in losses else value
        if map_weight and scaled.maps.shape[1]:
            value = part * distance_loss(logits[:, n_classes:], scaled.maps, scaled.maps_weight)
            losses["distance"] = losses["distance"] + value if "distance" in losses else value
    return losses


def distance_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error of the sigmoid maps; voxels inside objects count three times, since most are outside."""
    w = weight.unsqueeze(1) * (1 + 2 * (target > 0))
    # masked before the sigmoid: a NaN of an unknown voxel must reach neither the sum nor the gradient
    logits = logits.float().where(w > 0, logits.new_zeros((), dtype=torch.float32))
    error = (logits.sigmoid() - target.where(w > 0, target.new_zeros(()))).abs()
    return (error * w).sum() / w.sum().clamp_min(1e-6)


def _at_scale(batch: Batch, size: torch.Size) -> Batch:
    """Targets at the size of a lower output, by nearest neighbour."""
    if batch.classes.shape[1:] == size:
        return batch

    def shrink(x: Tensor) -> Tensor:
        return F.interpolate(x, size=size, mode="nearest")

    classes = shrink(batch.classes[:, None].float())[:, 0].long()
    maps = shrink(batch.maps) if batch.maps.shape[1] else batch.maps.new_zeros((len(classes), 0, *size))
    return Batch(
        batch.image, classes, shrink(batch.weight[:, None])[:, 0], maps, shrink(batch.maps_weight[:, None])[:, 0]
    )


def run_loop(
    network: nn.Module,
    sampler: PatchSampler,
    spec: TrainSpec,
    *,
    n_classes: int,
    batch: int,
    device: torch.device,
    judge: Judge | None = None,
    map_weight: float = 2.0,
    autocast: torch.dtype | None = None,
    average: float = 0.995,
    freeze_statistics: bool = False,
    stop: threading.Event | None = None,
) -> Job[LoopResult]:
    """Train until the time, the steps, or `stop`.

    Parameters
    ----------
    network : Module
        Is changed in place; hand in a fresh one.
    sampler : PatchSampler
    spec : TrainSpec
    n_classes : int
        Leading maps that are class logits; the others are distance maps.
    batch : int
        Patches a step.
    device : torch.device
    judge : callable, optional
        Called every `spec.validate_every` seconds with the averaged network; the best state by its first number is kept.
        Without it, the last averaged state is.
    map_weight : float
        Weight of the distance maps in the sum.
    autocast : torch.dtype, optional
        Run forward and backward in this precision.
    average : float
        Decay of the moving average.
    freeze_statistics : bool
        Keep the batch-normalisation statistics of the start (fine-tuning from few strokes).
    stop : threading.Event, optional
        Set from outside to end normally with the best state so far.

    Yields
    ------
    Step, Metric, Note

    Returns
    -------
    LoopResult

    Raises
    ------
    InputError
        If the loss becomes NaN or infinite and stays so.
    """
    torch.manual_seed(spec.seed)
    terms = build_loss(spec.loss)
    network = network.to(device, memory_format=fast_layout(sampler.patch, device))  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=spec.learning_rate, weight_decay=1e-4)
    mean, progress, best = MovingAverage(network, average), Progress(spec), _Best()
    total = int(spec.seconds * 10) if spec.seconds > 0 else spec.steps
    curve: list[tuple[int, float]] = []
    bad = 0
    while progress.share < 1 and not (stop is not None and stop.is_set()):
        network.train()
        if freeze_statistics:
            freeze_batch_norm(network)
        rate = learning_rate(spec.learning_rate, progress.share, progress.step)
        for group in optimiser.param_groups:
            group["lr"] = rate
        losses = _step(network, sampler.draw(batch), terms, n_classes, map_weight, autocast, device, optimiser)
        bad = 0 if losses is not None else bad + 1
        if bad >= 10:
            raise InputError(
                "The loss is no longer a number.",
                hint="Lower the learning rate, or check the image for extreme values.",
            )
        progress.step += 1
        if losses is not None:
            mean.update(network)
            curve.append((progress.step, losses["loss"]))
            for name, value in losses.items():
                yield Metric(progress.step, name, value)
        yield Step(min(total, int(progress.share * total)), total)
        if judge is not None and best.due(progress, spec.validate_every):
            yield from best.look(judge, mean.network, progress)
    if judge is not None and best.looked != progress.step:
        yield from best.look(judge, mean.network, progress)
    state = best.state or state_arrays(mean.network)
    record: dict[str, object] = {"steps": progress.step, "seconds": round(progress.seconds, 2), "loss": _thin(curve)}
    record |= {"held_out": best.curve, "best_step": best.step if best.state else progress.step}
    return LoopResult(state, record)


def _step(
    network: nn.Module,
    batch: Batch,
    terms: Mapping[str, tuple[float, Loss]],
    n_classes: int,
    map_weight: float,
    autocast: torch.dtype | None,
    device: torch.device,
    optimiser: torch.optim.Optimizer,
) -> dict[str, float] | None:
    """One optimiser step; None where the loss is not a number (the step is left out)."""
    batch = Batch(*(t.to(device, non_blocking=True) for t in vars(batch).values()))
    image = batch.image.contiguous(memory_format=fast_layout(batch.image.shape[2:], device))
    with torch.autocast(device.type, dtype=autocast or torch.bfloat16, enabled=autocast is not None):
        out = network(image)
    outputs = out if isinstance(out, tuple) else (out,)
    parts = batch_losses(outputs, batch, terms, n_classes, map_weight)
    loss = torch.stack([terms[k][0] * v if k in terms else map_weight * v for k, v in parts.items()]).sum()
    value = float(loss.detach())
    optimiser.zero_grad(set_to_none=True)
    if not math.isfinite(value):
        return None
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimiser.step()
    return {"loss": value, **{k: float(v.detach()) for k, v in parts.items()}}


class _Best:
    """Keeps the state that did best on the held-out data."""

    def __init__(self) -> None:
        self.state: dict[str, np.ndarray] | None = None
        self.score, self.step, self.last = -math.inf, 0, 0.0
        self.looked = -1
        self.curve: list[dict[str, float]] = []

    def due(self, progress: Progress, every: float) -> bool:
        return progress.seconds - self.last >= every

    def look(self, judge: Judge, network: nn.Module, progress: Progress) -> Iterator[Event]:
        values = judge(network)
        self.last, self.looked = progress.seconds, progress.step
        self.curve.append({"step": progress.step, "seconds": round(progress.seconds, 2), **values})
        for name, value in values.items():
            yield Metric(progress.step, name, value)
        first = next(iter(values.values()), math.nan)
        if math.isnan(first):
            yield Note("The held-out data cannot be judged; the last state is kept.")
        elif first >= self.score:
            self.state, self.score, self.step = state_arrays(network), first, progress.step


def fast_layout(spatial: torch.Size | tuple[int, ...], device: torch.device) -> torch.memory_format:
    """The memory layout in which training is fast and right.

    Channels last, but for volumes on the CPU: there torch 2.13's bfloat16 convolutions give wrong weight gradients in
    that layout once a level of the network is about two voxels deep.
    """
    if len(spatial) == 2:
        return torch.channels_last
    return torch.contiguous_format if device.type == "cpu" else torch.channels_last_3d


def freeze_batch_norm(network: nn.Module) -> None:
    """Use the running statistics, and do not change them."""
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()


def _thin(curve: list[tuple[int, float]], most: int = 500) -> list[list[float]]:
    """At most `most` points of a curve, rounded."""
    step = max(1, math.ceil(len(curve) / most))
    return [[s, round(v, 5)] for s, v in curve[::step]]
