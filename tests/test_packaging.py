"""What the project says of itself in several places is the same everywhere: dependencies, versions, addresses, commands."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import napari_segplugin

ROOT = Path(__file__).parents[1]
PACKAGE = Path(napari_segplugin.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CORE = {Requirement(r).name: Requirement(r) for r in PROJECT["project"]["dependencies"]}
EXTRAS = {k: [Requirement(r) for r in rows] for k, rows in PROJECT["project"]["optional-dependencies"].items()}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONDA_NAMES = {"torch": "pytorch", "napari": "napari-base"}
PACKAGE_OF = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn"}
BINDINGS = ("pyqt", "pyside")


def imported():
    """Top-level modules that the package imports anywhere when it runs, with the file that does."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in running(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((name.name.partition(".")[0], path) for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0], path


def running(node):
    """All nodes of a tree but those that only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from running(child)


# ---------------------------------------------------------------- dependencies


def test_every_package_that_is_imported_is_a_dependency_or_an_extra():
    known = {*CORE, *(r.name for rows in EXTRAS.values() for r in rows), "napari-segplugin", "napari_segplugin"}
    foreign = {m: p for m, p in imported() if m not in sys.stdlib_module_names}
    assert {m: p.name for m, p in foreign.items() if PACKAGE_OF.get(m, m) not in known} == {}


def test_every_dependency_is_imported():
    used = {PACKAGE_OF.get(m, m) for m, _ in imported()}
    assert set(CORE) - used == set()


def test_a_plain_install_reads_medical_images_and_compressed_tiff():
    """napari's plugin manager installs no extras."""
    assert {"nibabel", "pydicom", "imagecodecs", "psutil"} <= set(CORE)


def test_a_plain_install_brings_no_window_and_all_does():
    assert [n for n in CORE if n.lower().startswith(BINDINGS)] == []
    assert CORE["napari"].extras == set()
    assert next(r for r in EXTRAS["all"] if r.name == "napari").extras == {"pyqt6"}


def test_the_extra_that_is_no_longer_needed_can_still_be_asked_for():
    assert [r.name for r in EXTRAS["medical"] if r.name not in CORE] == []


def test_extras_name_only_extras_that_are_there():
    for rows in EXTRAS.values():
        assert {e for r in rows if r.name == "napari-segplugin" for e in r.extras} <= set(EXTRAS)


def recipe():
    text = (ROOT / "docs" / "conda-recipe.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def test_the_conda_recipe_asks_for_the_same():
    rows = [r.replace("${{ python_min }}", recipe()["context"]["python_min"]) for r in recipe()["requirements"]["run"]]
    there = {name: rest for name, _, rest in (row.partition(" ") for row in rows)}
    here = {CONDA_NAMES.get(n, n): str(r.specifier) for n, r in CORE.items()}
    assert there == {"python": PROJECT["project"]["requires-python"], **here}


def test_the_conda_recipe_says_the_same_of_the_project():
    about, project = recipe()["about"], PROJECT["project"]
    assert about["license"] == project["license"]
    found = [p.relative_to(ROOT).as_posix() for pattern in project["license-files"] for p in sorted(ROOT.glob(pattern))]
    assert about["license_file"] == found
    scripts = [f"{k} = {v}" for k, v in project["scripts"].items()]
    assert recipe()["build"]["python"]["entry_points"] == scripts


def test_the_tools_that_the_whole_test_uses_are_in_the_group_that_it_installs():
    def flat(name):
        for row in PROJECT["dependency-groups"][name]:
            yield from [Requirement(row).name] if isinstance(row, str) else flat(row["include-group"])

    script = (ROOT / "scripts" / "test.sh").read_text(encoding="utf-8")
    tools = set(re.findall(r'"\$venv/bin/([\w-]+)"', script)) | set(re.findall(r"-m (sphinx|build)\b", script))
    provider = {"lint-imports": "import-linter", "npe2": "napari", "python": "napari"}
    assert {provider.get(t, t) for t in tools} <= {*flat("dev"), *CORE}


# ---------------------------------------------------------------- one version, one address


def test_every_version_is_the_one_in_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == napari_segplugin.__version__
    assert recipe()["context"]["version"] == napari_segplugin.__version__
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "napari_segplugin/version.py"


def texts():
    """Every text of the project that may name an address."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.split("\n") if done.returncode == 0 else []
    for name in filter(None, names):
        if Path(name).suffix in (".md", ".toml", ".cff", ".yml", ".yaml", ".py", ".cfg", ".ini", ".txt", ".ipynb"):
            yield name, (ROOT / name).read_text(encoding="utf-8")


def test_all_addresses_of_the_project_name_the_same_account():
    owner = re.match(r"https://github\.com/([\w.-]+)/", PROJECT["project"]["urls"]["Source Code"])[1]
    patterns = (
        r"(?:raw\.githubusercontent|github)\.com/([\w.-]+)/napari-segplugin",
        r"//([\w.-]+)\.github\.io/napari-segplugin",
    )
    found = {(name, hit) for name, text in texts() for p in patterns for hit in re.findall(p, text)}
    assert {hit for _, hit in found} <= {owner}, found
    assert {"Homepage", "Documentation", "Bug Tracker", "User Support"} <= set(PROJECT["project"]["urls"])
    if owner == "OWNER":
        assert "| `OWNER` |" in (ROOT / "docs" / "release.md").read_text(encoding="utf-8")


def test_every_placeholder_is_listed_for_the_owner():
    page = (ROOT / "docs" / "release.md").read_text(encoding="utf-8")
    for name in ("pyproject.toml", "CITATION.cff", "docs/conda-recipe.yaml"):
        for word in set(
            re.findall(r"\b(?:OWNER|[A-Z0-9]+(?:_[A-Z0-9]+){2,})\b", (ROOT / name).read_text(encoding="utf-8"))
        ):
            row = next((line for line in page.splitlines() if line.startswith(f"| `{word}` |")), "")
            assert f"`{name}`" in row, f"{word} in {name}"


# ---------------------------------------------------------------- changelog and workflows


def test_every_fragment_has_a_name_that_the_changelog_takes():
    kinds = "|".join(row["directory"] for row in PROJECT["tool"]["towncrier"]["type"])
    for path in (ROOT / "docs" / "changes").iterdir():
        if path.name != "README.md":
            assert re.fullmatch(rf"(\d+|\+[\w-]+)\.({kinds})(\.\d+)?\.md", path.name), path.name
            assert path.read_text(encoding="utf-8").strip()


def test_the_changelog_has_the_place_where_releases_go():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert PROJECT["tool"]["towncrier"]["start_string"] in text


def steps():
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            yield from ((path.name, step) for step in job["steps"])


def test_workflows_run_commands_that_are_there():
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    known = {*re.findall(r"^\[testenv:(\w+)", tox, re.M), "qt-oldest", "${{ matrix.env }}"}
    runs = [(name, step["run"]) for name, step in steps() if "run" in step]
    used = {e for _, run in runs for e in re.findall(r"tox run -e (\$\{\{ [\w.]+ \}\}|[\w-]+)", run)}
    assert used
    assert used <= known
    for _, run in runs:
        for script in re.findall(r"(?:scripts|\.ci)/[\w.-]+", run):
            assert (ROOT / script).is_file(), script


def test_workflows_try_every_python_and_system_that_is_promised():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))["jobs"]
    mark = "Programming Language :: Python :: 3."
    promised = {c.rpartition(" ")[2] for c in PROJECT["project"]["classifiers"] if c.startswith(mark)}
    matrix = jobs["headless"]["strategy"]["matrix"]
    assert set(matrix["python"]) == promised
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert {row["env"] for row in jobs["window"]["strategy"]["matrix"]["include"]} >= {"qt-oldest"}


def test_publishing_needs_no_password():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]
    publish = jobs["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"]["name"] == "pypi"
    assert publish["needs"] == "build"
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_every_yaml_file_parses(path):
    assert yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()
