// Tools to follow a sampler along a recorded run: what the model was asked at every evaluation, and where x stood at
// every knot.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "golden.h"
#include "models/exact.h"
#include "models/safetensors.h"
#include "sampler_probe.h"

namespace schedbench::trace {

/// max |a - b| over max(1, max |b|), b the reference.
inline double scaled(const at::Tensor& a, const at::Tensor& b) {
    const at::Tensor reference = b.to(at::kDouble);
    return (a.to(at::kDouble) - reference).abs().max().item<double>() /
           std::max(1.0, reference.abs().max().item<double>());
}

inline std::vector<double> doubles(const at::Tensor& x) {
    const at::Tensor values = x.to(at::kDouble).contiguous();
    return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

/// Largest relative difference; infinite where the lengths differ.
inline double relative(const std::vector<double>& have, const std::vector<double>& want) {
    if (have.size() != want.size()) return HUGE_VAL;
    double worst = 0;
    for (size_t i = 0; i < want.size(); ++i)
        worst = std::max(worst, std::abs(have[i] - want[i]) / (want[i] == 0 ? 1 : std::abs(want[i])));
    return worst;
}

inline std::vector<at::Tensor> rows(const at::Tensor& x) {
    std::vector<at::Tensor> out;
    for (int64_t i = 0; i < x.size(0); ++i) out.push_back(x[i].to(at::kDouble));
    return out;
}

inline std::string shape_key(const at::Tensor& x) {
    std::string out = "shape=[";
    for (int64_t i = 1; i < x.dim(); ++i) out += (i > 1 ? "," : "") + std::to_string(x.size(i));
    return out + "]";
}

/// A number of the metadata, where "inf" is a text.
inline std::string number(const nlohmann::json& value) {
    return value.is_string() ? value.get<std::string>() : format_number(value);
}

/// Passes everything on and writes it down.
class Recorder final : public Denoiser {
  public:
    explicit Recorder(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override {
        DenoiserOutput out = (*inner_)(x, levels, model_time, labels);
        sigma.push_back(levels[0].item<double>());
        time.push_back(model_time[0].item<double>());
        x0.push_back(out.x0);
        return out;
    }
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    int64_t classes() const override { return inner_->classes(); }
    bool has_variance() const override { return inner_->has_variance(); }
    std::string spec() const override { return inner_->spec(); }
    std::string weights_hash() const override { return inner_->weights_hash(); }

    mutable std::vector<double> sigma, time;
    mutable std::vector<at::Tensor> x0;

  private:
    std::shared_ptr<const Denoiser> inner_;
};

/// x at knots 0..N in the variance-exploding form, and the evaluations on the way.
struct Run {
    std::vector<at::Tensor> states;
    std::vector<double> sigma, time;
    std::vector<at::Tensor> x0;
};

inline Run follow(const std::string& sampler, const std::shared_ptr<const Denoiser>& model, const Schedule& schedule,
                  const BlockNoise& noise, const at::Tensor& labels = {}) {
    const Recorder recorder(model);
    Run run;
    make_sampler(Spec::parse(sampler))
        ->sample(recorder, schedule, noise, labels, [&](int knot, const at::Tensor& x) {
            EXPECT_EQ(knot, static_cast<int>(run.states.size()));
            run.states.push_back(x.clone());
        });
    run.sigma = recorder.sigma, run.time = recorder.time, run.x0 = recorder.x0;
    return run;
}

/// Every golden file of this kind below nets/.
inline std::vector<SafetensorsFile> files_of_kind(const std::string& wanted) {
    std::vector<SafetensorsFile> out;
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        SafetensorsFile file = read_safetensors(path.string());
        const auto kind = file.metadata.find("kind");
        if (kind != file.metadata.end() && kind->second == wanted) out.push_back(std::move(file));
    }
    return out;
}

inline std::string path_of(const std::string& weights) {
    return (golden::root() / "nets" / weights).string();
}

}  // namespace schedbench::trace
