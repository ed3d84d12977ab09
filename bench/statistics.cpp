// The pass of denoising statistics: what is done beside the network, as a part of the network's own time
// (goal: at most 2 %), on the shipped Fashion-MNIST network and random bytes.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <ctime>

#include "core/noise.h"
#include "core/spec_schema.h"
#include "likelihood/denoising_statistics.h"
#include "models/native.h"

namespace schedbench {
namespace {

/// Processor seconds of this thread: other programs on the machine do not enter.
double processor_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

class Timed final : public Denoiser {
  public:
    explicit Timed(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& time,
                              const at::Tensor& labels) const override {
        const double start = processor_seconds();
        DenoiserOutput out = (*inner_)(x, levels, time, labels);
        seconds += processor_seconds() - start;
        return out;
    }
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    bool has_variance() const override { return inner_->has_variance(); }
    std::string spec() const override { return inner_->spec(); }
    mutable double seconds = 0;

  private:
    std::shared_ptr<const Denoiser> inner_;
};

Dataset images(int64_t count) {
    Dataset out;
    out.spec = out.hash = "random bytes";
    out.count = count;
    out.channels = 1;
    out.height = out.width = 32;
    for (int64_t i = 0; i < count; ++i) {
        std::vector<float> u(1024);
        fill_uniforms({1, NoisePurpose::selection}, static_cast<uint64_t>(i), 0, u);
        for (float value : u) out.pixels.push_back(static_cast<uint8_t>(value < 0.5F ? 0 : value * 255.0F));
    }
    return out;
}

void statistics_pass(benchmark::State& state) {
    at::set_num_threads(1);
    // 40 levels instead of 1000; the network does not know the difference.
    const auto network =
        load_native(complete(Spec::parse("native:process='linear:T=40',file=" SCHEDBENCH_SOURCE_DIR
                                         "/weights/fashion-hybrid.safetensors"),
                             native_entries().at(0), "benchmark"),
                    "benchmark");
    const Timed timed(network);
    const Dataset data = images(16);
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
