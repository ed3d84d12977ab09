#!/usr/bin/env bash
# The gate of this repository: sweeps its small suites afresh and judges them by results/baseline/.
#
#   scripts/gate.sh               sweep and gate; exit code 0 pass, 1 fail, 2 error, 3 inconclusive (schedbench help gate)
#   scripts/gate.sh --sweep DIR   only sweep, into DIR/SUITE.h5 (scripts/update_baseline.sh)
#
#   SCHEDBENCH_PROGRAM=FILE   the program (default build/apps/schedbench)
#   SCHEDBENCH_GATE_DIR=DIR   where the runs and reports go (default build/gate)
#   SCHEDBENCH_GATE_SUITES="gate-exact gate"   only these
#
# suites/gate.suite needs Fashion-MNIST (Debian package dataset-fashion-mnist) and is left out without it;
# suites/gate-exact.suite needs nothing. Noise is a function of the image number, so the new run and the baseline are
# paired, also where another CPU or library rounds differently: the tolerances are about quality, not about bits.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"
program=${SCHEDBENCH_PROGRAM:-build/apps/schedbench}
work=${SCHEDBENCH_GATE_DIR:-build/gate}
only_sweep=no
if [[ ${1:-} == --sweep && -n ${2:-} ]]; then
    only_sweep=yes
    work=$2
elif (($# > 0)); then
    sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit 2
fi
mkdir -p -- "$work"
# Features are computed, not taken from a cache that an older program filled.
export SCHEDBENCH_CACHE=none

# What counts, and how much worse it may be: distances of 4 to 13 on 32 features, and 1 % on pixels.
tolerances_of() {
    case $1 in
    gate) printf '%s\n' --tolerance fd-fashion32=0.05 --tolerance bpd=0.002 ;;
    gate-exact) printf '%s\n' --relative fd-pixels=0.01 ;;
    esac
}

suites=(gate-exact)
if [[ -n ${SCHEDBENCH_GATE_SUITES:-} ]]; then
    read -ra suites <<<"$SCHEDBENCH_GATE_SUITES"
elif [[ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ]]; then
    suites+=(gate)
else
    printf 'gate: Fashion-MNIST is not installed, suites/gate.suite is left out\n'
fi

# A failure counts before an error, an error before an inconclusive result.
worst=0
rank_of() { case $1 in 0) echo 0 ;; 3) echo 1 ;; 1) echo 3 ;; *) echo 2 ;; esac; }
for suite in "${suites[@]}"; do
    run=$work/$suite.h5
    rm -rf -- "$run" "$work/$suite.work" "$work/$suite.lock" # nothing is reused: a run would hide a change
    "$program" sweep "suites/$suite.suite" --output "$run" --threads 1 --quiet >/dev/null
    [[ $only_sweep == no ]] || continue
    mapfile -t options < <(tolerances_of "$suite")
    code=0
    "$program" gate "$run" "results/baseline/$suite.h5" "${options[@]}" --junit "$work/$suite.xml" \
        --json "$work/$suite.json" || code=$?
    if (($(rank_of "$code") > $(rank_of "$worst"))); then worst=$code; fi
done
exit "$worst"
