"""What every technique and every clean-up step promises, for every row of the registries."""

import subprocess
import sys

import numpy as np
import pytest
from classical_scenes import marks, scene

from napari_segplugin.classical import CLEANUPS, TECHNIQUES, CleanupRow, TechniqueRow, run_cleanup, run_technique
from napari_segplugin.core import InputError

ROWS = list(TECHNIQUES)
STEPS = list(CLEANUPS)
NDIMS = [(row, ndim) for row in ROWS for ndim in row.ndim]
CHOICES = [(row, p.name, c) for row in ROWS for p in row.parameters for c in p.choices]
STEP_CHOICES = [(row, p.name, c) for row in STEPS for p in row.parameters for c in p.choices]


def name_of(value):
    return getattr(value, "name", str(value))


def run(row, image, truth, **more):
    return run_technique(row.name, image, **marks(row, truth), **more)


def labels_or_none(call):
    """What a call gives; None where it says in a sentence that it cannot."""
    try:
        return call()
    except InputError:
        return None


def test_listing_imports_no_scikit_image_and_no_torch():
    code = "import sys, napari_segplugin.classical; print([m for m in ('skimage', 'sklearn', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("row", [*ROWS, *STEPS], ids=name_of)
def test_a_row_says_all_that_a_form_needs(row):
    assert row.title
    assert row.summary.endswith(".")
    assert callable(row.load())
    assert dict(row.options) == {p.name: p.default for p in row.parameters}
    assert all(p.help and p.title for p in row.parameters)
    if row in ROWS:
        assert row.reference
        assert row.group
        assert set(row.ndim) <= {2, 3}
        assert row.needs in ("", "points", "strokes", "box")
        assert row.scope in ("point", "window", "whole")
        assert row.kind in ("mask", "classes", "objects")
    else:
        assert row.kind in ("same", "objects")


@pytest.mark.parametrize(("row", "ndim"), NDIMS, ids=name_of)
def test_labels_have_the_shape_of_the_image_and_the_kind_that_is_promised(row, ndim):
    image, truth = scene(ndim)
    before = image.copy()
    labels = run(row, image, truth)
    assert labels.shape == truth.shape
    assert labels.dtype == np.int32
    assert labels.min() >= 0
    assert labels.max() >= 1
    if row.kind == "mask":
        assert labels.max() == 1
    assert np.array_equal(image, before)


@pytest.mark.parametrize(("row", "ndim"), NDIMS, ids=name_of)
def test_the_same_image_gives_the_same_labels(row, ndim):
    image, truth = scene(ndim)
    assert np.array_equal(run(row, image, truth), run(row, image, truth))


@pytest.mark.parametrize("row", ROWS, ids=name_of)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_any_real_dtype_is_read(row, dtype):
    image, truth = scene(2, dtype=dtype)
    assert run(row, image, truth).max() >= 1


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_colour_is_read_or_mixed_to_gray_with_a_word(row):
    image, truth = scene(2, channels=3)
    told = []
    labels = run(row, image, truth, tell=told.append)
    assert labels.shape == truth.shape
    assert bool(told) == (not row.colour)


@pytest.mark.parametrize("row", [r for r in ROWS if 3 in r.ndim], ids=name_of)
def test_a_voxel_that_is_not_a_cube_is_accepted(row):
    image, truth = scene(3)
    assert run(row, image, truth, spacing=(2.0, 0.5, 0.5)).shape == truth.shape


@pytest.mark.parametrize(("row", "name", "choice"), CHOICES, ids=name_of)
def test_every_choice_runs_or_says_why_not(row, name, choice):
    image, truth = scene(2, channels=3 if row.colour else 1, dtype=np.uint8)
    labels = labels_or_none(lambda: run(row, image, truth, **{name: choice}))
    assert labels is None or labels.shape == truth.shape


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_a_constant_image_is_refused(row):
    image, truth = scene()
    with pytest.raises(InputError, match="same value"):
        run(row, np.full_like(image, 7), truth)


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_an_image_of_nan_is_refused_and_single_nan_is_background(row):
    image, truth = scene()
    with pytest.raises(InputError, match="no numbers"):
        run(row, np.full_like(image, np.nan), truth)
    image[0, 10:12, 8:14] = np.nan
    image[0, 0, 0] = np.inf
    labels = run(row, image, truth)
    assert not labels[10:12, 8:14].any()
    assert labels[0, 0] == 0


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_two_pixels_are_refused(row):
    with pytest.raises(InputError, match="too small"):
        run_technique(row.name, np.array([[[0.0, 1.0]]]))


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_nine_pixels_give_labels_or_a_sentence(row):
    image = np.arange(9, dtype=np.uint8).reshape(1, 3, 3)
    seeds = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 2]])
    labels = labels_or_none(lambda: run_technique(row.name, image, seeds=seeds, box=(slice(0, 2), slice(0, 2))))
    assert labels is None or labels.shape == (3, 3)


@pytest.mark.parametrize("row", [r for r in ROWS if 3 not in r.ndim], ids=name_of)
def test_a_volume_is_refused_by_a_technique_of_planes(row):
    image, truth = scene(3)
    with pytest.raises(InputError, match="works only in 2D"):
        run(row, image, truth)


@pytest.mark.parametrize("row", [r for r in ROWS if r.needs], ids=name_of)
def test_what_a_technique_starts_from_must_be_there_and_fit(row):
    image, truth = scene()
    missing = {"points": "needs points, and", "strokes": "needs strokes, and", "box": "needs a box, and"}[row.needs]
    with pytest.raises(InputError, match=missing):
        run_technique(row.name, image)
    if row.needs == "box":
        with pytest.raises(InputError, match="does not lie in the image"):
            run_technique(row.name, image, box=(slice(0, 400), slice(0, 5)))
    else:
        with pytest.raises(InputError, match=missing):
            run_technique(row.name, image, seeds=np.zeros(truth.shape, int))
        with pytest.raises(InputError, match="do not fit"):
            run_technique(row.name, image, seeds=np.ones((3, 3), int))


@pytest.mark.parametrize("row", [*ROWS, *STEPS], ids=name_of)
def test_settings_out_of_range_and_unknown_ones_are_refused(row):
    image, truth = scene()

    def call(**settings):
        return run(row, image, truth, **settings) if row in ROWS else run_cleanup(row.name, truth, **settings)

    with pytest.raises(InputError, match="no such setting"):
        call(nonsense=1)
    for p in row.parameters:
        wrong = [v for v, there in ((p.low, -1), (p.high, 1)) if v is not None for v in (v + there,)]
        for value in [*wrong, float("nan"), "nonsense"]:
            with pytest.raises(InputError, match=p.name):
                call(**{p.name: value})


@pytest.mark.parametrize("row", STEPS, ids=name_of)
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("objects", [False, True])
def test_a_step_keeps_shape_and_dtype_and_leaves_its_input_alone(row, ndim, objects):
    image, truth = scene(ndim)
    before = truth.copy()
    done = run_cleanup(row.name, truth, objects=objects, spacing=(2.0, 1.0, 1.0)[-ndim:], image=image)
    assert done.shape == truth.shape
    assert done.dtype == np.int32
    assert done.min() >= 0
    assert np.array_equal(truth, before)
    again = run_cleanup(row.name, truth, objects=objects, spacing=(2.0, 1.0, 1.0)[-ndim:], image=image)
    assert np.array_equal(done, again)
    if row.kind == "same":
        assert set(np.unique(done)) <= set(np.unique(truth))


@pytest.mark.parametrize("row", STEPS, ids=name_of)
@pytest.mark.parametrize("objects", [False, True])
@pytest.mark.parametrize("value", [0, 1])
def test_a_step_stands_nothing_at_all_and_nothing_else(row, objects, value):
    image, truth = scene()
    done = run_cleanup(row.name, np.full_like(truth, value), objects=objects, image=image)
    assert done.shape == truth.shape
    assert done.max() <= value


@pytest.mark.parametrize("row", STEPS, ids=name_of)
def test_a_step_reads_any_whole_number_and_refuses_others(row):
    image, truth = scene()
    assert run_cleanup(row.name, truth.astype(np.uint8), image=image).dtype == np.int32
    with pytest.raises(InputError, match="whole numbers"):
        run_cleanup(row.name, truth.astype(float), image=image)
    with pytest.raises(InputError, match="whole numbers"):
        run_cleanup(row.name, truth[0], image=image)


def test_a_technique_that_looks_at_a_window_says_how_wide_it_is():
    with pytest.raises(InputError, match="'x' looks at a window around each voxel and does not say how wide"):
        TechniqueRow("x", "X", "math:pi", scope="window")
    with pytest.raises(InputError, match=r"The halo of 'x' is not a place in a module. Got 'somewhere'"):
        TechniqueRow("x", "X", "math:pi", scope="window", halo="somewhere")
    with pytest.raises(InputError, match=r"field 'kind' of 'x'.*Accepted: 'same', 'objects'"):
        CleanupRow("x", "X", "math:pi", kind="mask")
