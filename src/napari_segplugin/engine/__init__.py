"""The verbs: predict, estimate, train, fine-tune. Importing this folder imports no torch; its members do."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_segplugin.engine.device import available_devices
    from napari_segplugin.engine.estimate import Estimate, estimate
    from napari_segplugin.engine.finetune import FineTuneResult, finetune
    from napari_segplugin.engine.predict import predict
    from napari_segplugin.engine.train import new_bundle, train

_HOME = {
    "available_devices": "device",
    "Estimate": "estimate",
    "estimate": "estimate",
    "FineTuneResult": "finetune",
    "finetune": "finetune",
    "predict": "predict",
    "new_bundle": "train",
    "train": "train",
}


def __getattr__(name: str) -> Any:
    """Import a verb when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = ["Estimate", "FineTuneResult", "available_devices", "estimate", "finetune", "new_bundle", "predict", "train"]
