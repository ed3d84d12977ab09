// Images a second of the 2015 Inception network from scaled 299 x 299 images, against the same layers run as
// the Python tools run them (rows of channels apart, batch norm as a layer, average pools before the 1x1
// layers, batches of 50) on the same LibTorch; then the resizers.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>

#include "core/error.h"
#include "eval/inception.h"
#include "eval/inception_layers.h"
#include "eval/resize.h"

namespace schedbench {
namespace {

/// Weights of the usual size: the values do not matter here.
const std::map<std::string, at::Tensor>& weights() {
    static const auto tensors = [] {
        std::map<std::string, at::Tensor> out;
        for (const auto& [name, shape] : inception_shapes()) {
            double fan_in = 1;
            for (size_t d = 1; d < shape.size(); ++d) fan_in *= static_cast<double>(shape[d]);
            out[name] = name.find(".bn.") == std::string::npos
                            ? (at::rand(shape) * 2 - 1).mul_(std::sqrt(6 / fan_in))
                            : at::ones(shape);
        }
        return out;
    }();
    return tensors;
}

class PlainNetwork {
  public:
    at::Tensor operator()(at::Tensor x) const {
        x = at::max_pool2d(run({"Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"}, x), {3, 3}, {2, 2});
        x = at::max_pool2d(run({"Conv2d_3b_1x1", "Conv2d_4a_3x3"}, x), {3, 3}, {2, 2});
        for (const std::string b : {"Mixed_5b.branch", "Mixed_5c.branch", "Mixed_5d.branch"})
            x = at::cat({run({b + "1x1"}, x), chain(b + "5x5_", 2, x), chain(b + "3x3dbl_", 3, x),
                         run({b + "_pool"}, mean(x))},
                        1);
        x = at::cat({run({"Mixed_6a.branch3x3"}, x), chain("Mixed_6a.branch3x3dbl_", 3, x),
                     at::max_pool2d(x, {3, 3}, {2, 2})},
                    1);
        for (const std::string b :
             {"Mixed_6b.branch", "Mixed_6c.branch", "Mixed_6d.branch", "Mixed_6e.branch"})
            x = at::cat({run({b + "1x1"}, x), chain(b + "7x7_", 3, x), chain(b + "7x7dbl_", 5, x),
                         run({b + "_pool"}, mean(x))},
                        1);
        x = at::cat({chain("Mixed_7a.branch3x3_", 2, x), chain("Mixed_7a.branch7x7x3_", 4, x),
                     at::max_pool2d(x, {3, 3}, {2, 2})},
                    1);
        for (const std::string b : {"Mixed_7b.branch", "Mixed_7c.branch"}) {
            const at::Tensor one = run({b + "3x3_1"}, x), two = chain(b + "3x3dbl_", 2, x);
            const at::Tensor pool =
                b == "Mixed_7b.branch" ? mean(x) : at::max_pool2d(x, {3, 3}, {1, 1}, {1, 1});
            x = at::cat({run({b + "1x1"}, x), run({b + "3x3_2a"}, one), run({b + "3x3_2b"}, one),
                         run({b + "3x3dbl_3a"}, two), run({b + "3x3dbl_3b"}, two), run({b + "_pool"}, pool)},
                        1);
        }
        return at::adaptive_avg_pool2d(x, {1, 1});
    }

  private:
    static at::Tensor mean(const at::Tensor& x) {
        return at::avg_pool2d(x, {3, 3}, {1, 1}, {1, 1}, false, false);
    }
    static at::Tensor run(const std::vector<std::string>& names, at::Tensor x) {
        for (const auto& name : names) {
            const InceptionLayer& layer = inception_layers().at(name);
            const auto p = [&](const char* leaf) { return weights().at(name + leaf); };
            x = at::conv2d(x, p(".conv.weight"), {}, {layer.stride, layer.stride},
                           {layer.padded ? layer.height / 2 : 0, layer.padded ? layer.width / 2 : 0});
            x = at::batch_norm(x, p(".bn.weight"), p(".bn.bias"), p(".bn.running_mean"), p(".bn.running_var"),
                               false, 0.1, 1e-3, true);
            x.relu_();
        }
        return x;
    }
    static at::Tensor chain(const std::string& prefix, int count, at::Tensor x) {
        for (int i = 1; i <= count; ++i) x = run({prefix + std::to_string(i)}, x);
        return x;
    }
};

void rate(benchmark::State& state, int64_t batch) {
    state.counters["images"] =
        benchmark::Counter(static_cast<double>(state.iterations() * batch), benchmark::Counter::kIsRate);
}

void network(benchmark::State& state) {
    static const Inception net(weights(), "benchmark");
    c10::NoGradGuard no_gradients;
    const int64_t batch = state.range(0);
    const at::Tensor x = at::rand({batch, 3, 299, 299}) * 2 - 1;
    net(x);  // oneDNN compiles its kernels for these shapes
    for (auto _ : state) benchmark::DoNotOptimize(net(x).pool3.const_data_ptr());
    rate(state, batch);
}
BENCHMARK(network)->ArgName("batch")->Arg(8)->Arg(16)->Arg(50)->UseRealTime()->MeasureProcessCPUTime()->Unit(
    benchmark::kMillisecond);

/// precision=bf16.
void network_bf16(benchmark::State& state) {
    try {
        require_bf16("benchmark");
    } catch (const Error&) {
        state.SkipWithError("this CPU has no bf16 instructions");
        return;
    }
    static const Inception net(weights(), "benchmark", InceptionPrecision::bf16);
    c10::NoGradGuard no_gradients;
    const int64_t batch = state.range(0);
    const at::Tensor x = at::rand({batch, 3, 299, 299}) * 2 - 1;
    net(x);
    for (auto _ : state) benchmark::DoNotOptimize(net(x).pool3.const_data_ptr());
    rate(state, batch);
}
BENCHMARK(network_bf16)
    ->ArgName("batch")
    ->Arg(16)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void network_as_tools_run_it(benchmark::State& state) {
    c10::NoGradGuard no_gradients;
    const int64_t batch = state.range(0);
    const at::Tensor x = at::rand({batch, 3, 299, 299}) * 2 - 1;
    const PlainNetwork net;
    net(x);
    for (auto _ : state) benchmark::DoNotOptimize(net(x).const_data_ptr());
    rate(state, batch);
}
BENCHMARK(network_as_tools_run_it)
    ->ArgName("batch")
    ->Arg(50)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void load(benchmark::State& state) {
    const auto& tensors = weights();
    for (auto _ : state) benchmark::DoNotOptimize(Inception(tensors, "benchmark").weights_hash().size());
}
BENCHMARK(load)->UseRealTime()->Unit(benchmark::kMillisecond);

void resize(benchmark::State& state) {
    const auto pipeline = static_cast<Pipeline>(state.range(0));
    const int64_t batch = 16, size = state.range(1);
    const at::Tensor pixels = at::randint(256, {batch, 3, size, size}, at::kByte);
    state.SetLabel(pipeline_name(pipeline));
    for (auto _ : state)
        benchmark::DoNotOptimize(
            scale_for(pipeline, resize_for(pipeline, pixels, Inception::kSize)).const_data_ptr());
    rate(state, batch);
}
BENCHMARK(resize)
    ->ArgNames({"pipeline", "size"})
    ->ArgsProduct({{0, 1, 2, 3}, {32, 512}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace schedbench
