"""The notebooks of the manual run from beginning to end, and hold no results of somebody's computer."""

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code_of(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [("".join(c["source"]), c) for c in cells if c["cell_type"] == "code"]


def test_there_is_a_notebook():
    assert [p.name for p in NOTEBOOKS] == ["quickstart.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_is_stored_without_results(path):
    for source, cell in code_of(path):
        assert cell["outputs"] == [], source
        assert cell["execution_count"] is None, source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_runs_from_the_first_cell_to_the_last(path, tmp_path, monkeypatch):
    """As Jupyter does it, one cell after the other in one namespace; Jupyter itself is not needed."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "__main__"}
    for i, (source, _) in enumerate(code_of(path)):
        exec(compile(source, f"{path.name}[{i}]", "exec"), space)
    assert {"nuclei.tif", "nuclei.objects.csv", "nuclei.recipe.json", "my-model"} <= {
        p.name for p in tmp_path.iterdir()
    }
    assert space["tuned"].bundle.weights is not None
    assert len(space["after"].objects) > 20
