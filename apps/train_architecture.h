// The network that the options of `train` describe.
#pragma once

#include <memory>

#include "apps/options.h"
#include "data/dataset.h"
#include "likelihood/probe_source.h"
#include "train/objective.h"

namespace schedbench {

/// Images, or draws of an exact target, with what a network must know of them.
struct TrainingData {
    std::unique_ptr<Dataset> images;  ///< null for draws
    std::unique_ptr<ProbeSource> source;
    int64_t channels = 0, height = 0, width = 0, classes = 0;
};
TrainingData load_training_data(const Spec& spec, const std::string& where);

void add_architecture_options(Options& options);

/// Error naming the option that cannot be, or that the architecture does not have.
std::shared_ptr<const TrainableNetwork> described_network(const Options& options, const TrainingData& data,
                                                          Objective objective);

}  // namespace schedbench
