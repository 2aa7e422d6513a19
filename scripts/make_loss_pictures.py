"""Make the pictures of docs/losses.md: how each loss pulls at four wrong predictions of one real nucleus.

    python scripts/make_loss_pictures.py [folder]

The nucleus is from the shipped sample "nuclei2d"; its neighbours count as unknown. Colours show the gradient of the loss
by the logit of "nucleus", with its sign turned: where training pulls up or down.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage as ndi

from napari_segplugin.io import load_sample
from napari_segplugin.losses import LOSSES

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "losses"
NUCLEUS, CORNER, SIDE, ZOOM = 43, (113, 12), 48, 4
UP, DOWN, TRUTH, GUESS, UNKNOWN = (213, 94, 0), (0, 114, 178), (0, 0, 0), (0, 158, 115), (205, 205, 205)
GAP, HEAD, FOOT = 10, 22, 22


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intensities from 0 to 1, the nucleus, and what is known."""
    sample = load_sample("nuclei2d")
    cut = tuple(slice(c, c + SIDE) for c in CORNER)
    image, truth = np.asarray(sample.image.array[cut], float), sample.truth[cut]
    nucleus = truth == NUCLEUS
    return np.clip(image / np.percentile(image, 99.5), 0, 1), nucleus, nucleus | (truth == 0)


def logits_of(mask: np.ndarray) -> np.ndarray:
    """Logits that are sure away from the outline and unsure at it."""
    depth = ndi.distance_transform_edt(mask) - ndi.distance_transform_edt(~mask)
    return np.clip(depth, -4, 4)


def predictions(nucleus: np.ndarray) -> dict[str, np.ndarray]:
    """Four ways to be wrong, as logits of "nucleus" against "background"."""
    noise = ndi.gaussian_filter(np.random.default_rng(4).normal(size=nucleus.shape), 1.2)
    y, x = np.indices(nucleus.shape)
    spot = (y - 39) ** 2 + (x - 9) ** 2 < 26
    return {
        "moved by 5 pixels": logits_of(np.roll(nucleus, (3, -4), (0, 1))),
        "shrunken by 3 pixels": logits_of(ndi.binary_erosion(nucleus, iterations=3)),
        "noisy": logits_of(nucleus) + 3.2 * noise / noise.std(),
        "false alarm": logits_of(nucleus | spot),
    }


def pulls(name: str, guesses: np.ndarray, nucleus: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """The turned gradient at each pixel of each guess, and the loss of each."""
    half = torch.as_tensor(guesses, dtype=torch.float64) / 2
    logits = torch.stack([-half, half], 1)
    target = torch.as_tensor(nucleus).long().expand(len(guesses), -1, -1)
    weight = torch.as_tensor(known).double().expand(len(guesses), -1, -1)
    loss, gradients, values = LOSSES.load(name), [], []
    # what is balanced between images needs all of them at once
    groups = [slice(None)] if name == "iou_balanced" else [slice(i, i + 1) for i in range(len(guesses))]
    for group in groups:
        z = logits[group].clone().requires_grad_()
        value = loss(z, target[group], weight[group])
        value.backward()
        gradients.append(-z.grad[:, 1].numpy() * len(z))
        values += [float(loss(*(a[i : i + 1] for a in (logits, target, weight)))) for i in range(len(guesses))[group]]
    return np.concatenate(gradients), values


def outline(mask: np.ndarray) -> np.ndarray:
    """The rim of an enlarged mask, two pixels wide."""
    large = np.kron(mask, np.ones((ZOOM, ZOOM), bool))
    return large & ~ndi.binary_erosion(large, iterations=2, border_value=1)


def panel(colours: np.ndarray, nucleus: np.ndarray, guess: np.ndarray | None, truth: tuple[int, ...]) -> Image.Image:
    """An enlarged picture with outlines."""
    pixels = np.kron(colours, np.ones((ZOOM, ZOOM, 1))).astype(np.uint8)
    pixels[outline(nucleus)] = truth
    if guess is not None:
        dashes = np.indices(pixels.shape[:2]).sum(0) % 12 < 7
        pixels[outline(guess > 0) & dashes] = GUESS
    return Image.fromarray(pixels)


def shade(pull: np.ndarray, known: np.ndarray) -> np.ndarray:
    """White where nothing pulls, orange up, blue down, grey where unknown; `pull` from -1 to 1."""
    strength = np.sqrt(np.clip(np.abs(pull), 0, 1))[..., None]
    colours = 255 * (1 - strength) + strength * np.where(pull[..., None] > 0, UP, DOWN)
    return np.where(known[..., None], colours, UNKNOWN)


def sheet(panels: list[Image.Image], heads: list[str], feet: list[str]) -> Image.Image:
    """Panels side by side with text above and below."""
    side = SIDE * ZOOM
    page = Image.new("RGB", (len(panels) * (side + GAP) + GAP, HEAD + side + FOOT), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for i, (picture, head, foot) in enumerate(zip(panels, heads, feet, strict=True)):
        x = GAP + i * (side + GAP)
        page.paste(picture, (x, HEAD))
        draw.rectangle((x, HEAD, x + side - 1, HEAD + side - 1), outline=(120, 120, 120))
        draw.text((x + side / 2, HEAD / 2), head, "black", font, anchor="mm")
        draw.text((x + side / 2, HEAD + side + FOOT / 2), foot, "black", font, anchor="mm")
    return page


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    image, nucleus, known = scene()
    guesses = predictions(nucleus)
    stack = np.stack(list(guesses.values()))
    photo = panel(255 * np.repeat(image[..., None], 3, 2), nucleus, None, (240, 228, 66))
    for name in LOSSES.names():
        pull, values = pulls(name, stack, nucleus, known)
        feet = [f"loss {v:.3f}" for v in values]
        if name == "iou_balanced":
            plain, _ = pulls("cross_entropy", stack, nucleus, known)
            feet = [
                f"pull on nucleus x {p[nucleus].sum() / q[nucleus].sum():.2f}" for p, q in zip(pull, plain, strict=True)
            ]
        scale = np.percentile(np.abs(pull[:, known]), 99.8)
        panels = [panel(shade(p / scale, known), nucleus, g, TRUTH) for p, g in zip(pull, stack, strict=True)]
        page = sheet([photo, *panels], ["image, truth", *guesses], ["", *feet])
        page.save(folder / f"{name}.png", optimize=True)
        print(f"{name}.png {(folder / f'{name}.png').stat().st_size / 1000:.0f} kB", [round(v, 3) for v in values])


if __name__ == "__main__":
    main()
