#!/usr/bin/env bash
# Set up (the first time), then show the plugin: a window where there is a screen, otherwise pictures in demo-results/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
exec "${SEGPLUGIN_VENV:-.venv}/bin/python" -m napari_segplugin.demo "$@"
