// Rank and world size of this process.
#pragma once

#include <cstdint>

namespace schedbench {

struct Rank {
    int64_t rank = 0, world_size = 1;
};

/// From torchrun, Slurm, OpenMPI or PMI variables, in this order; 0 of 1 without any. Error("option") for a
/// variable that is no number, or a rank outside its world.
Rank rank_from_environment();
void check_rank(const Rank& rank, const char* where);

}  // namespace schedbench
