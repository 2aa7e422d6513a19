#!/usr/bin/env bash
# Run a command with a screen to draw on: the real one, a virtual one (Xvfb), or none with Qt told so.
# napari's canvas needs OpenGL, which Qt's own "offscreen" platform does not offer; Xvfb with Mesa does.
set -euo pipefail
if [ "$(uname -s)" != Linux ] || { [ -z "${SEGPLUGIN_VIRTUAL_SCREEN:-}" ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; }; then
    exec "$@"
fi
if command -v xvfb-run >/dev/null; then
    unset WAYLAND_DISPLAY QT_QPA_PLATFORM
    export LIBGL_ALWAYS_SOFTWARE=1
    exec xvfb-run -a -s "-screen 0 1600x1200x24 +extension GLX -noreset" "$@"
fi
export QT_QPA_PLATFORM=offscreen
exec "$@"
