#!/usr/bin/env bash
# Build the sdist and the wheel, install the wheel into a clean environment outside the checkout, and use what is installed.
#
#   bash scripts/check-wheel.sh [FOLDER]      FOLDER keeps what was built and the picture of the dock (a temporary one)
#
# SEGPLUGIN_VENV    the environment with the tools that build (.venv)
# SEGPLUGIN_EXTRA   the extra that the wheel is installed with (all)
# SEGPLUGIN_TORCH   what pip is told instead of the pinned torch, as for scripts/setup.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
tools=$(cd "${SEGPLUGIN_VENV:-.venv}" && pwd)/bin
work=$(mktemp -d)
# thirty thousand small files: nobody has to wait until they are gone
trap '(rm -rf "$work" </dev/null >/dev/null 2>&1 &)' EXIT
out=${1:-$work/out}
mkdir -p "$out"
out=$(cd "$out" && pwd)
started=$SECONDS

step() {
    printf '   %4d s  %s\n' $((SECONDS - started)) "$*" >&2
}

step "building"
rm -f "$out"/napari_segplugin-*
"$tools/python" -m build --outdir "$out" . >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
wheel=$(echo "$out"/napari_segplugin-*.whl)
step "what is in it"
"$tools/twine" check --strict "$out"/napari_segplugin-*
"$tools/python" scripts/wheel_files.py "$wheel" "$out"/napari_segplugin-*.tar.gz

step "installing into a clean environment"
"$tools/python" -m venv "$work/venv"
python=$work/venv/bin/python
# without bytecode: a quarter of what is installed is ever imported
install() {
    "$python" -m pip install --disable-pip-version-check --quiet --no-input --no-compile -c "$root/constraints.txt" "$@" </dev/null
}
if [ -n "${SEGPLUGIN_TORCH:-}" ]; then
    # shellcheck disable=SC2086  # options and names are meant to be parted
    install $SEGPLUGIN_TORCH
else
    # a card is not used here, and the build for processors is much smaller
    install "$(grep -E '^torch==' constraints.txt)"
fi
install "$wheel[${SEGPLUGIN_EXTRA:-all}]"

# From here on nothing of the checkout may be seen: another folder, no PYTHONPATH, and no script's folder on the path.
cp scripts/check_installed.py "$work/check_installed.py"
export PYTHONSAFEPATH=1 HOME="$work/home" NAPARI_CONFIG="$work/home/napari.yaml"
unset PYTHONPATH PYTHONDONTWRITEBYTECODE
mkdir -p "$work/home" "$work/run"
cd "$work/run"
"$python" -m pip check
step "the command line"
"$work/venv/bin/segplugin" models >/dev/null
sample=$("$python" -c 'from napari_segplugin.io import samples; print(samples._SHELF / "nuclei2d" / "image.tif")')
"$work/venv/bin/segplugin" predict "$sample" --model nuclei2d --output result --device cpu >/dev/null
step "manifest, samples, picture of the dock"
bash "$root/scripts/with-screen.sh" "$python" "$work/check_installed.py" "$root" result "$out"
step "done"
