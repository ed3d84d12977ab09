#include "harness/published_bounds.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "harness/likelihood_job.h"

namespace schedbench {

std::vector<ComparedRow> compare_with_published(
    const DenoisingStatistics& train, const DenoisingStatistics& test, const std::vector<PublishedRow>& rows,
    const std::string& dataset, const std::vector<std::string>& models, std::vector<std::string>& left_out) {
    std::vector<ComparedRow> out;
    struct Bounds {
        Bounds(const DenoisingStatistics& a, const DenoisingStatistics& b, const BoundRule& rule)
            : choose(a, rule), score(b, rule, &a) {}
        PathBounds choose, score;
    };
    std::map<std::string, Bounds> known;
    int most = 1;
    for (const PublishedRow& row : rows)
        if (row.steps <= train.levels()) most = std::max(most, row.steps);
    for (const PublishedRow& row : rows) {
        if (row.metric != "bits/dim" || (!dataset.empty() && row.dataset != dataset)) continue;
        if (!models.empty() && std::none_of(models.begin(), models.end(), [&](const std::string& name) {
                return row.model.find(name) != std::string::npos;
            }))
            continue;
        const auto method =
            bound_method(row, train.levels(), !train.gamma.empty(), train.learned.has_value());
        const std::string what =
            row.source + " " + row.model + ", " + row.method + ", " + std::to_string(row.steps) + " steps";
        if (!method || row.steps < 1 || row.steps > train.levels()) {
            left_out.push_back(what + (method ? ": more steps than levels" : ": no rule for this method"));
            continue;
        }
        const BoundRule rule{parse_variance(method->variance, "published rows"),
                             parse_first_step(method->first_step, "published rows"), train.decoder};
        auto it = known.find(method->variance + method->first_step);
        if (it == known.end())
            it = known.try_emplace(method->variance + method->first_step, train, test, rule).first;
        const std::vector<int> path =
            stride_path(method->stride, it->second.choose, train.levels(), row.steps, most);
        const PathBound bound = it->second.score.bound(path);
        out.push_back({row, method->stride, method->variance, method->first_step, decoder_name(train.decoder),
                       bound.bits_per_dim.value, bound.bits_per_dim.se, method->note});
    }
    return out;
}

void attach_published(std::vector<LikelihoodRow>& rows, const std::vector<PublishedRow>& published,
                      const DenoisingStatistics& statistics) {
    for (const PublishedRow& printed : published) {
        if (printed.metric != "bits/dim") continue;
        const auto method = bound_method(printed, statistics.levels(), !statistics.gamma.empty(),
                                         statistics.learned.has_value());
        for (LikelihoodRow& row : rows) {
            const bool fits = method && row.stride == method->stride && row.variance == method->variance &&
                              row.first_step == method->first_step && row.steps == printed.steps &&
                              row.split == "test";
            if (!fits) continue;
            row.published = printed.value;
            row.published_source = printed.label();
        }
    }
}

}  // namespace schedbench
