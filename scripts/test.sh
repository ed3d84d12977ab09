#!/usr/bin/env bash
# Sets up, builds and runs every test. Arguments go to ctest, for example:
#
#   scripts/test.sh -L golden
#   scripts/test.sh -R store
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
SECONDS=0
"$root/scripts/setup.sh"
"$root/scripts/build.sh"
printf 'test: set-up and build took %d s\n' "$SECONDS"

# One test at a time: the heavy ones use two threads themselves, and timings stay comparable. ctest speaks last.
exec ctest --test-dir "$root/build" --output-on-failure --no-tests=error -j1 "$@"
