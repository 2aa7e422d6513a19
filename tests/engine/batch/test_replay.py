"""A result is made again from the recipe beside it: bit for bit on the same image, and without corrections on another."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from squares import squares

from napari_segplugin import jobs
from napari_segplugin.core import InputError, Note, ObjectTable, TileSpec, drain
from napari_segplugin.data.drawn import Outline
from napari_segplugin.door.orders import corrections_of, find_model
from napari_segplugin.engine.batch.corrected import Corrected
from napari_segplugin.engine.batch.order import RunOrder, run_order
from napari_segplugin.engine.batch.replay import read_recorded
from napari_segplugin.io import read_image, save_bundle, write_segmentation
from napari_segplugin.io.writing import content_of

CASES = [(task, ndim) for task in ("instance", "semantic", "panoptic") for ndim in (2, 3)]
SAME = "The result is the recorded one, voxel by voxel and object by object."


def edited(found):
    """A result as a person might leave it: one object away, one drawn, one with another class and a word on it."""
    labels = np.array(found.labels, np.int32)
    table, last = found.objects, int(found.labels.max()) + 1
    if str(found.task) == "semantic":
        labels[..., 2:9, 2:9], labels[..., 20:, :] = 2, 0
        present = ObjectTable.of(labels)
        return replace(found, labels=labels, objects=replace(present, class_id=present.label))
    labels[labels == labels.max()] = 0
    labels[..., 3:9, 30:40] = last
    present = ObjectTable.of(labels)
    known = {int(n): (int(c), float(s)) for n, c, s in zip(table.label, table.class_id, table.score, strict=True)}
    rows = [known.get(int(n), (1, float("nan"))) for n in present.label]
    status = tuple("corrected" if n == last else "accepted" for n in present.label.tolist())
    return replace(
        found,
        labels=labels,
        objects=ObjectTable(
            present.label, np.array([r[0] for r in rows]), np.array([r[1] for r in rows], np.float32), status
        ),
    )


@pytest.fixture
def saved(tmp_path, network):
    """Saves a network, an image, its result, and what a person made of it."""

    def make(task="instance", ndim=2, correct=True, **settings):
        bundle = network(task, ndim, name=f"tiny {task}")
        save_bundle(bundle, tmp_path / "model")
        shape = (40, 48) if ndim == 2 else (6, 40, 48)
        path = tmp_path / "cells.tif"
        tifffile.imwrite(path, squares(shape), metadata={"axes": "ZYX"[-ndim:]}, photometric="minisblack")
        before = drain(jobs.predict(path, bundle, device="cpu", **settings))
        now = edited(before) if correct else before
        files = write_segmentation(now, tmp_path / "cells_labels.tif", texts=corrections_of(before, now))
        return files[1], now, before

    return make


def again(recipe, *more, **settings):
    said = []
    found = drain(jobs.replay(recipe, *more, **settings), said.append)
    return found, [e.text for e in said if isinstance(e, Note)]


def equal(one, other):
    assert one.labels.dtype.kind in "iu"
    np.testing.assert_array_equal(np.asarray(one.labels), np.asarray(other.labels))
    for name in ("label", "class_id", "score"):
        np.testing.assert_array_equal(getattr(one.objects, name), getattr(other.objects, name))
    assert one.objects.status == other.objects.status
    assert one.classes == other.classes


@pytest.mark.parametrize(("task", "ndim"), CASES)
def test_a_corrected_result_comes_again_bit_for_bit(saved, task, ndim):
    recipe, now, before = saved(task, ndim)
    assert not np.array_equal(now.labels, before.labels)
    found, said = again(recipe)
    equal(found, now)
    assert SAME in said
    assert any(s.startswith("Corrections of ") for s in said)


@pytest.mark.parametrize(("task", "ndim"), [("instance", 2), ("panoptic", 3)])
def test_a_plain_result_comes_again_bit_for_bit(saved, task, ndim):
    recipe, now, _ = saved(task, ndim, correct=False)
    assert not recipe.with_name("cells_labels.corrections.json").exists()
    found, said = again(recipe)
    equal(found, now)
    assert said.count(SAME) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"tiles": TileSpec(size=(32, 32), halo=(4, 4), mirror=True)},
        {"tiles": TileSpec(zoom=1.5)},
        {"tiles": TileSpec(zoom=0.0, invert=True)},
        {"region": (slice(3, 35), slice(10, 40))},
    ],
)
def test_settings_and_region_are_those_of_the_result(saved, settings):
    recipe, now, _ = saved(**settings)
    found, said = again(recipe)
    equal(found, now)
    assert SAME in said


def test_drawn_regions_come_again(saved, network, tmp_path):
    recipe, _, _ = saved(correct=False)
    image = read_image(tmp_path / "cells.tif")
    outlines = (Outline([(2, 2), (2, 30), (20, 16)]), Outline([(24, 20), (24, 46), (38, 46)]))
    before = drain(
        run_order(RunOrder(network("instance", 2, name="tiny instance"), device="cpu", outlines=outlines), image)
    )
    recipe = write_segmentation(before, tmp_path / "drawn.tif")[1]
    found, said = again(recipe)
    equal(found, before)
    assert SAME in said


def test_channels_of_the_recipe_are_seen_again(network, tmp_path):
    both = np.stack([squares(seed=1), squares(seed=2, count=3)])
    tifffile.imwrite(tmp_path / "two.tif", both, metadata={"axes": "CYX"}, photometric="minisblack")
    save_bundle(network(), tmp_path / "model")
    before = drain(jobs.predict(tmp_path / "two.tif", network(), device="cpu", channels="2"))
    found, said = again(write_segmentation(before, tmp_path / "two_labels.tif")[1])
    equal(found, before)
    assert SAME in said


def test_on_another_image_the_corrections_are_left_out(saved, network, tmp_path):
    recipe, _, _ = saved()
    tifffile.imwrite(tmp_path / "other.tif", squares((50, 60), seed=5), metadata={"axes": "YX"})
    found, said = again(recipe, tmp_path / "other.tif")
    equal(
        found, drain(jobs.predict(tmp_path / "other.tif", network("instance", 2, name="tiny instance"), device="cpu"))
    )
    assert any("corrections are left out" in s and "'other'" in s for s in said)
    assert SAME not in said


def test_an_image_that_was_changed_gets_no_corrections(saved, tmp_path):
    recipe, _, _ = saved()
    tifffile.imwrite(tmp_path / "cells.tif", squares(seed=9), metadata={"axes": "YX"}, photometric="minisblack")
    found, said = again(recipe)
    assert any("corrections are left out" in s for s in said)
    assert SAME not in said
    assert "corrected" not in found.objects.status


@pytest.mark.parametrize("shape", [(40, 48), (64, 64)])
def test_the_region_of_another_image_is_taken_where_it_fits_and_said(saved, tmp_path, shape):
    recipe, now, _ = saved(correct=False, region=(slice(0, 30), slice(8, 40)))
    tifffile.imwrite(tmp_path / "other.tif", squares(shape, seed=5), metadata={"axes": "YX"})
    found, said = again(recipe, tmp_path / "other.tif")
    same = shape == (40, 48)
    assert found.labels.shape == (now.labels.shape if same else shape)
    assert any(("is taken for 'other'" if same else "does not fit 'other'") in s for s in said)


def test_a_model_that_is_not_there_is_a_sentence(saved, tmp_path):
    recipe, _, _ = saved()
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(InputError, match=r"'tiny instance' that made the result is not there.*Name its folder"):
        again(recipe)


def test_a_model_of_the_name_with_other_weights_is_a_sentence(saved, network, tmp_path):
    recipe, _, _ = saved()
    other = network("instance", 2, name="tiny instance", seed=7)
    save_bundle(other, tmp_path / "model", overwrite=True)
    with pytest.raises(InputError, match="another one than made the result"):
        again(recipe)
    found, said = again(recipe, model=tmp_path / "model")
    assert any("has other weights" in s for s in said)
    assert any("corrections are left out" in s for s in said)
    equal(found, drain(jobs.predict(tmp_path / "cells.tif", other, device="cpu")))


def test_the_model_is_read_as_it_was(saved, network, tmp_path):
    """Thresholds that were set for the model since do not change what is made again."""
    recipe, now, _ = saved(correct=False)
    changed = replace(network("instance", 2, name="tiny instance"), decode={"min_size": 10_000})
    save_bundle(changed, tmp_path / "model", overwrite=True)
    assert find_model(read_recorded(recipe)).decode == {"min_size": 10_000}
    equal(again(recipe)[0], now)


def test_an_image_that_is_not_there_is_a_sentence(saved, tmp_path):
    recipe, now, _ = saved()
    (tmp_path / "cells.tif").rename(tmp_path / "moved.tif")
    with pytest.raises(InputError, match=r"is not there.*no 'cells.tif'"):
        again(recipe)
    equal(again(recipe, tmp_path / "moved.tif")[0], now)


def test_corrections_that_are_missing_or_others_are_a_sentence(saved):
    recipe, _, _ = saved()
    place = recipe.with_name("cells_labels.corrections.json")
    text = place.read_text()
    place.write_text(text + " ")
    with pytest.raises(InputError, match="others than the recipe names"):
        again(recipe)
    place.unlink()
    with pytest.raises(InputError, match="missing"):
        again(recipe)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "else"}, "holds no corrections"),
        ({"voxels": "####"}, "damaged"),
        ({"shape": [2, 2]}, "damaged"),
        ({"objects": {}}, "damaged"),
        ({"dtype": "cheese"}, "damaged"),
    ],
)
def test_damaged_corrections_are_a_sentence(saved, change, words):
    recipe, _, _ = saved()
    told = json.loads(recipe.with_name("cells_labels.corrections.json").read_text())
    with pytest.raises(InputError, match=words):
        Corrected.from_json({**told, **change}, "a.json")


def test_a_recipe_without_a_region_of_an_older_version_is_a_sentence(saved):
    recipe, _, _ = saved(correct=False, region=(slice(3, 35), slice(10, 40)))
    told = json.loads(recipe.read_text())
    del told["recipe"]["region"]
    recipe.write_text(json.dumps(told))
    with pytest.raises(InputError, match="older version"):
        again(recipe)


@pytest.mark.parametrize("text", ["{}", '{"recipe": {"what": "track"}}', "[1]", "no json"])
def test_what_is_no_recipe_is_a_sentence(tmp_path, text):
    (tmp_path / "a.recipe.json").write_text(text)
    with pytest.raises(InputError):
        again(tmp_path / "a.recipe.json")


@pytest.mark.parametrize("change", [{"region": [[1]]}, {"region": "all"}, {"regions": [3]}, {"box": [["a", "b"]]}])
def test_a_damaged_recipe_is_a_sentence(saved, change):
    recipe, _, _ = saved(correct=False)
    told = json.loads(recipe.read_text())
    told["recipe"] |= change
    recipe.write_text(json.dumps(told))
    if change == {"region": "all"}:
        assert again(recipe)[1][-1] == SAME
        return
    with pytest.raises(InputError, match=r"damaged|not understood"):
        again(recipe)


def test_a_result_that_reaches_further_than_the_last_run_is_made_again(saved, tmp_path):
    """The visible part was run once more, and joined with what was there: all that is not of this run counts as corrected."""
    recipe, _, before = saved(correct=False, region=(slice(4, 36), slice(8, 40)))
    labels = np.zeros((40, 48), np.int32)
    labels[4:36, 8:40] = before.labels
    labels[0:3, 0:48] = int(labels.max()) + 1
    now = replace(before, labels=labels, objects=ObjectTable.of(labels), recipe={**before.recipe, "origin": [0, 0]})
    recipe = write_segmentation(now, tmp_path / "joined.tif", texts=corrections_of(before, now))[1]
    found, said = again(recipe)
    np.testing.assert_array_equal(found.labels, labels)
    assert SAME in said
    assert found.recipe["origin"] == [0, 0]


def test_nothing_that_was_changed_is_no_file(saved):
    _, _, before = saved(correct=False)
    assert corrections_of(before, before) == {}
    words = replace(before, objects=replace(before.objects, class_id=before.objects.class_id + 1))
    assert content_of(words) != content_of(before)
    assert list(corrections_of(before, words)) == [".corrections.json"]


def test_labels_of_another_image_have_no_difference(saved):
    _, _, before = saved(correct=False)
    small = replace(before, labels=before.labels[:9, :9].copy())
    with pytest.raises(InputError, match="does not lie over"):
        corrections_of(before, small)


def test_a_classical_result_is_made_again_with_its_region(tmp_path, cells):
    tifffile.imwrite(tmp_path / "cells.tif", squares(), metadata={"axes": "YX"}, photometric="minisblack")
    region = (slice(0, 20), slice(0, 30))
    before = drain(jobs.segment(tmp_path / "cells.tif", cells, region=region))
    now = edited(before)
    recipe = write_segmentation(now, tmp_path / "cells_labels.tif", texts=corrections_of(before, now))[1]
    found, said = again(recipe)
    equal(found, now)
    assert SAME in said


def test_the_result_that_was_made_again_can_be_made_again(saved, tmp_path):
    from napari_segplugin.door.orders import recorded_order
    from napari_segplugin.engine.batch.order import write_order
    from napari_segplugin.io.targets import ResultPath

    recipe, now, _ = saved()
    recorded = read_recorded(recipe)
    order = recorded_order(recorded, None, None, lambda _: None)
    image = read_image(tmp_path / "cells.tif")
    _, files = drain(write_order(order, image, ResultPath(tmp_path / "second.tif")))
    assert [Path(f).name for f in files][-1] == "second.corrections.json"
    equal(again(tmp_path / "second.recipe.json")[0], now)


@pytest.mark.parametrize("other", [False, True])
def test_where_the_recipe_does_not_know_its_image_the_result_decides(saved, tmp_path, other):
    recipe, now, _ = saved("semantic")
    told = json.loads(recipe.read_text())
    del told["recipe"]["input"]["key"]
    recipe.write_text(json.dumps(told))
    if other:
        tifffile.imwrite(
            tmp_path / "cells.tif", 255 - squares(seed=4), metadata={"axes": "YX"}, photometric="minisblack"
        )
    found, said = again(recipe)
    assert np.array_equal(found.labels, now.labels) is not other
    assert any(s.startswith("The corrections are left out: the result") for s in said) is other


def test_a_recipe_that_names_no_image_asks_for_one(saved):
    recipe, _, _ = saved(correct=False)
    told = json.loads(recipe.read_text())
    told["recipe"]["input"]["source"] = ""
    recipe.write_text(json.dumps(told))
    with pytest.raises(InputError, match="does not name the file of its image"):
        again(recipe)
    told["recipe"]["input"] |= {"joined": ["t1", "t2"]}
    recipe.write_text(json.dumps(told))
    with pytest.raises(InputError, match=r"made of 2 images.*Join them"):
        again(recipe)


def test_another_version_is_said(saved):
    recipe, _, _ = saved(correct=False)
    told = json.loads(recipe.read_text())
    told["recipe"]["versions"]["napari-segplugin"] = "0.0.1"
    recipe.write_text(json.dumps(told))
    assert any("made by version 0.0.1" in s for s in again(recipe)[1])


def test_writing_with_what_was_before_keeps_the_corrections(saved, tmp_path):
    import napari_segplugin as seg

    _, now, before = saved()
    seg.write_segmentation(now, tmp_path / "own.tif", before=before)
    equal(seg.replay(tmp_path / "own.recipe.json", progress=False), now)
    assert not (tmp_path / "own2.corrections.json").exists()
    files = seg.write_segmentation(before, tmp_path / "own2.tif", before=before)
    assert [f.name for f in files if "corrections" in f.name] == []


def test_no_region_at_all_is_a_sentence(cells):
    with pytest.raises(InputError, match="No region is drawn"):
        drain(jobs.in_regions(squares(), cells, []))


def test_tiles_of_something_else_are_a_sentence():
    from napari_segplugin.core import tile_spec_from_json, to_json

    tiles = TileSpec((3, 4), (1, 1), "float32", True, 2.0, False, True)
    assert tile_spec_from_json(json.loads(json.dumps(to_json(tiles)))) == tiles
    for wrong in ({"sizes": [1]}, {"size": "all"}, {"zoom": None}):
        with pytest.raises(InputError, match="not understood"):
            tile_spec_from_json(wrong)
