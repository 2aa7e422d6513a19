"""The range of intensities on fields that strangers have: few objects, noise, specks, dead borders."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_segplugin.core import Image, ModelBundle, Normalisation, Note, drain
from napari_segplugin.data.faint import clear_faint
from napari_segplugin.data.normalise import Statistics, apply, held, statistics
from napari_segplugin.io import load_bundle, load_recipe, load_sample, shipped_bundles

NOISE, GROUND, RADIUS = 10.0, 200.0, 12


def field(size: int, snr: float, kind: str = "", seed: int = 0) -> np.ndarray:
    """A dark field with three discs so many standard deviations of its noise bright, none where that is 0."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    image, places = np.zeros((size, size)), []
    while snr and len(places) < 3:
        place = rng.integers(RADIUS + 6, size - RADIUS - 6, 2)
        if all(np.hypot(*(place - p)) > 2 * RADIUS + 8 for p in places):
            places.append(place)
    for p in places:
        image = np.maximum(image, np.clip(RADIUS + 0.5 - np.hypot(y - p[0], x - p[1]), 0, 1))
    image = ndi.gaussian_filter(image, 1) * snr * NOISE
    noise = rng.normal(0, NOISE, image.shape)
    if kind == "blurred noise":
        noise = ndi.gaussian_filter(noise, 0.8)
        noise *= NOISE / noise.std()
    found = image + GROUND + noise
    if kind == "vignette":
        found *= 1 - 0.5 * ((y / size - 0.5) ** 2 + (x / size - 0.5) ** 2) / 0.5
    if kind == "gradient":
        found += x / size * 10 * NOISE
    if kind == "hot":
        found[rng.random(found.shape) < 0.005] = 60000
    if kind == "speck":
        found[20:38, 20:38] = 60000
    if kind == "dead border":
        found[:, int(size * 0.73) :] = 0
    return np.clip(np.round(found), 0, 65535).astype(np.uint16)


@cache
def nuclei() -> ModelBundle:
    return load_bundle(shipped_bundles()["nuclei2d"])


def by_network(array: np.ndarray, bundle: ModelBundle | None = None) -> tuple[int, list[str]]:
    from napari_segplugin.engine.predict.predict import predict

    notes: list[str] = []
    job = predict(Image(array, "YX"), bundle or nuclei(), device="cpu")
    found = drain(job, lambda e: notes.append(e.text) if isinstance(e, Note) else None)
    assert set(np.unique(found.labels).tolist()) - {0} == set(found.objects.label.tolist())
    return len(found.objects), notes


def by_recipe(array: np.ndarray) -> int:
    from napari_segplugin.engine.classical.segment import segment

    return len(drain(segment(Image(array, "YX"), load_recipe("nuclei2d"))).objects)


@pytest.mark.parametrize(("size", "snr"), [(128, 5), (256, 10), (256, 30), (512, 5), (512, 100)])
def test_three_nuclei_in_a_field_are_three(size: int, snr: float) -> None:
    assert by_network(field(size, snr))[0] == 3
    assert by_recipe(field(size, snr)) == 3


@pytest.mark.parametrize("kind", ["", "blurred noise", "vignette", "gradient", "hot", "dead border"])
def test_a_field_without_nuclei_stays_empty(kind: str) -> None:
    count, notes = by_network(field(256, 0, kind))
    assert count == 0
    assert any("stands out" in n for n in notes)
    if kind != "dead border":
        assert by_recipe(field(256, 0, kind)) == 0


@pytest.mark.parametrize("kind", ["blurred noise", "vignette", "gradient", "hot", "dead border"])
def test_what_lies_over_a_field_changes_nothing(kind: str) -> None:
    assert by_network(field(256, 10, kind))[0] == 3
    if kind != "dead border":
        assert by_recipe(field(256, 10, kind)) == 3


@pytest.mark.parametrize("find", [lambda a: by_network(a)[0], by_recipe], ids=["network", "recipe"])
def test_a_speck_and_hot_pixels_leave_the_sample_as_it_is(find) -> None:
    clean = np.asarray(load_sample("nuclei2d").image.array).astype(np.uint16) * 10
    count = find(clean)
    speck, hot = clean.copy(), clean.copy()
    speck[20:38, 20:38] = 60000
    hot[np.random.default_rng(0).random(hot.shape) < 0.0003] = 60000
    assert count > 30
    assert abs(find(speck) - count) <= 3
    assert abs(find(hot) - count) <= 2


def test_it_takes_the_rule_to_see_that() -> None:
    plain = nuclei().__class__(**{**vars(nuclei()), "normalisation": Normalisation(rule="percentiles")})
    assert by_network(field(256, 10), plain)[0] > 20


def test_the_range_of_an_ordinary_image_is_that_of_its_percentiles() -> None:
    image = load_sample("nuclei2d").image
    robust, plain = statistics(image), statistics(image, Normalisation(rule="percentiles"))
    np.testing.assert_array_equal([robust.low, robust.high], [plain.low, plain.high])
    assert robust.noise is None
    assert not np.isfinite(robust.dead).any()


def test_few_objects_do_not_count_less_in_a_larger_field() -> None:
    for size in (128, 512, 1024):
        found = statistics(Image(field(size, 60), "YX"))
        assert found.high[0] == pytest.approx(GROUND + 60 * NOISE, rel=0.25)


def test_noise_is_measured() -> None:
    for kind in ("", "blurred noise"):
        found = statistics(Image(field(512, 5, kind), "YX"))
        assert found.noise is not None
        assert found.noise[0] == pytest.approx(NOISE, rel=0.2)
        assert found.high[0] >= found.low[0] + 25 * found.noise[0] - 1e-6


def test_a_dead_border_becomes_nothing_and_dark_ground_does_not() -> None:
    array = field(128, 30, "dead border")
    found = statistics(Image(array, "YX"))
    assert found.dead.tolist() == [0.0]
    assert (apply(array[None], found)[0][array == 0] == 0).all()
    assert np.isnan(held(array[None], found)[0][array == 0]).all()
    masked = np.where(array > 350, array, 0)  # what somebody cut out of its ground
    assert np.isnan(statistics(Image(masked, "YX")).dead).all()


def test_a_colour_that_shows_little_is_not_pressed_together() -> None:
    image = np.stack([field(128, 100), field(128, 3), field(128, 100)], -1)
    found = statistics(Image(image, "YXC"))
    assert found.high[1] - found.low[1] < 25 * NOISE
    apart = statistics(Image(np.moveaxis(image, -1, 0)[:2], "CYX"))
    assert apart.high[1] - apart.low[1] >= 25 * NOISE - 25


def test_faint_objects_go_one_after_the_other_and_areas_stay() -> None:
    rng = np.random.default_rng(0)
    array = rng.normal(100, 5, (60, 90))
    labels = np.zeros((60, 90), int)
    labels[5:25, 5:25], labels[5:25, 25:45], labels[30:50, 10:30], labels[30:50, 50:80] = 1, 2, 3, 4
    array[30:50, 50:80] += 40
    stats = Statistics(np.array([90.0]), np.array([200.0]), 1.0, None, np.array([5.0]))
    region = (slice(0, 60), slice(0, 90))
    assert sorted(clear_faint(labels, Image(array, "YX"), region, 0, stats, but=(3,))) == [1, 2]
    assert np.unique(labels).tolist() == [0, 3, 4]


@pytest.mark.parametrize(
    "values", [np.zeros((1, 1)), np.zeros((3, 3)), np.full((2, 40), 7), np.eye(70), np.zeros((2, 2, 2))]
)
def test_tiny_and_constant_images_have_a_range(values: np.ndarray) -> None:
    for dtype in (bool, np.uint8, np.int64, np.float32):
        found = statistics(Image(values.astype(dtype), "ZYX"[-values.ndim :]))
        assert np.isfinite(found.low).all()
        assert np.isfinite(found.high).all()
        assert np.isfinite(apply(values.astype(dtype)[None], found)).all()


def test_the_estimate_does_not_depend_on_memory_layout_or_place() -> None:
    array = field(300, 10)
    a, b = statistics(Image(array, "YX")), statistics(Image(np.asfortranarray(array), "YX"))
    np.testing.assert_array_equal([a.low, a.high], [b.low, b.high])
    volume = np.stack([array] * 20)
    whole = statistics(Image(volume, "ZYX"))
    np.testing.assert_array_equal(statistics(Image(volume, "ZYX").plane(3)).high, whole.high)
