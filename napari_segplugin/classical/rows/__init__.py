"""The registry rows of the techniques and clean-up steps, in the order of the lists. Importing them imports no scikit-image."""

from napari_segplugin.classical.rows.cleanup import CLEANUP_ROWS
from napari_segplugin.classical.rows.colour import COLOUR_ROWS
from napari_segplugin.classical.rows.edges import EDGE_ROWS
from napari_segplugin.classical.rows.regions import REGION_ROWS
from napari_segplugin.classical.rows.threshold import THRESHOLD_ROWS

TECHNIQUE_ROWS = (*THRESHOLD_ROWS, *EDGE_ROWS, *COLOUR_ROWS, *REGION_ROWS)

__all__ = ["CLEANUP_ROWS", "TECHNIQUE_ROWS"]
