// The data that `learn` and `statistics` look at: images of --data, or draws of an exact model.
#pragma once

#include <memory>

#include "apps/options.h"
#include "data/dataset.h"
#include "likelihood/probe_source.h"
#include "models/denoiser.h"

namespace schedbench {

struct ProbeData {
    std::unique_ptr<Dataset> dataset;  ///< null for draws of an exact model
    std::unique_ptr<ProbeSource> source;
};

/// --data, --draws.
void add_probe_options(Options& options);
/// Error("option") if there is neither --data nor an exact model.
ProbeData load_probes(const Options& options, const std::shared_ptr<const Denoiser>& model);

}  // namespace schedbench
