#!/usr/bin/env bash
# A sweep by several processes under OpenMPI's mpirun (that of MPICH and Intel MPI takes the same command).
#
#   examples/launch/mpirun.sh RANKS SUITE RUN.h5 [option of schedbench sweep...]
#   examples/launch/mpirun.sh 4 suites/quickstart.suite run.h5 --device cuda
#
# On several machines: mpirun --hostfile HOSTS -n RANKS ..., with RUN.h5 in a folder that all of them see.
set -euo pipefail

ranks=${1:?number of ranks} suite=${2:?suite file} run=${3:?run file}
shift 3
exec mpirun -n "$ranks" "${SCHEDBENCH_PROGRAM:-schedbench}" sweep "$suite" --output "$run" "$@"
