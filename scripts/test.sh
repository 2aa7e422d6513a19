#!/usr/bin/env bash
# Set up (the first time), then test. Further arguments go to pytest.
#
#   bash scripts/test.sh           the tests
#   bash scripts/test.sh --all     the tests, then style, types, floors, manual, release files and the wheel: what CI runs
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
times=()
check() {
    local name=$1 started=$SECONDS
    shift
    printf '\n== %s\n' "$name" >&2
    "$@" || failed+=("$name")
    times+=("$name $((SECONDS - started)) s")
}
changelog() { "$venv/bin/towncrier" build --draft --version draft >/dev/null; }
release_files() {
    "$venv/bin/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml &&
        "$venv/bin/check-jsonschema" --builtin-schema vendor.dependabot .github/dependabot.yml &&
        "$venv/bin/check-jsonschema" --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml &&
        "$venv/bin/check-jsonschema" --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml &&
        "$venv/bin/check-jsonschema" --builtin-schema vendor.citation-file-format CITATION.cff
}
# files of tests go to as many processes as there are processors, two at least: much of the time is waiting
workers=$(nproc 2>/dev/null || echo 2)
check tests bash scripts/with-screen.sh "$venv/bin/python" -m pytest -n "$((workers > 2 ? workers : 2))" --dist loadfile "$@"
if [ -n "$all" ]; then
    check style "$venv/bin/ruff" check .
    check format "$venv/bin/ruff" format --check .
    check types "$venv/bin/mypy"
    check floors "$venv/bin/lint-imports"
    check manifest "$venv/bin/npe2" validate napari_segplugin/napari.yaml
    check changelog changelog
    check "release files" release_files
    check manual "$venv/bin/python" -m sphinx -W --keep-going -q -b html docs docs/_build/html
    check wheel bash scripts/check-wheel.sh
fi
printf '\nTook: %s\n' "$(IFS=,; echo "${times[*]}")" >&2
if [ ${#failed[@]} -gt 0 ]; then
    printf '\nNot green: %s\n' "${failed[*]}" >&2
    exit 1
fi
