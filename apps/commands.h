// The explicit list of subcommands.
#pragma once

#include <vector>

#include "apps/command.h"

namespace schedbench {

extern const Command kSweepCommand;
extern const Command kMergeCommand;
extern const Command kTableCommand;
extern const Command kMetricsCommand;
extern const Command kCompareCommand;
extern const Command kGateCommand;
extern const Command kShowCommand;
extern const Command kExportCommand;
extern const Command kValidateCommand;
extern const Command kTrainCommand;
extern const Command kKnotsCommand;
extern const Command kLearnCommand;
extern const Command kModesCommand;
extern const Command kStatisticsCommand;
extern const Command kBpdCommand;
extern const Command kLikelihoodCommand;
extern const Command kSampleCommand;
extern const Command kListCommand;
extern const Command kDoctorCommand;
extern const Command kVerifyCommand;
extern const Command kTrainFeaturesCommand;
extern const Command kSpectrumCommand;

inline std::vector<const Command*> command_list() { return {
    &kSweepCommand, &kMergeCommand, &kTableCommand, &kMetricsCommand, &kCompareCommand, &kGateCommand, &kShowCommand, &kExportCommand, &kValidateCommand,
    &kKnotsCommand, &kLearnCommand, &kModesCommand, &kStatisticsCommand, &kBpdCommand, &kLikelihoodCommand, &kSampleCommand,
    &kTrainCommand, &kTrainFeaturesCommand, &kSpectrumCommand, &kVerifyCommand, &kListCommand, &kDoctorCommand,
}; }

}  // namespace schedbench
