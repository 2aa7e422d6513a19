"""The edge map in the dock, by a small network of random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run
from fake_engine import blobs
from small_networks import small

from napari_segplugin.core import ClassTable, ModelSpec, Task


def bundle_of(network: str, ndim: int = 2) -> Any:
    from napari_segplugin.engine.train.train import new_bundle

    spec = ModelSpec(network, ndim, 1, Task.SEMANTIC, ClassTable.named(["cell"]), small(network))
    return new_bundle(spec, name=network)


@pytest.mark.parametrize("scope", ["whole", "view"])
def test_a_network_that_learns_edges_shows_them_over_the_image(real: Any, qtbot: Any, scope: str) -> None:
    add_image(real, qtbot, blobs((40, 50)), axis_labels=("y", "x"), scale=(0.5, 0.5), units=("um", "um"), name="cells")
    real.session.add(bundle_of("gated_scnn"))
    step = real.result_step
    step.scope_choice.setCurrentIndex(step.scope_choice.findData(scope))
    qtbot.waitUntil(lambda: real.edge_maps.button.isVisibleTo(real))
    run(real, qtbot, real.edge_maps.button.click)
    layer = real.viewer.layers["cells · edges"]
    assert layer.data.shape == (40, 50)
    assert 0 <= layer.data.min() < layer.data.max() <= 1
    np.testing.assert_allclose(layer.scale, (0.5, 0.5))
    np.testing.assert_allclose(layer.translate, real.viewer.layers["cells"].translate)


def test_a_network_without_edges_offers_none(real: Any, qtbot: Any) -> None:
    add_image(real, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    real.session.add(bundle_of("unet"))
    real.refresh()
    assert not real.edge_maps.button.isVisibleTo(real)
