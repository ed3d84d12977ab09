// What the harness costs beside the network: a block of samples as a sweep makes it (noise, solver, bytes, work file),
//
//     overhead = 1 - seconds inside the network / seconds of the whole block
//
// Goals: at most 5 % for the quickstart's network, at most 1 % for 128 channels.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <numeric>

#include "bench/networks.h"
#include "eval/quantise.h"
#include "samplers/sampler.h"
#include "schedules/schedule.h"
#include "store/work_file.h"

namespace schedbench {
namespace {

void sample_blocks(benchmark::State& state, const std::shared_ptr<const Denoiser>& network, const char* sampler_spec, int steps) {
    using Clock = std::chrono::steady_clock;
    constexpr int64_t kBatch = 64;
    c10::NoGradGuard no_grad;
    CountingDenoiser counted(network);
    const auto sampler = make_sampler(Spec::parse(sampler_spec));
    const Schedule schedule = build_schedule(Spec::parse("edm"), network->process(), {steps});
    WorkLayout layout;
    layout.identity = "cell";
    layout.capacity = 1000 * kBatch;
    layout.image_shape = network->shape();
    const std::string path = (std::filesystem::temp_directory_path() / ("schedbench_bench_" + std::to_string(::getpid()) + ".h5")).string();
    WorkFile work = WorkFile::open_or_create(path, layout);
    std::vector<int64_t> ids(kBatch);
    std::iota(ids.begin(), ids.end(), 0);
    const auto block = [&] {
        const at::Tensor x = sampler->sample(counted, schedule, PhiloxNoise(0, ids, network->shape()));
        const at::Tensor pixels = quantise(x).contiguous();
        SampleBlock out;
        out.ids = ids;
        out.images = {pixels.const_data_ptr<uint8_t>(), static_cast<size_t>(pixels.numel())};
        work.append(out);
        for (int64_t& id : ids) id += kBatch;
    };
    if (state.range(0) > 0) block();  // the first call of a network sets things up
    counted.reset();
    const auto start = Clock::now();
    for (auto _ : state) block();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    work.close();
    std::filesystem::remove(path);
    state.counters["overhead"] = 1 - counted.seconds() / seconds;
    state.counters["nfe"] = static_cast<double>(counted.calls()) / static_cast<double>(state.iterations());
    state.counters["images"] = benchmark::Counter(static_cast<double>(state.iterations() * kBatch), benchmark::Counter::kIsRate);
}

void quickstart(benchmark::State& state, const char* sampler) {
    static const auto network = bench::quickstart_network();
    sample_blocks(state, network, sampler, 10);
}
BENCHMARK_CAPTURE(quickstart, heun, "heun")->ArgName("warm")->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(quickstart, ddim, "ddim")->ArgName("warm")->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(quickstart, ddpm, "ddpm")->ArgName("warm")->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);

void wide(benchmark::State& state) {
    static const auto network = bench::wide_network();
    sample_blocks(state, network, "ddim", 2);
}
BENCHMARK(wide)->ArgName("warm")->Arg(0)->UseRealTime()->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace schedbench
