"""The manifest is valid, every command resolves, and none of them imports torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

from napari_segplugin import viewer
from napari_segplugin.io import FORMATS, sample_names
from napari_segplugin.io.formats import extension_of
from napari_segplugin.viewer.readers import get_reader
from napari_segplugin.viewer.writers import labels_to_segmentation, write_labels

MANIFEST = Path(viewer.__file__).parent.parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(MANIFEST)


def test_sample_keys_are_the_samples_that_ship(manifest: PluginManifest) -> None:
    keys = {s.key for s in manifest.contributions.sample_data or ()}
    assert keys == set(sample_names())


def test_every_command_starts_with_the_name(manifest: PluginManifest) -> None:
    assert all(c.id.startswith("napari-segplugin.") for c in manifest.contributions.commands or ())


def test_writers_promise_only_what_can_be_written(manifest: PluginManifest) -> None:
    offered = {e for w in manifest.contributions.writers or () for e in w.filename_extensions}
    writable = {e for row in FORMATS if row.writes for e in row.extensions}
    assert {extension_of(Path(f"cells{e}")) for e in offered} <= writable
    assert {".geojson", ".coco.json", ".panoptic.json", ".roi.zip", ".seg.dcm", ".stl"} <= offered


def test_the_reader_takes_what_the_manifest_claims(manifest: PluginManifest, tmp_path: Path) -> None:
    (reader,) = manifest.contributions.readers or ()
    claimed = {p.removeprefix("*") for p in reader.filename_patterns} - {".json"}  # which is looked into
    taken = {e for e in claimed if get_reader(str(tmp_path / (f"a{e}" if e.startswith(".") else e))) is not None}
    assert taken == claimed
    known = {e for row in FORMATS if row.reads for e in row.extensions}
    assert {extension_of(Path(f"a{e}")) for e in claimed if e.startswith(".")} <= known


def test_commands_resolve_without_torch(manifest: PluginManifest) -> None:
    names = [c.python_name for c in manifest.contributions.commands or () if "widgets" not in str(c.python_name)]
    code = (
        "import importlib, sys, napari.layers\n"
        "before = 'qtpy' in sys.modules\n"
        f"for name in {[str(n) for n in names]}:\n"
        "    module, _, attribute = name.partition(':')\n"
        "    assert callable(getattr(importlib.import_module(module), attribute)), name\n"
        "assert 'torch' not in sys.modules\n"
        "assert before or 'qtpy' not in sys.modules\n"  # napari 0.7 imports it with its layers
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", sample_names())
def test_samples_come_as_layers(name: str) -> None:
    from napari.layers import Layer

    from napari_segplugin.viewer import sample_data

    layers = [Layer.create(*data) for data in getattr(sample_data, name)()]
    image = next(a for a in layers if type(a).__name__ == "Image")
    truth = next(a for a in layers if type(a).__name__ == "Labels")
    assert truth.data.shape == image.data.shape[: truth.ndim]
    np.testing.assert_allclose(truth.scale, image.scale)
    assert not truth.visible


def test_labels_are_written_with_their_voxel_size(tmp_path: Path) -> None:
    labels = np.zeros((3, 4, 5), np.uint16)
    labels[1, 1, 1] = 2
    about = {
        "scale": (2.0, 0.5, 0.5),
        "units": ("um",) * 3,
        "axis_labels": ("z", "y", "x"),
        "name": "n",
        "metadata": {},
    }
    found = labels_to_segmentation(labels, about)
    assert (found.axes, found.spacing, found.unit) == ("ZYX", (2.0, 0.5, 0.5), "um")
    written = write_labels(str(tmp_path / "n.tif"), labels, about)
    assert (tmp_path / "n.tif").exists()
    assert str(tmp_path / "n.tif") in written


def test_labels_over_channels_lose_the_stretched_axis() -> None:
    found = labels_to_segmentation(
        np.zeros((3, 1, 4, 5), int), {"scale": (2, 6, 1, 1), "axis_labels": tuple("zcyx"), "units": ("pixel",) * 4}
    )
    assert (found.axes, found.spacing) == ("ZYX", (2.0, 1.0, 1.0))
