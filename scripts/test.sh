#!/usr/bin/env bash
# Set up (the first time), then test. Further arguments go to pytest.
#
#   bash scripts/test.sh           the tests
#   bash scripts/test.sh --all     the tests, then style, types and the floors
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${SEGPLUGIN_VENV:-.venv}
all=
if [ "${1:-}" = --all ]; then
    all=1
    shift
fi
bash scripts/setup.sh ${all:+dev}
# limits that a shell happens to have make torch crawl and change what is tested
unset OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS
failed=()
check() {
    local name=$1
    shift
    printf '\n== %s\n' "$name" >&2
    "$@" || failed+=("$name")
}
check tests bash scripts/with-screen.sh "$venv/bin/python" -m pytest "$@"
if [ -n "$all" ]; then
    check style "$venv/bin/ruff" check .
    check types "$venv/bin/mypy"
    check floors "$venv/bin/lint-imports"
fi
if [ ${#failed[@]} -gt 0 ]; then
    printf '\nNot green: %s\n' "${failed[*]}" >&2
    exit 1
fi
