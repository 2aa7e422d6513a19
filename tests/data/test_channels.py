"""Which channels of an image a model sees."""

from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from skimage.color import rgb2hed

import napari_segplugin as seg
from napari_segplugin.core import ClassTable, Image, InputError, Learnt, ModelSpec, Note, Sample, Task, TrainSpec, drain
from napari_segplugin.data.channels import advice, channel_names, choices, fitting, picked, seen
from napari_segplugin.data.learnt import learnt_from
from napari_segplugin.engine.train.train import new_bundle

RNG = np.random.default_rng(0)
LAYOUTS = ["CYX", "YXC", "ZCYX", "TZCYX", "TCYX"]


def image_of(axes: str, dtype: str = "uint16", channels: int = 4) -> Image:
    shape = {"T": 2, "C": channels, "Z": 3, "Y": 8, "X": 9}
    return Image((RNG.random([shape[a] for a in axes]) * 200).astype(dtype), axes)


def array_of(image: Image, numbers: list[int]) -> np.ndarray:
    return np.stack([np.asarray(image.read(frame=t))[numbers] for t in range(image.n_frames)])


@pytest.mark.parametrize("axes", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "float64", "bool"])
def test_channels_are_picked_in_the_order_that_is_asked_for(axes: str, dtype: str) -> None:
    image = image_of(axes, dtype)
    for text, numbers in (("2", [1]), ("3,1", [2, 0]), ("4, 2, 1", [3, 1, 0])):
        found = seen(image, text)
        assert found.n_channels == len(numbers)
        assert ("C" in found.axes) == (len(numbers) > 1)
        assert np.dtype(found.array.dtype) == np.dtype(dtype)
        np.testing.assert_array_equal(array_of(found, list(range(len(numbers)))), array_of(image, numbers))
        assert found.spatial_shape == image.spatial_shape


@pytest.mark.parametrize("axes", ["YXC", "ZYXC", "TYXC", "CYX"])
@pytest.mark.parametrize("text", ["2", "grey", "haematoxylin", "3,1"])
def test_pieces_have_the_values_of_the_whole(axes: str, text: str) -> None:
    image = image_of(axes, "uint8", 3)
    found = seen(image, text)
    whole = found.read()
    part = found.read((*(slice(1, 3),) * (found.ndim - 2), slice(2, 7), slice(3, 4)))
    np.testing.assert_array_equal(
        part, whole[(slice(None), *(slice(1, 3),) * (found.ndim - 2), slice(2, 7), slice(3, 4))]
    )
    if found.ndim == 3:
        plane = found.plane(1)
        np.testing.assert_array_equal(plane.read(), whole[:, 1])
        assert plane.whole is found


def test_brightness_and_dyes_are_those_of_scikit_image() -> None:
    image = image_of("YXC", "uint8", 3)
    grey = image.read().transpose(1, 2, 0) @ np.array([0.2125, 0.7154, 0.0721])
    np.testing.assert_allclose(seen(image, "grey").read()[0], grey, rtol=1e-5)
    white = np.percentile(image.read().reshape(3, -1), 99.8, axis=1)
    stains = rgb2hed(np.clip(image.read().transpose(1, 2, 0) / white, 1e-3, 1))
    for i, name in enumerate(("haematoxylin", "eosin", "dab")):
        np.testing.assert_allclose(seen(image, name).read()[0], stains[..., i], rtol=1e-4, atol=1e-6)
    two = image_of("CYX", "float64", 2)
    np.testing.assert_allclose(seen(two, "grey").read()[0], two.read().mean(0), rtol=1e-6)


def test_a_dye_is_bright_where_the_slide_is_dark_with_it() -> None:
    slide = np.full((40, 40, 3), 240, np.uint8)
    slide[10:20, 10:20] = (90, 60, 150)  # a nucleus, blue
    slide[25:35, 25:35] = (230, 120, 170)  # pink
    found = seen(Image(slide, "YXC"), "haematoxylin").read()[0]
    assert found[12:18, 12:18].mean() > 3 * found[27:33, 27:33].mean()
    assert found[:8].max() < 0.1 * found[12:18, 12:18].mean()


def test_names_are_understood() -> None:
    image = replace(image_of("CYX", channels=2), metadata={"channel_names": ["DAPI", "GFP"]})
    np.testing.assert_array_equal(seen(image, "gfp").read()[0], image.read()[1])
    assert channel_names(seen(image, "2,1")) == ("GFP", "DAPI")
    assert [t for t, _ in choices(image)] == ["", "1", "2", "grey"]


@pytest.mark.parametrize("text", ["0", "5", "-1", "1,1", "red", "1;2", "２", "haematoxylin", ",", "1e3"])
def test_what_is_not_there_is_said(text: str) -> None:
    with pytest.raises(InputError, match=r"channel|colours|blue"):
        seen(image_of("CYX", channels=2), text)


def test_a_thousand_channels_are_not_listed() -> None:
    image = Image(np.zeros((1000, 4, 5), np.uint8), "CYX")
    with pytest.raises(InputError) as error:
        seen(image, "1001")
    assert len(str(error.value)) < 400
    assert seen(image, "1000").axes == "YX"


def test_nothing_is_read_before_a_piece_is_asked_for() -> None:
    read = []

    def block(block_info: dict[int, dict[str, object]] | None = None) -> np.ndarray:
        read.append(block_info)
        return np.ones((1, 64, 64), np.uint8)

    array = da.map_blocks(
        block, chunks=((1,) * 3, (64,) * 4, (64,) * 4), dtype=np.uint8, meta=np.zeros((0, 0, 0), np.uint8)
    )
    found = seen(Image(array, "CYX"), "2")
    read.clear()
    found.read((slice(0, 10), slice(0, 10)))
    assert len(read) == 1


def test_transparency_and_gray_in_colours_fit_by_themselves_and_nothing_else_does() -> None:
    colours = image_of("YXC", "uint8", 4)
    assert fitting(colours, 3).n_channels == 3
    assert fitting(colours, 1) is colours
    gray = Image(np.repeat(RNG.integers(0, 255, (8, 9, 1), dtype=np.uint8), 3, 2), "YXC")
    np.testing.assert_array_equal(fitting(gray, 1).read()[0], gray.read()[0])
    assert fitting(gray, 2) is gray
    several = image_of("CYX", channels=4)
    assert fitting(several, 3) is several
    assert advice(several, 1) == "1"
    assert advice(several, 5) == ""


SPEC = ModelSpec("unet", 2, 1, Task.SEMANTIC, ClassTable.named(["cell"]), {"widths": [4, 8]})


def test_a_model_takes_the_channel_of_its_name_and_says_so() -> None:
    image = replace(image_of("CYX", channels=2), metadata={"channel_names": ["GFP", "DAPI"]})
    labels = np.zeros((8, 9), int)
    labels[2:5, 2:5] = 1
    known = learnt_from([Sample(seen(image, "DAPI"), labels)])
    assert known.channels == ("DAPI",)
    bundle = replace(new_bundle(SPEC, name="x"), learnt=known)
    notes: list[str] = []
    found = drain(seg.jobs.predict(image, bundle), lambda e: notes.append(e.text) if isinstance(e, Note) else None)
    alone = drain(seg.jobs.predict(picked(image, [1]), bundle))
    np.testing.assert_array_equal(found.labels, alone.labels)
    assert any("DAPI" in n for n in notes)
    assert found.recipe["input"]["channels"] == "2"
    other = replace(image, metadata={"channel_names": ["GFP", "GFP"]})
    with pytest.raises(InputError, match="The model reads 1 channel"):
        drain(seg.jobs.predict(other, bundle))


def test_a_model_of_one_channel_does_not_guess() -> None:
    bundle = replace(new_bundle(SPEC, name="x"), learnt=Learnt())
    image = image_of("CYX", channels=2)
    with pytest.raises(InputError, match="such as '1'") as error:
        drain(seg.jobs.predict(image, bundle))
    assert error.value.setting == "channels"
    found = drain(seg.jobs.predict(image, bundle, channels="2"))
    np.testing.assert_array_equal(found.labels, drain(seg.jobs.predict(picked(image, [1]), bundle)).labels)


def test_training_and_techniques_see_the_chosen_channel() -> None:
    image = image_of("CYX", channels=2)
    labels = (image.read()[1] > 100).astype(np.uint8)
    new = drain(
        seg.jobs.train([(image, labels)], "unet", TrainSpec(steps=1, seconds=0), task="semantic", channels="2", share=0,
                       options={"widths": (4, 8)})
    )  # fmt: skip
    assert new.bundle.spec.in_channels == 1
    one = drain(seg.jobs.segment(image, "threshold", channels="2"))
    np.testing.assert_array_equal(one.labels, drain(seg.jobs.segment(picked(image, [1]), "threshold")).labels)
