// The networks that benchmarks and counts are about, with initial weights: what they compute does not matter here.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "models/native.h"

namespace schedbench::bench {

inline std::shared_ptr<const NativeDenoiser> network(UNetConfig config, const std::string& process) {
    NetworkDescription description;
    description.config = std::move(config);
    description.image_size = 32;
    description.process = NoiseProcess(Spec::parse(process)).spec();
    const bool continuous = !NoiseProcess(description.process).discrete();
    description.prediction = continuous ? NetworkDescription::Prediction::edm : NetworkDescription::Prediction::eps;
    const UNet net(description.config);
    return std::make_shared<NativeDenoiser>(description, checked_parameters(net, net.initial_parameters(1), "benchmark"),
                                            "benchmark", "");
}

/// The quickstart's: 24 channels, multipliers 1, 2, 2, one residual block a level, patches of 2, one channel of 32x32.
inline UNetConfig quickstart_config() {
    UNetConfig config;
    config.in_channels = config.out_channels = 1;
    config.model_channels = 24;
    config.channel_mult = {1, 2, 2};
    config.num_res_blocks = 1;
    config.num_groups = 8;
    config.patch = 2;
    return config;
}
inline std::shared_ptr<const NativeDenoiser> quickstart_network() {
    return network(quickstart_config(), "continuous:sigma-min=0.002,sigma-max=80");
}

/// 128 channels on 32x32 colour images, one residual block a level, no attention.
inline UNetConfig wide_config() {
    UNetConfig config;
    config.num_res_blocks = 1;
    return config;
}
inline std::shared_ptr<const NativeDenoiser> wide_network() {
    return network(wide_config(), "continuous:sigma-min=0.002,sigma-max=80");
}

/// The CIFAR-10 network of Nichol and Dhariwal 2021 (learned variance): 52.5 million parameters in their table.
inline UNetConfig improved_diffusion_config() {
    UNetConfig config;
    config.num_res_blocks = 3;
    config.out_channels = 6;
    config.attention_resolutions = {2, 4};
    return config;
}

}  // namespace schedbench::bench
