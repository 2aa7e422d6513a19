"""The house: no file, function or folder so large that nobody finds their way in it, and tests that stand where the code does."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import napari_segplugin

PACKAGE = Path(napari_segplugin.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

MODULE_LINES = 400
FUNCTION_LINES = 60
"""Signature and body, nested functions included; the docstring is not counted, so that nobody saves on it."""
FOLDER_MODULES = 16
"""Besides ``__init__``."""
ANY_PER_THOUSAND = 12
"""Words ``Any`` per thousand lines of the package: each is a place where the type checker is blind."""

# What may be larger, each with the reason. An entry that is no longer needed fails, so the lists only shrink by themselves.
LONG_MODULES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
FULL_FOLDERS: dict[str, str] = {}

FLAT = {
    "data": "one operation on arrays a file",
    "io": "one format a file",
    "losses": "one loss a file, as its registry has it",
    "metrics": "one family of metrics a file, as its registry has it",
    "networks": "one architecture a file, as its registry has it",
    "viewer": "one kind of layer a file",
    "widgets": "gets its rooms with the new dock",
}
"""Folders of the package that have no rooms and may grow."""

WITHOUT_TESTS = {
    "classical/rows": "rows are tables; the promises over all techniques (tests/classical) go through them",
    "classical/shared": "what techniques have in common is tested by theirs",
}
"""Rooms that have no folder of tests, and why."""


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def lines_of(node):
    """Lines of a function without its docstring."""
    first = node.body[0]
    documented = ast.get_docstring(node, clean=False) is not None
    return node.end_lineno - node.lineno + 1 - (first.end_lineno - first.lineno + 1 if documented else 0)


def functions(node, path=""):
    """Every function of a tree with its path, such as ``Class.method``."""
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = f"{path}.{child.name}".lstrip(".") if named else path
        if named and not isinstance(child, ast.ClassDef):
            yield inner, child
        yield from functions(child, inner)


def check(sizes, most, exceptions):
    """Nothing is larger than `most` but the exceptions, and each of those is, and says why."""
    large = {name: size for name, size in sizes.items() if size > most}
    assert {n: s for n, s in large.items() if n not in exceptions} == {}
    assert [n for n in exceptions if n not in large] == [], "no longer needed"
    assert all(exceptions.values())


def test_no_module_is_too_long():
    sizes = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    check(sizes, MODULE_LINES, LONG_MODULES)


def test_no_function_is_too_long():
    sizes = {f"{name_of(p)}: {name}": lines_of(node) for p in MODULES for name, node in functions(tree(p))}
    check(sizes, FUNCTION_LINES, LONG_FUNCTIONS)


def test_no_folder_is_too_full():
    folders = {p.parent for p in MODULES}
    sizes = {name_of(f): sum(p.name != "__init__.py" for p in f.glob("*.py")) for f in folders}
    assert set(FLAT) <= set(sizes)
    check({f: n for f, n in sizes.items() if f not in FLAT}, FOLDER_MODULES, FULL_FOLDERS)


def test_the_lengths_are_counted_as_they_are_meant():
    source = '''
def f(
    x,
):
    """Not

    counted."""

    def inner():
        """Counted with f, since f is what is read."""
        return x

    return inner


class C:
    async def g(self): return 1
'''
    found = {name: lines_of(node) for name, node in functions(ast.parse(source))}
    assert found == {"f": 9, "f.inner": 2, "C.g": 1}


def test_an_exception_that_is_no_longer_needed_fails():
    check({"a": 9, "b": 11}, 10, {"b": "a table"})
    for sizes, exceptions in (({"a": 11}, {}), ({"a": 9}, {"a": "was long"}), ({"a": 11}, {"a": ""}), ({}, {"a": "?"})):
        with pytest.raises(AssertionError):
            check(sizes, 10, exceptions)


def test_nothing_prints_and_nothing_relies_on_assert():
    """Both vanish where they matter: in a window without a terminal, and under ``python -O``."""
    found = []
    for path in MODULES:
        for node in ast.walk(tree(path)):
            calls = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            if calls or isinstance(node, ast.Assert):
                found.append(f"{name_of(path)}:{node.lineno}")
    assert found == []


def test_few_types_are_any():
    texts = [p.read_text(encoding="utf-8") for p in MODULES]
    words, lines = sum(len(re.findall(r"\bAny\b", t)) for t in texts), sum(len(t.splitlines()) for t in texts)
    assert words / lines * 1000 <= ANY_PER_THOUSAND


def lists_names(path):
    targets = [t for node in tree(path).body if isinstance(node, ast.Assign) for t in node.targets]
    return any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets)


def load(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts[0] == "widgets":
        try:
            importlib.import_module("qtpy.QtWidgets")
        except ImportError:
            pytest.skip("no Qt here")
    return importlib.import_module(".".join(("napari_segplugin", *(p for p in parts if p != "__init__"))))


@pytest.mark.parametrize("path", [p for p in MODULES if lists_names(p)], ids=name_of)
def test_every_public_name_is_there_once(path):
    module = load(path)
    assert len(module.__all__) == len(set(module.__all__))
    assert [n for n in module.__all__ if not hasattr(module, n)] == []


def rooms_of(floor):
    return sorted(p.parent.name for p in (PACKAGE / floor).glob("*/__init__.py"))


@pytest.mark.parametrize("floor", ["engine", "classical"])
def test_the_tests_stand_in_rooms_like_the_code(floor):
    tests = {p.name for p in (TESTS / floor).iterdir() if any(p.glob("test_*.py"))}
    rooms = set(rooms_of(floor))
    without = {name.partition("/")[2] for name in WITHOUT_TESTS if name.startswith(f"{floor}/")}
    assert rooms
    assert without <= rooms
    assert tests == rooms - without


@pytest.mark.parametrize("floor", sorted({p.parent.name for p in PACKAGE.glob("*/__init__.py")} - {"resources"}))
def test_every_floor_has_tests(floor):
    assert any((TESTS / floor).rglob("test_*.py"))
