// Rank and world size of this process.
#pragma once

#include <cstdint>

namespace schedbench {

struct Rank {
    int64_t rank = 0, world_size = 1;
};

/// As the launcher says it in the environment: torchrun, OpenMPI, PMI (MPICH, Intel MPI), Slurm's srun, in
/// this order, since a launcher's processes see the variables of the one it was started by as well. Within a
/// Slurm job array the tasks of the array come on top: rank = (array's rank) size + (rank in the task). 0 of
/// 1 without any. Error("option") for a variable that is no whole number, a rank outside its world, or an
/// array with gaps.
Rank rank_from_environment();
void check_rank(const Rank& rank, const char* where);

}  // namespace schedbench
