#!/usr/bin/env bash
# Configures and builds into build/ (the preset "release").
#
#   scripts/build.sh [TARGET...]
#
#   SCHEDBENCH_JOBS=N   compile N files at a time (default: one a processor, fewer where memory is short)
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"

jobs=${SCHEDBENCH_JOBS:-}
if [[ -z $jobs ]]; then
    jobs=$(nproc)
    # A file that uses LibTorch takes up to about 1.5 GB to compile.
    available=$(awk '/^MemAvailable:/ { print int($2 / 1.5e6) }' /proc/meminfo 2>/dev/null || true)
    if [[ -n $available ]] && ((available < jobs)); then
        jobs=$((available > 0 ? available : 1))
    fi
fi

# What was found of LibTorch is looked up anew: the virtual environment or SCHEDBENCH_TORCH may have changed.
configure=(cmake --preset release -U 'LIBTORCH_*')
if ! log=$("${configure[@]}" 2>&1); then
    printf '%s\n' "$log" >&2
    printf 'build: error: the configuration failed; scripts/setup.sh installs what a build needs\n' >&2
    exit 2
fi

targets=()
if (($# > 0)); then
    targets=(--target "$@")
fi
printf 'build: %s, %s at a time\n' "${*:-everything}" "$jobs"
SECONDS=0
cmake --build build -j "$jobs" "${targets[@]}"
printf 'build: done in %d s\n' "$SECONDS"
