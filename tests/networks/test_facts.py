from __future__ import annotations

import pytest

from napari_segplugin.networks import NETWORKS
from napari_segplugin.networks.facts import facts, measured


@pytest.mark.parametrize("name", [row.name for row in NETWORKS if not (row.extra or row.package)])
def test_every_network_of_ours_was_measured(name):
    text = facts(name)
    assert "million parameters" in text
    assert text.endswith(measured()["about"])


def test_measured_networks_exist_and_their_figures_are_shares():
    for name, rows in measured()["networks"].items():
        assert name in NETWORKS
        for row in rows.values():
            assert row["parameters"] > 1000
            assert all(0 < value < 1 for value in row["quality"].values())
