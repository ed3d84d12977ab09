// The pass of denoising statistics: what is done beside the network, as a part of the network's own time
// (goal: at most 2 %), on the shipped Fashion-MNIST network and random bytes.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "bench/timed_denoiser.h"
#include "likelihood/denoising_statistics.h"

namespace schedbench {
namespace {

void statistics_pass(benchmark::State& state) {
    at::set_num_threads(1);
    // 40 levels instead of 1000; the network does not know the difference.
    const auto network = shipped_network("fashion-hybrid.safetensors", ",process='linear:T=40'");
    const Timed timed(network);
    const Dataset data = random_images(16);
    const auto source = dataset_source(data);
    StatisticsOptions options;
    double total = 0;
    for (auto _ : state) {
        std::vector<DenoisingStatistics> rules;
        for (const bool clip : {true, false}) {
            options.clip = clip;
            rules.push_back(empty_statistics(timed, statistics_chain(network->process()), *source, options));
        }
        const double start = processor_seconds();
        measure_statistics(rules, timed, *source, options, 0, Rank{});
        total += processor_seconds() - start;
    }
    const double beside = (total - timed.seconds) / static_cast<double>(state.iterations());
    state.counters["network_s"] = timed.seconds / static_cast<double>(state.iterations());
    state.counters["beside_network_percent"] = 100 * (total - timed.seconds) / timed.seconds;
    state.counters["ns_an_element"] = 1e9 * beside / (16.0 * 40 * 1024);
}
BENCHMARK(statistics_pass)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace schedbench
