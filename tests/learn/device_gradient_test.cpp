// Derivatives of a network that is not where the caller is, or not in its precision: on a device (a fake one,
// tests/include/fake_device.h) asked from the host, as learners and likelihoods do, and with a trunk in
// bfloat16.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <iostream>

#include "core/error.h"
#include "core/profile.h"
#include "fake_device.h"
#include "learn/learner.h"
#include "learn/predictor_cost.h"
#include "likelihood/jacobian_trace.h"
#include "models/native.h"
#include "plain_operations.h"
#include "samplers/sampler.h"

namespace schedbench {
namespace {

const bool one_thread = (at::set_num_threads(1), true);

constexpr const char* kNetworks[] = {"weights/fashion-edm.safetensors", "weights/fashion-hybrid.safetensors",
                                     "tests/golden/nets/edm_ddpmpp_cond.safetensors"};

std::shared_ptr<const Denoiser> network(const std::string& file, const std::string& keys = "") {
    const Spec spec = Spec::parse("native:file='" SCHEDBENCH_SOURCE_DIR "/" + file + "'" + keys);
    return load_native(complete(spec, native_entries().at(0), "test"), "test");
}

/// Two noisy images at a level, and labels where the network wants some.
struct Question {
    explicit Question(const Denoiser& model, double sigma) : level(model.process().locate(sigma)) {
        const std::vector<int64_t> ids{0, 1};
        const PhiloxNoise noise(5, ids, model.shape());
        x = noise.latent().to(at::kDouble) * std::sqrt(0.25 + level.level * level.level);
        labels = noise.labels(model.classes());
        levels = at::full({2}, level.level, at::kDouble), time = at::full({2}, level.model_time, at::kDouble);
    }
    LocatedLevel level;
    at::Tensor x, levels, time, labels;
};

double relative(const at::Tensor& got, const at::Tensor& want) {
    return ((got - want).abs().max() / want.abs().max()).item<double>();
}

at::Tensor cost(const Denoiser& model, const Question& q) {
    const std::vector<int64_t> ids{0, 1};
    const PathPoint entered = path_point(PathForm::ve, model.process().locate(0.93 * q.level.level)),
                    left = path_point(PathForm::ve, q.level);
    return predictor_values(model, q.x, entered, left, Velocity{}, q.labels, PredictorOptions{}, ids, 0);
}

// LibTorch does not sum the gradients of a device in the order of the CPU.
constexpr double kTolerance = 1e-4;

TEST(DeviceGradient, TraceOfANetworkAskedFromTheHost) {
    for (const char* file : kNetworks) {
        const auto cpu = network(file);
        const auto asked = host_denoiser(on_device(cpu, fake_device::device()));
        const PlainOperations plain;
        const Question q(*cpu, 1);
        at::Tensor probes = at::empty({2, 3, q.x.numel() / 2}, at::kDouble);
        for (int64_t i = 0; i < 6; ++i)
            fill_signs(1, static_cast<uint64_t>(i), 0,
                       {probes.mutable_data_ptr<double>() + i * probes.size(2),
                        static_cast<size_t>(probes.size(2))});
        const TracedDenoising want = denoise_with_trace(*cpu, q.x, q.levels, q.time, q.labels, probes),
                              got = denoise_with_trace(*asked, q.x, q.levels, q.time, q.labels, probes);
        EXPECT_TRUE(got.trace.device().is_cpu());
        EXPECT_TRUE(at::equal(got.x0, want.x0)) << file;
        EXPECT_LT(relative(got.trace, want.trace), kTolerance) << file;
    }
}

TEST(DeviceGradient, PredictorCostOfANetworkAskedFromTheHost) {
    for (const char* file : kNetworks) {
        const auto cpu = network(file);
        const auto asked = host_denoiser(on_device(cpu, fake_device::device()));
        const PlainOperations plain;
        const Question q(*cpu, 2);
        EXPECT_LT(relative(cost(*asked, q), cost(*cpu, q)), 1e-3) << file;
    }
}

// The cost is a small difference of large numbers: what is the second digit of the network is the first of
// its cost.
TEST(RoundedGradient, PredictorCostOfATrunkInBfloat16) {
    try {
        require_bf16("test");
    } catch (const Error& error) {
        GTEST_SKIP() << error.what();
    }
    for (const char* file : kNetworks) {
        const auto exact = network(file), rounded = network(file, ",precision=bf16");
        const Question q(*exact, 2);
        const at::Tensor want = cost(*exact, q), got = cost(*rounded, q);
        std::cout << file << ": predictor cost in float32 " << want[0].item<double>() << ", "
                  << want[1].item<double>() << "; in bfloat16 " << got[0].item<double>() << ", "
                  << got[1].item<double>() << "\n";
        EXPECT_LT(relative(got, want), 0.6) << file;  // and no NaN
        // A schedule learned so says it.
        const auto warning = [](const Denoiser& denoiser, const char* spec) {
            LearnedSchedule learned;
            learned.spec = spec;
            note_origin(learned, denoiser, nullptr);
            return learned.provenance.value("warning", "");
        };
        EXPECT_NE(warning(*rounded, "score-optimal:cost=predictor").find("rounded"), std::string::npos);
        EXPECT_EQ(warning(*exact, "score-optimal:cost=predictor"), "");
        EXPECT_EQ(warning(*rounded, "score-optimal:cost=corrector"), "");
    }
}

}  // namespace
}  // namespace schedbench
