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

}  // namespace

Float64Distance distance_from_float64(const Denoiser& model, const Denoiser& exact) {
    const c10::NoGradGuard no_gradients;
    const Inputs in = fixed_inputs(model);
    const at::Tensor wanted = exact(in.x, in.levels, in.times, in.labels).x0,
                     got = model(in.x, in.levels, in.times, in.labels).x0.to(at::kDouble);
    std::vector<int64_t> column(static_cast<size_t>(got.dim()), 1);
    column[0] = kLevels;
    const at::Tensor difference = (got - wanted) / at::clamp_min(in.levels, 1).reshape(column);
    return Float64Distance{difference.abs().max().item<double>(),
                           difference.square().mean().sqrt().item<double>(), kLevels};
}

std::shared_ptr<const Denoiser> in_float64(const Denoiser& loaded) {
    const auto converted = [](const auto& network) {
        auto out = std::make_shared<std::decay_t<decltype(network)>>(network);
        out->use_float64();
        return out;
    };
    if (const auto* native = dynamic_cast<const NativeDenoiser*>(&loaded)) return converted(*native);
    if (const auto* edm = dynamic_cast<const EdmDenoiser*>(&loaded)) return converted(*edm);
    return nullptr;
}

}  // namespace schedbench
