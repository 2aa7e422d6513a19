"""Prompted correction with the shipped networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, Image, InputError, ModelSpec, Task, drain
from napari_segplugin.data.prompt import window
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.predict.propose import propose
from napari_segplugin.engine.train.train import new_bundle
from napari_segplugin.io import load_bundle, shipped_bundles
from napari_segplugin.io.samples import load_sample


@pytest.fixture(scope="module")
def nuclei() -> Any:
    sample = load_sample("nuclei2d")
    return sample.image, np.asarray(sample.truth), load_bundle(shipped_bundles()["nuclei2d"])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_clicks_give_the_objects_that_were_annotated(nuclei: Any) -> None:
    image, truth, bundle = nuclei
    best, first = [], []
    sizes = np.bincount(truth.ravel())
    for number in np.argsort(-sizes[1:])[5:13] + 1:
        place = np.argwhere(truth == number)
        point = tuple(int(v) for v in place[len(place) // 2])
        region = window(image.spatial_shape, point)
        found = propose(image, bundle, region, point=point, device="cpu")
        scores = [iou(p.mask, truth[region] == number) for p in found]
        first.append(scores[0])
        best.append(max(scores))
        assert all(p.region == region and p.class_id == 1 and 0 < p.score <= 1 for p in found)
    assert np.mean(best) > 0.75
    assert np.mean(first) > 0.7


def test_a_box_and_what_is_taken(nuclei: Any) -> None:
    image, _, bundle = nuclei
    labels = np.asarray(drain(predict(image, bundle, device="cpu")).labels)
    number = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    place = np.argwhere(labels == number)
    box = tuple(slice(int(a), int(b) + 1) for a, b in zip(place.min(0), place.max(0), strict=True))
    region = window(image.spatial_shape, box=box)
    free = np.isin(labels, (0, number))[region]
    found = propose(image, bundle, region, box=box, free=free, device="cpu")
    assert iou(found[0].mask, labels[region] == number) > 0.7
    assert not any((p.mask & ~free).any() for p in found)


def test_a_flat_network_in_a_stack(nuclei: Any) -> None:
    image, truth, bundle = nuclei
    stack = Image(np.stack([image.array] * 3), "ZYX")
    point = tuple(int(v) for v in np.argwhere(truth == 10)[20])
    region = window(stack.spatial_shape, (1, *point), planes=True)
    found = propose(stack, bundle, region, point=(1, *point), device="cpu")
    assert found[0].mask.shape[0] == 1
    with pytest.raises(InputError, match="one plane"):
        propose(stack, bundle, window(stack.spatial_shape, (1, *point)), point=(1, *point), device="cpu")


def test_a_network_of_classes(nuclei: Any) -> None:
    image, _, bundle = nuclei
    spec = replace(bundle.spec, task=Task.SEMANTIC)
    plain = new_bundle(replace(spec, classes=ClassTable.named(["a", "b"])), name="plain")
    found = propose(image, plain, window(image.spatial_shape, (100, 100)), point=(100, 100), device="cpu")
    assert {p.class_id for p in found} <= {1, 2}


def test_a_network_without_a_map_says_so(nuclei: Any) -> None:
    image = nuclei[0]
    spec = ModelSpec("mask_rcnn", 2, 1, Task.INSTANCE, ClassTable.named(["nucleus"]))
    bundle = new_bundle(spec, name="boxes")
    with pytest.raises(InputError, match="finds objects by boxes"):
        propose(image, bundle, window(image.spatial_shape, (9, 9)), point=(9, 9), device="cpu")


def test_an_image_that_does_not_fit(nuclei: Any) -> None:
    _, _, bundle = nuclei
    colour = Image(np.zeros((3, 40, 40)), "CYX")
    with pytest.raises(InputError, match="channel"):
        propose(colour, bundle, window((40, 40), (9, 9)), point=(9, 9), device="cpu")
