from __future__ import annotations

import numpy as np

from napari_segplugin.core import Image, TileSpec, drain
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.predict.propose import propose
from napari_segplugin.io import load_bundle, load_sample, shipped_bundles
from napari_segplugin.metrics import measure


def shipped():
    return load_bundle(shipped_bundles()["nuclei2d"]), load_sample("nuclei2d")


def turned(image):
    return Image(255 - np.asarray(image.array), image.axes)


def test_an_inverted_picture_gives_what_the_picture_gives():
    bundle, sample = shipped()
    right = drain(predict(sample.image, bundle))
    found = drain(predict(turned(sample.image), bundle, tiles=TileSpec(invert=True)))
    # the range is measured at other ends of the histogram, so not each pixel is the same
    scores = [measure("ap", sample.truth, np.asarray(f.labels), threshold=0.5).value for f in (right, found)]
    assert scores[0] > 0.7
    assert scores[1] > scores[0] - 0.05
    assert found.recipe["tiles"]["asked"]["invert"] is True


def test_twice_inverted_is_the_picture_itself_and_tiles_do_not_matter():
    bundle, sample = shipped()
    image = Image(np.asarray(sample.image.array)[:160, :160], "YX")
    large = np.asarray(drain(predict(turned(image), bundle, tiles=TileSpec(invert=True))).labels)
    small = np.asarray(drain(predict(turned(image), bundle, tiles=TileSpec(invert=True, size=(128, 128)))).labels)
    assert large.max() > 3
    np.testing.assert_array_equal(large > 0, small > 0)


def test_a_click_finds_a_dark_nucleus():
    bundle, sample = shipped()
    numbers = np.bincount(sample.truth.ravel())
    number = int(np.argmax(numbers[1:])) + 1
    point = tuple(int(v) for v in np.argwhere(sample.truth == number).mean(0).round())
    region, truth = tuple(slice(max(0, p - 48), p + 48) for p in point), sample.truth == number

    def overlap(image, invert):
        mask = propose(image, bundle, region, point=point, invert=invert)[0].mask
        return (mask & truth[region]).sum() / (mask | truth[region]).sum()

    assert overlap(sample.image, False) > 0.4
    assert overlap(turned(sample.image), True) > overlap(sample.image, False) - 0.1
