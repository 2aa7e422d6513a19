"""How a result was made, as JSON values: enough to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import zarr

from napari_segplugin.core import Image, ModelBundle, Region, Segmentation, TileSpec, to_json
from napari_segplugin.core.types import Json, JsonDict, json_object
from napari_segplugin.engine.device import title
from napari_segplugin.engine.network import fingerprint
from napari_segplugin.engine.predict.boxes import BundleRun
from napari_segplugin.engine.predict.plan import Setup
from napari_segplugin.engine.provenance import about_input, versions
from napari_segplugin.engine.session import asked


def make_recipe(
    image: Image,
    bundle: ModelBundle,
    tiles: TileSpec,
    setup: Setup,
    run: BundleRun,
    statistics: Sequence[Mapping[str, Json]],
) -> JsonDict:
    """The recipe of a prediction.

    Parameters
    ----------
    image : Image
    bundle : ModelBundle
    tiles : TileSpec
        As asked.
    setup : Setup
        As chosen.
    run : TileRun
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
            "cut": list(setup.size),
            "size": list(setup.tile_shape),
            "halo": list(setup.halo),
            "exact": setup.exact,
            "mirror": tiles.mirror,
            "plane_by_plane": setup.planes,
        },
        "precision": str(run.network.dtype).removeprefix("torch."),
        "device": title(run.network.device),
        "input": {**about_input(image), "intensities": [dict(s) for s in statistics]},
        "versions": versions(),
    }


def with_asked(found: Segmentation, image: Image, region: Region | None, device: str) -> Segmentation:
    """A result whose recipe says what was asked for, so that it can be asked again, and by what to know its image again.

    Parameters
    ----------
    found : Segmentation
    image : Image
        As it was handed in.
    region : tuple of slice, optional
    device : str
    """
    recipe = {**found.recipe, **asked(image, json_object(found.recipe.get("input")), region), "device_asked": device}
    if isinstance(found.labels, zarr.Array):
        found.labels.attrs["segplugin"] = recipe
    return replace(found, recipe=recipe)


__all__ = ["make_recipe", "versions", "with_asked"]
