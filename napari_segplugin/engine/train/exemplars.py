"""Rehearsal: fine-tuning also shows a network pieces of what it learnt from before, so that it forgets less.

Ten painted nuclei pull a network towards the one image they lie in; images of another look pay for it. Half of the patches
from pieces of earlier images keep most of what was known (Robins 1995, Catastrophic forgetting, rehearsal and
pseudorehearsal; measured in docs/benchmarks.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from napari_segplugin.core import Exemplars, ModelBundle, Sample
from napari_segplugin.data.sampling import Prepared
from napari_segplugin.tasks import codec_of

SIDES = {2: (128, 128), 3: (16, 64, 64)}
"""Voxels of an exemplar along each axis."""


def source_of(sample: Sample) -> str:
    """A digest of the image that a sample is about: corrections of the same image replace each other."""
    values = np.ascontiguousarray(sample.image.read())
    return hashlib.sha256(values.tobytes() + str(values.shape).encode()).hexdigest()[:16]


def cut_exemplars(prepared: Sequence[Prepared], sources: Sequence[str], count: int, seed: int = 0) -> Exemplars | None:
    """Cut `count` pieces out of samples, around known voxels, from as many samples as there are.

    Parameters
    ----------
    prepared : sequence of Prepared
    sources : sequence of str
        Where each comes from; see :func:`source_of`.
    count : int
    seed : int

    Returns
    -------
    Exemplars or None
        None where nothing is asked for or nothing is known.
    """
    rng = np.random.default_rng(seed)
    able = [i for i, p in enumerate(prepared) if bool((p.labels[1] > 0).any())]
    if not able or count < 1:
        return None
    order = [able[i] for _ in range(-(-count // len(able))) for i in rng.permutation(len(able))][:count]
    pieces = [_piece(prepared[i], rng) for i in order]
    image, labels, maps = (np.stack([p[k] for p in pieces]) for k in range(3))
    spacing = np.array([prepared[i].spacing for i in order], np.float64)
    source = np.array([sources[i] for i in order])
    return Exemplars(image.astype(np.float16), labels.astype(np.float32), maps.astype(np.float16), spacing, source)


def _piece(prepared: Prepared, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, labels and maps of a piece around a known voxel; what lies outside of the image is not known."""
    shape = prepared.image.shape[1:]
    side = SIDES[len(shape)]
    known = np.flatnonzero(prepared.labels[1].numpy() > 0)
    centre = np.unravel_index(rng.choice(known), shape)
    start = [int(min(max(c - s // 2, 0), max(n - s, 0))) for c, s, n in zip(centre, side, shape, strict=True)]
    part = (slice(None), *(slice(a, a + s) for a, s in zip(start, side, strict=True)))
    cut = [t[part].numpy() for t in (prepared.image, prepared.labels, prepared.maps)]
    pad = [(0, 0), *((0, s - n) for s, n in zip(side, cut[0].shape[1:], strict=True))]
    image, labels, maps = (np.pad(a, pad) for a in cut)
    return image, labels, maps


def merged(old: Exemplars | None, new: Exemplars | None, most: int, seed: int = 0) -> Exemplars | None:
    """Both together, at most `most` of the old ones; of an image that is in the new ones, the old ones are dropped."""
    if most < 1:
        return None
    if old is not None and new is not None:
        kept = np.flatnonzero(~np.isin(old.array("source"), new.array("source")))
        old = old.take(kept) if kept.size else None
    if old is not None and len(old) > most:
        old = old.take(np.sort(np.random.default_rng(seed).choice(len(old), most, replace=False)))
    parts = [e for e in (old, new) if e is not None]
    if len(parts) < 2:
        return parts[0] if parts else None
    return Exemplars(**{name: np.concatenate([e.array(name) for e in parts]) for name in Exemplars.NAMES})


def rehearsed(bundle: ModelBundle, but: Sequence[str] = ()) -> list[Prepared]:
    """The exemplars of a bundle as samples, but those of the images that are at hand anew.

    Empty where the bundle has none, or they do not fit its network.
    """
    if bundle.exemplars is None:
        return []
    found = bundle.exemplars.arrays()
    image, labels, maps = found["image"], found["labels"], found["maps"]
    kinds = codec_of(bundle.spec).map_kinds(bundle.spec.ndim)
    if image.shape[1] != bundle.spec.in_channels or maps.shape[1] != len(kinds):
        return []
    if image.ndim - 2 != bundle.spec.ndim or labels[:, 0].max() >= len(bundle.spec.classes):
        return []
    offsets = tuple(i for i, kind in enumerate(kinds) if kind == "offset")
    wanted = [i for i, source in enumerate(found["source"]) if source not in but]
    return [
        Prepared(
            _tensor(image[i]), _tensor(labels[i]), _tensor(maps[i]), tuple(map(float, found["spacing"][i])), offsets
        )
        for i in wanted
    ]


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array, np.float32))


__all__ = ["SIDES", "cut_exemplars", "merged", "rehearsed", "source_of"]
