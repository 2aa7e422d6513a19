"""Sphinx configuration: the manual is built with warnings as errors."""

import napari_segplugin

project = "napari-segplugin"
author = "The napari-segplugin developers"
copyright = f"2026, {author}"
version = release = napari_segplugin.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_templates", "changes/*", "notebooks/*"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = "napari-segplugin"

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# Qt and napari are not needed to read about the parts that compute.
autodoc_mock_imports = ["napari", "qtpy", "magicgui", "superqt"]
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]
