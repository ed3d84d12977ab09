// Images a second of one evaluation, from x in either memory layout, with the copies and layout changes it makes; and
// the time to load a weight file.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>
#include <unistd.h>

#include <filesystem>

#include "bench/networks.h"
#include "bench/operator_counter.h"
#include "core/spec_schema.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

void evaluate(benchmark::State& state) {
    static const auto network = bench::quickstart_network();
    c10::NoGradGuard no_grad;
    const int64_t batch = state.range(0);
    const bool channels_last = state.range(1) != 0;
    at::Tensor x = at::ones({batch, 1, 32, 32}, at::kDouble);
    if (channels_last) x = x.contiguous(at::MemoryFormat::ChannelsLast);
    const LocatedLevel level = network->process().locate(1.0);
    denoise_at(*network, x, level);
    {
        const bench::OperatorCounter operators;
        denoise_at(*network, x, level);
        state.counters["copies"] = static_cast<double>(operators.calls("aten::copy_"));
        state.counters["clones"] = static_cast<double>(operators.calls("aten::clone"));
        state.counters["reordered"] = static_cast<double>(operators.reordered_convolutions());
        state.counters["convolutions"] = static_cast<double>(operators.calls("aten::convolution"));
    }
    for (auto _ : state) {
        const DenoiserOutput out = denoise_at(*network, x, level);
        benchmark::DoNotOptimize(out.x0.const_data_ptr());
    }
    const double images = static_cast<double>(state.iterations() * batch);
    const double macs = static_cast<double>(network->network().macs(32, 32));
    state.counters["images"] = benchmark::Counter(images, benchmark::Counter::kIsRate);
    state.counters["macs"] = benchmark::Counter(images * macs, benchmark::Counter::kIsRate);
}
BENCHMARK(evaluate)->ArgNames({"batch", "channels_last"})->ArgsProduct({{1, 16, 64}, {0, 1}})->UseRealTime()->Unit(benchmark::kMillisecond);

/// Loading a file of 210 MB from memory: mapped, hashed, every value checked.
void load_weights(benchmark::State& state) {
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / ("bench-network-" + std::to_string(getpid()) + ".safetensors");
    NetworkDescription description;
    description.config = bench::improved_diffusion_config();
    description.process = NoiseProcess(Spec::parse("cosine:T=4000")).spec();
    std::map<std::string, std::string> metadata;
    description.to_metadata(metadata);
    write_safetensors(file, UNet(description.config).initial_parameters(1), metadata);
    const Spec spec = Spec::parse("native:file='" + file.string() + "'");
    const Spec completed = complete(spec, find_entry(native_entries(), spec, "models", ""), "");
    load_native(completed, "");
    for (auto _ : state) benchmark::DoNotOptimize(load_native(completed, ""));
    state.counters["bytes"] = benchmark::Counter(static_cast<double>(std::filesystem::file_size(file)),
                                                 benchmark::Counter::kIsIterationInvariantRate);
    std::filesystem::remove(file);
}
BENCHMARK(load_weights)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace schedbench
