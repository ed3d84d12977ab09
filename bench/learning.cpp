// Corrector costs: what is done beside the network, as a part of the network's own time (goal: at most 5 % at
// 128 probes a block, arXiv 2412.07877's setting of 128 x 50), on the shipped Fashion-MNIST network and
// random bytes.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "bench/timed_denoiser.h"
#include "learn/measure_cost.h"

namespace schedbench {
namespace {

void corrector_costs(benchmark::State& state) {
    at::set_num_threads(1);
    const auto network = shipped_network("fashion-edm.safetensors");
    const Timed timed(network);
    const Dataset data = random_images(128);
    const auto source = dataset_source(data);
    CostOptions options;
    options.batch = state.range(0);
    // A few intervals stand for the 106 of the default grid: all of them cost the same.
    const auto levels = probe_grid(network->process(), 0.1, 0.1 * std::exp(0.4), 0.1, false, "benchmark");
    double total = 0;
    for (auto _ : state) {
        const double start = processor_seconds();
        benchmark::DoNotOptimize(measure_cost_block(timed, *source, levels, options, 0, options.batch));
        total += processor_seconds() - start;
    }
    state.counters["network_s"] = timed.seconds / static_cast<double>(state.iterations());
    state.counters["beside_network_percent"] = 100 * (total - timed.seconds) / timed.seconds;
    state.counters["evaluations_a_probe_and_interval"] =
        static_cast<double>(timed.images) / static_cast<double>(state.iterations() * options.batch) /
        static_cast<double>(levels.size() - 1);
}
BENCHMARK(corrector_costs)->Arg(128)->Arg(10)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace schedbench
