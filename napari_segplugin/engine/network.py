"""From a bundle to a network that is ready to predict: weights, folded normalisation, memory layout, precision."""

from __future__ import annotations

import copy
import hashlib
import math
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_segplugin.core import InputError, ModelBundle, ModelSpec
from napari_segplugin.networks import build, is_detector, network_row
from napari_segplugin.networks.blocks import crop, pad_to_multiple
from napari_segplugin.networks.steady import Steady
from napari_segplugin.tasks import codec_of, head_row, n_maps

_KEPT = 4


@dataclass(frozen=True, eq=False)
class ReadyNetwork:
    """A network that is ready to predict.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode, on `device`, in `dtype`.
    device : torch.device
    dtype : torch.dtype
    ndim, in_channels : int
    n_classes, n_maps : int
        The first `n_classes` maps are classes (softmax).
    kinds : tuple of str
        What each of the others is (:data:`napari_segplugin.tasks.base.MAP_KINDS`).
    halo : tuple of int
        Reach of a voxel.
    multiple : tuple of int
        Tiles start at its multiples.
    bytes_per_voxel : float
        Peak of the activations of one input voxel, in this `dtype`.
    """

    module: nn.Module
    device: torch.device
    dtype: torch.dtype
    ndim: int
    in_channels: int
    n_classes: int
    n_maps: int
    halo: tuple[int, ...]
    multiple: tuple[int, ...]
    bytes_per_voxel: float
    kinds: tuple[str, ...] = ()

    @torch.inference_mode()
    def __call__(self, array: np.ndarray, *, mirror: bool = False) -> Tensor:
        """Run normalised tiles (N, C, [Z,] Y, X); activated maps (N, K, [Z,] Y, X), float32, on the device."""
        x = self.tensor(array)
        with Steady():
            return self._mean(x) if mirror else self._maps(x)

    def _mean(self, x: Tensor) -> Tensor:
        """The mean over all mirrored copies."""
        axes = [2 + i for i in range(self.ndim)]
        # enlarged before it is mirrored: the windows of pooling lie as in the image then, in a tile as in the whole
        x, size = pad_to_multiple(x, self.multiple)
        total = self._maps(x)
        for turn in range(1, 2**self.ndim):
            flips = [a for i, a in enumerate(axes) if turn >> i & 1]
            total = total.add_(self._turned(self._maps(x.flip(flips)).flip(flips), flips))
        return crop(total / 2**self.ndim, size)

    def tensor(self, array: np.ndarray) -> Tensor:
        """Normalised tiles as input of the module."""
        x = torch.from_numpy(array).to(self.device)
        return x.to(self.dtype).contiguous(memory_format=layout(self.ndim))

    def _maps(self, x: Tensor) -> Tensor:
        return activate(self.module(x), self.n_classes, self.kinds)

    def _turned(self, maps: Tensor, flips: list[int]) -> Tensor:
        """Vectors of a mirrored copy point the other way along the mirrored axes."""
        offsets = [self.n_classes + i for i, kind in enumerate(self.kinds) if kind == "offset"]
        for axis, channel in enumerate(offsets):
            if 2 + axis in flips:
                maps[:, channel] *= -1
        return maps


OFFSET_UNIT = 16.0
"""Voxels that an offset map of 1 stands for inside the network, so that its numbers are of the size of the others."""


def activate(logits: Tensor, n_classes: int, kinds: tuple[str, ...] = ()) -> Tensor:
    """What a network's outputs (N, K + M, [Z,] Y, X) mean, float32: K class probabilities, then M maps by their kinds.

    Offsets come back in voxels, all other kinds in [0, 1].
    """
    logits = logits.float()
    classes = logits[:, :n_classes].softmax(1)
    if not kinds:
        return classes
    further = logits[:, n_classes:]
    linear = [i for i, kind in enumerate(kinds) if kind == "offset"]
    maps = further.sigmoid()
    if linear:
        maps[:, linear] = further[:, linear] * OFFSET_UNIT
    return torch.cat((classes, maps), 1)


def map_kinds(spec: ModelSpec) -> tuple[str, ...]:
    """What each map after the classes is; a network that finds boxes has none."""
    return () if is_detector(spec) else codec_of(spec).map_kinds(spec.ndim)


def with_packages(spec: ModelSpec) -> ModelSpec:
    """The spec with the names of the other packages that its network and head come from, so that a bundle can say them."""
    rows = (network_row(spec), *((head_row(spec),) if spec.head else ()))
    return replace(spec, packages=tuple(sorted({row.package for row in rows if row.package})))


def layout(ndim: int) -> torch.memory_format:
    """The memory layout in which convolutions run fastest: channels next to each other."""
    return torch.channels_last if ndim == 2 else torch.channels_last_3d


def load(bundle: ModelBundle, *, finite: bool = True) -> nn.Module:
    """The network of a bundle with its weights, float32 on the CPU, in training mode.

    Parameters
    ----------
    bundle : ModelBundle
    finite : bool
        Refuse weights that are no numbers: a prediction would be silently black. A training says so by its loss.

    Raises
    ------
    InputError
        If a weight is missing, left over, of another shape, or (with `finite`) not a finite number.
    """
    network = build(bundle.spec, n_maps(bundle.spec))
    wanted = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    given = {k: tuple(v.shape) for k, v in bundle.weights.items()}
    if wanted != given:
        raise InputError(
            f"The weights of '{bundle.name}' do not fit its network.",
            got=_difference(wanted, given),
            hint="The files of the model do not belong together: save or download the model again",
        )
    if finite:
        check_finite(bundle)
    network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in bundle.weights.items()})
    return network


def check_finite(bundle: ModelBundle) -> None:
    """See that every weight is a number.

    Raises
    ------
    InputError
        If one is NaN or infinite.
    """
    bad = [k for k, v in bundle.weights.items() if not np.isfinite(v).all()]
    if bad:
        problem = f"The weights of '{bundle.name}' contain values that are not numbers."
        raise InputError(problem, got=", ".join(bad[:3]), hint="Use an earlier model")


def _difference(wanted: Mapping[str, object], given: Mapping[str, object]) -> str:
    """The first few disagreements of two tables of shapes, as a phrase."""
    missing, extra = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    other = [f"{k} of shape {given[k]} instead of {wanted[k]}" for k in wanted if k in given and wanted[k] != given[k]]
    parts = [f"{len(missing)} missing ({missing[0]} …)"] if missing else []
    parts += [f"{len(extra)} left over ({extra[0]} …)"] if extra else []
    return "; ".join([*parts, *other[:2]])


def prepare(bundle: ModelBundle, device: torch.device, dtype: torch.dtype) -> ReadyNetwork:
    """The network of a bundle ready to predict; the last few are kept.

    Parameters
    ----------
    bundle : ModelBundle
    device : torch.device
    dtype : torch.dtype

    Returns
    -------
    ReadyNetwork
    """
    key = (id(bundle), str(device), str(dtype))
    with _LOCK:
        kept = _CACHE.get(key)
        if kept is not None and kept[0]() is bundle:
            _CACHE.move_to_end(key)
            return kept[1]
    prepared = _prepare(bundle, device, dtype)
    with _LOCK:
        _CACHE[key] = (weakref.ref(bundle), prepared)
        while len(_CACHE) > _KEPT:
            _CACHE.popitem(last=False)
    return prepared


def fingerprint(bundle: ModelBundle) -> str:
    """SHA-256 of the weights: names, shapes, number formats and values, as hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(bundle.weights):
        array = np.ascontiguousarray(bundle.weights[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


_LOCK = threading.Lock()
_CACHE: OrderedDict[tuple[int, str, str], tuple[weakref.ref[ModelBundle], ReadyNetwork]] = OrderedDict()


def _prepare(bundle: ModelBundle, device: torch.device, dtype: torch.dtype) -> ReadyNetwork:
    network = load(bundle).eval()
    ndim, inputs = bundle.spec.ndim, bundle.spec.in_channels
    # whole numbers of Python: those of NumPy, which a network of another package may give, are no JSON
    halo = tuple(int(n) for n in getattr(network, "halo", (32,) * ndim))
    multiple = tuple(int(n) for n in getattr(network, "multiple", (1,) * ndim))
    shape = (1, inputs, *(4 * m for m in multiple))
    probe = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    network = fold(network, probe)
    values = peak_values(network, probe)
    network = network.to(device=device, dtype=dtype, memory_format=layout(ndim))  # type: ignore[call-overload]
    kinds = map_kinds(bundle.spec)
    count = len(bundle.spec.classes) + len(kinds)
    size = torch.finfo(dtype).bits // 8
    # input as it is read, maps in float32 and their softmax come on top of the activations
    per_voxel = values * size + 8 * inputs + 12 * count
    n_classes = len(bundle.spec.classes)
    return ReadyNetwork(network, device, dtype, ndim, inputs, n_classes, count, halo, multiple, per_voxel, kinds)


@torch.no_grad()
def fold(network: nn.Module, probe: Tensor) -> nn.Module:
    """Fold every batch normalisation that directly follows a convolution into its weights.

    The pairs are found by running a probe and watching which convolution's output a normalisation receives, so it works
    for any network, whatever its attributes are called. The folded network has to give the same result on the probe;
    otherwise the network is returned as it was.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode, float32, on the CPU.
    probe : (1, C, [Z,] Y, X) Tensor

    Returns
    -------
    nn.Module
        A folded copy, or `network` where nothing can be folded.
    """
    copied = copy.deepcopy(network)
    before, pairs = _watch(copied, probe)
    if not pairs:
        return network
    for conv_name, norm_name in pairs:
        conv, norm = copied.get_submodule(conv_name), copied.get_submodule(norm_name)
        turned = isinstance(conv, nn.modules.conv._ConvTransposeNd)
        folded = fuse_conv_bn_eval(conv, norm, transpose=turned)  # type: ignore[type-var, arg-type]
        _replace(copied, conv_name, folded)
        _replace(copied, norm_name, nn.Identity())
    after = copied(probe)
    scale = float(before.abs().max()) or 1.0
    same = torch.allclose(before, after, rtol=1e-3, atol=1e-3 * scale)
    return copied.eval() if same else network


def _watch(network: nn.Module, probe: Tensor) -> tuple[Tensor, list[tuple[str, str]]]:
    """Run a probe; name the convolutions whose output went straight into a batch normalisation, each used once."""
    made: dict[int, str] = {}
    calls: dict[str, int] = {}
    pairs: list[tuple[str, str]] = []
    alive: list[Tensor] = []  # tensors are told apart by identity, so none may be freed while watching
    handles = []

    def watch(name: str, module: nn.Module) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            calls[name] = calls.get(name, 0) + 1
            if isinstance(module, nn.modules.conv._ConvNd):
                # torch folds transposed convolutions of one group only
                if module.groups == 1 or not module.transposed:
                    made[id(output)] = name
                    alive.append(output)
            elif id(inputs[0]) in made:
                pairs.append((made[id(inputs[0])], name))

        handles.append(module.register_forward_hook(hook))

    for name, module in network.named_modules():
        if isinstance(module, nn.modules.conv._ConvNd | nn.modules.batchnorm._BatchNorm):
            watch(name, module)
    try:
        result = network(probe)
    finally:
        for handle in handles:
            handle.remove()
    convs = [c for c, _ in pairs]
    once = [(c, n) for c, n in pairs if calls[c] == calls[n] == 1 and convs.count(c) == 1]
    return result, [(c, n) for c, n in once if _frozen(network.get_submodule(n))]


def _frozen(norm: nn.Module) -> bool:
    """Whether a normalisation uses statistics from training, not those of what it is given."""
    return getattr(norm, "running_mean", None) is not None


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent) if parent else network, child, module)


@torch.no_grad()
def peak_values(network: nn.Module, probe: Tensor) -> float:
    """Numbers that are held at once for each voxel of the input, at the worst moment.

    Counts what a layer reads and writes, and the maps that wait for a later join: the largest output of each
    resolution. A careful estimate, meant for the choice of tile sizes.
    """
    largest = 0
    waiting: dict[tuple[int, ...], int] = {}
    handles = []

    def hook(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal largest
        if isinstance(output, Tensor) and inputs and isinstance(inputs[0], Tensor):
            largest = max(largest, inputs[0].numel() + output.numel())
            shape = tuple(output.shape[2:])
            waiting[shape] = max(waiting.get(shape, 0), output.numel())

    for module in network.modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(hook))
    try:
        network(probe)
    finally:
        for handle in handles:
            handle.remove()
    return float(largest + sum(waiting.values())) / math.prod(probe.shape[2:])


__all__ = [
    "ReadyNetwork",
    "activate",
    "check_finite",
    "fingerprint",
    "fold",
    "layout",
    "load",
    "map_kinds",
    "peak_values",
    "prepare",
    "with_packages",
]
