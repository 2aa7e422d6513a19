"""A registry lists rows without importing what they name."""

import sys
import threading
from dataclasses import dataclass, replace
from importlib import metadata
from types import SimpleNamespace
from typing import ClassVar

import pytest

from napari_segplugin.core import InputError, Registry, Row, entry_points


@pytest.fixture
def shelf():
    registry = Registry("number")
    registry.add(Row("pi", "Pi", "math:pi"))
    registry.add(Row("lost", "Lost", "no_such_module_anywhere:x"))
    return registry


def test_listing_imports_nothing(shelf):
    assert [r.title for r in shelf] == ["Pi", "Lost"]
    assert "no_such_module_anywhere" not in sys.modules


def test_loading_gives_the_target(shelf):
    assert shelf.load("pi") == pytest.approx(3.14159, abs=1e-5)


def test_membership_length_and_names(shelf):
    assert ("pi" in shelf, "tau" in shelf, len(shelf), shelf.names()) == (True, False, 2, ("pi", "lost"))


def test_an_unknown_name_lists_what_there_is(shelf):
    with pytest.raises(InputError, match=r"no number named 'tau'. Accepted: pi, lost"):
        shelf["tau"]


def test_a_name_is_given_once(shelf):
    with pytest.raises(InputError, match="already a number named 'pi'"):
        shelf.add(Row("pi", "Another", "math:e"))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("", "Pi", "math:pi"), "needs a name. Got a row for 'math:pi'"),
        (("pi", "Pi", "math.pi"), "target of 'pi' is not a place in a module. Got 'math.pi'"),
        (("pi", "Pi", "math:"), "not a place in a module"),
    ],
)
def test_a_row_without_a_name_or_a_place_is_refused(row, words):
    with pytest.raises(InputError, match=words):
        Row(*row)


@dataclass(frozen=True, kw_only=True)
class Colored(Row):
    color: str = "red"
    WORDS: ClassVar = {"color": ("red", "blue")}


def test_a_word_that_a_field_does_not_know_is_refused():
    assert Colored("pi", "Pi", "math:pi", color="blue").color == "blue"
    with pytest.raises(InputError, match=r"field 'color' of 'pi'.*Got 'green'. Accepted: 'red', 'blue'"):
        Colored("pi", "Pi", "math:pi", color="green")


def test_code_of_another_package_that_cannot_be_imported_is_a_sentence(shelf):
    with pytest.raises(ModuleNotFoundError):
        shelf.load("lost")
    theirs = replace(shelf["lost"], package="more-numbers")
    with pytest.raises(
        InputError, match=r"'Lost' of the package 'more-numbers' cannot be loaded. Got ModuleNotFoundError"
    ):
        theirs.load()


class Points:
    """Entry points of a group, as a program that is installed would have them; counts how often they are asked for."""

    def __init__(self, monkeypatch, **offered):
        self.asked = self.loaded = 0
        self.points = [self.point(name, give) for name, give in offered.items()]
        monkeypatch.setattr(entry_points, "_installed", lambda path: self)

    def select(self, group):
        assert group == "test.numbers"
        self.asked += 1
        return self.points

    def point(self, name, give):
        def load():
            self.loaded += 1
            return give() if callable(give) else give

        return SimpleNamespace(name=name, dist=SimpleNamespace(name=f"{name}-package"), load=load)


def fail(error):
    def load():
        raise error

    return load


def test_rows_of_other_packages_are_found_when_the_registry_is_listed_and_only_once(monkeypatch):
    points = Points(
        monkeypatch, e=Row("e", "E", "math:e"), several=[Row("tau", "Tau", "math:tau"), Row("inf", "Inf", "math:inf")]
    )
    shelf = Registry("number", group="test.numbers")
    shelf.add(Row("pi", "Pi", "math:pi"))
    assert ("pi" in shelf, shelf["pi"].name, points.asked) == (True, "pi", 0)
    assert shelf.names() == ("pi", "e", "tau", "inf")
    assert [row.package for row in shelf] == ["", "e-package", "several-package", "several-package"]
    assert (len(shelf), "nothing" in shelf, shelf.problems, points.asked) == (4, False, (), 1)
    assert shelf["tau"].label == "Tau (several-package)"


def test_a_name_that_is_not_known_is_looked_for_in_other_packages(monkeypatch):
    Points(monkeypatch, e=lambda: lambda: Row("e", "E", "math:e"))  # a function that gives a row
    assert Registry("number", group="test.numbers")["e"].package == "e-package"


def test_what_is_wrong_with_another_package_is_a_sentence_and_the_others_work(monkeypatch):
    Points(
        monkeypatch,
        a=fail(ImportError("no libfoo.\n")),
        b=fail(SystemExit()),
        c=None,
        d=[],
        e=Colored("e", "E", "math:e"),
        f=Row("plain", "Plain", "math:e"),
        g=[Colored("e", "Another", "math:e"), Colored("tau", "Tau", "math:tau")],
        h=Colored("pi", "Pi", "math:pi"),
        i=lambda: lambda: Colored("x", "X", "math:e", color="green"),
    )
    shelf = Registry("number", Colored, group="test.numbers")
    shelf.add(Colored("pi", "Pi", "math:pi"))
    assert shelf.names() == ("pi", "e", "tau")
    said = iter(shelf.problems)
    assert next(said) == "The package 'a-package' offers a number ('a') that cannot be loaded: ImportError: no libfoo."
    assert next(said) == "The package 'b-package' offers a number ('b') that cannot be loaded: SystemExit."
    assert next(said) == "The package 'c-package' offers a number ('c') of the wrong type: NoneType instead of Colored."
    assert next(said) == "The package 'd-package' offers a number ('d') that cannot be loaded: it gives nothing."
    assert next(said) == "The package 'f-package' offers a number ('f') of the wrong type: Row instead of Colored."
    assert next(said).endswith(
        "offers a number ('g') named 'e', but this name is taken by the package 'e-package'; it is left out."
    )
    assert next(said).endswith("offers a number ('h') named 'pi', but this name is taken already; it is left out.")
    assert "cannot be loaded: InputError: The field 'color' of 'x'" in next(said)
    with pytest.raises(InputError, match=r"no number named 'foo'. Accepted: pi, e, tau. The package 'a-package'"):
        shelf["foo"]


def test_a_package_may_list_the_registry_while_it_is_imported(monkeypatch):
    shelf = Registry("number", group="test.numbers")
    shelf.add(Row("pi", "Pi", "math:pi"))
    seen = []

    def offer():
        seen.append(shelf.names())
        return Row("e", "E", "math:e")

    Points(monkeypatch, e=offer)
    assert shelf.names() == ("pi", "e")
    assert seen == [("pi",)]


def test_two_threads_that_list_at_once_see_the_same_rows(monkeypatch):
    barrier = threading.Barrier(2, timeout=10)

    def offer():
        barrier.wait()  # both are looking now
        return Row("e", "E", "math:e")

    Points(monkeypatch, e=offer)
    shelf = Registry("number", group="test.numbers")
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(shelf.names())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [("e",), ("e",)]
    assert shelf.problems == ()


def test_the_packages_of_a_path_are_read_once_for_all_groups(monkeypatch, tmp_path):
    read = []
    whole = metadata.entry_points
    monkeypatch.setattr(metadata, "entry_points", lambda **kw: read.append(kw) or whole(**kw))
    monkeypatch.syspath_prepend(tmp_path)  # a path that nobody has asked for before
    for group in ("napari_segplugin.networks", "napari_segplugin.losses", "napari_segplugin.networks"):
        list(entry_points.offers(group))
    assert read == [{}]
    folder = tmp_path / "more_numbers-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: more-numbers\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[test.later]\ne = math:e\n")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    found = list(entry_points.offers("test.later"))
    assert [(offer.package, offer.rows) for offer in found] == [("more-numbers", (2.718281828459045,))]
