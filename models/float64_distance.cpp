#include "models/float64_distance.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "core/noise.h"
#include "models/edm_denoiser.h"
#include "models/native.h"

namespace schedbench {

namespace {

constexpr int64_t kLevels = 4;
constexpr double kLowest = 0.05, kHighest = 20;

struct Inputs {
    at::Tensor x, levels, times, labels;  ///< float64, float64, float64, integers or undefined
};

Inputs fixed_inputs(const Denoiser& model) {
    const NoiseProcess& process = model.process();
    const double low = std::clamp(kLowest, process.sigma_min(), process.sigma_max());
    const double high = std::clamp(kHighest, low, process.sigma_max());
    std::vector<int64_t> shape = model.shape();
    shape.insert(shape.begin(), kLevels);
    at::Tensor noise = at::empty(shape, at::kFloat);
    const int64_t size = noise.numel() / kLevels;
    Inputs out{{}, at::empty({kLevels}, at::kDouble), at::empty({kLevels}, at::kDouble), {}};
    for (int64_t i = 0; i < kLevels; ++i) {
        const double u = static_cast<double>(i) / (kLevels - 1);
        const LocatedLevel level = process.locate(low * std::pow(high / low, u));
        out.levels[i] = level.level;
        out.times[i] = level.model_time;
        fill_normals({1, NoisePurpose::initialisation}, static_cast<uint64_t>(i), 0,
                     {noise.mutable_data_ptr<float>() + i * size, static_cast<size_t>(size)});
    }
    std::vector<int64_t> column(shape.size(), 1);
    column[0] = kLevels;
    out.x = noise.to(at::kDouble) * (out.levels.square() + 0.25).sqrt().reshape(column);
    if (model.classes() > 0) out.labels = at::arange(kLevels) % model.classes();
    return out;
}

Parameters in_float64(Parameters parameters) {
    for (auto& [name, value] : parameters) value = value.to(at::kDouble);
    return parameters;
}

/// x0hat by the weights of the file in float64; undefined for a model that is no network of a file.
at::Tensor exact(const Denoiser& model, const Inputs& in) {
    if (const auto* native = dynamic_cast<const NativeDenoiser*>(&model))
        return network_denoise(native->description(), native->network(),
                               in_float64(native->file_parameters()), in.x, in.levels, in.times, in.labels)
            .x0;
    const auto* edm = dynamic_cast<const EdmDenoiser*>(&model);
    if (!edm) return {};
    const at::Tensor rows = in.labels.defined() ? at::one_hot(in.labels, model.classes()) : at::Tensor();
    return edm
        ->model()(in_float64(edm->file_parameters()), in.x, in.levels, rows, {}, nullptr,
                  model.process().discrete() ? in.times : at::Tensor())
        .denoised;
}

}  // namespace

std::optional<Float64Distance> distance_from_float64(const std::shared_ptr<const Denoiser>& model,
                                                     at::Device device) {
    const c10::NoGradGuard no_gradients;
    const Inputs in = fixed_inputs(*model);
    const at::Tensor wanted = exact(*model, in);
    if (!wanted.defined()) return std::nullopt;
    const auto placed = on_device(model, device);
    const at::Tensor got = (*placed)(in.x.to(device), in.levels.to(device), in.times.to(device),
                                     in.labels.defined() ? in.labels.to(device) : in.labels)
                               .x0.to(at::kCPU, at::kDouble);
    std::vector<int64_t> column(static_cast<size_t>(got.dim()), 1);
    column[0] = kLevels;
    const at::Tensor difference = (got - wanted) / at::clamp_min(in.levels, 1).reshape(column);
    return Float64Distance{difference.abs().max().item<double>(),
                           difference.square().mean().sqrt().item<double>(), kLevels};
}

}  // namespace schedbench
