"""Touching objects made from lonely ones: copies of objects are set beside others, so that few images teach to part them.

Copy and paste as augmentation follows Ghiasi et al. 2021 (arXiv 2012.07177); setting the copies edge to edge, and mixing
bright objects by the maximum (dark ones by the minimum) so that blurred outlines add up as under a microscope, is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

_HALO = 2


@dataclass(frozen=True, eq=False)
class _Piece:
    """An object cut from an image: pixels (C, ...), its mask, and a mask with the blurred surroundings."""

    pixels: np.ndarray
    mask: np.ndarray
    wide: np.ndarray


def paste_objects(
    image: np.ndarray, instances: np.ndarray, classes: np.ndarray, rng: np.random.Generator, *, share: float = 0.7
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Set copies of objects beside others.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
        Normalised.
    instances, classes : ([Z,] Y, X) ndarray of int
    rng : numpy Generator
    share : float
        Copies as a share of the objects.

    Returns
    -------
    image, instances, classes : ndarray
        New arrays. A copy never hides more than a tenth of another object; copies that find no place are left out.
    """
    image, instances, classes = image.copy(), instances.copy(), classes.copy()
    boxes = [(number, box) for number, box in enumerate(ndi.find_objects(instances), 1) if box is not None]
    boxes = [(n, b) for n, b in boxes if not _cut_by_border(b, instances.shape)]
    if not boxes:
        return image, instances, classes
    sign = _polarity(image, instances)
    fresh = int(instances.max()) + 1
    for _ in range(max(1, round(share * len(boxes)))):
        number, box = boxes[rng.integers(len(boxes))]
        anchor_number, anchor = boxes[rng.integers(len(boxes))]
        piece = _turned(_cut(image, instances, number, box), rng)
        place = _find_place(piece.mask, instances, anchor_number, anchor, rng)
        if place is None:
            continue
        class_id = (
            int(np.bincount(classes[box][instances[box] == number]).argmax()) if (instances[box] == number).any() else 0
        )
        if class_id:
            _put(image, instances, classes, piece, place, fresh, class_id, sign, rng)
            fresh += 1
    return image, instances, classes


def _cut_by_border(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    return any(s.start <= _HALO or s.stop >= n - _HALO for s, n in zip(box, shape, strict=True))


def _polarity(image: np.ndarray, instances: np.ndarray) -> int:
    """1 where objects are brighter than the rest, -1 where darker, 0 where neither (textures, colour)."""
    inside, outside = image[:, instances > 0], image[:, instances == 0]
    if not inside.size or not outside.size:
        return 0
    difference = inside.mean(1) - outside.mean(1)
    spread = inside.std(1) + outside.std(1) + 1e-6
    if (difference > 0.5 * spread).all():
        return 1
    return -1 if (difference < -0.5 * spread).all() else 0


def _cut(image: np.ndarray, instances: np.ndarray, number: int, box: tuple[slice, ...]) -> _Piece:
    around = tuple(slice(s.start - _HALO, s.stop + _HALO) for s in box)
    mask = instances[around] == number
    wide = ndi.binary_dilation(mask, iterations=_HALO) & (mask | (instances[around] == 0))
    return _Piece(image[(slice(None), *around)].copy(), mask, wide)


def _turned(piece: _Piece, rng: np.random.Generator) -> _Piece:
    """A quarter turn in the plane, and a flip."""
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))

    def turn(x: np.ndarray) -> np.ndarray:
        y = np.rot90(x, turns, axes=(-2, -1))
        return np.ascontiguousarray(np.flip(y, -1) if flip else y)

    return _Piece(turn(piece.pixels), turn(piece.mask), turn(piece.wide))


def _find_place(
    mask: np.ndarray, instances: np.ndarray, number: int, anchor: tuple[slice, ...], rng: np.random.Generator
) -> tuple[slice, ...] | None:
    """Move away from the anchor in a random direction until the copy just touches it, and hides nothing else."""
    shape = np.array(instances.shape)
    size = np.array(mask.shape)
    centre = np.array([(s.start + s.stop) / 2 for s in anchor])
    direction = rng.normal(size=len(shape))
    direction[:-2] *= 0.3  # stay near the plane: volumes are often thin
    direction /= np.linalg.norm(direction)
    allowed = rng.uniform(0.0, 0.08) * mask.sum()
    for radius in np.arange(2, float(size.max()) + max(s.stop - s.start for s in anchor), 1.0):
        start = np.round(centre + radius * direction - size / 2).astype(int)
        if (start < 0).any() or (start + size > shape).any():
            return None
        place = tuple(slice(int(a), int(a + n)) for a, n in zip(start, size, strict=True))
        hidden = instances[place][mask]
        if np.count_nonzero(hidden) <= allowed:
            others = hidden[(hidden > 0) & (hidden != number)]
            return place if not others.size else None
    return None


def _put(
    image: np.ndarray, instances: np.ndarray, classes: np.ndarray, piece: _Piece, place: tuple[slice, ...], number: int,
    class_id: int, sign: int, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Mix the pixels, then write the labels where no other object is."""
    target = image[(slice(None), *place)]
    pixels = piece.pixels * rng.uniform(0.7, 1.2) if sign > 0 else piece.pixels
    if sign:
        mixed = np.maximum(target, pixels) if sign > 0 else np.minimum(target, pixels)
        target[:, piece.wide] = mixed[:, piece.wide]
    else:
        free = piece.mask & (instances[place] == 0)
        target[:, free] = pixels[:, free]
    free = piece.mask & (instances[place] == 0)
    instances[place][free] = number
    classes[place][free] = class_id
