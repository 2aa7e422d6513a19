"""How good inputs are damaged. Every choice comes from the generator of random numbers that is handed in."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

NOTHING = float("nan")
VALUES: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 1e308, -1e308, NOTHING, float("inf"), 2**70, -(2**63), 10**9, 10**6, 0.5),
    *("", "x", "1", "\x00", "<b>x</b>", "é" * 300, "../../../../etc/passwd", "/etc/passwd", "panoptic", "ZYX", "XYZ"),
    *([], {}, [1], {"a": 1}, [[1, 2], [3]], ["a"], [NOTHING], [1e308, -1], [10**9] * 3),
]
SIZES = (b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f", b"\x00\x00\x10\x00", b"\x01\x00\x00\x80", b"\xff" * 4)
DTYPES = (
    *("bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "S5", "U5", "M8[s]", "V4", "O"),
    *("f4", "f4", ">u2", ">f4", "i8"),
)
SHAPES = (
    *((), (0,), (5,), (1, 1), (0, 5), (5, 0), (3, 3), (64, 64), (64, 64), (1, 64), (64, 1), (2, 64, 64), (64, 64, 3)),
    *((64, 64, 2), (1, 1, 1, 1), (2, 2, 32, 32), (2, 2, 2, 16, 16), (1,) * 8, (3, 0, 3), (1000, 1), (1, 20000)),
    *((7, 33, 65), (2, 3, 4, 5, 6, 7)),
)


def in_bytes(r: Random, data: bytes) -> tuple[str, bytes]:
    """Damaged bytes, and a word for how."""
    how = r.choice(("cut", "flip", "flip", "head", "ff", "swap", "insert", "empty", "twice", "tail", "size", "text"))
    b, n = bytearray(data), max(1, len(data))
    if how == "cut":
        return how, data[: r.randrange(n)]
    if how == "empty" or not data:
        return "empty", b""
    if how == "flip":
        for _ in range(r.choice((1, 3, 10, 50))):
            b[r.randrange(n)] ^= 1 << r.randrange(8)
    elif how == "head":
        for _ in range(r.choice((1, 2, 4, 8))):
            b[r.randrange(min(n, 400))] = r.randrange(256)
    elif how == "ff":
        at, width = r.randrange(min(n, 300)), r.choice((1, 2, 4, 8))
        b[at : at + width] = b"\xff" * width
    elif how == "swap":
        one, two = r.randrange(n), r.randrange(n)
        b[one : one + 16], b[two : two + 16] = b[two : two + 16], b[one : one + 16]
    elif how == "insert":
        at = r.randrange(n)
        b[at:at] = bytes(r.randrange(256) for _ in range(r.choice((1, 7, 100))))
    elif how == "twice":
        b = b + b
    elif how == "tail":
        b += bytes(1000)
    elif how == "size":
        at = r.randrange(max(1, min(n, 400) // 4)) * 4
        b[at : at + 4] = r.choice(SIZES)
    else:
        b = bytearray(b"hello, this is a text\n" * 40)
    return how, bytes(b)


def in_json(r: Random, data: Any, times: int = 1) -> tuple[str, Any]:
    """A JSON value of which something is set, taken out, doubled or renamed."""
    told = []
    data = copy.deepcopy(data)
    for _ in range(times):
        places = _places(data)
        if not places:
            break
        path = r.choice(places)
        home = data
        for key in path[:-1]:
            home = home[key]
        told.append(_change(r, home, path))
    return "; ".join(told), data


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(data, dict):
        for key in data:
            found += _places(data[key], (*path, key))
    elif isinstance(data, list):
        for i in range(min(len(data), 4)):
            found += _places(data[i], (*path, i))
    return found


def _change(r: Random, home: Any, path: tuple[Any, ...]) -> str:
    key, where = path[-1], "/".join(map(str, path))[:80]
    how = r.choice(("set", "set", "set", "set", "delete", "double", "rename"))
    if how == "set":
        home[key] = copy.deepcopy(r.choice(VALUES))
        return f"{where} = {json.dumps(home[key])[:40]}"
    if how == "delete":
        del home[key]
    elif how == "double":
        if isinstance(home, list):
            home.append(copy.deepcopy(home[key]))
        else:
            home[f"zz{key}"] = home[key]
    elif isinstance(home, dict):
        home["ZZ"] = home.pop(key)
    else:
        home.reverse()
    return f"{how} {where}"


def json_file(r: Random, path: Path, times: int = 1) -> str:
    """Damage a JSON file as JSON, or now and then as a text."""
    if r.random() < 0.08:
        text = r.choice(("[" * 100_000 + "]" * 100_000, "[]", "3", "null", "{", '{"a": 1e999}', '"' + "x" * 1000 + '"'))
        path.write_text(text)
        return f"{path.name}: {text[:20]}"
    told, data = in_json(r, json.loads(path.read_text(encoding="utf-8")), times)
    path.write_text(json.dumps(data), encoding="utf-8")
    return f"{path.name}: {told}"


def array(r: Random) -> tuple[str, np.ndarray]:
    """An array of an odd shape, dtype or contents."""
    dtype, shape = r.choice(DTYPES), r.choice(SHAPES)
    if dtype == "O":
        made = np.empty(shape, object)
        return f"O{shape}", made
    if dtype in ("S5", "U5", "V4", "M8[s]"):
        return f"{dtype}{shape}", np.zeros(shape, dtype)
    what = r.choice(("zero", "some", "some", "nan", "inf", "negative", "huge", "constant", "mixed"))
    made = np.random.default_rng(r.randrange(9999)).integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)
    kind = made.dtype.kind
    if what == "zero":
        made[...] = 0
    elif what == "constant" and kind != "b":
        made[...] = 7
    elif made.size and kind in "fc" and what in ("nan", "inf", "mixed"):
        made.flat[:: 1 if what == "nan" else 3] = {"nan": np.nan, "inf": np.inf, "mixed": -np.inf}[what]
    elif kind in "if" and what == "negative":
        made = -made
    elif made.size and what == "huge" and kind in "iu":
        made.flat[0], made.flat[-1] = np.iinfo(dtype).max, np.iinfo(dtype).min
    elif made.size and what == "huge" and kind == "f":
        made.flat[0] = np.finfo(dtype).max
    return f"{dtype}{shape} {what}", made


def zarr_tree(r: Random, folder: Path) -> str:
    """Damage one file in the folder of a zarr: its JSON, its bytes, that it is there, or what it is."""
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    words = [f for f in files if f.name in ("zarr.json", ".zarray", ".zattrs", ".zgroup")]
    file = r.choice(words if r.random() < 0.65 else files)
    name = file.relative_to(folder)
    if file in words and r.random() < 0.8:
        return f"{name} {json_file(r, file)}"
    how = r.choice(("bytes", "bytes", "gone", "link", "folder"))
    if how == "bytes":
        how, data = in_bytes(r, file.read_bytes())
        file.write_bytes(data)
    else:
        file.unlink()
        if how == "link":
            file.symlink_to(r.choice(("/etc/hostname", "/nowhere", str(file))))
        elif how == "folder":
            file.mkdir()
    return f"{name} {how}"
