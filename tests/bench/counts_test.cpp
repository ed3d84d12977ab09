// Work, counted: network evaluations, noise draws, parameters, multiply-accumulates, copies, bytes. Counts have no
// noise, so a change of any of them is a decision: bench/baseline.json holds them (baseline.h).
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "baseline.h"
#include "bench/networks.h"
#include "bench/operator_counter.h"
#include "core/hash.h"
#include "core/noise.h"
#include "models/exact.h"
#include "sampler_probe.h"
#include "samplers/sampler.h"
#include "schedules/schedule.h"
#include "store/work_file.h"

namespace schedbench {
namespace {

using nlohmann::json;
using baseline::compare;

/// Noise that counts its draws.
class CountingNoise final : public BlockNoise {
  public:
    explicit CountingNoise(const BlockNoise& inner) : inner_(inner) {}
    at::Tensor latent() const override { return ++latents, inner_.latent(); }
    at::Tensor step(uint32_t draw) const override { return ++steps, inner_.step(draw); }
    at::Tensor extra(uint32_t step, uint32_t k) const override { return ++steps, inner_.extra(step, k); }
    mutable int64_t latents = 0, steps = 0;

  private:
    const BlockNoise& inner_;
};

TEST(Counts, EvaluationsAndNoiseOfEverySampler) {
    const auto target = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=6"));
    json counted;
    for (const SpecEntry& entry : sampler_entries()) {
        const auto sampler = make_sampler(Spec::parse(entry.name));
        for (const char* end : {"zero", "sigma-min"})
            for (int steps : {1, 2, 10, 18}) {
                const CountingDenoiser denoiser(target);
                const Schedule schedule = build_schedule(Spec::parse(std::string("edm:end=") + end), target->process(), {steps});
                const PhiloxNoise philox(0, {0, 1}, target->shape());
                const CountingNoise noise(philox);
                sampler->sample(denoiser, schedule, noise);
                json& row = counted[entry.name][end][std::to_string(steps)];
                row["nfe"] = denoiser.calls();
                row["latent_draws"] = noise.latents;
                row["step_draws"] = noise.steps;
                // Philox blocks of four elements: two samples of six elements take two blocks each, every draw.
                row["noise_blocks"] = (noise.latents + noise.steps) * 2 * 2;
            }
        for (int budget : {5, 10, 20, 35}) {
            int nfe = 0;
            const int steps = steps_within_budget(*sampler, budget, &nfe, "test");
            counted[entry.name]["budget"][std::to_string(budget)] = {{"steps", steps}, {"nfe", nfe}};
            EXPECT_LE(nfe, budget);
        }
    }
    compare("exact", "samplers", counted);
}

/// A model as networks are, float32, whose own work is not counted.
class UncountedDenoiser final : public Denoiser {
  public:
    explicit UncountedDenoiser(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& time,
                              const at::Tensor& labels) const override {
        const bench::PassCounter::Pause pause;
        return {(*inner_)(x, levels, time, labels).x0.to(at::kFloat), {}};
    }
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    std::string spec() const override { return inner_->spec(); }

  private:
    std::shared_ptr<const Denoiser> inner_;
};

/// Outputs that a step looks at, where they are more than it evaluates.
int64_t outputs_remembered(const std::string& name) {
    static const std::map<std::string, int64_t> remembered = {{"dpmpp-2m", 2}, {"sde-dpmpp-2m", 2}, {"dpmpp-3m", 3},
                                                              {"unipc", 3},    {"ipndm", 4},        {"ipndm-v", 4},
                                                              {"deis-tab", 4}, {"adams-bashforth", 4}};
    const auto found = remembered.find(name);
    return found == remembered.end() ? 0 : found->second;
}

// The arithmetic of a sampler outside the network: at most three passes over x a step for x and for each output that
// the step looks at. A step more is measured, so that start and end do not count.
TEST(Counts, PassesOverMemoryOfEverySampler) {
    const auto model = make_exact(Spec::parse("exact:gaussian,c=0.5,dim=7"));
    const UncountedDenoiser target(model);
    const at::Tensor ones = at::ones({3, 7}, at::kDouble);
    const probe::GivenNoise noise(ones, std::vector<at::Tensor>(20, ones));
    json counted;
    for (const SpecEntry& entry : sampler_entries()) {
        const auto sampler = make_sampler(Spec::parse(entry.name));
        int64_t passes[2], evaluations[2];
        for (int more : {0, 1}) {
            const Schedule schedule = build_schedule(Spec::parse("edm:end=sigma-min"), target.process(), {12 + more});
            const CountingDenoiser counter(std::make_shared<UncountedDenoiser>(model));
            const bench::PassCounter counting(ones.numel());
            sampler->sample(counter, schedule, noise);
            passes[more] = counting.passes();
            evaluations[more] = counter.calls();
        }
        const int64_t step = passes[1] - passes[0];
        const int64_t outputs = std::max(evaluations[1] - evaluations[0], outputs_remembered(entry.name));
        std::printf("counts: %s %lld passes a step, %lld outputs\n", entry.name.c_str(), static_cast<long long>(step),
                    static_cast<long long>(outputs));
        EXPECT_GE(step, 2) << entry.name;
        EXPECT_LE(step, 3 * (1 + outputs)) << entry.name;
        counted[entry.name] = step;
    }
    compare("at_most", "sampler_passes", counted);
}

TEST(Counts, ParametersAndMultiplyAccumulates) {
    json counted;
    const std::map<std::string, UNetConfig> configs = {{"quickstart", bench::quickstart_config()},
                                                       {"wide", bench::wide_config()},
                                                       {"improved-diffusion", bench::improved_diffusion_config()}};
    for (const auto& [name, config] : configs) {
        const UNet net(config);
        counted[name] = {{"parameters", net.parameter_count()}, {"macs", net.macs(32, 32)}, {"tensors", net.parameter_shapes().size()}};
    }
    compare("exact", "networks", counted);
    EXPECT_NEAR(counted["improved-diffusion"]["parameters"].get<double>(), 52.5e6, 0.05e6);  // their table
}

TEST(Counts, CopiesAndReorderingInOneEvaluation) {
    c10::NoGradGuard no_grad;
    const auto network = bench::quickstart_network();
    json counted;
    for (bool channels_last : {false, true}) {
        at::Tensor x = at::ones({4, 1, 32, 32}, at::kDouble);
        if (channels_last) x = x.contiguous(at::MemoryFormat::ChannelsLast);
        const LocatedLevel level = network->process().locate(1.0);
        denoise_at(*network, x, level);
        const bench::OperatorCounter operators;
        denoise_at(*network, x, level);
        EXPECT_GT(operators.calls("aten::convolution"), 10);
        counted[channels_last ? "channels-last" : "contiguous"] = {
            {"copies", operators.calls("aten::copy_")}, {"reordered_convolutions", operators.reordered_convolutions()}};
    }
    compare("at_most", "evaluation", counted);
}

// The contract of core/noise.h: equal bits on every machine and compiler.
TEST(Counts, BitsOfTheNoise) {
    std::string bytes;
    for (uint32_t draw = 0; draw < 8; ++draw) {
        std::vector<float> row(40000 + draw);
        fill_normals({20240229, NoisePurpose::latent}, uint64_t{1} << (6 * draw), draw, row);
        const size_t at = bytes.size();
        bytes.resize(at + row.size() * sizeof(float));
        std::memcpy(bytes.data() + at, row.data(), row.size() * sizeof(float));
    }
    compare("exact", "noise", {{"normals", bytes.size() / sizeof(float)}, {"sha256", sha256(bytes)}});
}

/// Bytes that this process has handed to write() so far; 0 where the system does not say.
int64_t bytes_written() {
    std::ifstream io("/proc/self/io");
    std::string key;
    int64_t value = 0;
    while (io >> key >> value)
        if (key == "wchar:") return value;
    return 0;
}

TEST(Counts, BytesOfAWorkFile) {
    const auto path = std::filesystem::temp_directory_path() / ("schedbench_counts_" + std::to_string(::getpid()) + ".h5");
    WorkLayout layout;
    layout.identity = "cell";
    layout.capacity = 1024;
    layout.image_shape = {3, 32, 32};
    layout.feature_dim = 128;
    layout.extractor = "extractor";
    int64_t payload = 0, written = 0;
    {
        WorkFile work = WorkFile::open_or_create(path.string(), layout);
        const int64_t before = bytes_written();
        for (int64_t first = 0; first < layout.capacity; first += layout.block_rows) {
            std::vector<int64_t> ids(static_cast<size_t>(layout.block_rows));
            std::iota(ids.begin(), ids.end(), first);
            const std::vector<uint8_t> images(ids.size() * static_cast<size_t>(layout.image_size()), 7);
            const std::vector<float> features(ids.size() * 128, 0.5f);
            work.append({ids, images, features, {}, 10, 1.0, 0.9});
            payload += static_cast<int64_t>(images.size() + features.size() * sizeof(float) + ids.size() * sizeof(int64_t));
        }
        written = bytes_written() - before;
        EXPECT_EQ(work.rows(), layout.capacity);
        work.close();
    }
    const auto file = static_cast<double>(std::filesystem::file_size(path));
    std::filesystem::remove(path);
    std::printf("counts: work file %.4f, written %.4f bytes a byte of payload\n", file / static_cast<double>(payload),
                static_cast<double>(written) / static_cast<double>(payload));
    EXPECT_GE(file, static_cast<double>(payload));
    compare("exact", "work_file", {{"payload_bytes", payload}, {"rows", layout.capacity}});
    compare("at_most", "work_file", {{"file_per_payload", file / static_cast<double>(payload)},
                                     {"written_per_payload", static_cast<double>(written) / static_cast<double>(payload)}});
}

}  // namespace
}  // namespace schedbench
