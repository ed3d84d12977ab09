#!/usr/bin/env bash
# scripts/update_baseline.sh in a copy of what it needs: it shows the comparison, asks, and changes nothing on "no";
# on --yes the new baseline is one that the gate passes. An old one that was better is shown as such, and fails.
set -euo pipefail

source=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
tree=$(mktemp -d "${TMPDIR:-/tmp}/schedbench-baseline.XXXXXX")
trap 'rm -rf -- "$tree"' EXIT
mkdir -p "$tree/results" "$tree/build"
cp -r -- "$source/scripts" "$source/suites" "$tree"
cp -r -- "$source/results/baseline" "$tree/results"
cd -- "$tree"
unset SCHEDBENCH_GATE_DIR
fail() {
    printf 'update_baseline_test: %s\n' "$*" >&2
    exit 1
}
sums() { sha256sum results/baseline/*.h5; }

before=$(sums)
shown=$(scripts/update_baseline.sh <<<n) && fail "a refusal must not end well"
[[ $(sums) == "$before" ]] || fail "a refusal changed the baseline"
[[ $shown == *"A is the new baseline"*"comparisons"* ]] || fail "it did not show what changes: $shown"

# A change for the worse: fewer evaluations under the same name of the suite.
sed -i 's/^budget = 9/budget = 5/' suites/gate-exact.suite
code=0
scripts/gate.sh >/dev/null || code=$?
[[ $code == 1 ]] || fail "another suite has other cells: expected 1, got $code"
scripts/update_baseline.sh --yes >shown
grep -q 'only in A' shown || fail "cells of one side only are not shown: $(cat shown)"
[[ $(sums) != "$before" ]] || fail "--yes changed nothing"
scripts/gate.sh >/dev/null || fail "a renewed baseline must pass"
printf 'update_baseline_test: good\n'
