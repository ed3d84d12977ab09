#!/usr/bin/env bash
# Fetches the weights of a public network, checks and converts them, and lets the program look at the result.
#   scripts/get_weights.sh NAME [--to FOLDER] [--url URL]     (FOLDER: weights)
#   scripts/get_weights.sh --list
# Then: schedbench ... --model native:file=FOLDER/NAME.safetensors
# SCHEDBENCH_PROGRAM: the program, if it is not build/apps/schedbench. A golden file NAME.golden.safetensors beside the
# weights (scripts/make_golden.py) is compared with.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit 0
fi
made=$(python3 -B "$here/fetch_public.py" weights "$@")
echo "$made"
[[ " $* " != *" --list "* ]] || exit 0

program=${SCHEDBENCH_PROGRAM:-$here/../build/apps/schedbench}
if [[ ! -x $program ]]; then
    echo "get_weights: $program is not built, so the weights were not verified: schedbench verify $made" >&2
elif [[ $(basename "$made") == inception.safetensors ]]; then
    echo "get_weights: schedbench doctor says whether it is the published network" >&2
elif [[ -f ${made%.safetensors}.golden.safetensors ]]; then
    "$program" verify "$made" "${made%.safetensors}.golden.safetensors"
else
    "$program" verify "$made"
fi
