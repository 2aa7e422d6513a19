"""A file format of a handful of lines."""

from __future__ import annotations

import json

import numpy as np

from napari_segplugin.io.files import Format, Found


def read(path):
    """The voxels and what is known of them."""
    data = json.loads(path.read_text())
    return Found(np.array(data["voxels"]), data["axes"], spacing=data["spacing"], unit=data["unit"])


def write(labels, path):
    """Everything as plain numbers."""
    about = {"axes": labels.axes, "spacing": dict(labels.spacing), "unit": labels.unit}
    path.write_text(json.dumps({**about, "voxels": np.asarray(labels.array).tolist()}))


FORMAT = Format(read=read, write=write)
