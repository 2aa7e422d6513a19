"""How a result was made, as JSON values: enough to make it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

import napari_segplugin
from napari_segplugin.core import Image, ModelBundle, TileSpec, to_json
from napari_segplugin.engine.device import title
from napari_segplugin.engine.maps import Run
from napari_segplugin.engine.network import fingerprint
from napari_segplugin.engine.setup import Setup


def make_recipe(
    image: Image, bundle: ModelBundle, tiles: TileSpec, setup: Setup, run: Run, statistics: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The recipe of a prediction.

    Parameters
    ----------
    image : Image
    bundle : ModelBundle
    tiles : TileSpec
        As asked.
    setup : Setup
        As chosen.
    run : Run
        As it ended, after any retreat.
    statistics : sequence of mapping
        Intensities of each frame that became 0 and 1.

    Returns
    -------
    dict
        JSON values only.
    """
    return {
        "what": "prediction",
        "origin": [s.start for s in setup.region],
        "model": {
            "name": bundle.name,
            "weights_sha256": fingerprint(bundle),
            "spec": to_json(bundle.spec),
            "normalisation": to_json(bundle.normalisation),
            "decode": to_json(bundle.decode),
        },
        "tiles": {
            "asked": to_json(tiles),
            "count": len(setup.tiles),
            "size": list(setup.tile_shape),
            "halo": list(setup.halo),
            "exact": setup.exact,
            "mirror": tiles.mirror,
            "plane_by_plane": setup.planes,
        },
        "precision": str(run.network.dtype).removeprefix("torch."),
        "device": title(run.network.device),
        "input": {
            "name": image.name,
            "source": image.source,
            "axes": image.axes,
            "shape": [int(n) for n in image.array.shape],
            "dtype": str(np.dtype(image.array.dtype)),
            "spacing": list(image.spacing),
            "unit": image.unit,
            "intensities": [dict(s) for s in statistics],
        },
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    found = {"napari-segplugin": napari_segplugin.__version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "scipy", "scikit-image"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not known"
    return found


__all__ = ["make_recipe", "versions"]
