#!/usr/bin/env bash
# Install the project with the torch that pip takes by itself (on Linux the CUDA build with triton, about 6 GB), and use the
# dock on a screen drawn by Mesa. Not a part of the ordinary checks: it takes minutes and gigabytes.
#
#   bash scripts/check-default-torch.sh [FOLDER]     FOLDER keeps the environment (a temporary one otherwise)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -n "${1:-}" ]; then
    venv=$1
else
    venv=$(mktemp -d)/venv
    trap 'rm -rf "$(dirname "$venv")"' EXIT
fi
python=$venv/bin/python
[ -x "$python" ] || "${SEGPLUGIN_PYTHON:-python3}" -m venv "$venv"
"$python" -m pip install --disable-pip-version-check --quiet --no-input torch
"$python" -m pip install --disable-pip-version-check --quiet --no-input -e ".[all]"
"$python" - <<'PYTHON'
import importlib.util, torch
print("torch", torch.__version__, "· triton", "there" if importlib.util.find_spec("triton") else "not there")
PYTHON
export SEGPLUGIN_VIRTUAL_SCREEN=1 HOME
HOME=$(mktemp -d)
for case in dock before after compile; do
    printf '\n== %s\n' "$case" >&2
    bash scripts/with-screen.sh "$python" scripts/default_torch.py "$case"
done
