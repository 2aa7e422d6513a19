"""JSON that somebody else wrote, checked against the types that the code reads it as, before it is used.

The schema of a kind of JSON is the ``TypedDict`` that the type checker holds our own code to, so the two cannot part. It
has to say ``object`` for what may be any JSON, and may say ``Annotated[int, Between(1, 4)]``.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from napari_segplugin.core.errors import InputError
from napari_segplugin.core.types import Json

T = TypeVar("T")
DEEPEST = 64
"""How many lists and objects may stand in each other; what this package writes has fewer than ten."""
LARGEST = 2**63
"""Whole numbers are below this, so that arrays can hold them."""


@dataclass(frozen=True)
class Between:
    """Limits of a number, both allowed; of a text or a list, of its length."""

    low: float
    high: float


def parse_json(text: str | bytes, kind: type[T], what: str, accepted: str = "") -> T:
    """What a JSON text says, checked by :func:`checked_json`.

    Parameters
    ----------
    text : str or bytes
        UTF-8, with or without a mark of the byte order.
    kind : type
    what : str
        How a sentence calls it.
    accepted : str
        The whole form in words, in place of what is expected where it differs.

    Raises
    ------
    InputError
        If it is no JSON, or not of this kind.

    Examples
    --------
    >>> parse_json("[1, 2]", list[int], "The file 'a.json'")
    [1, 2]
    """
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        data: Json = json.loads(decoded)
    except (ValueError, RecursionError) as error:  # bad UTF-8 and numbers of thousands of digits are ValueErrors, too
        said = "too many lists in each other" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise InputError(
            f"{what} cannot be read as JSON; it is damaged, incomplete or another kind of file.",
            got=f'"{said[:160]}"',
            hint="Copy it again from its source, or save it again in the program that made it.",
        ) from error
    return checked_json(data, kind, what, accepted)


def checked_json(data: object, kind: type[T], what: str, accepted: str = "") -> T:
    """The same value, if it is of a kind.

    Fields that the kind does not name may hold anything and are kept. A whole number may stand where a number with a
    fraction may; numbers are finite; true and false are no numbers.

    Parameters
    ----------
    data : JSON value
    kind : type
        A ``TypedDict``, ``list[...]``, ``dict[str, ...]``, ``Literal``, union, int, float, str, bool, None or object.
    what : str
        How a sentence calls it.
    accepted : str
        As in :func:`parse_json`.

    Raises
    ------
    InputError
        If it is of another kind: the sentence says where and what is expected there.

    Examples
    --------
    >>> checked_json([1, "2"], list[int], "The file 'a.json'")
    Traceback (most recent call last):
    napari_segplugin.core.errors.InputError: The file 'a.json' does not have the expected contents. Got '2' at item 2.
    Accepted: a whole number.
    """
    try:
        _check(data, kind, ())
    except _Wrong as wrong:
        place = " → ".join(wrong.path) or "the top"
        raise InputError(
            f"{what} does not have the expected contents.",
            got=f"{_shown(wrong.value)} at {place}" if wrong.there else f"no field {place}",
            accepted=accepted or wrong.accepted,
        ) from None
    return cast("T", data)


class _Wrong(Exception):
    """A value of another kind, and where."""

    def __init__(self, path: Sequence[str], value: object, accepted: str, there: bool = True) -> None:
        super().__init__(accepted)
        self.path, self.value, self.accepted, self.there = tuple(path), value, accepted, there


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a JSON object"
    text = repr(value[:3] if isinstance(value, list) else value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _check(value: object, kind: object, path: tuple[str, ...]) -> None:
    if len(path) > DEEPEST:
        raise _Wrong((), value, f"at most {DEEPEST} lists and objects in each other")
    origin = get_origin(kind)
    if origin is Annotated:
        base, *limits = get_args(kind)
        _check(value, base, path)
        _check_limits(value, limits, path)
    elif origin in (Union, types.UnionType):
        _check_choice(value, get_args(kind), path)
    elif origin is Literal:
        if value not in get_args(kind):
            raise _Wrong(path, value, _name(kind))
    elif origin in (list, Sequence):
        (inner,) = get_args(kind)
        _check_list(value, inner, path)
    elif origin in (dict, Mapping):
        _check_mapping(value, get_args(kind)[1], path)
    elif is_typeddict(kind):
        _check_fields(value, cast("type", kind), path)
    elif kind is object or kind is Any:
        _check_any(value, path)
    elif not _PLAIN[cast("type", kind)](value):
        raise _Wrong(path, value, _name(kind))


def _whole(value: object) -> bool:
    return type(value) is int and -LARGEST <= value < LARGEST


def _number(value: object) -> bool:
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and -LARGEST <= value < LARGEST)


_PLAIN: Mapping[object, Callable[[object], bool]] = {
    int: _whole,
    float: _number,
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    type(None): lambda value: value is None,
    None: lambda value: value is None,
}


def _check_list(value: object, inner: object, path: tuple[str, ...]) -> None:
    if not isinstance(value, list):
        raise _Wrong(path, value, f"a list of {_name(inner, many=True)}")
    plain = _PLAIN.get(inner)
    if plain is not None and all(map(plain, value)):  # long lists of numbers: no path is made for each
        return
    for i, item in enumerate(value, 1):
        _check(item, inner, (*path, f"item {i}"))


def _check_mapping(value: object, inner: object, path: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise _Wrong(path, value, "a JSON object")
    for name, item in value.items():
        _check(item, inner, (*path, f"'{name[:40]}'"))


def _check_any(value: object, path: tuple[str, ...]) -> None:
    """Anything; but its depth is looked at, since whoever walks through it would have to stop somewhere, too."""
    if isinstance(value, dict):
        _check_mapping(value, object, path)
    elif isinstance(value, list):
        _check_list(value, object, path)


@cache
def _fields(kind: type) -> tuple[dict[str, object], frozenset[str]]:
    required: frozenset[str] = getattr(kind, "__required_keys__", frozenset())
    # include_extras keeps limits; NotRequired is in the keys already
    hints = {name: _bare(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}
    return hints, required & frozenset(
        n for n, h in get_type_hints(kind, include_extras=True).items() if not _optional(h)
    )


def _optional(hint: object) -> bool:
    return getattr(get_origin(hint), "_name", "") == "NotRequired"


def _bare(hint: object) -> object:
    return get_args(hint)[0] if getattr(get_origin(hint), "_name", "") in ("NotRequired", "Required") else hint


def _check_fields(value: object, kind: type, path: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise _Wrong(path, value, "a JSON object")
    hints, required = _fields(kind)
    for name in sorted(required - set(value)):
        raise _Wrong((*path, f"'{name}'"), None, _name(hints[name]), there=False)
    for name, item in value.items():
        _check(item, hints.get(name, object), (*path, f"'{name[:40]}'"))


def _check_choice(value: object, kinds: Iterable[object], path: tuple[str, ...]) -> None:
    """One of several: if none fits, the one that got farthest says what is wrong."""
    farthest: _Wrong | None = None
    for kind in kinds:
        try:
            _check(value, kind, path)
        except _Wrong as wrong:
            if farthest is None or len(wrong.path) > len(farthest.path):
                farthest = wrong
        else:
            return
    if farthest is not None and len(farthest.path) > len(path):
        raise farthest
    raise _Wrong(path, value, " or ".join(_name(kind) for kind in kinds))


def _check_limits(value: object, limits: Iterable[object], path: tuple[str, ...]) -> None:
    size = len(value) if isinstance(value, str | list) else cast("float", value)
    for limit in limits:
        if isinstance(limit, Between) and not limit.low <= size <= limit.high:
            word = "of length " if isinstance(value, str | list) else "a number from "
            raise _Wrong(path, value, f"{word}{limit.low:g} to {limit.high:g}")


def _name(kind: object, many: bool = False) -> str:
    """What a kind is, in words."""
    words = {
        int: "whole number",
        float: "number",
        str: "text",
        bool: "true or false",
        type(None): "null",
        object: "value",
    }
    if get_origin(kind) is Annotated:
        return _name(get_args(kind)[0], many)
    if get_origin(kind) is Literal:
        return " or ".join(repr(a) for a in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_name(k, many) for k in get_args(kind))
    word = words.get(cast("type", kind))
    if word is None:
        word = "list" if get_origin(kind) in (list, Sequence) else "JSON object"
    if word in ("true or false", "null"):
        return word
    return f"{word}s" if many else f"a {word}"


__all__ = ["Between", "checked_json", "parse_json"]
