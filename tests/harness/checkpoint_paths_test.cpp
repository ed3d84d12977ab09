// Optimal paths on the statistics of real networks: weights/*.statistics.h5, and the run files named in
// $SCHEDBENCH_STATISTICS (separated by ':').
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>

#include "core/error.h"
#include "harness/likelihood_job.h"
#include "harness/statistics_record.h"

namespace schedbench {
namespace {

std::vector<std::string> files() {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(SCHEDBENCH_SOURCE_DIR "/weights"))
        if (entry.path().string().ends_with(".statistics.h5")) out.push_back(entry.path());
    const char* more = std::getenv("SCHEDBENCH_STATISTICS");
    std::istringstream in(more ? more : "");
    for (std::string path; std::getline(in, path, ':');) out.push_back(path);
    return out;
}

std::vector<DenoisingStatistics> all_statistics() {
    std::vector<DenoisingStatistics> out;
    for (const std::string& path : files()) {
        const RunFile run = RunFile::open(path);
        for (const std::string& id : run.ids("statistics"))
            out.push_back(statistics_of(run.statistics(id), path));
    }
    return out;
}

/// With as many steps, the same variance and the same decoder no stride that ends at T is better on the
/// statistics that chose the path: every K.
TEST(CheckpointPaths, NeverWorseThanAStride) {
    int64_t compared = 0;
    double least = HUGE_VAL;
    const auto statistics = all_statistics();
    ASSERT_FALSE(statistics.empty());
    for (const DenoisingStatistics& s : statistics)
        for (const std::string& name : known_variances(s)) {
            const ElboVariance variance = parse_variance(name, "test");
            const ElboChain chain = s.elbo(variance == ElboVariance::learned);
            const int levels = s.levels();
            const int most = variance == ElboVariance::learned || variance == ElboVariance::analytic
                                 ? std::min(levels, 256)
                                 : levels;
            const BudgetPaths best = chain.best_paths(variance, most);
            const PathBounds bounds(s, {variance, FirstStepRule::table, s.decoder});
            std::vector<double> cost(static_cast<size_t>(most) + 1);
            for (int k = 1; k <= most; ++k) {
                cost[static_cast<size_t>(k)] = chain.path_cost(variance, best.path(k));
                EXPECT_NEAR(cost[static_cast<size_t>(k)],
                            best.cost[static_cast<size_t>(k)] + chain.prior(levels),
                            1e-11 * std::abs(cost[static_cast<size_t>(k)]))
                    << name << " " << k;
            }
            for (const char* stride : {"even", "even-kt", "quadratic"})
                for (int k = 2; k <= most; ++k) {
                    std::vector<int> path = stride_path(stride, bounds, levels, k);
                    path.erase(std::unique(path.begin(), path.end()), path.end());
                    if (path.back() != levels) continue;
                    const double of_stride = chain.path_cost(variance, path), of_best = cost[path.size()];
                    EXPECT_LE(of_best, of_stride + 1e-11 * std::abs(of_stride))
                        << s.model << " on " << s.data << ", " << name << " " << stride << " " << k;
                    least = std::min(least, of_stride - of_best);
                    ++compared;
                }
        }
    std::printf(
        "%lld strides compared on %zu sets of statistics; least advantage of the optimal path %.3g nats\n",
        static_cast<long long>(compared), statistics.size(), least);
    EXPECT_GT(compared, 1000);
}

/// What choosing flatters: on train the optimal path is better than the path chosen on test, and the other
/// way round; the table shows both splits for that.
TEST(CheckpointPaths, OptimismIsReported) {
    std::map<std::string, std::vector<DenoisingStatistics>> pairs;
    for (DenoisingStatistics& s : all_statistics()) {
        const std::string key = s.model + (s.clip ? ", clipped" : "");
        pairs[key].push_back(std::move(s));
    }
    for (const auto& [key, splits] : pairs) {
        if (splits.size() != 2) continue;
        for (const char* name : {"posterior", "beta"})
            for (int k : {8, 32, 128}) {
                const BoundRule rule{parse_variance(name, "test"), FirstStepRule::table, splits[0].decoder};
                const PathBounds a(splits[0], rule), b(splits[1], rule);
                const auto chosen_on_a = a.best(k, k), chosen_on_b = b.best(k, k);
                const double on_a = a.bound(chosen_on_a).bits_per_dim.value,
                             on_b = b.bound(chosen_on_a).bits_per_dim.value,
                             optimism_a = a.bound(chosen_on_b).bits_per_dim.value - on_a,
                             optimism_b = on_b - b.bound(chosen_on_b).bits_per_dim.value;
                EXPECT_GE(optimism_a, -1e-12);
                EXPECT_GE(optimism_b, -1e-12);
                std::printf(
                    "%s, %s, K = %d: chosen on %s %.4f, the same path on %s %.4f; optimism %.5f and %.5f\n",
                    key.c_str(), name, k, splits[0].data.c_str(), on_a, splits[1].data.c_str(), on_b,
                    optimism_a, optimism_b);
            }
    }
}

}  // namespace
}  // namespace schedbench
