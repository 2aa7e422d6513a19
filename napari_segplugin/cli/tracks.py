"""The command about time: track."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np

import napari_segplugin as seg
from napari_segplugin import jobs
from napari_segplugin.cli.commands import Result, targets_of, write_result
from napari_segplugin.cli.progress import CommandProgress
from napari_segplugin.core import InputError, Segmentation, drain
from napari_segplugin.core.words import pixel
from napari_segplugin.io import read_segmentation


def track(options: Namespace) -> Result:
    """Link the objects of label files through time."""
    from napari_segplugin.data.table import Column

    spec = seg.TrackSpec(
        options.max_distance, options.gap, not options.no_divisions, options.overlap, not options.afresh
    )
    rows = []
    places = targets_of(options.labels, options.output, None, ending="_tracks")
    for path, place in zip(options.labels, places, strict=True):
        with CommandProgress(Path(path).name, options.quiet) as progress:
            found = drain(jobs.track(_with_axes(read_segmentation(path), options), spec), progress)
            table = seg.measure(found.segmentation, tracks=found.track)
            parent = np.array([found.graph.get(n, [0])[0] for n in table["track"].values.tolist()], np.int64)
            column = Column("parent", "parent", parent, "Track that it came from by division; 0 if it did not.")
            graph = {str(child): parents for child, parents in found.graph.items()}
            rows_of_tracks = table.with_columns({"parent": column}).to_csv(about=Path(path).name)
            texts = {".csv": rows_of_tracks, ".graph.json": json.dumps(graph, indent=2)}
            files = write_result(found.segmentation, place, progress, texts)
        divisions = len({p[0] for p in found.graph.values()})
        row = {"labels": str(path), "tracks": len(found.track), "divisions": divisions}
        rows.append(row | {"graph": graph, "outputs": [str(f) for f in files]})
    lines = [f"{r['outputs'][0]}: {r['tracks']} tracks, {r['divisions']} divisions" for r in rows]  # type: ignore[index]
    return {"command": "track", "results": rows}, "\n".join(lines)


def _with_axes(found: Segmentation, options: Namespace) -> Segmentation:
    """What was typed, in place of what the file says."""
    axes = (options.axes or found.axes).upper()
    if len(axes) != len(found.axes):
        raise InputError("The axes do not fit the labels.", got=f"'{axes}' for shape {found.labels.shape}")
    n = sum(a in "ZYX" for a in axes)
    size = options.spacing or ((1.0,) * n + tuple(found.spacing))[-n:]
    if len(size) != n:
        raise InputError(f"The {pixel(n)} size does not fit the labels.", got=f"{tuple(size)} for the axes '{axes}'")
    return replace(found, axes=axes, spacing=tuple(size), unit=options.unit or found.unit)


__all__ = ["track"]
