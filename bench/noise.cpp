// Standard normals a second, on one thread and on several: the noise of a sweep must cost nothing beside its network.
// Goal: 100 million a second on two threads.
#include "core/noise.h"

#include <benchmark/benchmark.h>

#include <thread>
#include <vector>

namespace schedbench {
namespace {

/// Draws of one image of range(1) elements, as the samplers ask for them; range(0) threads with samples of their own.
void fill_normals_of_images(benchmark::State& state) {
    constexpr uint64_t kImages = 512;
    const auto threads = static_cast<size_t>(state.range(0)), elements = static_cast<size_t>(state.range(1));
    std::vector<std::vector<float>> rows(threads, std::vector<float>(elements));
    uint32_t draw = 0;
    for (auto _ : state) {
        std::vector<std::thread> workers;
        for (size_t t = 0; t < threads; ++t)
            workers.emplace_back([&rows, t, draw] {
                for (uint64_t image = 0; image < kImages; ++image)
                    fill_normals({1, NoisePurpose::latent}, t * kImages + image, draw, rows[t]);
            });
        for (std::thread& worker : workers) worker.join();
        benchmark::DoNotOptimize(rows.data());
        ++draw;
    }
    state.counters["normals"] = benchmark::Counter(
        static_cast<double>(state.iterations()) * static_cast<double>(threads * kImages * elements), benchmark::Counter::kIsRate);
}
BENCHMARK(fill_normals_of_images)
    ->ArgNames({"threads", "elements"})
    ->ArgsProduct({{1, 2}, {1024, 3072}})
    ->UseRealTime()
    ->MeasureProcessCPUTime();

void fill_uniforms_of_images(benchmark::State& state) {
    std::vector<float> row(3072);
    uint64_t sample = 0;
    for (auto _ : state) {
        fill_uniforms({1, NoisePurpose::training}, sample++, 0, row);
        benchmark::DoNotOptimize(row.data());
    }
    state.counters["uniforms"] =
        benchmark::Counter(static_cast<double>(state.iterations()) * 3072, benchmark::Counter::kIsRate);
}
BENCHMARK(fill_uniforms_of_images);

}  // namespace
}  // namespace schedbench
