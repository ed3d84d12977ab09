// A network of a few thousand parameters and random images: training code in milliseconds.
#pragma once

#include <cmath>

#include "core/noise.h"
#include "data/dataset.h"
#include "likelihood/probe_source.h"
#include "train/trainer.h"

namespace schedbench::tiny {

inline NetworkDescription description(Objective objective) {
    NetworkDescription d;
    d.config.in_channels = 1;
    d.config.model_channels = 8;
    d.config.channel_mult = {1, 2};
    d.config.num_res_blocks = 1;
    d.config.num_heads = 2;
    d.config.num_groups = 4;
    d.config.patch = 2;
    const bool learned = objective == Objective::hybrid || objective == Objective::vlb;
    d.config.out_channels = learned ? 2 : 1;
    d.image_size = 8;
    d.prediction = objective == Objective::edm ? NetworkDescription::Prediction::edm
                                               : NetworkDescription::Prediction::eps;
    d.process = NoiseProcess(Spec::parse(objective == Objective::edm ? "continuous" : "linear:T=40")).spec();
    return d;
}

inline Dataset images(int64_t count) {
    Dataset data;
    data.count = count;
    data.channels = 1;
    data.height = data.width = 8;
    data.classes = 2;
    for (int64_t i = 0; i < count; ++i)  // waves of random phase: there is something to learn
        for (int64_t p = 0; p < 64; ++p) {
            const auto phase = static_cast<double>(noise_index({3, NoisePurpose::selection},
                                                               static_cast<uint64_t>(i), 0, 628)) /
                               100;
            data.pixels.push_back(
                static_cast<uint8_t>(128 + 120 * std::sin(0.8 * static_cast<double>(p % 8) + phase)));
        }
    for (int64_t i = 0; i < count; ++i) data.labels.push_back(i % 2);
    data.hash = "tiny" + std::to_string(count);
    return data;
}

}  // namespace schedbench::tiny
