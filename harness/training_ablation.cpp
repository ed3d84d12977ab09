#include "harness/training_ablation.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "core/error.h"
#include "likelihood/statistics_subset.h"

namespace schedbench {

std::vector<AblationRow> training_ablation(const DenoisingStatistics& train, const DenoisingStatistics& test,
                                           const AblationRequest& request,
                                           const std::function<void(int64_t, int64_t)>& progress) {
    std::vector<BoundRule> rules;
    for (const std::string& name : request.variances) {
        const ElboVariance variance = parse_variance(name, "ablation");
        if (variance == ElboVariance::analytic || variance == ElboVariance::learned)
            throw Error("option", "\"" + name + "\" needs more than the squared errors of each image",
                        "ablation", "known: posterior, beta, corrected-analytic");
        rules.push_back({variance, FirstStepRule::table, train.decoder});
    }
    std::vector<std::pair<int64_t, int>> sizes;  // images, repeats
    for (int64_t images : request.images) {
        if (images < 1 || images > train.images)
            throw Error("option",
                        "subsets must have 1 to " + std::to_string(train.images) + " images, not " +
                            std::to_string(images),
                        "ablation");
        if (images < train.images) sizes.emplace_back(images, request.repeats);
    }
    sizes.emplace_back(train.images, 1);
    const int most = *std::max_element(request.steps.begin(), request.steps.end());
    int64_t done = 0, all = 0;
    for (const auto& size : sizes) all += size.second;

    std::vector<AblationRow> out;
    for (const auto& [images, repeats] : sizes) {
        std::vector<std::vector<RunningMean>> bits(rules.size(),
                                                   std::vector<RunningMean>(request.steps.size()));
        std::vector<std::vector<double>> errors(rules.size(), std::vector<double>(request.steps.size(), 0));
        for (int repeat = 0; repeat < repeats; ++repeat) {
            std::vector<int64_t> ids(static_cast<size_t>(train.images));
            std::iota(ids.begin(), ids.end(), 0);
            std::mt19937_64 random(request.seed + static_cast<uint64_t>(repeat));
            std::shuffle(ids.begin(), ids.end(), random);
            ids.resize(static_cast<size_t>(images));
            const DenoisingStatistics part = subset_statistics(train, ids);
            for (size_t r = 0; r < rules.size(); ++r) {
                const PathBounds choose(part, rules[r]), score(test, rules[r], &part);
                for (size_t k = 0; k < request.steps.size(); ++k) {
                    const Estimate bound = score.bound(choose.best(request.steps[k], most)).bits_per_dim;
                    bits[r][k].add(bound.value);
                    errors[r][k] = bound.se;
                }
            }
            if (progress) progress(++done, all);
        }
        for (size_t r = 0; r < rules.size(); ++r)
            for (size_t k = 0; k < request.steps.size(); ++k)
                out.push_back({request.variances[r], request.steps[k], repeats, images, bits[r][k].mean,
                               repeats > 1 ? std::sqrt(bits[r][k].variance()) : 0, errors[r][k]});
    }
    return out;
}

}  // namespace schedbench
