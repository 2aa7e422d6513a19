"""All registries together: every row's strings lead somewhere, and none of them leads up."""

import ast
import importlib
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

import napari_segplugin
from napari_segplugin.engine.parts import PARTS, part_problems
from napari_segplugin.engine.predict.blocks import BLOCKS
from napari_segplugin.tasks import TASKS

HOME = Path(napari_segplugin.__file__).parent
FLOORS = {"core": 1, "engine": 3, "viewer": 4, "widgets": 5, "cli": 5, "demo": 6}
"""Every other folder is a part, on the second floor."""
REGISTRIES = {**PARTS, "tasks": TASKS, "blocks": BLOCKS}
ROWS = [pytest.param(kind, row, id=f"{kind}-{row.name}") for kind, registry in REGISTRIES.items() for row in registry]


def floor_of(module):
    """The floor of a module of ours; 0 for any other."""
    home, _, rest = module.partition(".")
    return FLOORS.get(rest.partition(".")[0], 2) if home == "napari_segplugin" else 0


def strings_in(value):
    """All strings in a row, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (s for item in value.items() for part in item for s in strings_in(part))
    elif isinstance(value, list | tuple):
        yield from (s for part in value for s in strings_in(part))


def places(row):
    """The strings of a row that name something in a module, by the field."""
    for field in fields(row):
        for text in strings_in(getattr(row, field.name)):
            if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", text):
                yield field.name, text


def test_floors_are_told_apart():
    assert [floor_of(f"napari_segplugin.{m}") for m in ("core.image", "io", "engine.predict.plan", "cli")] == [
        1,
        2,
        3,
        5,
    ]
    assert floor_of("some_package.engine") == 0


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_registry_knows_its_kind_of_row_and_lists_some(kind):
    registry = REGISTRIES[kind]
    assert len(registry) == len(set(registry.names())) > 0
    assert all(type(row) is registry.row for row in registry)
    assert registry.group == (f"napari_segplugin.{kind}" if kind in PARTS else "")


@pytest.mark.parametrize(("kind", "row"), ROWS)
def test_no_string_of_a_row_leads_to_a_higher_floor(kind, row):
    own = 3 if kind == "blocks" else 2
    found = dict(places(row))
    assert found["target"] == row.target
    for word, place in places(row):
        assert floor_of(place.partition(":")[0]) <= own, f"{word} = {place}"
    for text in strings_in([getattr(row, field.name) for field in fields(row)]):
        for module in re.findall(r"napari_segplugin\.[\w.]+", text):
            assert floor_of(module) <= own, text


@pytest.mark.parametrize(("kind", "row"), ROWS)
def test_every_place_that_a_row_names_is_there(kind, row):
    pytest.importorskip("torch")
    for word, place in places(row):
        module, _, name = place.partition(":")
        assert hasattr(importlib.import_module(module), name), f"{word} = {place}"


def test_heads_that_come_with_the_package_can_be_read_block_by_block():
    assert set(BLOCKS.names()) == {row.name for row in PARTS["heads"] if not row.package}


def test_nothing_installed_here_is_broken():
    assert part_problems() == ()


def test_a_class_has_a_name_of_its_own():
    names = Counter(
        node.name
        for path in HOME.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_region_and_box_are_defined_once():
    found = {
        path.relative_to(HOME).as_posix()
        for path in HOME.rglob("*.py")
        if re.search(r"^(Region|Box)(: TypeAlias)? = ", path.read_text(encoding="utf-8"), re.M)
    }
    assert found == {"core/place.py"}
