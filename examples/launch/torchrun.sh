#!/usr/bin/env bash
# A sweep by several processes under torchrun, which comes with PyTorch and starts any program.
#
#   examples/launch/torchrun.sh RANKS SUITE RUN.h5 [option of schedbench sweep...]
#   examples/launch/torchrun.sh 4 suites/quickstart.suite run.h5 --device cuda
#
# On several machines, on each: torchrun --nnodes=MACHINES --rdzv-backend=c10d --rdzv-endpoint=HOST:29400 in place of
# --standalone, with RUN.h5 in a folder that all of them see. A rank that dies is started again with its group.
set -euo pipefail

ranks=${1:?number of ranks} suite=${2:?suite file} run=${3:?run file}
shift 3
exec torchrun --standalone --max-restarts=3 --nproc-per-node="$ranks" --no-python \
    "${SCHEDBENCH_PROGRAM:-schedbench}" sweep "$suite" --output "$run" "$@"
