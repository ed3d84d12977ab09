// The network that the options of `train` describe.
#pragma once

#include <memory>

#include "apps/options.h"
#include "data/dataset.h"
#include "train/objective.h"

namespace schedbench {

void add_architecture_options(Options& options);

/// Error naming the option that cannot be, or that the architecture does not have.
std::shared_ptr<const TrainableNetwork> described_network(const Options& options, const Dataset& data,
                                                          Objective objective);

}  // namespace schedbench
