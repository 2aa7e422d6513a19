"""napari-segplugin: segment, correct, fine-tune and measure 2D and 3D images in napari."""

__version__ = "0.1.0"
