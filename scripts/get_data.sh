#!/usr/bin/env bash
# Fetches a public data set, or statistics of one to compare with, checks it and unpacks it.
#   scripts/get_data.sh NAME [--to FOLDER] [--url URL]     (FOLDER: downloads)
#   scripts/get_data.sh --list
# Prints what schedbench reads: cifar10:path=FOLDER/cifar-10-batches-bin, or a reference file FOLDER/NAME.npz.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit 0
fi
exec python3 -B "$here/fetch_public.py" data "$@"
