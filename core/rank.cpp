#include "core/rank.h"

#include <cstdlib>
#include <string>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

void check_rank(const Rank& r, const char* where) {
    if (r.world_size < 1 || r.rank < 0 || r.rank >= r.world_size)
        throw Error(
            "option",
            "rank " + std::to_string(r.rank) + " of " + std::to_string(r.world_size) + " is not possible",
            where, "ranks count from 0 to world size - 1");
}

Rank rank_from_environment() {
    struct Launcher {
        const char *rank, *size;
    };
    // torchrun, Slurm tasks, Slurm job arrays, OpenMPI, PMI (MPICH, Intel MPI).
    constexpr Launcher launchers[] = {{"RANK", "WORLD_SIZE"},
                                      {"SLURM_PROCID", "SLURM_NTASKS"},
                                      {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"},
                                      {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                      {"PMI_RANK", "PMI_SIZE"}};
    for (const Launcher& launcher : launchers) {
        const char *rank = std::getenv(launcher.rank), *size = std::getenv(launcher.size);
        if (!rank || !size) continue;
        const auto r = parse_number(rank), n = parse_number(size);
        if (!r || !n)
            throw Error("option",
                        std::string("is \"") + rank + "\" of \"" + size + "\", which are no numbers",
                        launcher.rank);
        const Rank out{static_cast<int64_t>(*r), static_cast<int64_t>(*n)};
        check_rank(out, launcher.rank);
        return out;
    }
    return {};
}

}  // namespace schedbench
