"""Whatever the disk does, and whenever the program is killed: what is read afterwards is all old or all new.

Every writer goes through every fault at every moment. A format that is added to the registry is covered by itself.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from faults import FAULTS, Killed, failing, segmentation

from napari_segplugin.core import InputError, SegPluginError
from napari_segplugin.core.disk.commit import settle
from napari_segplugin.core.disk.leftovers import sweep
from napari_segplugin.io import (
    FORMATS,
    load_bundle,
    load_recipe,
    read_segmentation,
    save_bundle,
    save_recipe,
    shipped_bundles,
    write_segmentation,
)
from napari_segplugin.io.files import fingerprint, write_text

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the failing disk stands in for a POSIX system")


@dataclass(frozen=True)
class Writer:
    """How a state of something is written to a folder, and which state is read back; None where there is none."""

    write: Callable[[Path, int], object]
    read: Callable[[Path], int | None]
    names: int


def of_format(row) -> Writer:
    name = f"cells{row.extensions[0]}"

    def write(folder: Path, value: int) -> None:
        more = {".csv": f"value {value}", ".graph.json": f'{{"value": {value}}}'}
        write_segmentation(segmentation(value, row.needs == "volume"), folder / name, texts=more)

    def read(folder: Path) -> int | None:
        settle(folder / name)
        recipe = folder / "cells.recipe.json"
        if not recipe.is_file():
            assert not [p for p in folder.iterdir() if not p.name.startswith(".")]
            return None
        about = json.loads(recipe.read_text(encoding="utf-8"))
        assert {n: fingerprint(folder / n) for n in about["files"]} == about["files"], "files of two results"
        value = about["recipe"]["value"]
        if row.load().read is not None:
            assert read_segmentation(folder / name).recipe.get("value", value) == value
        return value

    return Writer(write, read, 5 + bool(row.load().beside))


def bundles() -> Writer:
    shipped = small_bundle()

    def write(folder: Path, value: int) -> None:
        save_bundle(replace(shipped, description=str(value)), folder / "model", overwrite=True)

    def read(folder: Path) -> int | None:
        settle(folder / "model")
        return int(load_bundle(folder / "model").description) if (folder / "model").exists() else None

    return Writer(write, read, 1)


@cache
def small_bundle():
    found = load_bundle(shipped_bundles()["nuclei2d"])
    return replace(found, exemplars=None)


def recipes() -> Writer:
    recipe = load_recipe("nuclei2d")

    def write(folder: Path, value: int) -> None:
        save_recipe(replace(recipe, name=str(value)), folder / "mine.json")

    def read(folder: Path) -> int | None:
        settle(folder / "mine.json")
        return int(load_recipe(folder / "mine.json").name) if (folder / "mine.json").exists() else None

    return Writer(write, read, 1)


def tables() -> Writer:
    def write(folder: Path, value: int) -> None:
        write_text(folder / "table.csv", f"label,area\n1,{value}\n" * 3000)

    def read(folder: Path) -> int | None:
        place = folder / "table.csv"
        settle(place)
        if not place.exists():
            return None
        lines = place.read_text().splitlines()
        assert len(lines) == 6000
        return int(lines[-1].split(",")[1])

    return Writer(write, read, 1)


def checkpoints() -> Writer:
    from napari_segplugin.engine.train.checkpoint import Checkpoint

    def write(folder: Path, value: int) -> None:
        Checkpoint(folder, "key").write({"net": {"weight": np.full(3, value)}}, {"value": value})

    def read(folder: Path) -> int | None:
        checkpoint = Checkpoint(folder, "key")
        found = checkpoint.read()
        assert not checkpoint.damaged
        return None if found is None else int(found[1]["value"])

    return Writer(write, read, 1)


MORE = {"bundle": bundles, "recipe": recipes, "table": tables, "checkpoint": checkpoints}
WITHOUT = {"dicomseg": "is written beside a DICOM series only; its file goes through the same function"}
NAMES = [*(row.name for row in FORMATS if row.writes and row.name not in WITHOUT), *MORE]


def writer_of(name: str) -> Writer:
    if name in MORE:
        return MORE[name]()
    row = FORMATS[name]
    if row.extra in ("rois", "geo"):
        pytest.importorskip({"rois": "roifile", "geo": "pyogrio"}[row.extra])
    return of_format(row)


@pytest.mark.parametrize(
    ("fault", "before"),
    [*((fault, 1) for fault in FAULTS), ("killed", None)],
    ids=lambda v: {1: "replaced", None: "new"}.get(v, v),
)
@pytest.mark.parametrize("name", NAMES)
def test_all_or_nothing_at_every_moment(tmp_path, name, fault, before):
    writer = writer_of(name)
    start = tmp_path / "start"
    start.mkdir()
    if before is not None:
        writer.write(start, before)
    at, outcomes = 0, set()
    while True:
        at += 1
        folder = tmp_path / "now"
        shutil.copytree(start, folder)
        said: BaseException | None = None
        with failing(fault, at) as disk:
            try:
                writer.write(folder, 2)
            except (SegPluginError, OSError, Killed) as error:
                said = error
        value = writer.read(folder)
        assert value in (before, 2), disk.calls
        if fault != "killed":
            assert value == (before if said is not None else 2), (at, disk.calls[at - 1])
            assert said is None or isinstance(said, InputError), (at, disk.calls[at - 1], said)
        sweep(folder)
        assert len(list(folder.iterdir())) == (writer.names if value else 0), (at, disk.calls[at - 1 :])
        outcomes.add(value)
        shutil.rmtree(folder)
        if len(disk.calls) < at:
            break
    assert outcomes == {before, 2}
    assert at > 10, "the faults did not reach the writer"
