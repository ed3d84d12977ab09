// The explicit list of subcommands.
#pragma once

#include <vector>

#include "apps/command.h"

namespace schedbench {

extern const Command kTrainCommand;

inline std::vector<const Command*> command_list() { return {&kTrainCommand}; }

}  // namespace schedbench
