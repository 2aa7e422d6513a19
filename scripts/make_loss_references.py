"""Make tests/losses/reference_values.json with MONAI, which the tests do not need.

pip install "monai>=1.6"
python scripts/make_loss_references.py
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from monai.losses import BoundaryLoss, DiceLoss, FocalLoss, GeneralizedDiceLoss, TverskyLoss

FOLDER = Path(__file__).parents[1] / "tests" / "losses"
sys.path.insert(0, str(FOLDER))

import loss_examples as examples  # noqa: E402

FOREGROUND = {"include_background": False, "to_onehot_y": True, "softmax": True}
EVERYTHING = {**FOREGROUND, "include_background": True}
SMOOTH = {"smooth_nr": 1.0, "smooth_dr": 1.0}
EXACT = {"smooth_nr": 0.0, "smooth_dr": 0.0}
PRICES = {"alpha": 0.3, "beta": 0.7}


def values(kind: str, classes: int, seed: int) -> dict[str, float]:
    """Each loss of one example."""
    logits, target, known = (torch.as_tensor(a) for a in examples.example(kind, classes, seed))
    partly = target.masked_fill(~known, classes)
    focal = {"to_onehot_y": True, "use_softmax": True, "gamma": 2.0}
    whole = {
        "dice": DiceLoss(**FOREGROUND, **SMOOTH, batch=True),
        "dice per image": DiceLoss(**FOREGROUND, **SMOOTH, batch=False),
        "dice squared": DiceLoss(**FOREGROUND, **SMOOTH, batch=True, squared_pred=True),
        "iou": DiceLoss(**FOREGROUND, **SMOOTH, batch=True, jaccard=True),
        "iou per image": DiceLoss(**FOREGROUND, **SMOOTH, batch=False, jaccard=True),
        "iou squared": DiceLoss(**FOREGROUND, **SMOOTH, batch=True, jaccard=True, squared_pred=True),
        "generalised_dice": GeneralizedDiceLoss(**EVERYTHING, **EXACT, batch=True),
        "generalised_dice per image": GeneralizedDiceLoss(**EVERYTHING, **EXACT, batch=False),
        "generalised_dice foreground": GeneralizedDiceLoss(**FOREGROUND, **EXACT, batch=True),
        "tversky": TverskyLoss(**FOREGROUND, **SMOOTH, **PRICES, batch=True),
        "focal": FocalLoss(**focal),
        "focal alpha": FocalLoss(**focal, alpha=examples.ALPHA[classes]),
        "focal one alpha": FocalLoss(**focal, alpha=0.25),
        "boundary": BoundaryLoss(**FOREGROUND),
    }
    masked = {
        "dice partly known": DiceLoss(**FOREGROUND, **SMOOTH, batch=True, ignore_index=classes),
        "tversky partly known": TverskyLoss(**FOREGROUND, **SMOOTH, **PRICES, batch=True, ignore_index=classes),
        "focal partly known": FocalLoss(**focal, reduction="sum", ignore_index=classes),
    }
    found = {name: float(loss(logits, target.unsqueeze(1))) for name, loss in whole.items()}
    return found | {name: float(loss(logits, partly.unsqueeze(1))) for name, loss in masked.items()}


def main() -> None:
    """Write the file."""
    stored: dict[str, Any] = {"made_with": {p: version(p) for p in ("monai", "torch")}}
    for case in examples.CASES:
        stored[" ".join(map(str, case))] = values(*case)
    (FOLDER / "reference_values.json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
