"""The picture of the manual on scans: a CT series and the labels of another program, from above, from the front, from the side.

    bash scripts/with-screen.sh python scripts/scan_pictures.py FOLDER docs/images/scans.png

FOLDER holds a DICOM series `dicom_series` and `example_seg_dicom.nii.gz`, whose axes run in other directions: the test files
of TotalSegmentator (Apache 2.0).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import napari
import numpy as np
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_segplugin.io import read_image, read_segmentation
from napari_segplugin.viewer.compass import compass_of
from napari_segplugin.viewer.layers import image_to_layer, opened_labels

ORDERS = ((0, 1, 2), (1, 0, 2), (2, 0, 1))


def main(folder: Path, target: Path) -> None:
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(900, 620)
    compass_of(viewer)
    array, options, _ = image_to_layer(read_image(folder / "dicom_series"))
    viewer.add_image(array, **options)
    labels, options, _ = opened_labels(read_segmentation(folder / "example_seg_dicom.nii.gz"))
    viewer.add_labels(labels, opacity=0.5, **options)
    pictures = []
    for order in ORDERS:
        viewer.dims.order = order
        viewer.reset_view()
        for _ in range(20):
            QApplication.processEvents()
            time.sleep(0.02)
        pictures.append(viewer.screenshot(flash=False)[..., :3])
    height = min(p.shape[0] for p in pictures)
    Image.fromarray(np.hstack([p[:height] for p in pictures])).quantize(160, dither=Image.Dither.NONE).save(
        target, optimize=True
    )
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
