"""What the documents promise: examples run, commands parse, links and pictures are there."""

import re
import shlex
from pathlib import Path

import pytest

from napari_segplugin.cli.parser import make_parser
from napari_segplugin.io import shipped_bundles

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [p for p in PAGES if "_build" not in p.parts and "generated" not in p.parts]


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
