#!/usr/bin/env bash
# From a fresh checkout to a first table and its plots: sets up, builds the program, runs the sweep of
# suites/quickstart.suite (an interrupted one is continued) and shows what came out.
# Arguments go to `schedbench sweep`.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
SECONDS=0
"$root/scripts/setup.sh"
"$root/scripts/build.sh" schedbench

cd -- "$root"
run=results/runs/quickstart.h5
plots=results/runs/quickstart-plots
mkdir -p results/runs
build/apps/schedbench sweep suites/quickstart.suite --output "$run" "$@"
plotted=$(.venv/bin/python scripts/plot.py "$run" --output "$plots")

printf '\n'
build/apps/schedbench table "$run"
printf '\n%s\nquickstart: done in %d s\n' "$plotted" "$SECONDS"
