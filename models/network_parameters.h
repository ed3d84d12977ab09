// The parameters of a loaded network, and what evaluation makes of them.
#pragma once

#include <utility>

#include "models/evaluation.h"
#include "models/parameters.h"

namespace schedbench {

class NetworkParameters {
  public:
    explicit NetworkParameters(Parameters of_file) : in_use_(std::move(of_file)) {}

    /// Convolutions and attention in bfloat16; before the first evaluation.
    void use_bf16() { in_use_ = with_bf16_trunk(std::move(in_use_)); }
    /// All of them in float64; before the first evaluation.
    void use_float64() {
        for (auto& [name, value] : in_use_) value = value.to(at::kDouble);
    }
    /// Of a copy that has not been evaluated.
    void move_to(at::Device device) { in_use_ = on_device(std::move(in_use_), device); }

    const Parameters& in_use() const { return in_use_; }
    const Parameters& for_evaluation() const { return evaluation_.of(in_use_); }

  private:
    Parameters in_use_;
    EvaluationParameters evaluation_;
};

}  // namespace schedbench
