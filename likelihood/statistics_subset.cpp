#include "likelihood/statistics_subset.h"

#include "core/error.h"

namespace schedbench {

DenoisingStatistics subset_statistics(const DenoisingStatistics& s, std::span<const int64_t> ids) {
    if (s.image_error.empty() || s.image_decoder.empty())
        throw Error("run", "the statistics of " + s.model + " on " + s.data + " keep no terms of each image",
                    "subset of the images", "measure them with --per-image true");
    if (ids.empty()) throw Error("number", "needs at least one image", "subset of the images");
    DenoisingStatistics out;
    out.model = s.model;
    out.weights = s.weights;
    out.data = s.data;
    out.data_hash = s.data_hash;
    out.chain_name = s.chain_name;
    out.betas = s.betas;
    out.clip = s.clip;
    out.decoder = s.decoder;
    out.seed = s.seed;
    out.batch = s.batch;
    out.images = static_cast<int64_t>(ids.size());
    out.error.resize(s.error.size());
    out.decoder_nats.resize(s.error.size());
    const auto levels = static_cast<size_t>(s.levels());
    for (const int64_t id : ids) {
        if (id < 0 || id >= s.images)
            throw Error("number",
                        "image " + std::to_string(id) + " is not among the " + std::to_string(s.images) +
                            " of the statistics",
                        "subset of the images");
        const size_t row = static_cast<size_t>(id) * levels;
        out.second_moment.push_back(s.second_moment[static_cast<size_t>(id)]);
        for (size_t t = 1; t <= levels; ++t) {
            out.error[t].add(static_cast<double>(s.image_error[row + t - 1]));
            out.decoder_nats[t].add(static_cast<double>(s.image_decoder[row + t - 1]));
        }
        for (const auto& [from, to] :
             {std::pair{&s.image_error, &out.image_error}, std::pair{&s.image_decoder, &out.image_decoder}})
            to->insert(to->end(), from->begin() + static_cast<std::ptrdiff_t>(row),
                       from->begin() + static_cast<std::ptrdiff_t>(row + levels));
    }
    return out;
}

}  // namespace schedbench
