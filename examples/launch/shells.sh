#!/usr/bin/env bash
# A sweep by several processes of this machine, without a launcher: ranks by --rank and --world-size.
#
#   examples/launch/shells.sh RANKS SUITE RUN.h5 [option of schedbench sweep...]
#   examples/launch/shells.sh 4 suites/quickstart.suite run.h5 --device cuda     # rank r on device r
#   examples/launch/shells.sh 2 suites/quickstart.suite run.h5 --threads 1       # two halves of a processor
set -euo pipefail

ranks=${1:?number of ranks} suite=${2:?suite file} run=${3:?run file}
shift 3
pids=()
for ((rank = 0; rank < ranks; ++rank)); do
    LOCAL_RANK=$rank "${SCHEDBENCH_PROGRAM:-schedbench}" sweep "$suite" --output "$run" \
        --rank "$rank" --world-size "$ranks" "$@" &
    pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
exit "$status"
