"""``python -m napari_segplugin.cli``."""

import sys

from napari_segplugin.cli import main

sys.exit(main())
