"""JSON of others is checked against the types that the code reads it as: what is wrong, where, and what is expected there."""

from __future__ import annotations

import json
from typing import Annotated, Literal, NotRequired, TypedDict

import pytest

from napari_segplugin.core import InputError
from napari_segplugin.core.schema import DEEPEST, Between, checked_json, parse_json


class Inner(TypedDict):
    size: Annotated[float, Between(0.1, 10)]
    kind: Literal["thing", "stuff"]
    note: NotRequired[str | None]


class Outer(TypedDict, total=False):
    rows: list[Inner]
    mask: list[list[float]] | Inner
    colors: Annotated[list[Annotated[int, Between(0, 255)]], Between(3, 4)]
    table: dict[str, bool]
    more: object


ROW = {"size": 1, "kind": "thing"}


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"rows": [ROW, {**ROW, "note": None}, {**ROW, "note": "x", "unknown": [{}]}]},
        {"mask": [[1, 2.5], []]},
        {"mask": ROW},
        {"colors": [0, 128, 255]},
        {"table": {"a": True}, "more": {"a": [1, None, {"b": "x"}]}},
    ],
)
def test_what_is_of_the_kind_comes_back_as_it_is(good):
    assert checked_json(good, Outer, "It") is good
    assert parse_json(json.dumps(good), Outer, "It") == good


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([], "Got [] at the top. Accepted: a JSON object."),
        ({"rows": {}}, "Got a JSON object at 'rows'. Accepted: a list of JSON objects."),
        ({"rows": [ROW, 3]}, "Got 3 at 'rows' → item 2. Accepted: a JSON object."),
        ({"rows": [{"size": 1}]}, "Got no field 'rows' → item 1 → 'kind'. Accepted: 'thing' or 'stuff'."),
        ({"rows": [{**ROW, "kind": "x"}]}, "Got 'x' at 'rows' → item 1 → 'kind'. Accepted: 'thing' or 'stuff'."),
        ({"rows": [{**ROW, "size": 0}]}, "Got 0 at 'rows' → item 1 → 'size'. Accepted: a number from 0.1 to 10."),
        ({"rows": [{**ROW, "size": True}]}, "Got True at 'rows' → item 1 → 'size'. Accepted: a number."),
        ({"rows": [{**ROW, "size": float("nan")}]}, "Got nan at 'rows' → item 1 → 'size'. Accepted: a number."),
        ({"rows": [{**ROW, "note": 3}]}, "Got 3 at 'rows' → item 1 → 'note'. Accepted: a text or null."),
        ({"mask": [[1, "2"]]}, "Got '2' at 'mask' → item 1 → item 2. Accepted: a number."),
        ({"mask": 7}, "Got 7 at 'mask'. Accepted: a list or a JSON object."),
        ({"colors": [1, 2]}, "Got [1, 2] at 'colors'. Accepted: of length 3 to 4."),
        ({"colors": [1, 2, 300]}, "Got 300 at 'colors' → item 3. Accepted: a number from 0 to 255."),
        ({"colors": [1, 2, 2**70]}, "Accepted: a whole number."),
        ({"colors": [1.0, 2, 3]}, "Got 1.0 at 'colors' → item 1. Accepted: a whole number."),
        ({"table": {"a": 1}}, "Got 1 at 'table' → 'a'. Accepted: true or false."),
    ],
)
def test_what_is_not_is_told_with_its_place(bad, words):
    with pytest.raises(InputError, match=r"^It does not have the expected contents\.") as caught:
        checked_json(bad, Outer, "It")
    assert words in str(caught.value)


def test_a_value_of_any_kind_is_not_deeper_than_code_walks():
    deep: object = 1
    for _ in range(DEEPEST + 1):
        deep = [deep]
    with pytest.raises(InputError, match=f"Accepted: at most {DEEPEST} lists and objects in each other"):
        checked_json({"more": deep}, Outer, "It")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000 + "]" * 100_000, "1" * 5000, b"\xff\xfe"])
def test_what_is_no_json_is_a_sentence(text):
    with pytest.raises(InputError, match=r"^It cannot be read as JSON; it is damaged"):
        parse_json(text, object, "It")


def test_a_mark_of_the_byte_order_is_passed_over():
    assert parse_json(b"\xef\xbb\xbf[1]", list[int], "It") == [1]
