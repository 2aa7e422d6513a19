"""What the documents promise: examples run, commands parse, links and pictures are there."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_segplugin.cli.parser import make_parser
from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Task
from napari_segplugin.io import shipped_bundles, write_segmentation

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [p for p in PAGES if "_build" not in p.parts and "generated" not in p.parts]
HOME = "https://github.com/OWNER/napari-segplugin"
RAW = "https://raw.githubusercontent.com/OWNER/napari-segplugin/main/"
FOR_USERS = "README install tutorial faq words correct fine-tune own-masks techniques time measure-and-export batch command-line losses"
NOT_PLAIN = (
    "film", "punished", "features table", "hangs together", "on wish", "looked at by itself", "wants clean", "no matter",
    "There shall be", "does no harm", "takes it back", "of the whole image parts", "flattering",
)  # fmt: skip


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def commands():
    for page in PAGES:
        for block in blocks(page, ""):
            for line in block.splitlines():
                if line.startswith("segplugin ") and "COMMAND" not in line:
                    yield pytest.param(line, id=f"{page.name}: {line}")


@pytest.mark.parametrize("line", commands())
def test_every_command_can_be_typed(line):
    make_parser().parse_args(shlex.split(line)[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_has_only_links_that_work_outside_of_the_repository():
    """The Python Package Index and the napari hub show it without the files beside it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert all(t.startswith("https://") for t in targets)
    own = [t for t in targets if t.startswith((f"{HOME}/blob/main/", RAW))]
    assert len(own) > 8
    for target in own:
        assert (ROOT / target.removeprefix(f"{HOME}/blob/main/").removeprefix(RAW)).is_file(), target
    assert len([t for t in own if t.startswith(RAW)]) == len(re.findall(r"!\[", text)), (
        "a picture needs its raw address"
    )


def test_every_picture_of_the_tutorial_is_shown_and_all_are_small():
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    folder = ROOT / "docs" / "images" / "tutorial"
    shown = re.findall(r"images/tutorial/([\w.-]+)", text)
    assert sorted(shown) == sorted(p.name for p in folder.iterdir())
    assert sum(p.stat().st_size for p in folder.iterdir()) < 2.5e6


@pytest.mark.parametrize("name", FOR_USERS.split())
def test_what_users_read_is_in_plain_words(name):
    page = ROOT / "README.md" if name == "README" else ROOT / "docs" / f"{name}.md"
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert [words for words in NOT_PLAIN if words in text] == []


def test_every_public_name_has_its_place_in_the_manual():
    import napari_segplugin

    text = (ROOT / "docs" / "api" / "python.md").read_text(encoding="utf-8")
    listed = re.findall(r"^   (\w+)$", text, re.M)
    assert sorted([*listed, "jobs"]) == sorted(n for n in napari_segplugin.__all__ if not n.startswith("_"))


def test_the_examples_for_many_images_run(tmp_path, monkeypatch):
    import napari_segplugin as seg

    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    sample = (seg.sample("nuclei2d").image.array[:64, :96]).copy()
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", sample)
    (tmp_path / "images" / "c.tif").write_bytes(b"no image")
    page = ROOT / "docs" / "batch.md"
    exec(compile("\n".join(blocks(page, "python")), str(page), "exec"), {"__name__": "example"})
    assert sorted(p.name for p in (tmp_path / "results").glob("*.tif")) == ["a_labels.tif", "b_labels.tif"]
    lines = (tmp_path / "all.csv").read_text(encoding="utf-8").splitlines()
    assert {line.split(",")[0] for line in lines[1:]} == {"a", "b"}


@pytest.mark.parametrize(("at", "source"), [(0, "RoiSet.zip"), (1, "cells.geojson")])
def test_the_examples_for_outlines_of_other_programs_give_the_objects_back(at, source, tmp_path, monkeypatch):
    pytest.importorskip("roifile")
    labels = np.zeros((40, 50), np.uint16)
    labels[3:15, 4:20], labels[20:38, 30:49] = 1, 2
    labels[20:25, 30:35] = 0
    tifffile.imwrite(tmp_path / "cells.tif", labels)
    monkeypatch.chdir(tmp_path)
    table = ObjectTable.of(labels)
    found = Segmentation(Task.INSTANCE, labels, table, ClassTable.named(["cell"]), "YX", (1.0, 1.0), recipe={})
    written = write_segmentation(found, tmp_path / ("cells.roi.zip" if at == 0 else source))
    os.replace(written[0], tmp_path / source)
    exec(compile(blocks(ROOT / "docs" / "own-masks.md", "python")[at], "own-masks.md", "exec"), {"__name__": "example"})
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "cells_labels.tif"), labels)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "how-it-works.md"], ids=lambda p: p.name)
def test_every_complete_example_runs(page, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    code = "\n".join(blocks(page, "python")).replace("TrainSpec(seconds=20)", "TrainSpec(seconds=0, steps=2)")
    if "shipped_bundles" in code and "nuclei2d" not in shipped_bundles():
        pytest.skip("the model is not shipped with this copy")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(page), "exec"), {"__name__": "example"})


def test_every_decision_has_context_choice_cost_and_date():
    pages = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    assert [p.name[:4] for p in pages] == [f"{i:04}" for i in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.search(r"^\*\d{4}-\d\d-\d\d · ", text, re.M), page.name
        assert all(f"**{word}.**" in text for word in ("Context", "Choice", "Cost")), page.name
        assert len(text.split()) < 450, f"{page.name} is longer than a page"
