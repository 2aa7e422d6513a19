"""The pictures of the page about techniques: what goes in on the left, what comes out on the right.

    python scripts/technique_pictures.py [--only NAME …] [--out docs/images/techniques]

Images are those that this package and scikit-image ship. A setting that is not given here is the default.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_segplugin.classical import run_cleanup, run_technique, seeds_from_points
from napari_segplugin.classical.colour.clusters import quantised
from napari_segplugin.classical.regions.split_merge import split_tree
from napari_segplugin.core import BACKGROUND_PAINT
from napari_segplugin.io import load_sample

HEIGHT = 240
MOST_BYTES = 58_000
COLOURS = np.array(
    [
        (255, 200, 0),
        (0, 160, 255),
        (255, 80, 80),
        (60, 200, 90),
        (200, 110, 255),
        (255, 140, 30),
        (0, 210, 200),
        (240, 120, 180),
    ]
)
LINE = (255, 200, 0)
MARK = (255, 60, 60)
BESIDE = (0, 160, 255)


@dataclass
class Shot:
    """A picture: the image, settings, points (with their class) or a box, and how the result is drawn."""

    image: str
    settings: dict[str, Any] = field(default_factory=dict)
    points: tuple[tuple[int, int, int], ...] = ()
    brush: int = 0
    box: tuple[slice, ...] | None = None
    draw: str = "outline"


def image_of(name: str) -> np.ndarray:
    """(C, Y, X)."""
    if name in ("nuclei2d", "axon_sem"):
        array = np.asarray(load_sample(name).image.array)
        return array[None, :256, :320]
    if name == "coins":
        return skimage.data.coins()[None, :240, :320]
    if name == "page":
        return skimage.data.page()[None, :, :320]
    if name == "camera":
        return skimage.data.camera()[None, 40:360, 80:480]
    if name == "astronaut":
        return np.moveaxis(skimage.data.astronaut()[:300, 60:440], -1, 0)
    if name == "cat":
        return np.moveaxis(skimage.data.chelsea()[:, 40:440], -1, 0)
    if name == "coffee":
        return np.moveaxis(skimage.data.coffee()[20:380:1, 90:570:1], -1, 0)[:, ::2, ::2]
    return np.moveaxis(skimage.data.immunohistochemistry()[:300, :380], -1, 0)


COIN = (slice(26, 82), slice(14, 74))
COINS = tuple(
    (y, x)
    for y, xs in ((53, (44, 101, 159, 217, 274)), (125, (44, 101, 157, 207, 270)), (196, (46, 103, 155, 210, 268)))
    for x in xs
)
BETWEEN = tuple((y, x) for y in (90, 160) for x in (20, 72, 130, 185, 240))
SHOTS = {
    "threshold": Shot("nuclei2d"),
    "multi_otsu": Shot("camera", {"classes": 3}, draw="classes"),
    "local_threshold": Shot("page", {"objects": "dark", "contrast": 0.1, "window": 41}, draw="mask"),
    "hysteresis": Shot("nuclei2d", {"weak": 0.4}),
    "gradient": Shot("coins", {"fill": "none", "smooth": 1.0}, draw="lines"),
    "canny": Shot("coins", {"smooth": 1.5}),
    "zero_crossings": Shot("nuclei2d"),
    "split_merge": Shot("camera", {"threshold": 0.06}, draw="objects"),
    "region_growing": Shot("camera", {"tolerance": 0.12}, ((210, 110, 1),), 4),
    "watershed": Shot("nuclei2d", draw="objects"),
    "watershed_markers": Shot(
        "coins",
        {},
        (*((y, x, i + 1) for i, (y, x) in enumerate(COINS)), *((y, x, BACKGROUND_PAINT) for y, x in BETWEEN)),
        4,
    ),
    "chan_vese": Shot("nuclei2d", {"smoothing": 2}),
    "chan_vese_box": Shot("camera", {"smooth": 1.0, "smoothing": 3}, box=(slice(160, 290), slice(50, 150))),
    "geodesic_contour": Shot("coins", {}, box=COIN),
    "random_walker": Shot(
        "coins", {"smooth": 1.0}, (*((y, x, 1) for y, x in COINS), *((y, x, BACKGROUND_PAINT) for y, x in BETWEEN)), 4
    ),
    "graph_cut": Shot("cat", {}, box=(slice(10, 290), slice(40, 330))),
    "kmeans": Shot("ihc", {"classes": 3, "background": "brightest"}, draw="classes"),
    "gaussian_mixture": Shot("ihc", {"classes": 3, "background": "brightest"}, draw="classes"),
    "mean_shift": Shot("coffee", {"width": 0.12, "background": "none"}, draw="classes"),
    "slic": Shot("coffee", {"size": 16, "merge": 0.0}, draw="grid"),
    "felzenszwalb": Shot("coffee", {"scale": 200}, draw="grid"),
    "quickshift": Shot("coffee", {"merge": 0.0}, draw="grid"),
}


def shown(image: np.ndarray) -> np.ndarray:
    """(Y, X, 3) uint8 of one or three channels."""
    if len(image) == 3:
        return np.moveaxis(image, 0, -1).astype(np.uint8)
    low, high = np.percentile(image, (0.5, 99.7))
    gray = np.clip((image[0].astype(float) - low) / max(high - low, 1e-9), 0, 1) * 255
    return np.repeat(gray[..., None], 3, -1).astype(np.uint8)


def coloured(labels: np.ndarray, picture: np.ndarray, strength: float = 0.55) -> np.ndarray:
    """Labels in colours over the picture."""
    paint = COLOURS[(labels - 1) % len(COLOURS)]
    mixed = (1 - strength) * picture + strength * paint
    return np.where(labels[..., None] > 0, mixed, picture).astype(np.uint8)


def edges_of(labels: np.ndarray) -> np.ndarray:
    """Where a label meets another, one pixel wide."""
    return labels != ndimage.grey_erosion(labels, footprint=np.array([[0, 1, 0], [0, 1, 1], [0, 0, 0]]))


def drawn(labels: np.ndarray, picture: np.ndarray, how: str) -> np.ndarray:
    """The result over the picture, twice as large, so that lines are thin."""
    scale = max(1, round(2 * HEIGHT / len(labels)))
    large, back = np.kron(labels, np.ones((scale, scale), labels.dtype)), picture.repeat(scale, 0).repeat(scale, 1)
    if how in ("mask", "lines"):
        back = back // 3 if how == "lines" else np.full_like(back, 255)
        return np.where(large[..., None] > 0, LINE if how == "lines" else (20, 20, 20), back).astype(np.uint8)
    out = back if how in ("outline", "grid") else coloured(large, back, 0.8 if how == "classes" else 0.4)
    if how != "classes":
        line = ndimage.binary_dilation(edges_of(large))
        out = np.where(line[..., None], LINE, out)
    return out.astype(np.uint8)


def with_marks(picture: np.ndarray, shot: Shot) -> np.ndarray:
    """Points and box drawn in red."""
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    radius = max(3, shot.brush)
    for y, x, number in shot.points:
        colour = BESIDE if number == BACKGROUND_PAINT else MARK
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=(255, 255, 255))
    if shot.box is not None:
        rows, columns = shot.box
        pen.rectangle((columns.start, rows.start, columns.stop, rows.stop), outline=MARK, width=3)
    return np.asarray(canvas)


def beside(*panels: np.ndarray, height: int = HEIGHT) -> Image.Image:
    """Panels of one height next to each other."""
    images = [Image.fromarray(p) for p in panels]
    images = [i.resize((round(i.width * height / i.height), height), Image.Resampling.LANCZOS) for i in images]
    out = Image.new("RGB", (sum(i.width for i in images) + 6 * (len(images) - 1), height), "white")
    at = 0
    for image in images:
        out.paste(image, (at, 0))
        at += image.width + 6
    return out


def save(picture: Image.Image, path: Path) -> None:
    """A PNG with as many colours as fit into the size; those of lines and marks are kept."""
    # a patch of each, so that the palette has room for them
    kept = np.array([*COLOURS.tolist(), MARK], np.uint8)
    patch = Image.fromarray(np.repeat(kept[None], 24, 0).repeat(24, 1)).resize(
        (picture.width, 24), Image.Resampling.NEAREST
    )
    both = Image.new("RGB", (picture.width, picture.height + 24))
    both.paste(picture, (0, 0))
    both.paste(patch, (0, picture.height))
    for colours in (256, 128, 96, 64, 48, 32):
        buffer = io.BytesIO()
        palette = both.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        picture.quantize(palette=palette, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            break
    path.write_bytes(buffer.getvalue())


def take(name: str) -> Image.Image:
    """The picture of a technique."""
    shot = SHOTS[name]
    image = image_of(shot.image)
    marks: dict[str, Any] = {}
    if shot.points:
        places = np.array([p[:2] for p in shot.points])
        seeds = seeds_from_points(places, image.shape[1:], np.array([p[2] for p in shot.points]))
        marks["seeds"] = ndimage.grey_dilation(seeds, 2 * shot.brush + 1) if shot.brush else seeds
    if shot.box is not None:
        marks["box"] = shot.box
    labels = run_technique(name, image, **marks, **shot.settings)
    picture = shown(image)
    return beside(with_marks(picture, shot), drawn(labels, picture, shot.draw))


def tree_picture() -> Image.Image:
    """The blocks before they are merged, and the regions after."""
    image = image_of("camera")
    back = np.ascontiguousarray(shown(image).repeat(2, 0).repeat(2, 1))
    canvas = Image.fromarray(back)
    pen = ImageDraw.Draw(canvas)
    for block in split_tree(image.astype(np.float32), threshold=0.06, smallest_block=4):
        (y, x), (height, width) = (block["origin"] * 2).tolist(), (block["size"] * 2).tolist()
        pen.rectangle((x, y, x + width, y + height), outline=LINE)
    return beside(shown(image), np.asarray(canvas))


def quantised_picture() -> Image.Image:
    """The photograph, and it in 6, 8 and 10 colours."""
    image = image_of("coffee")
    return beside(shown(image), *(shown(quantised(image, k)) for k in (6, 8, 10)), height=170)


def cleanup_picture() -> Image.Image:
    """A threshold, and the same after splitting and tidying."""
    image = image_of("nuclei2d")
    before = run_technique("threshold", image, factor=0.8)
    after = run_cleanup("remove_small", run_cleanup("fill_holes", before), size=30)
    after = run_cleanup("split_touching", after)
    picture = shown(image)
    return beside(drawn(before, picture, "objects"), drawn(after, picture, "objects"))


OTHERS = {"split_tree": tree_picture, "quantised": quantised_picture, "cleanup": cleanup_picture}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("docs/images/techniques"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.only or (*SHOTS, *OTHERS):
        save(OTHERS[name]() if name in OTHERS else take(name), args.out / f"{name}.png")


if __name__ == "__main__":
    main()
