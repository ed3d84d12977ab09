// Samplers against runs of the reference implementations on an analytic model, with their own noise.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "golden.h"
#include "models/exact.h"
#include "models/safetensors.h"
#include "sampler_probe.h"

namespace schedbench {
namespace {

using nlohmann::json;

double worst(const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).abs().max() / b.abs().max()).item<double>();
}

std::string shape_key(const at::Tensor& x) {
    std::string out = "shape=[";
    for (int64_t i = 1; i < x.dim(); ++i) out += (i > 1 ? "," : "") + std::to_string(x.size(i));
    return out + "]";
}

std::vector<at::Tensor> rows(const at::Tensor& x) {
    std::vector<at::Tensor> out;
    for (int64_t i = 0; i < x.size(0); ++i) out.push_back(x[i].to(at::kDouble));
    return out;
}

std::string number(const json& value) {
    return value.is_string() ? value.get<std::string>() : format_number(value);
}

TEST(GoldenReference, EdmSampler) {
    golden::Tally finals("nets/edm_sampler analytic final states");
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        const SafetensorsFile file = read_safetensors(path.string());
        const auto kind = file.metadata.find("kind");
        if (kind == file.metadata.end() || kind->second != "edm_sampler") continue;
        const json denoiser = json::parse(file.meta("denoiser")), cases = json::parse(file.meta("cases"));
        if (!denoiser.contains("analytic")) continue;
        const at::Tensor latents = file.at("latents").to(at::kDouble);
        const auto model =
            make_exact(Spec::parse("exact:gaussian,c=" + number(denoiser["c"]) + "," + shape_key(latents)));
        for (const auto& [name, arguments] : cases.items()) {
            const at::Tensor times = file.at(name + ".t_steps").contiguous(),
                             states = file.at(name + ".states");
            const std::vector<double> levels(times.const_data_ptr<double>(),
                                             times.const_data_ptr<double>() + times.numel());
            const auto draws = file.tensors.contains(name + ".draws") ? rows(file.at(name + ".draws"))
                                                                      : std::vector<at::Tensor>{};
            const auto sampler = make_sampler(Spec::parse(
                "heun:s-churn=" + number(arguments["S_churn"]) + ",s-min=" + number(arguments["S_min"]) +
                ",s-max=" + number(arguments["S_max"]) + ",s-noise=" + number(arguments["S_noise"])));
            CountingDenoiser counter(model);
            const at::Tensor x = sampler->sample(counter, probe::schedule_of(levels, model->process()),
                                                 probe::GivenNoise(latents, draws));
            finals.add(worst(x, states[states.size(0) - 1]), 1e-11, name);
            EXPECT_EQ(counter.calls(), file.at(name + ".net_sigma").size(0)) << name;
        }
    }
    finals.report();
}

/// The reference's variance channels are tanh of its own (variance-preserving) x.
class TanhVariance final : public Denoiser {
  public:
    explicit TanhVariance(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& time,
                              const at::Tensor& labels) const override {
        DenoiserOutput out = (*inner_)(x, levels, time, labels);
        const double level = levels[0].item<double>();
        out.variance = at::tanh(x / std::sqrt(1 + level * level));
        return out;
    }
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    bool has_variance() const override { return true; }
    std::string spec() const override { return "tanh-variance"; }

  private:
    std::shared_ptr<const Denoiser> inner_;
};

TEST(GoldenReference, AncestralSamplers) {
    golden::Tally finals("nets/improved_diffusion_samplers analytic final states");
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        const SafetensorsFile file = read_safetensors(path.string());
        const auto kind = file.metadata.find("kind");
        if (kind == file.metadata.end() || kind->second != "improved_diffusion_samplers") continue;
        const at::Tensor start = file.at("init_noise").to(at::kDouble);
        const json cases = json::parse(file.meta("cases"));
        for (const auto& [name, arguments] : cases.items()) {
            if (!arguments["model"].is_object()) continue;
            std::shared_ptr<const Denoiser> model = make_exact(
                Spec::parse("exact:gaussian,c=" + number(arguments["model"]["c"]) + "," + shape_key(start) +
                            ",process={" + arguments["noise_schedule"].get<std::string>() +
                            ":T=" + std::to_string(arguments["diffusion_steps"].get<int>()) + "}"));
            if (arguments["model"]["variance_channels"].is_string())
                model = std::make_shared<TanhVariance>(model);
            const NoiseProcess process = model->process();
            const at::Tensor map = file.at(name + ".timestep_map");
            std::vector<double> levels;
            for (int64_t k = 0; k < map.size(0); ++k)
                levels.push_back(process.sigma(static_cast<int>(map[k].item<int64_t>()) + 1));
            levels.push_back(0);
            std::string spec = "ddim:eta=" + number(arguments["eta"].is_null() ? json(0) : arguments["eta"]);
            if (arguments["function"] == "p_sample_loop") {
                const std::string type = arguments["model_var_type"];
                spec = std::string("ddpm:variance=") + (type == "FIXED_SMALL"   ? "posterior"
                                                        : type == "FIXED_LARGE" ? "beta"
                                                                                : "learned");
            }
            if (arguments["clip_denoised"]) {
                if (model->has_variance())
                    model = std::make_shared<TanhVariance>(clip_denoiser(model));
                else
                    model = clip_denoiser(model);
            }
            // The reference starts from x = z in the variance-preserving form: sqrt(1 + sigma^2) z here.
            const double first = levels.front();
            const probe::GivenNoise noise(start * (std::sqrt(1 + first * first) / first),
                                          rows(file.at("noise")));
            const at::Tensor x =
                make_sampler(Spec::parse(spec))->sample(*model, probe::schedule_of(levels, process), noise);
            finals.add(worst(x, file.at(name + ".final.f64")), 1e-8, name);
        }
    }
    finals.report();
}

}  // namespace
}  // namespace schedbench
