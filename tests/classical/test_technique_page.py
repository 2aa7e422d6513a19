"""The page about techniques names and shows every one."""

import re
from pathlib import Path

import pytest

from napari_segplugin.classical import CLEANUPS, TECHNIQUES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "techniques.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", [r for r in TECHNIQUES if not r.package], ids=lambda row: row.name)
def test_every_technique_has_a_section_with_a_picture(row):
    section = re.search(rf"^### {re.escape(row.title)}\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
    assert section, row.title
    assert f"images/techniques/{row.name}.png" in section.group(1)
    assert (DOCS / "images" / "techniques" / f"{row.name}.png").stat().st_size < 60_000


def test_settings_that_the_page_names_are_there():
    titles = {p.title for row in (*TECHNIQUES, *CLEANUPS) for p in row.parameters}
    choices = {c for row in TECHNIQUES for p in row.parameters for c in p.choices}
    others = {"A classical technique", "Look for", "Find", "Show live", "Show the blocks", "Add in its colours"}
    named = set(re.findall(r"\*([^*\n]+)\*", PAGE))
    assert named - titles - choices - others == set()


def test_the_pictures_are_small_together():
    assert sum(p.stat().st_size for p in (DOCS / "images" / "techniques").glob("*.png")) < 2_500_000
