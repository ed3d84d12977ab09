// Set metrics at the sizes of published evaluations: the Frechet distance alone, a paired standard error of
// two sets of 50,000 x 2048 features, precision and recall of 10,000 against 10,000. The counter peak_MB is
// the largest resident size of the process so far: run one with --benchmark_filter for its own figure.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include "eval/comparison.h"
#include "eval/frechet.h"
#include "eval/kid.h"
#include "eval/neighbours.h"

namespace schedbench {
namespace {

constexpr int64_t kFeatures = 2048;

double peak_megabytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// Correlated features with a falling spectrum, float32 [n, 2048], made in place.
at::Tensor features(int64_t n, uint64_t seed, double scale) {
    at::manual_seed(seed);
    const at::Tensor out = at::randn({n, kFeatures});
    const at::Tensor spread = at::arange(1, kFeatures + 1, at::kFloat).pow(-0.47) * (3.5 * scale);
    return out.mul_(spread).add_(0.1 * scale);
}

Moments moments(int64_t n, uint64_t seed, double scale) {
    return feature_sums(features(n, seed, scale)).moments();
}

void distance_of_moments(benchmark::State& state) {
    const Moments a = moments(6000, 1, 1), b = moments(6000, 2, 1.05);
    for (auto _ : state) benchmark::DoNotOptimize(frechet_distance(a, b));
}
BENCHMARK(distance_of_moments)->Unit(benchmark::kMillisecond)->UseRealTime();

/// Two generated sets against one reference of known statistics: one set in memory at a time.
void paired_error(benchmark::State& state) {
    const int64_t n = state.range(0);
    const FrechetReference reference = FrechetReference::of_moments(moments(6000, 3, 1));
    double se = 0;
    for (auto _ : state) {
        std::vector<FrechetResult> sides;
        for (const uint64_t seed : {4, 5}) {
            state.PauseTiming();
            const at::Tensor x = features(n, seed, seed == 4 ? 1 : 1.01);
            state.ResumeTiming();
            sides.push_back(frechet(x, reference, {.name = "fd", .reference = ReferenceRole::exact}));
        }
        se = paired_difference({sides[0].at_n.value, sides[0].influence},
                               {sides[1].at_n.value, sides[1].influence}, "difference")
                 .difference.se;
    }
    state.counters["se"] = se;
    state.counters["peak_MB"] = peak_megabytes();
}
BENCHMARK(paired_error)->Arg(50000)->Iterations(1)->Unit(benchmark::kSecond)->UseRealTime();

void precision_recall(benchmark::State& state) {
    const at::Tensor x = features(state.range(0), 6, 1), y = features(state.range(0), 7, 1.02);
    for (auto _ : state) benchmark::DoNotOptimize(neighbour_metrics(x, y).precision.estimate.value);
    state.counters["peak_MB"] = peak_megabytes();
}
BENCHMARK(precision_recall)->Arg(10000)->Iterations(1)->Unit(benchmark::kSecond)->UseRealTime();

void kernel_distance(benchmark::State& state) {
    const at::Tensor x = features(state.range(0), 8, 1), y = features(state.range(0), 9, 1.02);
    for (auto _ : state) benchmark::DoNotOptimize(kid(x, y).unbiased.value);
    state.counters["peak_MB"] = peak_megabytes();
}
BENCHMARK(kernel_distance)->Arg(10000)->Iterations(1)->Unit(benchmark::kSecond)->UseRealTime();

}  // namespace
}  // namespace schedbench
