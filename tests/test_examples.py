"""Every example in a docstring of the package runs and gives what it says."""

import doctest
import importlib
import pkgutil

import pytest

import napari_segplugin

OPTIONAL = {"napari_segplugin.networks.monai_rows": "monai", "napari_segplugin.engine.predict.cluster": "distributed"}


def modules():
    yield "napari_segplugin"
    for found in pkgutil.walk_packages(napari_segplugin.__path__, "napari_segplugin."):
        # widgets have no examples, and importing them needs a Qt binding
        if not found.name.startswith("napari_segplugin.widgets") and not found.name.endswith("__main__"):
            yield found.name


@pytest.mark.parametrize("name", list(modules()))
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    if name in OPTIONAL:
        pytest.importorskip(OPTIONAL[name])
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
