#!/usr/bin/env bash
# Make .venv with everything in it. Run it as often as you like: what is there already is left alone.
#
#   bash scripts/setup.sh [GROUP ...]      groups of pyproject.toml, such as "test" or "dev" ("test" by default)
#
# SEGPLUGIN_PYTHON  which Python to use (3.11 or newer); found by itself otherwise
# SEGPLUGIN_VENV    where the environment goes (.venv)
# SEGPLUGIN_TORCH   what pip is told instead of the pinned torch, for example
#                   "torch --index-url https://download.pytorch.org/whl/cpu"
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${SEGPLUGIN_VENV:-.venv}
groups=("${@:-test}")

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

find_python() {
    local name
    for name in ${SEGPLUGIN_PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

may_install() { command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }

apt_install() {
    local root=()
    [ "$(id -u)" = 0 ] || root=(sudo -n)
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >&2
}

# A library is there under its own name, or under the one with which newer releases replaced it.
has_package() {
    local name
    for name in "$1" "$1t64"; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q '^install ok installed$' && return 0
    done
    return 1
}

system_packages() {
    command -v dpkg-query >/dev/null || return 0
    local wanted=() missing=() name
    while read -r name; do
        case $name in '' | '#'*) ;; *) wanted+=("$name") ;; esac
    done <scripts/qt-libraries.txt
    # a system's own Python leaves out the part that makes environments
    find_python >/dev/null || wanted+=(python3 python3-venv)
    if python=$(find_python) && [ "${python#/usr/bin/}" != "$python" ] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
        wanted+=(python3-venv)
    fi
    for name in "${wanted[@]}"; do has_package "$name" || missing+=("$name"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    if may_install; then
        say "Installing system libraries: ${missing[*]}"
        apt_install "${missing[@]}" || say "Some of them could not be installed; the window or its tests may not open."
    else
        say "System libraries are missing; run: sudo apt-get install -y ${missing[*]}"
    fi
}

install() { "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-input -c constraints.txt "$@" </dev/null; }

has_nvidia() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

# pip before 25.1 does not know groups, so they are read here.
group_requirements() {
    "$venv/bin/python" - "$@" <<'PYTHON'
import sys, tomllib

groups = tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]


def flat(name):
    for item in groups[name]:
        if isinstance(item, str):
            yield item
        else:
            yield from flat(item["include-group"])


print("\n".join(dict.fromkeys(r for name in sys.argv[1:] for r in flat(name))))
PYTHON
}

fingerprint() { cat pyproject.toml constraints.txt <(printf '%s' "${groups[*]} ${SEGPLUGIN_TORCH:-} $PWD") | cksum; }

system_packages
if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python) || fail "Python 3.11 or newer is needed; install it (python.org, brew install python, or your package manager), then run this again."
    "$python" -m venv "$venv" || fail "The environment could not be made; run: sudo apt-get install -y python3-venv"
fi
stamp="$venv/.segplugin-setup"
if [ -f "$stamp" ] && grep -qxF "$(fingerprint)" "$stamp"; then
    exit 0
fi
if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    if [ -n "${SEGPLUGIN_TORCH:-}" ]; then
        say "Installing ${SEGPLUGIN_TORCH}"
        # shellcheck disable=SC2086  # options and names are meant to be parted
        install $SEGPLUGIN_TORCH
    elif [ "$(uname -s)" = Linux ] && ! has_nvidia; then
        say "Installing torch for this processor (a few minutes the first time)"
        install "$(grep -E '^torch==' constraints.txt)"
    fi
fi
say "Installing napari-segplugin and what it needs (a few minutes the first time)"
requirements=()
while IFS= read -r line; do requirements+=("$line"); done < <(group_requirements "${groups[@]}")
install -e ".[all]" "${requirements[@]}"
fingerprint >>"$stamp"
say "Ready: $venv"
