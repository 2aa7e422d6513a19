"""Options of an untrained network: what the network has, what the task needs, and what reaches its spec."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_segplugin.classical import TECHNIQUES
from napari_segplugin.core import Image, Task
from napari_segplugin.door import window
from napari_segplugin.door.window import Session
from napari_segplugin.networks import NETWORKS
from napari_segplugin.tasks import HEADS
from napari_segplugin.widgets.network_options import NetworkOptions
from napari_segplugin.widgets.step_method import MethodStep

pytestmark = pytest.mark.qt


@pytest.fixture
def options(qtbot: Any) -> NetworkOptions:
    found = NetworkOptions()
    qtbot.addWidget(found)
    return found


@pytest.mark.parametrize("name", NETWORKS.names())
@pytest.mark.parametrize("task", list(Task))
def test_only_what_a_network_has_is_shown_and_defaults_say_nothing(
    options: NetworkOptions, name: str, task: Task
) -> None:
    row = NETWORKS[name]
    options.set_network(row, task)
    shown = {n for n, line in options.form.lines.items() if not line.isHidden()} - {"objects"}
    assert shown <= set(row.options)
    assert options.options() == {}
    assert options.object_head == ""


def test_choices_become_options_of_the_spec(options: NetworkOptions) -> None:
    options.set_network(NETWORKS["unet"], Task.INSTANCE)
    options.form.set_values({"deep_supervision": True, "encoder": "resnet18", "objects": "centre_offset"})
    assert options.options() == {"deep_supervision": True, "encoder": "resnet18"}
    assert options.object_head == "centre_offset"
    assert options.object_head in HEADS
    options.set_network(NETWORKS["unet"], Task.SEMANTIC)
    assert options.object_head == ""  # a semantic network has no objects
    options.set_network(NETWORKS["mask_rcnn"], Task.INSTANCE)
    assert set(options.options()) <= set(NETWORKS["mask_rcnn"].options)
    assert options.object_head == ""  # a detector writes objects in its own way


def test_imagenet_weights_are_offered_for_a_resnet_only(options: NetworkOptions) -> None:
    options.set_network(NETWORKS["fastfcn"], Task.SEMANTIC)
    options.weights_path = "resnet18.pth"
    assert options.encoder_weights == ""
    options.form.set_values({"encoder": "resnet18"})
    assert options.encoder_weights == "resnet18.pth"
    options.set_network(NETWORKS["segnet"], Task.SEMANTIC)
    assert options.encoder_weights == ""


def test_a_network_says_what_was_measured_of_it(with_image: Any) -> None:
    choice = with_image.method_step.network_choice
    for i in range(choice.count()):
        tip = choice.itemData(i, 3)
        assert f"AP 0.80 with {choice.itemData(i)}" in tip
        assert "From scratch." in tip


def test_parts_of_other_packages_stand_in_the_lists_with_their_package(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        NETWORKS._rows, "theirs", replace(NETWORKS["unet"], name="theirs", title="Theirs", package="more")
    )
    monkeypatch.setitem(HEADS._rows, "whole", replace(HEADS["distance"], name="whole", title="Whole", package="more"))
    row = replace(TECHNIQUES["threshold"], name="bright", title="Bright", group="", package="more")
    monkeypatch.setitem(TECHNIQUES._rows, "bright", row)
    step = MethodStep(window, Session(None))
    qtbot.addWidget(step)
    lists = (step.network_choice, step.options.form.fields["objects"].native, step.classical.technique_choice)
    step.classical.set_image(Image(np.zeros((8, 8)), "YX"))
    shown = [[box.itemText(i) for i in range(box.count())] for box in lists]
    assert [title for titles in shown for title in titles if "(more)" in title] == [
        "Theirs (more)",
        "Whole (more)",
        "Bright (more)",
    ]
