"""The training loop: plain torch, one network, one device, a generator of events."""

from __future__ import annotations

import importlib
import math
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_segplugin.core import Event, InputError, Job, Metric, Note, Step, TrainSpec
from napari_segplugin.core.training import STARVED, Allowance
from napari_segplugin.data.sampling import PatchSampler
from napari_segplugin.engine.torch_import import quiet_import
from napari_segplugin.engine.train.checkpoint import (
    Checkpoint,
    Words,
    optimiser_arrays,
    restore_network,
    restore_optimiser,
)
from napari_segplugin.engine.train.objective import Terms
from napari_segplugin.engine.train.optimizer import (
    CarefulSteps,
    MovingAverage,
    Stepper,
    fast_layout,
    freeze,
    freeze_batch_norm,
    gradient_norms,
    learning_rate,
    parameter_groups,
    state_arrays,
)
from napari_segplugin.io.boundary import reading
from napari_segplugin.io.memory import free_host_memory
from napari_segplugin.networks.base import encoder_groups

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
    decode : dict
        Parameters of the decoder that suit these weights.
    """

    state: dict[str, np.ndarray]
    record: dict[str, object] = field(default_factory=dict)
    decode: dict[str, Any] = field(default_factory=dict)


class Budget:
    """How much of the budget is used: the larger share of time and steps.

    What comes after the last step needs time too. Where nobody has said how much, that is three looks at what is held out (one
    in the loop, one of the verdict, one for thresholds), and the time of three steps.
    """

    def __init__(self, spec: TrainSpec, allowed: Allowance | None = None) -> None:
        self.spec, self.step, self.looks = spec, 0, 0.0
        self.allowed = allowed or Allowance(spec.seconds)
        self.start = self.allowed.now()
        self.most = self.allowed.to_learn

    def go_on(self, step: int, seconds: float) -> None:
        """Count from where an earlier run was."""
        self.step, self.start = step, self.allowed.now() - seconds

    @property
    def seconds(self) -> float:
        """Seconds since the first step."""
        return self.allowed.now() - self.start

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        by_step = self.step / self.spec.steps if self.spec.steps > 0 else 0.0
        if self.spec.seconds <= 0:
            return min(1.0, by_step)
        used, known = self.seconds, self.allowed.reserve > 0
        after = (0.0 if known else 3 * self.looks) + (0.5 if known else 3) * used / max(1, self.step)
        most = max(self.most - after, self.spec.seconds / 4)
        return min(1.0, max(used / most, by_step))

    @property
    def expected(self) -> int:
        """About how many steps there will be."""
        return round(self.step / max(self.share, 1e-9))


def run_loop(
    network: nn.Module,
    sampler: PatchSampler,
    spec: TrainSpec,
    *,
    terms: Terms,
    batch: int,
    device: torch.device,
    judge: Judge | None = None,
    tolerance: float = 0.0,
    start: float | None = None,
    autocast: torch.dtype | None = None,
    average: float = 0.995,
    freeze_statistics: bool = False,
    stop: threading.Event | None = None,
    checkpoint: Checkpoint | None = None,
    allowed: Allowance | None = None,
) -> Job[LoopResult]:
    """Train until the time, the steps, or `stop`.

    Parameters
    ----------
    network : Module
        Is changed in place; hand in a fresh one.
    sampler : PatchSampler
    spec : TrainSpec
    terms : Terms
    batch : int
        Patches a step.
    device : torch.device
    judge : callable, optional
        Called every `spec.validate_every` seconds with the averaged network; the best state by its first number is kept.
        Without it, the last averaged state is.
    tolerance : float
        A later state that is worse by no more than this counts as good as the best: it has learnt more, and the figures
        of a few held-out strokes differ by chance (the rule of one standard error, Breiman et al. 1984).
    start : float, optional
        The first number of `judge` for the network as it comes, where that may be kept: it is if no later state does as well.
    autocast : torch.dtype, optional
        Run forward and backward in this precision.
    average : float
        Decay of the moving average.
    freeze_statistics : bool
        Keep the batch-normalisation statistics of the start (fine-tuning from few strokes).
    stop : threading.Event, optional
        Set from outside to end normally with the best state so far.
    checkpoint : Checkpoint, optional
        Where the training is kept, and from where it goes on.
    allowed : Allowance, optional
        The time of all that belongs to the training; a new one of `spec.seconds` where left out.

    Yields
    ------
    Step, Metric, Note

    Returns
    -------
    LoopResult

    Raises
    ------
    InputError
        If the loss becomes NaN or infinite and stays so, or a weight does.
    OutOfMemoryError
        If memory is too small for a single patch.
    """
    torch.manual_seed(spec.seed)
    if "torch._dynamo" not in sys.modules:
        with quiet_import():  # the first optimiser step would import it, in the middle of everything
            importlib.import_module("torch._dynamo")
    network = network.to(device, memory_format=fast_layout(sampler.patch, device))  # type: ignore[call-overload]
    elder = deepcopy(network).eval().requires_grad_(False) if terms.keep else None
    run = _Run(network, sampler, spec, average, checkpoint, _Best(tolerance, start, network), allowed)
    if run.resumed:
        yield Note(f"The training continues at step {run.progress.step}, where it was interrupted.")
    elif checkpoint is not None and checkpoint.damaged:
        yield Note("The training that was saved here is damaged and cannot be continued; it starts from the beginning.")
    step = CarefulSteps(Stepper(network, run.optimiser, terms, device, autocast, elder), sampler, batch)
    if device.type == "cpu":
        yield from step.plan(free_host_memory())
    progress, best = run.progress, run.best
    total = int(spec.seconds * 10) if spec.seconds > 0 else spec.steps
    bad = 0
    while progress.share < 1 and not (stop is not None and stop.is_set()):
        rate = run.set_up_step(freeze_statistics)
        losses = yield from step(progress.share, run.mean.network)
        bad = 0 if losses is not None else bad + 1
        if bad >= 10:
            raise _failed("the loss is no longer a number")
        run.take(losses)
        for name, value in (losses or {}).items():
            yield Metric(progress.step, name, value)
        yield Metric(progress.step, "learning rate", rate)
        yield Step(min(total, int(progress.share * total)), total)
        if judge is not None and best.due(progress, spec.validate_every):
            yield from best.look(judge, run.mean.network, progress)
        yield from run.warn()
        yield from run.keep()
    if judge is not None and best.looked != progress.step:
        yield from best.look(judge, run.mean.network, progress)
    if checkpoint is not None and progress.share >= 1:
        checkpoint.remove()
    return run.result()


class _Run:
    """What changes from step to step, and can be kept and taken up again."""

    def __init__(
        self,
        network: nn.Module,
        sampler: PatchSampler,
        spec: TrainSpec,
        average: float,
        checkpoint: Checkpoint | None,
        best: _Best,
        allowed: Allowance | None = None,
    ) -> None:
        self.network, self.sampler, self.spec, self.checkpoint = network, sampler, spec, checkpoint
        groups = parameter_groups(network, spec.layer_decay)
        # not the fused kernel: it takes no notice of the memory layout, which a resumed training has anew
        self.optimiser = torch.optim.AdamW(groups, lr=spec.learning_rate, weight_decay=1e-4)
        self.encoder = encoder_groups(network)
        self.mean, self.progress, self.best = MovingAverage(network, average), Budget(spec, allowed), best
        self.curve: list[tuple[int, float]] = []
        self.gradients: list[dict[str, object]] = []
        self.warned = False
        self.resumed = self._take_up()

    def set_up_step(self, freeze_statistics: bool) -> float:
        """Learning rate, frozen parts, statistics; returns the rate."""
        spec, progress = self.spec, self.progress
        self.network.train()
        if freeze_statistics:
            freeze_batch_norm(self.network)
        rate = learning_rate(spec.learning_rate, progress.share, progress.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        freeze(self.network, self.encoder if progress.share < spec.freeze or spec.freeze == 1 else ())
        return rate

    def take(self, losses: Mapping[str, float] | None) -> None:
        """Count a step; None where it was left out."""
        self.progress.step += 1
        if losses is None:
            return
        step = self.progress.step
        self.mean.update(self.network)
        self.curve.append((step, losses["loss"]))
        if step & (step - 1) == 0:  # at steps 1, 2, 4, 8 …: the start tells most
            self.gradients.append({"step": step, "norms": gradient_norms(self.network)})

    def warn(self) -> Iterator[Event]:
        """Say once that there will be too few steps to learn from, as soon as that can be told."""
        progress, seconds = self.progress, self.spec.seconds
        if self.warned or seconds <= 0 or progress.step < 2 or progress.share < 0.1:
            return
        self.warned = True
        if progress.expected < STARVED and not 0 < self.spec.steps <= progress.expected:
            yield Note(
                f"About {progress.expected} steps in {seconds:g} s: too few to learn from. Ten times as long would be "
                f"about {10 * progress.expected}."
            )

    def keep(self) -> Iterator[Event]:
        """Write the checkpoint when it is due; a full disk is a note, and no second try."""
        if self.checkpoint is None or not self.checkpoint.due:
            return
        torch_state, numpy_state = self.sampler.state()
        best = self.best
        tensors = {
            "network": state_arrays(self.network),
            "mean": state_arrays(self.mean.network),
            "optimiser": optimiser_arrays(self.optimiser),
            "best": best.state or {},
            "random": {"sampler": torch_state.numpy(), "global": torch.get_rng_state().numpy()},
        }
        words = {
            "step": self.progress.step,
            "seconds": self.progress.seconds,
            "averaged": self.mean.count,
            "curve": self.curve,
            "gradients": self.gradients,
            "best": [best.score if best.state else None, best.step, best.curve],
            "numpy": numpy_state,
        }
        try:
            self.checkpoint.write(tensors, words)
        except InputError as error:
            self.checkpoint = None
            yield Note(str(error), setting=error.setting)

    def result(self) -> LoopResult:
        """The best state, or the last average where none was judged, and how it came about."""
        progress, best = self.progress, self.best
        state = best.state or state_arrays(self.mean.network)
        if not all(np.isfinite(values).all() for values in state.values()):
            raise _failed("weights are no longer numbers")
        record: dict[str, object] = {
            "steps": progress.step,
            "seconds": round(progress.seconds, 2),
            "loss": _thin(self.curve),
        }
        record |= {
            "gradient_norms": self.gradients,
            "held_out": best.curve,
            "best_step": best.step if best.state else progress.step,
        }
        return LoopResult(state, record)

    def _take_up(self) -> bool:
        found = None if self.checkpoint is None else self.checkpoint.read()
        if found is None or self.checkpoint is None:
            return False
        with reading(self.checkpoint.path, "a saved training"):
            self._restore(*found)
        return True

    def _restore(self, tensors: Mapping[str, Mapping[str, np.ndarray]], words: Words) -> None:
        restore_network(self.network, tensors["network"])
        restore_network(self.mean.network, tensors["mean"])
        restore_optimiser(self.optimiser, tensors.get("optimiser", {}))
        self.sampler.restore((torch.from_numpy(np.array(tensors["random"]["sampler"])), words["numpy"]))
        torch.set_rng_state(torch.from_numpy(np.array(tensors["random"]["global"])))
        self.progress.go_on(words["step"], words["seconds"])
        self.mean.count = words["averaged"]
        self.curve, self.gradients = [(int(s), float(v)) for s, v in words["curve"]], words["gradients"]
        score, step, curve = words["best"]
        if score is not None:
            self.best.state, self.best.score = dict(tensors["best"]), float(score)
        self.best.step, self.best.curve = int(step), [dict(row) for row in curve]
        self.best.last = self.progress.seconds


def _failed(what: str) -> InputError:
    hint = "Lower the learning rate, or check the image for extreme values."
    return InputError(f"Training has failed: {what}.", hint=hint)


class _Best:
    """Keeps the last state that did as well on the held-out data as the best, within the tolerance, and as the first one.

    Where the figure of the first state, the network as it came, is given, that one is kept until another does as well.
    """

    def __init__(self, tolerance: float, start: float | None, network: nn.Module) -> None:
        known = start is not None and not math.isnan(start)
        self.state: dict[str, np.ndarray] | None = state_arrays(network) if known else None
        self.least = self.score = start if start is not None and known else -math.inf
        self.step, self.last, self.took = 0, 0.0, 0.0
        self.looked, self.tolerance = -1, tolerance
        self.curve: list[dict[str, float]] = []

    def due(self, progress: Budget, every: float) -> bool:
        """Looks take a tenth of the time at most, unless one is asked for after every step."""
        return not every or progress.seconds - self.last >= max(every, 9 * self.took)

    def look(self, judge: Judge, network: nn.Module, progress: Budget) -> Iterator[Event]:
        began = progress.seconds
        values = judge(network)
        self.last, self.looked = progress.seconds, progress.step
        self.took = progress.looks = self.last - began
        self.curve.append({"step": progress.step, "seconds": round(progress.seconds, 2), **values})
        for name, value in values.items():
            yield Metric(progress.step, name, value)
        first = next(iter(values.values()), math.nan)
        if math.isnan(first):
            yield Note("The data that were kept aside cannot be scored; the last state is kept.")
        elif first >= max(self.score - self.tolerance, self.least):
            self.state, self.step = state_arrays(network), progress.step
            self.score = max(self.score, first)


def _thin(curve: list[tuple[int, float]], most: int = 500) -> list[list[float]]:
    """At most `most` points of a curve, rounded."""
    step = max(1, math.ceil(len(curve) / most))
    return [[s, round(v, 5)] for s, v in curve[::step]]
