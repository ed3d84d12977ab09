#!/usr/bin/env bash
# Renews results/baseline/, what scripts/gate.sh judges by: builds, sweeps the gate's suites, shows what changed against
# the baseline of now, asks, and puts the new runs in its place. There is no other way to renew it; commit the files
# together with the change that moved them, and say why.
#
#   scripts/update_baseline.sh [--yes]
#
#   --yes   do not ask
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"
yes=no
case ${1:-} in
'') ;;
--yes) yes=yes ;;
*)
    sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit 2
    ;;
esac

if [[ -z ${SCHEDBENCH_PROGRAM:-} ]]; then scripts/build.sh schedbench; fi
program=${SCHEDBENCH_PROGRAM:-build/apps/schedbench}
fresh=build/new-baseline
rm -rf -- "$fresh"
scripts/gate.sh --sweep "$fresh"

for run in "$fresh"/*.h5; do
    name=$(basename -- "$run")
    "$program" export "$run" --format slim --output "$run" >/dev/null
    printf '\n=== %s: A is the new baseline, B the present one\n\n' "$name"
    if [[ -e results/baseline/$name ]]; then
        "$program" compare "$run" "results/baseline/$name"
    else
        printf 'there is none yet; the new one holds:\n'
        "$program" export "$run" --format csv | cut -d, -f3,4,9,13-15
    fi
done

if [[ $yes == no ]]; then
    printf '\nPut these in place of results/baseline/? [y/N] '
    answer=no
    read -r answer || true
    if [[ $answer != y && $answer != yes ]]; then
        printf 'results/baseline/ is as it was\n'
        exit 1
    fi
fi
mkdir -p results/baseline
cp -- "$fresh"/*.h5 results/baseline/
rm -rf -- "$fresh"
printf 'results/baseline/ is new; commit it with the change that moved it\n'
