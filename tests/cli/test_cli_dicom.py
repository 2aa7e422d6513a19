"""DICOM folders in the command line: which series, and slices that are not even."""

from __future__ import annotations

import pytest
from dicom_maker import series

from napari_segplugin.cli.commands import open_image
from napari_segplugin.cli.parser import make_parser
from napari_segplugin.cli.run_recipe import find_images
from napari_segplugin.cli.where import told
from napari_segplugin.core import InputError


def opened(folder, *more):
    options = make_parser().parse_args(["predict", str(folder), "--model", "nuclei2d", *more])
    return open_image(str(folder), options, lambda _: None)


def test_which_series_is_said_by_its_number(tmp_path) -> None:
    series(tmp_path / "a", [0, 2, 4], SeriesDescription="head")
    series(tmp_path / "b", [0, 2], SeriesInstanceUID="1.2.3.5", SeriesDescription="scout")
    with pytest.raises(InputError, match=r"1: CT 'head'.*2: CT 'scout'") as caught:
        opened(tmp_path)
    assert told(caught.value).endswith("Option: --series.")
    assert opened(tmp_path, "--series", "2").array.shape == (2, 6, 8)


def test_slices_are_made_even_on_wish(tmp_path) -> None:
    series(tmp_path, [0, 2, 4, 8])
    assert opened(tmp_path).array.shape[0] == 4
    assert opened(tmp_path, "--even-slices").array.shape[0] == 5


def test_a_folder_with_a_series_is_one_image(tmp_path) -> None:
    series(tmp_path / "ct", [0, 2, 4])
    assert find_images([str(tmp_path / "ct")]) == [tmp_path / "ct"]
    assert find_images([str(tmp_path)]) == [tmp_path / "ct"]
