"""The verbs: predict, estimate, train, fine-tune. Importing this folder imports no torch; its members do."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_segplugin.engine.device import available_devices
    from napari_segplugin.engine.estimate import Estimate, estimate
    from napari_segplugin.engine.finetune import FineTuneResult, finetune
    from napari_segplugin.engine.folder_training import train_folder
    from napari_segplugin.engine.predict import predict
    from napari_segplugin.engine.prompt import Proposed, propose
    from napari_segplugin.engine.to_file import predict_to_file
    from napari_segplugin.engine.train import new_bundle, train

_HOME = {
    "available_devices": "device",
    "Estimate": "estimate",
    "estimate": "estimate",
    "FineTuneResult": "finetune",
    "finetune": "finetune",
    "predict": "predict",
    "predict_to_file": "to_file",
    "Proposed": "prompt",
    "propose": "prompt",
    "new_bundle": "train",
    "train": "train",
    "train_folder": "folder_training",
}


class _Verbs(ModuleType):
    """Verbs and the files they live in share their names: ``engine.predict`` is the verb, whatever was imported first.

    Importing a file binds the module to its name in this folder; the verb takes that place.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOME and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if "torch" not in sys.modules:
            libraries = importlib.import_module(f"{__name__}.libraries")
            libraries.preload_torch()
            with libraries.quiet_import():
                importlib.import_module("torch")
                importlib.import_module(f"{__name__}.{_HOME[name]}")
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


sys.modules[__name__].__class__ = _Verbs

__all__ = [
    "Estimate",
    "FineTuneResult",
    "Proposed",
    "available_devices",
    "estimate",
    "finetune",
    "new_bundle",
    "predict",
    "predict_to_file",
    "propose",
    "train",
    "train_folder",
]
