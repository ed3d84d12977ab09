#include "apps/probe_data.h"

#include "core/error.h"
#include "models/exact.h"

namespace schedbench {

void add_probe_options(Options& options) {
    options
        .value("data", "", "images to look at (schedbench list data); exact models draw their own without it")
        .value("draws", std::to_string(kExactDraws), "number of draws of an exact model, where there is no --data");
}

ProbeData load_probes(const Options& options, const std::shared_ptr<const Denoiser>& model) {
    ProbeData out;
    if (options.has("data")) {
        out.dataset =
            std::make_unique<Dataset>(load_dataset(Spec::parse(options.text("data"), "--data"), "--data"));
        out.source = dataset_source(*out.dataset);
        return out;
    }
    auto target = std::dynamic_pointer_cast<const ExactTarget>(model);
    if (!target)
        throw Error("option", "is needed: only an exact model has data of its own", "--data",
                    "for example --data fashion-mnist");
    out.source = exact_source(std::move(target), options.integer("draws"));
    return out;
}

}  // namespace schedbench
