#include "core/rank.h"

#include <cmath>
#include <cstdlib>
#include <optional>
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

namespace {

std::optional<int64_t> whole_number(const char* variable) {
    const char* value = std::getenv(variable);
    if (!value) return std::nullopt;
    const auto number = parse_number(value);
    if (!number || !(std::abs(*number) < 1e15) || *number != std::floor(*number))
        throw Error("option", std::string("is \"") + value + "\", expected a whole number", variable);
    return static_cast<int64_t>(*number);
}

/// Of --array=4-10:2 the task 8 is the third of four.
Rank rank_in_array() {
    const auto id = whole_number("SLURM_ARRAY_TASK_ID"), count = whole_number("SLURM_ARRAY_TASK_COUNT");
    if (!id || !count) return {};
    const int64_t first = whole_number("SLURM_ARRAY_TASK_MIN").value_or(0);
    const int64_t step = whole_number("SLURM_ARRAY_TASK_STEP").value_or(1);
    const int64_t past = *id - first;
    if (step < 1 || past < 0 || past % step != 0 || past / step >= *count)
        throw Error("option",
                    "is " + std::to_string(*id) + ", which is none of " + std::to_string(*count) + " from " +
                        std::to_string(first) + " in steps of " + std::to_string(step),
                    "SLURM_ARRAY_TASK_ID",
                    "use an array without gaps (--array=0-3), or give --rank and --world-size");
    return {past / step, *count};
}

}  // namespace

Rank rank_from_environment() {
    struct Launcher {
        const char *rank, *size;
    };
    // A batch script has SLURM_PROCID = 0 and, where it asks for tasks, SLURM_NTASKS, and what it starts
    // inherits both; only a step of srun has a number of tasks of its own.
    constexpr Launcher launchers[] = {{"RANK", "WORLD_SIZE"},
                                      {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                      {"PMI_RANK", "PMI_SIZE"},
                                      {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
    Rank out;
    for (const Launcher& launcher : launchers) {
        const auto rank = whole_number(launcher.rank), size = whole_number(launcher.size);
        if (!rank || !size) continue;
        out = {*rank, *size};
        check_rank(out, launcher.rank);
        break;
    }
    const Rank array = rank_in_array();
    return {array.rank * out.world_size + out.rank, array.world_size * out.world_size};
}

}  // namespace schedbench
