#include "models/mlp.h"

#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/error.h"
#include "core/noise.h"

namespace schedbench {

namespace {

std::string block_name(int64_t i) {
    return "blocks." + std::to_string(i);
}

/// [v, sin and cos(pi 2^j v)] side by side, j < octaves; v [B, k].
at::Tensor with_octaves(const at::Tensor& v, int64_t octaves) {
    std::vector<at::Tensor> parts{v};
    for (int64_t j = 0; j < octaves; ++j) {
        const at::Tensor angle = v * (std::numbers::pi * std::exp2(static_cast<double>(j)));
        parts.push_back(angle.sin());
        parts.push_back(angle.cos());
    }
    return at::cat(parts, 1);
}

}  // namespace

MlpConfig MlpConfig::from_json(const nlohmann::json& json, const std::string& where) {
    MlpConfig c;
    const std::map<std::string, int64_t*> keys = {{"dims", &c.dims},
                                                  {"width", &c.width},
                                                  {"blocks", &c.blocks},
                                                  {"data_octaves", &c.data_octaves},
                                                  {"time_octaves", &c.time_octaves}};
    for (const auto& [key, value] : json.items()) {
        const auto it = keys.find(key);
        if (it == keys.end())
            throw Error("file", "network config has the unknown key \"" + key + "\"", where,
                        "known: dims, width, blocks, data_octaves, time_octaves");
        constexpr int64_t kMost = 1 << 16;
        const bool octaves = key.ends_with("octaves");
        if (!value.is_number_integer() || value.get<int64_t>() < (octaves ? 0 : 1) ||
            value.get<int64_t>() > (octaves ? 16 : kMost))
            throw Error("file", "network config has an impossible value of \"" + key + "\"", where);
        *it->second = value.get<int64_t>();
    }
    return c;
}

nlohmann::json MlpConfig::to_json() const {
    return {{"dims", dims},
            {"width", width},
            {"blocks", blocks},
            {"data_octaves", data_octaves},
            {"time_octaves", time_octaves}};
}

Mlp::Mlp(MlpConfig config) : config_(config) {
    add_linear_shapes(shapes_, "in", config_.features(), config_.width);
    for (int64_t i = 0; i < config_.blocks; ++i)
        add_linear_shapes(shapes_, block_name(i), config_.width, config_.width);
    add_linear_shapes(shapes_, "out", config_.width, config_.dims);
}

int64_t Mlp::macs(int64_t, int64_t) const {
    return config_.width * (config_.features() + config_.blocks * config_.width + config_.dims);
}

Parameters Mlp::initial_parameters(uint64_t seed) const {
    Parameters out;
    uint64_t index = 0;
    for (const auto& [name, shape] : shapes_) {
        at::Tensor value = at::zeros(shape, at::kFloat);
        if (shape.size() == 2 && !name.starts_with("out.")) {
            fill_normals({seed, NoisePurpose::initialisation}, index, 0,
                         {value.mutable_data_ptr<float>(), static_cast<size_t>(value.numel())});
            value.mul_(1 / std::sqrt(static_cast<double>(shape[1])));
        }
        out.emplace(name, value);
        ++index;
    }
    return out;
}

at::Tensor Mlp::forward(const Parameters& p, const at::Tensor& x, const at::Tensor& time, const at::Tensor&,
                        double, const ActivationTap& tap) const {
    const at::ScalarType dtype = parameter(p, "in.weight").scalar_type();
    const at::Tensor data = x.reshape({x.size(0), config_.dims}).to(dtype);
    at::Tensor h = at::cat({with_octaves(data, config_.data_octaves),
                            with_octaves(time.to(dtype).reshape({-1, 1}), config_.time_octaves)},
                           1);
    h = at::silu(linear(p, "in", h));
    for (int64_t i = 0; i < config_.blocks; ++i) {
        h = h + at::silu(linear(p, block_name(i), h));
        if (tap) tap("act." + block_name(i), h);
    }
    return linear(p, "out", h).reshape(x.sizes());
}

}  // namespace schedbench
