// Denoising statistics and learned schedules as records of a run file.
#pragma once

#include <optional>
#include <string>

#include "likelihood/denoising_statistics.h"
#include "samplers/level_statistics.h"
#include "schedules/learned_schedule.h"
#include "store/run_file.h"

namespace schedbench {

/// Id of statistics: hash of what was measured (model, data, chain, clip, decoder, seed), not of how many
/// images.
std::string statistics_id(const DenoisingStatistics& statistics);
StatisticsRecord statistics_record(const DenoisingStatistics& statistics);
DenoisingStatistics statistics_of(const StatisticsRecord& record, const std::string& where);

/// What analytic reverse variances need of them. Error("option") at `where` for statistics of earlier versions, which
/// lack Gamma.
LevelStatistics level_statistics_of(const DenoisingStatistics& statistics, const std::string& where);

/// Statistics with this id in any of the run files (missing files are an Error, files without them are not).
std::optional<DenoisingStatistics> find_statistics(const std::vector<std::string>& files,
                                                   const std::string& id);

/// A learned schedule, kept so that a continued run places more knots without measuring again.
StatisticsRecord learned_record(const std::string& id, const LearnedSchedule& learned);
LearnedSchedule learned_of(const StatisticsRecord& record, const std::string& where);

}  // namespace schedbench
